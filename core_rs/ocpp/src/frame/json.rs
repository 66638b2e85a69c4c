//! Reads JSON text (RFC 8259) into a `Value` that borrows from it, under limits.
//!
//! Unlike a general parser it knows limits for depth, array length and members, and can be told to mend what chargers are known to send: missing values (`"a":,`),
//! stray commas, raw control characters and lone surrogates.

use std::borrow::Cow;

use crate::protocol::value::{Key, Value};

/// How much of a frame is read before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub bytes: usize,
    /// Arrays and objects inside one another; the frame's own array counts as one.
    pub depth: usize,
    /// Items of one array.
    pub items: usize,
    /// Members of one object.
    pub members: usize,
}

impl Default for Limits {
    /// 256 KiB holds the transaction data of a long session; the other limits lie far above any
    /// message of the standard and far below what could stall a worker.
    fn default() -> Self {
        Self { bytes: 262_144, depth: 16, items: 4_096, members: 64 }
    }
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The text ends too early.
    UnexpectedEnd,
    /// A byte that has no place here.
    UnexpectedByte(u8),
    /// Not a number by RFC 8259.
    BadNumber,
    /// Not an escape sequence by RFC 8259.
    BadEscape,
    /// A control character inside a string.
    ControlCharacter,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// A limit was passed.
    TooDeep,
    /// More items in an array than `Limits::items`.
    TooManyItems,
    /// More members in an object than `Limits::members`.
    TooManyMembers,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnexpectedEnd => write!(formatter, "the text ends too early"),
            Self::UnexpectedByte(byte) => write!(formatter, "unexpected byte 0x{byte:02x}"),
            Self::BadNumber => write!(formatter, "not a JSON number"),
            Self::BadEscape => write!(formatter, "not a JSON escape sequence"),
            Self::ControlCharacter => write!(formatter, "control character in a string"),
            Self::LoneSurrogate => write!(formatter, "half of a surrogate pair"),
            Self::TooDeep => write!(formatter, "nested too deeply"),
            Self::TooManyItems => write!(formatter, "too many items in an array"),
            Self::TooManyMembers => write!(formatter, "too many members in an object"),
        }
    }
}

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub fault: Fault,
    /// Byte offset in the text.
    pub offset: usize,
}

/// One place that was mended: what was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    /// Stable name: `missing_value`, `stray_comma`, `control_character`, `lone_surrogate`.
    pub kind: &'static str,
    /// Byte offset in the text.
    pub offset: usize,
}

/// Reads values from one text.
pub struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    limits: Limits,
    tolerant: bool,
    mends: Vec<Mend>,
}

/// The fault is boxed so that the values of good frames move in few bytes.
type Read<T> = Result<T, Box<SyntaxError>>;

impl<'a> Reader<'a> {
    /// A reader at the start of `text`; the caller has checked its length.
    #[must_use]
    pub fn new(text: &'a str, limits: Limits, tolerant: bool) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, limits, tolerant, mends: Vec::new() }
    }

    /// Where the reader is, in bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// What has been mended so far, in order.
    #[must_use]
    pub fn take_mends(&mut self) -> Vec<Mend> {
        std::mem::take(&mut self.mends)
    }

