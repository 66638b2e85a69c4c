//! Hides secrets in a frame before it is logged.
//!
//! The only secret in OCPP 1.6 is the value of the configuration key `AuthorizationKey`: in the request of
//! `ChangeConfiguration`, and in the response of `GetConfiguration` from charge points that do not treat the key as
//! write-only (OCPP-J errata 3.10).

use std::borrow::Cow;

use crate::frame::json::Reader;
use crate::protocol::Limits;
use crate::protocol::value::Value;

const SECRET_KEY: &str = "AuthorizationKey";
const HIDDEN: &str = "***";
const UNREADABLE: &str = "(hidden: an unreadable frame that names AuthorizationKey)";

/// Hide the secrets of a text. It is borrowed when there are none.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let is_named = names_secret(text);
    // The name may be written with escapes.
    if !is_named && memchr::memmem::find(text.as_bytes(), b"\\u").is_none() {
        return Cow::Borrowed(text);
    }
    let mut reader = Reader::new(text, Limits::default(), true);
    let mut cleaned = String::new();
    let mut is_hidden = false;
    while reader.peek().is_some() {
        match reader.value() {
            Ok(mut frame) => {
                is_hidden |= hide(&mut frame);
                cleaned.push_str(&frame.to_json(usize::MAX));
            }
            // What cannot be read cannot be cleaned.
            Err(_) if !is_hidden && (is_named || names_secret(&unescaped(text))) => {
                return Cow::Borrowed(UNREADABLE);
            }
            Err(_) => break,
        }
    }
    if is_hidden { Cow::Owned(cleaned) } else { Cow::Borrowed(text) }
}

/// The text to show instead of any part of `text`, if there is a secret in it; `None` otherwise.
#[must_use]
pub(crate) fn mask(text: &str) -> Option<&'static str> {
    (redact(text) != text).then_some(HIDDEN)
}

fn names_secret(text: &str) -> bool {
    /// The place of the rarest letter in the name. The rest is compared only where this letter is found.
    const RARE: usize = 7;
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'z', b'Z', bytes).any(|at| {
        let start = at.checked_sub(RARE);
        let window = start.and_then(|start| bytes.get(start..start + SECRET_KEY.len()));
        window.is_some_and(|window| window.eq_ignore_ascii_case(SECRET_KEY.as_bytes()))
    })
}

/// Replace escaped ASCII letters by plain ones. The result serves only to look for a name.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u");
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(code) = code.filter(u8::is_ascii) {
            found.push(char::from(code));
            found.push_str(&part[4..]);
        } else {
            found.push_str(part);
        }
    }
    found
}

/// Hide the secret values. Returns whether there were any. Names are compared in any case, as firmware varies.
fn hide(value: &mut Value<'_>) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |hidden, item| hide(item) | hidden),
        Value::Object(members) => {
            let is_secret = members.iter().any(|(key, value)| {
                key.as_str().eq_ignore_ascii_case("key")
                    && value.as_str().is_some_and(|key| key.eq_ignore_ascii_case(SECRET_KEY))
            });
            members.iter_mut().fold(false, |hidden, (key, value)| {
                if is_secret && key.as_str().eq_ignore_ascii_case("value") {
                    *value = Value::String(Cow::Borrowed(HIDDEN));
                    true
                } else {
                    hide(value) | hidden
                }
            })
        }
        _ => false,
    }
}
