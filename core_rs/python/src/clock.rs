//! The time of a conversation: that of the machine, read without a call into Python, or that of a given clock.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pyo3::intern;
use pyo3::prelude::*;

/// Monotonic seconds, and microseconds since 1970.
pub type Moment = (f64, i64);

/// One moment on Python's monotonic scale and on ours.
static START: OnceLock<(f64, Instant)> = OnceLock::new();

/// Read Python's monotonic clock, which is also that of event loops.
pub fn set_scale(py: Python<'_>) -> PyResult<()> {
    let monotonic: f64 = py.import("time")?.getattr("monotonic")?.call0()?.extract()?;
    START.get_or_init(|| (monotonic, Instant::now()));
    Ok(())
}

/// A given clock; `None`: that of the machine.
pub struct Clock(pub Option<Py<PyAny>>);

impl Clock {
    pub fn moment(&self, py: Python<'_>) -> PyResult<Moment> {
        let Some(clock) = &self.0 else { return Ok((monotonic(), microseconds())) };
        let clock = clock.bind(py);
        let now = clock.call_method0(intern!(py, "monotonic"))?.extract()?;
        Ok((now, clock.call_method0(intern!(py, "now_us"))?.extract()?))
    }
}

fn monotonic() -> f64 {
    let (seconds, then) = START.get_or_init(|| (0.0, Instant::now()));
    seconds + then.elapsed().as_secs_f64()
}

fn microseconds() -> i64 {
    // Before 1970 any value will do: no TLS certificate is valid, and no charge point is told the time.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
