//! RFC 6455 framing of a client: masked frames out, unmasked frames in. No handshake, no sockets.

/// First byte of a whole text message.
pub const TEXT: u8 = 0x81;
/// First byte of a close frame.
pub const CLOSE: u8 = 0x88;
/// First byte of a ping.
pub const PING: u8 = 0x89;
/// First byte of a pong.
pub const PONG: u8 = 0x8A;

const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// What is at the beginning of the received bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// Not all of it is there yet.
    Incomplete,
    /// One frame.
    Frame {
        /// First byte: the FIN bit and the opcode.
        head: u8,
        /// Its payload.
        payload: &'a [u8],
        /// Bytes that it takes, header included.
        length: usize,
    },
    /// No server may send this.
    Broken(&'static str),
}

/// Append a masked frame. RFC 6455 5.2
pub fn write(head: u8, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(head);
    match u16::try_from(payload.len()) {
        Ok(length) if length < u16::from(LENGTH_16) => out.push(MASKED | length.to_be_bytes()[1]),
        Ok(length) => {
            out.push(MASKED | LENGTH_16);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            out.push(MASKED | LENGTH_64);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask);
}

fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = bytes.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(eight) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Look at the first frame of what a server has sent.
#[must_use]
pub fn read(bytes: &[u8]) -> Received<'_> {
    let [head, second, rest @ ..] = bytes else { return Received::Incomplete };
    if second & MASKED != 0 {
        return Received::Broken("a server's frame is masked");
    }
    let (wide, announced) = match *second {
        LENGTH_16 => (2, rest.first_chunk().map(|length| u64::from(u16::from_be_bytes(*length)))),
        LENGTH_64 => (8, rest.first_chunk().map(|length| u64::from_be_bytes(*length))),
        short => (0, Some(u64::from(short))),
    };
    let Some(announced) = announced else { return Received::Incomplete };
    let Ok(announced) = usize::try_from(announced) else {
        return Received::Broken("a frame is longer than the memory");
    };
    match rest[wide..].get(..announced) {
        None => Received::Incomplete,
        Some(payload) => Received::Frame { head: *head, payload, length: 2 + wide + announced },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server makes of a client's frame.
    fn unmasked(frame: &[u8]) -> (u8, Vec<u8>) {
        let (start, length) = match frame[1] & 0x7F {
            126 => (4, usize::from(u16::from_be_bytes([frame[2], frame[3]]))),
            127 => (10, usize::try_from(u64::from_be_bytes(frame[2..10].try_into().unwrap())).unwrap()),
            short => (2, usize::from(short)),
        };
        assert_eq!(frame[1] & MASKED, MASKED);
        assert_eq!(frame.len(), start + 4 + length);
        let key = &frame[start..start + 4];
        let payload = frame[start + 4..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        (frame[0], payload.collect())
    }

    #[test]
    fn a_written_frame_is_masked_with_its_key_at_every_length() {
        for length in [0, 1, 7, 8, 125, 126, 619, 65_535, 65_536] {
            let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut out = Vec::new();
            write(TEXT, &payload, [1, 2, 3, 250], &mut out);
            assert_eq!(unmasked(&out), (TEXT, payload), "{length} bytes");
        }
    }

    #[test]
    fn a_frame_is_read_when_its_last_byte_is_there_and_not_before() {
        for length in [0_usize, 125, 126, 65_535, 65_536] {
            let mut bytes = vec![TEXT];
            match length {
                0..126 => bytes.push(u8::try_from(length).unwrap()),
                126..65_536 => {
                    bytes.push(126);
                    bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
                }
                _ => {
                    bytes.push(127);
                    bytes.extend((length as u64).to_be_bytes());
                }
            }
            bytes.extend(std::iter::repeat_n(b'x', length));
            for missing in [1, length / 2 + 1, bytes.len()] {
                assert_eq!(read(&bytes[..bytes.len() - missing]), Received::Incomplete);
            }
            let whole = bytes.len();
            bytes.extend(b"next");
            assert_eq!(
                read(&bytes),
                Received::Frame { head: TEXT, payload: &vec![b'x'; length], length: whole }
            );
        }
    }

    #[test]
    fn a_masked_frame_of_a_server_is_broken() {
        assert_eq!(read(&[TEXT, 0x81, 0, 0, 0, 0, b'x']), Received::Broken("a server's frame is masked"));
    }
}
