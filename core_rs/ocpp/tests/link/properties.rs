//! What holds for every text, every payload and every order of events.

use std::collections::HashMap;

use ocpp_core::frame::json::Reader;
use ocpp_core::frame::redact::redact;
use ocpp_core::link::{Effect, Link, Options, Outcome, Role};
use ocpp_core::protocol::Limits;
use ocpp_core::protocol::schema::Direction;
use ocpp_core::protocol::validate::Mode;
use proptest::prelude::*;

use crate::ocpp16::ocpp16;

const LIMITS: Limits = Limits { bytes: 262_144, depth: 16, items: 4_096, members: 64 };

/// A failure becomes a vector by hand; nothing is written next to the sources.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn link(mode: Mode) -> Link {
    Link::new(Options {
        protocol: ocpp16(),
        role: Role::CentralSystem,
        mode,
        limits: LIMITS,
        queue_limit: 4,
        raw_sampled_values: false,
    })
}

/// Texts near to frames: pieces of frames in any order.
fn frame_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(","),
        Just(":"),
        Just("\""),
        Just("\\"),
        Just("\\u"),
        Just("2"),
        Just("3"),
        Just("4"),
        Just("-1.5e3"),
        Just("\"a\""),
        Just("\"MeterValues\""),
        Just("null"),
        Just("\"StartTransaction\""),
        Just("\"idTag\":\"A\""),
        Just("\"connectorId\":1"),
        Just("\"meterValue\":"),
        Just("\"sampledValue\":"),
        Just("\"timestamp\":\"2026-01-01T00:00:00Z\""),
        Just("\u{0}"),
        Just("é"),
        Just("\"key\":\"AuthorizationKey\""),
        Just("\"value\":\"x\""),
        Just("\u{feff}"),
        Just("\\ud800"),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_filter("JSON has none", |number| number.is_finite()).prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A valid payload of a message that charge points send, with one leaf replaced by any value.
fn nearly_valid_frame() -> impl Strategy<Value = String> {
    let messages: Vec<(String, serde_json::Value)> = ocpp16()
        .definition()
        .messages
        .values()
        .map(|message| {
            let payload = serde_json::from_str(&message.example_request).expect("examples are JSON");
            (message.action.clone(), payload)
        })
        .collect();
    (prop::sample::select(messages), any::<prop::sample::Index>(), json_value()).prop_map(
        |((action, mut payload), place, value)| {
            let mut pointers = Vec::new();
            collect_pointers(&payload, String::new(), &mut pointers);
            let pointer = place.get(&pointers);
            *payload.pointer_mut(pointer).expect("it was collected there") = value;
            format!(r#"[2,"1",{},{payload}]"#, serde_json::Value::from(action))
        },
    )
}

fn collect_pointers(value: &serde_json::Value, at: String, pointers: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                collect_pointers(member, format!("{at}/{name}"), pointers);
            }
        }
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_pointers(item, format!("{at}/{index}"), pointers);
            }
        }
        _ => {}
    }
    pointers.push(at);
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_taken_without_a_panic(text in prop_oneof![any::<String>(), frame_like()]) {
        for mode in [Mode::Strict, Mode::Tolerant] {
            for effect in link(mode).receive(&text, 0.0) {
                if let Effect::Send(answer) = effect {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&answer).is_ok(), "{answer}");
                }
            }
        }
        let _ = redact(&text);
    }

    #[test]
    fn a_frame_with_one_odd_value_is_answered_or_dispatched(text in nearly_valid_frame()) {
        for mode in [Mode::Strict, Mode::Tolerant] {
            let mut link = link(mode);
            let effects = link.receive(&text, 0.0);
            let answered = match effects.as_slice() {
                [Effect::Dispatch { .. }] => true,
                [Effect::Refused { violations, .. }, Effect::Send(_)] => !violations.is_empty(),
                _ => false,
            };
            prop_assert!(answered, "{effects:?}");
        }
    }

    #[test]
    fn what_strict_mode_takes_tolerant_mode_takes_unchanged(text in nearly_valid_frame()) {
        let strict = link(Mode::Strict).receive(&text, 0.0);
        if let [Effect::Dispatch { .. }] = strict.as_slice() {
            prop_assert_eq!(&link(Mode::Tolerant).receive(&text, 0.0), &strict);
        }
    }

    #[test]
    fn the_reader_agrees_with_serde_json_on_values(value in json_value()) {
        prop_assume!(depth(&value) <= LIMITS.depth);
        let text = value.to_string();
        let read = Reader::new(&text, LIMITS, false).value();
        let read = read.map(|read| read.to_json(usize::MAX));
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("it is JSON");
        prop_assert_eq!(parse(&read.expect("it is JSON")), parse(&text));
    }

    #[test]
    fn the_reader_takes_no_text_that_serde_json_refuses(text in frame_like()) {
        let mut reader = Reader::new(&text, LIMITS, false);
        let taken = reader.value().is_ok() && reader.peek().is_none();
        if taken {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn no_secret_is_left_in_any_readable_frame(secret in "[a-z0-9]{8,40}") {
        let text = format!(r#"[2,"1","ChangeConfiguration",{{"value":"{secret}","key":"authorizationkey"}}]"#);
        prop_assert!(!redact(&text).contains(&secret));
    }

    #[test]
    fn a_limit_with_any_exponent_is_judged(
        digits in "(0|[1-9][0-9]{0,3})([.][0-9]{1,3})?",
        exponent in prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -3..3_i64],
    ) {
        let payload = format!(
            r#"{{"status":"Accepted","chargingSchedule":{{"chargingRateUnit":"A","chargingSchedulePeriod":[{{"startPeriod":0,"limit":{digits}e{exponent}}}]}}}}"#
        );
        let message = ocpp16().message("GetCompositeSchedule").expect("an action");
        for mode in [Mode::Strict, Mode::Tolerant] {
            let report = ocpp_core::link::judge::payload(ocpp16(), message, Direction::Response, &payload, mode);
            prop_assert!(report.violations.iter().all(|found| found.reason != "not_json"), "{payload}");
        }
    }
}

#[test]
fn a_secret_is_hidden_however_its_key_is_written() {
    for text in [
        r#"[2,"1","ChangeConfiguration",{"key":"Authorizatio\u006eKey","value":"secret"}]"#,
        r#"[2,"1","ChangeConfiguration",{"Key":"AuthorizationKey","Value":"secret"}]"#,
        r#"[2,"1","Heartbeat",{}][3,"2",{"configurationKey":[{"key":"AuthorizationKey","value":"secret"}]}]"#,
        r#"[2,"1","Heartbeat",{}][3,"2",{"configurationKey":[{"key":"AuthorizationKey","value":"secret}"#,
        r#"[3,"2",{"configurationKey":[{"key":"AuthorizationKey","value":"secret"}]}]["secret"#,
        r#"[3,"2",{"configurationKey":[{"key":"\u0041uthorizationKe\u0079","value":"secret"}"#,
        r#"[2,"1","Heartbeat",{}][3,"2",{"configurationKey":[{"key":"Authori\u007aationKey","value":"secret"#,
    ] {
        assert!(!redact(text).contains("secret"), "{text}");
    }
    for text in [
        r#"[2,"1","Authorize",{"idTag":"\u0041"}]"#,
        r#"[2,"1","GetConfiguration",{"key":["AuthorizationKey"]}] "#,
    ] {
        assert_eq!(redact(text), text);
    }
}

#[derive(Clone, Debug)]
enum Event {
    Call,
    Answer(usize),
    Error(usize),
    Wait(f64),
    Request,
    Disconnect,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Call),
        3 => (0..12_usize).prop_map(Event::Answer),
        1 => (0..12_usize).prop_map(Event::Error),
        2 => (0.0..40.0_f64).prop_map(Event::Wait),
        2 => Just(Event::Request),
        1 => Just(Event::Disconnect),
    ]
}

