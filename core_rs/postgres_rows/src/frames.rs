//! Logged frames as rows: one row for each run of frames of a connection, packed.
//!
//! A row for each frame would cost `PostgreSQL` twice as much for one CALL and its answer, and several times as
//! much for a busy connection: an index entry and a row header for each. What is packed are the id of the
//! connection, and the time, direction, text and deviations of each frame.

use ocpp_core::conversation::frame_log::{FrameBatch, Run};

use crate::copy::Copy;
use crate::packed_text::{Damaged, Packer, Unpacker};

/// The columns of a row.
pub const COLUMNS: [&str; 5] = ["id", "tenant_id", "charge_point_id", "at", "packed"];

const FORMAT: u8 = 1;
const OUTGOING: u64 = 1;
const WITH_DEVIATIONS: u64 = 2;
/// The bits of a number that do not belong to its time.
const FLAGS: u32 = 2;

/// Encode a batch as the data of one COPY into `COLUMNS`.
#[must_use]
pub fn copy(batch: &FrameBatch) -> Vec<u8> {
    let mut copy = Copy::default();
    batch.runs().for_each(|run| write(&mut copy, &run));
    copy.finish()
}

fn write(copy: &mut Copy, run: &Run<'_>) {
    copy.row(COLUMNS.len());
    copy.bigint(run.id);
    copy.bigint(run.tenant_id);
    copy.bigint(run.charge_point_id);
    copy.timestamp(run.last_at_us);
    copy.bytea(|bytes| pack(run, bytes));
}

fn pack(run: &Run<'_>, mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.push(FORMAT);
    let mut packer = Packer::behind(bytes);
    packer.text(run.connection_id);
    packer.end();
    let mut before_us = None;
    for frame in run.frames() {
        let after_us = frame.at_us.saturating_sub(before_us.unwrap_or(frame.at_us)).unsigned_abs();
        before_us = Some(frame.at_us);
        let outgoing = if frame.direction == "out" { OUTGOING } else { 0 };
        let deviating = if frame.deviations.is_some() { WITH_DEVIATIONS } else { 0 };
        packer.number(after_us << FLAGS | outgoing | deviating);
        packer.text(frame.text);
        packer.end();
        if let Some(json) = frame.deviations {
            packer.text(json);
            packer.end();
        }
    }
    packer.finish()
}

/// A run as it was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// The id of the connection.
    pub connection_id: String,
    /// The frames in their order.
    pub frames: Vec<StoredFrame>,
}

/// A frame of a stored run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFrame {
    /// When the frame was received or sent: microseconds since 1970, UTC.
    pub at_us: i64,
    /// `in` or `out`.
    pub direction: &'static str,
    /// The text, its secrets hidden.
    pub text: String,
    /// The deviations that were tolerated in the frame, as JSON.
    pub deviations: Option<String>,
}

/// Read the column `packed`. `last_at_us`: the time of the last frame, the column `at`.
///
/// # Errors
/// The bytes are not those of a run.
pub fn unpack(packed: &[u8], last_at_us: i64) -> Result<StoredRun, Damaged> {
    let Some((&FORMAT, rest)) = packed.split_first() else { return Err(Damaged) };
    let mut unpacker = Unpacker::of(rest);
    let connection_id = unpacker.text()?;
    let mut frames = Vec::new();
    let mut at_us = 0_i64;
    while !unpacker.is_at_end() {
        let number = unpacker.number()?;
        at_us = at_us.checked_add_unsigned(number >> FLAGS).ok_or(Damaged)?;
        let direction = if number & OUTGOING == 0 { "in" } else { "out" };
        let text = unpacker.text()?;
        let deviations = if number & WITH_DEVIATIONS == 0 { None } else { Some(unpacker.text()?) };
        frames.push(StoredFrame { at_us, direction, text, deviations });
    }
    // Until now the times count from the first frame.
    let first_us = last_at_us.checked_sub(at_us).ok_or(Damaged)?;
    for frame in &mut frames {
        frame.at_us = frame.at_us.checked_add(first_us).ok_or(Damaged)?;
    }
    Ok(StoredRun { connection_id, frames })
}

#[cfg(test)]
mod tests {
    use ocpp_core::conversation::frame_log::{Entry, FrameLog, Limits};

