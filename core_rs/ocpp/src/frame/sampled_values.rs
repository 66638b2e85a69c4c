//! `sampledValue` as JSON text instead of a tree, for callers that store samples without reading them.

use std::borrow::Cow;

use crate::protocol::schema::SAMPLED_VALUE;
use crate::protocol::value::Value;

/// Replace each `sampledValue` of a judged payload by its JSON text.
///
/// A NUL character becomes U+FFFD: JSON allows it, `jsonb` of `PostgreSQL` does not.
pub(crate) fn serialize_sampled_values(payload: &mut Value<'_>) {
    match payload {
        Value::Array(items) => items.iter_mut().for_each(serialize_sampled_values),
        Value::Object(members) => {
            for (key, value) in members {
                if key.as_str() == SAMPLED_VALUE {
                    replace_nul(value);
                    *value = Value::Raw(Cow::Owned(value.to_json(usize::MAX)));
                } else {
                    serialize_sampled_values(value);
                }
            }
        }
        _ => {}
    }
}

fn replace_nul(value: &mut Value<'_>) {
    match value {
        Value::String(text) if text.contains('\0') => *text = Cow::Owned(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(members) => members.iter_mut().for_each(|(_, value)| replace_nul(value)),
        _ => {}
    }
}
