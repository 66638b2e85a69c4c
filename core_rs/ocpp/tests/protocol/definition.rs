//! The embedded definition keeps its own promises, and the loader refuses what contradicts itself.

use std::collections::BTreeSet;

use ocpp_core::protocol::definition::{
    Access, Definition, DefinitionError, Field, FieldKind, Items, NamedType, Sender, Sources,
};
use ocpp_core::protocol::describe::describe;
use ocpp_core::protocol::json_schema::json_schema;
use ocpp_core::protocol::schema::is_spelled_like;
use serde_json::Value;

use crate::ocpp16::ocpp16;

pub(crate) fn definition() -> &'static Definition {
    ocpp16().definition()
}

#[test]
fn there_are_28_messages_of_the_standard_and_11_of_the_whitepaper() {
    let security = definition().messages.values().filter(|message| message.profile == "security").count();
    assert_eq!((definition().messages.len(), security), (39, 11));
}

#[test]
fn profiles_hold_as_many_messages_as_the_standard_lists() {
    let messages =
        |key: &str| definition().messages.values().filter(|message| message.profile == key).count();
    let counts: Vec<_> =
        definition().profiles.iter().map(|profile| (profile.key.as_str(), messages(&profile.key))).collect();
    assert_eq!(
        counts,
        [
            ("core", 16),
            ("firmware", 4),
            ("local_auth", 2),
            ("remote_trigger", 1),
            ("reservation", 2),
            ("smart_charging", 3),
            ("security", 11),
        ]
    );
}

#[test]
fn no_two_names_in_one_place_differ_only_in_their_spelling() {
    let names_of = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    let mut places: Vec<Vec<String>> = definition()
        .messages
        .values()
        .flat_map(|message| [names_of(&message.request), names_of(&message.response)])
        .collect();
    places.extend(definition().types.values().map(|named| match named {
        NamedType::Object { fields, .. } => names_of(fields),
        NamedType::Enum { values, .. } => values.keys().cloned().collect(),
        NamedType::String { .. } => Vec::new(),
    }));
    for names in places {
        for (place, name) in names.iter().enumerate() {
            let alike = names[place + 1..].iter().find(|other| is_spelled_like(name, other));
            assert_eq!(alike, None, "{name}");
        }
    }
}

#[test]
fn only_data_transfer_goes_both_ways() {
    let both: Vec<_> = definition()
        .messages
        .values()
        .filter(|message| message.sender == Sender::Both)
        .map(|message| message.action.as_str())
        .collect();
    assert_eq!(both, ["DataTransfer"]);
}

#[test]
fn money_hangs_on_three_messages() {
    let billing: Vec<_> = definition()
        .messages
        .values()
        .filter(|message| message.billing)
        .map(|message| message.action.as_str())
        .collect();
    assert_eq!(billing, ["MeterValues", "StartTransaction", "StopTransaction"]);
}

#[test]
fn every_message_has_sections_texts_and_examples_that_are_objects() {
    for message in definition().messages.values() {
        let action = &message.action;
        assert!(!message.sections.is_empty(), "{action} has no section");
        assert!(message.sections.iter().all(|section| !section.is_empty()), "{action}");
        assert!(message.summary.ends_with('.'), "{action}: {}", message.summary);
        assert!(message.error_behaviour.ends_with('.'), "{action}");
        for example in [&message.example_request, &message.example_response] {
            let parsed: Value = serde_json::from_str(example).expect(action);
            assert!(parsed.is_object(), "{action}: {example}");
        }
    }
}

#[test]
fn every_summary_is_one_line_that_ends_with_a_full_stop() {
    let mut summaries = Vec::new();
    for fields in all_field_lists() {
        summaries.extend(fields.iter().map(|field| &field.summary));
    }
    for named_type in definition().types.values() {
        match named_type {
            NamedType::String { summary, .. } | NamedType::Object { summary, .. } => {
                summaries.push(summary);
            }
            NamedType::Enum { summary, values, .. } => {
                summaries.push(summary);
                summaries.extend(values.values());
            }
        }
    }
    summaries.extend(definition().errors.values().map(|entry| &entry.summary));
    summaries.extend(definition().configuration_keys.values().map(|key| &key.summary));
    for summary in summaries {
        assert!(summary.ends_with('.') && !summary.contains('\n'), "{summary}");
    }
}

