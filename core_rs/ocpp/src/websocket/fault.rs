//! The rules that a peer can break, and how the connection is then closed.

use super::event::CloseCode;

/// A broken rule of RFC 6455, or an exceeded limit. The connection fails (RFC 6455 7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A reserved bit without an extension (RFC 6455 5.2).
    ReservedBit,
    /// An opcode that is reserved (RFC 6455 5.2).
    UnknownOpcode,
    /// A control frame that is not final (RFC 6455 5.5).
    FragmentedControl,
    /// A control frame of more than 125 bytes (RFC 6455 5.5).
    LongControl,
    /// A client's frame without a mask (RFC 6455 5.1).
    NotMasked,
    /// A server's frame with a mask (RFC 6455 5.1).
    Masked,
    /// A length that is not in its shortest form (RFC 6455 5.2).
    LengthNotMinimal,
    /// A length whose highest bit is set (RFC 6455 5.2).
    LengthOverflow,
    /// A continuation without an open message (RFC 6455 5.4).
    ContinuationOfNothing,
    /// A new message before the last one was finished (RFC 6455 5.4).
    MessageInMessage,
    /// A close frame with one byte instead of a close code (RFC 6455 5.5.1).
    HalfCloseCode,
    /// A close code that must not be sent (RFC 6455 7.4).
    InvalidCloseCode,
    /// Text, or the reason in a close frame, that is not UTF-8 (RFC 6455 8.1).
    NotUtf8,
    /// A compressed message that cannot be inflated (RFC 7692 7.2.2).
    NotDeflated,
    /// A message over the limit (RFC 6455 10.4).
    TooBig,
    /// A message in more fragments than the limit (RFC 6455 10.4).
    TooManyFragments,
}

impl Fault {
    /// The code to close with (RFC 6455 7.4.1).
    #[must_use]
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::NotUtf8 | Self::NotDeflated => 1007,
            Self::TooBig | Self::TooManyFragments => 1009,
            Self::ReservedBit
            | Self::UnknownOpcode
            | Self::FragmentedControl
            | Self::LongControl
            | Self::NotMasked
            | Self::Masked
            | Self::LengthNotMinimal
            | Self::LengthOverflow
            | Self::ContinuationOfNothing
            | Self::MessageInMessage
            | Self::HalfCloseCode
            | Self::InvalidCloseCode => 1002,
        }
    }

    /// The reason to close with, as text for people.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ReservedBit => "reserved bit without an extension",
            Self::UnknownOpcode => "unknown opcode",
            Self::FragmentedControl => "fragmented control frame",
            Self::LongControl => "control frame of more than 125 bytes",
            Self::NotMasked => "frame without a mask",
            Self::Masked => "frame with a mask",
            Self::LengthNotMinimal => "length that is not in its shortest form",
            Self::LengthOverflow => "length whose highest bit is set",
            Self::ContinuationOfNothing => "continuation frame without a message to continue",
            Self::MessageInMessage => "new message before the end of a fragmented message",
            Self::HalfCloseCode => "close frame with one byte instead of a close code",
            Self::InvalidCloseCode => "close code that must not be sent",
            Self::NotUtf8 => "text that is not UTF-8",
            Self::NotDeflated => "a compressed message that cannot be inflated",
            Self::TooBig => "message too big",
            Self::TooManyFragments => "too many fragments",
        }
    }
}
