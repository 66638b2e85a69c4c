//! Hides secrets that have no name: in URLs however they are written, and in the header `Authorization`.

use std::borrow::Cow;

use super::redact::{HIDDEN, SHORTEST_KEY};
use super::secrets::is_secret_parameter;

/// Hide the secrets that have no name in the words of a text: those of URLs and of the header `Authorization`.
pub(super) fn without_unnamed(text: &str) -> Cow<'_, str> {
    const SHORTEST_CREDENTIAL: usize = 8;
    let shown = without_urls(text);
    match without_header(&shown, SHORTEST_CREDENTIAL) {
        Cow::Owned(cleaned) => Cow::Owned(cleaned),
        Cow::Borrowed(_) => shown,
    }
}

/// Hide the secrets of the URLs in a text.
pub(super) fn without_urls(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for hide in [without_password, without_parameters, without_token] {
        if let Cow::Owned(cleaned) = hide(&shown) {
            shown = Cow::Owned(cleaned);
        }
    }
    shown
}

/// Return the place at which the authority of the next URL begins, behind its slashes. `None` means that no URL follows.
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

/// What ends a URL in a text.
const ENDS: [char; 4] = [' ', '"', '<', '\n'];

/// The next byte of a kind, asked for from places that only grow. All questions together read the text once.
struct Next<'t> {
    text: &'t [u8],
    is_wanted: fn(u8) -> bool,
    found: Option<usize>,
}

impl<'t> Next<'t> {
    fn new(text: &'t str, is_wanted: fn(u8) -> bool) -> Self {
        Self { text: text.as_bytes(), is_wanted, found: None }
    }

    /// The place of the next one at `place` or behind it; without one, the end of the text.
    fn from(&mut self, place: usize) -> usize {
        if let Some(found) = self.found.filter(|found| *found >= place) {
            return found;
        }
        let at = self.text[place..].iter().position(|byte| (self.is_wanted)(*byte));
        let found = at.map_or(self.text.len(), |at| place + at);
        self.found = Some(found);
        found
    }
}

/// Tells of each authority of a word, in their order, whether it is only a host and a port.
struct Hosts<'t> {
    end: Next<'t>,
    at_sign: Next<'t>,
    colon: Next<'t>,
    no_digit: Next<'t>,
}

impl<'t> Hosts<'t> {
    fn of(word: &'t str) -> Self {
        Self {
            end: Next::new(word, |byte| matches!(byte, b'/' | b'?' | b'#')),
            at_sign: Next::new(word, |byte| byte == b'@'),
            colon: Next::new(word, |byte| byte == b':'),
            no_digit: Next::new(word, |byte| !byte.is_ascii_digit()),
        }
    }

    /// Whether the authority that begins at `place` is a host, with a port or without.
    fn is_host_and_port(&mut self, place: usize) -> bool {
        let end = self.end.from(place);
        if self.at_sign.from(place) < end {
            return false;
        }
        let colon = self.colon.from(place);
        colon >= end || self.no_digit.from(colon + 1) >= end
    }
}

/// Hide the passwords in the URLs of a text: `ftp://user:password@host`, and `https://token@host`.
fn without_password(text: &str) -> Cow<'_, str> {
    let mut cleaned = String::new();
    for word in text.split_inclusive(ENDS) {
        // A password may hold a slash or an @ that was not encoded: the last @ of the word counts.
        let Some(last) = word.rfind('@') else {
            cleaned.push_str(word);
            continue;
        };
        let mut hosts = Hosts::of(word);
        let mut place = 0;
        while let Some(at) = authority(&word[place..last]) {
            let behind = place + at;
            cleaned.push_str(&word[place..behind]);
            place = behind;
            let user_info = &word[behind..last];
            if hosts.is_host_and_port(behind) {
                continue;
            }
            let end = end_of_user(user_info);
            if end.is_none() && user_info.len() <= SHORTEST_KEY {
                continue;
            }
            cleaned.push_str(&user_info[..end.unwrap_or_default()]);
            cleaned.push_str(HIDDEN);
            place = last;
            break;
        }
        cleaned.push_str(&word[place..]);
    }
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
    with_values(text, |value| {
        // Not deeper: URLs in URLs in URLs have no end.
        let inner = decoded(value);
        inner != value
            && (matches!(without_password(&inner), Cow::Owned(_))
                || matches!(with_values(&inner, |_| false), Cow::Owned(_)))
    })
}

/// Hide the values of secret parameters, and those that `is_secret` says to be secret.
fn with_values(text: &str, is_secret: impl Fn(&str) -> bool) -> Cow<'_, str> {
    const MARKS: [char; 4] = ['?', '&', ';', '#'];
    let mut cleaned = String::new();
    let mut rest = text;
    while let Some(at) = authority(rest) {
        let (before, behind) = rest.split_at(at);
        let end = behind.find(ENDS).unwrap_or(behind.len());
        cleaned.push_str(before);
        for (place, part) in behind[..end].split_inclusive(MARKS).enumerate() {
            let parameter = part.trim_end_matches(MARKS);
            match parameter.split_once('=') {
                Some((name, value))
                    if place > 0
                        && !value.is_empty()
                        && value != HIDDEN
                        && (is_secret_parameter(&decoded(name)) || is_secret(value)) =>
                {
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

/// Hide what follows `Basic` or `Bearer` in a text and looks like a credential: `Authorization: Basic ...`. In bytes,
/// it has `shortest` at least.
pub(super) fn without_header(text: &str, shortest: usize) -> Cow<'_, str> {
    const SCHEMES: [&str; 2] = ["basic ", "bearer "];
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=._~-".contains(byte);
    // A plain word such as `charging` does not look like one.
    let is_odd = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || *byte == b'=';
    let folded = text.to_ascii_lowercase();
    let mut cleaned = String::new();
    let mut behind = 0;
    let mut starts: Vec<usize> = SCHEMES
        .iter()
        .flat_map(|scheme| folded.match_indices(scheme).map(|(at, _)| at + scheme.len()))
        .collect();
    starts.sort_unstable();
    for start in starts {
        if start < behind {
            continue;
        }
        let length = text.as_bytes()[start..].iter().take_while(|byte| is_part(byte)).count();
        cleaned.push_str(&text[behind..start]);
        behind = start + length;
        let credential = &text[start..behind];
        if length >= shortest && credential.bytes().skip(1).any(|byte| is_odd(&byte)) {
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
