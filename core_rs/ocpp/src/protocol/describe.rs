//! The whole definition as one JSON value, for the catalog and for tests in other languages.
//!
//! Keys are camelCase, in the order of the definition files.

use serde_json::{Map, Value, json};

use crate::protocol::definition::{
    Citation, ConfigurationKey, Definition, Document, ErrorEntry, Field, FieldKind, Message, NamedType,
    Profile, SecurityEvent, Sender,
};

/// Everything the definition says, with examples as parsed JSON.
///
/// # Panics
/// When an example is not JSON, which the tests of this crate rule out for the embedded definition.
#[must_use]
pub fn describe(definition: &Definition) -> Value {
    json!({
        "documents": definition.documents.iter().map(document).collect::<Vec<_>>(),
        "profiles": definition.profiles.iter().map(profile).collect::<Vec<_>>(),
        "messages": definition.messages.values().map(|found| message(definition, found)).collect::<Vec<_>>(),
        "types": definition
            .types
            .iter()
            .map(|(name, named_type)| (name.clone(), describe_type(definition, named_type)))
            .collect::<Map<_, _>>(),
        "errorCodes": definition
            .errors
            .iter()
            .map(|(code, entry)| error_code(definition, code, entry))
            .collect::<Vec<_>>(),
        "configurationKeys": definition
            .configuration_keys
            .iter()
            .map(|(name, key)| configuration_key(definition, name, key))
            .collect::<Vec<_>>(),
        "securityEvents": definition
            .security_events
            .iter()
            .map(|(name, event)| security_event(definition, name, event))
            .collect::<Vec<_>>(),
    })
}

fn profile(profile: &Profile) -> Value {
    json!({
        "name": profile.name,
        "key": profile.key,
        "section": profile.section,
        "summary": profile.summary,
    })
}

fn document((name, document): (&String, &Document)) -> Value {
    json!({
        "name": name,
        "title": document.title,
        "edition": document.edition,
        "released": document.released,
        "corrects": document.corrects,
        "fileSet": document.file_set,
    })
}

/// The places that references name, each with its document and its edition.
fn sources<'a>(definition: &Definition, references: impl IntoIterator<Item = &'a String>) -> Vec<Value> {
    references
        .into_iter()
        .flat_map(|references| {
            definition.citations(references).unwrap_or_default().iter().map(source).collect::<Vec<_>>()
        })
        .collect()
}

fn source(citation: &Citation<'_>) -> Value {
    let place = match citation.document {
        Document { corrects: Some(_), .. } => "erratum",
        Document { file_set: true, .. } => "file",
        _ => "section",
    };
    json!({
        "document": citation.name,
        "title": citation.document.title,
        "edition": citation.document.edition,
        place: citation.number,
    })
}

fn message(definition: &Definition, message: &Message) -> Value {
    json!({
        "action": message.action,
        "profile": message.profile,
        "sender": sender(message.sender),
        "confirmed": message.confirmed,
        "known": message.known,
        "sections": message.sections,
        "sources": sources(definition, &message.sections),
        "summary": message.summary,
        "billing": message.billing,
        "answerKept": message.answer_kept,
        "centralSystem": message.central_system.as_ref().map(|found| json!({ "treatment": found.treatment, "effect": found.effect })),
        "errorBehaviour": message.error_behaviour,
        "rules": message.rules,
        "request": { "fields": fields(definition, &message.request) },
        "response": { "fields": fields(definition, &message.response) },
        "examples": {
            "request": example(&message.example_request),
            "response": example(&message.example_response),
        },
    })
}

fn sender(sender: Sender) -> &'static str {
    match sender {
        Sender::ChargePoint => "charge_point",
        Sender::CentralSystem => "central_system",
        Sender::Both => "both",
    }
}

fn example(text: &str) -> Value {
    serde_json::from_str(text).expect("examples in the definition are JSON")
}

fn fields(definition: &Definition, fields: &[Field]) -> Vec<Value> {
    fields.iter().map(|found| field(definition, found)).collect()
}

