//! Takes secrets out of a frame before anybody logs it.
//!
//! The one secret that OCPP 1.6 itself carries is the value of the configuration key `AuthorizationKey`:
//! in the request of `ChangeConfiguration`, and in the response of `GetConfiguration` from charge points that
//! do not know that the key is write-only (OCPP-J errata 3.10).

use std::borrow::Cow;

use crate::json::{Limits, Reader};
use crate::value::{Key, Value};

const SECRET_KEY: &str = "AuthorizationKey";
const HIDDEN: &str = "***";

/// The frame without its secrets; borrowed when there are none.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    if !names_secret(text) {
        return Cow::Borrowed(text);
    }
    match Reader::new(text, Limits::default(), true).value() {
        Ok(mut frame) => {
            hide(&mut frame);
            Cow::Owned(frame.to_json(usize::MAX))
        }
        // What cannot be read cannot be cleaned.
        Err(_) => Cow::Borrowed("(hidden: an unreadable frame that names AuthorizationKey)"),
    }
}

fn names_secret(text: &str) -> bool {
    text.as_bytes().windows(SECRET_KEY.len()).any(|window| window.eq_ignore_ascii_case(SECRET_KEY.as_bytes()))
}

fn hide(value: &mut Value<'_>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => {
            let is_secret = members.iter().any(|(key, value)| {
                key.as_str() == "key"
                    && value.as_str().is_some_and(|key| key.eq_ignore_ascii_case(SECRET_KEY))
            });
            for (key, value) in members {
                if is_secret && matches!(key, Key::Text(name) if name == "value") {
                    *value = Value::String(Cow::Borrowed(HIDDEN));
                } else {
                    hide(value);
                }
            }
        }
        _ => {}
    }
}
