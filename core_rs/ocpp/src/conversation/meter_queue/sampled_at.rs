//! The time of a sample, read as `app/clock.py` reads it. Unusual times are left to `app/clock.py`.

use crate::protocol::moment;
use crate::protocol::scalar;

/// First microsecond of the year 2, and the first one after the year 9998. Other years are the unset and the largest
/// value of common date types.
const EARLIEST_US: i64 = -62_104_060_800_000_000;
const END_US: i64 = 253_370_764_800_000_000;

/// Microseconds since 1970 of an RFC 3339 text. `None`: it is not one, or it is unusual (a leap second, nanoseconds,
/// the years 1 and 9999).
pub(super) fn microseconds(text: &str) -> Option<i64> {
    const PLACES: usize = 6;
    if !scalar::is_date_time(text.as_bytes()) || text.get(17..19)? == "60" {
        return None;
    }
    let behind = text.get(19..)?;
    let digits = behind.strip_prefix('.').map_or("", |fraction| {
        fraction.split_once(|character: char| !character.is_ascii_digit()).map_or("", |(digits, _)| digits)
    });
    if digits.len() > PLACES {
        return None;
    }
    let fraction = digits.bytes().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    let missing = u32::try_from(PLACES - digits.len()).ok()?;
    let moment_us = moment::parse(text)? * 1_000_000 + fraction * 10_i64.pow(missing);
    (EARLIEST_US..END_US).contains(&moment_us).then_some(moment_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond_or_left_to_a_closer_look() {
        const AT_US: i64 = 1_772_445_600_000_000;
        for (text, expected) in [
            ("2026-03-02T10:00:00Z", Some(AT_US)),
            ("2026-03-02T10:00:00.25Z", Some(AT_US + 250_000)),
            ("2026-03-02T10:00:00.123456+00:00", Some(AT_US + 123_456)),
            ("2026-03-02T11:30:00+01:30", Some(AT_US)),
            ("2026-03-02T10:00:00.1234567Z", None),
            ("2026-03-02T10:00:60Z", None),
            ("2026-03-02 10:00:00Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("0002-01-01T00:00:00Z", Some(EARLIEST_US)),
            ("9998-12-31T23:59:59.999999Z", Some(END_US - 1)),
            ("9999-01-01T00:00:00Z", None),
            ("yesterday", None),
        ] {
            assert_eq!(microseconds(text), expected, "{text}");
        }
    }
}
