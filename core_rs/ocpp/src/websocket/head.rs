//! The head of a frame (RFC 6455 5.2): flags, opcode, length and masking key.

use super::fault::Fault;
use super::mask::Key;

/// The largest payload of a control frame (RFC 6455 5.5).
pub const CONTROL_LIMIT_BYTES: usize = 125;

pub(super) const FINAL: u8 = 0x80;
pub(super) const MASKED: u8 = 0x80;
const RESERVED: u8 = 0x70;
const COMPRESSED: u8 = 0x40;
const OPCODE: u8 = 0x0F;
const CONTROL: u8 = 0x08;

/// A value in the place of the length: the length follows in 2 bytes.
pub(super) const LENGTH_IN_2: u8 = 126;
/// A value in the place of the length: the length follows in 8 bytes.
pub(super) const LENGTH_IN_8: u8 = 127;

/// Which side of the connection this is. Only what clients send is masked (RFC 6455 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Reads masked frames.
    Server,
    /// Reads frames that are not masked.
    Client,
}

/// The extensions that the two sides have negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) side: Side,
    /// Whether messages of the peer may be compressed (RFC 7692).
    pub(super) inflates: bool,
    /// Whether text is taken that is not UTF-8, or that is cut at the limit.
    pub(super) is_lenient: bool,
}

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
    /// Never received: marks a text message that went on beyond the limit.
    CutText = 0x11,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    pub(super) fn is_control(self) -> bool {
        self as u8 & CONTROL != 0
    }
}

/// A head that breaks no rule by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    /// Whether the message is compressed. Set on its first frame (RFC 7692 6).
    pub(super) is_compressed: bool,
    pub(super) key: Option<Key>,
    /// Length of the head: 2 to 14.
    pub(super) size_bytes: usize,
    /// Length of the payload.
    pub(super) payload_bytes: usize,
}

/// The result of reading a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Complete(Head),
    /// The head is incomplete: this many bytes, from its first one, are needed to continue.
    Needs(usize),
}

impl Head {
    /// Whether a message over the limit is taken as far as it fits.
    pub(super) fn may_be_cut(&self, terms: Terms) -> bool {
        terms.is_lenient && self.opcode == Opcode::Text && !self.is_compressed
    }

    /// Read the head at the front of `bytes`, which may go on beyond it.
    #[inline]
    pub(super) fn read(bytes: &[u8], Terms { side, inflates, .. }: Terms) -> Result<Reading, Fault> {
        let Some(&first) = bytes.first() else { return Ok(Reading::Needs(2)) };
        let opcode = read_first(first, inflates)?;
        let Some(&second) = bytes.get(1) else { return Ok(Reading::Needs(2)) };
        match (side, second & MASKED != 0) {
            (Side::Server, false) => return Err(Fault::NotMasked),
            (Side::Client, true) => return Err(Fault::Masked),
            _ => {}
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > CONTROL_LIMIT_BYTES {
            return Err(Fault::LongControl);
        }
        let (payload_bytes, length_end) = match read_length(short, &bytes[2..])? {
            Length::Known(length, extra) => (length, 2 + extra),
            Length::Needs(extra) => return Ok(Reading::Needs(2 + extra)),
        };
        let mut head = Self {
            opcode,
            is_final: first & FINAL != 0,
            is_compressed: first & COMPRESSED != 0,
            key: None,
            size_bytes: length_end,
            payload_bytes,
        };
        if side == Side::Server {
            let Some((key, _)) = bytes[length_end..].split_first_chunk() else {
                return Ok(Reading::Needs(length_end + size_of::<Key>()));
            };
            head.key = Some(*key);
            head.size_bytes += size_of::<Key>();
        }
        Ok(Reading::Complete(head))
    }
}

fn read_first(first: u8, inflates: bool) -> Result<Opcode, Fault> {
    if first & RESERVED != 0 {
        let begins_message = matches!(first & OPCODE, 0x1 | 0x2);
        if !inflates || first & RESERVED != COMPRESSED || !begins_message {
            return Err(Fault::ReservedBit);
        }
    }
    let opcode = Opcode::from_bits(first & OPCODE).ok_or(Fault::UnknownOpcode)?;
    if opcode.is_control() && first & FINAL == 0 {
        return Err(Fault::FragmentedControl);
    }
    Ok(opcode)
}

/// The length of a payload, and how many bytes after the second one hold it.
enum Length {
    Known(usize, usize),
    Needs(usize),
}

fn read_length(short: u8, extended: &[u8]) -> Result<Length, Fault> {
    let (length, extra, shortest): (u64, _, _) = match short {
        LENGTH_IN_2 => match extended.split_first_chunk() {
            Some((bytes, _)) => (u16::from_be_bytes(*bytes).into(), 2, LENGTH_IN_2.into()),
            None => return Ok(Length::Needs(2)),
        },
        LENGTH_IN_8 => match extended.split_first_chunk() {
            Some((bytes, _)) => (u64::from_be_bytes(*bytes), 8, 1 << 16),
            None => return Ok(Length::Needs(8)),
        },
        length => return Ok(Length::Known(length.into(), 0)),
    };
    if length > i64::MAX as u64 {
        return Err(Fault::LengthOverflow);
    }
    if length < shortest {
        return Err(Fault::LengthNotMinimal);
    }
    // A length that does not fit an address space is over any limit, too.
    Ok(Length::Known(usize::try_from(length).unwrap_or(usize::MAX), extra))
}
