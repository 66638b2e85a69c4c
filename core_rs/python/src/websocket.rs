//! WebSocket frames as Python objects: whole messages as `str` and `bytes`, everything else as `Control`.

use std::cell::RefCell;

use ocpp_core::websocket::{self, Event, Limits, Side};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

thread_local! {
    /// One for all connections of a worker: its contents are copied to Python at once.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A larger scratch buffer gives its memory back.
const SCRATCH_KEPT_BYTES: usize = 65_536;

#[pyclass(module = "app._core")]
pub struct Deframer {
    deframer: websocket::Deframer,
    #[pyo3(get, set)]
    has_spoken: bool,
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
        Self { deframer: websocket::Deframer::new(Side::Server, limits), has_spoken: false }
    }

    fn feed(&mut self, py: Python<'_>, mut data: &[u8]) -> PyResult<Option<Py<PyList>>> {
        self.has_spoken = true;
        with_scratch(|scratch| {
            let mut found = None;
            while let Some(event) = self.deframer.next(&mut data, scratch) {
                let list = found.get_or_insert_with(|| PyList::empty(py));
                list.append(event_object(py, &event)?)?;
            }
            Ok(found.map(Bound::unbind))
        })
    }
}

/// Work with the scratch buffer of this thread. It may hold anything.
pub fn with_scratch<R>(work: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // Taken out meanwhile, because the work may call this function again.
    let mut scratch = SCRATCH.take();
    let result = work(&mut scratch);
    if scratch.capacity() <= SCRATCH_KEPT_BYTES {
        SCRATCH.set(scratch);
    }
    result
}

fn event_object<'py>(py: Python<'py>, event: &Event<'_>) -> PyResult<Bound<'py, PyAny>> {
    match event {
        Event::Text(text) => Ok(PyString::new(py, text).into_any()),
        Event::Binary(data) | Event::BrokenText { data, .. } => Ok(PyBytes::new(py, data).into_any()),
        control => control_object(py, control),
    }
}

pub fn control_object<'py>(py: Python<'py>, event: &Event<'_>) -> PyResult<Bound<'py, PyAny>> {
    let (kind, code, payload): (_, _, &[u8]) = match event {
        Event::Text(_) | Event::BrokenText { .. } | Event::Binary(_) => {
            unreachable!("a message is not a control frame")
        }
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
