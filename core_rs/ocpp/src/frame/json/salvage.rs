//! Reads a damaged text as far as possible. For billing messages: whatever can be read of one is recorded.
//!
//! Whatever is broken costs only itself: a bare word or a bad number becomes a string with its text, a missing comma or
//! value is supplied, brackets that are not closed end with the text, and surplus items are left out. A value in which
//! the text ends is left out: `98` may be the beginning of `98765`.

use super::reader::Reader;
use super::{Fault, Repair};
use crate::protocol::Limits;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::value::{Key, Value};
use std::borrow::Cow;

/// Most repairs that are listed.
const LISTED: usize = 64;

/// Bytes that end a bare word.
const DELIMITERS: [u8; 11] = [b',', b':', b'[', b']', b'{', b'}', b'"', b' ', b'\n', b'\r', b'\t'];

/// Read the value that `text` begins with, and return it with what was repaired; `None`: there is none.
#[must_use]
pub fn salvage(text: &str, limits: Limits) -> (Option<Value<'_>>, Vec<Repair>) {
    let mut salvager = Salvager { reader: Reader::new(text, limits, true), limits, repairs: Vec::new() };
    let value = salvager.value(1);
    salvager.repairs.extend(salvager.reader.take_repairs());
    (value, salvager.repairs)
}

struct Salvager<'a> {
    reader: Reader<'a>,
    limits: Limits,
    repairs: Vec<Repair>,
}

impl<'a> Salvager<'a> {
    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        match self.reader.peek()? {
            b'"' => self.string().map(Value::String),
            b'{' | b'[' if depth > self.limits.depth => {
                self.skip();
                None
            }
            b'{' => Some(self.object(depth)),
            b'[' => Some(self.array(depth)),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Value<'a> {
        let mut members: Vec<(Key<'a>, Value<'a>)> = Vec::new();
        self.reader.at += 1;
        loop {
            match self.reader.peek() {
                None => break self.repair(DeviationCode::CutOff),
                Some(b'}') => break self.reader.at += 1,
                Some(b']') => break self.repair(DeviationCode::Bracket),
                Some(b',' | b':') => self.reader.at += 1,
                Some(b'[' | b'{') => {
                    self.repair(DeviationCode::Name);
                    let _ = self.value(depth + 1);
                }
                Some(_) => {
                    let Some(name) = self.name() else { continue };
                    let value = self.member_value(depth);
                    if members.len() < self.limits.members {
                        members.push((Key::Text(name), value));
                    } else {
                        self.repair(DeviationCode::Surplus);
                    }
                }
            }
        }
        Value::Object(members)
    }

