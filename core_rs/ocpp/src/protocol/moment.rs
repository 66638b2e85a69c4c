//! Moments in whole seconds since 1970-01-01T00:00:00Z, from and to RFC 3339 text.
//!
//! The only time zone is UTC: fractions are cut, offsets are applied (C6), and a day has
//! 86 400 seconds, also when local clocks change (C5).

/// First second of the year 1.
pub const EARLIEST_S: i64 = -62_135_596_800;
/// First second of the year 10000, which RFC 3339 cannot write.
pub const END_S: i64 = 253_402_300_800;

/// Seconds of a text that `validate` has taken as an RFC 3339 `date-time`; `None` when it is not one.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let days = days_from_civil(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let second = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let zone =
        text.get(19..)?.trim_start_matches(|character: char| character == '.' || character.is_ascii_digit());
    Some(days * 86_400 + second - offset_s(zone)?)
}

fn offset_s(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (zone.get(1..3)?.parse::<i64>().ok()?, zone.get(4..6)?.parse::<i64>().ok()?);
    Some(sign * (hours * 3600 + minutes * 60))
}

/// The moment in RFC 3339, UTC. `moment_s`: of the years 0 to 9999.
#[must_use]
pub fn text(moment_s: i64) -> String {
    let (year, month, day) = civil_from_days(moment_s.div_euclid(86_400));
    let second = moment_s.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The moment in RFC 3339, UTC, with milliseconds: what is smaller is cut. `None`: not in the years 1 to 9999.
#[must_use]
pub fn text_with_milliseconds(at_us: i64) -> Option<String> {
    let moment_s = at_us.div_euclid(1_000_000);
    if !(EARLIEST_S..END_S).contains(&moment_s) {
        return None;
    }
    let (year, month, day) = civil_from_days(moment_s.div_euclid(86_400));
    let second = moment_s.rem_euclid(86_400);
    let millisecond = at_us.rem_euclid(1_000_000) / 1000;
    // Not `format!`, which takes several times as long.
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (place, digits, mut number) in [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3600),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
        (20, 3, millisecond),
    ] {
        for digit in text[place..place + digits].iter_mut().rev() {
            *digit += u8::try_from(number % 10).ok()?;
            number /= 10;
        }
    }
    String::from_utf8(text.to_vec()).ok()
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that the leap day is the
/// last of its year, in eras of 400 years, which all have the same length.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_seconds() {
        for (given, moment_s) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-03-02T10:00:00Z", 1_772_445_600),
            ("2026-03-02T10:00:00.999Z", 1_772_445_600),
            ("2026-03-02t11:00:00+01:00", 1_772_445_600),
            ("2026-03-01T23:30:00-10:30", 1_772_445_600),
            ("1969-12-31T23:59:59.5z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("0001-01-01T00:00:00Z", EARLIEST_S),
        ] {
            assert_eq!(parse(given), Some(moment_s), "{given}");
        }
        assert_eq!(parse("9999-12-31T23:59:59Z"), Some(END_S - 1));
    }

    #[test]
    fn every_day_of_ten_thousand_years_is_written_as_it_is_read() {
        let mut expected = (0, 1, 1);
        for day in (EARLIEST_S / 86_400 - 366)..(END_S / 86_400) {
            assert_eq!(civil_from_days(day), expected);
            assert_eq!(days_from_civil(expected.0, expected.1, expected.2), day);
            expected = following(expected);
        }
        assert_eq!(text(1_772_445_600), "2026-03-02T10:00:00Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn milliseconds_are_cut_and_never_rounded() {
        for (moment_us, expected) in [
            (1_772_445_600_999_999, Some("2026-03-02T10:00:00.999Z")),
            (1_709_209_723_045_000, Some("2024-02-29T12:28:43.045Z")),
            (-1, Some("1969-12-31T23:59:59.999Z")),
            (EARLIEST_S * 1_000_000, Some("0001-01-01T00:00:00.000Z")),
            (END_S * 1_000_000 - 1, Some("9999-12-31T23:59:59.999Z")),
            (EARLIEST_S * 1_000_000 - 1, None),
            (END_S * 1_000_000, None),
            (i64::MIN, None),
            (i64::MAX, None),
        ] {
            assert_eq!(text_with_milliseconds(moment_us).as_deref(), expected, "{moment_us}");
        }
    }

    #[test]
    fn both_texts_of_a_moment_name_the_same_second() {
        for moment_s in (EARLIEST_S..END_S).step_by(86_400 * 17 + 3_607) {
            let expected = text(moment_s).replace('Z', ".007Z");
            assert_eq!(text_with_milliseconds(moment_s * 1_000_000 + 7_000), Some(expected));
        }
    }

    fn following((year, month, day): (i64, i64, i64)) -> (i64, i64, i64) {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        match (month, day) {
            (12, 31) => (year + 1, 1, 1),
            (_, day) if day == last => (year, month + 1, 1),
            _ => (year, month, day + 1),
        }
    }
}
