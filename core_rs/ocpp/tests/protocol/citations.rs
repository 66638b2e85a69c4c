//! Each fact of the definition names its document and edition, and the loader refuses one that does not. Each message
//! says how this server treats it.

use ocpp_core::protocol::definition::{Definition, DefinitionError, Sender, Sources};
use ocpp_core::protocol::describe::describe;

use crate::definition::{HEADER, definition, message};

const DOCUMENTS: &str = "[C]\ntitle = \"Standard\"\nedition = \"2\"\nreleased = \"2017-09-28\"\n\
                         [E]\ntitle = \"Errata\"\nedition = \"4\"\nreleased = \"2019-10-23\"\ncorrects = \"C\"\n";

fn load_with_documents(profile: &str, documents: &str) -> Result<Definition, DefinitionError> {
    Definition::load(&Sources {
        version: "1.6",
        profiles: &[profile],
        types: "",
        errors: "",
        configuration_keys: "",
        documents,
        security_events: "",
    })
}

#[test]
fn a_fact_without_a_source_is_refused() {
    let plain = format!("{HEADER}{}", message("Action", r#"{ type = "string", summary = "-" }"#));
    assert!(load_with_documents(&plain, DOCUMENTS).is_ok());
    let limited = r#"{ type = "string", max_length = 9, summary = "-" }"#;
    let field = format!("{HEADER}{}", message("Action", limited));
    let without = plain.replace("sections = [\"1\"]", "sections = []");
    let cases = [
        (field.clone(), "Action.field", ""),
        (field.replace("max_length = 9", "max_length = 9, source = \"S 5\""), "Action.field", "S 5"),
        (without, "Action", ""),
        (plain.replace("sections = [\"1\"]", "sections = [\"X 1\"]"), "Action", "X 1"),
        (plain.replace("section = \"3.3\"", "section = \"\""), "core", ""),
        (plain.replace("section = \"3.3\"", "section = \"3.\""), "core", "3."),
    ];
    for (profile, fact, reference) in cases {
        let expected = DefinitionError::Unsourced { fact: fact.into(), reference: reference.into() };
        assert_eq!(load_with_documents(&profile, DOCUMENTS), Err(expected));
    }
    let corrected = field.replace("max_length = 9", "max_length = 9, source = \"6.1, E 3.2\"");
    assert!(load_with_documents(&corrected, DOCUMENTS).is_ok());
    let unknown = DOCUMENTS.replace("corrects = \"C\"", "corrects = \"Z\"");
    let expected = DefinitionError::Unsourced { fact: "documents".into(), reference: "Z".into() };
    assert_eq!(load_with_documents(&plain, &unknown), Err(expected));
}

#[test]
fn citations_name_document_edition_and_erratum() {
    let found = definition().citations("S 7.2, JE 3.10").expect("both are documents");
    let named: Vec<_> =
        found.iter().map(|one| (one.name, one.document.edition.as_str(), one.number)).collect();
    assert_eq!(named, [("S", "edition 3", "7.2"), ("JE", "1.0", "3.10")]);
    let described = &describe(definition())["configurationKeys"];
    let key = described.as_array().expect("a list").iter().find(|key| key["name"] == "AuthorizationKey");
    let sources = &key.expect("it is a key")["sources"];
    assert_eq!((&sources[0]["section"], &sources[1]["erratum"]), (&"7.2".into(), &"3.10".into()));
}

#[test]
fn every_message_says_how_this_server_treats_it() {
    for message in definition().messages.values() {
        let treated = message.central_system.as_ref().expect(&message.action);
        let expected = match (message.sender, message.billing) {
            (Sender::CentralSystem, _) => &["sent"][..],
            (_, true) => &["recorded"],
            (_, false) => &["stored", "answered"],
        };
        assert!(expected.contains(&treated.treatment.as_str()), "{}", message.action);
        assert!(treated.effect.ends_with('.'), "{}", message.action);
    }
}

#[test]
fn seven_security_events_are_critical() {
    let critical: Vec<_> = definition()
        .security_events
        .iter()
        .filter(|(_, event)| event.critical)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(definition().security_events.len(), 18);
    assert_eq!(
        critical,
        [
            "FirmwareUpdated",
            "SettingSystemTime",
            "StartupOfTheDevice",
            "ResetOrReboot",
            "SecurityLogWasCleared",
            "MemoryExhaustion",
            "TamperDetectionActivated",
        ]
    );
}
