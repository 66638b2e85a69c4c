//! What is refused when a question is read, in addition to the rows of the API's tests.

use ocpp_core::schedule::read;
use ocpp_core::schedule::write::{self, NoText};
use serde_json::{Value, json};

use crate::ocpp16::ocpp16;

fn minimal() -> Value {
    json!({"installed": [], "connectorId": 1, "scheduleStart": "2026-03-02T10:00:00Z", "duration": 60})
}

fn codes(text: &str) -> Vec<(String, &'static str)> {
    let found = read::question(ocpp16(), text).expect_err("it is refused");
    found.into_iter().map(|violation| (violation.pointer, violation.reason)).collect()
}

#[test]
fn the_smallest_question_has_its_defaults() {
    let question = read::question(ocpp16(), &minimal().to_string()).expect("it is valid");
    assert_eq!(question.number_of_connectors, 1);
    assert_eq!(question.unit.as_str(), "A");
    let mut direct = minimal();
    direct["currentType"] = json!("DC");
    direct["connectorId"] = json!(3);
    let question = read::question(ocpp16(), &direct.to_string()).expect("it is valid");
    assert_eq!((question.number_of_connectors, question.unit.as_str()), (3, "W"));
}

#[test]
fn what_is_no_json_is_one_finding_of_the_whole() {
    for text in ["", "{", "{}x", "[1", "nan", "{\"a\":\"\\ud800\"}", &"[".repeat(1000)] {
        assert_eq!(codes(text), [(String::new(), "not_json")], "{text}");
    }
}

#[test]
fn json_of_another_shape_is_named() {
    for text in ["1", "[]", "null", "\"x\""] {
        assert_eq!(codes(text), [(String::new(), "wrong_type")], "{text}");
    }
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let text = minimal().to_string().replacen('{', "{\"duration\":30,", 1);
    assert_eq!(codes(&text), [("/duration".to_owned(), "duplicate_field")]);
}

#[test]
fn too_many_profiles_are_refused_without_reading_them() {
    let mut question = minimal();
    question["installed"] = json!(vec![0; read::MOST_PROFILES + 1]);
    assert_eq!(codes(&question.to_string()), [("/installed".to_owned(), "too_many_items")]);
}

/// A profile of 16 A on a connector.
fn profile(id: i64, connector_id: i64, unit: &str) -> Value {
    json!({"connectorId": connector_id, "csChargingProfiles": {
        "chargingProfileId": id, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute", "chargingSchedule": {
            "startSchedule": "2026-01-01T00:00:00Z", "chargingRateUnit": unit,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}}})
}

fn pointers(question: &Value, code: &str) -> Vec<String> {
    let found = codes(&question.to_string()).into_iter().filter(|(_, reason)| *reason == code);
    found.map(|(pointer, _)| pointer).collect()
}

#[test]
fn what_stands_behind_something_broken_is_named_at_its_own_place() {
    let mut question = minimal();
    question["numberOfConnectors"] = json!(2);
    question["installed"] = json!([{}, profile(1, 1, "A"), profile(2, 7, "A")]);
    let transaction =
        |connector_id| json!({"connectorId": connector_id, "startTimestamp": "2026-03-02T10:00:00Z"});
    question["transactions"] = json!([{}, transaction(1), transaction(1), transaction(5)]);
    assert_eq!(
        pointers(&question, "unknown_connector"),
        ["/installed/2/connectorId", "/transactions/3/connectorId"]
    );
    let mut question = minimal();
    question["currentType"] = json!("DC");
    question["installed"] = json!([{}, profile(1, 1, "W"), profile(2, 1, "A")]);
    assert_eq!(
        pointers(&question, "no_conversion"),
        ["/installed/2/csChargingProfiles/chargingSchedule/chargingRateUnit"]
    );
}

#[test]
fn a_charge_point_that_names_no_number_has_no_more_connectors_than_one_that_does() {
    let mut question = minimal();
    question["connectorId"] = json!(0);
    question["installed"] = json!([profile(1, 100, "A")]);
    let read = read::question(ocpp16(), &question.to_string()).expect("it is valid");
    assert_eq!(read.number_of_connectors, 100);
    question["installed"] = json!([profile(1, 100, "A"), profile(2, 199_999, "A")]);
    assert_eq!(codes(&question.to_string()), [("/installed/1/connectorId".to_owned(), "unknown_connector")]);
    question["connectorId"] = json!(1);
    assert!(read::question(ocpp16(), &question.to_string()).is_ok());
}

#[test]
fn findings_are_bounded() {
    let mut question = minimal();
    question["installed"] = json!(vec![0; read::MOST_PROFILES]);
    assert_eq!(codes(&question.to_string()).len(), 100);
}

#[test]
fn an_answer_is_no_longer_than_wanted() {
    let question = read::question(ocpp16(), &minimal().to_string()).expect("it is valid");
    assert_eq!(write::answer(&question, 0), Err(NoText::TooLong));
    assert!(write::answer(&question, 200).is_ok());
}
