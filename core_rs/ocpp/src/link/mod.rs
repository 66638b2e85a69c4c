//! The RPC link: what one connection knows of CALLs and their answers. OCPP-J 4
//!
//! A link is a value. Received texts, CALLs to send, answers to give, the time and the end of the socket go in, and
//! a list of effects comes out. The caller carries them out in order. A link has no clock (`now` is monotonic
//! seconds), no socket and no handlers. `judge` judges single payloads and frames outside of a connection.

mod answers;
mod calls;
mod effect;
pub mod judge;
mod results;
mod role;
mod text_hash;

use std::borrow::Cow;

use self::answers::{Answers, InFlight, Repeat};
use self::calls::{Calls, QueuedCall};
pub use self::effect::{Effect, Outcome, Rejected, Resolution};
use self::effect::{describe, hide_secrets, ignored};
pub use self::role::Role;
use self::text_hash::text_hash;
use crate::frame::direct::{Expected, Head};
use crate::frame::{self, Fault, Frame, Message, Payload, UniqueId, redact};
use crate::protocol::deviation::DeviationCode;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::schema::{Direction, MessageSchema};
use crate::protocol::validate::Mode;
use crate::protocol::violation::{Deviation, Violation};
use crate::protocol::{Limits, Protocol};

/// The options of a link.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The version that is spoken.
    pub protocol: &'static Protocol,
    /// The side of the connection that the link is on.
    pub role: Role,
    /// Whether deviations of the other side are refused.
    pub mode: Mode,
    /// Limits of each frame.
    pub limits: Limits,
    /// Most CALLs that wait behind the outstanding one.
    pub queue_limit: usize,
    /// Whether a received `sampledValue` is given as JSON text (`Value::Raw`). It is judged in both cases.
    pub raw_sampled_values: bool,
}

/// The state of one connection.
///
/// The two directions share nothing (OCPP-J 4.1.1 lets CALLs cross, and both sides may choose the same id): `Calls`
/// holds ours, `Answers` those of the other side. Their states are in tables there.
///
/// | what comes in | what goes out |
/// |---|---|
/// | valid CALL | `Dispatch` |
/// | billing message that breaks a rule | `Dispatch` of what can be read of it |
/// | other CALL that breaks a rule | `Refused`, then the CALLERROR as `Send` |
/// | message that keeps its answer, with the id and text of an answered one | the same answer as `Send`, then `Ignored` |
/// | CALL with the id and text of one in flight | `Ignored` |
/// | CALL with the id of one in flight, other text, no billing message | `Refused`, then the CALLERROR as `Send` |
/// | CALLRESULT or CALLERROR for the outstanding CALL | `Resolve`, then the next queued CALL |
/// | the same for a CALL that has timed out | `Resolve` with `late` |
/// | the same, damaged, or an unreadable text with the id of the outstanding CALL | `Resolve`: `UnreadableAnswer`, then the next queued CALL |
/// | any other answer, unknown message type, unreadable text | `Ignored` |
#[derive(Debug)]
pub struct Link {
    options: Options,
    calls: Calls,
    answers: Answers,
    calls_received: u64,
}

struct ReceivedCall<'a> {
    unique_id: UniqueId<'a>,
    text: &'a str,
    deviations: Vec<Deviation>,
}

