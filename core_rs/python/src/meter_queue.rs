//! Meter values on their way to the database as Python classes.

use ocpp_core::conversation::meter_queue::{self, Waiting};
use ocpp_core::protocol::error_table::ErrorCode;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use stationmaster_postgres_rows::meter_events;
use stationmaster_postgres_rows::meter_values::{self, COLUMNS};

use crate::clock::Moment;
use crate::conversation::Conversation;
use crate::errors;

#[pyclass(module = "app._core")]
pub struct MeterQueue {
    pub queue: meter_queue::MeterQueue<Py<Conversation>>,
    /// Called when enough records wait, until the queue is closed.
    pub wake: Option<Py<PyAny>>,
}

#[pymethods]
impl MeterQueue {
    #[new]
    fn new(batch_limit: usize, limit: usize, wake: Py<PyAny>) -> Self {
        Self { queue: meter_queue::MeterQueue::new(batch_limit, limit), wake: Some(wake) }
    }

    fn take(&mut self) -> Option<MeterBatch> {
        self.queue.take().map(|batch| MeterBatch { batch })
    }

    fn wake_at(&mut self, records: usize) {
        self.queue.wake_at(records);
    }

    fn close(&mut self) {
        self.queue.close();
        // It refers back to this object.
        self.wake = None;
    }

    fn refuse_overdue(
        slf: &Bound<'_, Self>,
        since: f64,
        code: &str,
        description: &str,
        now: f64,
        at_us: i64,
    ) -> PyResult<Answered> {
        let refusal = (error_code(code)?, description);
        // The queue is borrowed again while answers are written.
        let overdue = slf.borrow_mut().queue.take_overdue(since);
        answer_all(slf.py(), overdue, Some(refusal), (now, at_us))
    }

    fn __len__(&self) -> usize {
        self.queue.len()
    }
}

type Reading = (i64, String);

#[pyclass(module = "app._core")]
pub struct MeterBatch {
    batch: meter_queue::MeterBatch<Py<Conversation>>,
}

#[pymethods]
impl MeterBatch {
    #[classattr]
    const COLUMNS: [&'static str; 9] = COLUMNS;

    fn copy<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &meter_values::copy(&self.batch))
    }

    fn events<'py>(&self, py: Python<'py>) -> Vec<(i64, Bound<'py, PyBytes>)> {
        let events = meter_events::events(&self.batch);
        events.into_iter().map(|(tenant_id, packed)| (tenant_id, PyBytes::new(py, &packed))).collect()
    }

    fn records(&self) -> Vec<(i64, i64, i64, i64, i64, Vec<Reading>)> {
        let record = |record: meter_queue::MeterRecord<'_>| {
            let origin = record.origin;
            let readings = record.readings().map(|(at_us, text)| (at_us, text.to_owned()));
            let (connector_id, transaction_id) = (record.connector_id, record.transaction_id);
            let (tenant_id, charge_point_id) = (origin.tenant_id, origin.charge_point_id);
            let received_at_us = origin.received_at_us;
            (tenant_id, charge_point_id, connector_id, transaction_id, received_at_us, readings.collect())
        };
        self.batch.records().map(record).collect()
    }

    fn acknowledge(&mut self, py: Python<'_>, now: f64, at_us: i64) -> PyResult<Answered> {
        answer_all(py, self.batch.take_waiting(), None, (now, at_us))
    }

    fn refuse_overdue(
        &mut self,
        py: Python<'_>,
        since: f64,
        code: &str,
        description: &str,
        now: f64,
        at_us: i64,
    ) -> PyResult<Answered> {
        let refusal = (error_code(code)?, description);
        answer_all(py, self.batch.take_overdue(since), Some(refusal), (now, at_us))
    }

    #[pyo3(signature = (place, now, at_us, code=None, description=""))]
    fn settle_one(
        &mut self,
        py: Python<'_>,
        place: usize,
        now: f64,
        at_us: i64,
        code: Option<&str>,
        description: &str,
    ) -> PyResult<Answered> {
        let refusal = code.map(error_code).transpose()?.map(|code| (code, description));
        answer_all(py, self.batch.take_one(place), refusal, (now, at_us))
    }

    #[getter]
    fn waiting(&self) -> usize {
        self.batch.waiting()
    }

    fn __len__(&self) -> usize {
        self.batch.len()
    }
}

#[pyfunction]
pub fn meter_digest(sampled_values: &str, connector_id: i64, transaction_id: i64) -> i64 {
    meter_values::digest(sampled_values, connector_id, transaction_id)
}

#[pyfunction]
pub fn pack_samples<'py>(py: Python<'py>, sampled_values: &str) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &meter_values::pack(sampled_values))
}

#[pyfunction]
pub fn unpack_samples(packed_values: &[u8]) -> PyResult<String> {
    meter_values::unpack(packed_values).map_err(errors::damaged)
}

/// The number of answers, and the exceptions that some of them raised.
type Answered = (usize, Vec<PyErr>);

/// Answer all. If one connection fails, the others still get their answers.
fn answer_all(
    py: Python<'_>,
    waiting: impl IntoIterator<Item = Waiting<Py<Conversation>>>,
    refusal: Option<(ErrorCode, &str)>,
    moment: Moment,
) -> PyResult<Answered> {
    let (mut count, mut failures) = (0, Vec::new());
    for waiting in waiting {
        match Conversation::acknowledge(waiting.owner.bind(py), &waiting, refusal, moment) {
            Ok(is_answered) => count += usize::from(is_answered),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                count += 1;
                failures.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((count, failures))
}

/// The error code of that name; each connection sends it in the spelling of its version.
fn error_code(name: &str) -> PyResult<ErrorCode> {
    ErrorCode::named(name).ok_or_else(|| errors::unknown_word("code", name))
}
