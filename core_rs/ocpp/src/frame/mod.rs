//! Reads one OCPP-J frame: message type, unique id, action, payload. OCPP-J 4.2
//!
//! Knows nothing of actions and of what came before. A frame whose id can be read is never lost without a
//! word: a broken CALL becomes a `Fault::Call` that says what to answer. Answers are never answered.

pub mod direct;
pub mod json;
pub mod redact;
mod sampled_values;
mod write;

use std::borrow::Cow;

use self::direct::{Expected, Head};
pub use self::write::{UniqueId, write_call, write_call_error, write_call_result};
use crate::frame::json::{Fault as JsonFault, Limits, Mend, Reader, SyntaxError};
use crate::protocol::schema;
use crate::protocol::validate::{Mode, Report, validate};
use crate::protocol::value::Value;
use crate::protocol::violation::{Deviation, ErrorCode, RAW_LIMIT, Violation};

/// Longest unique id of the standard, in characters. OCPP-J 4.1.4
pub const UNIQUE_ID_LIMIT: usize = 36;
/// Longest unique id that is echoed at all.
const UNIQUE_ID_ECHO_LIMIT: usize = 255;

/// A frame that could be read.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    /// `[2, id, action, payload]`
    Call {
        /// Chosen by the sender.
        unique_id: UniqueId<'a>,
        /// As it was sent.
        action: Cow<'a, str>,
        /// Of that action.
        payload: Payload<'a>,
    },
    /// `[3, id, payload]`
    CallResult {
        /// Of the CALL that is answered.
        unique_id: UniqueId<'a>,
        /// Of the action of that CALL.
        payload: Payload<'a>,
    },
    /// `[4, id, code, description, details]`
    CallError {
        /// Of the CALL that is answered.
        unique_id: UniqueId<'a>,
        /// As it was sent.
        code: String,
        /// Empty when none was given.
        description: String,
    },
}

/// A payload, and whether it has been judged.
#[derive(Debug, PartialEq)]
pub enum Payload<'a> {
    /// As it was read.
    Read(Value<'a>),
    /// Read straight into its definition: strictly valid, nothing was mended.
    Valid(Value<'a>),
}

impl<'a> Payload<'a> {
    /// The payload whatever it is.
    #[must_use]
    pub fn value(self) -> Value<'a> {
        match self {
            Self::Read(payload) | Self::Valid(payload) => payload,
        }
    }

    /// The payload as the caller wants it, mended where it had to be, and what is to say of it.
    #[must_use]
    pub fn judge(self, expected: Expected, mode: Mode) -> (Value<'a>, Report) {
        match self {
            Self::Valid(payload) => (payload, Report::default()),
            Self::Read(mut payload) => {
                let report = validate(schema::v16(), expected.object, &mut payload, mode);
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
        /// To echo.
        unique_id: UniqueId<'static>,
        /// If it could be read.
        action: Option<String>,
        /// What is wrong.
        violation: Violation,
    },
    /// A broken CALLRESULT or CALLERROR.
    Answer(Violation),
    /// A message type that 1.6 does not have: to be ignored. OCPP-J 4.1.3
    UnknownMessageType,
    /// Nothing to answer to.
    Unreadable(Violation),
}

/// One frame and what lies behind it in the same text.
#[derive(Debug, PartialEq)]
pub struct Frame<'a> {
    /// What was read.
    pub message: Result<Message<'a>, Box<Fault>>,
    /// What was mended on the way.
    pub deviations: Vec<Deviation>,
    /// The frame's own text: the same text twice is the same frame.
    pub text: &'a str,
    /// A second frame in the same text; empty as a rule.
    pub rest: &'a str,
}

/// Read the first frame of `text`. In strict mode nothing is mended.
///
/// `expected` may tell from the frame's head what its payload must be; a strictly valid one is then read and
/// judged in one pass (see `direct`). Without that the payload is only read.
#[must_use]
pub fn read<'a>(
    text: &'a str,
    limits: Limits,
    mode: Mode,
    expected: impl FnOnce(Head<'a>) -> Option<Expected>,
) -> Frame<'a> {
    if text.len() > limits.bytes {
        let violation = formation("too_large", format!("at most {} bytes are allowed", limits.bytes));
        return Frame {
            message: Err(Box::new(Fault::Unreadable(violation))),
            deviations: Vec::new(),
            text,
            rest: "",
        };
    }
    if let Some(message) = direct::frame(text, limits, expected) {
        return Frame { message: Ok(message), deviations: Vec::new(), text, rest: "" };
    }
    FrameReader { mode, limits, deviations: Vec::new() }.read(text)
}

struct FrameReader {
    mode: Mode,
    limits: Limits,
    deviations: Vec<Deviation>,
}

