//! CALLs of ours: one is outstanding at a time, the others wait behind it. OCPP-J 4.1.1

use std::collections::VecDeque;

use super::effect::{Effect, Outcome, Resolution};
use crate::protocol::schema::MessageSchema;

/// A unique id of this length is not in a text by chance. Ours are UUIDs.
const CERTAIN_BYTES: usize = 16;

/// Timed out CALLs that are remembered for a late answer.
const EXPIRED_LIMIT: usize = 8;

/// The CALLs of one connection.
///
/// | state | event | next state | effects |
/// |---|---|---|---|
/// | queued | no other CALL is outstanding | outstanding | `CallSent`, `Send` |
/// | queued | `cancel` | forgotten | |
/// | queued | `disconnect` | ended | `Resolve`: `NotSent` |
/// | outstanding | its answer | ended | `Resolve`: `Result`, `CallError`, `InvalidResult` or `UnreadableAnswer` |
/// | outstanding | its deadline | expired | `Resolve`: `TimedOut` |
/// | outstanding | `disconnect` | ended | `Resolve`: `ConnectionLost` |
/// | expired | its answer | ended | `Resolve` with `late` |
/// | expired | `EXPIRED_LIMIT` later ones | forgotten | |
#[derive(Debug, Default)]
pub(super) struct Calls {
    outstanding: Option<Outstanding>,
    queue: VecDeque<QueuedCall>,
    expired: VecDeque<Expired>,
}

#[derive(Debug)]
pub(super) struct QueuedCall {
    pub(super) unique_id: String,
    pub(super) message: &'static MessageSchema,
    pub(super) text: String,
    pub(super) timeout_s: f64,
    /// The secrets that it carries, which its answer may repeat.
    pub(super) secrets: Vec<String>,
}

#[derive(Debug)]
struct Outstanding {
    unique_id: String,
    message: &'static MessageSchema,
    deadline: f64,
    secrets: Vec<String>,
}

#[derive(Debug)]
struct Expired {
    unique_id: String,
    message: &'static MessageSchema,
    secrets: Vec<String>,
}

impl Calls {
    /// How many wait behind the outstanding one.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// When the outstanding CALL times out.
    pub(super) fn next_deadline(&self) -> Option<f64> {
        self.outstanding.as_ref().map(|call| call.deadline)
    }

    /// The secrets of the CALLs whose answers may come. Mostly there are none.
    pub(super) fn secrets(&self) -> Vec<String> {
        let outstanding = self.outstanding.iter().map(|call| &call.secrets);
        outstanding.chain(self.expired.iter().map(|call| &call.secrets)).flatten().cloned().collect()
    }

    pub(super) fn add(&mut self, call: QueuedCall) {
        self.queue.push_back(call);
    }

    /// Send the next queued CALL, unless one is outstanding.
    pub(super) fn send_next(&mut self, now: f64, effects: &mut Vec<Effect<'_>>) {
        if self.outstanding.is_some() {
            return;
        }
        let Some(call) = self.queue.pop_front() else { return };
        let QueuedCall { unique_id, message, text, timeout_s, secrets } = call;
        let deadline = now + timeout_s;
        self.outstanding = Some(Outstanding { unique_id: unique_id.clone(), message, deadline, secrets });
        effects.push(Effect::CallSent { unique_id });
        effects.push(Effect::Send(text));
    }

    /// The message of the CALL that an answer with this id belongs to.
    pub(super) fn message(&self, unique_id: &str) -> Option<&'static MessageSchema> {
        match &self.outstanding {
            Some(call) if call.unique_id == unique_id => Some(call.message),
            _ => self.expired.iter().find(|call| call.unique_id == unique_id).map(|call| call.message),
        }
    }

    /// The outstanding CALL, if its id is in a text that cannot be read.
    ///
    pub(super) fn named_in(&self, text: &str) -> Option<String> {
        let call = self.outstanding.as_ref().filter(|call| call.unique_id.len() >= CERTAIN_BYTES)?;
        memchr::memmem::find(text.as_bytes(), call.unique_id.as_bytes()).map(|_| call.unique_id.clone())
    }

    /// The outstanding CALL that an id means in another spelling: other case, or blanks around it.
    pub(super) fn meant_by(&self, unique_id: &str) -> Option<String> {
        let call = self.outstanding.as_ref().filter(|call| call.unique_id.len() >= CERTAIN_BYTES)?;
        let is_other = call.unique_id != unique_id;
        let is_meant = is_other && call.unique_id.eq_ignore_ascii_case(unique_id.trim());
        is_meant.then(|| call.unique_id.clone())
    }

    /// Remove the CALL that is answered. Returns its message, and whether the answer is late.
    pub(super) fn take_answered(&mut self, unique_id: &str) -> Option<(&'static MessageSchema, bool)> {
        if let Some(call) = self.outstanding.take_if(|call| call.unique_id == unique_id) {
            return Some((call.message, false));
        }
        let place = self.expired.iter().position(|call| call.unique_id == unique_id)?;
        self.expired.remove(place).map(|call| (call.message, true))
    }

    /// End the outstanding CALL if its deadline has passed, and send the next one.
    pub(super) fn expire(&mut self, now: f64, effects: &mut Vec<Effect<'_>>) {
        let Some(call) = self.outstanding.take_if(|call| call.deadline <= now) else { return };
        let Outstanding { unique_id, message, secrets, .. } = call;
        if self.expired.len() == EXPIRED_LIMIT {
            self.expired.pop_front();
        }
        self.expired.push_back(Expired { unique_id: unique_id.clone(), message, secrets });
        effects.push(Effect::Resolve(Resolution::ended(unique_id, message.action, Outcome::TimedOut)));
        self.send_next(now, effects);
    }

    /// Remove a queued CALL. Returns whether it was queued.
    pub(super) fn cancel(&mut self, unique_id: &str) -> bool {
        let before = self.queue.len();
        self.queue.retain(|call| call.unique_id != unique_id);
        self.queue.len() < before
    }

    /// End every CALL, because the socket is closed.
    pub(super) fn disconnect(&mut self) -> Vec<Effect<'static>> {
        let lost =
            self.outstanding.take().map(|call| (call.unique_id, call.message, Outcome::ConnectionLost));
        let unsent = self.queue.drain(..).map(|call| (call.unique_id, call.message, Outcome::NotSent));
        let ended = lost.into_iter().chain(unsent);
        ended
            .map(|(id, message, outcome)| Effect::Resolve(Resolution::ended(id, message.action, outcome)))
            .collect()
    }
}