    use super::{StoredFrame, StoredRun, unpack};
    use crate::packed_text::Damaged;

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

    /// The columns of the rows of a COPY.
    fn rows(data: &[u8]) -> Vec<Vec<Option<&[u8]>>> {
        let mut rest = data.strip_prefix(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0").expect("the head");
        let mut number = |bytes: usize| {
            let (head, behind) = rest.split_at(bytes);
            rest = behind;
            head
        };
        let mut found = Vec::new();
        loop {
            let columns = number(2);
            if columns == b"\xff\xff" {
                assert!(number(0).is_empty());
                return found;
            }
            let columns = u16::from_be_bytes(columns.try_into().expect("two bytes"));
            found.push(
                (0..columns)
                    .map(|_| {
                        let length = i32::from_be_bytes(number(4).try_into().expect("four bytes"));
                        usize::try_from(length).ok().map(&mut number)
                    })
                    .collect(),
            );
        }
    }

    #[test]
    fn a_run_is_a_row_and_comes_back() {
        let mut log = FrameLog::new(Limits { frames: 10, bytes: 1000, tenant_bytes_per_day: 1000 });
        log.record(&Entry { deviations: Some("[]"), ..entry("t\0") });
        log.record(&Entry { at_us: 946_684_800_000_103, direction: "out", ..entry("u") });
        let batch = log.take().expect("two frames wait");
        assert_eq!(batch.len(), 2);
        let data = super::copy(&batch);
        let found = rows(&data);
        let id = 946_684_800_000_003_i64.to_be_bytes();
        let packed = b"\x01\xd0c\xe5\x02\xd3t\xef\xbf\xbd\xe5\xd1[]\xe5\x91\x03\xd0u\xe5";
        let expected: [&[u8]; 5] =
            [&id, b"\0\0\0\0\0\0\0\x01", b"\0\0\0\0\0\0\0\x02", b"\0\0\0\0\0\0\0\x67", packed];
        assert_eq!(found, [expected.map(Some)]);
        let run = unpack(packed, 946_684_800_000_103).expect("a run");
        let first = StoredFrame {
            at_us: 946_684_800_000_003,
            direction: "in",
            text: "t\u{fffd}".into(),
            deviations: Some("[]".into()),
        };
        let second =
            StoredFrame { at_us: 946_684_800_000_103, direction: "out", text: "u".into(), deviations: None };
        assert_eq!(run, StoredRun { connection_id: "c".into(), frames: vec![first, second] });
        assert!(log.take().is_none());
    }

    #[test]
    fn bytes_that_are_not_a_run_are_damaged() {
        let packed = b"\x01\xd0c\xe5\x02\xd0t\xe5\xd1[]\xe5";
        assert!(unpack(packed, 0).is_ok());
        for end in [0, 2, 6, 9] {
            assert_eq!(unpack(&packed[..end], 0), Err(Damaged), "{end}");
        }
        assert_eq!(unpack(b"\x02\xd0c\xe5", 0), Err(Damaged));
        assert_eq!(unpack(packed, i64::MIN).map(|run| run.frames[0].at_us), Ok(i64::MIN));
        assert_eq!(unpack(b"\x01\xe5\xff\xff\xff\xff\xff\xff\xff\xff\x7f\xe5", i64::MIN), Err(Damaged));
    }

    #[test]
    fn each_run_is_a_row() {
        let mut log = FrameLog::new(Limits { frames: 10, bytes: 1000, tenant_bytes_per_day: 1000 });
        for connection_id in ["c", "d", "d", "e"] {
            log.record(&Entry { connection_id, ..entry("x") });
        }
        let data = super::copy(&log.take().expect("frames wait"));
        let ids: Vec<_> = rows(&data)
            .iter()
            .map(|row| i64::from_be_bytes(row[0].expect("id").try_into().expect("8")))
            .collect();
        let runs = rows(&data).into_iter().map(|row| unpack(row[4].expect("packed"), 0).expect("a run"));
        let lengths: Vec<usize> = runs.map(|run| run.frames.len()).collect();
        let first = entry("x").at_us;
        assert_eq!((ids, lengths), (vec![first, first + 1, first + 3], vec![1, 2, 1]));
    }
}
