//! The effects that a caller of a link must carry out, and how a CALL of ours ends.

use std::borrow::Cow;

use crate::frame::redact;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::value::Value;
use crate::protocol::violation::{Deviation, Violation};

/// How a CALL of ours ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A valid CALLRESULT.
    Result,
    /// A CALLERROR.
    CallError,
    /// A CALLRESULT that breaks the definition. It does not say that the CALL was refused.
    InvalidResult,
    /// A CALLRESULT or CALLERROR that is damaged. It does not say what the other side did.
    UnreadableAnswer,
    /// No answer in time.
    TimedOut,
    /// The socket closed before the answer. What the other side did is unknown.
    ConnectionLost,
    /// The socket closed before the CALL was sent.
    NotSent,
}

/// Something that the caller has to do or to know.
#[derive(Debug, PartialEq)]
pub enum Effect<'a> {
    /// Write this text to the socket.
    Send(String),
    /// A valid CALL: answer it with `Link::reply` or `Link::reply_error`.
    Dispatch {
        /// The unique id, for the answer.
        unique_id: Cow<'a, str>,
        /// The action, as the definition spells it.
        action: &'static str,
        /// The payload: valid, and repaired if necessary.
        payload: Value<'a>,
        /// The deviations that were repaired.
        deviations: Vec<Deviation>,
        /// The frame as it was received, if it is a billing message: it is evidence.
        text: Option<&'a str>,
    },
    /// The next `Send` is the CALL with this id.
    CallSent {
        /// The unique id, as given to `Link::call`.
        unique_id: String,
    },
    /// A CALL of ours has ended.
    Resolve(Resolution<'a>),
    /// A CALL was refused. Its CALLERROR is the `Send` that follows.
    Refused {
        /// The unique id, as it was received.
        unique_id: String,
        /// The action, if it could be read.
        action: Option<String>,
        /// The broken rules; the first one decides the code. Never empty.
        violations: Vec<Violation>,
    },
    /// A frame was dropped.
    Ignored {
        /// Stable name: `repeated`, `unknown_unique_id`, `unknown_message_type`, `unreadable`.
        reason: &'static str,
        /// One line for people.
        detail: String,
        /// The billing message that the text names, and the text: it cannot be answered, but it is kept.
        billing: Option<(&'static str, String)>,
    },
}

/// The end of a CALL of ours.
#[derive(Debug, PartialEq)]
pub struct Resolution<'a> {
    /// The unique id, as given to `Link::call`.
    pub unique_id: String,
    /// The action, as given to `Link::call`.
    pub action: &'static str,
    /// How the CALL ended.
    pub outcome: Outcome,
    /// Whether the CALL had timed out before.
    pub late: bool,
    /// The payload of a valid CALLRESULT.
    pub payload: Option<Value<'a>>,
    /// The code of a CALLERROR; `GenericError` for an unknown one.
    pub error_code: Option<ErrorCode>,
    /// The description of a CALLERROR, or what is wrong with the answer.
    pub error_description: Option<String>,
    /// The text of an answer that is damaged or breaks the definition: without secrets, and cut.
    pub text: Option<String>,
    /// The deviations that were repaired.
    pub deviations: Vec<Deviation>,
}

impl Resolution<'_> {
    /// Hide secrets in the texts for people, and those that are known in the payload too.
    fn hide(&mut self, known: &[String]) {
        for text in [&mut self.error_description, &mut self.text].into_iter().flatten() {
            *text = redact::without(text, known).into_owned();
        }
        if self.outcome == Outcome::CallError
            && let Some(description) = &mut self.error_description
        {
            *description = redact::prose(description).into_owned();
        }
        if !known.is_empty() {
            self.payload.iter_mut().for_each(|payload| redact::hide_known(payload, known));
            for deviation in &mut self.deviations {
                deviation.raw = redact::without(&deviation.raw, known).into_owned();
            }
        }
    }

    pub(super) fn ended(unique_id: String, action: &'static str, outcome: Outcome) -> Self {
        Self {
            unique_id,
            action,
            outcome,
            late: false,
            payload: None,
            error_code: None,
            error_description: None,
            text: None,
            deviations: Vec::new(),
        }
    }
}

/// Why a CALL or an answer of ours was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The action does not exist or is not for this side to send.
    UnknownAction,
    /// The payload breaks the definition.
    Invalid(Vec<Violation>),
    /// The queue of CALLs is full.
    QueueFull,
    /// No CALL with this id waits for an answer.
    NotInFlight,
}

pub(super) fn ignored<'a>(reason: &'static str, detail: &str) -> Effect<'a> {
    Effect::Ignored { reason, detail: detail.to_owned(), billing: None }
}

/// Describe a violation in one line: its place and what is wrong.
pub(super) fn describe(violation: &Violation) -> String {
    if violation.pointer.is_empty() {
        violation.detail.clone()
    } else {
        format!("{}: {}", violation.pointer, violation.detail)
    }
}

/// The text of an answer that could not be used, as a record may keep it.
pub(super) fn kept_text(text: &str) -> String {
    /// Enough to see what is wrong. The frame log has the whole text.
    const LIMIT: usize = 1024;
    let shown = redact::redact(text);
    shown[..shown.floor_char_boundary(LIMIT)].to_owned()
}

/// Hide what deviations quote of a frame with a secret, because deviations are logged.
///
/// `known`: the secrets that our CALLs carry. An answer may repeat them under any name.
pub(super) fn hide_secrets(text: &str, known: &[String], effects: &mut [Effect<'_>]) {
    for effect in &mut *effects {
        if let Effect::Resolve(resolution) = effect {
            resolution.hide(known);
        }
    }
    let found = effects.iter_mut().filter_map(|effect| match effect {
        Effect::Dispatch { deviations, .. } => Some(deviations),
        Effect::Resolve(resolution) => Some(&mut resolution.deviations),
        _ => None,
    });
    let mut found = found.flatten().peekable();
    if found.peek().is_none() {
        return;
    }
    if let Some(mask) = redact::mask(text) {
        found.for_each(|deviation| mask.clone_into(&mut deviation.raw));
    }
}
