//! Verdicts outside of a connection, and the definition itself.

use ocpp_core::frame::redact as core_redact;
use ocpp_core::link::judge;
use ocpp_core::protocol::definition::v16;
use ocpp_core::protocol::schema::{self, Direction};
use ocpp_core::protocol::{describe as core_describe, json_schema as core_json_schema};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::link::{mode, role};
use crate::{convert, effects, errors};

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Verdict {
    payload: Option<Py<PyAny>>,
    violations: Py<PyList>,
    deviations: Py<PyList>,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct FrameVerdict {
    kind: &'static str,
    unique_id: Option<String>,
    action: Option<String>,
    payload: Option<Py<PyAny>>,
    violations: Py<PyList>,
    deviations: Py<PyList>,
}

#[pyfunction]
#[pyo3(signature = (action, direction, payload, strict=true))]
pub fn check_payload(
    py: Python<'_>,
    action: &str,
    direction: &str,
    payload: &str,
    strict: bool,
) -> PyResult<Verdict> {
    let message = schema::v16().message(action).ok_or_else(|| errors::unknown_action(action))?;
    let direction = self::direction(direction)?;
    verdict(py, errors::guarded(|| judge::payload_text(message, direction, payload, mode(strict)))?)
}

#[pyfunction]
pub fn check_call(py: Python<'_>, sender: &str, action: &str, payload: &str) -> PyResult<Verdict> {
    let sender = role(sender)?;
    let judged = errors::guarded(|| judge::call_text(sender, action, payload))?;
    verdict(py, judged.ok_or_else(|| errors::unknown_action(action))?)
}

#[pyfunction]
#[pyo3(signature = (text, sender, strict=false))]
pub fn check_frame(py: Python<'_>, text: &str, sender: &str, strict: bool) -> PyResult<FrameVerdict> {
    let sender = role(sender)?;
    let judged = errors::guarded(|| judge::frame_text(text, sender, mode(strict)))?;
    let payload = judged.payload.map(|payload| convert::value(py, &payload)).transpose()?;
    Ok(FrameVerdict {
        kind: judged.kind,
        unique_id: judged.unique_id,
        action: judged.action,
        payload: payload.map(Bound::unbind),
        violations: effects::violations(py, judged.report.violations)?,
        deviations: effects::deviations(py, judged.report.deviations)?,
    })
}

#[pyfunction]
pub fn redact(text: &str) -> PyResult<String> {
    errors::guarded(|| core_redact::redact(text).into_owned())
}

#[pyfunction]
pub fn describe() -> String {
    core_describe::describe(v16()).to_string()
}

#[pyfunction]
pub fn json_schema(action: &str, direction: &str) -> PyResult<String> {
    let is_response = self::direction(direction)? == Direction::Response;
    let schema = core_json_schema::json_schema(v16(), action, is_response);
    schema.map(|schema| schema.to_string()).ok_or_else(|| errors::unknown_action(action))
}

fn direction(word: &str) -> PyResult<Direction> {
    match word {
        "request" => Ok(Direction::Request),
        "response" => Ok(Direction::Response),
        other => Err(errors::unknown_word("direction", other)),
    }
}

fn verdict(py: Python<'_>, judged: judge::Judged<'_>) -> PyResult<Verdict> {
    let valid = judged.report.violations.is_empty();
    let payload = valid.then(|| convert::value(py, &judged.payload)).transpose()?;
    Ok(Verdict {
        payload: payload.map(Bound::unbind),
        violations: effects::violations(py, judged.report.violations)?,
        deviations: effects::deviations(py, judged.report.deviations)?,
    })
}
