//! The reader of one frame, with what tolerance repairs around it. OCPP-J 4.2

use std::borrow::Cow;

use super::direct::{self, Expected, Head};
use super::json::{self, Fault as JsonFault, Reader, Repair, SyntaxError};
use super::{Fault, Frame, Message, Payload, UNIQUE_ID_LIMIT, UniqueId};
use crate::protocol::Limits;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::validate::Mode;
use crate::protocol::value::Value;
use crate::protocol::violation::{Deviation, RAW_LIMIT, Violation};

/// Longest unique id that is echoed, in characters.
const UNIQUE_ID_ECHO_LIMIT: usize = 255;

/// Read the first frame of `text`. Strict mode repairs nothing.
///
/// `expected` may tell from the head of the frame what its payload must be. A strictly valid payload is then
/// read and judged in one pass (see `direct`). Otherwise the payload is only read.
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

/// Read a damaged CALL as far as possible. `None`: its action is not `is_wanted`, or cannot be read.
///
/// `rest`: what follows it in the same text.
#[must_use]
pub fn salvage<'a>(
    text: &'a str,
    rest: &'a str,
    limits: Limits,
    is_wanted: impl FnOnce(&str) -> bool,
) -> Option<Frame<'a>> {
    // What is in front of the frame tells nothing: a byte order mark, a NUL, a comma, the rest of a buffer.
    let start = text.find(['[', '{', '"'])?;
    let (value, repairs) = json::salvage(&text[start..], limits);
    let Some(Value::Array(items)) = value else { return None };
    let mut items = items.into_iter();
    let (Value::Number(message_type) | Value::String(Cow::Borrowed(message_type))) = items.next()? else {
        return None;
    };
    if message_type_of(message_type) != "2" {
        return None;
    }
    let unique_id = unique_id(items.next()).ok()?;
    let Some(Value::String(action)) = items.next() else { return None };
    if !is_wanted(&action) {
        return None;
    }
    let mut reader = FrameReader { mode: Mode::Lenient, limits, deviations: Vec::new() };
    reader.note(DeviationCode::Damaged, "");
    for repair in &repairs {
        reader.note_repair(repair, &text[start..]);
    }
    let is_payload = |item: &Value<'_>| matches!(item, Value::Object(_) | Value::Array(_));
    let payload = items.find(is_payload).unwrap_or(Value::Null);
    let message = Ok(Message::Call { unique_id, action, payload: Payload::Read(payload) });
    Some(Frame { message, deviations: reader.deviations, text, rest })
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
        for repair in reader.take_repairs() {
            self.note_repair(&repair, text);
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

    /// Remove what firmware is known to put around a frame.
    fn strip<'a>(&mut self, text: &'a str) -> &'a str {
        let mut core = text;
        if let Some(rest) = core.strip_prefix('\u{feff}') {
            self.note(DeviationCode::ByteOrderMark, "\\ufeff");
            core = rest;
        }
        let trimmed = core.trim_end_matches(['\0', ' ', '\n', '\r', '\t']);
        if core[trimmed.len()..].contains('\0') {
            self.note(DeviationCode::TrailingNul, "\\u0000");
        }
        let core = trimmed.trim_start_matches(['\0', ' ', '\n', '\r', '\t']);
        if trimmed[..trimmed.len() - core.len()].contains('\0') {
            self.note(DeviationCode::LeadingNul, "\\u0000");
        }
        if let Some(rest) = core.strip_prefix(',') {
            self.note(DeviationCode::StrayComma, ",");
            return rest;
        }
        core
    }

    /// Judge what follows the frame: a second frame is read next, anything else is noted or refused.
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
            self.note(
                if second_frame { DeviationCode::TwoFrames } else { DeviationCode::TrailingText },
                rest,
            );
            return (message, if second_frame { rest } else { "" });
        }
        let violation = formation("trailing_text", "unexpected text after the frame".to_owned());
        let refused = match message {
            Ok(Message::Call { unique_id, action, .. }) => {
                let unique_id = unique_id.into_owned();
                Fault::Call { unique_id, action: Some(action.into_owned()), violation }
            }
            Ok(Message::CallResult { unique_id, .. } | Message::CallError { unique_id, .. }) => {
                Fault::Answer { unique_id: unique_id.into_owned(), violation }
            }
            Err(fault) => *fault,
        };
        (Err(Box::new(refused)), if rest.starts_with('[') { rest } else { "" })
    }

    fn message<'a>(&mut self, items: Vec<Value<'a>>) -> Result<Message<'a>, Box<Fault>> {
        let count = items.len();
        let mut items = items.into_iter();
        let Some(Value::Number(message_type)) = items.next() else {
            return Err(Box::new(Fault::Unreadable(no_message_type())));
        };
        let message_type = message_type_of(message_type);
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
            return Err(Box::new(Fault::Answer { unique_id: unique_id.into_owned(), violation }));
        }
        Ok(Message::CallResult { unique_id, payload: Payload::Read(items.next().unwrap_or(Value::Null)) })
    }

    /// Why a CALL with this id is refused. In tolerant mode only an empty id is refused.
    fn refused_id(&mut self, unique_id: &UniqueId<'_>) -> Option<Violation> {
        let too_long = is_longer(&unique_id.text, UNIQUE_ID_LIMIT);
        let (kind, detail) = if unique_id.text.is_empty() {
            return Some(formation("unique_id_empty", "the unique id is empty".to_owned()));
        } else if unique_id.numeric {
            (DeviationCode::UniqueIdNumeric, "the unique id must be a string")
        } else if too_long {
            (DeviationCode::UniqueIdTooLong, "the unique id has more than 36 characters")
        } else {
            return None;
        };
        if self.mode == Mode::Tolerant {
            self.note(kind, &unique_id.text);
            return None;
        }
        Some(formation(kind.as_str(), detail.to_owned()))
    }

    fn refused_count(&mut self, count: usize, expected: usize) -> Option<Violation> {
        if count == expected {
            return None;
        }
        if self.mode == Mode::Tolerant {
            let kind =
                if count < expected { DeviationCode::MissingPayload } else { DeviationCode::ExtraElements };
            self.note(kind, &count.to_string());
            return None;
        }
        Some(formation("element_count", format!("the frame must have {expected} elements")))
    }

    /// Find the best answer to a text that is not JSON. Its first elements may still be readable.
    fn recover(&mut self, text: &str, violation: Violation) -> Fault {
        let mut items = Reader::new(text, self.limits, true).leading_items(3).into_iter();
        let Some(Value::Number(message_type)) = items.next() else {
            return Fault::Unreadable(violation);
        };
        let Ok(unique_id) = unique_id(items.next()) else {
            return Fault::Unreadable(violation);
        };
        let action = items.next().as_ref().and_then(Value::as_str).map(str::to_owned);
        match message_type_of(message_type) {
            "2" => Fault::Call { unique_id: unique_id.into_owned(), action, violation },
            "3" | "4" => Fault::Answer { unique_id: unique_id.into_owned(), violation },
            _ => Fault::UnknownMessageType,
        }
    }

    fn note(&mut self, kind: DeviationCode, raw: &str) {
        let raw = raw.chars().take(RAW_LIMIT).collect();
        self.deviations.push(Deviation { kind, pointer: String::new(), raw });
    }

    /// List the first repairs only: a charger may send thousands of stray commas.
    fn note_repair(&mut self, repair: &Repair, text: &str) {
        const LISTED: usize = 16;
        const BEFORE: usize = 20;
        if self.deviations.len() < LISTED {
            let start = text.floor_char_boundary(repair.offset.saturating_sub(BEFORE));
            let end = text.ceil_char_boundary((repair.offset + 1).min(text.len()));
            self.note(repair.kind, &text[start..end]);
        }
    }
}

