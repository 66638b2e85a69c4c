//! Meter values that wait for their group commit, each with the CALL that is answered after it.
//!
//! A valid `MeterValues` goes from its frame straight in here: nothing of it becomes a Python object before it
//! is stored. Batches are filled one after the other. The texts of a batch share one buffer, so that a record
//! costs no allocation of its own.

mod sampled_at;

use std::collections::VecDeque;
use std::ops::Range;

use self::sampled_at::microseconds;
use crate::frame::UniqueId;
use crate::protocol::value::Value;

/// Where a record belongs, and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The tenant of the charge point.
    pub tenant_id: i64,
    /// The charge point.
    pub charge_point_id: i64,
    /// When the message arrived: microseconds since 1970, UTC.
    pub received_at_us: i64,
}

/// A connection that waits for the answer to a CALL.
#[derive(Debug)]
pub struct Waiting<T> {
    /// The object by which the caller answers.
    pub owner: T,
    /// The unique id of the CALL.
    pub unique_id: UniqueId<'static>,
    /// When the CALL arrived, in monotonic seconds.
    pub since: f64,
}

#[derive(Debug)]
struct Record {
    origin: Origin,
    connector_id: i64,
    transaction_id: i64,
    readings: Range<usize>,
}

#[derive(Debug)]
struct Reading {
    sampled_at_us: i64,
    sampled_values: Range<usize>,
}

/// One `MeterValues` of a batch.
#[derive(Clone, Copy, Debug)]
pub struct MeterRecord<'a> {
    /// Where the record belongs, and when it arrived.
    pub origin: Origin,
    /// `connectorId`.
    pub connector_id: i64,
    /// `transactionId`, from 1 on.
    pub transaction_id: i64,
    readings: &'a [Reading],
    texts: &'a str,
}

impl<'a> MeterRecord<'a> {
    /// `timestamp` in microseconds since 1970, and `sampledValue` as JSON text, of each reading.
    #[must_use]
    pub fn readings(&self) -> impl ExactSizeIterator<Item = (i64, &'a str)> + use<'a> {
        let texts = self.texts;
        self.readings
            .iter()
            .map(move |reading| (reading.sampled_at_us, &texts[reading.sampled_values.clone()]))
    }
}

/// Records of one group commit.
#[derive(Debug)]
pub struct MeterBatch<T> {
    records: Vec<Record>,
    readings: Vec<Reading>,
    texts: String,
    /// The CALL of each record; `None`: it is answered.
    waiting: Vec<Option<Waiting<T>>>,
}

impl<T> Default for MeterBatch<T> {
    fn default() -> Self {
        Self { records: Vec::new(), readings: Vec::new(), texts: String::new(), waiting: Vec::new() }
    }
}

impl<T> MeterBatch<T> {
    /// The number of records in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the batch has no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records in their order.
    pub fn records(&self) -> impl Iterator<Item = MeterRecord<'_>> {
        self.records.iter().map(|record| MeterRecord {
            origin: record.origin,
            connector_id: record.connector_id,
            transaction_id: record.transaction_id,
            readings: &self.readings[record.readings.clone()],
            texts: &self.texts,
        })
    }

    /// Remove and return all that still wait. The caller answers them now.
    pub fn take_waiting(&mut self) -> impl Iterator<Item = Waiting<T>> {
        self.waiting.iter_mut().filter_map(Option::take)
    }

    /// Remove and return the CALL of the record at that place, if it is not answered yet.
    pub fn take_one(&mut self, place: usize) -> Option<Waiting<T>> {
        self.waiting.get_mut(place).and_then(Option::take)
    }

    /// Remove and return all that have waited since `since` or longer.
    pub fn take_overdue(&mut self, since: f64) -> impl Iterator<Item = Waiting<T>> {
        self.waiting.iter_mut().filter_map(move |waiting| waiting.take_if(|waiting| waiting.since <= since))
    }

