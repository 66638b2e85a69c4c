//! A hash that tells the texts of one connection apart, sixteen bytes at a time.
//!
//! It is not cryptographic: a peer that makes two texts with one hash only harms its own link.

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of a text.
#[must_use]
pub(crate) fn text_hash(text: &str) -> u64 {
    let (blocks, rest) = text.as_bytes().as_chunks::<16>();
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    folded(blocks.iter().fold(text.len() as u64, folded), &last)
}

/// Combine the halves of a product of 128 bits, which depends on every bit of both factors.
#[allow(clippy::cast_possible_truncation)] // Halves are what is wanted.
fn folded(hash: u64, block: &[u8; 16]) -> u64 {
    let block = u128::from_le_bytes(*block);
    let product = u128::from(block as u64 ^ ODD) * u128::from((block >> 64) as u64 ^ hash);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::text_hash;

    #[test]
    fn each_byte_and_the_length_count() {
        let text = "[2,\"00000000-0000-4000-8000-000000000000\",\"Heartbeat\",{}]";
        let mut hashes = vec![text_hash(text), text_hash(&format!("{text}\0"))];
        for at in 0..text.len() {
            for other in [" ", "~"] {
                hashes.push(text_hash(&format!("{}{other}{}", &text[..at], &text[at + 1..])));
            }
        }
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