#[test]
fn every_type_is_used() {
    let used: BTreeSet<&str> = all_field_lists()
        .into_iter()
        .flatten()
        .filter_map(|field| match &field.kind {
            FieldKind::String { type_name, .. } => type_name.as_deref(),
            FieldKind::Enum(name) | FieldKind::Object(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let defined: BTreeSet<&str> = definition().types.keys().map(String::as_str).collect();
    assert_eq!(used, defined);
}

fn all_field_lists() -> Vec<&'static [Field]> {
    let mut lists: Vec<&[Field]> = Vec::new();
    for message in definition().messages.values() {
        lists.extend([message.request.as_slice(), message.response.as_slice()]);
    }
    for named_type in definition().types.values() {
        if let NamedType::Object { fields, .. } = named_type {
            lists.push(fields);
        }
    }
    lists
}

#[test]
fn error_codes_keep_the_spelling_of_the_standard() {
    let codes: Vec<_> = definition().errors.keys().map(String::as_str).collect();
    assert_eq!(
        codes,
        [
            "NotImplemented",
            "NotSupported",
            "InternalError",
            "ProtocolError",
            "SecurityError",
            "FormationViolation",
            "PropertyConstraintViolation",
            "OccurenceConstraintViolation",
            "TypeConstraintViolation",
            "GenericError",
        ]
    );
    assert_eq!(definition().errors["FormationViolation"].also_received_as, ["FormatViolation"]);
}

#[test]
fn only_the_password_cannot_be_read() {
    let secret: Vec<_> = definition()
        .configuration_keys
        .iter()
        .filter(|(_, key)| key.access == Access::WriteOnly)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(secret, ["AuthorizationKey"]);
}

#[test]
fn configuration_keys_have_known_types() {
    for (name, key) in &definition().configuration_keys {
        let known = ["boolean", "integer", "string", "CSL"].contains(&key.type_.as_str());
        assert!(known, "{name} has type {}", key.type_);
    }
    assert_eq!(definition().configuration_keys.len(), 52);
}

#[test]
fn a_field_carries_what_the_files_say() {
    let meter_value = &definition().messages["MeterValues"].request[2];
    assert_eq!(meter_value.kind, FieldKind::Object("MeterValue".into()));
    assert_eq!(meter_value.many, Some(Items { min: 1, max: None }));
    let id_tag = &definition().messages["Authorize"].request[0];
    let expected =
        FieldKind::String { max_length: Some(20), case_insensitive: true, type_name: Some("IdToken".into()) };
    assert_eq!(id_tag.kind, expected);
}

#[test]
fn schemas_exist_for_every_message_and_refer_only_to_their_own_definitions() {
    for action in definition().messages.keys() {
        for response in [false, true] {
            let schema = json_schema(definition(), action, response).expect(action);
            assert_eq!(schema["additionalProperties"], Value::Bool(false));
            let mut references = BTreeSet::new();
            collect_references(&schema, &mut references);
            let defined: BTreeSet<String> = schema
                .get("$defs")
                .and_then(Value::as_object)
                .map(|types| types.keys().map(|name| format!("#/$defs/{name}")).collect())
                .unwrap_or_default();
            assert_eq!(references, defined, "{action}");
        }
    }
    assert_eq!(json_schema(definition(), "Teleport", false), None);
}

fn collect_references(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(target) if key == "$ref" => {
                        references.insert(target.clone());
                    }
                    _ => collect_references(member, references),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                collect_references(item, references);
            }
        }
        _ => {}
    }
}

