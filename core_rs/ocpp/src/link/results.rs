//! How the answers of the other side end CALLs of ours.

use super::Link;
use super::effect::{Effect, Outcome, Resolution, describe, ignored, kept_text};
use crate::frame::Payload;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::schema::Direction;
use crate::protocol::validate::Mode;
use crate::protocol::violation::{Deviation, RAW_LIMIT, Violation};

impl Link {
    pub(super) fn take_result<'a>(
        &mut self,
        unique_id: &str,
        payload: Payload<'a>,
        text: &str,
        mut deviations: Vec<Deviation>,
        effects: &mut Vec<Effect<'a>>,
    ) {
        let unique_id = &self.spelled_as_ours(unique_id, &mut deviations);
        let Some((message, late)) = self.calls.take_answered(unique_id) else {
            return effects.push(unknown_unique_id());
        };
        let expected = self.payload_of(message, Direction::Response);
        let (payload, report) = payload.judge(expected, self.options.mode);
        deviations.extend(report.deviations);
        let is_valid = report.violations.is_empty();
        let outcome = if is_valid { Outcome::Result } else { Outcome::InvalidResult };
        effects.push(Effect::Resolve(Resolution {
            late,
            payload: is_valid.then_some(payload),
            text: (!is_valid).then(|| kept_text(text)),
            error_description: report.violations.first().map(describe),
            deviations,
            ..Resolution::ended(unique_id.to_owned(), message.action, outcome)
        }));
    }

    pub(super) fn take_error(
        &mut self,
        unique_id: &str,
        code: &str,
        description: String,
        mut deviations: Vec<Deviation>,
        effects: &mut Vec<Effect<'_>>,
    ) {
        let unique_id = &self.spelled_as_ours(unique_id, &mut deviations);
        let Some((message, late)) = self.calls.take_answered(unique_id) else {
            return effects.push(unknown_unique_id());
        };
        let protocol = self.options.protocol;
        let known = protocol.error_code(code);
        if known.is_none_or(|known| protocol.spelling(known) != code) {
            let raw = code.chars().take(RAW_LIMIT).collect();
            deviations.push(Deviation {
                kind: DeviationCode::ErrorCodeSpelling,
                pointer: String::new(),
                raw,
            });
        }
        effects.push(Effect::Resolve(Resolution {
            late,
            error_code: Some(known.unwrap_or(ErrorCode::GenericError)),
            error_description: Some(description),
            deviations,
            ..Resolution::ended(unique_id.to_owned(), message.action, Outcome::CallError)
        }));
    }

    /// The unique id as we have sent it, if the answer spells it in another way.
    fn spelled_as_ours(&self, unique_id: &str, deviations: &mut Vec<Deviation>) -> String {
        let meant = self.calls.meant_by(unique_id).filter(|_| self.options.mode == Mode::Tolerant);
        let Some(meant) = meant else { return unique_id.to_owned() };
        let raw = unique_id.chars().take(RAW_LIMIT).collect();
        deviations.push(Deviation { kind: DeviationCode::UniqueIdSpelling, pointer: String::new(), raw });
        meant
    }

    /// End a CALL whose answer is damaged: the charge point has said what it will say.
    pub(super) fn take_damaged(
        &mut self,
        unique_id: &str,
        violation: &Violation,
        text: &str,
        effects: &mut Vec<Effect<'_>>,
    ) {
        let Some((message, late)) = self.calls.take_answered(unique_id) else {
            return effects.push(unknown_unique_id());
        };
        effects.push(Effect::Resolve(Resolution {
            late,
            error_description: Some(describe(violation)),
            text: Some(kept_text(text)),
            ..Resolution::ended(unique_id.to_owned(), message.action, Outcome::UnreadableAnswer)
        }));
    }
}

fn unknown_unique_id<'a>() -> Effect<'a> {
    ignored("unknown_unique_id", "no CALL with this id waits for an answer")
}
