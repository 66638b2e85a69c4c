//! Texts of OCPP in few bytes: stored frames and samples, which come back exactly.
//!
//! Frames repeat the names of the standard, and differ in ids, times and numbers. So a packed text is a sequence
//! of codes: a phrase of a fixed list, a number or a time with two characters in a byte, an id, or any other bytes
//! as they are. A `MeterValues` with its answer takes a tenth of its text; by zstd with a dictionary it takes a sixth,
//! because a short text leaves a general method too little to learn from. No text grows by more than one byte in
//! sixteen, and two.
//!
//! The codes, and the list, are stored: they must never change.

mod characters;
mod phrases;

use self::characters::{HEX_LOWER, HEX_UPPER, NUMBER, is_uuid};
use self::phrases::{ONE_BYTE, PHRASES};

/// From here on two bytes: this code and the next byte count from the end of the phrases of one byte.
const TWO_BYTES: u8 = 200;
/// 1 to 16 bytes as they are.
const LITERAL: u8 = 208;
/// More of them: their number follows.
const LONG_LITERAL: u8 = 224;
/// 16 bytes: a UUID in small letters.
const UUID: u8 = 225;
/// The last UUID of the same value once more.
const SAME_UUID: u8 = 226;
/// A number of hexadecimal digits follows, and then the digits, two in a byte.
const SMALL_DIGITS: u8 = 227;
const LARGE_DIGITS: u8 = 228;
/// The end of one of several texts.
const END: u8 = 229;
/// 1 to 24 characters of numbers and times, two in a byte.
const NUMBERS: u8 = 230;

const LITERAL_LIMIT: usize = (LONG_LITERAL - LITERAL) as usize;
const NUMBER_LIMIT: usize = 24;
const DIGITS_LIMIT: usize = 255;
/// Shorter hexadecimal texts are words more often than ids.
const FEWEST_DIGITS: usize = 6;
const UUID_LENGTH: usize = 36;
/// A longer text is kept as it is, so that its frame does not keep a worker busy. `PostgreSQL` compresses it.
const LONGEST: usize = 16_384;

/// Packed bytes that are not of this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Packs several texts one behind the other. They share their ids.
#[derive(Debug)]
pub struct Packer {
    packed: Vec<u8>,
    last_uuid: Option<[u8; UUID_LENGTH]>,
}

impl Packer {
    /// Begin behind bytes that the caller has written, and gets back with the texts.
    #[must_use]
    pub fn behind(head: Vec<u8>) -> Self {
        Self { packed: head, last_uuid: None }
    }

    /// Add a text.
    pub fn text(&mut self, text: &str) {
        let text = text.as_bytes();
        let mut place = 0;
        let mut literal = if text.len() > LONGEST { text.len() } else { 0 };
        // `literal` bytes in front of `place` are not written yet.
        place += literal;
        while place < text.len() {
            let rest = &text[place..];
            let before = place - literal;
            if let Some(length) = self.coded(rest, &text[before..place]) {
                place += length;
                literal = 0;
            } else {
                place += 1;
                literal += 1;
            }
        }
        self.literal(&text[place - literal..]);
    }

    /// Add the end of a text, behind which another one or a number follows.
    pub fn end(&mut self) {
        self.packed.push(END);
    }

    /// Add a number, seven bits in a byte.
    pub fn number(&mut self, number: u64) {
        write_number(&mut self.packed, number);
    }

