//! Frames that wait to be logged, in batches. Logging every frame must cost almost nothing.
//!
//! A batch is read as runs: the frames that one connection had within a second. Each run becomes one row of
//! the database, which costs far less than a row for each frame. Secrets are hidden and NUL, which `PostgreSQL`
//! cannot store, becomes U+FFFD, so that no frame can make a whole COPY fail.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::log_quota::LogQuota;
use crate::frame::redact;

/// Longest time between the first and the last frame of a run. A search by time relies on it.
pub const RUN_SPAN_US: i64 = 1_000_000;

/// Most bytes of a run of several frames: to read one frame, the database reads its run.
const RUN_BYTES: usize = 65_536;

/// Frames of one batch, and about how many bytes. To encode a batch takes a few milliseconds, in which the worker
/// does nothing else.
const BATCH_FRAMES: usize = 5_000;
const BATCH_BYTES: usize = 1_500_000;

/// One frame to log.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The tenant of the charge point.
    pub tenant_id: i64,
    /// The charge point.
    pub charge_point_id: i64,
    /// When the frame was received or sent: microseconds since 1970, UTC.
    pub at_us: i64,
    /// `in` or `out`.
    pub direction: &'static str,
    /// The frame with its secrets; they are hidden here.
    pub text: &'a str,
    /// The deviations that were tolerated in the frame, as JSON that `jsonb` can hold.
    pub deviations: Option<&'a str>,
    /// The id of the connection, unique for each socket.
    pub connection_id: &'a str,
}

/// Frames that one connection had within `RUN_SPAN_US`, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The number of the first frame. The other frames have the numbers that follow. Numbers rise with the time,
    /// also from one start of the server to the next.
    pub id: i64,
    /// The tenant of the charge point.
    pub tenant_id: i64,
    /// The charge point.
    pub charge_point_id: i64,
    /// The id of the connection, unique for each socket.
    pub connection_id: &'a str,
    /// Time of the last frame: microseconds since 1970, UTC.
    pub last_at_us: i64,
    frames: &'a [Waiting],
    texts: &'a str,
}

/// A frame of a run, its secrets hidden.
#[derive(Clone, Copy, Debug)]
pub struct LoggedFrame<'a> {
    /// When the frame was received or sent: microseconds since 1970, UTC.
    pub at_us: i64,
    /// `in` or `out`.
    pub direction: &'static str,
    /// The text, without NUL.
    pub text: &'a str,
    /// The deviations that were tolerated in the frame, as JSON.
    pub deviations: Option<&'a str>,
}

impl<'a> Run<'a> {
    /// The frames in their order; never empty.
    #[must_use]
    pub fn frames(&self) -> impl ExactSizeIterator<Item = LoggedFrame<'a>> + use<'a> {
        let texts = self.texts;
        self.frames.iter().map(move |frame| LoggedFrame {
            at_us: frame.at_us,
            direction: frame.direction,
            text: &texts[frame.text.clone()],
            deviations: frame.deviations.clone().map(|json| &texts[json]),
        })
    }
}

/// Frames to be stored together.
#[derive(Debug, Default)]
pub struct FrameBatch {
    waiting: Vec<Waiting>,
    texts: String,
    /// The number of the first frame of each run, and the run's place in `waiting`.
    runs: Vec<(i64, Range<usize>)>,
}

/// A frame that waits; the ranges are places in `FrameBatch::texts`.
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

impl Waiting {
    fn bytes(&self) -> usize {
        self.text.len() + self.deviations.as_ref().map_or(0, Range::len)
    }
}

/// Frames that wait to be stored, within bounds.
#[derive(Debug)]
pub struct FrameLog {
    batches: VecDeque<FrameBatch>,
    frames: usize,
    bytes: usize,
    limits: Limits,
    quota: LogQuota,
    shed: usize,
    last_id: i64,
}

/// The bounds of a frame log.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most frames that wait.
    pub frames: usize,
    /// Most bytes that wait.
    pub bytes: usize,
    /// Most bytes of frames that one tenant logs in a day, by UTC.
    pub tenant_bytes_per_day: u64,
}

impl FrameLog {
    /// Create an empty log.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let (batches, quota) = (VecDeque::new(), LogQuota::new(limits.tenant_bytes_per_day));
        Self { batches, frames: 0, bytes: 0, limits, quota, shed: 0, last_id: 0 }
    }

    /// How many frames wait.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Add a frame. Without room for it, or beyond the quota of its tenant, drop and count it.
    pub fn record(&mut self, entry: &Entry<'_>) {
        let bytes = entry.text.len() + entry.deviations.map_or(0, str::len);
        if self.frames >= self.limits.frames || self.bytes + bytes > self.limits.bytes {
            self.shed += 1;
            return;
        }
        if !self.quota.take(entry.tenant_id, bytes, entry.at_us) {
            return;
        }
        if self.batches.back().is_none_or(FrameBatch::is_full) {
            self.batches.push_back(FrameBatch::default());
        }
        if let Some(batch) = self.batches.back_mut() {
            self.bytes += batch.add(entry);
            self.frames += 1;
        }
    }

    /// Return how many frames were dropped since the last call, because the log was full.
    #[must_use]
    pub fn take_shed(&mut self) -> usize {
        std::mem::take(&mut self.shed)
    }

    /// Return how many frames were dropped since the last call, because their tenant has used its quota.
    #[must_use]
    pub fn take_beyond_quota(&mut self) -> HashMap<i64, u64> {
        self.quota.take_beyond()
    }

    /// Remove and return the oldest batch; `None` when no frame waits.
    #[must_use]
    pub fn take(&mut self) -> Option<FrameBatch> {
        let mut batch = self.batches.pop_front()?;
        self.frames -= batch.len();
        self.bytes -= batch.texts.len();
        self.last_id = batch.divide(self.last_id);
        Some(batch)
    }
}

