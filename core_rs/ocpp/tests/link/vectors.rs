//! The frames of `tests/vectors/frames.toml`, judged by a link of the central system.

use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::protocol::Limits;
use ocpp_core::protocol::validate::Mode;
use ocpp_core::protocol::violation::Deviation;
use serde::Deserialize;

use crate::ocpp16::ocpp16;

#[derive(Deserialize)]
struct Vectors {
    frame: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    section: String,
    #[serde(default)]
    mode: String,
    text: String,
    outcome: String,
    code: Option<String>,
    pointer: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    deviations: Vec<String>,
    payload: Option<String>,
    answer: Option<String>,
}

fn options(mode: Mode) -> Options {
    Options {
        protocol: ocpp16(),
        role: Role::CentralSystem,
        mode,
        limits: Limits::default(),
        queue_limit: 8,
        raw_sampled_values: false,
    }
}

fn listed(deviations: &[Deviation]) -> Vec<String> {
    deviations.iter().map(|deviation| format!("{} {}", deviation.kind, deviation.pointer)).collect()
}

fn check(vector: &Vector) {
    let name = &vector.name;
    assert!(!vector.section.is_empty(), "{name}");
    let mode = if vector.mode == "strict" { Mode::Strict } else { Mode::Tolerant };
    let mut link = Link::new(options(mode));
    let effects = link.receive(&vector.text, 0.0);
    match (vector.outcome.as_str(), effects.as_slice()) {
        ("dispatch", [Effect::Dispatch { payload, deviations, .. }]) => {
            assert_eq!(listed(deviations), vector.deviations, "{name}");
            if let Some(wanted) = &vector.payload {
                let wanted: serde_json::Value = serde_json::from_str(wanted).expect(name);
                let found: serde_json::Value =
                    serde_json::from_str(&payload.to_json(usize::MAX)).expect(name);
                assert_eq!(found, wanted, "{name}");
            }
        }
        ("refused", [Effect::Refused { violations, .. }, Effect::Send(answer)]) => {
            let first = &violations[0];
            assert_eq!(Some(first.code.as_str()), vector.code.as_deref(), "{name}");
            assert_eq!(Some(&first.pointer), vector.pointer.as_ref(), "{name}");
            assert_eq!(Some(first.reason), vector.reason.as_deref(), "{name}");
            assert!(serde_json::from_str::<serde_json::Value>(answer).is_ok(), "{name}");
            if let Some(wanted) = &vector.answer {
                assert_eq!(answer, wanted, "{name}");
            }
        }
        ("ignored", [Effect::Ignored { reason, .. }]) => {
            assert_eq!(Some(*reason), vector.reason.as_deref(), "{name}");
        }
        (wanted, found) => panic!("{name}: expected {wanted}, not {found:?}"),
    }
}

#[test]
fn every_frame_comes_to_its_outcome() {
    let text = include_str!("../../../../tests/vectors/frames.toml");
    let vectors: Vectors = toml::from_str(text).expect("the vectors are TOML");
    assert!(vectors.frame.len() >= 60);
    vectors.frame.iter().for_each(check);
}

#[test]
fn two_frames_in_one_text_are_both_taken() {
    let mut link = Link::new(options(Mode::Tolerant));
    let effects = link.receive("[2,\"1\",\"Heartbeat\",{}] [2,\"2\",\"Heartbeat\",{}]\0\r\n", 0.0);
    let ids: Vec<&str> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Dispatch { unique_id, .. } => Some(&**unique_id),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["1", "2"]);
}

#[test]
fn a_frame_over_the_limit_is_not_read() {
    let limits = Limits { bytes: 100, ..Limits::default() };
    let mut link = Link::new(Options { limits, ..options(Mode::Tolerant) });
    let text = format!(r#"[2,"1","DataTransfer",{{"vendorId":"{}"}}]"#, "v".repeat(100));
    let effects = link.receive(&text, 0.0);
    assert!(matches!(effects.as_slice(), [Effect::Ignored { reason: "unreadable", .. }]), "{effects:?}");
}

#[test]
fn a_billing_message_behind_another_frame_is_taken_in_strict_mode_too() {
    let billing = |id: u8| format!(r#"[2,"{id}","MeterValues",{{"connectorId":{id},"meterValue":[]}}]"#);
    for first in [billing(1), r#"[2,"1","Heartbeat",{}]"#.to_owned()] {
        let text = format!("{first}\n{}", billing(2));
        let mut link = Link::new(options(Mode::Strict));
        let effects = link.receive(&text, 0.0);
        let taken = effects.iter().filter_map(|effect| match effect {
            Effect::Dispatch { unique_id, action: "MeterValues", .. } => Some(&**unique_id),
            _ => None,
        });
        let taken: Vec<&str> = taken.collect();
        assert!(taken.ends_with(&["2"]), "{text}");
        assert_eq!(taken.len(), 1 + usize::from(first == billing(1)), "{text}");
    }
    let text = format!("\u{feff}\0,{}", billing(1));
    let mut link = Link::new(options(Mode::Strict));
    assert!(matches!(link.receive(&text, 0.0).as_slice(), [Effect::Dispatch { action: "MeterValues", .. }]));
}
