//! Hides secrets in a frame or a payload before it is logged or stored.
//!
//! A secret is the value of a name that says so (see `secrets`): in `ChangeConfiguration`, in the configuration that a
//! charge point reports although the key is write-only (OCPP-J errata 3.10), in vendor data, in the texts of errors,
//! the password of a URL, the tokens in its parameters, the token of one of our own URLs for files, and the value of
//! an `Authorization` header.

use std::borrow::Cow;

use super::secrets::{has_escaped_letter, is_secret_name, may_hold_url, may_name_secret};
use super::unnamed::without_unnamed;
use crate::frame::json::Reader;
use crate::protocol::Limits;
use crate::protocol::value::Value;

pub(super) const HIDDEN: &str = "***";
const UNREADABLE: &str = "(hidden: an unreadable text that names a password or a key)";

/// Members that name the configuration key whose value is next to them.
const NAMING: [&str; 4] = ["key", "name", "parameter", "variable"];

/// Shorter secrets are not looked for in other texts: they would be found by chance.
const SHORTEST_SECRET: usize = 4;

/// Actions that come so often, and have so few texts, that only the standard's own secret and URLs are looked for.
const FREQUENT: [&str; 6] =
    ["MeterValues", "Heartbeat", "StatusNotification", "Authorize", "StartTransaction", "StopTransaction"];

/// Hide the secrets of a text. It is borrowed when there are none.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    take_secrets(text, &mut Vec::new())
}

/// Hide the secrets of a text, and add them to `found`.
fn take_secrets<'t>(text: &'t str, found: &mut Vec<String>) -> Cow<'t, str> {
    let is_suspect = if is_frequent(text) {
        names_authorization_key(text) || may_hold_url(text)
    } else {
        may_name_secret(text)
    };
    if !is_suspect {
        return Cow::Borrowed(text);
    }
    let mut reader = Reader::new(text, Limits::default(), true);
    let mut hider = Hider::default();
    let mut cleaned = String::new();
    while reader.peek().is_some() {
        match reader.value() {
            Ok(mut frame) => {
                hider.hide(&mut frame);
                cleaned.push_str(&frame.to_json(usize::MAX));
            }
            // What cannot be read cannot be cleaned.
            Err(_) if !hider.is_used && tells_secret(&unescaped(text)) => {
                return Cow::Borrowed(UNREADABLE);
            }
            Err(_) => break,
        }
    }
    found.append(&mut hider.found);
    if hider.is_used { Cow::Owned(cleaned) } else { Cow::Borrowed(text) }
}

/// The secrets of a payload, to be hidden in the answers to it too.
#[must_use]
pub(crate) fn secrets_of(payload: &str) -> Vec<String> {
    if !payload.trim_start().starts_with(['{', '[']) || !may_name_secret(payload) {
        return Vec::new();
    }
    let mut hider = Hider::default();
    if let Ok(mut payload) = Reader::new(payload, Limits::default(), true).value() {
        hider.hide(&mut payload);
    }
    hider.found.retain(|secret| secret.len() >= SHORTEST_SECRET && secret != HIDDEN);
    hider.found
}

/// Replace known secrets in a text, in any case of their letters.
#[must_use]
pub(crate) fn without<'t>(text: &'t str, secrets: &[String]) -> Cow<'t, str> {
    let mut shown = Cow::Borrowed(text);
    for secret in secrets {
        let wanted = secret.to_ascii_lowercase();
        let folded = shown.to_ascii_lowercase();
        let mut cleaned = String::new();
        let mut behind = 0;
        for (at, _) in folded.match_indices(&wanted) {
            cleaned.push_str(&shown[behind..at]);
            cleaned.push_str(HIDDEN);
            behind = at + wanted.len();
        }
        if behind > 0 {
            cleaned.push_str(&shown[behind..]);
            shown = Cow::Owned(cleaned);
        }
    }
    shown
}

/// Replace known secrets in all texts of a value.
pub(crate) fn hide_known(value: &mut Value<'_>, secrets: &[String]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| hide_known(item, secrets)),
        Value::Object(members) => members.iter_mut().for_each(|(_, value)| hide_known(value, secrets)),
        Value::String(text) => {
            let shown = without(text, secrets).into_owned();
            *text = Cow::Owned(shown);
        }
        _ => {}
    }
}

/// The text to show instead of any part of `text`, if there is a secret in it; `None` otherwise.
#[must_use]
pub(crate) fn mask(text: &str) -> Option<&'static str> {
    (redact(text) != text).then_some(HIDDEN)
}

/// Hide the secrets in a text for people, such as the description of an error.
#[must_use]
pub(crate) fn prose(text: &str) -> Cow<'_, str> {
    if is_telling(text) {
        return Cow::Borrowed(HIDDEN);
    }
    without_unnamed(text)
}