    /// How many still wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.iter().flatten().count()
    }

    /// Add the valid payload of a `MeterValues`. Returns `false` and adds nothing if the payload is unusual, so that
    /// the caller must handle it.
    fn add(&mut self, origin: Origin, payload: &Value<'_>) -> bool {
        let (readings, texts) = (self.readings.len(), self.texts.len());
        if let Some((connector_id, transaction_id)) = self.add_readings(origin.received_at_us, payload) {
            let readings = readings..self.readings.len();
            self.records.push(Record { origin, connector_id, transaction_id, readings });
            return true;
        }
        self.readings.truncate(readings);
        self.texts.truncate(texts);
        false
    }

    fn add_readings(&mut self, received_at_us: i64, payload: &Value<'_>) -> Option<(i64, i64)> {
        let Some(Value::Integer(connector_id)) = payload.get("connectorId") else { return None };
        let Some(Value::Integer(transaction_id @ 1..)) = payload.get("transactionId") else { return None };
        let Some(Value::Array(elements)) = payload.get("meterValue") else { return None };
        for element in elements {
            let sampled_at_us = microseconds(element.get("timestamp")?.as_str()?)?;
            if !is_plausible(sampled_at_us, received_at_us) {
                return None;
            }
            let Some(Value::Raw(text)) = element.get("sampledValue") else { return None };
            let start = self.texts.len();
            self.texts.push_str(text);
            self.readings.push(Reading { sampled_at_us, sampled_values: start..self.texts.len() });
        }
        Some((*connector_id, *transaction_id))
    }
}

/// Whether a time says something: after 2015, because a clock that was never set starts before, and at most an hour
/// ahead of its arrival. Both in microseconds since 1970.
fn is_plausible(moment_us: i64, received_at_us: i64) -> bool {
    const FROM_US: i64 = 1_420_070_400_000_000;
    const AHEAD_US: i64 = 3_600_000_000;
    (FROM_US..=received_at_us.saturating_add(AHEAD_US)).contains(&moment_us)
}

/// The result of `MeterQueue::offer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The record was added, and enough records wait now: wake the writer.
    Enough,
    /// The record was added.
    Taken,
    /// The record was not added: the queue is full or closed, or the payload is unusual.
    Refused,
}

/// A queue of batches, the oldest first.
#[derive(Debug)]
pub struct MeterQueue<T> {
    batches: VecDeque<MeterBatch<T>>,
    batch_limit: usize,
    limit: usize,
    records: usize,
    enough: usize,
    is_open: bool,
}

