//! Judges and repairs single values: strings, enumerations, numbers, booleans, times.

use std::borrow::Cow;

use crate::protocol::deviation::DeviationCode;
use crate::protocol::error_table::ErrorCode;
use crate::protocol::schema::EnumerationSchema;
use crate::protocol::validate::{Mode, Walk};
use crate::protocol::value::Value;
use crate::protocol::violation::{Path, RAW_LIMIT};

/// A string of at most `limit` characters.
pub(crate) fn string(walk: &mut Walk<'_>, limit: Option<usize>, value: &mut Value<'_>, path: &Path<'_>) {
    make_string(walk, value, path);
    let Value::String(text) = value else {
        return walk.wrong_type(path, "a string");
    };
    let Some(limit) = limit else { return };
    if text.len() > limit && text.chars().count() > limit {
        match walk.mode {
            Mode::Strict => {
                property(walk, path, "too_long", format!("expected at most {limit} characters"));
            }
            Mode::Tolerant | Mode::Lenient => {
                walk.deviation(DeviationCode::TooLong, path, value.to_json(RAW_LIMIT));
            }
        }
    }
}

/// One value of a set. Tolerant mode keeps unknown ones.
pub(crate) fn enumeration(
    walk: &mut Walk<'_>,
    schema: &EnumerationSchema,
    value: &mut Value<'_>,
    path: &Path<'_>,
) {
    make_string(walk, value, path);
    let Value::String(text) = value else {
        return walk.wrong_type(path, "a string");
    };
    if let Some(symbol) = schema.find(text) {
        *value = Value::Symbol(symbol);
        return;
    }
    if walk.mode == Mode::Strict {
        return property(walk, path, "not_in_enumeration", format!("not {}", schema.requirement()));
    }
    let found = schema.find_loosely(text);
    let kind = if found.is_some() { DeviationCode::EnumerationSpelling } else { DeviationCode::UnknownValue };
    walk.deviation(kind, path, value.to_json(RAW_LIMIT));
    if let Some(symbol) = found {
        *value = Value::Symbol(symbol);
    }
}

/// An RFC 3339 date and time. Tolerant mode keeps any other text; the caller knows when it arrived.
pub(crate) fn date_time(walk: &mut Walk<'_>, value: &mut Value<'_>, path: &Path<'_>) {
    make_string(walk, value, path);
    let Value::String(text) = value else {
        return walk.wrong_type(path, "a string with a date and time");
    };
    if is_date_time(text.as_bytes()) {
        return;
    }
    match walk.mode {
        Mode::Strict => property(walk, path, "bad_date_time", "not a date and time by RFC 3339".to_owned()),
        Mode::Tolerant | Mode::Lenient => {
            walk.deviation(DeviationCode::BadDateTime, path, value.to_json(RAW_LIMIT));
        }
    }
}

/// An integer that fits 64 bits.
pub(crate) fn integer(
    walk: &mut Walk<'_>,
    (min, max): (Option<i64>, Option<i64>),
    value: &mut Value<'_>,
    path: &Path<'_>,
) {
    let number = match value {
        Value::Number(text) => match parse_integer(text) {
            Some(number) => number,
            None => match repair_integer(walk, text, path) {
                Some(number) => number,
                None => return refuse_integer(walk, text, path),
            },
        },
        Value::String(text) if walk.mode != Mode::Strict => match repair_integer(walk, text.trim(), path) {
            Some(number) => number,
            None => return walk.wrong_type(path, "an integer"),
        },
        _ => return walk.wrong_type(path, "an integer"),
    };
    if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
        match walk.mode {
            Mode::Strict => property(walk, path, "out_of_range", "outside the allowed range".to_owned()),
            Mode::Tolerant | Mode::Lenient => {
                walk.deviation(DeviationCode::OutOfRange, path, number.to_string());
            }
        }
    }
    *value = Value::Integer(number);
}