    /// What was packed.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.packed
    }

    /// Write the literal before `rest` and the code of what `rest` begins with, and return the length of that. `None`:
    /// `rest` begins with nothing that is known, and nothing was written.
    fn coded(&mut self, rest: &[u8], literal: &[u8]) -> Option<usize> {
        let first = rest[0];
        let is_digit = first.is_ascii_digit();
        if first.is_ascii_hexdigit() && is_uuid(rest) {
            self.literal(literal);
            self.uuid(rest.first_chunk()?);
            return Some(UUID_LENGTH);
        }
        if !is_digit && let Some((code, length)) = PHRASES.longest(rest) {
            self.literal(literal);
            self.phrase(code);
            return Some(length);
        }
        if !first.is_ascii_hexdigit() {
            return None;
        }
        let number = if is_digit { NUMBER.run(rest, NUMBER_LIMIT) } else { 0 };
        // Only a letter behind the number, or in its place, makes a longer text of hexadecimal digits.
        let goes_on = rest.get(number).is_some_and(u8::is_ascii_hexdigit);
        for (alphabet, code) in [(&HEX_UPPER, LARGE_DIGITS), (&HEX_LOWER, SMALL_DIGITS)] {
            if !goes_on {
                break;
            }
            let length = alphabet.run(rest, DIGITS_LIMIT);
            if length > number && length >= FEWEST_DIGITS {
                self.literal(literal);
                self.packed.extend_from_slice(&[code, u8::try_from(length).unwrap_or(u8::MAX)]);
                alphabet.pack(&rest[..length], &mut self.packed);
                return Some(length);
            }
        }
        // A code behind a literal has to save the byte that the next literal takes for its length.
        if number < if literal.is_empty() { 2 } else { 4 } {
            return None;
        }
        self.literal(literal);
        self.packed.push(NUMBERS - 1 + u8::try_from(number).unwrap_or(u8::MAX));
        NUMBER.pack(&rest[..number], &mut self.packed);
        Some(number)
    }

    fn phrase(&mut self, code: usize) {
        if code < ONE_BYTE {
            self.packed.push(code.to_le_bytes()[0]);
        } else {
            let [low, high, ..] = (code - ONE_BYTE).to_le_bytes();
            self.packed.extend_from_slice(&[TWO_BYTES + high, low]);
        }
    }

    fn uuid(&mut self, text: &[u8; UUID_LENGTH]) {
        if self.last_uuid.as_ref() == Some(text) {
            return self.packed.push(SAME_UUID);
        }
        self.last_uuid = Some(*text);
        self.packed.push(UUID);
        for part in text.split(|byte| *byte == b'-') {
            HEX_LOWER.pack(part, &mut self.packed);
        }
    }

    fn literal(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if bytes.len() <= LITERAL_LIMIT {
            self.packed.push(LITERAL - 1 + u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        } else {
            self.packed.push(LONG_LITERAL);
            write_number(&mut self.packed, bytes.len() as u64);
        }
        self.packed.extend_from_slice(bytes);
    }
}

/// Reads what a `Packer` has packed.
#[derive(Debug)]
pub struct Unpacker<'a> {
    rest: &'a [u8],
    last_uuid: Option<[u8; UUID_LENGTH]>,
}

impl<'a> Unpacker<'a> {
    /// Begin with the first text or number.
    #[must_use]
    pub fn of(packed: &'a [u8]) -> Self {
        Self { rest: packed, last_uuid: None }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Read a text up to its end.
    ///
    /// # Errors
    /// The bytes are not those of a packed text.
    pub fn text(&mut self) -> Result<String, Damaged> {
        let mut text = Vec::new();
        loop {
            match self.take(1)?[0] {
                code @ ..TWO_BYTES => text.extend_from_slice(phrase(code.into())?),
                code @ TWO_BYTES..LITERAL => {
                    let place = usize::from(code - TWO_BYTES) << 8 | usize::from(self.take(1)?[0]);
                    text.extend_from_slice(phrase(ONE_BYTE + place)?);
                }
                code @ LITERAL..LONG_LITERAL => {
                    text.extend_from_slice(self.take(usize::from(code - LITERAL) + 1)?);
                }
                LONG_LITERAL => {
                    let length = usize::try_from(self.number()?).map_err(|_| Damaged)?;
                    text.extend_from_slice(self.take(length)?);
                }
                UUID => text.extend_from_slice(&self.uuid()?),
                SAME_UUID => text.extend_from_slice(&self.last_uuid.ok_or(Damaged)?),
                code @ (SMALL_DIGITS | LARGE_DIGITS) => {
                    let alphabet = if code == SMALL_DIGITS { &HEX_LOWER } else { &HEX_UPPER };
                    let length = usize::from(self.take(1)?[0]);
                    alphabet.unpack(self.take(length.div_ceil(2))?, length, &mut text);
                }
                END => break,
                code @ NUMBERS.. => {
                    let length = usize::from(code - NUMBERS) + 1;
                    if length > NUMBER_LIMIT {
                        return Err(Damaged);
                    }
                    NUMBER.unpack(self.take(length.div_ceil(2))?, length, &mut text);
                }
            }
        }
        String::from_utf8(text).map_err(|_| Damaged)
    }

    /// Read a number.
    ///
    /// # Errors
    /// The bytes end, or the number does not.
    pub fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    fn uuid(&mut self) -> Result<[u8; UUID_LENGTH], Damaged> {
        let packed = self.take(16)?;
        let mut text = Vec::with_capacity(UUID_LENGTH);
        for (place, byte) in packed.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                text.push(b'-');
            }
            HEX_LOWER.unpack(&[*byte], 2, &mut text);
        }
        let text = text.try_into().map_err(|_| Damaged)?;
        self.last_uuid = Some(text);
        Ok(text)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(Damaged)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn phrase(code: usize) -> Result<&'static [u8], Damaged> {
    PHRASES.get(code).ok_or(Damaged)
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests;