impl<T> MeterQueue<T> {
    /// Create an open queue. `batch_limit`: most records of a batch; `limit`: most records that wait.
    #[must_use]
    pub fn new(batch_limit: usize, limit: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            batch_limit: batch_limit.max(1),
            limit,
            records: 0,
            enough: 1,
            is_open: true,
        }
    }

    /// How many records wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether the queue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Set how many records wake the writer. The first one always does.
    pub fn wake_at(&mut self, records: usize) {
        self.enough = records;
    }

    /// Refuse further records. Those that wait stay.
    pub fn close(&mut self) {
        self.is_open = false;
    }

    /// Offer the valid payload of a `MeterValues`, its samples raw. It is taken if it names its connector and
    /// transaction, and its times are plain RFC 3339.
    pub fn offer(
        &mut self,
        origin: Origin,
        payload: &Value<'_>,
        waiting: impl FnOnce() -> Waiting<T>,
    ) -> Offer {
        if !self.is_open || self.records >= self.limit {
            return Offer::Refused;
        }
        if self.batches.back().is_none_or(|batch| batch.len() >= self.batch_limit) {
            self.batches.push_back(MeterBatch::default());
        }
        let Some(batch) = self.batches.back_mut() else { return Offer::Refused };
        if !batch.add(origin, payload) {
            if batch.is_empty() {
                self.batches.pop_back();
            }
            return Offer::Refused;
        }
        batch.waiting.push(Some(waiting()));
        self.records += 1;
        if self.records == 1 || self.records == self.enough { Offer::Enough } else { Offer::Taken }
    }

    /// Remove and return the oldest batch, to be written now; `None` when nothing waits.
    pub fn take(&mut self) -> Option<MeterBatch<T>> {
        let batch = self.batches.pop_front()?;
        self.records -= batch.len();
        Some(batch)
    }

    /// Remove and return all that have waited since `since` or longer. A batch that has been answered in full is
    /// dropped: its charge points send it again.
    pub fn take_overdue(&mut self, since: f64) -> Vec<Waiting<T>> {
        let overdue = self.batches.iter_mut().flat_map(|batch| batch.take_overdue(since)).collect();
        self.batches.retain(|batch| batch.waiting() > 0);
        self.records = self.batches.iter().map(MeterBatch::len).sum();
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::value::Key;

    const RECEIVED_AT_US: i64 = 1_772_445_600_000_003;
    const ORIGIN: Origin = Origin { tenant_id: 1, charge_point_id: 2, received_at_us: RECEIVED_AT_US };

    fn object<'a>(members: Vec<(&'a str, Value<'a>)>) -> Value<'a> {
        Value::Object(members.into_iter().map(|(name, value)| (Key::Text(name.into()), value)).collect())
    }

    fn payload(transaction_id: i64, timestamp: &str) -> Value<'_> {
        let element = object(vec![
            ("timestamp", Value::String(timestamp.into())),
            ("sampledValue", Value::Raw(r#"[{"value":"1"}]"#.into())),
        ]);
        object(vec![
            ("connectorId", Value::Integer(1)),
            ("transactionId", Value::Integer(transaction_id)),
            ("meterValue", Value::Array(vec![element])),
        ])
    }

    fn offer(queue: &mut MeterQueue<u8>, owner: u8, since: f64) -> Offer {
        let waiting = || Waiting { owner, unique_id: UniqueId::of("1"), since };
        queue.offer(ORIGIN, &payload(7, "2026-03-02T10:00:00Z"), waiting)
    }

    fn owners(waiting: impl IntoIterator<Item = Waiting<u8>>) -> Vec<u8> {
        waiting.into_iter().map(|waiting| waiting.owner).collect()
    }

    #[test]
    fn a_record_comes_out_as_it_went_in() {
        let mut queue = MeterQueue::new(10, 10);
        assert_eq!(offer(&mut queue, 5, 0.0), Offer::Enough);
        let mut batch = queue.take().expect("one batch waits");
        let records: Vec<_> = batch.records().collect();
        let [record] = records.as_slice() else { panic!("one record") };
        assert_eq!((record.origin, record.connector_id, record.transaction_id), (ORIGIN, 1, 7));
        assert!(record.readings().eq([(1_772_445_600_000_000, r#"[{"value":"1"}]"#)]));
        assert_eq!(owners(batch.take_waiting()), [5]);
        assert!(owners(batch.take_waiting()).is_empty(), "each is answered once");
    }

    #[test]
    fn what_needs_a_closer_look_leaves_nothing_behind() {
        let mut queue = MeterQueue::<u8>::new(10, 10);
        for payload in [
            payload(0, "2026-03-02T10:00:00Z"),
            payload(7, "now"),
            payload(7, "1970-01-01T00:00:00Z"),
            payload(7, "2014-12-31T23:59:59Z"),
            payload(7, "2026-03-02T11:00:01Z"),
            Value::Null,
        ] {
            assert_eq!(queue.offer(ORIGIN, &payload, || unreachable!()), Offer::Refused);
        }
        assert!(queue.is_empty());
        assert!(queue.take().is_none());
    }

    #[test]
    fn batches_and_the_queue_have_their_limits() {
        let mut queue = MeterQueue::new(2, 3);
        queue.wake_at(3);
        let offers = [1, 2, 3, 4].map(|owner| offer(&mut queue, owner, 0.0));
        assert_eq!(offers, [Offer::Enough, Offer::Taken, Offer::Enough, Offer::Refused]);
        assert_eq!(queue.take().map(|batch| batch.len()), Some(2));
        assert_eq!(queue.len(), 1);
        queue.close();
        assert_eq!(offer(&mut queue, 5, 0.0), Offer::Refused);
        assert_eq!(queue.take().map(|mut batch| owners(batch.take_waiting())), Some(vec![3]));
    }

    #[test]
    fn who_waits_too_long_is_told_once_and_its_batch_goes_when_nobody_is_left() {
        let mut queue = MeterQueue::new(2, 10);
        for (owner, since) in [(1, 0.0), (2, 1.0), (3, 2.0)] {
            offer(&mut queue, owner, since);
        }
        assert_eq!(owners(queue.take_overdue(0.5)), [1]);
        assert_eq!((owners(queue.take_overdue(0.5)), queue.len()), (vec![], 3));
        assert_eq!((owners(queue.take_overdue(1.0)), queue.len()), (vec![2], 1));
        let mut batch = queue.take().expect("the second batch");
        assert_eq!(owners(batch.take_one(0)), [3]);
        assert!(batch.take_one(0).is_none());
    }
}
