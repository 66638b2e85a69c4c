//! Logged frames as rows: one row for each run of frames of a connection, as arrays.
//!
//! A row for each frame would cost `PostgreSQL` twice as much for one CALL and its answer, and several times as
//! much for a busy connection: an index entry and a row header for each, and less repetition to compress.

use ocpp_core::conversation::frame_log::{FrameBatch, Run};

use crate::copy::{Copy, Element};

/// The columns of a row.
pub const COLUMNS: [&str; 9] = [
    "id",
    "tenant_id",
    "charge_point_id",
    "connection_id",
    "at",
    "times",
    "directions",
    "texts",
    "deviations",
];

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
    copy.text(run.connection_id);
    copy.timestamp(run.last_at_us);
    copy.array(Element::Timestamp, run.frames(), |copy, frame| copy.timestamp(frame.at_us));
    copy.array(Element::Text, run.frames(), |copy, frame| copy.text(frame.direction));
    copy.array(Element::Text, run.frames(), |copy, frame| copy.text(frame.text));
    if run.frames().all(|frame| frame.deviations.is_none()) {
        return copy.null();
    }
    copy.array(Element::Jsonb, run.frames(), |copy, frame| match frame.deviations {
        None => copy.null(),
        Some(json) => copy.jsonb(json),
    });
}

#[cfg(test)]
mod tests {
    use ocpp_core::conversation::frame_log::{Entry, FrameLog, Limits};

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
    fn a_run_is_as_postgresql_reads_it() {
        let mut log = FrameLog::new(Limits { frames: 10, bytes: 1000, tenant_bytes_per_day: 1000 });
        log.record(&Entry { deviations: Some("[]"), ..entry("t\0") });
        log.record(&Entry { at_us: 946_684_800_000_004, direction: "out", ..entry("u") });
        let batch = log.take().expect("two frames wait");
        assert_eq!(batch.len(), 2);
        let data = super::copy(&batch);
        let found = rows(&data);
        assert_eq!(found.len(), 1);
        let array = |element: u32, items: &[&[u8]]| {
            let head = [1_u32, 1, element, 2, 1].into_iter().flat_map(u32::to_be_bytes);
            head.chain(items.concat()).collect::<Vec<u8>>()
        };
        let times = array(1184, &[b"\0\0\0\x08\0\0\0\0\0\0\0\x03", b"\0\0\0\x08\0\0\0\0\0\0\0\x04"]);
        let directions = array(25, &[b"\0\0\0\x02in", b"\0\0\0\x03out"]);
        let texts = array(25, &[b"\0\0\0\x04t\xef\xbf\xbd", b"\0\0\0\x01u"]);
        let deviations = array(3802, &[b"\0\0\0\x03\x01[]", b"\xff\xff\xff\xff"]);
        let id = 946_684_800_000_003_i64.to_be_bytes();
        let expected: [&[u8]; 9] = [
            &id,
            b"\0\0\0\0\0\0\0\x01",
            b"\0\0\0\0\0\0\0\x02",
            b"c",
            b"\0\0\0\0\0\0\0\x04",
            &times,
            &directions,
            &texts,
            &deviations,
        ];
        assert_eq!(found[0], expected.map(Some));
        assert!(log.take().is_none());
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
        let lengths: Vec<u8> = rows(&data).iter().map(|row| row[5].expect("times")[15]).collect();
        let first = entry("x").at_us;
        assert_eq!((ids, lengths), (vec![first, first + 1, first + 3], vec![1, 2, 1]));
    }
}
