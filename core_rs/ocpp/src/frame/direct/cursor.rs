//! Reads the parts of a text for the direct reader. `None`: the part is not in its plainest form.

use std::ops::Range;

use crate::protocol::names::{Scanned, scan, words};
use crate::protocol::plain_run::plain_run;
use crate::protocol::schema::{FieldSchema, ObjectSchema};

/// The next part of an object.
pub(super) enum Next {
    /// A member of that field: the cursor is at its value, or in it if that is a string.
    Member(&'static FieldSchema),
    /// The end, which has been read.
    End,
}

/// A place in a text. Its methods are inlined, so that it stays in registers.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    /// The position in bytes.
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Go on by bytes that are known to be there.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.wrapping_add(count);
    }

    /// Skip white space and return the next byte without reading it.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        if byte > b' ' {
            return Some(byte);
        }
        self.at = behind_space(self.text, self.at);
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skip white space and read the next byte.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.skip(1);
        Some(byte)
    }

    #[inline(always)]
    pub(super) fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// Read the name of the next member. `opening` is the character before it: the brace or a comma.
    ///
    /// The expected field is tried first, then those behind it, because optional ones are often left out.
    #[inline(always)]
    pub(super) fn member(
        &mut self,
        object: &'static ObjectSchema,
        opening: u8,
        expected: usize,
    ) -> Option<Next> {
        const TRIED: usize = 3;
        if let Some(ahead) = self.ahead().first_chunk() {
            let mut words = words(ahead);
            words[0] ^= u64::from(opening ^ b',');
            for field in object.fields.get(expected..)?.iter().take(TRIED) {
                if field.token.begins(words) {
                    self.skip(field.token.length);
                    return Some(Next::Member(field));
                }
            }
            if ahead[0] == b'}' {
                self.skip(1);
                return Some(Next::End);
            }
        }
        let next;
        (next, self.at) = searched_member(*self, object, opening)?;
        Some(next)
    }

    /// Read the rest of a string, up to its quote, as a name.
    #[inline(always)]
    pub(super) fn scanned(&mut self) -> Option<Scanned<'a>> {
        let scanned = scan(self.ahead())?;
        self.skip(scanned.run.len().wrapping_add(1));
        Some(scanned)
    }

    /// Read the rest of a string of at most `limit` bytes and return its place. A longer one may still have few
    /// enough characters; the full path counts them.
    #[inline(always)]
    pub(super) fn string(&mut self, limit: Option<usize>) -> Option<Range<usize>> {
        let start = self.at;
        let end = plain_run(self.text.as_bytes(), start);
        if self.text.as_bytes().get(end) != Some(&b'"')
            || limit.is_some_and(|limit| end.wrapping_sub(start) > limit)
        {
            return None;
        }
        self.at = end.wrapping_add(1);
        Some(start..end)
    }

    /// Read a whole string.
    #[inline(always)]
    pub(super) fn quoted(&mut self, limit: Option<usize>) -> Option<&'a str> {
        self.take(b'"')?;
        let text = self.string(limit)?;
        self.text.get(text)
    }

    /// Read an integer of at most 18 digits. The caller judges what follows the number.
    #[inline(always)]
    pub(super) fn integer(&mut self) -> Option<i64> {
        const MOST_DIGITS: usize = 18;
        let is_negative = self.peek()? == b'-';
        self.skip(usize::from(is_negative));
        let start = self.at;
        let mut number = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            // A number that wraps around has too many digits and is not used.
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit & 0x0f));
            self.skip(1);
        }
        let digits = self.at.wrapping_sub(start);
        let has_leading_zero = digits > 1 && self.text.as_bytes().get(start) == Some(&b'0');
        let is_good = (1..=MOST_DIGITS).contains(&digits) && !has_leading_zero;
        is_good.then_some(if is_negative { number.wrapping_neg() } else { number })
    }

    /// Read a number without exponent and return its text.
    #[inline(always)]
    pub(super) fn decimal(&mut self) -> Option<&'a str> {
        self.peek()?;
        let start = self.at;
        self.integer()?;
        if self.ahead().first() == Some(&b'.') {
            self.skip(1);
            let digits = self.ahead().iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            self.skip(digits);
        }
        self.text.get(start..self.at)
    }

    #[inline(always)]
    pub(super) fn boolean(&mut self) -> Option<bool> {
        self.peek()?;
        let ahead = self.ahead();
        let flag = ahead.starts_with(b"true");
        if !flag && !ahead.starts_with(b"false") {
            return None;
        }
        self.skip(if flag { "true".len() } else { "false".len() });
        Some(flag)
    }

    /// The rest of the text, which was not read yet.
    #[inline(always)]
    fn ahead(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// Do as `Cursor::member`, for members in any form and order.
#[cold]
#[inline(never)]
fn searched_member(
    mut cursor: Cursor<'_>,
    object: &'static ObjectSchema,
    opening: u8,
) -> Option<(Next, usize)> {
    let byte = cursor.next()?;
    let is_first = opening == b'{';
    if (byte == b'}' && !is_first) || (is_first && cursor.peek()? == b'}') {
        cursor.skip(usize::from(is_first));
        return Some((Next::End, cursor.at));
    }
    if byte != opening {
        return None;
    }
    cursor.take(b'"')?;
    let scanned = cursor.scanned()?;
    let field = object.fields.get(object.names.find(scanned)?)?;
    cursor.take(b':')?;
    if field.is_string() {
        cursor.take(b'"')?;
    }
    Some((Next::Member(field), cursor.at))
}

#[cold]
#[inline(never)]
fn behind_space(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes().get(from..).unwrap_or_default();
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count();
    from.wrapping_add(blanks)
}
