//! Judges single payloads and frames outside of a connection: for what we send, and for the catalog.

use crate::frame::direct::{self, Expected, Head};
use crate::frame::json::Reader;
use crate::frame::{self, Fault, Frame, Message, Payload};
use crate::link::Role;
use crate::protocol::Protocol;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::schema::{Direction, MessageSchema};
use crate::protocol::validate::{Mode, Report, validate};
use crate::protocol::value::Value;
use crate::protocol::violation::{Deviation, Violation};

/// A judged payload.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The payload as it was read and repaired.
    pub payload: Value<'a>,
    /// The violations and deviations.
    pub report: Report,
}

/// A judged frame.
#[derive(Debug, Default)]
pub struct JudgedFrame<'a> {
    /// `call`, `call_result`, `call_error` or `unreadable`.
    pub kind: &'static str,
    /// The unique id, if it could be read.
    pub unique_id: Option<String>,
    /// The action of a CALL, if it could be read.
    pub action: Option<String>,
    /// The payload of a CALL with a known action.
    pub payload: Option<Value<'a>>,
    /// The violations and deviations.
    pub report: Report,
}

/// Judge a payload given as JSON text.
#[must_use]
pub fn payload_text<'a>(
    protocol: &'static Protocol,
    message: &MessageSchema,
    direction: Direction,
    text: &'a str,
    mode: Mode,
) -> Judged<'a> {
    let expected = Expected::of(protocol, message, direction);
    if let Some(payload) = direct::payload(text, protocol.limits(), expected) {
        return Judged { payload, report: Report::default() };
    }
    let mut reader = Reader::new(text, protocol.limits(), mode == Mode::Tolerant);
    let mut payload = match reader.value() {
        Ok(payload) if reader.peek().is_none() => payload,
        Ok(_) => return broken("unexpected text after the payload".to_owned()),
        Err(error) => return broken(format!("{} at byte {}", error.fault, error.offset)),
    };
    let report = validate(expected.schema, expected.object, expected.direction, &mut payload, mode);
    Judged { payload, report }
}

/// Do as `payload_text`, but do not build the payload if it is valid.
#[must_use]
pub fn payload(
    protocol: &'static Protocol,
    message: &MessageSchema,
    direction: Direction,
    text: &str,
    mode: Mode,
) -> Report {
    if direct::is_valid(text, protocol.limits(), Expected::of(protocol, message, direction)) {
        return Report::default();
    }
    payload_text(protocol, message, direction, text, mode).report
}

/// Judge the payload of a CALL that `role` is about to send: strictly, and for the central system also by the
/// rules across fields. `None`: it is not an action of that side.
#[must_use]
pub fn call(protocol: &'static Protocol, role: Role, action: &str, text: &str) -> Option<Report> {
    call_text(protocol, role, action, text).map(|judged| judged.report)
}

/// Do as `call`, and return the payload too.
#[must_use]
pub fn call_text<'a>(
    protocol: &'static Protocol,
    role: Role,
    action: &str,
    text: &'a str,
) -> Option<Judged<'a>> {
    let message = protocol.message(action).filter(|message| role.may_send(message.sender))?;
    let mut judged = payload_text(protocol, message, Direction::Request, text, Mode::Strict);
    if judged.report.violations.is_empty() && role == Role::CentralSystem {
        let broken = message.rules.iter().flat_map(|rule| rule.broken_by(&judged.payload));
        judged.report.violations.extend(broken.collect::<Vec<_>>());
    }
    Some(judged)
}

/// Judge one whole frame. `sender` is the side that sent it. Strict mode judges by the standard, tolerant mode as its
/// receiver would: of a damaged billing message whatever can be read counts.
#[must_use]
pub fn frame_text<'a>(
    protocol: &'static Protocol,
    text: &'a str,
    sender: Role,
    mode: Mode,
) -> JudgedFrame<'a> {
    let frame = frame::read(text, protocol.limits(), mode, |head| match head {
        Head::Call(action) => {
            let message = protocol.message(action)?;
            sender.may_send(message.sender).then(|| Expected::of(protocol, message, Direction::Request))
        }
        Head::CallResult(_) => None,
    });
    let frame = if mode == Mode::Strict { frame } else { salvaged(protocol, sender, frame) };
    let mut judged = match frame.message {
        Ok(Message::Call { unique_id, action, payload }) => {
            let judged = JudgedFrame {
                unique_id: Some(unique_id.text.into_owned()),
                ..judge_call(protocol, &action, payload, sender, mode)
            };
            JudgedFrame { kind: "call", action: Some(action.into_owned()), ..judged }
        }
        Ok(Message::CallResult { unique_id, payload }) => JudgedFrame {
            kind: "call_result",
            unique_id: Some(unique_id.text.into_owned()),
            payload: Some(payload.value()),
            ..JudgedFrame::default()
        },
        Ok(Message::CallError { unique_id, .. }) => {
            let unique_id = Some(unique_id.text.into_owned());
            JudgedFrame { kind: "call_error", unique_id, ..JudgedFrame::default() }
        }
        Err(fault) => judge_fault(*fault),
    };
    judged.report.deviations.splice(0..0, frame.deviations);
    judged
}

