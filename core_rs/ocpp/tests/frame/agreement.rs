//! Reads a text directly and by the full path, and compares. For the properties and for the fuzzer.

use ocpp_core::frame::direct::{Expected, Head};
use ocpp_core::frame::{self, Message, Payload};
use ocpp_core::protocol::Limits;
use ocpp_core::protocol::schema::Direction;
use ocpp_core::protocol::validate::Mode;
use ocpp_core::protocol::value::Value;

use crate::ocpp16::ocpp16;

/// The payload of that message, from either side.
fn expected(action: &str, direction: Direction, raw_sampled_values: bool) -> Expected {
    let message = ocpp16().message(action).expect("an action");
    Expected { raw_sampled_values, ..Expected::of(ocpp16(), message, direction) }
}

/// A CALL names its action; CALLRESULTs are read as those of `answered`.
fn expect(head: Head<'_>, answered: &str, raw_sampled_values: bool) -> Option<Expected> {
    match head {
        Head::Call(action) => {
            ocpp16().message(action)?;
            Some(expected(action, Direction::Request, raw_sampled_values))
        }
        Head::CallResult(_) => Some(expected(answered, Direction::Response, raw_sampled_values)),
    }
}

/// Read `text` both ways and compare; whether the direct reader accepted it.
fn is_accepted_and_agrees(text: &str, answered: &str, mode: Mode, raw_sampled_values: bool) -> bool {
    let limits = Limits::default();
    let direct = frame::read(text, limits, mode, |head| expect(head, answered, raw_sampled_values));
    let full = frame::read(text, limits, mode, |_| None);
    let (Ok(direct_message), Ok(full_message)) = (&direct.message, &full.message) else {
        assert_eq!(direct, full);
        return false;
    };
    let (valid, read, expected) = match (direct_message, full_message) {
        (
            Message::Call { unique_id, action, payload: Payload::Valid(valid) },
            Message::Call { unique_id: full_id, action: full_action, payload },
        ) => {
            assert_eq!((unique_id, action), (full_id, full_action), "{text}");
            (valid, payload, expected(action, Direction::Request, raw_sampled_values))
        }
        (
            Message::CallResult { unique_id, payload: Payload::Valid(valid) },
            Message::CallResult { unique_id: full_id, payload },
        ) => {
            assert_eq!(unique_id, full_id, "{text}");
            (valid, payload, expected(answered, Direction::Response, raw_sampled_values))
        }
        _ => {
            assert_eq!(direct, full);
            return false;
        }
    };
    assert_eq!((direct.text, direct.rest), (full.text, full.rest), "{text}");
    assert_eq!(full.deviations, [], "{text}");
    let Payload::Read(read) = read else { panic!("it was read without an expectation: {text}") };
    let (judged, report) = Payload::Read(read.clone()).judge(expected, mode);
    assert_eq!((report.violations, report.deviations), (Vec::new(), Vec::new()), "{text}");
    assert_same(valid, &judged, text);
    true
}

/// Equal, but that raw text is compared by its meaning.
fn assert_same(direct: &Value<'_>, full: &Value<'_>, text: &str) {
    match (direct, full) {
        (Value::Raw(direct), Value::Raw(full)) => {
            let parse = |raw: &str| serde_json::from_str::<serde_json::Value>(raw).expect("raw is JSON");
            assert_eq!(parse(direct), parse(full), "{text}");
            assert!(text.contains(&**direct), "{text}");
        }
        (Value::Array(direct), Value::Array(full)) => {
            assert_eq!(direct.len(), full.len(), "{text}");
            direct.iter().zip(full).for_each(|(direct, full)| assert_same(direct, full, text));
        }
        (Value::Object(direct), Value::Object(full)) => {
            assert_eq!(direct.len(), full.len(), "{text}");
            for ((direct_key, direct), (full_key, full)) in direct.iter().zip(full) {
                assert_eq!(direct_key, full_key, "{text}");
                assert_same(direct, full, text);
            }
        }
        _ => assert_eq!(direct, full, "{text}"),
    }
}

/// Read `text` in both modes and both forms, CALLRESULTs as those of `answered`; whether the direct reader
/// accepted it.
pub fn agrees_in_every_way(text: &str, answered: &str) -> bool {
    let accepted = [(Mode::Strict, false), (Mode::Tolerant, false), (Mode::Tolerant, true)]
        .map(|(mode, raw)| is_accepted_and_agrees(text, answered, mode, raw));
    assert_eq!(accepted, [accepted[0]; 3], "neither mode nor form decide what is accepted: {text}");
    accepted[0]
}
