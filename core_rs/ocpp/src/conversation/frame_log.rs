//! Frames as rows of `PostgreSQL`'s binary COPY, encoded where they are read: a log of every frame must cost
//! next to nothing.
//!
//! A row is a run: the frames that one connection had since the last COPY, as arrays. A row for each frame would cost
//! `PostgreSQL` twice as much for one CALL and its answer, and for a busy connection several times: neither an
//! index entry nor a place in the page is needed for each, and what repeats itself is compressed.
//!
//! The columns are those of `COLUMNS`, in that order. Secrets are taken out and NUL, which `PostgreSQL` cannot
//! hold, becomes U+FFFD, so that no row can make a whole COPY fail.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use crate::copy::{Copy, Element};
use crate::frame::redact;

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

/// Longest time between the first and the last frame of a run, which whoever looks for a time relies on.
pub const RUN_SPAN_US: i64 = 1_000_000;

/// A run with more bytes than this gets no further frame: to read one frame is to read its run.
const RUN_BYTES: usize = 65_536;

/// Frames of one COPY, and its bytes, about: to encode them takes a few milliseconds, in which the worker does
/// nothing else.
const COPY_FRAMES: usize = 5_000;
const COPY_BYTES: usize = 1_500_000;

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
    pub direction: &'static str,
    /// The frame, secrets included: they are taken out here.
    pub text: &'a str,
    /// What was tolerated in it, as JSON that `jsonb` can hold.
    pub deviations: Option<&'a str>,
    /// Unique for each socket.
    pub connection_id: &'a str,
}

/// Frames of one COPY.
#[derive(Debug, Default)]
struct Portion {
    waiting: Vec<Waiting>,
    texts: String,
}

/// A frame that waits; the ranges are places in `Portion::texts`.
#[derive(Debug)]
struct Waiting {
    tenant_id: i64,
    charge_point_id: i64,
    at_us: i64,
    direction: &'static str,
    text: Range<usize>,
    deviations: Option<Range<usize>>,
    connection_id: Range<usize>,
}

/// Frames that wait for their COPY, within bounds.
#[derive(Debug)]
pub struct FrameLog {
    portions: VecDeque<Portion>,
    frames: usize,
    bytes: usize,
    frames_limit: usize,
    bytes_limit: usize,
    shed: usize,
    last_id: i64,
}

impl FrameLog {
    /// An empty log. `frames_limit` and `bytes_limit` bound what waits.
    #[must_use]
    pub fn new(frames_limit: usize, bytes_limit: usize) -> Self {
        let portions = VecDeque::new();
        Self { portions, frames: 0, bytes: 0, frames_limit, bytes_limit, shed: 0, last_id: 0 }
    }

    /// Frames that wait.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Take a frame; one for which there is no room is dropped and counted.
    pub fn record(&mut self, entry: &Entry<'_>) {
        if self.frames >= self.frames_limit || self.bytes + entry.text.len() > self.bytes_limit {
            self.shed += 1;
            return;
        }
        if self.portions.back().is_none_or(Portion::is_full) {
            self.portions.push_back(Portion::default());
        }
        if let Some(portion) = self.portions.back_mut() {
            self.bytes += portion.add(entry);
            self.frames += 1;
        }
    }

    /// How many frames were dropped since the last time.
    #[must_use]
    pub fn take_shed(&mut self) -> usize {
        std::mem::take(&mut self.shed)
    }

    /// What waits longest as one COPY, and the number of its frames; `None` when nothing waits.
    #[must_use]
    pub fn take(&mut self) -> Option<(Vec<u8>, usize)> {
        let Portion { mut waiting, texts } = self.portions.pop_front()?;
        self.frames -= waiting.len();
        self.bytes -= texts.len();
        // Stable: frames of one charge point stay in their order.
        waiting.sort_by_key(|frame| frame.charge_point_id);
        let mut copy = Copy::default();
        let mut rest = waiting.as_slice();
        while !rest.is_empty() {
            let (run, behind) = rest.split_at(run_length(rest, &texts));
            self.write(&mut copy, run, &texts);
            rest = behind;
        }
        copy.take().map(|(data, _)| (data, waiting.len()))
    }

    fn write(&mut self, copy: &mut Copy, run: &[Waiting], texts: &str) {
        let (first, last) = (&run[0], &run[run.len() - 1]);
        // Each frame has a number of its own, which rises with the time, also from one start of the server to the
        // next; a run has that of its first frame.
        let id = first.at_us.max(self.last_id + 1);
        self.last_id = id.saturating_add_unsigned(run.len() as u64 - 1);
        copy.row(COLUMNS.len());
        copy.bigint(id);
        copy.bigint(first.tenant_id);
        copy.bigint(first.charge_point_id);
        copy.text(&texts[first.connection_id.clone()]);
        copy.timestamp(last.at_us);
        copy.array(Element::Timestamp, run.iter(), |copy, frame| copy.timestamp(frame.at_us));
        copy.array(Element::Text, run.iter(), |copy, frame| copy.text(frame.direction));
        copy.array(Element::Text, run.iter(), |copy, frame| copy.text(&texts[frame.text.clone()]));
        if run.iter().all(|frame| frame.deviations.is_none()) {
            return copy.null();
        }
        copy.array(Element::Jsonb, run.iter(), |copy, frame| match &frame.deviations {
            None => copy.null(),
            Some(json) => copy.jsonb(&texts[json.clone()]),
        });
    }
}

