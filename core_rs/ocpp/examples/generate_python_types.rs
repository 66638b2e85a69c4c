//! Prints `app/ocpp/v16.py`: typed payloads for Python, derived from the definition.
//!
//! `cargo run -p ocpp-core --example generate_python_types > app/ocpp/v16.py`

use std::fmt::Write as _;
use std::io::Write as _;

use ocpp_core::protocol::Protocol;
use ocpp_core::protocol::definition::{Definition, Field, FieldKind, NamedType};

const HEADER: &str = r#""""Payloads of OCPP 1.6J as plain dicts with wire names, typed for mypy.

Generated from core_rs/ocpp/definitions/v16 by `cargo run -p ocpp-core --example generate_python_types`.
Do not edit: change the definition and generate again. A bare number in a docstring is a section of
OCPP 1.6 edition 2, `E` its errata sheet, `J` OCPP-J 1.6, `JE` its errata, `S` the security whitepaper.

Enum fields are typed as what the standard allows. In tolerant mode a charge point's own values are let
through with a deviation recorded, so at run time such a field may hold another string.
"""

from typing import Literal, NotRequired, TypedDict
"#;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(module(Protocol::v16().definition()).as_bytes())
}

fn module(definition: &Definition) -> String {
    let mut text = HEADER.to_owned();
    push_literal(
        &mut text,
        "ErrorCode",
        "Code of a CALLERROR, in the spelling that is sent (J 4.2.3).",
        definition.errors.keys(),
    );
    for name in types_in_order(definition) {
        push_type(&mut text, name, &definition.types[name]);
    }
    for message in definition.messages.values() {
        let sections = message.sections.join(", ");
        let action = &message.action;
        let summary = format!("{} ({sections})", message.summary);
        push_typed_dict(&mut text, &format!("{action}Request"), &summary, &message.request);
        let summary = format!("Answer to {action}. ({sections})");
        push_typed_dict(&mut text, &format!("{action}Response"), &summary, &message.response);
    }
    text
}

fn push_literal<'a>(text: &mut String, name: &str, summary: &str, values: impl Iterator<Item = &'a String>) {
    push_line(text, &format!("\n{name} = Literal["));
    for value in values {
        push_line(text, &format!("    \"{value}\","));
    }
    push_line(text, "]");
    push_line(text, &format!("\"\"\"{summary}\"\"\""));
}

fn push_type(text: &mut String, name: &str, named_type: &NamedType) {
    match named_type {
        NamedType::String { section, summary, .. } => {
            push_line(text, &format!("\n{name} = str"));
            push_line(text, &format!("\"\"\"{summary} ({section})\"\"\""));
        }
        NamedType::Enum { section, summary, values } => {
            push_literal(text, name, &format!("{summary} ({section})"), values.keys());
        }
        NamedType::Object { section, summary, fields, .. } => {
            push_typed_dict(text, name, &format!("{summary} ({section})"), fields);
        }
    }
}

fn push_typed_dict(text: &mut String, name: &str, summary: &str, fields: &[Field]) {
    push_line(text, &format!("\n\nclass {name}(TypedDict):"));
    push_line(text, &format!("    \"\"\"{summary}\"\"\""));
    if !fields.is_empty() {
        text.push('\n');
    }
    for field in fields {
        push_line(text, &format!("    {}: {}", field.name, annotation(field)));
        push_line(text, &format!("    \"\"\"{}\"\"\"", field.summary));
    }
}

fn annotation(field: &Field) -> String {
    let mut annotation = match &field.kind {
        FieldKind::String { type_name: Some(name), .. } | FieldKind::Enum(name) | FieldKind::Object(name) => {
            name.clone()
        }
        FieldKind::String { .. } | FieldKind::DateTime | FieldKind::AnyUri { .. } => "str".to_owned(),
        FieldKind::Integer { .. } => "int".to_owned(),
        FieldKind::Decimal { .. } => "float".to_owned(),
        FieldKind::Boolean => "bool".to_owned(),
        FieldKind::Any => "object".to_owned(),
    };
    if field.many.is_some() {
        annotation = format!("list[{annotation}]");
    }
    if field.optional {
        annotation = format!("NotRequired[{annotation}]");
    }
    annotation
}

/// Type names in an order in which each follows those that it uses.
fn types_in_order(definition: &Definition) -> Vec<&str> {
    fn visit<'a>(definition: &'a Definition, name: &'a str, order: &mut Vec<&'a str>) {
        if order.contains(&name) {
            return;
        }
        if let NamedType::Object { fields, .. } = &definition.types[name] {
            for field in fields {
                if let FieldKind::String { type_name: Some(used), .. }
                | FieldKind::Enum(used)
                | FieldKind::Object(used) = &field.kind
                {
                    visit(definition, used, order);
                }
            }
        }
        order.push(name);
    }
    let mut order = Vec::new();
    for name in definition.types.keys() {
        visit(definition, name, &mut order);
    }
    order
}

fn push_line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}
