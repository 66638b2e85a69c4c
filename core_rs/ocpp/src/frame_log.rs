//! Frames as rows of PostgreSQL's binary COPY, encoded where they are read: a log of every frame must cost
//! next to nothing.
//!
//! The columns are those of `COLUMNS`, in that order. Secrets are taken out and NUL, which PostgreSQL cannot
//! hold, becomes U+FFFD, so that no row can make a whole COPY fail.

use std::borrow::Cow;

use crate::redact;

/// The columns of a row.
pub const COLUMNS: [&str; 7] =
    ["tenant_id", "charge_point_id", "at", "direction", "text", "deviations", "connection_id"];

const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
const JSONB_VERSION: u8 = 1;
/// 2000-01-01, from which PostgreSQL counts, in microseconds since 1970.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// One frame to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Whose charge point it is.
    pub tenant_id: i64,
    /// Which charge point.
    pub charge_point_id: i64,
    /// When it was received or sent: microseconds since 1970, UTC.
    pub at_us: i64,
    /// `in` or `out`.
    pub direction: &'a str,
    /// The frame, secrets included: they are taken out here.
    pub text: &'a str,
    /// What was tolerated in it, as JSON that `jsonb` can hold.
    pub deviations: Option<&'a str>,
    /// Unique for each socket.
    pub connection_id: &'a str,
}

/// Rows that wait for their COPY, within bounds.
#[derive(Debug)]
pub struct FrameLog {
    encoded: Vec<u8>,
    rows: usize,
    rows_limit: usize,
    bytes_limit: usize,
}

impl FrameLog {
    /// An empty log. `rows_limit` and `bytes_limit` bound what waits.
    #[must_use]
    pub fn new(rows_limit: usize, bytes_limit: usize) -> Self {
        Self { encoded: Vec::new(), rows: 0, rows_limit, bytes_limit }
    }

    /// Rows that wait.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Take a frame; `false` when there is no room for it.
    #[must_use]
    pub fn record(&mut self, entry: &Entry<'_>) -> bool {
        if self.rows >= self.rows_limit || self.encoded.len() + entry.text.len() > self.bytes_limit {
            return false;
        }
        if self.encoded.is_empty() {
            self.encoded.extend_from_slice(HEAD);
        }
        let out = &mut self.encoded;
        let columns: u16 = const { COLUMNS.len() as u16 };
        out.extend_from_slice(&columns.to_be_bytes());
        put(out, &entry.tenant_id.to_be_bytes());
        put(out, &entry.charge_point_id.to_be_bytes());
        put(out, &entry.at_us.saturating_sub(POSTGRES_EPOCH_US).to_be_bytes());
        put(out, entry.direction.as_bytes());
        put(out, without_nul(&redact::redact(entry.text)).as_bytes());
        match entry.deviations {
            None => out.extend_from_slice(&NULL),
            Some(json) => {
                out.extend_from_slice(&length(json.len() + 1));
                out.push(JSONB_VERSION);
                out.extend_from_slice(json.as_bytes());
            }
        }
        put(out, entry.connection_id.as_bytes());
        self.rows += 1;
        true
    }

    /// Everything that waits as one COPY, and the number of its rows; `None` when nothing waits.
    #[must_use]
    pub fn take(&mut self) -> Option<(Vec<u8>, usize)> {
        if self.rows == 0 {
            return None;
        }
        self.encoded.extend_from_slice(&TRAILER);
        Some((std::mem::take(&mut self.encoded), std::mem::take(&mut self.rows)))
    }
}

fn put(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(&length(data.len()));
    out.extend_from_slice(data);
}

/// A frame is shorter than its limit, which is far below what a length can say.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if memchr::memchr(0, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::{Entry, FrameLog, HEAD};

    fn entry(text: &str) -> Entry<'_> {
        Entry {
            tenant_id: 1,
            charge_point_id: 2,
            at_us: 946_684_800_000_003,
            direction: "in",
            text,
            deviations: None,
            connection_id: "c",
        }
    }

    #[test]
    fn a_row_is_as_postgresql_reads_it() {
        let mut log = FrameLog::new(10, 1000);
        assert!(log.record(&Entry { deviations: Some("[]"), ..entry("t\0") }));
        let (data, rows) = log.take().expect("one row waits");
        let mut expected = HEAD.to_vec();
        expected.extend(b"\0\x07\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\x08\0\0\0\0\0\0\0\x02");
        expected.extend(b"\0\0\0\x08\0\0\0\0\0\0\0\x03\0\0\0\x02in\0\0\0\x04t\xef\xbf\xbd");
        expected.extend(b"\0\0\0\x03\x01[]\0\0\0\x01c\xff\xff");
        assert_eq!((data, rows), (expected, 1));
        assert_eq!(log.take(), None);
    }

    #[test]
    fn no_more_than_its_bounds_is_kept() {
        let mut log = FrameLog::new(2, 10_000);
        assert_eq!([0, 1, 2].map(|_| log.record(&entry("x"))), [true, true, false]);
        assert_eq!(log.rows(), 2);
        let mut log = FrameLog::new(100, 200);
        assert!(!log.record(&entry(&"x".repeat(201))));
    }

    #[test]
    fn secrets_are_taken_out() {
        let mut log = FrameLog::new(10, 1000);
        let text = r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"hunter2"}]"#;
        assert!(log.record(&entry(text)));
        let (data, _) = log.take().expect("one row waits");
        assert!(!String::from_utf8_lossy(&data).contains("hunter2"));
    }
}
