//! The direct reader never changes a verdict: what it accepts, the full path accepts with the same outcome and
//! nothing to report.

use std::cell::Cell;

use crate::agreement::agrees_in_every_way;
use crate::payloads::{message, mutation, valid_frame};
use ocpp_core::link::{Effect, Link, Options, Role};
use ocpp_core::protocol::Limits;
use ocpp_core::protocol::validate::Mode;
use ocpp_core::protocol::value::Value;
use proptest::prelude::*;

use crate::ocpp16::ocpp16;

/// A failure becomes a case by hand; nothing is written next to the sources.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_plain_valid_frame_is_read_directly(
        (action, text) in message().prop_flat_map(|(action, direction)| {
            (Just(action), valid_frame(action, direction))
        }),
    ) {
        prop_assert!(agrees_in_every_way(&text, action), "{text}");
    }

    #[test]
    fn any_text_comes_to_the_same(text in any::<String>()) {
        agrees_in_every_way(&text, "GetConfiguration");
    }
}

#[test]
fn a_mutated_frame_comes_to_the_same_whoever_reads_it() {
    const LEAST_OF_EACH: u32 = 100;
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let mutated = message().prop_flat_map(|(action, direction)| {
        let mutations = prop::collection::vec(mutation(), 1..3);
        (Just(action), valid_frame(action, direction), mutations)
    });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 4_096, ..config() });
    let outcome = runner.run(&mutated, |(action, mut text, mutations)| {
        for mutation in mutations {
            mutation.apply(&mut text);
        }
        let counter = if agrees_in_every_way(&text, action) { &accepted } else { &refused };
        counter.set(counter.get() + 1);
        Ok(())
    });
    outcome.expect("both readers agree");
    assert!(accepted.get() >= LEAST_OF_EACH && refused.get() >= LEAST_OF_EACH, "{accepted:?} {refused:?}");
}

fn sampled_value(text: &str) -> String {
    let options = Options {
        protocol: ocpp16(),
        role: Role::CentralSystem,
        mode: Mode::Tolerant,
        limits: Limits::default(),
        queue_limit: 1,
        raw_sampled_values: true,
    };
    let effects = Link::new(options).receive(text, 0.0);
    let [Effect::Dispatch { payload, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let meter_value = payload.get("meterValue").or_else(|| payload.get("transactionData"));
    let Some(Value::Array(meter_values)) = meter_value else { panic!("{payload:?}") };
    let Some(Value::Raw(raw)) = meter_values[0].get("sampledValue") else { panic!("{payload:?}") };
    raw.clone().into_owned()
}

#[test]
fn samples_are_kept_as_the_text_they_came_as() {
    let samples = r#"[ {"value":"1", "unit" : "Wh"},{"value":"é"}]"#;
    let meter_values = format!(r#"[{{"timestamp":"2026-01-01T00:00:00Z","sampledValue": {samples} }}]"#);
    for frame in [
        format!(r#"[2,"1","MeterValues",{{"connectorId":1,"meterValue":{meter_values}}}]"#),
        format!(
            r#"[2,"1","StopTransaction",{{"meterStop":1,"timestamp":"2026-01-01T00:00:00Z","transactionId":1,"transactionData":{meter_values}}}]"#
        ),
    ] {
        assert_eq!(sampled_value(&frame), samples);
    }
}

#[test]
fn repaired_samples_are_serialized_without_what_jsonb_refuses() {
    for (samples, repaired) in [
        (r#"[{"value":1.50,"unit":"wh"}]"#, r#"[{"value":"1.50","unit":"Wh"}]"#),
        (r#"[{"value":"a\u0000b\\u0000"}]"#, r#"[{"value":"a�b\\u0000"}]"#),
        (r#"[{"value":"1","colour":"red"},{"unit":"Wh"}]"#, r#"[{"value":"1"}]"#),
        (r#"{"value":"\ud800"}"#, r#"[{"value":"�"}]"#),
    ] {
        let frame = format!(
            r#"[2,"1","MeterValues",{{"connectorId":1,"meterValue":[{{"timestamp":"2026-01-01T00:00:00Z","sampledValue":{samples}}}]}}]"#
        );
        assert_eq!(sampled_value(&frame), repaired);
    }
}
