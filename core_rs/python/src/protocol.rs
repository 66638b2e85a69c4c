//! A version of OCPP as a Python class, and the verdicts that need no connection.

use ocpp_core::link::judge;
use ocpp_core::protocol::definition::Sources;
use ocpp_core::protocol::error_table::ErrorCode;
use ocpp_core::protocol::schema::Direction;
use ocpp_core::protocol::{self, Limits, describe, json_schema};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::link::{mode, role};
use crate::{convert, effects, errors};

#[pyclass(frozen, module = "app._core")]
pub struct Protocol {
    pub core: &'static protocol::Protocol,
    /// One shared `str` for each symbol.
    pub symbols: Vec<Py<PyString>>,
}

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

#[pymethods]
impl Protocol {
    #[staticmethod]
    fn v16(py: Python<'_>) -> Self {
        Self::of(py, protocol::Protocol::v16())
    }

    #[staticmethod]
    fn v201(py: Python<'_>) -> Self {
        Self::of(py, protocol::Protocol::v201())
    }

    #[staticmethod]
    fn v21(py: Python<'_>) -> Self {
        Self::of(py, protocol::Protocol::v21())
    }

    #[staticmethod]
    #[allow(clippy::needless_pass_by_value)] // PyO3 passes what it has converted.
    #[pyo3(signature = (version, profiles, *, types="", errors="", configuration_keys="", documents="", security_events=""))]
    #[allow(clippy::too_many_arguments)] // Keywords of Python: one for each file.
    fn load(
        py: Python<'_>,
        version: &str,
        profiles: Vec<String>,
        types: &str,
        errors: &str,
        configuration_keys: &str,
        documents: &str,
        security_events: &str,
    ) -> PyResult<Self> {
        let profiles: Vec<&str> = profiles.iter().map(String::as_str).collect();
        let sources = Sources {
            version,
            profiles: &profiles,
            types,
            errors,
            configuration_keys,
            documents,
            security_events,
        };
        let loaded = errors::guarded(|| protocol::Protocol::load(&sources, Limits::default()))?;
        loaded.map(|core| Self::of(py, core)).map_err(|error| errors::bad_definition(&error))
    }

    #[getter]
    fn version(&self) -> &'static str {
        self.core.version()
    }

    fn describe(&self) -> String {
        describe::describe(self.core.definition()).to_string()
    }

    fn json_schema(&self, action: &str, direction: &str) -> PyResult<String> {
        let is_response = self::direction(direction)? == Direction::Response;
        let schema = json_schema::json_schema(self.core.definition(), action, is_response);
        schema.map(|schema| schema.to_string()).ok_or_else(|| self.unknown_action(action))
    }

    #[pyo3(signature = (action, direction, payload, strict=true))]
    fn check_payload(
        &self,
        py: Python<'_>,
        action: &str,
        direction: &str,
        payload: &str,
        strict: bool,
    ) -> PyResult<Verdict> {
        let message = self.core.message(action).ok_or_else(|| self.unknown_action(action))?;
        let (direction, mode) = (self::direction(direction)?, mode(strict));
        let judge = || judge::payload_text(self.core, message, direction, payload, mode);
        self.verdict(py, errors::guarded(judge)?)
    }

    fn check_call(&self, py: Python<'_>, sender: &str, action: &str, payload: &str) -> PyResult<Verdict> {
        let sender = role(sender)?;
        let judged = errors::guarded(|| judge::call_text(self.core, sender, action, payload))?;
        self.verdict(py, judged.ok_or_else(|| self.unknown_action(action))?)
    }

    #[pyo3(signature = (text, sender, strict=false))]
    fn check_frame(&self, py: Python<'_>, text: &str, sender: &str, strict: bool) -> PyResult<FrameVerdict> {
        let (sender, mode) = (role(sender)?, mode(strict));
        let judged = errors::guarded(|| judge::frame_text(self.core, text, sender, mode))?;
        let payload =
            judged.payload.map(|payload| convert::value(py, &self.symbols, &payload)).transpose()?;
        Ok(FrameVerdict {
            kind: judged.kind,
            unique_id: judged.unique_id,
            action: judged.action,
            payload: payload.map(Bound::unbind),
            violations: effects::violations(py, self.core, judged.report.violations)?,
            deviations: effects::deviations(py, judged.report.deviations)?,
        })
    }
}

impl Protocol {
    /// The error code of a spelling that Python gives.
    pub fn error_code(&self, spelling: &str) -> PyResult<ErrorCode> {
        self.core.error_code(spelling).ok_or_else(|| errors::unknown_word("code", spelling))
    }

    fn of(py: Python<'_>, core: &'static protocol::Protocol) -> Self {
        let symbols = core.symbols().texts().map(|text| PyString::intern(py, text).unbind());
        Self { core, symbols: symbols.collect() }
    }

    fn verdict(&self, py: Python<'_>, judged: judge::Judged<'_>) -> PyResult<Verdict> {
        let valid = judged.report.violations.is_empty();
        let payload = valid.then(|| convert::value(py, &self.symbols, &judged.payload)).transpose()?;
        Ok(Verdict {
            payload: payload.map(Bound::unbind),
            violations: effects::violations(py, self.core, judged.report.violations)?,
            deviations: effects::deviations(py, judged.report.deviations)?,
        })
    }

    fn unknown_action(&self, action: &str) -> PyErr {
        errors::unknown_action(self.core.version(), action)
    }
}

fn direction(word: &str) -> PyResult<Direction> {
    match word {
        "request" => Ok(Direction::Request),
        "response" => Ok(Direction::Response),
        other => Err(errors::unknown_word("direction", other)),
    }
}
