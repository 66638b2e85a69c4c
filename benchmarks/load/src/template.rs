//! The text of a CALL with places that change from frame to frame, so that each frame is a new record.

use std::io::Write as _;

const SECONDS_PER_DAY: u64 = 86_400;
const FIRST_REGISTER_WH: u64 = 1_000_000;

/// What fills the places of one frame.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// Tells this run of the load from others: two runs have no message id in common.
    pub run: u32,
    /// Number of the frame on its charge point, from 1.
    pub number: u64,
    /// Milliseconds since 1970 at frame 0; a frame's time is as many milliseconds later as its number.
    pub start_ms: u64,
    /// Of the transaction that runs; 0 when none does.
    pub transaction_id: i64,
    /// Of the charge point.
    pub id_tag: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Id,
    Time,
    Register,
    TransactionId,
    IdTag,
}

const PLACES: [(&str, Place); 5] = [
    ("{id}", Place::Id),
    ("{time}", Place::Time),
    ("{register}", Place::Register),
    ("{transaction_id}", Place::TransactionId),
    ("{id_tag}", Place::IdTag),
];

/// A CALL's text: each piece is followed by a place, and the last one by nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<(Box<[u8]>, Place)>,
    last: Box<[u8]>,
}

impl Template {
    /// Read a text with `{id}` (36 characters), `{time}` (RFC 3339), `{register}` (Wh), `{transaction_id}` and
    /// `{id_tag}` in it, each as often as it likes. Any other brace is text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((at, mark, place)) = first_place(rest) {
            pieces.push((rest.as_bytes()[..at].into(), place));
            rest = &rest[at + mark.len()..];
        }
        Self { pieces, last: rest.as_bytes().into() }
    }

    /// Replace `out` by the text of one frame.
    pub fn write(&self, filling: &Filling<'_>, out: &mut Vec<u8>) {
        out.clear();
        for (text, place) in &self.pieces {
            out.extend_from_slice(text);
            match place {
                Place::Id => write_id(filling.run, filling.number, out),
                Place::Time => write_time(filling.start_ms + filling.number, out),
                Place::Register => write_number(FIRST_REGISTER_WH + filling.number, 1, out),
                Place::TransactionId => {
                    // A Vec takes everything.
                    let _ = write!(out, "{}", filling.transaction_id);
                }
                Place::IdTag => out.extend_from_slice(filling.id_tag.as_bytes()),
            }
        }
        out.extend_from_slice(&self.last);
    }
}

fn first_place(text: &str) -> Option<(usize, &'static str, Place)> {
    PLACES
        .iter()
        .filter_map(|&(mark, place)| text.find(mark).map(|at| (at, mark, place)))
        .min_by_key(|found| found.0)
}

/// Append a message id in the shape of a UUID: 36 characters, the longest that OCPP-J 4.1.4 allows.
pub fn write_id(run: u32, number: u64, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for shift in (0..8).rev() {
        out.push(HEX[(run >> (4 * shift)) as usize & 0xF]);
    }
    out.extend_from_slice(b"-0000-4000-8000-");
    write_number(number, 12, out);
}

/// Append a decimal number. width: digits at least, filled with zeros.
fn write_number(number: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    let mut left = number;
    while left > 0 || digits.len() - first < width {
        first -= 1;
        digits[first] = b'0' + (left % 10).to_le_bytes()[0];
        left /= 10;
    }
    out.extend_from_slice(&digits[first..]);
}

/// Append `YYYY-MM-DDTHH:MM:SS.mmmZ`. ms: since 1970.
fn write_time(ms: u64, out: &mut Vec<u8>) {
    let (seconds, milliseconds) = (ms / 1000, ms % 1000);
    let (days, second) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
    let (year, month, day) = civil_date(days);
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
        (milliseconds, 3, b'Z'),
    ];
    for (value, width, after) in parts {
        write_number(value, width, out);
        out.push(after);
    }
}

/// Year, month and day of the Gregorian calendar; the year begins in March, so that a leap day ends it.
fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, filling: &Filling<'_>) -> String {
        let mut out = b"what was there before".to_vec();
        Template::new(text).write(filling, &mut out);
        String::from_utf8(out).unwrap()
    }

    const FILLING: Filling<'static> = Filling {
        run: 0xBEEF,
        number: 61_234,
        start_ms: 1_709_280_000_000,
        transaction_id: 42,
        id_tag: "TAG",
    };

    #[test]
    fn places_are_filled_and_other_braces_stay() {
        assert_eq!(
            filled(
                r#"[2,"{id}","X",{"a":{},"t":{transaction_id},"i":"{id_tag}","r":"{register}"}]"#,
                &FILLING
            ),
            r#"[2,"0000beef-0000-4000-8000-000000061234","X",{"a":{},"t":42,"i":"TAG","r":"1061234"}]"#
        );
    }

    #[test]
    fn time_grows_by_a_millisecond_for_each_frame() {
        assert_eq!(filled("{time}", &FILLING), "2024-03-01T08:01:01.234Z");
        assert_eq!(filled("{time}", &Filling { number: 61_235, ..FILLING }), "2024-03-01T08:01:01.235Z");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(filled("{time}", &Filling { number: 0, start_ms: seconds * 1000, ..FILLING }), date);
        }
    }

    #[test]
    fn ids_have_the_length_of_a_uuid_and_differ() {
        let mut ids = Vec::new();
        for (run, number) in [(1, 1), (1, 2), (2, 1), (u32::MAX, 999_999_999_999)] {
            let mut id = Vec::new();
            write_id(run, number, &mut id);
            assert_eq!(id.len(), 36);
            ids.push(id);
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    }
}
