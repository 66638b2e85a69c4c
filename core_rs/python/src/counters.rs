//! Counters of the frame path as a Python class.

use std::collections::HashMap;

use ocpp_core::conversation::counters;
use pyo3::prelude::*;

/// Counts by bucket, and the sum in seconds.
type Durations = (Vec<u64>, f64);

#[pyclass(module = "app._core")]
pub struct Counters {
    pub counters: counters::Counters,
}

#[pymethods]
impl Counters {
    #[new]
    fn new(bounds_s: Vec<f64>) -> Self {
        Self { counters: counters::Counters::new(bounds_s) }
    }

    fn answered(&mut self, action: &str, seconds: f64) {
        self.counters.answered(action, seconds);
    }

    fn take(&mut self) -> (u64, u64, u64, HashMap<String, Durations>) {
        let counts = self.counters.take();
        let answered = counts.answered.into_iter();
        let answered = answered.map(|(action, durations)| (action, (durations.buckets, durations.sum_s)));
        (counts.frames_in, counts.bytes_in, counts.frames_out, answered.collect())
    }
}
