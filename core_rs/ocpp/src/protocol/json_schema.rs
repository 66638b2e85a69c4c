//! JSON Schemas (draft 2020-12) of the payloads, derived from the definition.
//!
//! Rules across fields are not in them; see `rules`.

use serde_json::{Map, Value, json};

use crate::protocol::definition::{Definition, Field, FieldKind, Message, NamedType};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of the request or the response payload of `action`; none for an unknown action.
///
/// Named types that the payload uses are in `$defs`.
#[must_use]
pub fn json_schema(definition: &Definition, action: &str, response: bool) -> Option<Value> {
    let message = definition.messages.get(action)?;
    let (direction, fields) = direction(message, response);
    let mut schema = Map::new();
    schema.insert("$schema".into(), json!(DIALECT));
    schema.insert("$id".into(), json!(format!("urn:ocpp:{}:{action}:{direction}", definition.version)));
    schema.insert("title".into(), json!(format!("{action} {direction}")));
    schema.insert(
        "description".into(),
        json!(format!("{} ({})", message.summary, message.sections.join(", "))),
    );
    add_object(&mut schema, fields);
    let names = used_types(definition, fields);
    if !names.is_empty() {
        let types =
            names.into_iter().map(|name| (name.to_owned(), type_schema(&definition.types[name]))).collect();
        schema.insert("$defs".into(), Value::Object(types));
    }
    Some(Value::Object(schema))
}

fn direction(message: &Message, response: bool) -> (&'static str, &[Field]) {
    if response { ("response", &message.response) } else { ("request", &message.request) }
}

fn add_object(schema: &mut Map<String, Value>, fields: &[Field]) {
    let properties: Map<_, _> =
        fields.iter().map(|field| (field.name.clone(), field_schema(field))).collect();
    let required: Vec<_> =
        fields.iter().filter(|field| !field.optional).map(|field| field.name.as_str()).collect();
    schema.insert("type".into(), json!("object"));
    schema.insert("properties".into(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema.insert("additionalProperties".into(), json!(false));
}

/// Nothing is inserted when there is no summary.
fn add_description(schema: &mut Map<String, Value>, summary: &str, section: &str) {
    let text = if section.is_empty() { summary.to_owned() } else { format!("{summary} ({section})") };
    if !summary.is_empty() {
        schema.insert("description".into(), json!(text));
    }
}

fn field_schema(field: &Field) -> Value {
    let mut schema = match field.many {
        None => kind_schema(&field.kind),
        Some(items) => {
            let mut array = Map::new();
            array.insert("type".into(), json!("array"));
            array.insert("items".into(), Value::Object(kind_schema(&field.kind)));
            if items.min > 0 {
                array.insert("minItems".into(), json!(items.min));
            }
            if let Some(max) = items.max {
                array.insert("maxItems".into(), json!(max));
            }
            array
        }
    };
    add_description(&mut schema, &field.summary, "");
    Value::Object(schema)
}

fn kind_schema(kind: &FieldKind) -> Map<String, Value> {
    let mut schema = Map::new();
    match kind {
        FieldKind::String { type_name: Some(name), .. } | FieldKind::Enum(name) | FieldKind::Object(name) => {
            schema.insert("$ref".into(), json!(format!("#/$defs/{name}")));
        }
        FieldKind::String { max_length, .. } => add_text(&mut schema, None, *max_length),
        FieldKind::AnyUri { max_length } => add_text(&mut schema, Some("uri"), *max_length),
        FieldKind::DateTime => add_text(&mut schema, Some("date-time"), None),
        FieldKind::Any => {}
        FieldKind::Boolean => {
            schema.insert("type".into(), json!("boolean"));
        }
        FieldKind::Integer { min, max } => {
            schema.insert("type".into(), json!("integer"));
            add_some(&mut schema, "minimum", *min);
            add_some(&mut schema, "maximum", *max);
        }
        FieldKind::Decimal { multiple_of_tenth, min, max } => {
            schema.insert("type".into(), json!("number"));
            add_some(&mut schema, "minimum", *min);
            add_some(&mut schema, "maximum", *max);
            add_some(&mut schema, "multipleOf", multiple_of_tenth.then_some(0.1));
        }
    }
    schema
}

fn add_text(schema: &mut Map<String, Value>, format: Option<&str>, max_length: Option<usize>) {
    schema.insert("type".into(), json!("string"));
    add_some(schema, "format", format);
    add_some(schema, "maxLength", max_length);
}

fn add_some<T: Into<Value>>(schema: &mut Map<String, Value>, key: &str, value: Option<T>) {
    if let Some(value) = value {
        schema.insert(key.to_owned(), value.into());
    }
}

fn type_schema(named_type: &NamedType) -> Value {
    let mut schema = Map::new();
    match named_type {
        NamedType::String { section, summary, max_length, .. } => {
            add_description(&mut schema, summary, section);
            add_text(&mut schema, None, *max_length);
        }
        NamedType::Enum { section, summary, values } => {
            add_description(&mut schema, summary, section);
            schema.insert("type".into(), json!("string"));
            schema.insert("enum".into(), json!(values.keys().collect::<Vec<_>>()));
        }
        NamedType::Object { section, summary, open, fields } => {
            add_description(&mut schema, summary, section);
            add_object(&mut schema, fields);
            if *open {
                schema.remove("additionalProperties");
            }
        }
    }
    Value::Object(schema)
}

/// Names of the types that fields use, directly or through objects, in the order of first use.
fn used_types<'a>(definition: &'a Definition, fields: &'a [Field]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let mut open: Vec<&Field> = fields.iter().rev().collect();
    while let Some(field) = open.pop() {
        let (FieldKind::String { type_name: Some(name), .. }
        | FieldKind::Enum(name)
        | FieldKind::Object(name)) = &field.kind
        else {
            continue;
        };
        if names.contains(&name.as_str()) {
            continue;
        }
        names.push(name);
        if let NamedType::Object { fields, .. } = &definition.types[name] {
            open.extend(fields.iter().rev());
        }
    }
    names
}
