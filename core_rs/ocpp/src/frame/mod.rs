//! Frames of OCPP-J: message type, unique id, action, payload. OCPP-J 4.2
//!
//! A frame is read without regard to earlier frames. A CALL whose id can be read is never dropped: a broken one becomes
//! a `Fault::Call` that says what to answer. Answers are never answered.

pub mod direct;
pub mod fault_text;
pub mod json;
mod reader;
pub mod redact;
mod sampled_values;
pub mod secrets;
mod unnamed;
mod write;

use std::borrow::Cow;

use self::direct::Expected;
pub use self::reader::{read, salvage};
pub use self::write::{UniqueId, write_call, write_call_error, write_call_result};
use crate::protocol::validate::{Mode, Report, validate};
use crate::protocol::value::Value;
use crate::protocol::violation::{Deviation, Violation};

/// Longest unique id of the standard, in characters. OCPP-J 4.1.4
pub const UNIQUE_ID_LIMIT: usize = 36;

/// A frame that could be read.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    /// `[2, id, action, payload]`
    Call {
        /// The unique id, which the sender has chosen.
        unique_id: UniqueId<'a>,
        /// The action, as it was sent.
        action: Cow<'a, str>,
        /// The payload of the request.
        payload: Payload<'a>,
    },
    /// `[3, id, payload]`
    CallResult {
        /// The unique id of the CALL that is answered.
        unique_id: UniqueId<'a>,
        /// The payload of the response.
        payload: Payload<'a>,
    },
    /// `[4, id, code, description, details]`
    CallError {
        /// The unique id of the CALL that is answered.
        unique_id: UniqueId<'a>,
        /// The error code, as it was sent.
        code: String,
        /// The description; empty when none was given.
        description: String,
    },
}

/// A payload, and whether it has been judged.
#[derive(Debug, PartialEq)]
pub enum Payload<'a> {
    /// The payload as it was read, not judged yet.
    Read(Value<'a>),
    /// Read straight into its definition: strictly valid, without repairs.
    Valid(Value<'a>),
}

impl<'a> Payload<'a> {
    /// The payload, judged or not.
    #[must_use]
    pub fn value(self) -> Value<'a> {
        match self {
            Self::Read(payload) | Self::Valid(payload) => payload,
        }
    }

    /// Judge the payload, unless that is done. Returns it repaired, and what was found.
    #[must_use]
    pub fn judge(self, expected: Expected, mode: Mode) -> (Value<'a>, Report) {
        match self {
            Self::Valid(payload) => (payload, Report::default()),
            Self::Read(mut payload) => {
                let report =
                    validate(expected.schema, expected.object, expected.direction, &mut payload, mode);
                if expected.raw_sampled_values {
                    sampled_values::serialize_sampled_values(&mut payload);
                }
                (payload, report)
            }
        }
    }
}

/// A frame that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// A CALL whose id is known: answer it with this violation.
    Call {
        /// The unique id, which the answer repeats.
        unique_id: UniqueId<'static>,
        /// The action, if it could be read.
        action: Option<String>,
        /// What is wrong.
        violation: Violation,
    },
    /// A broken CALLRESULT or CALLERROR. It ends the CALL that it answers, and is not answered itself.
    Answer {
        /// The unique id of the CALL that is answered.
        unique_id: UniqueId<'static>,
        /// What is wrong.
        violation: Violation,
    },
    /// A message type that 1.6 does not have: to be ignored. OCPP-J 4.1.3
    UnknownMessageType,
    /// A text that is not a frame, so that no answer is possible.
    Unreadable(Violation),
}

/// One frame and what follows it in the same text.
#[derive(Debug, PartialEq)]
pub struct Frame<'a> {
    /// The frame, or why it could not be read.
    pub message: Result<Message<'a>, Box<Fault>>,
    /// The deviations that were repaired.
    pub deviations: Vec<Deviation>,
    /// The frame's own text: the same text twice is the same frame.
    pub text: &'a str,
    /// A second frame in the same text; usually empty.
    pub rest: &'a str,
}
