//! Heartbeats that are answered at once, and those that are not.

use super::*;

const BEAT: &str = r#"[3,"h1",{"currentTime":"2026-03-01T08:00:00.000Z"}]"#;

fn accepted() -> Bench {
    let mut bench = Bench::new(Mode::Tolerant);
    bench.conversation.set_accepted(true);
    bench
}

#[test]
fn a_heartbeat_is_answered_logged_and_counted_at_once() {
    let mut bench = accepted();
    assert_eq!(bench.text(HEARTBEAT), [format!("send {BEAT}")]);
    assert_eq!((bench.logged(), bench.conversation.link().in_flight()), (2, 0));
    let counts = bench.counters.take();
    assert_eq!((counts.frames_in, counts.frames_out), (1, 1));
    assert_eq!(counts.answered["Heartbeat"].buckets, [1, 0]);
    assert_eq!(bench.text(HEARTBEAT), [format!("send {BEAT}")], "the same id again is a new question");
}

#[test]
fn a_plain_call_is_left_to_a_caller_that_watches() {
    let mut bench = accepted();
    bench.conversation.set_watched(true);
    assert_eq!(bench.text(HEARTBEAT), ["dispatch Heartbeat"]);
    let mut bench = accepted();
    bench.conversation.set_watched(true);
    bench.conversation.set_watched(false);
    assert_eq!(bench.text(HEARTBEAT), [format!("send {BEAT}")]);
}

#[test]
fn its_answer_is_that_of_the_caller_byte_for_byte() {
    for unique_id in ["h1", " ", "\\u00e4\\\"\\\\/\\n", "\u{1f50c}", &"x".repeat(36)] {
        let text = format!(r#"[2,"{unique_id}","Heartbeat",{{}}]"#);
        let mut bench = Bench::new(Mode::Tolerant);
        let mut ids = Vec::new();
        bench.step_with(
            |found| {
                if let Found::Effect(Effect::Dispatch { unique_id, .. }) = found {
                    ids.push(unique_id.into_owned());
                }
            },
            |conversation, around| conversation.text(&text, None, around),
        );
        let payload = r#"{"currentTime":"2026-03-01T08:00:00.000Z"}"#;
        let (answer, _) = bench.step(|conversation, around| conversation.reply(&ids[0], payload, around));
        let answer = answer.expect("the answer is valid");
        assert_eq!(accepted().text(&text), [format!("send {answer}")], "{text}");
    }
}

#[test]
fn a_heartbeat_that_is_not_plain_is_left_to_the_caller() {
    for text in [
        r#"[2,"h1","Heartbeat",{"more":1}]"#,
        r#"[2,"h1","heartbeat",{}]"#,
        r#"[2,17,"Heartbeat",{}]"#,
        r#"[2,"h1","Heartbeat"]"#,
        "\u{feff}[2,\"h1\",\"Heartbeat\",{}]",
    ] {
        let found = accepted().text(text);
        assert_eq!(found, ["dispatch Heartbeat"], "{text}");
    }
    let binary = |conversation: &mut Conversation, around: &mut Around<'_, ()>| {
        conversation.binary(HEARTBEAT.as_bytes(), around);
    };
    assert_eq!(accepted().step(binary).1, ["dispatch Heartbeat"]);
    let two = format!("{HEARTBEAT}{HEARTBEAT}");
    assert_eq!(accepted().text(&two)[0], "dispatch Heartbeat");
}

#[test]
fn heartbeats_of_who_is_not_accepted_any_more_are_left_to_the_caller() {
    let mut bench = accepted();
    bench.conversation.set_accepted(false);
    assert_eq!(bench.text(HEARTBEAT), ["dispatch Heartbeat"]);
}

#[test]
fn a_heartbeat_behind_a_call_that_waits_is_dispatched_behind_it() {
    let authorize = r#"[2,"a1","Authorize",{"idTag":"T"}]"#;
    for (waiting, found) in [(authorize, "dispatch Authorize"), (METERED, "Recorded")] {
        let mut bench = accepted();
        assert_eq!(bench.text(waiting), [found]);
        assert_eq!(bench.text(HEARTBEAT), ["dispatch Heartbeat"]);
    }
    let mut bench = accepted();
    bench.text(authorize);
    let payload = r#"{"idTagInfo":{"status":"Accepted"}}"#;
    let (answer, _) = bench.step(|conversation, around| conversation.reply("a1", payload, around));
    assert!(answer.is_ok());
    assert_eq!(bench.text(HEARTBEAT), [format!("send {BEAT}")]);
}

#[test]
fn heartbeats_take_from_the_budget_and_a_closed_connection_answers_none() {
    let mut bench = accepted();
    for _ in 0..20 {
        assert_eq!(bench.text(HEARTBEAT), [format!("send {BEAT}")]);
    }
    assert_eq!(bench.text(HEARTBEAT), ["Slow(0.1)".to_owned(), format!("send {BEAT}")]);
    bench.conversation.close();
    assert_eq!(bench.text(HEARTBEAT), Vec::<String>::new());
}
