//! The reader of strings and their escapes.

use std::borrow::Cow;

use super::Fault;
use super::reader::{Read, Reader};
use crate::protocol::deviation::DeviationCode;
use crate::protocol::plain_run::plain_run;

impl<'a> Reader<'a> {
    #[inline(always)]
    pub(super) fn string(&mut self) -> Read<Cow<'a, str>> {
        let start = self.at + 1;
        let end = plain_run(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        self.at = start;
        self.escaped_string().map(Cow::Owned)
    }

    fn escaped_string(&mut self) -> Read<String> {
        let mut text = String::new();
        loop {
            let end = plain_run(self.bytes, self.at);
            text.push_str(&self.text[self.at..end]);
            self.at = end;
            match self.bytes.get(end) {
                None => return Err(self.fault(Fault::UnexpectedEnd)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    text.push(character);
                }
                Some(control) => {
                    self.repair_or(Fault::ControlCharacter, DeviationCode::ControlCharacter)?;
                    text.push(char::from(*control));
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        let Some(kind) = self.bytes.get(start + 1) else {
            return Err(self.fault(Fault::UnexpectedEnd));
        };
        self.at += 2;
        match kind {
            b'"' => Ok('"'),
            b'\\' => Ok('\\'),
            b'/' => Ok('/'),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.unicode_escape(start),
            _ => {
                self.at = start;
                Err(self.fault(Fault::BadEscape))
            }
        }
    }

    fn unicode_escape(&mut self, start: usize) -> Read<char> {
        let high = self.four_hex_digits()?;
        if let Some(character) = char::from_u32(high) {
            return Ok(character);
        }
        let pair_follows = high < 0xdc00 && self.bytes[self.at..].starts_with(b"\\u");
        if pair_follows {
            let back = self.at;
            self.at += 2;
            let low = self.four_hex_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        let after = std::mem::replace(&mut self.at, start);
        self.repair_or(Fault::LoneSurrogate, DeviationCode::LoneSurrogate)?;
        self.at = after;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_hex_digits(&mut self) -> Read<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let code = std::str::from_utf8(digits)
            .ok()
            .filter(|text| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| u32::from_str_radix(text, 16).ok());
        let Some(code) = code else { return Err(self.fault(Fault::BadEscape)) };
        self.at += 4;
        Ok(code)
    }
}
