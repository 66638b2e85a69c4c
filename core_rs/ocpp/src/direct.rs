//! Reads a frame that nobody can object to straight into its definition, in one pass.
//!
//! Nearly every frame is strictly valid. Reading it into a tree and judging the tree is work done twice: here
//! each value is checked where it is read, against the field that the definition expects next. At the first
//! thing that might need a mend, a deviation or a violation (an escape, `null`, an unknown or repeated field, a value
//! that is too long, ...) the reader gives up without a word, and `frame` and `validate` read the same
//! text from its start. So this module decides what a frame costs, and never what becomes of it: what it
//! accepts, the full path accepts with the same outcome and nothing to report.

use std::borrow::Cow;

use crate::definition::Items;
use crate::frame::{Message, Payload, UNIQUE_ID_LIMIT, UniqueId};
use crate::json::{Limits, plain_run};
use crate::names::scan;
use crate::scalar;
use crate::schema::{self, FieldSchema, Kind, ObjectSchema};
use crate::value::{Key, Member, Value};

/// What a frame says before its payload.
#[derive(Clone, Copy, Debug)]
pub enum Head<'h> {
    /// Of a CALL: the action as it was sent.
    Call(&'h str),
    /// Of a CALLRESULT: the unique id.
    CallResult(&'h str),
}

/// What the payload of a frame must be, as told by somebody who knows the action or the outstanding CALL.
#[derive(Clone, Copy)]
pub struct Expected {
    /// Its fields.
    pub object: &'static ObjectSchema,
    /// Whether `sampledValue` is kept as the text it came as (`Value::Raw`).
    pub raw_sampled_values: bool,
}

/// Read a whole CALL or CALLRESULT. `None`: take the full path.
pub(crate) fn frame<'a>(
    text: &'a str,
    limits: Limits,
    expected: impl FnOnce(Head<'a>) -> Option<Expected>,
) -> Option<Message<'a>> {
    let mut reader = Direct { text, bytes: text.as_bytes(), at: 0, limits, raw_sampled_values: false };
    if limits.depth == 0 || reader.bytes.first() != Some(&b'[') {
        return None;
    }
    reader.at = 1;
    let message_type = reader.next()?;
    reader.take(b',')?;
    let unique_id = reader.string(Some(UNIQUE_ID_LIMIT))?;
    reader.take(b',')?;
    let message = match message_type {
        b'2' => {
            let action = reader.string(None)?;
            reader.take(b',')?;
            let payload = reader.payload(expected(Head::Call(action))?)?;
            Message::Call { unique_id: UniqueId::of(unique_id), action: Cow::Borrowed(action), payload }
        }
        b'3' => {
            let payload = reader.payload(expected(Head::CallResult(unique_id))?)?;
            Message::CallResult { unique_id: UniqueId::of(unique_id), payload }
        }
        _ => return None,
    };
    reader.take(b']')?;
    (reader.at == text.len() && !unique_id.is_empty()).then_some(message)
}

/// Read a payload alone, up to the end of the text. `None`: take the full path.
pub(crate) fn payload<'a>(text: &'a str, limits: Limits, object: &'static ObjectSchema) -> Option<Value<'a>> {
    let mut reader = Direct { text, bytes: text.as_bytes(), at: 0, limits, raw_sampled_values: false };
    let members = reader.object::<true>(object, 1)?;
    (reader.at == text.len()).then_some(Value::Object(members))
}

struct Direct<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    limits: Limits,
    raw_sampled_values: bool,
}