/// A finite number.
pub(crate) fn decimal(
    walk: &mut Walk<'_>,
    tenths: bool,
    range: (Option<f64>, Option<f64>),
    value: &mut Value<'_>,
    path: &Path<'_>,
) {
    if let (Value::String(Cow::Borrowed(text)), false) = (&*value, walk.mode == Mode::Strict) {
        let text: &str = text;
        if text.parse::<f64>().is_ok_and(f64::is_finite) {
            walk.deviation(DeviationCode::NumberAsString, path, value.to_json(RAW_LIMIT));
            *value = Value::Number(text);
        }
    }
    let Value::Number(text) = value else {
        return walk.wrong_type(path, "a number");
    };
    let Some(number) = finite(text) else {
        return property(walk, path, "out_of_range", "the number is too large".to_owned());
    };
    let Some((code, detail)) = decimal_fault(text, number, tenths, range) else { return };
    match walk.mode {
        Mode::Strict => property(walk, path, code.as_str(), detail.to_owned()),
        Mode::Tolerant | Mode::Lenient => walk.deviation(code, path, (*text).to_owned()),
    }
}

/// The number of a JSON text, unless it is too large for a double.
pub(crate) fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// What is wrong with a number, as code and detail.
pub(crate) fn decimal_fault(
    text: &str,
    number: f64,
    tenths: bool,
    (min, max): (Option<f64>, Option<f64>),
) -> Option<(DeviationCode, &'static str)> {
    if min.is_some_and(|min| number < min) {
        Some((DeviationCode::OutOfRange, "below the least allowed value"))
    } else if max.is_some_and(|max| number > max) {
        Some((DeviationCode::OutOfRange, "above the greatest allowed value"))
    } else if tenths && !is_multiple_of_tenth(text) {
        Some((DeviationCode::TooPrecise, "at most one digit may follow the decimal point"))
    } else {
        None
    }
}

/// `true` or `false`, in tolerant mode also as text or 0 and 1.
pub(crate) fn boolean(walk: &mut Walk<'_>, value: &mut Value<'_>, path: &Path<'_>) {
    if matches!(value, Value::Boolean(_)) {
        return;
    }
    let meant = match value {
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Number("1") => Some(true),
        Value::Number("0") => Some(false),
        _ => None,
    };
    match meant {
        Some(meant) if walk.mode != Mode::Strict => {
            walk.deviation(DeviationCode::NotABoolean, path, value.to_json(RAW_LIMIT));
            *value = Value::Boolean(meant);
        }
        _ => walk.wrong_type(path, "a boolean"),
    }
}

/// In tolerant mode, replace a value of another type by its JSON text. The raw text of a number loses nothing.
#[inline(always)]
fn make_string(walk: &mut Walk<'_>, value: &mut Value<'_>, path: &Path<'_>) {
    if walk.mode == Mode::Strict || matches!(value, Value::String(_) | Value::Null) {
        return;
    }
    walk.deviation(DeviationCode::NotAString, path, value.to_json(RAW_LIMIT));
    *value = match &*value {
        Value::Number(text) => Value::String(Cow::Borrowed(text)),
        other => Value::String(Cow::Owned(other.to_json(usize::MAX))),
    };
}

fn property(walk: &mut Walk<'_>, path: &Path<'_>, reason: &'static str, detail: String) {
    walk.violation(ErrorCode::PropertyConstraintViolation, path, reason, detail);
}

fn parse_integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Return, in tolerant mode, the integer that is meant by `12.0`, `"12"` or, rounded, `12.4`. An identity is not rounded:
/// that would be the one of something else.
fn repair_integer(walk: &mut Walk<'_>, text: &str, path: &Path<'_>) -> Option<i64> {
    if walk.mode == Mode::Strict {
        return None;
    }
    let number = match parse_integer(text) {
        Some(number) => number,
        None => round_to_integer(text, path.is_identity())?,
    };
    walk.deviation(DeviationCode::NotAnInteger, path, text.chars().take(RAW_LIMIT).collect());
    Some(number)
}

