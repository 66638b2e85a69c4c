//! The reader of values: objects, arrays, numbers and literals.

use super::{Fault, Repair, SyntaxError};
use crate::protocol::Limits;
use crate::protocol::deviation::DeviationCode;
use crate::protocol::value::{Key, Value};

/// Reads values from one text.
pub struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    limits: Limits,
    tolerant: bool,
    repairs: Vec<Repair>,
}

/// The fault is boxed so that the values of good frames move in few bytes.
pub(super) type Read<T> = Result<T, Box<SyntaxError>>;

impl<'a> Reader<'a> {
    /// Start at the beginning of `text`. The caller has checked its length.
    #[must_use]
    pub fn new(text: &'a str, limits: Limits, tolerant: bool) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, limits, tolerant, repairs: Vec::new() }
    }

    /// The position of the reader in bytes.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Remove and return the repairs so far, in order.
    #[must_use]
    pub fn take_repairs(&mut self) -> Vec<Repair> {
        std::mem::take(&mut self.repairs)
    }

    /// Skip white space and return the next byte without reading it.
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
    /// The first fault. The reader is then near it.
    pub fn value(&mut self) -> Read<Value<'a>> {
        self.value_at(1)
    }

    /// Read the first items of an array, as far as possible. For texts that are broken further on.
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

    /// Read the value that begins with `first`, the next byte.
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

    /// After an item: read the comma before the next one, or stop before the closing bracket.
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

    /// Refuse a comma that separates nothing, or drop it.
    fn stray_comma(&mut self) -> Read<()> {
        self.repair_or(Fault::UnexpectedByte(b','), DeviationCode::StrayComma)?;
        self.at += 1;
        Ok(())
    }

    fn member_value(&mut self, depth: usize) -> Read<Value<'a>> {
        match self.peek() {
            Some(b',' | b'}') if self.tolerant => {
                self.repairs.push(Repair { kind: DeviationCode::MissingValue, offset: self.at });
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

    pub(super) fn repair_or(&mut self, fault: Fault, kind: DeviationCode) -> Read<()> {
        if !self.tolerant {
            return Err(self.fault(fault));
        }
        self.repairs.push(Repair { kind, offset: self.at });
        Ok(())
    }

    #[cold]
    #[allow(clippy::unnecessary_box_returns)] // Every caller returns it as the error of a `Read`.
    pub(super) fn fault(&self, fault: Fault) -> Box<SyntaxError> {
        Box::new(SyntaxError { fault, offset: self.at })
    }
}
