//! Masking (RFC 6455 5.3).

/// The key of a client's payload: byte `i` is combined with byte `i % 4` of the key by exclusive or.
pub type Key = [u8; 4];

/// Mask or unmask in place. Returns the key for the bytes that follow.
pub(super) fn apply(payload: &mut [u8], key: Key) -> Key {
    let narrow = u32::from_le_bytes(key);
    // Whole words, so that the compiler makes vectors of them.
    let wide = u64::from(narrow) << 32 | u64::from(narrow);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
    }
    let mut next = narrow;
    for byte in rest {
        *byte ^= next.to_le_bytes()[0];
        next = next.rotate_right(8);
    }
    next.to_le_bytes()
}

/// Append a payload, masked or unmasked. Returns the key for the bytes that follow.
pub(super) fn append(out: &mut Vec<u8>, payload: &[u8], key: Option<Key>) -> Option<Key> {
    let start = out.len();
    out.extend_from_slice(payload);
    key.map(|key| apply(&mut out[start..], key))
}
