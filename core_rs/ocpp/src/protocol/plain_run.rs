//! Finds the end of the plain part of a JSON string. Strings are most of a frame.

/// Where the run of characters that need no care ends: at a quote, a backslash or a control character. Eight
/// bytes at a time.
#[inline(always)]
pub(crate) fn plain_run(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    at + length.unwrap_or(rest.len())
}

/// The lowest set bit marks the first of eight bytes that is a quote, a backslash or a control character. No bit
/// is set when no byte is. Borrows only reach bytes above the first hit.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & TOPS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}
