//! Hides secrets in the text of a status or of a security event, and leaves what tells of a fault.
//!
//! In such a text `pin` is mostly one of a plug, and `basic` a plain word. So only what cannot be about a fault is
//! hidden: the secrets of URLs, a long credential behind `Basic` or `Bearer`, and a value behind the name of a secret.

use std::borrow::Cow;

use super::redact::{HIDDEN, redact};
use super::secrets::{ends_with_part, ends_with_word, words};
use super::unnamed::{without_header, without_urls};
use crate::frame::json::Reader;
use crate::protocol::Limits;
use crate::protocol::value::Value;

/// The least length of a credential behind `Basic` or `Bearer`.
const SHORTEST_CREDENTIAL: usize = 16;
/// The least length of a value behind a name and a mere blank, as in `password hunter2`.
const SHORTEST_WORD: usize = 6;
/// The least length of a value behind a short word such as `pass`.
const SHORTEST_OF_SHORT_NAME: usize = 4;
/// The least number of digits of a PIN.
const SHORTEST_PIN: usize = 4;
/// Pins of a plug are those of the control pilot and of the proximity contact.
const PLUG: [&str; 4] = ["pilot", "proximity", "cp", "pp"];
/// How much is read before a separator to find the name.
const NAME_LIMIT: usize = 64;

/// Hide the secrets of a text about a fault. It is borrowed when there are none.
#[must_use]
pub fn redact_fault_text(text: &str) -> Cow<'_, str> {
    if is_json(text) {
        return redact(text);
    }
    let mut shown = without_urls(text);
    for hide in [without_long_credential, without_named] {
        if let Cow::Owned(cleaned) = hide(&shown) {
            shown = Cow::Owned(cleaned);
        }
    }
    shown
}

fn is_json(text: &str) -> bool {
    let mut reader = Reader::new(text, Limits::default(), true);
    matches!(reader.value(), Ok(Value::Object(_) | Value::Array(_))) && reader.peek().is_none()
}

fn without_long_credential(text: &str) -> Cow<'_, str> {
    without_header(text, SHORTEST_CREDENTIAL)
}

/// Hide the values behind the names of secrets: `password=...`, `"AuthorizationKey": "..."`, `<psk>...`.
fn without_named(text: &str) -> Cow<'_, str> {
    let mut cleaned = String::new();
    let (mut shown, mut from) = (0, 0);
    while let Some(at) = text[from..].find(is_separator).map(|at| from + at) {
        let separator = text[at..].chars().next().unwrap_or_default();
        from = at + separator.len_utf8();
        if let Some((start, end)) = value_behind(text, at, from, separator.is_whitespace()) {
            cleaned.push_str(&text[shown..start]);
            cleaned.push_str(HIDDEN);
            (shown, from) = (end, end);
        }
    }
    cleaned.push_str(&text[shown..]);
    if cleaned == text { Cow::Borrowed(text) } else { Cow::Owned(cleaned) }
}

fn is_separator(letter: char) -> bool {
    matches!(letter, '=' | ':' | '>') || letter.is_whitespace()
}

/// Where the secret value behind a separator begins and ends, if the words before it are the name of a secret.
///
/// The separator is between `at` and `from`. Behind a mere blank a plain word is not a value.
fn value_behind(text: &str, at: usize, from: usize, is_blank: bool) -> Option<(usize, usize)> {
    let is_quote = |letter: char| matches!(letter, '"' | '\'');
    let name = name_before(text, at);
    let is_pin = is_pin_without_plug(name) && !is_blank;
    let is_part = ends_with_part(name);
    if !is_pin && !is_part && (is_blank || !ends_with_word(name)) {
        return None;
    }
    if is_blank && text[from..].trim_start().starts_with(['=', ':', '>']) {
        // This is decided at that separator.
        return None;
    }
    let behind =
        text[from..].trim_start_matches(|letter| is_separator(letter) || is_quote(letter) || letter == '\\');
    let start = text.len() - behind.len();
    if is_pin {
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        return (digits >= SHORTEST_PIN).then_some((start, start + digits));
    }
    let quote = text[from..start].chars().next_back().filter(|letter| is_quote(*letter) && !is_blank);
    let end = match quote {
        Some(quote) => behind.find(quote),
        None => {
            behind.find(|letter: char| letter.is_whitespace() || is_quote(letter) || "<&".contains(letter))
        }
    };
    let value = &behind[..end.unwrap_or(behind.len())];
    let is_value = if is_blank {
        value.len() >= SHORTEST_WORD && value.bytes().any(|byte| byte.is_ascii_digit())
    } else {
        value.len() >= if is_part { 1 } else { SHORTEST_OF_SHORT_NAME }
    };
    is_value.then_some((start, start + value.len()))
}

/// The words before a place, back to any other punctuation than that of names.
fn name_before(text: &str, at: usize) -> &str {
    let before = &text[text.ceil_char_boundary(at.saturating_sub(NAME_LIMIT))..at];
    let before = before.trim_end_matches(|letter: char| letter.is_whitespace() || "\"'\\".contains(letter));
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_-. ".contains(letter);
    before.rsplit(|letter| !is_part(letter)).next().unwrap_or_default()
}

/// Whether the last words are `pin` or `pincode`, and not of a plug.
fn is_pin_without_plug(name: &str) -> bool {
    let words: Vec<String> = words(name).filter(|word| !word.is_empty()).collect();
    let (last, before) = match words.as_slice() {
        [.., before, last] => (last.as_str(), before.as_str()),
        [last] => (last.as_str(), ""),
        [] => return false,
    };
    matches!(last, "pin" | "pincode") && !PLUG.contains(&before)
}