/// Read a CALLERROR. Many charge points leave out the description or the details.
fn call_error<'a>(
    unique_id: UniqueId<'a>,
    mut items: impl Iterator<Item = Value<'a>>,
) -> Result<Message<'a>, Box<Fault>> {
    let Some(code) = items.next().as_ref().and_then(Value::as_str).map(str::to_owned) else {
        let violation = formation("no_error_code", "the third element must be the error code".to_owned());
        return Err(Box::new(Fault::Answer { unique_id: unique_id.into_owned(), violation }));
    };
    let description = items.next();
    let description = description.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Message::CallError { unique_id, code, description })
}

/// A message type; that of a CALL without a fraction of zeros: firmware that has only doubles sends `2.0`.
fn message_type_of(number: &str) -> &str {
    let number = number.trim_ascii();
    if whole_of(number) == "2" { "2" } else { number }
}

/// A number without its fraction, if that is zeros.
fn whole_of(number: &str) -> &str {
    match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => number,
    }
}

fn unique_id(item: Option<Value<'_>>) -> Result<UniqueId<'_>, Violation> {
    let (text, numeric) = match item {
        Some(Value::String(text)) => (text, false),
        // Some readers would refuse the echo of a number that is not an integer.
        Some(Value::Number(text)) if whole_of(text).parse::<i64>().is_ok() => (Cow::Borrowed(text), true),
        _ => {
            return Err(formation("no_unique_id", "the second element must be the unique id".to_owned()));
        }
    };
    if is_longer(&text, UNIQUE_ID_ECHO_LIMIT) {
        return Err(formation("unique_id_too_long", "the unique id is too long to be echoed".to_owned()));
    }
    Ok(UniqueId { text, numeric })
}

/// Whether a text has more characters than `limit`. Counts them only if it has more bytes.
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