impl FrameReader {
    fn read(mut self, text: &str) -> Frame<'_> {
        let text = if self.mode == Mode::Tolerant { self.strip(text) } else { text };
        let tolerant = self.mode == Mode::Tolerant;
        let mut reader = Reader::new(text, self.limits, tolerant);
        if reader.peek() != Some(b'[') {
            let violation = formation("not_a_frame", "a frame is a JSON array".to_owned());
            return self.unreadable(text, violation);
        }
        let outcome = reader.value();
        for mend in reader.take_mends() {
            self.note_mend(&mend, text);
        }
        let Ok(Value::Array(items)) = outcome else {
            let violation = outcome.err().map_or_else(not_an_array, |error| syntax(&error));
            let message = Err(Box::new(self.recover(text, violation)));
            return Frame { message, deviations: self.deviations, text, rest: "" };
        };
        let (own_text, rest) = text.split_at(reader.offset());
        let message = self.message(items);
        let (message, rest) = self.behind(message, rest.trim_ascii_start());
        Frame { message, deviations: self.deviations, text: own_text, rest }
    }

    fn unreadable(self, text: &str, violation: Violation) -> Frame<'_> {
        let message = Err(Box::new(Fault::Unreadable(violation)));
        Frame { message, deviations: self.deviations, text, rest: "" }
    }

    /// Take away what firmware is known to put around a frame.
    fn strip<'a>(&mut self, text: &'a str) -> &'a str {
        let mut core = text;
        if let Some(rest) = core.strip_prefix('\u{feff}') {
            self.note("byte_order_mark", "\\ufeff");
            core = rest;
        }
        let trimmed = core.trim_end_matches(['\0', ' ', '\n', '\r', '\t']);
        if core[trimmed.len()..].contains('\0') {
            self.note("trailing_nul", "\\u0000");
        }
        let core = trimmed.trim_ascii_start();
        if let Some(rest) = core.strip_prefix(',') {
            self.note("stray_comma", ",");
            return rest;
        }
        core
    }

    /// What stands behind the frame: a second one is read next, anything else is noted or refused.
    fn behind<'a>(
        &mut self,
        message: Result<Message<'a>, Box<Fault>>,
        rest: &'a str,
    ) -> (Result<Message<'a>, Box<Fault>>, &'a str) {
        if rest.is_empty() {
            return (message, rest);
        }
        if self.mode == Mode::Tolerant {
            let second_frame = rest.starts_with('[');
            self.note(if second_frame { "two_frames" } else { "trailing_text" }, rest);
            return (message, if second_frame { rest } else { "" });
        }
        let violation = formation("trailing_text", "text stands behind the frame".to_owned());
        let refused = match message {
            Ok(Message::Call { unique_id, action, .. }) => {
                let unique_id = unique_id.into_owned();
                Fault::Call { unique_id, action: Some(action.into_owned()), violation }
            }
            Ok(_) => Fault::Answer(violation),
            Err(fault) => *fault,
        };
        (Err(Box::new(refused)), "")
    }

    fn message<'a>(&mut self, items: Vec<Value<'a>>) -> Result<Message<'a>, Box<Fault>> {
        let count = items.len();
        let mut items = items.into_iter();
        let Some(Value::Number(message_type)) = items.next() else {
            return Err(Box::new(Fault::Unreadable(no_message_type())));
        };
        if !matches!(message_type, "2" | "3" | "4") {
            return Err(Box::new(Fault::UnknownMessageType));
        }
        let unique_id =
            unique_id(items.next()).map_err(|violation| Box::new(Fault::Unreadable(violation)))?;
        match message_type {
            "2" => self.call(unique_id, items, count),
            "3" => self.call_result(unique_id, items, count),
            _ => call_error(unique_id, items),
        }
    }

    fn call<'a>(
        &mut self,
        unique_id: UniqueId<'a>,
        mut items: impl Iterator<Item = Value<'a>>,
        count: usize,
    ) -> Result<Message<'a>, Box<Fault>> {
        let Some(Value::String(action)) = items.next() else {
            let violation = formation("no_action", "the third element must be the action".to_owned());
            let unique_id = unique_id.into_owned();
            return Err(Box::new(Fault::Call { unique_id, action: None, violation }));
        };
        let refusal = self.refused_id(&unique_id).or_else(|| self.refused_count(count, 4));
        if let Some(violation) = refusal {
            let action = Some(action.into_owned());
            let unique_id = unique_id.into_owned();
            return Err(Box::new(Fault::Call { unique_id, action, violation }));
        }
        Ok(Message::Call { unique_id, action, payload: Payload::Read(items.next().unwrap_or(Value::Null)) })
    }

    fn call_result<'a>(
        &mut self,
        unique_id: UniqueId<'a>,
        mut items: impl Iterator<Item = Value<'a>>,
        count: usize,
    ) -> Result<Message<'a>, Box<Fault>> {
        if let Some(violation) = self.refused_count(count, 3) {
            return Err(Box::new(Fault::Answer(violation)));
        }
        Ok(Message::CallResult { unique_id, payload: Payload::Read(items.next().unwrap_or(Value::Null)) })
    }

    /// Why a CALL with this id is refused; in tolerant mode only an empty id is.
    fn refused_id(&mut self, unique_id: &UniqueId<'_>) -> Option<Violation> {
        let too_long = is_longer(&unique_id.text, UNIQUE_ID_LIMIT);
        let (kind, detail) = if unique_id.text.is_empty() {
            return Some(formation("unique_id_empty", "the unique id is empty".to_owned()));
        } else if unique_id.numeric {
            ("unique_id_numeric", "the unique id must be a string")
        } else if too_long {
            ("unique_id_too_long", "the unique id has more than 36 characters")
        } else {
            return None;
        };
        if self.mode == Mode::Tolerant {
            self.note(kind, &unique_id.text);
            return None;
        }
        Some(formation(kind, detail.to_owned()))
    }

    fn refused_count(&mut self, count: usize, due: usize) -> Option<Violation> {
        if count == due {
            return None;
        }
        if self.mode == Mode::Tolerant {
            let kind = if count < due { "missing_payload" } else { "extra_elements" };
            self.note(kind, &count.to_string());
            return None;
        }
        Some(formation("element_count", format!("the frame must have {due} elements")))
    }

    /// The best answer to a text that is no JSON: its first elements may still be readable.
    fn recover(&mut self, text: &str, violation: Violation) -> Fault {
        let mut items = Reader::new(text, self.limits, true).leading_items(3).into_iter();
        let Some(Value::Number(message_type)) = items.next() else {
            return Fault::Unreadable(violation);
        };
        let Ok(unique_id) = unique_id(items.next()) else {
            return Fault::Unreadable(violation);
        };
        let action = items.next().as_ref().and_then(Value::as_str).map(str::to_owned);
        match message_type {
            "2" => Fault::Call { unique_id: unique_id.into_owned(), action, violation },
            "3" | "4" => Fault::Answer(violation),
            _ => Fault::UnknownMessageType,
        }
    }

    fn note(&mut self, kind: &'static str, raw: &str) {
        let raw = raw.chars().take(RAW_LIMIT).collect();
        self.deviations.push(Deviation { kind, pointer: String::new(), raw });
    }

    /// A charger that sends thousands of stray commas gets them counted, not listed.
    fn note_mend(&mut self, mend: &Mend, text: &str) {
        const LISTED: usize = 16;
        const BEFORE: usize = 20;
        if self.deviations.len() < LISTED {
            let start = text.floor_char_boundary(mend.offset.saturating_sub(BEFORE));
            let end = text.ceil_char_boundary((mend.offset + 1).min(text.len()));
            self.note(mend.kind, &text[start..end]);
        }
    }
}