    fn array(&mut self, depth: usize) -> Value<'a> {
        let mut items = Vec::new();
        self.reader.at += 1;
        loop {
            match self.reader.peek() {
                None => break self.repair(DeviationCode::CutOff),
                Some(b']') => break self.reader.at += 1,
                Some(b'}') => break self.repair(DeviationCode::Bracket),
                Some(b',' | b':') => self.reader.at += 1,
                Some(_) => {
                    let Some(item) = self.value(depth + 1) else { continue };
                    if items.len() < self.limits.items {
                        items.push(item);
                    } else {
                        self.repair(DeviationCode::Surplus);
                    }
                }
            }
        }
        Value::Array(items)
    }

    /// The name of a member, in quotes or bare.
    fn name(&mut self) -> Option<Cow<'a, str>> {
        if self.reader.peek() == Some(b'"') {
            return self.string();
        }
        match self.word()? {
            Value::String(text) => Some(text),
            Value::Number(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn member_value(&mut self, depth: usize) -> Value<'a> {
        if self.reader.peek() != Some(b':') {
            self.repair(DeviationCode::MissingValue);
            return Value::Null;
        }
        self.reader.at += 1;
        match self.reader.peek() {
            None | Some(b',' | b'}' | b']') => {
                self.repair(DeviationCode::MissingValue);
                Value::Null
            }
            Some(_) => self.value(depth + 1).unwrap_or(Value::Null),
        }
    }

    /// A string; one that is broken ends with the next quotation mark. `None`: the text ends in it.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.reader.at;
        let fault = match self.reader.string() {
            Ok(text) => return Some(text),
            Err(error) => error.fault,
        };
        self.reader.at = start;
        self.repair(DeviationCode::String);
        let inside = &self.reader.text[start + 1..];
        let Some(length) = inside.find('"').filter(|_| fault != Fault::UnexpectedEnd) else {
            self.reader.at = self.reader.text.len();
            return None;
        };
        self.reader.at = start + 1 + length + 1;
        Some(Cow::Borrowed(&inside[..length]))
    }

    /// A number or literal as it should be, or the text of something else. Goes on by one byte at least. `None`: there
    /// is none, or the text ends in it.
    fn word(&mut self) -> Option<Value<'a>> {
        let start = self.reader.at;
        let rest = &self.reader.bytes[start..];
        let length = rest.iter().position(|byte| DELIMITERS.contains(byte)).unwrap_or(rest.len());
        if length == 0 {
            self.repair(DeviationCode::Bracket);
            self.reader.at += 1;
            return None;
        }
        self.reader.at = start + length;
        if rest[length..].trim_ascii().is_empty() {
            return None;
        }
        let word = &self.reader.text[start..start + length];
        let mut alone = Reader::new(word, self.limits, false);
        match alone.value() {
            Ok(value) if alone.peek().is_none() => Some(value),
            _ => {
                self.reader.at = start;
                self.repair(DeviationCode::BareWord);
                self.reader.at = start + length;
                Some(Value::String(Cow::Borrowed(word)))
            }
        }
    }

    /// Leave out what is nested too deeply, up to the bracket that closes it.
    fn skip(&mut self) {
        self.repair(DeviationCode::TooDeep);
        let mut open = 0_usize;
        while let Some(byte) = self.reader.peek() {
            match byte {
                b'"' => {
                    let _ = self.string();
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.reader.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    fn repair(&mut self, kind: DeviationCode) {
        if self.repairs.len() < LISTED {
            self.repairs.push(Repair { kind, offset: self.reader.at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"[2,"id-1","StopTransaction",{"transactionId":4711,"idTag":"TAG-\"12","meterStop":98765,
        "timestamp":"2026-01-01T12:00:00Z","transactionData":[{"sampledValue":[{"value":"12345"},{"value":"9.5"}]}]}]"#;

    fn scalars(value: &Value<'_>, into: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| scalars(item, into)),
            Value::Object(members) => members.iter().for_each(|(_, value)| scalars(value, into)),
            Value::Null => {}
            scalar => into.push(scalar.to_json(usize::MAX)),
        }
    }

    fn told(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        scalars(&salvage(text, Limits::default()).0.unwrap_or(Value::Null), &mut found);
        found
    }

    #[test]
    fn a_text_that_is_cut_off_anywhere_tells_nothing_that_the_whole_does_not_tell() {
        let whole = told(WHOLE);
        assert_eq!(whole.len(), 9);
        for padding in ["", "\n", " \r\n", "\0", "\u{fffd}"] {
            for end in 1..WHOLE.len() {
                let text = format!("{}{padding}", &WHOLE[..end]);
                let mut found = told(&text);
                // Neither a number nor a time: such a word is left out by its type.
                found.retain(|word| !word.contains(['\u{fffd}']) && !word.contains("\\u0000"));
                assert_eq!(found, whole[..found.len()], "{text}");
            }
        }
    }

    #[test]
    fn what_stands_before_the_end_is_kept() {
        let found = told(r#"[2,"1","A",{"meterStop":98765,"transactionId":7"#);
        assert_eq!(found, ["2", "\"1\"", "\"A\"", "98765"]);
    }
}
