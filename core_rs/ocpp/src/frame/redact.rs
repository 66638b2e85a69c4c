//! Hides secrets in a frame or a payload before it is logged or stored.
//!
//! A secret is the value of a name that says so (see `secrets`): in `ChangeConfiguration`, in the configuration that a
//! charge point reports although the key is write-only (OCPP-J errata 3.10), in vendor data, in the texts of errors,
//! the password of a URL, the tokens in its parameters, the token of one of our own URLs for files, and the value of
//! an `Authorization` header.

use std::borrow::Cow;

use super::secrets::{
    has_escaped_letter, is_secret_name, is_secret_parameter, may_hold_url, may_name_secret,
};
use crate::frame::json::Reader;
use crate::protocol::Limits;
use crate::protocol::value::Value;

const HIDDEN: &str = "***";
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

/// Hide the secrets that have no name in the words of a text: those of URLs and of the header `Authorization`.
fn without_unnamed(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for hide in [without_password, without_parameters, without_token, without_header] {
        if let Cow::Owned(cleaned) = hide(&shown) {
            shown = Cow::Owned(cleaned);
        }
    }
    shown
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
const SHORTEST_KEY: usize = 15;

/// Return the place behind the slashes with which the authority of the next URL begins; `None`: there is no other.
///
/// Two slashes or a colon tell it: `ftp://host`, and the misspelt `ftp:/host` and `ftp:\\host`.
fn authority(text: &str) -> Option<usize> {
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(is_slash).map(|at| from + at) {
        let end = at + bytes[at..].iter().take_while(|byte| is_slash(byte)).count();
        if end - at > 1 || (at > 0 && bytes[at - 1] == b':') {
            return Some(end);
        }
        from = end;
    }
    None
}

/// Hide the passwords in the URLs of a text: `ftp://user:password@host`, and `https://token@host`.
fn without_password(text: &str) -> Cow<'_, str> {
    let mut cleaned = String::new();
    let mut rest = text;
    while let Some(at) = authority(rest) {
        let (before, behind) = rest.split_at(at);
        cleaned.push_str(before);
        let authority = behind.split(['/', '?', '#', ' ', '"', '<']).next().unwrap_or_default();
        // A password may hold a slash or an @ that was not encoded: the last @ before a blank counts.
        let word = behind.split([' ', '"', '<', '\n']).next().unwrap_or_default();
        let user_info = match word.rfind('@') {
            Some(end) if !is_host_and_port(authority) => &word[..end],
            _ => "",
        };
        rest = behind;
        if let Some(end) = end_of_user(user_info) {
            cleaned.push_str(&user_info[..end]);
            cleaned.push_str(HIDDEN);
            rest = &behind[user_info.len()..];
        } else if user_info.len() > SHORTEST_KEY {
            cleaned.push_str(HIDDEN);
            rest = &behind[user_info.len()..];
        }
    }
    cleaned.push_str(rest);
    if cleaned == text { Cow::Borrowed(text) } else { Cow::Owned(cleaned) }
}

/// The place behind the colon between user and password, which some encode.
fn end_of_user(user_info: &str) -> Option<usize> {
    const ENCODED: &str = "%3a";
    let encoded = user_info.to_ascii_lowercase().find(ENCODED).map(|at| at + ENCODED.len());
    let plain = user_info.find(':').map(|at| at + 1);
    plain.into_iter().chain(encoded).min()
}

/// Hide the values of secret parameters in the URLs of a text: `https://host/file?X-Amz-Signature=...`.
///
/// Parameters are in the query, in the fragment and in the path, as in `;token=...`.
fn without_parameters(text: &str) -> Cow<'_, str> {
    const MARKS: [char; 4] = ['?', '&', ';', '#'];
    let mut cleaned = String::new();
    let mut rest = text;
    while let Some(at) = authority(rest) {
        let (before, behind) = rest.split_at(at);
        let end = behind.find([' ', '"', '<', '\n']).unwrap_or(behind.len());
        cleaned.push_str(before);
        for (place, part) in behind[..end].split_inclusive(MARKS).enumerate() {
            let parameter = part.trim_end_matches(MARKS);
            match parameter.split_once('=') {
                Some((name, value)) if place > 0 && is_secret_value(name, value) => {
                    cleaned.extend([name, "=", HIDDEN, &part[parameter.len()..]]);
                }
                _ => cleaned.push_str(part),
            }
        }
        rest = &behind[end..];
    }
    cleaned.push_str(rest);
    if cleaned == text { Cow::Borrowed(text) } else { Cow::Owned(cleaned) }
}

/// Whether the value of a parameter of a URL is secret, or a URL with a secret.
fn is_secret_value(name: &str, value: &str) -> bool {
    if value.is_empty() || value == HIDDEN {
        return false;
    }
    let inner = decoded(value);
    is_secret_parameter(&decoded(name))
        || (inner != value && matches!(without_unnamed(&inner), Cow::Owned(_)))
}

/// Replace the percent codes of ASCII characters. The result serves only to look for secrets.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split('%');
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                found.push(char::from(code));
                found.push_str(&part[2..]);
            }
            None => found.extend(["%", part]),
        }
    }
    Cow::Owned(found)
}

/// Hide what follows `Basic` or `Bearer` in a text and looks like a credential: `Authorization: Basic ...`.
fn without_header(text: &str) -> Cow<'_, str> {
    const SCHEMES: [&str; 2] = ["basic ", "bearer "];
    const SHORTEST_CREDENTIAL: usize = 8;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=._~-".contains(byte);
    // A plain word such as `charging` does not look like one.
    let is_odd = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || *byte == b'=';
    let folded = text.to_ascii_lowercase();
    let mut cleaned = String::new();
    let mut behind = 0;
    while let Some(start) = SCHEMES
        .iter()
        .filter_map(|scheme| folded[behind..].find(scheme).map(|at| behind + at + scheme.len()))
        .min()
    {
        let length = text.as_bytes()[start..].iter().take_while(|byte| is_part(byte)).count();
        cleaned.push_str(&text[behind..start]);
        behind = start + length;
        let credential = &text[start..behind];
        if length >= SHORTEST_CREDENTIAL && credential.bytes().skip(1).any(|byte| is_odd(&byte)) {
            cleaned.push_str(HIDDEN);
        } else {
            cleaned.push_str(credential);
        }
    }
    cleaned.push_str(&text[behind..]);
    if cleaned == text { Cow::Borrowed(text) } else { Cow::Owned(cleaned) }
}

/// Hide the tokens in our own URLs for files: `https://host/transfers/token/name`. Each lets one file through.
fn without_token(text: &str) -> Cow<'_, str> {
    const PATH: &str = "/transfers/";
    const SHORTEST_TOKEN: usize = 32;
    let mut cleaned = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(PATH) {
        let (before, behind) = rest.split_at(at + PATH.len());
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        let end = behind.find(|letter| !is_part(letter)).unwrap_or(behind.len());
        cleaned.push_str(before);
        if end >= SHORTEST_TOKEN {
            cleaned.push_str(HIDDEN);
            rest = &behind[end..];
        } else {
            rest = behind;
        }
    }
    cleaned.push_str(rest);
    if cleaned == text { Cow::Borrowed(text) } else { Cow::Owned(cleaned) }
}

fn is_host_and_port(authority: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    !authority.contains('@') && authority.split_once(':').is_none_or(|(_, port)| is_port(port))
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
            match redact(text) {
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
            self.found.extend(secrets_of(text));
            *text = Cow::Owned(hidden);
        }
    }
}