    /// The next byte that is not white space.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            // One comparison decides for nearly every byte.
            if *byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Read one value.
    ///
    /// # Errors
    /// The first fault; the reader then stands somewhere near it.
    pub fn value(&mut self) -> Read<Value<'a>> {
        self.value_at(1)
    }

    /// The first items of an array, as far as they can be read: for texts that are broken further on.
    pub fn leading_items(&mut self, count: usize) -> Vec<Value<'a>> {
        let mut items = Vec::new();
        if self.expect(b'[').is_err() {
            return items;
        }
        while items.len() < count {
            let Ok(item) = self.value_at(2) else { break };
            items.push(item);
            if self.expect(b',').is_err() {
                break;
            }
        }
        items
    }

    fn value_at(&mut self, depth: usize) -> Read<Value<'a>> {
        match self.peek() {
            None => Err(self.fault(Fault::UnexpectedEnd)),
            Some(first) => self.value_from(first, depth),
        }
    }

    /// The value whose first byte is next.
    #[inline]
    fn value_from(&mut self, first: u8, depth: usize) -> Read<Value<'a>> {
        match first {
            b'"' => Ok(Value::String(self.string()?)),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'-' | b'0'..=b'9' => Ok(Value::Number(self.number()?)),
            b't' => self.literal("true", Value::Boolean(true)),
            b'f' => self.literal("false", Value::Boolean(false)),
            b'n' => self.literal("null", Value::Null),
            byte => Err(self.fault(Fault::UnexpectedByte(byte))),
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value<'a>> {
        self.open(depth)?;
        let mut members: Vec<(Key<'a>, Value<'a>)> = Vec::with_capacity(8);
        loop {
            match self.peek() {
                Some(b'}') => break,
                Some(b',') => {
                    self.stray_comma()?;
                    continue;
                }
                Some(b'"') => {}
                Some(byte) => return Err(self.fault(Fault::UnexpectedByte(byte))),
                None => return Err(self.fault(Fault::UnexpectedEnd)),
            }
            let name = self.string()?;
            if members.len() == self.limits.members {
                return Err(self.fault(Fault::TooManyMembers));
            }
            self.expect(b':')?;
            let value = self.member_value(depth)?;
            members.push((Key::Text(name), value));
            self.end_of_item(b'}')?;
        }
        self.at += 1;
        Ok(Value::Object(members))
    }

    fn array(&mut self, depth: usize) -> Read<Value<'a>> {
        self.open(depth)?;
        let mut items = Vec::with_capacity(4);
        loop {
            match self.peek() {
                Some(b']') => break,
                Some(b',') => {
                    self.stray_comma()?;
                    continue;
                }
                _ => {}
            }
            if items.len() == self.limits.items {
                return Err(self.fault(Fault::TooManyItems));
            }
            items.push(self.value_at(depth + 1)?);
            self.end_of_item(b']')?;
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    fn open(&mut self, depth: usize) -> Read<()> {
        if depth > self.limits.depth {
            return Err(self.fault(Fault::TooDeep));
        }
        self.at += 1;
        Ok(())
    }

    /// After an item: take the comma before the next one, or stand before the closing bracket.
    #[inline(always)]
    fn end_of_item(&mut self, close: u8) -> Read<()> {
        match self.peek() {
            Some(b',') => {
                let comma = self.at;
                self.at += 1;
                if self.peek() == Some(close) {
                    self.at = comma;
                    return self.stray_comma();
                }
                Ok(())
            }
            Some(byte) if byte == close => Ok(()),
            Some(byte) => Err(self.fault(Fault::UnexpectedByte(byte))),
            None => Err(self.fault(Fault::UnexpectedEnd)),
        }
    }

    /// A comma that separates nothing is refused, or mended away.
    fn stray_comma(&mut self) -> Read<()> {
        self.mend_or(Fault::UnexpectedByte(b','), "stray_comma")?;
        self.at += 1;
        Ok(())
    }

    fn member_value(&mut self, depth: usize) -> Read<Value<'a>> {
        match self.peek() {
            Some(b',' | b'}') if self.tolerant => {
                self.mends.push(Mend { kind: "missing_value", offset: self.at });
                Ok(Value::Null)
            }
            Some(first) => self.value_from(first, depth + 1),
            None => Err(self.fault(Fault::UnexpectedEnd)),
        }
    }

    fn expect(&mut self, wanted: u8) -> Read<()> {
        match self.peek() {
            Some(byte) if byte == wanted => {
                self.at += 1;
                Ok(())
            }
            Some(byte) => Err(self.fault(Fault::UnexpectedByte(byte))),
            None => Err(self.fault(Fault::UnexpectedEnd)),
        }
    }

    fn literal(&mut self, word: &str, value: Value<'a>) -> Read<Value<'a>> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.fault(Fault::UnexpectedByte(self.bytes[self.at])))
    }

    fn number(&mut self) -> Read<&'a str> {
        let start = self.at;
        self.take(b'-');
        let integer_digits = self.digits();
        let leading_zero = integer_digits > 1 && self.bytes[self.at - integer_digits] == b'0';
        let mut good = integer_digits > 0 && !leading_zero;
        if self.take(b'.') {
            good &= self.digits() > 0;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            good &= self.digits() > 0;
        }
        if good {
            return Ok(&self.text[start..self.at]);
        }
        self.at = start;
        Err(self.fault(Fault::BadNumber))
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&wanted);
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    #[inline(always)]
    fn string(&mut self) -> Read<Cow<'a, str>> {
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
                    self.mend_or(Fault::ControlCharacter, "control_character")?;
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
        self.mend_or(Fault::LoneSurrogate, "lone_surrogate")?;
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

    fn mend_or(&mut self, fault: Fault, kind: &'static str) -> Read<()> {
        if !self.tolerant {
            return Err(self.fault(fault));
        }
        self.mends.push(Mend { kind, offset: self.at });
        Ok(())
    }

    #[cold]
    #[allow(clippy::unnecessary_box_returns)] // Every caller returns it as the error of a `Read`.
    fn fault(&self, fault: Fault) -> Box<SyntaxError> {
        Box::new(SyntaxError { fault, offset: self.at })
    }
}

/// Where the run of characters that need no care ends. Strings are most of a frame, so eight bytes a step.
#[inline(always)]
pub(crate) fn plain_run(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    at + length.unwrap_or(rest.len())
}

/// The lowest set bit marks the first of eight bytes that is a quote, a backslash or a control character;
/// none is set when no byte is. Borrows only reach bytes above the first hit.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & TOPS;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\')
}
