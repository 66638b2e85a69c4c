//! The RPC link: everything one connection knows about CALLs and their answers. OCPP-J 4
//!
//! # Theory of operation
//! A link is a value. Text that came in, a CALL to send, an answer to give, the passing of time and the end
//! of the socket go in; a list of effects comes out, and the caller carries them out in order. No clock
//! (`now` is monotonic seconds), no socket, no table of handlers.
//!
//! The two directions share nothing (OCPP-J 4.1.1 lets CALLs cross, and both sides may choose the same id):
//!
//! | outward (CALLs of ours) | queued -> outstanding (one at a time) -> resolved; timed out ones are remembered for a late answer |
//! |---|---|
//! | inward (CALLs of theirs) | in flight until `reply` -> answered ones are remembered, so that a repeat gets the same answer |
//!
//! | what comes in | what goes out |
//! |---|---|
//! | valid CALL | `Dispatch` |
//! | CALL that breaks a rule | `Refused`, then the CALLERROR as `Send` |
//! | CALL with the id and text of an answered one | the same answer as `Send` |
//! | CALL with the id and text of one in flight | `Ignored`: its answer is under way |
//! | CALL with the id of one in flight, other text | `Refused`: the id is not unique (OCPP-J 4.2.3) |
//! | CALLRESULT or CALLERROR for the outstanding CALL | `Resolve`, then the next queued CALL |
//! | the same for a CALL that has timed out | `Resolve` with `late` |
//! | any other answer, unknown message type, unreadable text | `Ignored` |

mod effect;
pub mod judge;
mod text_hash;

use std::collections::VecDeque;

use crate::frame::direct::{Expected, Head};
use crate::frame::json::Limits;
use crate::frame::redact;
use crate::frame::{self, Fault, Message, Payload, UniqueId};
pub use crate::link::effect::{Effect, Outcome, Rejected, Resolution, Role};
use crate::link::text_hash::text_hash;
use crate::protocol::schema::{self, Direction, Kind, MessageSchema};
use crate::protocol::validate::Mode;
use crate::protocol::violation::{Deviation, ErrorCode, Violation};

/// Answers kept for repeats. A charge point has one CALL out at a time, so few are needed.
const ANSWERED_LIMIT: usize = 4;
/// Timed out CALLs kept for a late answer.
const EXPIRED_LIMIT: usize = 8;