#[test]
fn the_description_counts_as_much_as_the_definition() {
    let description = describe(definition());
    let length = |key: &str| description[key].as_array().map(Vec::len);
    assert_eq!(length("messages"), Some(39));
    assert_eq!(length("errorCodes"), Some(10));
    assert_eq!(length("configurationKeys"), Some(52));
    assert_eq!(description["types"].as_object().map(serde_json::Map::len), Some(definition().types.len()));
}

pub(crate) const HEADER: &str =
    "[profile]\nname = \"Core\"\nkey = \"core\"\nsection = \"3.3\"\nsummary = \"-\"\n";

pub(crate) fn message(action: &str, field: &str) -> String {
    format!(
        "[{action}]\nsender = \"both\"\nsections = [\"1\"]\nsummary = \"-\"\nerror_behaviour = \"-\"\n\
         request.field = {field}\nexample.request = \"{{}}\"\nexample.response = \"{{}}\"\n"
    )
}

fn load(profiles: &[&str], configuration_keys: &str) -> Result<Definition, DefinitionError> {
    Definition::load(&Sources {
        version: "1.6",
        profiles,
        types: "",
        errors: "",
        configuration_keys,
        documents: "",
        security_events: "",
    })
}

fn load_field(field: &str) -> Result<Definition, DefinitionError> {
    load(&[&format!("{HEADER}{}", message("Action", field))], "")
}

#[test]
fn an_unknown_type_is_refused() {
    let expected =
        DefinitionError::UnknownType { field: "Action.request.field".into(), type_name: "Colour".into() };
    assert_eq!(load_field(r#"{ type = "Colour", summary = "-" }"#), Err(expected));
}

#[test]
fn an_unknown_attribute_is_refused() {
    let result = load_field(r#"{ type = "string", summary = "-", colour = "red" }"#);
    let Err(DefinitionError::Malformed { table, reason }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(table, "Action");
    assert!(reason.contains("unknown field `colour`"), "{reason}");
}

#[test]
fn an_attribute_that_the_type_cannot_use_is_refused() {
    for (field, attribute) in [
        (r#"{ type = "string", summary = "-", min = 1 }"#, "min"),
        (r#"{ type = "boolean", summary = "-", max = 1 }"#, "max"),
        (r#"{ type = "integer", summary = "-", min_items = 1 }"#, "min_items"),
        (r#"{ type = "integer", summary = "-", max_items = 1 }"#, "max_items"),
        (r#"{ type = "boolean", summary = "-", max_length = 1 }"#, "max_length"),
        (r#"{ type = "decimal", summary = "-", multiple_of = "0.5" }"#, "multiple_of"),
    ] {
        let expected =
            DefinitionError::MisplacedAttribute { field: "Action.request.field".into(), attribute };
        assert_eq!(load_field(field), Err(expected));
    }
}

#[test]
fn an_action_in_two_files_is_refused() {
    let field = r#"{ type = "string", summary = "-" }"#;
    let file = format!("{HEADER}{}", message("Action", field));
    let expected = DefinitionError::DuplicatedAction("Action".into());
    assert_eq!(load(&[&file, &file], ""), Err(expected));
}

#[test]
fn an_action_twice_in_one_file_is_refused() {
    let field = r#"{ type = "string", summary = "-" }"#;
    let twice = format!("{HEADER}{0}{0}", message("Action", field));
    assert!(matches!(load(&[&twice], ""), Err(DefinitionError::Malformed { .. })));
}

#[test]
fn a_file_without_a_profile_is_refused() {
    assert_eq!(load(&[""], ""), Err(DefinitionError::MissingProfile));
}

#[test]
fn a_configuration_key_of_an_unknown_profile_is_refused() {
    let key = "[Brightness]\nprofile = \"lights\"\nrequired = false\naccess = \"RW\"\n\
               type = \"integer\"\nsection = \"9\"\nsummary = \"-\"\n";
    let expected = DefinitionError::UnknownProfile { key: "Brightness".into(), profile: "lights".into() };
    assert_eq!(load(&[HEADER], key), Err(expected));
}