/// A damaged billing message as far as it can be read, any other frame as it is.
pub(super) fn salvaged<'a>(protocol: &'static Protocol, sender: Role, frame: Frame<'a>) -> Frame<'a> {
    let Err(fault) = &frame.message else { return frame };
    if !matches!(**fault, Fault::Call { .. } | Fault::Unreadable(_)) {
        return frame;
    }
    let is_billing = |action: &str| {
        let message = protocol.schema().message_loosely(action);
        message.is_some_and(|found| found.is_billing && sender.may_send(found.sender))
    };
    let limits = protocol.limits();
    if let Some(salvaged) = frame::salvage(frame.text, frame.rest, limits, is_billing) {
        return salvaged;
    }
    // What follows a frame that is refused because of it is refused too, unless it is worth money.
    let is_refused = matches!(&**fault, Fault::Call { violation, .. } if violation.reason == "trailing_text");
    let is_kept = !is_refused || frame::salvage(frame.rest, "", limits, is_billing).is_some();
    Frame { rest: if is_kept { frame.rest } else { "" }, ..frame }
}

fn judge_call<'a>(
    protocol: &'static Protocol,
    action: &str,
    payload: Payload<'a>,
    sender: Role,
    mode: Mode,
) -> JudgedFrame<'a> {
    let exact = protocol.message(action);
    let message =
        exact.or_else(|| protocol.schema().message_loosely(action).filter(|_| mode == Mode::Tolerant));
    let refused = match message {
        None => Some(not_implemented(protocol)),
        Some(message) if !sender.may_send(message.sender) => Some(not_from_this_side()),
        Some(_) => None,
    };
    let mut judged = JudgedFrame::default();
    judged.report.violations.extend(refused);
    let Some(message) = message.filter(|_| judged.report.violations.is_empty()) else { return judged };
    let is_lenient = message.is_billing && mode != Mode::Strict;
    let mode = if is_lenient { Mode::Lenient } else { mode };
    let (payload, report) = payload.judge(Expected::of(protocol, message, Direction::Request), mode);
    judged.report = report;
    if exact.is_none() {
        let spelling =
            Deviation { kind: DeviationCode::ActionSpelling, pointer: String::new(), raw: action.to_owned() };
        judged.report.deviations.insert(0, spelling);
    }
    judged.payload = judged.report.violations.is_empty().then_some(payload);
    judged
}

fn judge_fault<'a>(fault: Fault) -> JudgedFrame<'a> {
    let mut judged = JudgedFrame { kind: "unreadable", ..JudgedFrame::default() };
    let violation = match fault {
        Fault::Call { unique_id, action, violation } => {
            judged.kind = "call";
            judged.unique_id = Some(unique_id.text.into_owned());
            judged.action = action;
            violation
        }
        Fault::Answer { unique_id, violation } => {
            judged.unique_id = Some(unique_id.text.into_owned());
            violation
        }
        Fault::Unreadable(violation) => violation,
        Fault::UnknownMessageType => unknown_message_type(),
    };
    judged.report.violations.push(violation);
    judged
}

fn broken<'a>(detail: String) -> Judged<'a> {
    let violation =
        Violation { code: ErrorCode::FormationViolation, pointer: String::new(), reason: "not_json", detail };
    Judged { payload: Value::Null, report: Report { violations: vec![violation], deviations: Vec::new() } }
}

/// The message type is none of OCPP-J 4.1.3.
pub(super) fn unknown_message_type() -> Violation {
    let detail = "there are the message types 2, 3 and 4; others are ignored".to_owned();
    let pointer = "/0".to_owned();
    Violation { code: ErrorCode::FormationViolation, pointer, reason: "unknown_message_type", detail }
}

/// The action does not exist. OCPP-J 4.2.3
#[must_use]
pub fn not_implemented(protocol: &Protocol) -> Violation {
    let detail = format!("no such action in OCPP {}", protocol.version());
    Violation { code: ErrorCode::NotImplemented, pointer: String::new(), reason: "unknown_action", detail }
}

/// The action exists, but the other side sends it. OCPP-J 4.2.3
#[must_use]
pub fn not_from_this_side() -> Violation {
    let detail = "this side does not send that action".to_owned();
    Violation { code: ErrorCode::NotSupported, pointer: String::new(), reason: "wrong_sender", detail }
}