/// What a link is made with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which side this is.
    pub role: Role,
    /// How departures of the other side are taken.
    pub mode: Mode,
    /// Bounds for each frame.
    pub limits: Limits,
    /// Most CALLs that wait behind the outstanding one.
    pub queue_limit: usize,
    /// Whether `sampledValue` of what is received comes as JSON text (`Value::Raw`), judged all the same.
    pub raw_sampled_values: bool,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Link {
    options: Options,
    outstanding: Option<Outstanding>,
    queue: VecDeque<QueuedCall>,
    expired: VecDeque<(String, &'static str)>,
    in_flight: Vec<InFlight>,
    answered: VecDeque<Answered>,
}

#[derive(Debug)]
struct QueuedCall {
    unique_id: String,
    action: &'static str,
    text: String,
    timeout_s: f64,
}

#[derive(Debug)]
struct Outstanding {
    unique_id: String,
    action: &'static str,
    deadline: f64,
}

#[derive(Debug)]
struct InFlight {
    unique_id: UniqueId<'static>,
    text_hash: u64,
    message: &'static MessageSchema,
}

#[derive(Debug)]
struct Answered {
    unique_id: UniqueId<'static>,
    text_hash: u64,
    answer: String,
}

impl Link {
    /// A fresh connection.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            outstanding: None,
            queue: VecDeque::new(),
            expired: VecDeque::new(),
            in_flight: Vec::new(),
            answered: VecDeque::new(),
        }
    }

    /// Take one text message of the other side.
    #[must_use]
    pub fn receive<'a>(&mut self, text: &'a str, now: f64) -> Vec<Effect<'a>> {
        /// More frames in one text than this are an attack, not a habit.
        const FRAMES_IN_ONE_TEXT: usize = 8;
        let mut effects = Vec::with_capacity(2);
        let mut rest = text;
        for _ in 0..FRAMES_IN_ONE_TEXT {
            let expected = |head| self.expected(head);
            let frame = frame::read(rest, self.options.limits, self.options.mode, expected);
            rest = frame.rest;
            self.take(frame.message, frame.deviations, frame.text, now, &mut effects);
            if rest.is_empty() {
                break;
            }
        }
        hide_secrets(text, &mut effects);
        effects
    }

    /// Send a CALL, or queue it behind the one that is out. `payload` is JSON text.
    ///
    /// # Errors
    /// When the action is not ours to send, the payload is not strictly valid, or the queue is full.
    pub fn call(
        &mut self,
        unique_id: &str,
        action: &str,
        payload: &str,
        now: f64,
        timeout_s: f64,
    ) -> Result<Vec<Effect<'static>>, Rejected> {
        let message = schema::v16().message(action).ok_or(Rejected::UnknownAction)?;
        let report = judge::call(self.options.role, action, payload).ok_or(Rejected::UnknownAction)?;
        if !report.violations.is_empty() {
            return Err(Rejected::Invalid(report.violations));
        }
        if self.queue.len() >= self.options.queue_limit {
            return Err(Rejected::QueueFull);
        }
        let payload = if payload.trim() == "null" { "{}" } else { payload };
        let text = frame::write_call(unique_id, message.action, payload);
        let unique_id = unique_id.to_owned();
        self.queue.push_back(QueuedCall { unique_id, action: message.action, text, timeout_s });
        let mut effects = Vec::new();
        self.send_next(now, &mut effects);
        Ok(effects)
    }

    /// Answer a dispatched CALL with a payload as JSON text.
    ///
    /// # Errors
    /// When no such CALL waits, or the payload is not strictly valid; the CALL then still waits.
    pub fn reply(&mut self, unique_id: &str, payload: &str) -> Result<Effect<'static>, Rejected> {
        let place = self.place_in_flight(unique_id)?;
        let message = self.in_flight[place].message;
        let violations = judge::payload(message, Direction::Response, payload, Mode::Strict).violations;
        if !violations.is_empty() {
            return Err(Rejected::Invalid(violations));
        }
        let call = self.in_flight.remove(place);
        let answer = frame::write_call_result(&call.unique_id, payload);
        if may_be_repeated(message) {
            if self.answered.len() == ANSWERED_LIMIT {
                self.answered.pop_front();
            }
            let InFlight { unique_id, text_hash, .. } = call;
            self.answered.push_back(Answered { unique_id, text_hash, answer: answer.clone() });
        }
        Ok(Effect::Send(answer))
    }

    /// Answer a dispatched CALL with a CALLERROR. It is not remembered: a repeat is a new try.
    ///
    /// # Errors
    /// When no such CALL waits.
    pub fn reply_error(
        &mut self,
        unique_id: &str,
        code: ErrorCode,
        description: &str,
    ) -> Result<Effect<'static>, Rejected> {
        let place = self.place_in_flight(unique_id)?;
        let call = self.in_flight.remove(place);
        Ok(Effect::Send(frame::write_call_error(&call.unique_id, code, description)))
    }

    /// Time out the outstanding CALL if it is due, and send the next.
    #[must_use]
    pub fn expire(&mut self, now: f64) -> Vec<Effect<'static>> {
        let mut effects = Vec::new();
        if let Some(call) = self.outstanding.take_if(|call| call.deadline <= now) {
            if self.expired.len() == EXPIRED_LIMIT {
                self.expired.pop_front();
            }
            self.expired.push_back((call.unique_id.clone(), call.action));
            let resolution = Resolution::ended(call.unique_id, call.action, Outcome::TimedOut);
            effects.push(Effect::Resolve(resolution));
            self.send_next(now, &mut effects);
        }
        effects
    }

    /// Take a CALL that was not sent yet out of the queue.
    pub fn cancel(&mut self, unique_id: &str) -> bool {
        let before = self.queue.len();
        self.queue.retain(|call| call.unique_id != unique_id);
        self.queue.len() < before
    }

    /// The socket is gone: every CALL of ours ends.
    #[must_use]
    pub fn disconnect(&mut self) -> Vec<Effect<'static>> {
        let lost = self.outstanding.take();
        let lost = lost.map(|call| Resolution::ended(call.unique_id, call.action, Outcome::ConnectionLost));
        let unsent = self.queue.drain(..);
        let unsent = unsent.map(|call| Resolution::ended(call.unique_id, call.action, Outcome::NotSent));
        lost.into_iter().chain(unsent).map(Effect::Resolve).collect()
    }

    /// When `expire` has something to do, in the seconds of `now`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<f64> {
        self.outstanding.as_ref().map(|call| call.deadline)
    }

    /// CALLs of theirs that wait for their answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// CALLs of ours that wait behind the outstanding one.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// What the payload behind that head must be; `None`: it is none that leads anywhere.
    fn expected(&self, head: Head<'_>) -> Option<Expected> {
        match head {
            Head::Call(action) => {
                let message = schema::v16().message(action)?;
                let may_send = self.options.role.peer().may_send(message.sender);
                may_send.then(|| self.payload_of(message, Direction::Request))
            }
            Head::CallResult(unique_id) => {
                let action = self.called_action(unique_id)?;
                Some(self.payload_of(called(action), Direction::Response))
            }
        }
    }

    fn payload_of(&self, message: &MessageSchema, direction: Direction) -> Expected {
        let object = schema::v16().payload(message, direction);
        Expected { object, raw_sampled_values: self.options.raw_sampled_values }
    }

    fn called_action(&self, unique_id: &str) -> Option<&'static str> {
        match &self.outstanding {
            Some(call) if call.unique_id == unique_id => Some(call.action),
            _ => self.expired.iter().find(|(expired, _)| expired == unique_id).map(|(_, action)| *action),
        }
    }

    fn take<'a>(
        &mut self,
        message: Result<Message<'a>, Box<Fault>>,
        deviations: Vec<Deviation>,
        text: &str,
        now: f64,
        effects: &mut Vec<Effect<'a>>,
    ) {
        match message {
            Ok(Message::Call { unique_id, action, payload }) => {
                let call = ReceivedCall { unique_id, text_hash: text_hash(text), deviations };
                self.take_call(call, &action, payload, effects);
            }
            Ok(Message::CallResult { unique_id, payload }) => {
                self.take_result(&unique_id.text, payload, deviations, now, effects);
            }
            Ok(Message::CallError { unique_id, code, description }) => {
                self.take_error(&unique_id.text, &code, description, deviations, now, effects);
            }
            Err(fault) => take_fault(*fault, effects),
        }
    }

    fn take_call<'a>(
        &mut self,
        mut call: ReceivedCall<'a>,
        action: &str,
        payload: Payload<'a>,
        effects: &mut Vec<Effect<'a>>,
    ) {
        if self.is_repeat(&call, action, effects) {
            return;
        }
        let message = match self.find_message(action, &mut call.deviations) {
            Ok(message) => message,
            Err(violation) => {
                return refuse(&call.unique_id, Some(action.to_owned()), vec![violation], effects);
            }
        };
        let (payload, report) =
            payload.judge(self.payload_of(message, Direction::Request), self.options.mode);
        if !report.violations.is_empty() {
            let action = Some(message.action.to_owned());
            return refuse(&call.unique_id, action, report.violations, effects);
        }
        call.deviations.extend(report.deviations);
        let ReceivedCall { unique_id: key, text_hash, deviations } = call;
        let unique_id = key.text.clone();
        self.in_flight.push(InFlight { unique_id: key.into_owned(), text_hash, message });
        effects.push(Effect::Dispatch { unique_id, action: message.action, payload, deviations });
    }

    /// Answer or drop a CALL whose id is known already. An answered id with another text starts anew:
    /// firmware that counts from 1 after a reboot does that on one socket.
    fn is_repeat(&self, call: &ReceivedCall<'_>, action: &str, effects: &mut Vec<Effect<'_>>) -> bool {
        let waiting = self.in_flight.iter().find(|waiting| waiting.unique_id == call.unique_id);
        if let Some(waiting) = waiting {
            if waiting.text_hash == call.text_hash {
                effects.push(ignored("repeated", "its answer is under way".to_owned()));
            } else {
                let violation = Violation {
                    code: ErrorCode::FormationViolation,
                    pointer: String::new(),
                    reason: "unique_id_in_use",
                    detail: "another CALL of that id waits for its answer".to_owned(),
                };
                refuse(&call.unique_id, Some(action.to_owned()), vec![violation], effects);
            }
            return true;
        }
        let answered = self
            .answered
            .iter()
            .find(|answered| answered.text_hash == call.text_hash && answered.unique_id == call.unique_id);
        if let Some(answered) = answered {
            effects.push(Effect::Send(answered.answer.clone()));
            effects.push(ignored("repeated", "it got the same answer again".to_owned()));
        }
        answered.is_some()
    }

    fn find_message(
        &self,
        action: &str,
        deviations: &mut Vec<Deviation>,
    ) -> Result<&'static MessageSchema, Violation> {
        let schema = schema::v16();
        let message = schema.message(action).or_else(|| {
            let meant = schema.message_loosely(action).filter(|_| self.options.mode == Mode::Tolerant)?;
            let raw = action.to_owned();
            deviations.push(Deviation { kind: "action_spelling", pointer: String::new(), raw });
            Some(meant)
        });
        match message {
            None => Err(judge::not_implemented()),
            Some(message) if self.options.role.peer().may_send(message.sender) => Ok(message),
            Some(_) => Err(judge::not_from_this_side()),
        }
    }

    fn take_result<'a>(
        &mut self,
        unique_id: &str,
        payload: Payload<'a>,
        mut deviations: Vec<Deviation>,
        now: f64,
        effects: &mut Vec<Effect<'a>>,
    ) {
        let Some((action, late)) = self.match_answer(unique_id, effects) else { return };
        let expected = self.payload_of(called(action), Direction::Response);
        let (payload, report) = payload.judge(expected, self.options.mode);
        deviations.extend(report.deviations);
        let outcome = if report.violations.is_empty() { Outcome::Result } else { Outcome::InvalidResult };
        effects.push(Effect::Resolve(Resolution {
            late,
            payload: (outcome == Outcome::Result).then_some(payload),
            error_description: report.violations.first().map(describe),
            deviations,
            ..Resolution::ended(unique_id.to_owned(), action, outcome)
        }));
        self.send_next(now, effects);
    }

    fn take_error(
        &mut self,
        unique_id: &str,
        code: &str,
        description: String,
        mut deviations: Vec<Deviation>,
        now: f64,
        effects: &mut Vec<Effect<'_>>,
    ) {
        let Some((action, late)) = self.match_answer(unique_id, effects) else { return };
        let known = ErrorCode::from_received(code);
        if known.is_none_or(|known| known.as_str() != code) {
            let raw = code.chars().take(crate::protocol::violation::RAW_LIMIT).collect();
            deviations.push(Deviation { kind: "error_code_spelling", pointer: String::new(), raw });
        }
        effects.push(Effect::Resolve(Resolution {
            late,
            error_code: Some(known.unwrap_or(ErrorCode::GenericError)),
            error_description: Some(description),
            deviations,
            ..Resolution::ended(unique_id.to_owned(), action, Outcome::CallError)
        }));
        self.send_next(now, effects);
    }

    /// The action of the CALL that an answer belongs to, and whether the answer is late.
    fn match_answer(
        &mut self,
        unique_id: &str,
        effects: &mut Vec<Effect<'_>>,
    ) -> Option<(&'static str, bool)> {
        if let Some(call) = self.outstanding.take_if(|call| call.unique_id == unique_id) {
            return Some((call.action, false));
        }
        if let Some(place) = self.expired.iter().position(|(expired, _)| expired == unique_id) {
            let (_, action) = self.expired.remove(place)?;
            return Some((action, true));
        }
        effects.push(ignored("unknown_unique_id", "no CALL of that id waits for an answer".to_owned()));
        None
    }

    fn send_next(&mut self, now: f64, effects: &mut Vec<Effect<'_>>) {
        if self.outstanding.is_some() {
            return;
        }
        let Some(call) = self.queue.pop_front() else { return };
        let QueuedCall { unique_id, action, text, timeout_s } = call;
        self.outstanding =
            Some(Outstanding { unique_id: unique_id.clone(), action, deadline: now + timeout_s });
        effects.push(Effect::CallSent { unique_id });
        effects.push(Effect::Send(text));
    }

    fn place_in_flight(&self, unique_id: &str) -> Result<usize, Rejected> {
        let place = self.in_flight.iter().position(|waiting| waiting.unique_id.text == unique_id);
        place.ok_or(Rejected::NotInFlight)
    }
}