/// With `TREE` values are kept; without it they are checked only, and what is returned in their place is empty.
impl<'a> Direct<'a> {
    fn payload(&mut self, expected: Expected) -> Option<Payload<'a>> {
        self.raw_sampled_values = expected.raw_sampled_values;
        let members = self.object::<true>(expected.object, 2)?;
        Some(Payload::Valid(Value::Object(members)))
    }

    fn object<const TREE: bool>(
        &mut self,
        object: &'static ObjectSchema,
        depth: usize,
    ) -> Option<Vec<Member<'a>>> {
        if depth > self.limits.depth || object.fields.len() > self.limits.members {
            return None;
        }
        self.take(b'{')?;
        let mut members = Vec::with_capacity(if TREE { object.fields.len() } else { 0 });
        let mut seen = 0_u64;
        let mut expected = 0;
        if self.peek()? == b'}' {
            self.at += 1;
            return (object.required == 0).then_some(members);
        }
        loop {
            let place = self.key(object, expected)?;
            if seen & (1 << place) != 0 {
                return None;
            }
            seen |= 1 << place;
            expected = place + 1;
            let field = &object.fields[place];
            let value = self.field::<TREE>(field, depth + 1)?;
            if TREE {
                members.push((Key::Symbol(field.symbol), value));
            }
            match self.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        (object.required & !seen == 0).then_some(members)
    }

    /// The place of the next member's name; the reader then stands behind its colon.
    #[inline(always)]
    fn key(&mut self, object: &ObjectSchema, expected: usize) -> Option<usize> {
        self.peek()?;
        if let Some(field) = object.fields.get(expected)
            && self.bytes[self.at..].starts_with(field.key.as_bytes())
        {
            self.at += field.key.len();
            return Some(expected);
        }
        self.take(b'"')?;
        let scanned = scan(self.bytes, self.at)?;
        let place = object.names.find(self.bytes, self.at, scanned)?;
        self.at = scanned.end + 1;
        self.take(b':')?;
        Some(place)
    }

    #[inline(always)]
    fn field<const TREE: bool>(&mut self, field: &'static FieldSchema, depth: usize) -> Option<Value<'a>> {
        let Some(bounds) = field.many else {
            return self.single::<TREE>(&field.kind, depth);
        };
        if TREE && self.raw_sampled_values && field.is_sampled_value {
            self.peek()?;
            let start = self.at;
            self.array::<false>(&field.kind, bounds, depth)?;
            return Some(Value::Raw(Cow::Borrowed(self.text.get(start..self.at)?)));
        }
        self.array::<TREE>(&field.kind, bounds, depth).map(Value::Array)
    }

    fn array<const TREE: bool>(
        &mut self,
        kind: &'static Kind,
        bounds: Items,
        depth: usize,
    ) -> Option<Vec<Value<'a>>> {
        if depth > self.limits.depth {
            return None;
        }
        self.take(b'[')?;
        let mut items = Vec::new();
        let mut count = 0;
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                let item = self.single::<TREE>(kind, depth + 1)?;
                if TREE {
                    items.push(item);
                }
                count += 1;
                match self.next()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        let is_bounded = count >= bounds.min && bounds.max.is_none_or(|max| count <= max);
        (is_bounded && count <= self.limits.items).then_some(items)
    }

    fn single<const TREE: bool>(&mut self, kind: &'static Kind, depth: usize) -> Option<Value<'a>> {
        match kind {
            Kind::Object(index) => {
                self.object::<TREE>(schema::v16().object(*index), depth).map(Value::Object)
            }
            Kind::Enumeration(index) => {
                self.take(b'"')?;
                let scanned = scan(self.bytes, self.at)?;
                let symbol = schema::v16().enumeration(*index).scanned(self.bytes, self.at, scanned)?;
                self.at = scanned.end + 1;
                Some(Value::Symbol(symbol))
            }
            Kind::String(limit) => self.string(*limit).map(|text| Value::String(Cow::Borrowed(text))),
            Kind::DateTime => {
                let text = self.string(None)?;
                scalar::is_date_time(text.as_bytes()).then_some(Value::String(Cow::Borrowed(text)))
            }
            Kind::Integer(min, max) => {
                let number = self.integer()?;
                let in_range = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
                in_range.then_some(Value::Integer(number))
            }
            Kind::Decimal { tenths, min } => {
                let text = self.decimal()?;
                let fault = scalar::decimal_fault(text, scalar::finite(text)?, *tenths, *min);
                fault.is_none().then_some(Value::Number(text))
            }
            Kind::Boolean => self.boolean().map(Value::Boolean),
        }
    }

    /// A string of at most `limit` bytes: one of more bytes may still have few enough characters.
    #[inline(always)]
    fn string(&mut self, limit: Option<usize>) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        let end = plain_run(self.bytes, start);
        if self.bytes.get(end) != Some(&b'"') || limit.is_some_and(|limit| end - start > limit) {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// An integer of at most 18 digits; what may follow a number is judged by whoever asked for it.
    fn integer(&mut self) -> Option<i64> {
        let first = self.peek()?;
        let is_negative = first == b'-';
        self.at += usize::from(is_negative);
        let start = self.at;
        let mut number = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.at) {
            if self.at - start == 18 {
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        let has_leading_zero = self.at - start > 1 && self.bytes[start] == b'0';
        (self.at > start && !has_leading_zero).then_some(if is_negative { -number } else { number })
    }

    /// The text of a number without exponent.
    fn decimal(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        self.integer()?;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            let fraction = self.at;
            while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
                self.at += 1;
            }
            if self.at == fraction {
                return None;
            }
        }
        self.text.get(start..self.at)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.peek()?;
        for (word, flag) in [("true", true), ("false", false)] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Some(flag);
            }
        }
        None
    }

    /// The next byte that is not white space, taken.
    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline(always)]
    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte > b' ' { Some(byte) } else { self.behind_space() }
    }

    #[cold]
    fn behind_space(&mut self) -> Option<u8> {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }
}
