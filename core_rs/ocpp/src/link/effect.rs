//! What goes into a link and comes out of it: roles, effects, and how a CALL ends.

use std::borrow::Cow;

use crate::protocol::definition::Sender;
use crate::protocol::value::Value;
use crate::protocol::violation::{Deviation, ErrorCode, Violation};

/// Which side of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The server.
    CentralSystem,
    /// The client.
    ChargePoint,
}

impl Role {
    /// Whether a request of that sender may be sent by this role.
    #[must_use]
    pub fn may_send(self, sender: Sender) -> bool {
        match sender {
            Sender::Both => true,
            Sender::CentralSystem => self == Self::CentralSystem,
            Sender::ChargePoint => self == Self::ChargePoint,
        }
    }

    /// The other side.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::CentralSystem => Self::ChargePoint,
            Self::ChargePoint => Self::CentralSystem,
        }
    }
}

/// How a CALL of ours ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A valid CALLRESULT.
    Result,
    /// A CALLERROR.
    CallError,
    /// A CALLRESULT that breaks the definition.
    InvalidResult,
    /// No answer in time.
    TimedOut,
    /// The socket closed while it was out: nobody knows what the other side did.
    ConnectionLost,
    /// The socket closed before it was sent.
    NotSent,
}

/// What the caller has to do or to know, in order.
#[derive(Debug, PartialEq)]
pub enum Effect<'a> {
    /// Write this text to the socket.
    Send(String),
    /// A valid CALL: answer it with `Link::reply` or `Link::reply_error`.
    Dispatch {
        /// For the answer.
        unique_id: Cow<'a, str>,
        /// As the definition spells it.
        action: &'static str,
        /// Valid, mended.
        payload: Value<'a>,
        /// What was mended.
        deviations: Vec<Deviation>,
    },
    /// The CALL of that id goes out with the `Send` beside this.
    CallSent {
        /// As given to `Link::call`.
        unique_id: String,
    },
    /// A CALL of ours has ended.
    Resolve(Resolution<'a>),
    /// A CALL was refused; its CALLERROR is the `Send` that follows.
    Refused {
        /// As it came.
        unique_id: String,
        /// If it could be read.
        action: Option<String>,
        /// What is wrong; the first one decides the code. Never empty.
        violations: Vec<Violation>,
    },
    /// A frame was dropped.
    Ignored {
        /// Stable name: `repeated`, `unknown_unique_id`, `unknown_message_type`, `unreadable`, `broken_answer`.
        reason: &'static str,
        /// One line for people.
        detail: String,
    },
}

/// The end of a CALL of ours.
#[derive(Debug, PartialEq)]
pub struct Resolution<'a> {
    /// As given to `Link::call`.
    pub unique_id: String,
    /// As given to `Link::call`.
    pub action: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it had been resolved as timed out before.
    pub late: bool,
    /// The payload of a valid CALLRESULT.
    pub payload: Option<Value<'a>>,
    /// The code of a CALLERROR, as the standard spells it; `GenericError` for one that nobody knows.
    pub error_code: Option<ErrorCode>,
    /// The description of a CALLERROR, or what is wrong with the result.
    pub error_description: Option<String>,
    /// What was mended.
    pub deviations: Vec<Deviation>,
}

impl Resolution<'_> {
    pub(crate) fn ended(unique_id: String, action: &'static str, outcome: Outcome) -> Self {
        Self {
            unique_id,
            action,
            outcome,
            late: false,
            payload: None,
            error_code: None,
            error_description: None,
            deviations: Vec::new(),
        }
    }
}

/// Why a CALL or an answer of ours was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The action does not exist or is not for this side.
    UnknownAction,
    /// The payload breaks the definition.
    Invalid(Vec<Violation>),
    /// The queue of CALLs is full.
    QueueFull,
    /// No CALL of that id waits for an answer.
    NotInFlight,
}
