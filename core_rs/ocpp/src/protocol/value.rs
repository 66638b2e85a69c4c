//! A JSON value that borrows from the frame it was read from.
//!
//! `json` makes it, `validate` repairs it in place, the Python extension turns it into objects. Names and enumeration
//! values of the protocol become `Symbol`s, so that Python keeps one object for each.

use std::borrow::Cow;
use std::fmt::Write;

use crate::protocol::plain_run::plain_run;
use crate::protocol::symbols::Symbol;

/// The name of an object's member.
#[derive(Clone, Debug, PartialEq)]
pub enum Key<'a> {
    /// The name as it was read.
    Text(Cow<'a, str>),
    /// A field of the definition. Only judging makes it.
    Symbol(Symbol),
}

impl Key<'_> {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Symbol(symbol) => symbol.as_str(),
        }
    }
}

/// One member of an object.
pub type Member<'a> = (Key<'a>, Value<'a>);

/// A JSON value. Numbers keep their text, so that nothing is lost before the expected type is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// The text of a number, valid by RFC 8259.
    Number(&'a str),
    /// A number that was repaired from something else, or read as an integer.
    Integer(i64),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An enumeration value of the definition. Only judging makes it.
    Symbol(Symbol),
    /// JSON text instead of a tree: valid, repaired if necessary.
    Raw(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object, in the order in which it was received. It may have duplicate names; `validate` refuses them.
    Object(Vec<Member<'a>>),
}

impl Value<'_> {
    /// Write the value as JSON text, cut to about `limit` bytes: for deviations and repaired strings.
    #[must_use]
    pub fn to_json(&self, limit: usize) -> String {
        let mut text = String::new();
        self.write_json(&mut text, limit);
        truncate(&mut text, limit);
        text
    }

    /// The text if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Symbol(symbol) => Some(symbol.as_str()),
            _ => None,
        }
    }

    /// The member of that name, if this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'_>> {
        match self {
            Self::Object(members) => {
                members.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    fn write_json(&self, out: &mut String, limit: usize) {
        if out.len() > limit {
            return;
        }
        match self {
            Self::Null => out.push_str("null"),
            Self::Boolean(true) => out.push_str("true"),
            Self::Boolean(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::Integer(number) => {
                let _ = write!(out, "{number}");
            }
            Self::String(text) => write_string(text, out),
            Self::Symbol(symbol) => write_string(symbol.as_str(), out),
            Self::Raw(text) => out.push_str(text),
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out, limit);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(key.as_str(), out);
                    out.push(':');
                    value.write_json(out, limit);
                }
                out.push('}');
            }
        }
    }
}

/// Append `text` as a JSON string, quotes included.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut at = 0;
    loop {
        let end = plain_run(text.as_bytes(), at);
        out.push_str(&text[at..end]);
        match text.as_bytes().get(end) {
            None => break,
            Some(b'"') => out.push_str("\\\""),
            Some(b'\\') => out.push_str("\\\\"),
            Some(b'\n') => out.push_str("\\n"),
            Some(b'\r') => out.push_str("\\r"),
            Some(b'\t') => out.push_str("\\t"),
            Some(control) => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        at = end + 1;
    }
    out.push('"');
}

/// Cut `text` to at most `limit` bytes at a character boundary.
pub fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
    }
}
