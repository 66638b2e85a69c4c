//! Reads JSON text (RFC 8259) into a `Value` that borrows from it, within limits.
//!
//! Unlike a general parser, the reader has limits for depth, array length and members. It can be told to repair what
//! charge points are known to send: missing values (`"a":,`), stray commas, raw control characters and lone
//! surrogates.

mod reader;
mod salvage;
mod strings;

pub use self::reader::Reader;
pub use self::salvage::salvage;
use crate::protocol::deviation::DeviationCode;

/// A fault of a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text ends too early.
    UnexpectedEnd,
    /// A byte that is not allowed at this place.
    UnexpectedByte(u8),
    /// Not a number by RFC 8259.
    BadNumber,
    /// Not an escape sequence by RFC 8259.
    BadEscape,
    /// A control character inside a string.
    ControlCharacter,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// Nested more deeply than `Limits::depth`.
    TooDeep,
    /// More items in an array than `Limits::items`.
    TooManyItems,
    /// More members in an object than `Limits::members`.
    TooManyMembers,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnexpectedEnd => write!(formatter, "the text ends too early"),
            Self::UnexpectedByte(byte) => write!(formatter, "unexpected byte 0x{byte:02x}"),
            Self::BadNumber => write!(formatter, "not a JSON number"),
            Self::BadEscape => write!(formatter, "not a JSON escape sequence"),
            Self::ControlCharacter => write!(formatter, "control character in a string"),
            Self::LoneSurrogate => write!(formatter, "half of a surrogate pair"),
            Self::TooDeep => write!(formatter, "nested too deeply"),
            Self::TooManyItems => write!(formatter, "too many items in an array"),
            Self::TooManyMembers => write!(formatter, "too many members in an object"),
        }
    }
}

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub fault: Fault,
    /// Byte offset in the text.
    pub offset: usize,
}

/// One place that was repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What was repaired.
    pub kind: DeviationCode,
    /// Byte offset in the text.
    pub offset: usize,
}
