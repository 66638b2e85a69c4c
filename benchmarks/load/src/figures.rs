//! Latencies as an HDR histogram, and the figures of a measurement.

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

const LOWEST_NS: u64 = 1_000;
const HIGHEST_NS: u64 = 600_000_000_000;
const DIGITS: u8 = 3;

/// Latencies with three significant digits, from a microsecond to ten minutes.
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, DIGITS).expect("the bounds are valid"))
    }
}

/// Milliseconds at which so many of the latencies lie.
#[derive(Debug, Default, Serialize)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to each name")]
pub struct LatencyFigures {
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

impl Latency {
    /// Take one.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Summarize them; zeros if there are none.
    #[must_use]
    pub fn figures(&self) -> LatencyFigures {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e6;
        LatencyFigures {
            mean_ms: self.0.mean() / 1e6,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
        }
    }
}

/// CPU time of this process so far, seconds.
#[must_use]
pub fn own_cpu_s() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let seconds = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_latencies() {
        let mut latency = Latency::default();
        for ms in 1..=1000 {
            latency.record(ms * 1_000_000);
        }
        let figures = latency.figures();
        for (found, expected) in [
            (figures.p50_ms, 500.0),
            (figures.p99_ms, 990.0),
            (figures.p999_ms, 999.0),
            (figures.max_ms, 1000.0),
        ] {
            assert!((found / expected - 1.0_f64).abs() < 0.002, "{found} for {expected}");
        }
        assert_eq!(latency.count(), 1000);
    }
}
