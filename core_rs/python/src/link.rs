//! The link as a Python class.

use ocpp_core::link::{self, Options, Role};
use ocpp_core::protocol::Limits;
use ocpp_core::protocol::validate::Mode;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::protocol::Protocol;
use crate::{effects, errors};

#[pyclass(module = "app._core")]
pub struct Link {
    protocol: Py<Protocol>,
    link: link::Link,
}

pub fn role(word: &str) -> PyResult<Role> {
    match word {
        "central_system" => Ok(Role::CentralSystem),
        "charge_point" => Ok(Role::ChargePoint),
        other => Err(errors::unknown_word("role", other)),
    }
}

pub fn mode(strict: bool) -> Mode {
    if strict { Mode::Strict } else { Mode::Tolerant }
}

#[pymethods]
impl Link {
    #[new]
    #[pyo3(signature = (
        protocol, role, *, strict=false, max_frame_bytes=262_144, queue_limit=50, raw_sampled_values=false
    ))]
    fn new(
        protocol: Py<Protocol>,
        role: &str,
        strict: bool,
        max_frame_bytes: usize,
        queue_limit: usize,
        raw_sampled_values: bool,
    ) -> PyResult<Self> {
        let core = protocol.get().core;
        let limits = Limits { bytes: max_frame_bytes, ..core.limits() };
        let (role, mode) = (self::role(role)?, mode(strict));
        let options = Options { protocol: core, role, mode, limits, queue_limit, raw_sampled_values };
        Ok(Self { protocol, link: link::Link::new(options) })
    }

    fn receive(&mut self, py: Python<'_>, text: &str, now: f64) -> PyResult<Py<PyList>> {
        effects::list(py, self.protocol.get(), errors::guarded(|| self.link.receive(text, now))?)
    }

    fn call(
        &mut self,
        py: Python<'_>,
        unique_id: &str,
        action: &str,
        payload: &str,
        now: f64,
        timeout_s: f64,
    ) -> PyResult<Py<PyList>> {
        let called = errors::guarded(|| self.link.call(unique_id, action, payload, now, timeout_s))?;
        effects::list(py, self.protocol.get(), called.map_err(errors::rejected)?)
    }

    fn reply(&mut self, py: Python<'_>, unique_id: &str, payload: &str) -> PyResult<Py<PyList>> {
        let replied = errors::guarded(|| self.link.reply(unique_id, payload))?;
        effects::list(py, self.protocol.get(), vec![replied.map_err(errors::rejected)?])
    }

    #[pyo3(signature = (unique_id, code, description=""))]
    fn reply_error(
        &mut self,
        py: Python<'_>,
        unique_id: &str,
        code: &str,
        description: &str,
    ) -> PyResult<Py<PyList>> {
        let code = self.protocol.get().error_code(code)?;
        let replied = self.link.reply_error(unique_id, code, description);
        effects::list(py, self.protocol.get(), vec![replied.map_err(errors::rejected)?])
    }

    fn expire(&mut self, py: Python<'_>, now: f64) -> PyResult<Py<PyList>> {
        effects::list(py, self.protocol.get(), self.link.expire(now))
    }

    fn cancel(&mut self, unique_id: &str) -> bool {
        self.link.cancel(unique_id)
    }

    fn disconnect(&mut self, py: Python<'_>) -> PyResult<Py<PyList>> {
        effects::list(py, self.protocol.get(), self.link.disconnect())
    }

    #[getter]
    fn next_deadline(&self) -> Option<f64> {
        self.link.next_deadline()
    }

    #[getter]
    fn queued(&self) -> usize {
        self.link.queued()
    }
}
