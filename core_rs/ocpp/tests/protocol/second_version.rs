//! The version is a value: an invented protocol of three messages runs next to OCPP 1.6, through the definition, JSON
//! Schemas, catalog data, validator and link, and neither knows of the other.

use ocpp_core::link::{Effect, Link, Options, Outcome, Resolution, Role, judge};
use ocpp_core::protocol::definition::{DefinitionError, Sources};
use ocpp_core::protocol::describe::describe;
use ocpp_core::protocol::error_table::ErrorCode;
use ocpp_core::protocol::json_schema::json_schema;
use ocpp_core::protocol::schema::Direction;
use ocpp_core::protocol::validate::Mode;
use ocpp_core::protocol::value::Value;
use ocpp_core::protocol::{Limits, Protocol};

use crate::ocpp16::ocpp16;

const CORE: &str = include_str!("../../../../tests/vectors/invented_protocol/core.toml");
const TYPES: &str = include_str!("../../../../tests/vectors/invented_protocol/types.toml");
const ERRORS: &str = include_str!("../../../../tests/vectors/invented_protocol/errors.toml");

const SOURCES: Sources<'static> = Sources {
    version: "0.1",
    profiles: &[CORE],
    types: TYPES,
    errors: ERRORS,
    configuration_keys: "",
    documents: "",
    security_events: "",
};

fn invented() -> &'static Protocol {
    Protocol::load(&SOURCES, Limits { bytes: 200, ..Limits::default() }).expect("it is consistent")
}

fn link(protocol: &'static Protocol, role: Role) -> Link {
    Link::new(Options {
        protocol,
        role,
        mode: Mode::Tolerant,
        limits: protocol.limits(),
        queue_limit: 4,
        raw_sampled_values: false,
    })
}

#[test]
fn it_describes_itself() {
    let protocol = invented();
    let described = describe(protocol.definition());
    let actions: Vec<_> =
        described["messages"].as_array().expect("a list").iter().map(|it| &it["action"]).collect();
    assert_eq!(actions, ["Greet", "Weigh", "Nudge"]);
    assert_eq!(described["errorCodes"].as_array().map(Vec::len), Some(10));
    assert_eq!(protocol.version(), "0.1");
    let texts: Vec<_> = protocol.symbols().texts().collect();
    assert!(texts.contains(&"mood") && !texts.contains(&"idTag"), "{texts:?}");
}

#[test]
fn its_json_schemas_are_its_own() {
    let definition = invented().definition();
    let schema = json_schema(definition, "Greet", false).expect("an action");
    assert_eq!(schema["$id"], "urn:ocpp:0.1:Greet:request");
    assert_eq!(schema["$defs"]["Mood"]["enum"], serde_json::json!(["Glad", "Grumpy"]));
    assert_eq!(schema["required"], serde_json::json!(["name"]));
    assert_eq!(json_schema(definition, "Heartbeat", false), None);
}

