//! Meter values for a COPY, as Python sees them.

use ocpp_core::meter_rows::{self, COLUMNS, MeterRow};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[pyclass(module = "app._core")]
pub struct MeterRows {
    rows: meter_rows::MeterRows,
}

#[pymethods]
impl MeterRows {
    #[classattr]
    const COLUMNS: [&'static str; 9] = COLUMNS;

    #[new]
    fn new() -> Self {
        Self { rows: meter_rows::MeterRows::default() }
    }

    #[allow(clippy::too_many_arguments)] // One for each column.
    fn add(
        &mut self,
        tenant_id: i64,
        charge_point_id: i64,
        connector_id: i64,
        transaction_id: i64,
        sampled_at_us: i64,
        received_at_us: i64,
        sampled_values: &str,
    ) {
        self.rows.add(&MeterRow {
            tenant_id,
            charge_point_id,
            connector_id,
            transaction_id,
            sampled_at_us,
            received_at_us,
            sampled_values,
        });
    }

    fn take<'py>(&mut self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.rows.take().map(|data| PyBytes::new(py, &data))
    }
}

#[pyfunction]
pub fn meter_digest(sampled_values: &str, connector_id: i64, transaction_id: i64) -> i64 {
    meter_rows::digest(sampled_values, connector_id, transaction_id)
}
