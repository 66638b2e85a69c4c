//! The link's rules, each from both sides: one CALL at a time, crossing CALLs, repeats, deadlines, the end.

use ocpp_core::link::{Effect, Link, Options, Outcome, Rejected, Resolution, Role};
use ocpp_core::protocol::Limits;
use ocpp_core::protocol::error_table::ErrorCode;
use ocpp_core::protocol::validate::Mode;

use crate::ocpp16::ocpp16;

const METERED: &str = r#"[2,"m","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":[]}]"#;
const AUTHORIZE: &str = r#"[2,"a","Authorize",{"idTag":"A"}]"#;
const ACCEPTED: &str = r#"{"idTagInfo":{"status":"Accepted"}}"#;

fn link(role: Role) -> Link {
    Link::new(Options {
        protocol: ocpp16(),
        role,
        mode: Mode::Tolerant,
        limits: Limits::default(),
        queue_limit: 3,
        raw_sampled_values: false,
    })
}

fn central_system() -> Link {
    link(Role::CentralSystem)
}

fn sent<'e>(effects: &'e [Effect<'_>]) -> Vec<&'e str> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

fn resolved<'e, 'a>(effects: &'e [Effect<'a>]) -> Vec<&'e Resolution<'a>> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Resolve(resolution) => Some(resolution),
            _ => None,
        })
        .collect()
}

fn reset(link: &mut Link, unique_id: &str, now: f64) -> Vec<Effect<'static>> {
    link.call(unique_id, "Reset", r#"{"type":"Soft"}"#, now, 30.0).expect("a valid call")
}

