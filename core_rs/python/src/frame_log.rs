//! The frame log's buffer as a Python class.

use ocpp_core::frame_log::{self, COLUMNS, Entry};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[pyclass(module = "app._core")]
pub struct FrameBuffer {
    log: frame_log::FrameLog,
}

#[pymethods]
impl FrameBuffer {
    #[classattr]
    const COLUMNS: [&'static str; 7] = COLUMNS;

    #[new]
    fn new(rows_limit: usize, bytes_limit: usize) -> Self {
        Self { log: frame_log::FrameLog::new(rows_limit, bytes_limit) }
    }

    #[allow(clippy::too_many_arguments)] // One for each column.
    fn record(
        &mut self,
        tenant_id: i64,
        charge_point_id: i64,
        at_us: i64,
        direction: &str,
        text: &str,
        deviations: Option<&str>,
        connection_id: &str,
    ) -> bool {
        let entry = Entry { tenant_id, charge_point_id, at_us, direction, text, deviations, connection_id };
        self.log.record(&entry)
    }

    fn take<'py>(&mut self, py: Python<'py>) -> Option<(Bound<'py, PyBytes>, usize)> {
        self.log.take().map(|(data, rows)| (PyBytes::new(py, &data), rows))
    }

    fn __len__(&self) -> usize {
        self.log.rows()
    }
}
