//! The frame log's buffer as a Python class, and the removal of secrets from frames.

use std::collections::HashMap;

use ocpp_core::conversation::frame_log::{self, Limits, RUN_SPAN_US};
use ocpp_core::frame::fault_text;
use ocpp_core::frame::redact as core_redact;
use ocpp_core::frame::secrets;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use stationmaster_postgres_rows::frames::{self, COLUMNS};

use crate::errors;

#[pyclass(module = "app._core")]
pub struct FrameBuffer {
    pub log: frame_log::FrameLog,
}

#[pymethods]
impl FrameBuffer {
    #[classattr]
    const COLUMNS: [&'static str; 5] = COLUMNS;

    #[classattr]
    const RUN_SPAN_US: i64 = RUN_SPAN_US;

    #[new]
    fn new(frames_limit: usize, bytes_limit: usize, tenant_bytes_per_day: u64) -> Self {
        let limits = Limits { frames: frames_limit, bytes: bytes_limit, tenant_bytes_per_day };
        Self { log: frame_log::FrameLog::new(limits) }
    }

    fn take<'py>(&mut self, py: Python<'py>) -> Option<(Bound<'py, PyBytes>, usize)> {
        self.log.take().map(|batch| (PyBytes::new(py, &frames::copy(&batch)), batch.len()))
    }

    fn take_shed(&mut self) -> usize {
        self.log.take_shed()
    }

    fn take_beyond_quota(&mut self) -> HashMap<i64, u64> {
        self.log.take_beyond_quota()
    }

    fn __len__(&self) -> usize {
        self.log.frames()
    }
}

type Frame = (i64, &'static str, String, Option<String>);

#[pyfunction]
pub fn unpack_frames(packed: &[u8], last_at_us: i64) -> PyResult<(String, Vec<Frame>)> {
    let run = frames::unpack(packed, last_at_us).map_err(errors::damaged)?;
    let frame = |frame: frames::StoredFrame| (frame.at_us, frame.direction, frame.text, frame.deviations);
    Ok((run.connection_id, run.frames.into_iter().map(frame).collect()))
}

#[pyfunction]
pub fn redact(text: &str) -> PyResult<String> {
    errors::guarded(|| core_redact::redact(text).into_owned())
}

#[pyfunction]
pub fn redact_fault_text(text: &str) -> PyResult<String> {
    errors::guarded(|| fault_text::redact_fault_text(text).into_owned())
}

#[pyfunction]
pub fn is_secret_name(name: &str) -> bool {
    secrets::is_secret_name(name)
}