#[test]
fn a_call_goes_out_at_once_when_none_is_out() {
    let effects = reset(&mut central_system(), "r1", 0.0);
    assert_eq!(
        effects,
        [
            Effect::CallSent { unique_id: "r1".to_owned() },
            Effect::Send(r#"[2,"r1","Reset",{"type":"Soft"}]"#.to_owned()),
        ]
    );
}

#[test]
fn a_second_call_waits_for_the_answer_to_the_first() {
    let mut link = central_system();
    let _ = reset(&mut link, "r1", 0.0);
    assert_eq!(reset(&mut link, "r2", 0.0), []);
    assert_eq!(link.queued(), 1);
    let effects = link.receive(r#"[3,"r1",{"status":"Accepted"}]"#, 1.0);
    let ended = resolved(&effects);
    assert_eq!((ended[0].unique_id.as_str(), ended[0].outcome), ("r1", Outcome::Result));
    assert_eq!(sent(&effects), [r#"[2,"r2","Reset",{"type":"Soft"}]"#]);
    assert_eq!(link.next_deadline(), Some(31.0), "the time of the second one runs from its sending");
}

#[test]
fn calls_of_both_sides_may_cross_even_under_one_id() {
    let mut link = central_system();
    let _ = link.call("a", "Reset", r#"{"type":"Soft"}"#, 0.0, 30.0).expect("a valid call");
    let effects = link.receive(AUTHORIZE, 0.1);
    assert!(matches!(effects.as_slice(), [Effect::Dispatch { action: "Authorize", .. }]));
    let effects = link.receive(r#"[3,"a",{"status":"Rejected"}]"#, 0.2);
    assert_eq!(resolved(&effects)[0].outcome, Outcome::Result);
    let reply = link.reply("a", ACCEPTED).expect("a valid reply");
    assert_eq!(reply, Effect::Send(format!(r#"[3,"a",{ACCEPTED}]"#)));
}

#[test]
fn a_full_queue_says_so() {
    let mut link = central_system();
    for id in ["r1", "r2", "r3", "r4"] {
        let _ = reset(&mut link, id, 0.0);
    }
    let fifth = link.call("r5", "Reset", r#"{"type":"Soft"}"#, 0.0, 30.0);
    assert_eq!(fifth, Err(Rejected::QueueFull));
}

#[test]
fn an_invalid_call_of_ours_never_leaves() {
    let mut link = central_system();
    let rejected = link.call("r1", "Reset", r#"{"type":"Warm"}"#, 0.0, 30.0);
    let Err(Rejected::Invalid(violations)) = rejected else { panic!("{rejected:?}") };
    assert_eq!((violations[0].pointer.as_str(), violations[0].reason), ("/type", "not_in_enumeration"));
    assert_eq!(link.next_deadline(), None);
    let wrong_side = link.call("r1", "Heartbeat", "{}", 0.0, 30.0);
    assert_eq!(wrong_side, Err(Rejected::UnknownAction));
}

#[test]
fn a_cancelled_call_is_never_sent() {
    let mut link = central_system();
    let _ = reset(&mut link, "r1", 0.0);
    let _ = reset(&mut link, "r2", 0.0);
    assert!(link.cancel("r2"));
    assert!(!link.cancel("r1"), "it is out already");
    let effects = link.receive(r#"[3,"r1",{"status":"Accepted"}]"#, 1.0);
    assert!(sent(&effects).is_empty());
}

#[test]
fn a_call_without_answer_times_out_and_the_next_one_goes() {
    let mut link = central_system();
    let _ = reset(&mut link, "r1", 0.0);
    let _ = reset(&mut link, "r2", 0.0);
    assert_eq!(link.expire(29.9), []);
    let effects = link.expire(30.0);
    assert_eq!(resolved(&effects)[0].outcome, Outcome::TimedOut);
    assert_eq!(sent(&effects).len(), 1);
}

#[test]
fn a_late_answer_belongs_to_its_own_call_and_frees_nothing() {
    let mut link = central_system();
    let _ = reset(&mut link, "r1", 0.0);
    let _ = reset(&mut link, "r2", 0.0);
    let _ = link.expire(30.0);
    let effects = link.receive(r#"[3,"r1",{"status":"Accepted"}]"#, 31.0);
    let late = resolved(&effects)[0];
    assert_eq!((late.unique_id.as_str(), late.late, late.outcome), ("r1", true, Outcome::Result));
    assert_eq!(link.next_deadline(), Some(60.0), "r2 is still out");
    let again = link.receive(r#"[3,"r1",{"status":"Accepted"}]"#, 32.0);
    assert!(matches!(again.as_slice(), [Effect::Ignored { reason: "unknown_unique_id", .. }]));
}

#[test]
fn an_answer_to_a_queued_call_is_nobodys() {
    let mut link = central_system();
    let _ = reset(&mut link, "r1", 0.0);
    let _ = reset(&mut link, "r2", 0.0);
    let effects = link.receive(r#"[3,"r2",{"status":"Accepted"}]"#, 1.0);
    assert!(matches!(effects.as_slice(), [Effect::Ignored { reason: "unknown_unique_id", .. }]));
    assert_eq!(link.queued(), 1);
}

#[test]
fn errors_are_understood_in_every_spelling() {
    for (spelling, code) in [
        ("FormationViolation", ErrorCode::FormationViolation),
        ("FormatViolation", ErrorCode::FormationViolation),
        ("OccurrenceConstraintViolation", ErrorCode::OccurenceConstraintViolation),
        ("RpcFrameworkError", ErrorCode::GenericError),
        ("SomethingElse", ErrorCode::GenericError),
    ] {
        let mut link = central_system();
        let _ = reset(&mut link, "r1", 0.0);
        let text = format!(r#"[4,"r1","{spelling}","no"]"#);
        let effects = link.receive(&text, 1.0);
        let ended = resolved(&effects)[0];
        assert_eq!((ended.outcome, ended.error_code), (Outcome::CallError, Some(code)), "{spelling}");
        assert_eq!(ended.error_description.as_deref(), Some("no"));
        assert_eq!(ended.deviations.is_empty(), code.as_str() == spelling, "{spelling}");
    }
}

#[test]
fn a_result_that_breaks_the_definition_ends_the_call_and_is_not_answered() {
    let mut link = central_system();
    let _ = reset(&mut link, "r1", 0.0);
    let effects = link.receive(r#"[3,"r1",{}]"#, 1.0);
    let ended = resolved(&effects)[0];
    assert_eq!((ended.outcome, ended.payload.as_ref()), (Outcome::InvalidResult, None));
    assert_eq!(ended.error_description.as_deref(), Some("/status: a required field is missing"));
    assert!(sent(&effects).is_empty());
}

#[test]
fn a_repeated_billing_message_gets_the_same_answer() {
    let mut link = central_system();
    let _ = link.receive(METERED, 0.0);
    let Ok(Effect::Send(answer)) = link.reply("m", "{}") else { panic!("a valid reply") };
    let effects = link.receive(METERED, 1.0);
    assert_eq!(sent(&effects), [answer.as_str()]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Dispatch { .. })));
}

#[test]
fn a_repeat_while_the_answer_is_under_way_is_not_handled_twice() {
    let mut link = central_system();
    let _ = link.receive(AUTHORIZE, 0.0);
    let effects = link.receive(AUTHORIZE, 1.0);
    assert!(matches!(effects.as_slice(), [Effect::Ignored { reason: "repeated", .. }]));
}

#[test]
fn another_call_under_an_id_in_flight_is_refused() {
    let mut link = central_system();
    let _ = link.receive(AUTHORIZE, 0.0);
    let effects = link.receive(r#"[2,"a","Heartbeat",{}]"#, 1.0);
    let [Effect::Refused { violations, .. }, Effect::Send(_)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(violations[0].reason, "unique_id_in_use");
    assert!(link.reply("a", ACCEPTED).is_ok(), "the first one is still answered");
}

#[test]
fn another_call_under_an_answered_id_is_handled() {
    let mut link = central_system();
    let _ = link.receive(AUTHORIZE, 0.0);
    let _ = link.reply("a", ACCEPTED);
    let effects = link.receive(r#"[2,"a","Authorize",{"idTag":"B"}]"#, 1.0);
    assert!(matches!(effects.as_slice(), [Effect::Dispatch { .. }]));
}

#[test]
fn a_start_under_an_id_that_has_had_another_answer_since_is_handled_again() {
    let mut link = central_system();
    let start = r#"[2,"m","StartTransaction",{"connectorId":1,"idTag":"A","meterStart":0,"timestamp":""}]"#;
    let stop = r#"[2,"m","StopTransaction",{"transactionId":1,"meterStop":1,"timestamp":""}]"#;
    let started = r#"{"transactionId":1,"idTagInfo":{"status":"Accepted"}}"#;
    for (text, answer) in [(start, started), (stop, "{}"), (start, started)] {
        let effects = link.receive(text, 0.0);
        assert!(matches!(effects.as_slice(), [Effect::Dispatch { .. }]), "{text}");
        assert!(link.reply("m", answer).is_ok());
    }
    assert_eq!(sent(&link.receive(start, 1.0)).len(), 1, "a retry of the last one gets its answer");
}

#[test]
fn anything_else_under_an_answered_id_takes_effect_again() {
    let mut link = central_system();
    let status =
        r#"[2,"s","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]"#;
    let heartbeat = r#"[2,"h","Heartbeat",{}]"#;
    let now = r#"{"currentTime":"2026-01-01T00:00:00Z"}"#;
    for (text, id, answer) in [(status, "s", "{}"), (AUTHORIZE, "a", ACCEPTED), (heartbeat, "h", now)] {
        for _ in 0..3 {
            let effects = link.receive(text, 0.0);
            assert!(matches!(effects.as_slice(), [Effect::Dispatch { .. }]), "{text}");
            assert!(link.reply(id, answer).is_ok(), "{text}");
        }
    }
}

#[test]
fn billing_messages_under_one_id_are_answered_one_after_the_other() {
    let mut link = central_system();
    let stop =
        r#"[2,"m","StopTransaction",{"transactionId":1,"meterStop":1,"timestamp":"2026-01-01T00:00:00Z"}]"#;
    for text in [METERED, stop] {
        let effects = link.receive(text, 0.0);
        assert!(matches!(effects.as_slice(), [Effect::Dispatch { .. }]), "{text}");
    }
    let info = r#"{"idTagInfo":{"status":"Accepted"}}"#;
    assert!(link.reply("m", info).is_err(), "the first one is answered first");
    assert!(link.reply("m", "{}").is_ok());
    assert!(link.reply("m", info).is_ok());
}

#[test]
fn an_error_of_ours_is_not_remembered() {
    let mut link = central_system();
    let _ = link.receive(AUTHORIZE, 0.0);
    let error = link.reply_error("a", ErrorCode::InternalError, "\"later\"");
    assert_eq!(error, Ok(Effect::Send(r#"[4,"a","InternalError","\"later\"",{}]"#.to_owned())));
    let effects = link.receive(AUTHORIZE, 1.0);
    assert!(matches!(effects.as_slice(), [Effect::Dispatch { .. }]), "a repeat is a new try");
}

#[test]
fn a_reply_that_breaks_the_definition_is_our_fault_and_leaves_the_call_open() {
    let mut link = central_system();
    let _ = link.receive(AUTHORIZE, 0.0);
    assert!(matches!(link.reply("a", r#"{"idTagInfo":{}}"#), Err(Rejected::Invalid(_))));
    assert_eq!(link.reply("b", ACCEPTED), Err(Rejected::NotInFlight));
    assert!(link.reply("a", ACCEPTED).is_ok());
}

#[test]
fn a_numeric_id_is_echoed_as_a_number() {
    let mut link = central_system();
    let _ = link.receive(r#"[2,42,"Authorize",{"idTag":"A"}]"#, 0.0);
    assert_eq!(link.reply("42", ACCEPTED), Ok(Effect::Send(format!("[3,42,{ACCEPTED}]"))));
}

#[test]
fn the_end_of_the_socket_ends_every_call() {
    let mut link = central_system();
    let _ = reset(&mut link, "r1", 0.0);
    let _ = reset(&mut link, "r2", 0.0);
    let effects = link.disconnect();
    let ends: Vec<_> =
        resolved(&effects).iter().map(|ended| (ended.unique_id.as_str(), ended.outcome)).collect();
    assert_eq!(ends, [("r1", Outcome::ConnectionLost), ("r2", Outcome::NotSent)]);
    assert_eq!(link.disconnect(), []);
}

#[test]
fn the_same_link_serves_the_charge_point() {
    let mut link = link(Role::ChargePoint);
    let effects = link.call("h1", "Heartbeat", "null", 0.0, 30.0).expect("a valid call");
    assert_eq!(sent(&effects), [r#"[2,"h1","Heartbeat",{}]"#]);
    let effects = link.receive(r#"[2,"r1","Reset",{"type":"Hard"}]"#, 0.1);
    assert!(matches!(effects.as_slice(), [Effect::Dispatch { action: "Reset", .. }]));
    let effects = link.receive(r#"[2,"x","Heartbeat",{}]"#, 0.1);
    assert!(matches!(effects.as_slice(), [Effect::Refused { .. }, Effect::Send(_)]));
}

#[test]
fn a_deviation_quotes_no_secret() {
    for text in [
        r#"[3,"u",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":12345678901234567890}]}]"#,
        r#"[2,"1","Heartbeat",{}][3,"u",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"12345678901234567890"}]}]"#,
    ] {
        let mut link = central_system();
        let _ = link.call("u", "GetConfiguration", "{}", 0.0, 30.0).expect("a valid call");
        let effects = link.receive(text, 1.0);
        let deviations: Vec<_> = effects
            .iter()
            .flat_map(|effect| match effect {
                Effect::Dispatch { deviations, .. } => deviations.as_slice(),
                Effect::Resolve(resolution) => &resolution.deviations,
                _ => &[],
            })
            .collect();
        assert!(!deviations.is_empty(), "{text}");
        assert!(deviations.iter().all(|deviation| !deviation.raw.contains("1234567890")), "{deviations:?}");
    }
}

#[test]
fn every_call_of_the_other_side_is_counted() {
    let mut link = central_system();
    let mut received = |text: &str| {
        let _ = link.receive(text, 0.0);
        link.calls_received()
    };
    assert_eq!(received(r#"[2,"1","Heartbeat",{}]"#), 1);
    assert_eq!(received(r#"[2,"1","Heartbeat",{}]"#), 2, "repeated");
    assert_eq!(received(r#"[2,"2","Authorize",{}]"#), 3, "refused");
    assert_eq!(received(r#"[2,"3","Authorize",{"idTag":?}]"#), 4, "damaged");
    assert_eq!(received(r#"[2,"4","Heartbeat",{}][2,"5","Heartbeat",{}]"#), 6, "two in one text");
    assert_eq!(received(r#"[3,"6",{}]"#), 6);
    assert_eq!(received(r#"[4,"6","InternalError","",{}]"#), 6);
    assert_eq!(received("hello"), 6);
}
