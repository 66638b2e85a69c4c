//! WebSocket frames as Python sees them: whole messages come as `str` and `bytes`, all else as `Control`.

use std::cell::RefCell;

use ocpp_core::websocket::{self, Event, Limits, Side};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

thread_local! {
    /// One for all connections of a worker: what is in it is copied to Python at once.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A scratch buffer that once held a large message gives the memory back.
const SCRATCH_KEPT_BYTES: usize = 65_536;

#[pyclass(module = "app._core")]
pub struct Deframer {
    deframer: websocket::Deframer,
}

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Control {
    kind: &'static str,
    code: Option<u16>,
    payload: Py<PyBytes>,
    answer: Py<PyBytes>,
}

#[pymethods]
impl Deframer {
    #[new]
    fn new(message_bytes: usize, fragments: usize) -> Self {
        let limits = Limits { message_bytes, fragments };
        Self { deframer: websocket::Deframer::new(Side::Server, limits) }
    }

    fn feed<'py>(&mut self, py: Python<'py>, mut data: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let Some(event) = self.deframer.next(&mut data, scratch) else { return Ok(None) };
            let first = event_object(py, &event)?;
            let is_single_text = data.is_empty() && matches!(event, Event::Text(_));
            let found = if is_single_text { first } else { self.all(py, first, data, scratch)? };
            if scratch.capacity() > SCRATCH_KEPT_BYTES {
                *scratch = Vec::new();
            }
            Ok(Some(found))
        })
    }
}

impl Deframer {
    /// The first event and those that follow it, as a list.
    fn all<'py>(
        &mut self,
        py: Python<'py>,
        first: Bound<'py, PyAny>,
        mut data: &[u8],
        scratch: &mut Vec<u8>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = PyList::new(py, [first])?;
        while let Some(event) = self.deframer.next(&mut data, scratch) {
            found.append(event_object(py, &event)?)?;
        }
        Ok(found.into_any())
    }
}

fn event_object<'py>(py: Python<'py>, event: &Event<'_>) -> PyResult<Bound<'py, PyAny>> {
    let (kind, code, payload): (_, _, &[u8]) = match event {
        Event::Text(text) => return Ok(PyString::new(py, text).into_any()),
        Event::Binary(data) => return Ok(PyBytes::new(py, data).into_any()),
        Event::Ping(payload) => ("ping", None, payload),
        Event::Pong(payload) => ("pong", None, payload),
        Event::Close { code, reason } => ("close", *code, reason.as_bytes()),
        Event::Fail(fault) => ("fail", Some(fault.close_code()), fault.reason().as_bytes()),
    };
    let mut answer = Vec::new();
    event.answer_into(&mut answer, None);
    let payload = PyBytes::new(py, payload).unbind();
    let answer = PyBytes::new(py, &answer).unbind();
    Ok(Bound::new(py, Control { kind, code, payload, answer })?.into_any())
}

#[pyfunction]
pub fn text_frame<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyBytes> {
    written(py, text.len(), |out| websocket::text_frame_into(out, text, None))
}

#[pyfunction]
pub fn ping_frame<'py>(py: Python<'py>, payload: &[u8]) -> Bound<'py, PyBytes> {
    written(py, payload.len(), |out| websocket::ping_frame_into(out, payload, None))
}

#[pyfunction]
pub fn close_frame<'py>(py: Python<'py>, code: u16, reason: &str) -> Bound<'py, PyBytes> {
    written(py, reason.len(), |out| websocket::close_frame_into(out, Some(code), reason, None))
}

fn written(py: Python<'_>, payload_bytes: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bound<'_, PyBytes> {
    /// The longest head of a frame that is not masked.
    const HEAD_BYTES: usize = 10;
    let mut out = Vec::with_capacity(HEAD_BYTES + payload_bytes);
    write(&mut out);
    PyBytes::new(py, &out)
}
