//! Frames for property tests: valid ones of every message, and small changes of them.

use ocpp_core::protocol::definition::{Field, FieldKind, Items, NamedType};
use ocpp_core::protocol::schema::Direction;
use proptest::prelude::*;

use crate::ocpp16::ocpp16;

/// Any message, asked or answered.
pub fn message() -> impl Strategy<Value = (&'static str, Direction)> {
    let actions: Vec<&str> = ocpp16().definition().messages.keys().map(String::as_str).collect();
    let direction = prop_oneof![Just(Direction::Request), Just(Direction::Response)];
    (prop::sample::select(actions), direction)
}

/// A strictly valid frame without escapes, fields in any order, blanks anywhere inside.
pub fn valid_frame(action: &'static str, direction: Direction) -> BoxedStrategy<String> {
    let message = &ocpp16().definition().messages[action];
    let id = "[a-zA-Z0-9é-]{1,18}";
    match direction {
        Direction::Request => (blank(), id, object(&message.request))
            .prop_map(move |(blank, id, payload)| {
                format!(r#"[2{blank},"{id}"{blank},{blank}"{action}",{payload}]"#)
            })
            .boxed(),
        Direction::Response => (blank(), id, object(&message.response))
            .prop_map(|(blank, id, payload)| format!(r#"[{blank}3{blank},{blank}"{id}",{payload}{blank}]"#))
            .boxed(),
    }
}

fn object(fields: &'static [Field]) -> BoxedStrategy<String> {
    let members: Vec<BoxedStrategy<Option<String>>> = fields.iter().map(member).collect();
    let in_order = members.prop_map(|members| members.into_iter().flatten().collect::<Vec<_>>());
    let in_any_order = prop_oneof![3 => in_order.clone(), 1 => in_order.prop_shuffle()];
    (in_any_order, blank())
        .prop_map(|(members, blank)| {
            let separator = format!("{blank},{blank}");
            format!("{{{blank}{}{blank}}}", members.join(&separator))
        })
        .boxed()
}

fn member(field: &'static Field) -> BoxedStrategy<Option<String>> {
    let name = &field.name;
    let text =
        (value(field), blank()).prop_map(move |(value, blank)| format!(r#""{name}"{blank}:{blank}{value}"#));
    if field.optional {
        prop_oneof![1 => Just(None), 2 => text.prop_map(Some)].boxed()
    } else {
        text.prop_map(Some).boxed()
    }
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", " ", "\n\t", "\r\n "])
}

fn value(field: &'static Field) -> BoxedStrategy<String> {
    const MOST: usize = 5;
    let Some(Items { min, max }) = field.many else { return single(&field.kind) };
    let most = max.unwrap_or(MOST).min(MOST).max(min);
    (prop::collection::vec(single(&field.kind), min..=most), blank())
        .prop_map(|(items, blank)| format!("[{blank}{}{blank}]", items.join(&format!("{blank},{blank}"))))
        .boxed()
}

fn single(kind: &'static FieldKind) -> BoxedStrategy<String> {
    let types = &ocpp16().definition().types;
    match kind {
        FieldKind::String { max_length, .. } | FieldKind::AnyUri { max_length } => string(*max_length),
        FieldKind::Integer { min, max } => {
            let (min, max) = (min.unwrap_or(-100_000), max.unwrap_or(999_999_999_999_999_999));
            prop_oneof![3 => min..=max.min(min + 1_000), 1 => min..=max]
                .prop_map(|number| number.to_string())
                .boxed()
        }
        FieldKind::Decimal { min, .. } => {
            let sign = if min.is_some() { "" } else { "-?" };
            prop::string::string_regex(&format!("{sign}(0|[1-9][0-9]{{0,6}})([.][0-9]0?)?"))
                .expect("a regex")
                .boxed()
        }
        FieldKind::Any => any::<u8>().prop_map(|number| format!("[{number}]")).boxed(),
        FieldKind::Boolean => any::<bool>().prop_map(|flag| flag.to_string()).boxed(),
        FieldKind::DateTime => {
            let zone = "(Z|z|[+-](0[0-9]|1[0-4]):[0-5][0-9])";
            let date = "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
            let time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?";
            prop::string::string_regex(&format!("\"{date}[Tt]{time}{zone}\"")).expect("a regex").boxed()
        }
        FieldKind::Enum(name) => {
            let NamedType::Enum { values, .. } = &types[name] else { panic!("{name} is not an enumeration") };
            let values: Vec<&String> = values.keys().collect();
            prop::sample::select(values).prop_map(|value| format!("\"{value}\"")).boxed()
        }
        FieldKind::Object(name) => {
            let NamedType::Object { fields, .. } = &types[name] else { panic!("{name} is not an object") };
            object(fields)
        }
    }
}

/// At most that many bytes, so that characters need not be counted.
fn string(max_length: Option<usize>) -> BoxedStrategy<String> {
    let most = max_length.unwrap_or(60).min(60);
    let text = prop::string::string_regex(&format!("[ -!#-\\[\\]-~é€\u{7f}]{{0,{most}}}")).expect("a regex");
    text.prop_map(move |text| {
        let end = text.floor_char_boundary(max_length.unwrap_or(usize::MAX).min(text.len()));
        format!("\"{}\"", &text[..end])
    })
    .boxed()
}

/// A small change, most often where a token begins or ends.
#[derive(Clone, Debug)]
pub enum Mutation {
    /// Put a piece there.
    Insert(prop::sample::Index, &'static str),
    /// Put a piece in the place of one token.
    Replace(prop::sample::Index, &'static str),
    /// Take one token away.
    Delete(prop::sample::Index),
    /// Put a run of tokens behind itself.
    Repeat(prop::sample::Index, usize),
    /// Exchange one character.
    Character(prop::sample::Index, char),
    /// End the text early.
    Cut(prop::sample::Index),
}

/// Any mutation.
pub fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    let piece = || {
        prop::sample::select(vec![
            "null",
            "true",
            "1.0",
            "-0",
            "01",
            "1e2",
            "-",
            "12345678901234567890",
            "\"\"",
            "\"x\"",
            "\"\\u0041\"",
            "\"\\\"\"",
            "\"\u{1}\"",
            "{}",
            "[]",
            "[[]]",
            ",",
            ":",
            " ",
            "\u{a0}",
            "\"value\":\"1\",",
            "\"unit\":\"wh\",",
            "\"Wh\"",
            "\"2026-02-30T00:00:00Z\"",
            "\"2026-02-28T23:59:60Z\"",
            "3",
            "2",
            "4",
            "\0",
            "\u{feff}",
            "}",
            "]",
        ])
    };
    prop_oneof![
        3 => (index(), piece()).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        4 => (index(), piece()).prop_map(|(at, piece)| Mutation::Replace(at, piece)),
        2 => index().prop_map(Mutation::Delete),
        3 => (index(), 1..12_usize).prop_map(|(at, count)| Mutation::Repeat(at, count)),
        3 => (index(), any::<char>()).prop_map(|(at, character)| Mutation::Character(at, character)),
        1 => index().prop_map(Mutation::Cut),
    ]
}

impl Mutation {
    /// Change the text.
    pub fn apply(&self, text: &mut String) {
        let tokens = tokens(text);
        if tokens.is_empty() {
            return;
        }
        match self {
            Self::Insert(at, piece) => text.insert_str(at.get(&tokens).start, piece),
            Self::Replace(at, piece) => text.replace_range(at.get(&tokens).clone(), piece),
            Self::Delete(at) => text.replace_range(at.get(&tokens).clone(), ""),
            Self::Repeat(at, count) => {
                let first = at.index(tokens.len());
                let last = (first + count - 1).min(tokens.len() - 1);
                let run = text[tokens[first].start..tokens[last].end].to_owned();
                text.insert_str(tokens[last].end, &run);
            }
            Self::Character(at, character) => {
                let start = text.floor_char_boundary(at.index(text.len()));
                let end = text.ceil_char_boundary(start + 1);
                text.replace_range(start..end, character.encode_utf8(&mut [0; 4]));
            }
            Self::Cut(at) => text.truncate(at.get(&tokens).start),
        }
    }
}

/// Strings, punctuation and what is between them.
fn tokens(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at += 1;
        match bytes[start] {
            b'"' => {
                let rest = bytes[at..].iter().position(|byte| *byte == b'"');
                at = rest.map_or(bytes.len(), |length| at + length + 1);
            }
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {}
            _ => {
                let rest = bytes[at..].iter().position(|byte| b"{}[],:\"".contains(byte));
                at = rest.map_or(bytes.len(), |length| at + length);
            }
        }
        tokens.push(start..at);
    }
    tokens
}