impl Link {
    /// Create the link of a new connection.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, calls: Calls::default(), answers: Answers::default(), calls_received: 0 }
    }

    /// Receive one text message of the other side.
    #[must_use]
    pub fn receive<'a>(&mut self, text: &'a str, now: f64) -> Vec<Effect<'a>> {
        /// Firmware may put two frames into one text. Many more are an attack.
        const FRAMES_IN_ONE_TEXT: usize = 8;
        let secrets = self.calls.secrets();
        let mut effects = Vec::with_capacity(2);
        let mut rest = text;
        for _ in 0..FRAMES_IN_ONE_TEXT {
            let expected = |head| self.expected(head);
            let frame = frame::read(rest, self.options.limits, self.options.mode, expected);
            let frame = judge::salvaged(self.options.protocol, self.options.role.peer(), frame);
            rest = frame.rest;
            self.take(frame, now, &mut effects);
            if rest.is_empty() {
                break;
            }
        }
        hide_secrets(text, &secrets, &mut effects);
        effects
    }

    /// A received text as it may be logged: without the secrets that our CALLs carry. Ask before `receive`.
    #[must_use]
    pub fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        redact::without(text, &self.calls.secrets())
    }

    /// Send a CALL, or queue it behind the outstanding one. `payload` is JSON text.
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
        let Options { protocol, role, queue_limit, .. } = self.options;
        let message = protocol.message(action).ok_or(Rejected::UnknownAction)?;
        let report = judge::call(protocol, role, action, payload).ok_or(Rejected::UnknownAction)?;
        if !report.violations.is_empty() {
            return Err(Rejected::Invalid(report.violations));
        }
        if self.calls.queued() >= queue_limit {
            return Err(Rejected::QueueFull);
        }
        let payload = if payload.trim() == "null" { "{}" } else { payload };
        let text = frame::write_call(unique_id, message.action, payload);
        let secrets = redact::secrets_of(payload);
        self.calls.add(QueuedCall { unique_id: unique_id.to_owned(), message, text, timeout_s, secrets });
        let mut effects = Vec::new();
        self.calls.send_next(now, &mut effects);
        Ok(effects)
    }

    /// Answer a dispatched CALL with a payload as JSON text.
    ///
    /// # Errors
    /// When no such CALL waits, or the payload is not strictly valid. In the second case the CALL still waits.
    pub fn reply(&mut self, unique_id: &str, payload: &str) -> Result<Effect<'static>, Rejected> {
        let place = self.answers.place(unique_id)?;
        let message = self.answers.message(place);
        let protocol = self.options.protocol;
        let report = judge::payload(protocol, message, Direction::Response, payload, Mode::Strict);
        let violations = report.violations;
        if !violations.is_empty() {
            return Err(Rejected::Invalid(violations));
        }
        let call = self.answers.take(place);
        let answer = frame::write_call_result(&call.unique_id, payload);
        // Anything else takes effect again: firmware may use one id for everything, and the status may have changed.
        if message.keeps_answer {
            self.answers.remember(call, answer.clone());
        }
        Ok(Effect::Send(answer))
    }

    /// Answer a dispatched CALL with a CALLERROR. It is not remembered: a repeat is a new attempt.
    ///
    /// # Errors
    /// When no such CALL waits.
    pub fn reply_error(
        &mut self,
        unique_id: &str,
        code: ErrorCode,
        description: &str,
    ) -> Result<Effect<'static>, Rejected> {
        let place = self.answers.place(unique_id)?;
        let call = self.answers.take(place);
        let code = self.options.protocol.spelling(code);
        Ok(Effect::Send(frame::write_call_error(&call.unique_id, code, description)))
    }

    /// Time out the outstanding CALL if its deadline has passed, and send the next one.
    #[must_use]
    pub fn expire(&mut self, now: f64) -> Vec<Effect<'static>> {
        let mut effects = Vec::new();
        self.calls.expire(now, &mut effects);
        effects
    }

    /// Remove a CALL from the queue. Returns whether it was there.
    pub fn cancel(&mut self, unique_id: &str) -> bool {
        self.calls.cancel(unique_id)
    }

    /// End every CALL of ours, because the socket is closed.
    #[must_use]
    pub fn disconnect(&mut self) -> Vec<Effect<'static>> {
        self.calls.disconnect()
    }

    /// When to call `expire` next, in the seconds of `now`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<f64> {
        self.calls.next_deadline()
    }

    /// How many CALLs of the other side wait for their answers.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.answers.in_flight()
    }

    /// How many CALLs of the other side have been received, repeated and refused ones too.
    #[must_use]
    pub fn calls_received(&self) -> u64 {
        self.calls_received
    }

    /// How many CALLs of ours wait behind the outstanding one.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.calls.queued()
    }

    /// The expected payload after a head; `None` when the head belongs to no known message.
    fn expected(&self, head: Head<'_>) -> Option<Expected> {
        match head {
            Head::Call(action) => {
                let message = self.options.protocol.message(action)?;
                let may_send = self.options.role.peer().may_send(message.sender);
                may_send.then(|| self.payload_of(message, Direction::Request))
            }
            Head::CallResult(unique_id) => {
                let message = self.calls.message(unique_id)?;
                Some(self.payload_of(message, Direction::Response))
            }
        }
    }

    fn payload_of(&self, message: &MessageSchema, direction: Direction) -> Expected {
        let raw_sampled_values = self.options.raw_sampled_values;
        Expected { raw_sampled_values, ..Expected::of(self.options.protocol, message, direction) }
    }

    fn take<'a>(&mut self, frame: Frame<'a>, now: f64, effects: &mut Vec<Effect<'a>>) {
        let Frame { message, deviations, text, .. } = frame;
        match message {
            Ok(Message::Call { unique_id, action, payload }) => {
                self.calls_received += 1;
                let call = ReceivedCall { unique_id, text, deviations };
                self.take_call(call, &action, payload, effects);
            }
            Ok(Message::CallResult { unique_id, payload }) => {
                self.take_result(&unique_id.text, payload, text, deviations, effects);
                self.calls.send_next(now, effects);
            }
            Ok(Message::CallError { unique_id, code, description }) => {
                self.take_error(&unique_id.text, &code, description, deviations, effects);
                self.calls.send_next(now, effects);
            }
            Err(fault) => {
                self.take_fault(*fault, text, effects);
                self.calls.send_next(now, effects);
            }
        }
    }

    fn take_call<'a>(
        &mut self,
        mut call: ReceivedCall<'a>,
        action: &str,
        payload: Payload<'a>,
        effects: &mut Vec<Effect<'a>>,
    ) {
        let text_hash = text_hash(call.text);
        let found = self.find_message(action, &mut call.deviations);
        let is_billing = found.as_ref().is_ok_and(|message| message.is_billing);
        match self.answers.repeat_of(&call.unique_id, text_hash) {
            // Firmware that numbers nothing: its billing messages are answered one after the other all the same.
            Some(Repeat::OtherInFlight) if is_billing => {}
            Some(repeat) => return self.take_repeat(&repeat, &call.unique_id, action, effects),
            None => {}
        }
        let message = match found {
            Ok(message) => message,
            Err(violation) => {
                return self.refuse(&call.unique_id, Some(action.to_owned()), vec![violation], effects);
            }
        };
        // Nothing worth money is refused, also where strictness is asked for.
        let mode = if is_billing { Mode::Lenient } else { self.options.mode };
        let (payload, report) = payload.judge(self.payload_of(message, Direction::Request), mode);
        if !report.violations.is_empty() {
            let action = Some(message.action.to_owned());
            return self.refuse(&call.unique_id, action, report.violations, effects);
        }
        call.deviations.extend(report.deviations);
        let ReceivedCall { unique_id: key, text, deviations } = call;
        let unique_id = key.text.clone();
        self.answers.add(InFlight { unique_id: key.into_owned(), text_hash, message });
        let text = is_billing.then_some(text);
        effects.push(Effect::Dispatch { unique_id, action: message.action, payload, deviations, text });
    }

    fn take_repeat(
        &self,
        repeat: &Repeat<'_>,
        unique_id: &UniqueId<'_>,
        action: &str,
        effects: &mut Vec<Effect<'_>>,
    ) {
        match repeat {
            Repeat::SameInFlight => effects.push(ignored("repeated", "the first copy waits for its answer")),
            Repeat::OtherInFlight => {
                let violation = Violation {
                    code: ErrorCode::FormationViolation,
                    pointer: String::new(),
                    reason: "unique_id_in_use",
                    detail: "another CALL with this id waits for its answer".to_owned(),
                };
                self.refuse(unique_id, Some(action.to_owned()), vec![violation], effects);
            }
            Repeat::Answered(answer) => {
                effects.push(Effect::Send((*answer).to_owned()));
                effects.push(ignored("repeated", "the same answer was sent again"));
            }
        }
    }

    fn find_message(
        &self,
        action: &str,
        deviations: &mut Vec<Deviation>,
    ) -> Result<&'static MessageSchema, Violation> {
        let Options { protocol, role, mode, .. } = self.options;
        let message = protocol.message(action).or_else(|| {
            let meant = protocol.schema().message_loosely(action);
            let meant = meant.filter(|meant| mode != Mode::Strict || meant.is_billing)?;
            let raw = action.to_owned();
            deviations.push(Deviation { kind: DeviationCode::ActionSpelling, pointer: String::new(), raw });
            Some(meant)
        });
        match message {
            None => Err(judge::not_implemented(protocol)),
            Some(message) if role.peer().may_send(message.sender) => Ok(message),
            Some(_) => Err(judge::not_from_this_side()),
        }
    }

    fn take_fault(&mut self, fault: Fault, text: &str, effects: &mut Vec<Effect<'_>>) {
        match fault {
            Fault::Call { unique_id, action, violation } => {
                self.calls_received += 1;
                self.refuse(&unique_id, action, vec![violation], effects);
            }
            Fault::Answer { unique_id, violation } => {
                self.take_damaged(&unique_id.text, &violation, text, effects);
            }
            Fault::UnknownMessageType => match self.calls.named_in(text) {
                Some(unique_id) => {
                    self.take_damaged(&unique_id, &judge::unknown_message_type(), text, effects);
                }
                None => effects.push(self.unanswerable("unknown_message_type", String::new(), text)),
            },
            Fault::Unreadable(violation) => match self.calls.named_in(text) {
                Some(unique_id) => self.take_damaged(&unique_id, &violation, text, effects),
                None => effects.push(self.unanswerable("unreadable", violation.detail, text)),
            },
        }
    }

    /// A text without an id to answer. If it names a billing message, that is worth keeping.
    fn unanswerable(&self, reason: &'static str, detail: String, text: &str) -> Effect<'static> {
        let Options { protocol, role, .. } = self.options;
        let named = protocol.schema().billing_messages().find(|message| {
            role.peer().may_send(message.sender)
                && memchr::memmem::find(text.as_bytes(), message.action.as_bytes()).is_some()
        });
        Effect::Ignored { reason, detail, billing: named.map(|message| (message.action, text.to_owned())) }
    }

    fn refuse(
        &self,
        unique_id: &UniqueId<'_>,
        action: Option<String>,
        violations: Vec<Violation>,
        effects: &mut Vec<Effect<'_>>,
    ) {
        let Some(first) = violations.first() else { return };
        let code = self.options.protocol.spelling(first.code);
        let answer = frame::write_call_error(unique_id, code, &describe(first));
        let unique_id = unique_id.text.clone().into_owned();
        effects.push(Effect::Refused { unique_id, action, violations });
        effects.push(Effect::Send(answer));
    }
}