/// Many charge points leave out description or details; an error is an error all the same.
fn call_error<'a>(
    unique_id: UniqueId<'a>,
    mut items: impl Iterator<Item = Value<'a>>,
) -> Result<Message<'a>, Box<Fault>> {
    let Some(code) = items.next().as_ref().and_then(Value::as_str).map(str::to_owned) else {
        let violation = formation("no_error_code", "the third element must be the error code".to_owned());
        return Err(Box::new(Fault::Answer(violation)));
    };
    let description = items.next();
    let description = description.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Message::CallError { unique_id, code, description })
}

fn unique_id(item: Option<Value<'_>>) -> Result<UniqueId<'_>, Violation> {
    let (text, numeric) = match item {
        Some(Value::String(text)) => (text, false),
        // What is no integer would be echoed as a number that some readers refuse.
        Some(Value::Number(text)) if text.parse::<i64>().is_ok() => (Cow::Borrowed(text), true),
        _ => {
            return Err(formation("no_unique_id", "the second element must be the unique id".to_owned()));
        }
    };
    if is_longer(&text, UNIQUE_ID_ECHO_LIMIT) {
        return Err(formation("unique_id_too_long", "too long to be echoed".to_owned()));
    }
    Ok(UniqueId { text, numeric })
}

/// Whether a text has more characters than `limit`; counted only where bytes leave a doubt.
fn is_longer(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().count() > limit
}

fn formation(reason: &'static str, detail: String) -> Violation {
    Violation { code: ErrorCode::FormationViolation, pointer: String::new(), reason, detail }
}

fn no_message_type() -> Violation {
    formation("no_message_type", "the first element must be the message type".to_owned())
}

fn not_an_array() -> Violation {
    formation("not_a_frame", "a frame is a JSON array".to_owned())
}

fn syntax(error: &SyntaxError) -> Violation {
    let reason = match error.fault {
        JsonFault::TooDeep => "too_deep",
        JsonFault::TooManyItems => "too_many_items",
        JsonFault::TooManyMembers => "too_many_members",
        _ => "not_json",
    };
    formation(reason, format!("{} at byte {}", error.fault, error.offset))
}
