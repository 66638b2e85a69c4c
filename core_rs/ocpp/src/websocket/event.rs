//! The events of a deframer, and the answers that RFC 6455 requires at once.

use super::fault::Fault;
use super::head::CONTROL_LIMIT_BYTES;
use super::mask::Key;
use super::write::{close_frame_into, pong_frame_into};

/// A status code of a close frame (RFC 6455 7.4).
pub type CloseCode = u16;

/// Longest reason of a close frame.
pub const CLOSE_REASON_LIMIT_BYTES: usize = CONTROL_LIMIT_BYTES - 2;

/// An event: something that the peer did. The contents are in the scratch buffer of [`super::Deframer::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A text message that is not UTF-8, or the beginning of one over the limit. Only a lenient deframer finds it.
    BrokenText {
        /// The bytes that were kept.
        data: &'a [u8],
        /// Whether more followed, which was left out.
        is_cut: bool,
    },
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping: answer it with a pong of the same payload.
    Ping(&'a [u8]),
    /// A pong, requested or not.
    Pong(&'a [u8]),
    /// The peer closes, or answers our close. Nothing comes after it.
    Close {
        /// `None`: the frame was empty, which means 1005 (RFC 6455 7.1.5).
        code: Option<CloseCode>,
        /// The reason that the peer gave; may be empty.
        reason: &'a str,
    },
    /// The peer broke a rule: close with its code, then the socket. Nothing comes after it.
    Fail(Fault),
}

impl Event<'_> {
    /// Append the frame that answers this event: a pong, the echo of a close code, the close of a failed connection, or
    /// nothing. Do not call it for a close that answers ours.
    pub fn answer_into(&self, out: &mut Vec<u8>, key: Option<Key>) {
        match self {
            Self::Ping(payload) => pong_frame_into(out, payload, key),
            Self::Close { code, .. } => close_frame_into(out, *code, "", key),
            Self::Fail(fault) => close_frame_into(out, Some(fault.close_code()), fault.reason(), key),
            Self::Text(_) | Self::BrokenText { .. } | Self::Binary(_) | Self::Pong(_) => {}
        }
    }
}

/// Read the payload of a close frame (RFC 6455 5.5.1).
pub(super) fn read_close(payload: &[u8]) -> Result<Event<'_>, Fault> {
    match *payload {
        [] => Ok(Event::Close { code: None, reason: "" }),
        [_] => Err(Fault::HalfCloseCode),
        [high, low, ref reason @ ..] => {
            let code = u16::from_be_bytes([high, low]);
            if !may_be_sent(code) {
                return Err(Fault::InvalidCloseCode);
            }
            let reason = str::from_utf8(reason).map_err(|_| Fault::NotUtf8)?;
            Ok(Event::Close { code: Some(code), reason })
        }
    }
}

/// Whether a close frame may carry this code: a code of RFC 6455 7.4.1 that may be sent, one of the three that were
/// registered later (1012 to 1014), or one for libraries and applications.
fn may_be_sent(code: CloseCode) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
