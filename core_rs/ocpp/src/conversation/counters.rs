//! Counters of the frame path, to be added to the metrics from time to time.

use indexmap::IndexMap;

/// Counts what the connections of one tenant on one worker did since the last `take`.
#[derive(Debug)]
pub struct Counters {
    bounds_s: Vec<f64>,
    counts: Counts,
}

/// The counts since the last `take`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Frames received from charge points.
    pub frames_in: u64,
    /// Bytes of their texts.
    pub bytes_in: u64,
    /// Frames sent to charge points.
    pub frames_out: u64,
    /// CALLs that were answered, by action.
    pub answered: IndexMap<String, Durations>,
}

/// A histogram of durations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durations {
    /// How many were at most as long as the bound at that place, and longer than the one before. The last bucket
    /// counts those that were longer than every bound.
    pub buckets: Vec<u64>,
    /// The sum of all durations, in seconds.
    pub sum_s: f64,
}

impl Counters {
    /// Start at zero. `bounds_s`: upper bounds of the buckets in seconds, rising.
    #[must_use]
    pub fn new(bounds_s: Vec<f64>) -> Self {
        Self { bounds_s, counts: Counts::default() }
    }

    /// Count a frame of a charge point. `bytes`: of its text.
    pub fn received(&mut self, bytes: usize) {
        self.counts.frames_in += 1;
        self.counts.bytes_in += bytes as u64;
    }

    /// Count a frame to a charge point.
    pub fn sent(&mut self) {
        self.counts.frames_out += 1;
    }

    /// Count a CALL that was answered. `seconds`: from its arrival to its answer.
    pub fn answered(&mut self, action: &str, seconds: f64) {
        let place = self.bounds_s.partition_point(|bound_s| *bound_s < seconds);
        if let Some(durations) = self.counts.answered.get_mut(action) {
            durations.buckets[place] += 1;
            durations.sum_s += seconds;
            return;
        }
        let mut buckets = vec![0; self.bounds_s.len() + 1];
        buckets[place] = 1;
        self.counts.answered.insert(action.to_owned(), Durations { buckets, sum_s: seconds });
    }

    /// Remove and return the counts.
    #[must_use]
    pub fn take(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counters, Counts};

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let mut counters = Counters::new(vec![0.1, 1.0]);
        for seconds in [0.05, 0.1, 0.5, 7.0] {
            counters.answered("Heartbeat", seconds);
        }
        counters.received(619);
        counters.sent();
        counters.sent();
        let counts = counters.take();
        assert_eq!((counts.frames_in, counts.bytes_in, counts.frames_out), (1, 619, 2));
        assert_eq!(counts.answered["Heartbeat"].buckets, [2, 1, 1]);
        assert!((counts.answered["Heartbeat"].sum_s - 7.65).abs() < 1e-9);
        assert_eq!(counters.take(), Counts::default());
    }
}
