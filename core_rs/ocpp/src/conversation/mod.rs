//! One connection of a charge point as the central system sees it: every byte in, every frame out.
//!
//! Each frame takes the same way: `Deframer`, size, `Budget`, `Link`, `FrameLog`, then `MeterQueue` or the caller. It has
//! no clock (`now` is monotonic seconds, `at_us` microseconds since 1970), no socket and no database. What all
//! connections of a worker share comes with each call, in `Around`.

mod budget;
pub mod counters;
mod found;
pub mod frame_log;
mod heartbeat;
mod input;
pub mod log_quota;
pub mod meter_queue;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::found::Found;
use self::found::{add_to_first, broken_bytes, deviations_json};
pub use self::input::{Around, Call, Options};

use crate::conversation::frame_log::Entry;
use crate::conversation::meter_queue::{Offer, Origin, Waiting};
use crate::frame::UniqueId;
use crate::frame::json::Reader;
use crate::link::{self, Effect, Link, Rejected, Role};
use crate::protocol;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::validate::Mode;
use crate::protocol::value::Value;
use crate::protocol::violation::Deviation;
use crate::websocket::{Deframer, Event, Limits, Side};

const METER_VALUES: &str = "MeterValues";

/// Most fragments of one message. A peer that sends more is attacking or broken.
const FRAGMENTS_LIMIT: usize = 1024;

/// The state of one connection.
///
/// The caller gets each thing that is found, in order.
///
/// | what comes in | what happens |
/// |---|---|
/// | a plain valid `MeterValues`, registered, no other CALL in flight | it waits in the queue; `acknowledge` answers it |
/// | a plain valid `Heartbeat`, accepted, no other CALL in flight | it is answered at once |
/// | any other valid CALL | it is dispatched; `reply` or `reply_error` answers it |
/// | a refused CALL | `Effect::Refused`, then its CALLERROR |
/// | a frame that is too big, or binary and not text | the conversation is closed and takes nothing after it |
///
/// CALLs are answered in their order (OCPP 1.6 3.7): while a dispatched CALL waits, those behind it are dispatched
/// too.
#[derive(Debug)]
pub struct Conversation {
    options: Options,
    deframer: Deframer,
    link: Link,
    budget: crate::conversation::budget::Budget,
    registration: Registration,
    is_closed: bool,
    /// Whether a CALL in flight waits in the queue of records.
    is_recording: bool,
    /// Whether the caller wants to see every CALL.
    is_watched: bool,
}

/// Whether a charge point is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registration {
    /// It is not, and never was.
    Never,
    /// Perhaps not at present, but it may have records.
    Before,
    /// It is.
    Accepted,
}

