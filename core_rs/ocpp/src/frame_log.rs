//! Frames as rows of `PostgreSQL`'s binary COPY, encoded where they are read: a log of every frame must cost
//! next to nothing.
//!
//! The columns are those of `COLUMNS`, in that order. Secrets are taken out and NUL, which `PostgreSQL` cannot
//! hold, becomes U+FFFD, so that no row can make a whole COPY fail.

use std::borrow::Cow;

use crate::copy::Copy;
use crate::redact;

/// The columns of a row.
pub const COLUMNS: [&str; 8] =
    ["id", "tenant_id", "charge_point_id", "at", "direction", "text", "deviations", "connection_id"];

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
    copy: Copy,
    rows_limit: usize,
    bytes_limit: usize,
    shed: usize,
    last_id: i64,
}

impl FrameLog {
    /// An empty log. `rows_limit` and `bytes_limit` bound what waits.
    #[must_use]
    pub fn new(rows_limit: usize, bytes_limit: usize) -> Self {
        Self { copy: Copy::default(), rows_limit, bytes_limit, shed: 0, last_id: 0 }
    }

    /// Rows that wait.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.copy.rows()
    }

    /// Take a frame; one for which there is no room is dropped and counted.
    pub fn record(&mut self, entry: &Entry<'_>) {
        let copy = &mut self.copy;
        if copy.rows() >= self.rows_limit || copy.bytes() + entry.text.len() > self.bytes_limit {
            self.shed += 1;
            return;
        }
        copy.row(COLUMNS.len());
        // Rises with the time, also from one start of the server to the next.
        self.last_id = entry.at_us.max(self.last_id + 1);
        copy.bigint(self.last_id);
        copy.bigint(entry.tenant_id);
        copy.bigint(entry.charge_point_id);
        copy.timestamp(entry.at_us);
        copy.text(entry.direction);
        copy.text(&without_nul(&redact::redact(entry.text)));
        match entry.deviations {
            None => copy.null(),
            Some(json) => copy.jsonb(json),
        }
        copy.text(entry.connection_id);
    }

    /// How many frames were dropped since the last time.
    #[must_use]
    pub fn take_shed(&mut self) -> usize {
        std::mem::take(&mut self.shed)
    }

    /// Everything that waits as one COPY, and the number of its rows; `None` when nothing waits.
    #[must_use]
    pub fn take(&mut self) -> Option<(Vec<u8>, usize)> {
        self.copy.take()
    }
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if memchr::memchr(0, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    use super::{Entry, FrameLog};

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
        log.record(&Entry { deviations: Some("[]"), ..entry("t\0") });
        let (data, rows) = log.take().expect("one row waits");
        let mut expected = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        expected.extend(b"\0\x08\0\0\0\x08");
        expected.extend(946_684_800_000_003_i64.to_be_bytes());
        expected.extend(b"\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\x08\0\0\0\0\0\0\0\x02");
        expected.extend(b"\0\0\0\x08\0\0\0\0\0\0\0\x03\0\0\0\x02in\0\0\0\x04t\xef\xbf\xbd");
        expected.extend(b"\0\0\0\x03\x01[]\0\0\0\x01c\xff\xff");
        assert_eq!((data, rows), (expected, 1));
        assert_eq!(log.take(), None);
    }

    #[test]
    fn no_more_than_its_bounds_is_kept() {
        let mut log = FrameLog::new(2, 10_000);
        (0..3).for_each(|_| log.record(&entry("x")));
        assert_eq!((log.rows(), log.take_shed(), log.take_shed()), (2, 1, 0));
        let mut log = FrameLog::new(100, 200);
        log.record(&entry(&"x".repeat(201)));
        assert_eq!((log.rows(), log.take_shed()), (0, 1));
    }

    #[test]
    fn secrets_are_taken_out() {
        let mut log = FrameLog::new(10, 1000);
        let text = r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"hunter2"}]"#;
        log.record(&entry(text));
        let (data, _) = log.take().expect("one row waits");
        assert!(!String::from_utf8_lossy(&data).contains("hunter2"));
    }
}
