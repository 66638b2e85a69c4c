//! The frame log's buffer as a Python class.

use ocpp_core::frame_log::{self, COLUMNS};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[pyclass(module = "app._core")]
pub struct FrameBuffer {
    pub log: frame_log::FrameLog,
}

#[pymethods]
impl FrameBuffer {
    #[classattr]
    const COLUMNS: [&'static str; 8] = COLUMNS;

    #[new]
    fn new(rows_limit: usize, bytes_limit: usize) -> Self {
        Self { log: frame_log::FrameLog::new(rows_limit, bytes_limit) }
    }

    fn take<'py>(&mut self, py: Python<'py>) -> Option<(Bound<'py, PyBytes>, usize)> {
        self.log.take().map(|(data, rows)| (PyBytes::new(py, &data), rows))
    }

    fn take_shed(&mut self) -> usize {
        self.log.take_shed()
    }

    fn __len__(&self) -> usize {
        self.log.rows()
    }
}
