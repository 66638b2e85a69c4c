//! CALLs of the other side, and our answers to them.

use std::collections::VecDeque;

use super::Rejected;
use crate::frame::UniqueId;
use crate::protocol::schema::MessageSchema;

/// Answers that are remembered for repeats. A charge point has one CALL out at a time, so few are needed.
const ANSWERED_LIMIT: usize = 4;

/// The CALLs of the other side of one connection.
///
/// | state | event | next state |
/// |---|---|---|
/// | in flight | the same id and text again | in flight: the repeat is ignored |
/// | in flight | the same id, another text | in flight: the new CALL is refused (OCPP-J 4.2.3) |
/// | in flight | `reply` | answered, or forgotten if the answer carries the time of day |
/// | in flight | `reply_error` | forgotten: a repeat is a new attempt |
/// | answered | the same id and text again | answered: the same answer goes out |
/// | answered | the same id, another text | a new CALL: firmware that counts from 1 after a reboot does that |
/// | answered | an answer to that new CALL | forgotten: an id that is used for everything tells no repeat |
/// | answered | `ANSWERED_LIMIT` later answers | forgotten |
#[derive(Debug, Default)]
pub(super) struct Answers {
    in_flight: Vec<InFlight>,
    answered: VecDeque<Answered>,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) unique_id: UniqueId<'static>,
    pub(super) text_hash: u64,
    pub(super) message: &'static MessageSchema,
}

#[derive(Debug)]
struct Answered {
    unique_id: UniqueId<'static>,
    text_hash: u64,
    answer: String,
}

/// How a CALL relates to an earlier one with its id.
pub(super) enum Repeat<'s> {
    /// The same CALL is in flight.
    SameInFlight,
    /// Another CALL with this id is in flight.
    OtherInFlight,
    /// The same CALL was answered by this.
    Answered(&'s str),
}

impl Answers {
    /// How many CALLs wait for their answers.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Find an earlier CALL with this id; `None`: the CALL is a new one.
    pub(super) fn repeat_of(&self, unique_id: &UniqueId<'_>, text_hash: u64) -> Option<Repeat<'_>> {
        if let Some(waiting) = self.in_flight.iter().find(|waiting| waiting.unique_id == *unique_id) {
            let is_same = waiting.text_hash == text_hash;
            return Some(if is_same { Repeat::SameInFlight } else { Repeat::OtherInFlight });
        }
        self.answered
            .iter()
            .find(|answered| answered.text_hash == text_hash && answered.unique_id == *unique_id)
            .map(|answered| Repeat::Answered(&answered.answer))
    }

    pub(super) fn add(&mut self, call: InFlight) {
        self.in_flight.push(call);
    }

    /// The place of a CALL in flight.
    pub(super) fn place(&self, unique_id: &str) -> Result<usize, Rejected> {
        let place = self.in_flight.iter().position(|waiting| waiting.unique_id.text == unique_id);
        place.ok_or(Rejected::NotInFlight)
    }

    /// The message of the CALL at that place.
    pub(super) fn message(&self, place: usize) -> &'static MessageSchema {
        self.in_flight[place].message
    }

    /// Remove the CALL at that place, because it is answered now.
    pub(super) fn take(&mut self, place: usize) -> InFlight {
        self.in_flight.remove(place)
    }

    /// Remember an answer for repeats of its CALL.
    pub(super) fn remember(&mut self, call: InFlight, answer: String) {
        let InFlight { unique_id, text_hash, .. } = call;
        self.answered.retain(|answered| answered.unique_id != unique_id);
        if self.answered.len() == ANSWERED_LIMIT {
            self.answered.pop_front();
        }
        self.answered.push_back(Answered { unique_id, text_hash, answer });
    }
}
