//! Is this the answer to that CALL? Cheap for the answers that are expected, exact for all others.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::scenario::Kind;

/// What a server is expected to do with a CALL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Answer it with the CALLRESULT of a central system.
    Result,
    /// Send it back as it is: a WebSocket echo, without any OCPP.
    Echo,
}

/// What a text message of the server is to a charge point that waits for one answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The right answer. `transaction_id`: of a `StartTransaction`.
    Answer {
        /// Given by the central system.
        transaction_id: Option<i64>,
    },
    /// The right id, but a CALLERROR.
    CallError,
    /// A CALL of the central system; the text is its message id, as JSON.
    Call(String),
    /// Anything else.
    Wrong,
}

/// Judge a message that comes while a CALL waits. id: of that CALL.
#[must_use]
pub fn judge(kind: Kind, id: &[u8], text: &[u8]) -> Judgement {
    let quick = text
        .strip_prefix(b"[3,\"")
        .and_then(|rest| rest.strip_prefix(id))
        .and_then(|rest| rest.strip_prefix(b"\","))
        .is_some_and(|payload| payload == b"{}]");
    if quick && kind.answer_is_empty() {
        return Judgement::Answer { transaction_id: None };
    }
    judge_json(kind, id, text)
}

/// Judge a message that comes while no CALL waits.
#[must_use]
pub fn judge_unasked(text: &[u8]) -> Judgement {
    match serde_json::from_slice::<Vec<&RawValue>>(text).as_deref() {
        Ok([kind, id, _, _]) if kind.get() == "2" => Judgement::Call(id.get().to_owned()),
        _ => Judgement::Wrong,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    status: Option<&'a str>,
    transaction_id: Option<i64>,
    #[serde(borrow)]
    current_time: Option<&'a str>,
    #[serde(borrow)]
    id_tag_info: Option<&'a RawValue>,
}

fn judge_json(kind: Kind, id: &[u8], text: &[u8]) -> Judgement {
    let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(text) else { return Judgement::Wrong };
    let own = |found: &RawValue| {
        let found = found.get().as_bytes();
        found.len() == id.len() + 2 && &found[1..=id.len()] == id
    };
    match elements.as_slice() {
        [message_type, found, payload] if message_type.get() == "3" && own(found) => {
            judge_payload(kind, payload).unwrap_or(Judgement::Wrong)
        }
        [message_type, found, ..] if message_type.get() == "4" && own(found) => Judgement::CallError,
        _ => judge_unasked(text),
    }
}

fn judge_payload(kind: Kind, payload: &RawValue) -> Option<Judgement> {
    let payload: Payload<'_> = serde_json::from_str(payload.get()).ok()?;
    let complete = match kind {
        Kind::BootNotification => payload.status == Some("Accepted"),
        Kind::Heartbeat => payload.current_time.is_some(),
        Kind::Authorize => payload.id_tag_info.is_some(),
        Kind::StartTransaction => payload.id_tag_info.is_some() && payload.transaction_id.is_some(),
        Kind::MeterValues | Kind::StatusNotification | Kind::StopTransaction => true,
    };
    complete.then_some(Judgement::Answer { transaction_id: payload.transaction_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &[u8] = b"0000beef-0000-4000-8000-000000061234";

    fn judged(kind: Kind, text: &str) -> Judgement {
        let id = String::from_utf8(ID.to_vec()).unwrap();
        judge(kind, ID, text.replace("{id}", &id).as_bytes())
    }

    const fn answer(transaction_id: Option<i64>) -> Judgement {
        Judgement::Answer { transaction_id }
    }

    #[test]
    fn answers_with_the_right_id_and_payload_count() {
        for (kind, text, expected) in [
            (Kind::MeterValues, r#"[3,"{id}",{}]"#, answer(None)),
            (Kind::MeterValues, r#"[3, "{id}", {}]"#, answer(None)),
            (Kind::Heartbeat, r#"[3,"{id}",{"currentTime":"2024-03-01T08:00:00Z"}]"#, answer(None)),
            (Kind::BootNotification, r#"[3,"{id}",{"status":"Accepted","interval":300}]"#, answer(None)),
            (
                Kind::StartTransaction,
                r#"[3,"{id}",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]"#,
                answer(Some(7)),
            ),
            (Kind::StopTransaction, r#"[3,"{id}",{"idTagInfo":{"status":"Accepted"}}]"#, answer(None)),
        ] {
            assert_eq!(judged(kind, text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_resembles_an_answer_is_wrong() {
        for (kind, text) in [
            (Kind::Heartbeat, r#"[3,"{id}",{}]"#),
            (Kind::BootNotification, r#"[3,"{id}",{"status":"Pending"}]"#),
            (Kind::StartTransaction, r#"[3,"{id}",{"idTagInfo":{"status":"Accepted"}}]"#),
            (Kind::MeterValues, r#"[3,"0000beef-0000-4000-8000-000000061235",{}]"#),
            (Kind::MeterValues, r#"[3,"{id}",{}"#),
            (Kind::MeterValues, r#"[3,"{id}"]"#),
            (Kind::MeterValues, r#"[3,"{id}",[]]"#),
            (Kind::MeterValues, ""),
        ] {
            assert_eq!(judged(kind, text), Judgement::Wrong, "{text}");
        }
    }

    #[test]
    fn a_call_error_is_told_from_a_result() {
        let text = r#"[4,"{id}","InternalError","",{}]"#;
        assert_eq!(judged(Kind::MeterValues, text), Judgement::CallError);
    }

    #[test]
    fn a_call_of_the_central_system_may_come_before_the_answer() {
        let text = r#"[2,"theirs","Reset",{"type":"Soft"}]"#;
        assert_eq!(judged(Kind::MeterValues, text), Judgement::Call(r#""theirs""#.to_owned()));
        assert_eq!(judge_unasked(text.as_bytes()), Judgement::Call(r#""theirs""#.to_owned()));
        assert_eq!(judge_unasked(br#"[3,"late",{}]"#), Judgement::Wrong);
    }
}