fn round_to_integer(text: &str, is_exact: bool) -> Option<i64> {
    /// Above this, a double does not hold every integer, so rounding would invent digits.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number: f64 = text.parse().ok()?;
    let rounded = number.round();
    let is_near = if is_exact { number.to_bits() == rounded.to_bits() } else { true };
    // Within EXACT the cast is exact.
    #[allow(clippy::cast_possible_truncation)]
    (is_near && rounded.abs() <= EXACT).then_some(rounded as i64)
}

fn refuse_integer(walk: &mut Walk<'_>, text: &str, path: &Path<'_>) {
    let is_integral = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_integral || walk.mode != Mode::Strict {
        property(walk, path, "out_of_range", "does not fit 64 bits".to_owned());
    } else {
        walk.wrong_type(path, "an integer");
    }
}

/// Whether a JSON number has at most one significant digit after the point. Decided on the decimal text,
/// because 21.4 is not a multiple of 0.1 in binary.
fn is_multiple_of_tenth(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let fraction = mantissa.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let trailing_zeros = digits.len() - digits.trim_end_matches('0').len();
    if trailing_zeros == digits.len() {
        return true;
    }
    let Ok(exponent) = exponent.parse::<i64>() else { return false };
    // Saturating: the exponent may be any number, the comparison stays right.
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX).saturating_sub(exponent);
    places.saturating_sub(i64::try_from(trailing_zeros).unwrap_or(0)) <= 1
}

/// RFC 3339 `date-time`, with ranges of each part; a leap second passes.
#[must_use]
pub fn is_date_time(text: &[u8]) -> bool {
    let Some((first, behind)) = text.split_first_chunk::<8>() else { return false };
    let Some((second, behind)) = behind.split_first_chunk::<8>() else { return false };
    let Some(([b':', tens_s @ b'0'..=b'9', s @ b'0'..=b'9'], rest)) = behind.split_first_chunk::<3>() else {
        return false;
    };
    let mut second = *second;
    second[2] = second[2].to_ascii_uppercase();
    let Some([y1, y2, y3, y4, _, m1, m2, _]) = digits(*first, *b"0000-00-") else { return false };
    let Some([d1, d2, _, h1, h2, _, n1, n2]) = digits(second, *b"00T00:00") else { return false };
    let year = [y1, y2, y3, y4].iter().fold(0_u16, |year, digit| year * 10 + u16::from(*digit));
    let month = m1 * 10 + m2;
    let in_range = (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&(d1 * 10 + d2))
        && h1 * 10 + h2 <= 23
        && n1 * 10 + n2 <= 59
        && (*tens_s, *s) <= (b'6', b'0');
    in_range && is_zone(after_fraction(rest))
}

/// The digits where `pattern` has zeros, if all other bytes are equal. Eight bytes at a time.
#[inline(always)]
fn digits(text: [u8; 8], pattern: [u8; 8]) -> Option<[u8; 8]> {
    /// Added to a byte of at most 9, or 0, this leaves the top bit unset.
    const ROOM: [u8; 2] = [0x7f - 9, 0x7f];
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    let room = u64::from_le_bytes(pattern.map(|byte| ROOM[usize::from(byte != b'0')]));
    let differs = u64::from_le_bytes(text) ^ u64::from_le_bytes(pattern);
    let too_large = ((differs & !TOPS) + room) | differs;
    (too_large & TOPS == 0).then_some(differs.to_le_bytes())
}

fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

fn after_fraction(rest: &[u8]) -> &[u8] {
    let Some(fraction) = rest.strip_prefix(b".") else { return rest };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 { rest } else { &fraction[digits..] }
}

fn is_zone(zone: &[u8]) -> bool {
    match zone {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', tens_h, h, b':', tens_m, m] => {
            let digits = [tens_h, h, tens_m, m];
            digits.iter().all(|byte| byte.is_ascii_digit())
                && (*tens_h, *h) <= (b'2', b'3')
                && *tens_m <= b'5'
        }
        _ => false,
    }
}