struct ReceivedCall<'a> {
    unique_id: UniqueId<'a>,
    text_hash: u64,
    deviations: Vec<Deviation>,
}

/// The message of a CALL of ours.
fn called(action: &str) -> &'static MessageSchema {
    schema::v16().message(action).expect("a CALL of ours has an action of the definition")
}

/// An answer that carries the time of day is stale when it is repeated, and giving a new one does no harm.
fn may_be_repeated(message: &MessageSchema) -> bool {
    let response = schema::v16().payload(message, Direction::Response);
    !response.fields.iter().any(|field| matches!(field.kind, Kind::DateTime))
}

/// Departures quote the frame, and what is said of a frame is logged.
fn hide_secrets(text: &str, effects: &mut [Effect<'_>]) {
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

fn describe(violation: &Violation) -> String {
    if violation.pointer.is_empty() {
        violation.detail.clone()
    } else {
        format!("{}: {}", violation.pointer, violation.detail)
    }
}

fn ignored<'a>(reason: &'static str, detail: String) -> Effect<'a> {
    Effect::Ignored { reason, detail }
}

fn take_fault(fault: Fault, effects: &mut Vec<Effect<'_>>) {
    match fault {
        Fault::Call { unique_id, action, violation } => refuse(&unique_id, action, vec![violation], effects),
        Fault::Answer(violation) => effects.push(ignored("broken_answer", violation.detail)),
        Fault::UnknownMessageType => effects.push(ignored("unknown_message_type", String::new())),
        Fault::Unreadable(violation) => effects.push(ignored("unreadable", violation.detail)),
    }
}

fn refuse(
    unique_id: &UniqueId<'_>,
    action: Option<String>,
    violations: Vec<Violation>,
    effects: &mut Vec<Effect<'_>>,
) {
    let Some(first) = violations.first() else { return };
    let answer = frame::write_call_error(unique_id, first.code, &describe(first));
    effects.push(Effect::Refused { unique_id: unique_id.text.clone().into_owned(), action, violations });
    effects.push(Effect::Send(answer));
}
