//! Composite schedules. Questions are read and answered without the interpreter: many together, on any thread.

use std::sync::Arc;

use ocpp_core::protocol::error_table::ErrorCode;
use ocpp_core::protocol::violation::Violation;
use ocpp_core::protocol::{self, moment};
use ocpp_core::schedule::limit::Tenths;
use ocpp_core::schedule::read;
use ocpp_core::schedule::write::{self, NoText};
use ocpp_core::schedule::{CompositePeriod, NoConversion, Question, composite};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::protocol::Protocol;
use crate::{effects, errors};

/// Longest answer in bytes. It holds thousands of explained periods; a longer one would only occupy the machine.
const LONGEST_TEXT: usize = 8 * 1024 * 1024;

#[pyclass(frozen, module = "app._core")]
pub struct CompositeQuestion {
    protocol: &'static protocol::Protocol,
    question: Arc<Question>,
}

#[pymethods]
impl CompositeQuestion {
    #[staticmethod]
    fn read(py: Python<'_>, protocol: &Bound<'_, Protocol>, text: &str) -> PyResult<Py<PyAny>> {
        let protocol = protocol.get().core;
        match py.detach(|| errors::guarded(|| read::question(protocol, text)))? {
            Ok(question) => Ok(Py::new(py, Self { protocol, question: Arc::new(question) })?.into_any()),
            Err(found) => Ok(effects::violations(py, protocol, found)?.into_any()),
        }
    }

    fn answer(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let written = py.detach(|| errors::guarded(|| write::answer(&self.question, LONGEST_TEXT)))?;
        self.text_or_violations(py, written)
    }

    fn layers(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let written = py.detach(|| errors::guarded(|| write::layers(&self.question, LONGEST_TEXT)))?;
        self.text_or_violations(py, written)
    }
}

impl CompositeQuestion {
    /// The text, or the one violation of a question whose answer is too long.
    fn text_or_violations(&self, py: Python<'_>, written: Result<String, NoText>) -> PyResult<Py<PyAny>> {
        match written {
            Ok(text) => Ok(text.into_pyobject(py)?.into_any().unbind()),
            Err(NoText::NoConversion(found)) => Err(errors::no_conversion(found)),
            Err(NoText::TooLong) => {
                let too_long = Violation {
                    code: ErrorCode::PropertyConstraintViolation,
                    pointer: "/duration".to_owned(),
                    reason: "answer_too_long",
                    detail: "the answer would be too long; ask for a shorter time".to_owned(),
                };
                Ok(effects::violations(py, self.protocol, vec![too_long])?.into_any())
            }
        }
    }
}

#[pyclass(frozen, module = "app._core")]
pub struct CompositeSchedule {
    start_s: i64,
    periods: Vec<CompositePeriod>,
}

#[pymethods]
impl CompositeSchedule {
    #[getter]
    fn start_s(&self) -> i64 {
        self.start_s
    }

    #[getter]
    fn periods(&self) -> Vec<(i64, Option<i64>, Option<u8>)> {
        let rows = self.periods.iter();
        rows.map(|period| (period.start_s, period.limit.map(Tenths::get), period.number_phases)).collect()
    }
}

#[pyfunction]
#[pyo3(signature = (questions, start_s=None))]
pub fn composite_schedules(
    py: Python<'_>,
    questions: &Bound<'_, PyAny>,
    start_s: Option<i64>,
) -> PyResult<Py<PyList>> {
    if start_s.is_some_and(|start_s| !(moment::EARLIEST_S..moment::END_S).contains(&start_s)) {
        return Err(errors::out_of_range("start_s"));
    }
    let asked =
        questions.try_iter()?.map(|item| Ok(Arc::clone(&item?.cast::<CompositeQuestion>()?.get().question)));
    let questions = asked.collect::<PyResult<Vec<_>>>()?;
    let merged = py.detach(|| errors::guarded(|| merge_all(&questions, start_s)))?;
    let merged = merged.map_err(errors::no_conversion)?;
    let schedules = merged.into_iter().map(|schedule| Py::new(py, schedule)).collect::<PyResult<Vec<_>>>()?;
    Ok(PyList::new(py, schedules)?.unbind())
}

fn merge_all(
    questions: &[Arc<Question>],
    start_s: Option<i64>,
) -> Result<Vec<CompositeSchedule>, NoConversion> {
    let merge = |question: &Question| {
        let periods = composite(question)?.periods;
        Ok(CompositeSchedule { start_s: question.start_s, periods })
    };
    let each = questions.iter().map(|question| match start_s {
        Some(start_s) => merge(&Question { start_s, ..Question::clone(question) }),
        None => merge(question),
    });
    each.collect()
}