fn field(definition: &Definition, field: &Field) -> Value {
    let mut entry = Map::new();
    entry.insert("name".into(), json!(field.name));
    entry.insert("type".into(), json!(type_name(&field.kind)));
    entry.insert("required".into(), json!(!field.optional));
    entry.insert("many".into(), json!(field.many.is_some()));
    if let Some(items) = field.many {
        entry.insert("minItems".into(), json!(items.min));
        insert_some(&mut entry, "maxItems", items.max);
    }
    match &field.kind {
        FieldKind::String { max_length, case_insensitive, .. } => {
            insert_some(&mut entry, "maxLength", *max_length);
            entry.insert("caseInsensitive".into(), json!(case_insensitive));
        }
        FieldKind::AnyUri { max_length } => insert_some(&mut entry, "maxLength", *max_length),
        FieldKind::Integer { min, max } => {
            insert_some(&mut entry, "minimum", *min);
            insert_some(&mut entry, "maximum", *max);
        }
        FieldKind::Decimal { multiple_of_tenth, min, max } => {
            insert_some(&mut entry, "minimum", *min);
            insert_some(&mut entry, "maximum", *max);
            insert_some(&mut entry, "multipleOf", multiple_of_tenth.then_some(0.1));
        }
        FieldKind::Any
        | FieldKind::Boolean
        | FieldKind::DateTime
        | FieldKind::Enum(_)
        | FieldKind::Object(_) => {}
    }
    entry.insert("summary".into(), json!(field.summary));
    if field.source.is_some() {
        entry.insert("sources".into(), json!(sources(definition, &field.source)));
    }
    Value::Object(entry)
}

fn insert_some<T: Into<Value>>(entry: &mut Map<String, Value>, key: &str, value: Option<T>) {
    if let Some(value) = value {
        entry.insert(key.to_owned(), value.into());
    }
}

fn type_name(kind: &FieldKind) -> &str {
    match kind {
        FieldKind::String { type_name, .. } => type_name.as_deref().unwrap_or("string"),
        FieldKind::Integer { .. } => "integer",
        FieldKind::Decimal { .. } => "decimal",
        FieldKind::Any => "any",
        FieldKind::Boolean => "boolean",
        FieldKind::DateTime => "dateTime",
        FieldKind::AnyUri { .. } => "anyURI",
        FieldKind::Enum(name) | FieldKind::Object(name) => name,
    }
}

fn describe_type(definition: &Definition, named_type: &NamedType) -> Value {
    match named_type {
        NamedType::String { section, summary, max_length, case_insensitive } => json!({
            "kind": "string",
            "section": section,
            "sources": sources(definition, [section]),
            "summary": summary,
            "maxLength": max_length,
            "caseInsensitive": case_insensitive,
        }),
        NamedType::Enum { section, summary, values } => json!({
            "kind": "enum",
            "section": section,
            "sources": sources(definition, [section]),
            "summary": summary,
            "values": values
                .iter()
                .map(|(value, summary)| json!({ "value": value, "summary": summary }))
                .collect::<Vec<_>>(),
        }),
        NamedType::Object { section, summary, open, fields: members } => json!({
            "kind": "object",
            "open": open,
            "section": section,
            "sources": sources(definition, [section]),
            "summary": summary,
            "fields": fields(definition, members),
        }),
    }
}

fn error_code(definition: &Definition, code: &str, entry: &ErrorEntry) -> Value {
    json!({
        "code": code,
        "section": entry.section,
        "sources": sources(definition, [&entry.section]),
        "summary": entry.summary,
        "alsoReceivedAs": entry.also_received_as,
    })
}

fn configuration_key(definition: &Definition, name: &str, key: &ConfigurationKey) -> Value {
    json!({
        "name": name,
        "profile": key.profile,
        "required": key.required,
        "access": key.access.letters(),
        "type": key.type_,
        "unit": key.unit,
        "section": key.section,
        "sources": sources(definition, [&key.section]),
        "summary": key.summary,
    })
}

fn security_event(definition: &Definition, name: &str, event: &SecurityEvent) -> Value {
    json!({
        "type": name,
        "critical": event.critical,
        "section": event.section,
        "sources": sources(definition, [&event.section]),
        "summary": event.summary,
    })
}