#[test]
fn payloads_are_judged_by_it() {
    let protocol = invented();
    let judged = |text| {
        let message = protocol.message("Greet").expect("an action");
        let report = judge::payload(protocol, message, Direction::Request, text, Mode::Strict);
        report.violations.iter().map(|found| (found.pointer.clone(), found.reason)).collect::<Vec<_>>()
    };
    assert_eq!(judged(r#"{"name":"Ada","mood":"Glad"}"#), []);
    assert_eq!(judged(r#"{"name":"Ada","mood":"Sad"}"#), [("/mood".to_owned(), "not_in_enumeration")]);
    assert_eq!(judged("{}"), [("/name".to_owned(), "missing")]);
    assert_eq!(judged(r#"{"name":"Augusta Ada"}"#), [("/name".to_owned(), "too_long")]);
    assert!(protocol.message("Heartbeat").is_none() && ocpp16().message("Greet").is_none());
}

#[test]
fn its_limits_hold_for_frames_of_unknown_origin() {
    let text = format!(r#"[2,"1","Greet",{{"name":"{}"}}]"#, "x".repeat(200));
    let judged = judge::frame_text(invented(), &text, Role::ChargePoint, Mode::Tolerant);
    assert_eq!(judged.report.violations[0].reason, "too_large");
    let judged = judge::frame_text(ocpp16(), &text, Role::ChargePoint, Mode::Tolerant);
    assert_eq!(judged.report.violations[0].detail, "no such action in OCPP 1.6");
}

#[test]
fn a_call_comes_in_and_its_answer_goes_out() {
    let mut link = link(invented(), Role::CentralSystem);
    let effects = link.receive(r#"[2,"1","Weigh",{"grams":[12.5,13]}]"#, 0.0);
    let [Effect::Dispatch { action: "Weigh", payload, deviations, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert!(deviations.is_empty());
    assert_eq!(payload.get("grams"), Some(&Value::Array(vec![Value::Number("12.5"), Value::Number("13")])));
    assert_eq!(
        link.reply("1", r#"{"heavy":true}"#),
        Ok(Effect::Send(r#"[3,"1",{"heavy":true}]"#.to_owned()))
    );
    assert!(link.receive(r#"[2,"2","Heartbeat",{}]"#, 0.0).iter().any(|effect| {
        *effect == Effect::Send(r#"[4,"2","Unheard","no such action in OCPP 0.1",{}]"#.to_owned())
    }));
}

#[test]
fn a_call_of_ours_goes_out_and_its_result_comes_in() {
    let mut link = link(invented(), Role::CentralSystem);
    let effects = link.call("7", "Nudge", r#"{"at":"2026-03-01T08:00:00Z"}"#, 0.0, 5.0).expect("it is valid");
    let sent = r#"[2,"7","Nudge",{"at":"2026-03-01T08:00:00Z"}]"#.to_owned();
    assert_eq!(effects, [Effect::CallSent { unique_id: "7".to_owned() }, Effect::Send(sent)]);
    let effects = link.receive(r#"[3,"7",{"mood":"grumpy"}]"#, 1.0);
    let [
        Effect::Resolve(Resolution {
            action: "Nudge", outcome: Outcome::Result, payload, deviations, ..
        }),
    ] = effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    let mood = payload.as_ref().and_then(|payload| payload.get("mood")).and_then(Value::as_str);
    assert_eq!((mood, deviations[0].kind.as_str()), (Some("Grumpy"), "enumeration_spelling"));
    assert!(link.call("8", "Greet", r#"{"name":"Ada"}"#, 0.0, 5.0).is_err(), "the other side sends it");
}

#[test]
fn error_codes_are_spelled_its_way_in_both_directions() {
    let protocol = invented();
    assert_eq!(protocol.spelling(ErrorCode::OccurenceConstraintViolation), "OccurrenceConstraintViolation");
    let mut link = link(protocol, Role::CentralSystem);
    let effects = link.receive(r#"[2,"1","Weigh",[1]]"#, 0.0);
    let [Effect::Refused { violations, .. }, Effect::Send(answer)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(violations[0].code, ErrorCode::FormationViolation);
    assert!(answer.starts_with(r#"[4,"1","FormatViolation","#), "{answer}");
    let _ = link.call("7", "Nudge", r#"{"at":"2026-03-01T08:00:00Z"}"#, 0.0, 5.0).expect("it is valid");
    let effects = link.receive(r#"[4,"7","FormatViolation","",{}]"#, 1.0);
    let [Effect::Resolve(resolution)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(resolution.error_code, Some(ErrorCode::FormationViolation));
    assert_eq!(resolution.deviations, []);
}

#[test]
fn a_protocol_with_an_incomplete_or_unknown_part_is_refused() {
    let load = |sources: Sources<'_>| Protocol::load(&sources, Limits::default()).map(Protocol::version);
    assert_eq!(
        load(Sources { errors: "", ..SOURCES }),
        Err(DefinitionError::MissingErrorCode("NotImplemented"))
    );
    let errors = format!("{ERRORS}\n[Odd]\nsection = \"1\"\nsummary = \"Odd.\"\n");
    let unknown = Err(DefinitionError::UnknownErrorCode("Odd".to_owned()));
    assert_eq!(load(Sources { errors: &errors, ..SOURCES }), unknown);
    let core = CORE.replace("sender = \"both\"", "sender = \"both\"\nrules = [\"be_kind\"]");
    let rule = DefinitionError::UnknownRule { action: "Weigh".to_owned(), rule: "be_kind".to_owned() };
    assert_eq!(load(Sources { profiles: &[&core], ..SOURCES }), Err(rule));
    let field =
        |number| format!("\n[Weigh.response.f{number}]\ntype = \"boolean\"\nsummary = \"A field.\"\n");
    let fields = (0..65).map(field).collect::<Vec<_>>().concat();
    let core = format!("{CORE}{fields}");
    let many = Err(DefinitionError::TooManyFields("Weigh.response".to_owned()));
    assert_eq!(load(Sources { profiles: &[&core], ..SOURCES }), many);
}