impl Portion {
    fn is_full(&self) -> bool {
        self.waiting.len() >= COPY_FRAMES || self.texts.len() >= COPY_BYTES
    }

    /// Keep a frame; how many bytes that took.
    fn add(&mut self, entry: &Entry<'_>) -> usize {
        let before = self.texts.len();
        let Entry { tenant_id, charge_point_id, at_us, direction, .. } = *entry;
        let text = self.keep(&without_nul(&redact::redact(entry.text)));
        let deviations = entry.deviations.map(|json| self.keep(json));
        let connection_id = self.keep(entry.connection_id);
        self.waiting.push(Waiting {
            tenant_id,
            charge_point_id,
            at_us,
            direction,
            text,
            deviations,
            connection_id,
        });
        self.texts.len() - before
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.texts.len();
        self.texts.push_str(text);
        start..self.texts.len()
    }
}

/// How many frames at the beginning, which is not empty, make one row.
fn run_length(frames: &[Waiting], texts: &str) -> usize {
    let first = &frames[0];
    let mut bytes = first.text.len();
    let belongs = |before: &Waiting, frame: &Waiting| {
        bytes += frame.text.len();
        frame.charge_point_id == first.charge_point_id
            && texts[frame.connection_id.clone()] == texts[first.connection_id.clone()]
            && bytes <= RUN_BYTES
            && frame.at_us - first.at_us <= RUN_SPAN_US
            // The clock may have been set back.
            && frame.at_us >= before.at_us
    };
    frames.chunk_by(belongs).next().map_or(0, <[Waiting]>::len)
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
        let mut log = FrameLog::new(10, 1000);
        log.record(&Entry { deviations: Some("[]"), ..entry("t\0") });
        log.record(&Entry { at_us: 946_684_800_000_004, direction: "out", ..entry("u") });
        let (data, frames) = log.take().expect("two frames wait");
        assert_eq!(frames, 2);
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
        assert_eq!(log.take(), None);
    }

    #[test]
    fn a_run_is_of_one_connection_and_one_second() {
        let mut log = FrameLog::new(100, 1_000_000);
        let forty_thousand = "x".repeat(40_000);
        for (charge_point_id, connection_id, after_us, text) in [
            (2, "c", 0, "1"),
            (3, "e", 0, "another charge point"),
            (2, "c", 1_000_000, "1"),
            (2, "c", 1_000_001, "2: a second later"),
            (2, "c", 5, "3: the clock was set back"),
            (2, "c", 5, &forty_thousand),
            (2, "c", 5, &forty_thousand),
            (2, "d", 5, "another socket"),
        ] {
            let at_us = 946_684_800_000_003 + after_us;
            log.record(&Entry { charge_point_id, at_us, connection_id, ..entry(text) });
        }
        let (data, frames) = log.take().expect("frames wait");
        assert_eq!(frames, 8);
        let lengths: Vec<u8> = rows(&data).iter().map(|row| row[5].expect("times")[15]).collect();
        assert_eq!(lengths, [2, 1, 2, 1, 1, 1]);
    }

    #[test]
    fn each_frame_has_a_number_of_its_own() {
        let mut log = FrameLog::new(100, 1_000_000);
        let mut ids = Vec::new();
        for connection_id in ["c", "d", "d", "e"] {
            log.record(&Entry { connection_id, ..entry("x") });
        }
        let (data, _) = log.take().expect("frames wait");
        log.record(&entry("x"));
        let (behind, _) = log.take().expect("a frame waits");
        for data in [&data, &behind] {
            let found = rows(data);
            ids.extend(
                found.iter().map(|row| i64::from_be_bytes(row[0].expect("id").try_into().expect("8"))),
            );
        }
        let first = entry("x").at_us;
        assert_eq!(ids, [first, first + 1, first + 3, first + 4]);
    }

    #[test]
    fn many_frames_come_in_portions_that_make_room() {
        let mut log = FrameLog::new(super::COPY_FRAMES + 2, 1_000_000);
        (0..super::COPY_FRAMES + 3).for_each(|_| log.record(&entry("x")));
        let portions = [log.take(), log.take(), log.take()];
        let frames = portions.map(|portion| portion.map(|(_, frames)| frames));
        assert_eq!(frames, [Some(super::COPY_FRAMES), Some(2), None]);
        assert_eq!((log.frames(), log.bytes, log.take_shed()), (0, 0, 1));
        let mut log = FrameLog::new(10, 10_000_000);
        (0..3).for_each(|_| log.record(&entry(&"x".repeat(super::COPY_BYTES / 2))));
        let frames = [log.take(), log.take()].map(|portion| portion.map(|(_, frames)| frames));
        assert_eq!(frames, [Some(2), Some(1)]);
    }

    #[test]
    fn no_more_than_its_bounds_is_kept() {
        let mut log = FrameLog::new(2, 10_000);
        (0..3).for_each(|_| log.record(&entry("x")));
        assert_eq!((log.frames(), log.take_shed(), log.take_shed()), (2, 1, 0));
        let mut log = FrameLog::new(100, 200);
        log.record(&entry(&"x".repeat(201)));
        assert_eq!((log.frames(), log.take_shed()), (0, 1));
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
