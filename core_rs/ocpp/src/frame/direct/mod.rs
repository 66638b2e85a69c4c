//! Reads a strictly valid frame straight into its definition, in one pass. Nearly every frame is one.
//!
//! Each value is checked where it is read, against the field that the definition expects next. At the first thing
//! that might need a repair, a deviation or a violation, the reader gives up, and `reader` and `validate` read the
//! text again. So this module decides what a frame costs, never its outcome: what it accepts, the full path
//! accepts with the same result and nothing to report.

mod cursor;

use std::borrow::Cow;

use self::cursor::{Cursor, Next};
use crate::frame::{Message, Payload, UNIQUE_ID_LIMIT, UniqueId};
use crate::protocol::Limits;
use crate::protocol::Protocol;
use crate::protocol::definition::Items;
use crate::protocol::scalar;
use crate::protocol::schema::{Direction, FieldSchema, Kind, MessageSchema, ObjectSchema, Schema};
use crate::protocol::value::{Key, Member, Value};

/// The part of a frame before its payload.
#[derive(Clone, Copy, Debug)]
pub enum Head<'h> {
    /// The action of a CALL, as it was sent.
    Call(&'h str),
    /// The unique id of a CALLRESULT.
    CallResult(&'h str),
}

/// The expected payload of a frame. The caller knows it from the action or the outstanding CALL.
#[derive(Clone, Copy)]
pub struct Expected {
    /// The schema of the protocol.
    pub schema: &'static Schema,
    /// The fields of the payload.
    pub object: &'static ObjectSchema,
    /// Whether it is a request or a response.
    pub direction: Direction,
    /// Whether `sampledValue` is kept as the text it came as (`Value::Raw`).
    pub raw_sampled_values: bool,
}

impl Expected {
    /// The payload of a message, with `sampledValue` as a tree.
    #[must_use]
    pub fn of(protocol: &'static Protocol, message: &MessageSchema, direction: Direction) -> Self {
        let schema = protocol.schema();
        Self { schema, object: schema.payload(message, direction), direction, raw_sampled_values: false }
    }
}

/// Read a whole CALL or CALLRESULT. `None`: use the full reader.
pub(crate) fn frame<'a>(
    text: &'a str,
    limits: Limits,
    expected: impl FnOnce(Head<'a>) -> Option<Expected>,
) -> Option<Message<'a>> {
    let mut cursor = Cursor::new(text);
    if limits.depth == 0 || !text.starts_with('[') {
        return None;
    }
    cursor.skip(1);
    let message_type = cursor.next()?;
    cursor.take(b',')?;
    let unique_id = cursor.quoted(Some(UNIQUE_ID_LIMIT))?;
    cursor.take(b',')?;
    let message = match message_type {
        b'2' => {
            let action = cursor.quoted(None)?;
            cursor.take(b',')?;
            let payload = object_at(&mut cursor, limits, 2, expected(Head::Call(action))?)?;
            Message::Call {
                unique_id: UniqueId::of(unique_id),
                action: Cow::Borrowed(action),
                payload: Payload::Valid(payload),
            }
        }
        b'3' => {
            let payload = object_at(&mut cursor, limits, 2, expected(Head::CallResult(unique_id))?)?;
            Message::CallResult { unique_id: UniqueId::of(unique_id), payload: Payload::Valid(payload) }
        }
        _ => return None,
    };
    cursor.take(b']')?;
    (cursor.is_at_end() && !unique_id.is_empty()).then_some(message)
}

/// Read a payload alone, up to the end of the text. `None`: use the full reader.
pub(crate) fn payload(text: &str, limits: Limits, expected: Expected) -> Option<Value<'_>> {
    let mut cursor = Cursor::new(text);
    let payload = object_at(&mut cursor, limits, 1, expected)?;
    cursor.is_at_end().then_some(payload)
}

/// Whether a payload alone is strictly valid. `false`: use the full reader.
pub(crate) fn is_valid(text: &str, limits: Limits, expected: Expected) -> bool {
    let Expected { schema, object, .. } = expected;
    let reader = Direct { schema, limits, raw_sampled_values: false };
    reader.object::<false>(Cursor::new(text), object, 1).is_some_and(|(_, behind)| behind == text.len())
}

fn object_at<'a>(
    cursor: &mut Cursor<'a>,
    limits: Limits,
    depth: usize,
    expected: Expected,
) -> Option<Value<'a>> {
    let Expected { schema, object, raw_sampled_values, .. } = expected;
    let reader = Direct { schema, limits, raw_sampled_values };
    let (members, behind) = reader.object::<true>(*cursor, object, depth)?;
    cursor.at = behind;
    Some(Value::Object(members))
}

/// The value that was read, and the position after it.
type Read<T> = Option<(T, usize)>;

struct Direct {
    schema: &'static Schema,
    limits: Limits,
    raw_sampled_values: bool,
}