impl FrameBatch {
    /// The number of frames in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the batch has no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The frames as runs, those of one charge point in their order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.runs.iter().map(|(id, place)| {
            let frames = &self.waiting[place.clone()];
            let (first, last) = (&frames[0], &frames[frames.len() - 1]);
            Run {
                id: *id,
                tenant_id: first.tenant_id,
                charge_point_id: first.charge_point_id,
                connection_id: &self.texts[first.connection_id.clone()],
                last_at_us: last.at_us,
                frames,
                texts: &self.texts,
            }
        })
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= BATCH_FRAMES || self.texts.len() >= BATCH_BYTES
    }

    /// Add a frame; returns how many bytes that took.
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

    /// Divide the frames into runs and number them; returns the last number. `last_id`: the last one before.
    fn divide(&mut self, mut last_id: i64) -> i64 {
        // Stable: frames of one charge point stay in their order.
        self.waiting.sort_by_key(|frame| frame.charge_point_id);
        let mut start = 0;
        while start < self.waiting.len() {
            let rest = &self.waiting[start..];
            let length = run_length(rest, &self.texts);
            let id = rest[0].at_us.max(last_id + 1);
            last_id = id.saturating_add_unsigned(length as u64 - 1);
            self.runs.push((id, start..start + length));
            start += length;
        }
        last_id
    }
}

/// How many of the first frames make one run. `frames` is not empty.
fn run_length(frames: &[Waiting], texts: &str) -> usize {
    let first = &frames[0];
    let mut bytes = first.bytes();
    let belongs = |before: &Waiting, frame: &Waiting| {
        bytes += frame.bytes();
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
    use super::{Entry, FrameLog, Limits};

    fn log_of(frames: usize, bytes: usize) -> FrameLog {
        FrameLog::new(Limits { frames, bytes, tenant_bytes_per_day: u64::MAX })
    }

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
    fn a_run_is_of_one_connection_and_one_second() {
        let mut log = log_of(100, 1_000_000);
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
        let batch = log.take().expect("frames wait");
        assert_eq!(batch.len(), 8);
        let lengths: Vec<usize> = batch.runs().map(|run| run.frames().len()).collect();
        assert_eq!(lengths, [2, 1, 2, 1, 1, 1]);
    }

    #[test]
    fn each_frame_has_a_number_of_its_own() {
        let mut log = log_of(100, 1_000_000);
        for connection_id in ["c", "d", "d", "e"] {
            log.record(&Entry { connection_id, ..entry("x") });
        }
        let batch = log.take().expect("frames wait");
        log.record(&entry("x"));
        let behind = log.take().expect("a frame waits");
        let ids: Vec<i64> = batch.runs().chain(behind.runs()).map(|run| run.id).collect();
        let first = entry("x").at_us;
        assert_eq!(ids, [first, first + 1, first + 3, first + 4]);
    }

    #[test]
    fn many_frames_come_in_batches_that_make_room() {
        let mut log = log_of(super::BATCH_FRAMES + 2, 1_000_000);
        (0..super::BATCH_FRAMES + 3).for_each(|_| log.record(&entry("x")));
        let batches = [log.take(), log.take(), log.take()];
        let frames = batches.map(|batch| batch.map(|batch| batch.len()));
        assert_eq!(frames, [Some(super::BATCH_FRAMES), Some(2), None]);
        assert_eq!((log.frames(), log.bytes, log.take_shed()), (0, 0, 1));
        let mut log = log_of(10, 10_000_000);
        (0..3).for_each(|_| log.record(&entry(&"x".repeat(super::BATCH_BYTES / 2))));
        let frames = [log.take(), log.take()].map(|batch| batch.map(|batch| batch.len()));
        assert_eq!(frames, [Some(2), Some(1)]);
    }

    #[test]
    fn no_more_than_its_bounds_is_kept() {
        let mut log = log_of(2, 10_000);
        (0..3).for_each(|_| log.record(&entry("x")));
        assert_eq!((log.frames(), log.take_shed(), log.take_shed()), (2, 1, 0));
        let mut log = log_of(100, 200);
        log.record(&entry(&"x".repeat(201)));
        assert_eq!((log.frames(), log.take_shed()), (0, 1));
    }

    #[test]
    fn secrets_are_hidden() {
        let mut log = log_of(10, 1000);
        let text = r#"[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"hunter2"}]"#;
        log.record(&entry(text));
        let batch = log.take().expect("one frame waits");
        assert_eq!(batch.runs().count(), 1);
        assert!(!batch.texts.contains("hunter2"));
    }

    #[test]
    fn beyond_its_quota_a_tenant_is_not_logged_and_others_are() {
        let mut log = FrameLog::new(Limits { frames: 10, bytes: 1_000, tenant_bytes_per_day: 5 });
        for (tenant_id, text) in [(1, "12345"), (1, "6"), (2, "1")] {
            log.record(&Entry { tenant_id, ..entry(text) });
        }
        assert_eq!((log.frames(), log.take_shed()), (2, 0));
        assert_eq!(log.take_beyond_quota(), [(1, 1)].into());
    }
}