impl Conversation {
    /// Create the conversation of a charge point that is not registered.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let limits = Limits { message_bytes: options.frame_bytes, fragments: FRAGMENTS_LIMIT };
        let mut deframer = Deframer::new(Side::Server, limits);
        if options.inflates {
            deframer = deframer.inflating();
        }
        if options.mode != Mode::Strict {
            deframer = deframer.lenient();
        }
        let link = Link::new(link::Options {
            protocol: options.protocol,
            role: Role::CentralSystem,
            mode: options.mode,
            limits: protocol::Limits { bytes: options.frame_bytes, ..options.protocol.limits() },
            queue_limit: options.queue_limit,
            raw_sampled_values: true,
        });
        Self {
            deframer,
            link,
            budget: crate::conversation::budget::Budget::new(options.rate_per_s, options.burst, options.now),
            registration: Registration::Never,
            is_closed: false,
            is_recording: false,
            is_watched: false,
            options,
        }
    }

    /// Accept records and larger frames, because the charge point is registered, or was when it made its records.
    pub fn register(&mut self) {
        if self.registration == Registration::Never {
            self.registration = Registration::Before;
        }
    }

    /// Note whether the registration is Accepted at present, so that a Heartbeat may be answered.
    pub fn set_accepted(&mut self, is_accepted: bool) {
        if is_accepted {
            self.registration = Registration::Accepted;
        } else if self.registration == Registration::Accepted {
            self.registration = Registration::Before;
        }
    }

    /// Dispatch every CALL, plain ones too, because the caller waits for one of them.
    pub fn set_watched(&mut self, is_watched: bool) {
        self.is_watched = is_watched;
    }

    /// Ignore further messages. Control frames are still found.
    pub fn close(&mut self) {
        self.is_closed = true;
    }

    /// The link, for tests and metrics.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Whether a CALL waits in the queue of records.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// Process bytes of the socket. `scratch` is overwritten.
    pub fn feed<T>(&mut self, mut data: &[u8], scratch: &mut Vec<u8>, around: &mut Around<'_, T>) {
        while let Some(event) = self.deframer.next(&mut data, scratch) {
            match event {
                Event::Text(text) => self.text(text, None, around),
                Event::BrokenText { data, is_cut } => self.broken_text(data, is_cut, around),
                Event::Binary(data) => self.binary(data, around),
                control => (around.found)(Found::Control(control)),
            }
        }
    }

    /// Process one text message. `deviation`: what had to be tolerated to get it.
    pub fn text<T>(&mut self, text: &str, deviation: Option<Deviation>, around: &mut Around<'_, T>) {
        if self.is_closed {
            return;
        }
        around.counters.received(text.len());
        if text.len() > self.limit_of(text) {
            self.is_closed = true;
            return (around.found)(Found::TooBig);
        }
        let pause_s = self.budget.take(around.now);
        if pause_s > 0.0 {
            (around.found)(Found::Slow(around.now + pause_s));
        }
        let shown = self.link.shown(text);
        // One panic costs one message, not the worker.
        let Ok(mut effects) = catch_unwind(AssertUnwindSafe(|| self.receive(text, around.now))) else {
            self.log(&shown, "in", None, around);
            return (around.found)(Found::Failed(text));
        };
        let is_cut = deviation.as_ref().is_some_and(|found| found.kind == DeviationCode::OverLimit);
        if is_cut && matches!(effects.as_slice(), [Effect::Ignored { .. }]) {
            // Not even its id can be read.
            self.hand_on(effects, around);
            self.is_closed = true;
            return (around.found)(Found::TooBig);
        }
        let deviation = deviation.and_then(|deviation| add_to_first(&mut effects, deviation));
        if let Some(deviation) = &deviation {
            (around.found)(Found::Tolerated(deviation.kind));
        }
        let deviations = deviations_json(deviation.as_ref(), &effects);
        self.log(&shown, "in", deviations.as_deref(), around);
        if let Some(answer) = self.answer_heartbeat(&effects, around) {
            (around.found)(Found::Effect(Effect::Send(answer)));
        } else if !self.record(&effects, around) {
            self.hand_on(effects, around);
        }
    }

    /// Process a text message that is not UTF-8, or the beginning of one over the limit.
    ///
    /// Each broken sequence is read as U+FFFD; the deviation holds the bytes themselves in hexadecimal.
    fn broken_text<T>(&mut self, data: &[u8], is_cut: bool, around: &mut Around<'_, T>) {
        let text = String::from_utf8_lossy(data);
        let deviation = if is_cut {
            Deviation { kind: DeviationCode::OverLimit, pointer: String::new(), raw: data.len().to_string() }
        } else {
            Deviation { kind: DeviationCode::NotUtf8, pointer: String::new(), raw: broken_bytes(data) }
        };
        self.text(&text, Some(deviation), around);
    }

    /// Most bytes of a text. A charge point that is not registered may send a long one about a transaction.
    fn limit_of(&self, text: &str) -> usize {
        let Options { frame_bytes, unregistered_bytes, protocol, .. } = self.options;
        if self.registration != Registration::Never || text.len() <= unregistered_bytes {
            return frame_bytes;
        }
        let head = Reader::new(text, protocol.limits(), true).leading_items(3);
        let action = head.get(2).and_then(Value::as_str);
        let message = action.and_then(|action| protocol.schema().message_loosely(action));
        if message.is_some_and(|message| message.is_billing) { frame_bytes } else { unregistered_bytes }
    }

    /// Process one binary message: OCPP-J is text (OCPP-J 4.1.2). Text in a binary frame is tolerated.
    pub fn binary<T>(&mut self, data: &[u8], around: &mut Around<'_, T>) {
        if self.is_closed {
            return;
        }
        let behind = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data).trim_ascii_start();
        if self.options.mode != Mode::Tolerant || !behind.starts_with(b"[") {
            self.is_closed = true;
            return (around.found)(Found::NotText);
        }
        match std::str::from_utf8(data) {
            Ok(text) => {
                let raw = String::new();
                let deviation = Deviation { kind: DeviationCode::BinaryFrame, pointer: String::new(), raw };
                self.text(text, Some(deviation), around);
            }
            Err(_) => self.broken_text(data, false, around),
        }
    }

    /// Send a CALL, or queue it behind the outstanding one.
    ///
    /// # Errors
    /// As `Link::call`.
    pub fn call<T>(&mut self, call: &Call<'_>, around: &mut Around<'_, T>) -> Result<(), Rejected> {
        let Call { unique_id, action, payload, timeout_s } = *call;
        let effects = self.link.call(unique_id, action, payload, around.now, timeout_s)?;
        self.hand_on(effects, around);
        Ok(())
    }

    /// Answer a dispatched CALL with a payload as JSON text. Returns what to write.
    ///
    /// # Errors
    /// As `Link::reply`.
    pub fn reply<T>(
        &mut self,
        unique_id: &str,
        payload: &str,
        around: &mut Around<'_, T>,
    ) -> Result<String, Rejected> {
        let effect = self.link.reply(unique_id, payload)?;
        Ok(self.logged(effect, around))
    }

    /// Answer a dispatched CALL with a CALLERROR. Returns what to write.
    ///
    /// # Errors
    /// As `Link::reply_error`.
    pub fn reply_error<T>(
        &mut self,
        unique_id: &str,
        code: ErrorCode,
        description: &str,
        around: &mut Around<'_, T>,
    ) -> Result<String, Rejected> {
        let effect = self.link.reply_error(unique_id, code, description)?;
        Ok(self.logged(effect, around))
    }

    /// Answer a CALL whose record is settled. Returns what to write; `None` if the conversation is closed.
    ///
    /// `refusal`: the record was not stored.
    pub fn acknowledge<T>(
        &mut self,
        unique_id: &UniqueId<'_>,
        since: f64,
        refusal: Option<(ErrorCode, &str)>,
        around: &mut Around<'_, T>,
    ) -> Option<String> {
        self.is_recording = false;
        if self.is_closed {
            return None;
        }
        around.counters.answered(METER_VALUES, around.now - since);
        let answer = match refusal {
            None => self.reply(&unique_id.text, "{}", around),
            Some((code, description)) => self.reply_error(&unique_id.text, code, description, around),
        };
        answer.ok()
    }

    /// Count and log a frame that the link did not make.
    pub fn send<T>(&mut self, text: &str, around: &mut Around<'_, T>) {
        around.counters.sent();
        self.log(text, "out", None, around);
    }

    /// Time out the outstanding CALL if its deadline has passed, and send the next one.
    pub fn expire<T>(&mut self, around: &mut Around<'_, T>) {
        let effects = self.link.expire(around.now);
        self.hand_on(effects, around);
    }

    /// Remove a CALL from the queue. Returns whether it was there.
    pub fn cancel(&mut self, unique_id: &str) -> bool {
        self.link.cancel(unique_id)
    }

    /// End every CALL of ours, because the socket is closed.
    pub fn disconnect<T>(&mut self, around: &mut Around<'_, T>) {
        self.is_closed = true;
        let effects = self.link.disconnect();
        self.hand_on(effects, around);
    }

    fn receive<'a>(&mut self, text: &'a str, now: f64) -> Vec<Effect<'a>> {
        #[cfg(test)]
        assert_ne!(text, tests::DEFECT);
        self.link.receive(text, now)
    }

    /// Put a plain valid `MeterValues` straight into the queue. Returns whether that was done.
    fn record<T>(&mut self, effects: &[Effect<'_>], around: &mut Around<'_, T>) -> bool {
        let [Effect::Dispatch { unique_id, action: METER_VALUES, payload, deviations, .. }] = effects else {
            return false;
        };
        // Answers keep the order of their CALLs, and one connection cannot fill the queue.
        let is_next = self.link.in_flight() == 1;
        if self.is_watched || self.registration == Registration::Never || !is_next || !deviations.is_empty() {
            return false;
        }
        let Options { tenant_id, charge_point_id, .. } = self.options;
        let origin = Origin { tenant_id, charge_point_id, received_at_us: around.at_us };
        let (now, owner) = (around.now, around.owner);
        let offer = around.meters.offer(origin, payload, || Waiting {
            owner: owner(),
            unique_id: UniqueId::of(unique_id).into_owned(),
            since: now,
        });
        match offer {
            Offer::Refused => return false,
            Offer::Enough => (around.found)(Found::Recorded),
            Offer::Taken => {}
        }
        self.is_recording = true;
        true
    }

    fn hand_on<T>(&mut self, effects: Vec<Effect<'_>>, around: &mut Around<'_, T>) {
        for effect in effects {
            match effect {
                Effect::Send(text) => {
                    self.send(&text, around);
                    (around.found)(Found::Effect(Effect::Send(text)));
                }
                other => (around.found)(Found::Effect(other)),
            }
        }
    }

    fn logged<T>(&mut self, effect: Effect<'static>, around: &mut Around<'_, T>) -> String {
        let Effect::Send(text) = effect else { unreachable!("an answer is sent") };
        self.send(&text, around);
        text
    }

    fn log<T>(
        &self,
        text: &str,
        direction: &'static str,
        deviations: Option<&str>,
        around: &mut Around<'_, T>,
    ) {
        around.frames.record(&Entry {
            tenant_id: self.options.tenant_id,
            charge_point_id: self.options.charge_point_id,
            at_us: around.at_us,
            direction,
            text,
            deviations,
            connection_id: &self.options.connection_id,
        });
    }
}

#[cfg(test)]
mod tests;