/// With `TREE` values are kept. Without it they are only checked, and the returned values own nothing.
///
/// Objects and arrays have a cursor of their own, and all the rest is inlined into them, so that it stays in
/// registers.
impl Direct {
    fn object<'a, const TREE: bool>(
        &self,
        mut cursor: Cursor<'a>,
        object: &'static ObjectSchema,
        depth: usize,
    ) -> Read<Vec<Member<'a>>> {
        if depth > self.limits.depth || object.fields.len() > self.limits.members {
            return None;
        }
        let mut opening = cursor.peek().filter(|byte| *byte == b'{')?;
        let mut members = if TREE { Vec::with_capacity(object.fields.len()) } else { Vec::new() };
        let mut seen = 0_u64;
        let mut expected = 0;
        while let Next::Member(field) = cursor.member(object, opening, expected)? {
            if seen & field.bit != 0 {
                return None;
            }
            seen |= field.bit;
            expected = field.place.wrapping_add(1);
            opening = b',';
            let value = self.field::<TREE>(&mut cursor, field, depth)?;
            if TREE {
                members.push((Key::Symbol(field.symbol), value));
            } else {
                std::mem::forget(value);
            }
        }
        (object.required & !seen == 0).then_some((members, cursor.at))
    }

    #[inline(always)]
    fn field<'a, const TREE: bool>(
        &self,
        cursor: &mut Cursor<'a>,
        field: &'static FieldSchema,
        depth: usize,
    ) -> Option<Value<'a>> {
        let Some(bounds) = field.many else {
            return self.single::<TREE>(cursor, &field.kind, depth);
        };
        if TREE && self.raw_sampled_values && field.is_sampled_value {
            cursor.peek()?;
            let start = cursor.at;
            (_, cursor.at) = self.array::<false>(*cursor, &field.kind, bounds, depth.wrapping_add(1))?;
            return cursor.text.get(start..cursor.at).map(|text| Value::Raw(Cow::Borrowed(text)));
        }
        let items;
        (items, cursor.at) = self.array::<TREE>(*cursor, &field.kind, bounds, depth.wrapping_add(1))?;
        Some(Value::Array(items))
    }

    #[inline(never)]
    fn array<'a, const TREE: bool>(
        &self,
        mut cursor: Cursor<'a>,
        kind: &'static Kind,
        bounds: Items,
        depth: usize,
    ) -> Read<Vec<Value<'a>>> {
        /// Most arrays are short; longer ones grow.
        const FEW: usize = 4;
        if depth > self.limits.depth {
            return None;
        }
        cursor.take(b'[')?;
        let mut items = if TREE { Vec::with_capacity(FEW) } else { Vec::new() };
        let mut count = 0_usize;
        if cursor.peek()? == b']' {
            cursor.skip(1);
        } else {
            loop {
                if kind.is_string() {
                    cursor.take(b'"')?;
                }
                let item = self.single::<TREE>(&mut cursor, kind, depth)?;
                if TREE {
                    items.push(item);
                } else {
                    std::mem::forget(item);
                }
                count = count.wrapping_add(1);
                match cursor.next()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        let is_bounded = count >= bounds.min && bounds.max.is_none_or(|max| count <= max);
        (is_bounded && count <= self.limits.items).then_some((items, cursor.at))
    }

    /// One value; of a string the first quote has been read.
    #[inline(always)]
    fn single<'a, const TREE: bool>(
        &self,
        cursor: &mut Cursor<'a>,
        kind: &'static Kind,
        depth: usize,
    ) -> Option<Value<'a>> {
        Some(match kind {
            Kind::Object(index) => {
                let members;
                let object = self.schema.object(*index);
                (members, cursor.at) = self.object::<TREE>(*cursor, object, depth.wrapping_add(1))?;
                Value::Object(members)
            }
            Kind::Enumeration(enumeration) => {
                let scanned = cursor.scanned()?;
                Value::Symbol(enumeration.find_scanned(scanned)?)
            }
            Kind::String(limit) => {
                let text = cursor.string(*limit)?;
                if TREE { Value::String(Cow::Borrowed(cursor.text.get(text)?)) } else { Value::Null }
            }
            Kind::DateTime => {
                let text = cursor.string(None)?;
                if !scalar::is_date_time(cursor.text.as_bytes().get(text.clone())?) {
                    return None;
                }
                if TREE { Value::String(Cow::Borrowed(cursor.text.get(text)?)) } else { Value::Null }
            }
            Kind::Integer(min, max) => {
                let number = cursor.integer()?;
                if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
                    return None;
                }
                Value::Integer(number)
            }
            Kind::Decimal { tenths, min, max } => {
                let text = cursor.decimal()?;
                if scalar::decimal_fault(text, scalar::finite(text)?, *tenths, (*min, *max)).is_some() {
                    return None;
                }
                Value::Number(text)
            }
            Kind::Boolean => Value::Boolean(cursor.boolean()?),
            Kind::Any => return None,
        })
    }
}
