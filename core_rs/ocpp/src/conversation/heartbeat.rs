//! Heartbeat (OCPP 1.6 4.6), the most frequent CALL of an idle charge point, is answered without the caller.

use super::{Around, Conversation, Registration};
use crate::link::Effect;
use crate::protocol::moment;

const HEARTBEAT: &str = "Heartbeat";

impl Conversation {
    /// Answer a plain valid `Heartbeat`. Returns what to write; `None`: the caller has to answer the CALL.
    ///
    /// Answers keep the order of their CALLs (OCPP 1.6 3.7), so no other CALL may wait.
    pub(super) fn answer_heartbeat<T>(
        &mut self,
        effects: &[Effect<'_>],
        around: &mut Around<'_, T>,
    ) -> Option<String> {
        let [Effect::Dispatch { unique_id, action: HEARTBEAT, deviations, .. }] = effects else {
            return None;
        };
        let is_next = self.link.in_flight() == 1;
        if self.is_watched
            || self.registration != Registration::Accepted
            || !is_next
            || !deviations.is_empty()
        {
            return None;
        }
        let time = moment::text_with_milliseconds(around.at_us)?;
        let answer = self.reply(unique_id, &format!(r#"{{"currentTime":"{time}"}}"#), around).ok()?;
        around.counters.answered(HEARTBEAT, 0.0);
        Some(answer)
    }
}
