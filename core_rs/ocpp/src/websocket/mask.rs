//! Masking (RFC 6455 5.3).

/// What a client's payload is combined with by exclusive or: byte `i` of the payload with byte `i % 4` of the key.
pub type Key = [u8; 4];

/// Mask or unmask in place. Returns the key for the bytes that follow.
pub(super) fn apply(payload: &mut [u8], key: Key) -> Key {
    let [a, b, c, d] = key;
    // Whole words, so that the compiler makes vectors of them.
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key_byte) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key_byte;
    }
    let mut next = key;
    next.rotate_left(rest.len() % 4);
    next
}

/// Append a payload, masked or unmasked. Returns the key for the bytes that follow.
pub(super) fn append(out: &mut Vec<u8>, payload: &[u8], key: Option<Key>) -> Option<Key> {
    let start = out.len();
    out.extend_from_slice(payload);
    key.map(|key| apply(&mut out[start..], key))
}
