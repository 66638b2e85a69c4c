//! What the definitions of OCPP 2.x need of the language of definition files: a field that every object has, open
//! objects, any JSON value, greatest decimals, messages without a response, and files as sources.

use ocpp_core::link::judge;
use ocpp_core::protocol::definition::{DefinitionError, Sources};
use ocpp_core::protocol::describe::describe;
use ocpp_core::protocol::json_schema::json_schema;
use ocpp_core::protocol::schema::Direction;
use ocpp_core::protocol::validate::Mode;
use ocpp_core::protocol::{Limits, Protocol};
use serde_json::json;

const DOCUMENTS: &str = "[X]\ntitle = \"Schemas\"\nedition = \"1\"\nreleased = \"2025-01-23\"\nfile_set = true\n\
                         [P]\ntitle = \"Text\"\nedition = \"1\"\nreleased = \"2025-01-23\"\n";
const TYPES: &str = "[Extra]\nkind = \"object\"\nsection = \"Tell.json\"\nsummary = \"More.\"\nopen = true\n\
                     in_every_object = \"extra\"\nfields.vendor = { type = \"string\", max_length = 3 }\n\
                     [Share]\nkind = \"object\"\nsection = \"Tell.json\"\n\
                     fields.part = { type = \"decimal\", min = 0, max = 1 }\n\
                     [Mood]\nkind = \"enum\"\nsection = \"Tell.json\"\nvalues = [\"Glad\", \"Sad\"]\n";
const CORE: &str = "[profile]\nname = \"Core\"\nkey = \"core\"\nsection = \"P A01\"\nsummary = \"One message.\"\n\
                    [Tell]\nsender = \"charge_point\"\nsections = [\"Tell.json\"]\nknown = [\"sender\"]\n\
                    unconfirmed = true\nsummary = \"Tell.\"\nrequest.any = { type = \"any\", optional = true }\n\
                    request.mood = { type = \"Mood\", optional = true }\n\
                    request.share = { type = \"Share\", optional = true }\n\
                    example.request = \"{}\"\nexample.response = \"{}\"\n";
const ERRORS: &str = include_str!("../../definitions/v201/errors.toml");

fn sources() -> Sources<'static> {
    Sources {
        version: "2",
        profiles: &[CORE],
        types: TYPES,
        errors: "",
        configuration_keys: "",
        documents: DOCUMENTS,
        security_events: "",
    }
}

fn telling() -> &'static Protocol {
    let errors = ERRORS.replace("\"J 4.3\"", "\"P 4.3\"");
    Protocol::load(&Sources { errors: &errors, ..sources() }, Limits::default()).expect("it is consistent")
}

fn violations(payload: &str) -> Vec<(String, &'static str)> {
    let protocol = telling();
    let message = protocol.message("Tell").expect("an action");
    let report = judge::payload(protocol, message, Direction::Request, payload, Mode::Strict);
    report.violations.iter().map(|found| (found.pointer.clone(), found.reason)).collect()
}

#[test]
fn every_object_but_itself_has_the_common_field() {
    assert_eq!(violations(r#"{"extra":{"vendor":"a"},"share":{"part":1,"extra":{"vendor":"b"}}}"#), []);
    assert_eq!(violations(r#"{"extra":{}}"#), [("/extra/vendor".to_owned(), "missing")]);
    let schema = json_schema(telling().definition(), "Tell", false).expect("an action");
    assert_eq!(schema["$defs"]["Share"]["properties"]["extra"]["$ref"], "#/$defs/Extra");
    assert_eq!(schema["$defs"]["Extra"]["properties"].as_object().map(serde_json::Map::len), Some(1));
}

#[test]
fn only_an_open_object_has_members_that_no_field_names() {
    assert_eq!(violations(r#"{"extra":{"vendor":"a","colour":[1]}}"#), []);
    assert_eq!(
        violations(r#"{"share":{"part":1,"colour":[1]}}"#),
        [("/share/colour".to_owned(), "unknown_field")]
    );
    let schema = json_schema(telling().definition(), "Tell", false).expect("an action");
    assert_eq!(schema["$defs"]["Extra"].get("additionalProperties"), None);
    assert_eq!(schema["$defs"]["Share"]["additionalProperties"], json!(false));
}

#[test]
fn any_value_may_be_anything() {
    for any in ["null", "1", "[{\"a\":null}]", "\"text\""] {
        assert_eq!(violations(&format!("{{\"any\":{any}}}")), [], "{any}");
    }
}

#[test]
fn a_decimal_is_within_its_bounds() {
    assert_eq!(violations(r#"{"share":{"part":0.5}}"#), []);
    for part in ["-0.1", "1.1"] {
        assert_eq!(
            violations(&format!("{{\"share\":{{\"part\":{part}}}}}")),
            [("/share/part".to_owned(), "out_of_range")]
        );
    }
}

#[test]
fn the_description_names_files_and_what_was_not_read() {
    let described = describe(telling().definition());
    let message = &described["messages"][0];
    assert_eq!(message["sources"][0]["file"], "Tell.json");
    assert_eq!((&message["confirmed"], &message["known"]), (&json!(false), &json!(["sender"])));
    assert_eq!(message["response"]["fields"], json!([]));
    let values: Vec<_> = described["types"]["Mood"]["values"].as_array().expect("a list").iter().collect();
    assert_eq!(values, [&json!({"value": "Glad", "summary": ""}), &json!({"value": "Sad", "summary": ""})]);
}

#[test]
fn a_file_set_is_cited_by_a_file_and_nothing_else_is() {
    let numbered = CORE.replace("Tell.json", "4.2");
    let expected = DefinitionError::Unsourced { fact: "Tell".into(), reference: "4.2".into() };
    let errors = ERRORS.replace("\"J 4.3\"", "\"P 4.3\"");
    let load = |core: &str| {
        Protocol::load(&Sources { profiles: &[core], errors: &errors, ..sources() }, Limits::default())
    };
    assert_eq!(load(&numbered).map(Protocol::version), Err(expected));
    let filed = CORE.replace("P A01", "P Tell.json");
    let expected = DefinitionError::Unsourced { fact: "core".into(), reference: "P Tell.json".into() };
    assert_eq!(load(&filed).map(Protocol::version), Err(expected));
}

#[test]
fn the_versions_that_are_carried_are_consistent() {
    for (protocol, count) in [(Protocol::v201(), 64), (Protocol::v21(), 91)] {
        assert_eq!(protocol.definition().messages.len(), count);
    }
}