/// Whether a text is a CALL with a frequent action, or an empty CALLRESULT.
fn is_frequent(text: &str) -> bool {
    let Some(head) = text.strip_prefix("[2,\"") else {
        return text.starts_with("[3,") && text.ends_with(",{}]");
    };
    let action = memchr::memchr(b'"', head.as_bytes()).and_then(|end| head[end..].strip_prefix("\",\""));
    action.is_some_and(|action| {
        FREQUENT
            .iter()
            .any(|frequent| action.strip_prefix(frequent).is_some_and(|rest| rest.starts_with('"')))
    })
}

fn names_authorization_key(text: &str) -> bool {
    const NAME: &str = "AuthorizationKey";
    /// The place of the rarest letter in the name. The rest is compared only where this letter is found.
    const RARE: usize = 7;
    let bytes = text.as_bytes();
    memchr::memchr2_iter(b'z', b'Z', bytes).any(|at| {
        let start = at.checked_sub(RARE);
        let window = start.and_then(|start| bytes.get(start..start + NAME.len()));
        window.is_some_and(|window| window.eq_ignore_ascii_case(NAME.as_bytes()))
    }) || has_escaped_letter(text)
}

/// Whether a text that is not JSON, or is broken, has a secret.
fn tells_secret(text: &str) -> bool {
    names_secret(text) || matches!(without_unnamed(text), Cow::Owned(_))
}

/// Whether a text has a secret name anywhere: between quotes, or as one of its words.
fn names_secret(text: &str) -> bool {
    text.split(['"', '\'', ':', '=', ',', '{', '}', '[', ']', '\n', '&', ';', '<', '>'])
        .any(|part| is_secret_name(part) || part.split_whitespace().any(is_secret_name))
}

/// Whether a text names a secret and may hold its value as well: not a name alone, not plain words.
fn is_telling(text: &str) -> bool {
    let is_name =
        |part: &str| part.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-. ".contains(letter));
    if !names_secret(text) || (is_name(text) && !text.trim().contains(' ')) {
        return false;
    }
    text.contains(['=', ':', '"', '\'', '<'])
        || text.split(|letter: char| letter.is_whitespace() || "(),;.".contains(letter)).any(|word| {
            !is_secret_name(word)
                && (word.bytes().any(|byte| byte.is_ascii_digit())
                    || word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())
                    || word.len() > SHORTEST_KEY)
        })
}

/// The least length of an `AuthorizationKey` (security whitepaper, A00.FR.205). Longer words may be one.
pub(super) const SHORTEST_KEY: usize = 15;

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
    // JSON inside of a string.
    found.replace('\\', "")
}

/// Hides the secrets of values, and remembers them.
#[derive(Default)]
struct Hider {
    is_used: bool,
    found: Vec<String>,
}

impl Hider {
    fn hide(&mut self, value: &mut Value<'_>) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            Value::Object(members) => {
                let named = members.iter().position(|(name, value)| {
                    NAMING.iter().any(|naming| name.as_str().trim().eq_ignore_ascii_case(naming))
                        && value.as_str().is_some_and(is_secret_name)
                });
                for (place, (name, value)) in members.iter_mut().enumerate() {
                    let is_secret = match named {
                        Some(naming) => naming != place,
                        None => is_secret_name(name.as_str()),
                    };
                    if is_secret { self.take(value) } else { self.hide(value) }
                }
            }
            Value::String(text) => self.hide_in(text),
            _ => {}
        }
    }

    /// Hide a value that is secret, unless it is empty or only says yes or no.
    fn take(&mut self, value: &mut Value<'_>) {
        let secret = match *value {
            Value::Boolean(_) | Value::Null => return,
            Value::String(ref text) if text.is_empty() => return,
            Value::String(ref text) => text.clone().into_owned(),
            ref other => other.to_json(usize::MAX),
        };
        self.is_used = true;
        self.found.push(secret);
        *value = Value::String(Cow::Borrowed(HIDDEN));
    }

    /// Hide the secrets in a text: in the JSON that it may be, in its URLs, or all of it.
    fn hide_in(&mut self, text: &mut Cow<'_, str>) {
        let hidden = if text.trim_start().starts_with(['{', '[']) {
            // Read once only: JSON may be in JSON many times over.
            match take_secrets(text, &mut self.found) {
                Cow::Owned(cleaned) => Some(cleaned),
                Cow::Borrowed(shown) if shown == UNREADABLE => Some(HIDDEN.to_owned()),
                Cow::Borrowed(_) => None,
            }
        } else {
            let shown = prose(text);
            (shown != *text).then(|| shown.into_owned())
        };
        if let Some(hidden) = hidden {
            self.is_used = true;
            *text = Cow::Owned(hidden);
        }
    }
}
