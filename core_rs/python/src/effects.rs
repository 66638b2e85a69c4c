//! Effects, violations and deviations as frozen Python classes.

use ocpp_core::link::{self, Outcome};
use ocpp_core::protocol::{self, violation};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::convert;
use crate::protocol::Protocol;

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Violation {
    code: &'static str,
    pointer: String,
    reason: &'static str,
    detail: String,
}

impl Violation {
    fn of(protocol: &protocol::Protocol, violation: violation::Violation) -> Self {
        let violation::Violation { code, pointer, reason, detail } = violation;
        Self { code: protocol.spelling(code), pointer, reason, detail }
    }
}

#[pymethods]
impl Violation {
    fn __repr__(&self) -> String {
        format!("Violation({} at {:?}: {}, {})", self.code, self.pointer, self.reason, self.detail)
    }
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Deviation {
    kind: &'static str,
    pointer: String,
    raw: String,
}

impl From<violation::Deviation> for Deviation {
    fn from(deviation: violation::Deviation) -> Self {
        let violation::Deviation { kind, pointer, raw } = deviation;
        Self { kind: kind.as_str(), pointer, raw }
    }
}

#[pymethods]
impl Deviation {
    fn __repr__(&self) -> String {
        format!("Deviation({} at {:?}: {})", self.kind, self.pointer, self.raw)
    }
}

pub fn violations(
    py: Python<'_>,
    protocol: &protocol::Protocol,
    found: Vec<violation::Violation>,
) -> PyResult<Py<PyList>> {
    let list = PyList::empty(py);
    for violation in found {
        list.append(Violation::of(protocol, violation))?;
    }
    Ok(list.unbind())
}

pub fn deviations(py: Python<'_>, found: Vec<violation::Deviation>) -> PyResult<Py<PyList>> {
    let list = PyList::empty(py);
    for deviation in found {
        list.append(Deviation::from(deviation))?;
    }
    Ok(list.unbind())
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Send {
    text: String,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Dispatch {
    unique_id: String,
    action: &'static str,
    payload: Py<PyAny>,
    deviations: Py<PyList>,
    text: Option<String>,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct CallSent {
    unique_id: String,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Resolve {
    unique_id: String,
    action: &'static str,
    outcome: &'static str,
    late: bool,
    payload: Option<Py<PyAny>>,
    error_code: Option<&'static str>,
    error_description: Option<String>,
    text: Option<String>,
    deviations: Py<PyList>,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Refused {
    unique_id: String,
    action: Option<String>,
    code: &'static str,
    violations: Py<PyList>,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Ignored {
    reason: &'static str,
    detail: String,
    action: Option<&'static str>,
    text: Option<String>,
}

/// The effects of one step as a Python list.
pub fn list(py: Python<'_>, protocol: &Protocol, effects: Vec<link::Effect<'_>>) -> PyResult<Py<PyList>> {
    let list = PyList::empty(py);
    for effect in effects {
        list.append(effect_object(py, protocol, effect)?)?;
    }
    Ok(list.unbind())
}

pub fn effect_object<'py>(
    py: Python<'py>,
    protocol: &Protocol,
    effect: link::Effect<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    Ok(match effect {
        link::Effect::Send(text) => Bound::new(py, Send { text })?.into_any(),
        link::Effect::Dispatch { unique_id, action, payload, deviations: found, text } => {
            let unique_id = unique_id.into_owned();
            let payload = convert::value(py, &protocol.symbols, &payload)?.unbind();
            let deviations = deviations(py, found)?;
            let text = text.map(str::to_owned);
            Bound::new(py, Dispatch { unique_id, action, payload, deviations, text })?.into_any()
        }
        link::Effect::CallSent { unique_id } => Bound::new(py, CallSent { unique_id })?.into_any(),
        link::Effect::Resolve(resolution) => Bound::new(py, resolve(py, protocol, resolution)?)?.into_any(),
        link::Effect::Refused { unique_id, action, violations: found } => {
            refused(py, protocol, unique_id, action, found)?
        }
        link::Effect::Ignored { reason, detail, billing } => {
            let (action, text) = billing.unzip();
            Bound::new(py, Ignored { reason, detail, action, text })?.into_any()
        }
    })
}

/// A refused CALL.
fn refused<'py>(
    py: Python<'py>,
    protocol: &Protocol,
    unique_id: String,
    action: Option<String>,
    found: Vec<violation::Violation>,
) -> PyResult<Bound<'py, PyAny>> {
    let code = found.first().map_or("", |first| protocol.core.spelling(first.code));
    let violations = violations(py, protocol.core, found)?;
    Ok(Bound::new(py, Refused { unique_id, action, code, violations })?.into_any())
}

fn resolve(py: Python<'_>, protocol: &Protocol, resolution: link::Resolution<'_>) -> PyResult<Resolve> {
    let payload =
        resolution.payload.map(|payload| convert::value(py, &protocol.symbols, &payload)).transpose()?;
    Ok(Resolve {
        unique_id: resolution.unique_id,
        action: resolution.action,
        outcome: outcome(resolution.outcome),
        late: resolution.late,
        payload: payload.map(Bound::unbind),
        error_code: resolution.error_code.map(|code| protocol.core.spelling(code)),
        error_description: resolution.error_description,
        text: resolution.text,
        deviations: deviations(py, resolution.deviations)?,
    })
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Result => "result",
        Outcome::CallError => "call_error",
        Outcome::InvalidResult => "invalid_result",
        Outcome::UnreadableAnswer => "unreadable_answer",
        Outcome::TimedOut => "timed_out",
        Outcome::ConnectionLost => "connection_lost",
        Outcome::NotSent => "not_sent",
    }
}