/// The facts about one CALL that an observer of the connection knows.
#[derive(Default)]
struct Observed {
    sent: bool,
    ended: u32,
    late: u32,
}

fn observe(effects: Vec<Effect<'_>>, calls: &mut HashMap<String, Observed>, out: &mut Option<String>) {
    for effect in effects {
        match effect {
            Effect::CallSent { unique_id } => {
                assert_eq!(*out, None, "one CALL is out at a time");
                calls.get_mut(&unique_id).expect("it was called").sent = true;
                *out = Some(unique_id);
            }
            Effect::Resolve(resolution) => {
                let call = calls.get_mut(&resolution.unique_id).expect("it was called");
                if resolution.late {
                    call.late += 1;
                } else {
                    call.ended += 1;
                    if resolution.outcome == Outcome::NotSent {
                        assert!(!call.sent);
                    } else {
                        assert_eq!(out.take().as_deref(), Some(resolution.unique_id.as_str()));
                    }
                }
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_call_ends_once_in_every_order_of_events(events in prop::collection::vec(event(), 1..60)) {
        let mut link = link(Mode::Tolerant);
        let mut now = 0.0;
        let mut calls: HashMap<String, Observed> = HashMap::new();
        let mut out = None;
        for event in events {
            match event {
                Event::Call => {
                    let id = calls.len().to_string();
                    if let Ok(effects) = link.call(&id, "Reset", r#"{"type":"Soft"}"#, now, 30.0) {
                        calls.insert(id, Observed::default());
                        observe(effects, &mut calls, &mut out);
                    }
                }
                Event::Answer(id) => {
                    let text = format!(r#"[3,"{id}",{{"status":"Accepted"}}]"#);
                    observe(link.receive(&text, now), &mut calls, &mut out);
                }
                Event::Error(id) => {
                    let text = format!(r#"[4,"{id}","GenericError","",{{}}]"#);
                    observe(link.receive(&text, now), &mut calls, &mut out);
                }
                Event::Wait(seconds) => {
                    now += seconds;
                    observe(link.expire(now), &mut calls, &mut out);
                }
                Event::Request => {
                    let effects = link.receive(r#"[2,"0","Authorize",{"idTag":"A"}]"#, now);
                    observe(effects, &mut calls, &mut out);
                }
                Event::Disconnect => {
                    observe(link.disconnect(), &mut calls, &mut out);
                    prop_assert_eq!(link.queued(), 0);
                    prop_assert_eq!(link.next_deadline(), None);
                }
            }
        }
        observe(link.disconnect(), &mut calls, &mut out);
        for (id, call) in calls {
            prop_assert_eq!(call.ended, 1, "call {}", id);
            prop_assert!(call.late <= 1);
        }
    }
}
