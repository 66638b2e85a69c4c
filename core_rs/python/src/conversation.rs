//! One connection of a charge point as a Python class: what it finds comes as a list, in order.

use ocpp_core::conversation::{self, Around, Call, Found, Options};
use ocpp_core::link::Effect;
use ocpp_core::meter_queue::Waiting;
use ocpp_core::violation::ErrorCode;
use ocpp_core::websocket;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::frame_log::FrameBuffer;
use crate::link::mode;
use crate::meter_queue::{MeterQueue, Owner};
use crate::tally::Tally;
use crate::websocket::{control_object, with_scratch};
use crate::{effects, errors};

#[pyclass(frozen, get_all, module = "app._core")]
pub struct Notice {
    kind: &'static str,
    until: f64,
    text: Option<String>,
}

#[pyclass(module = "app._core")]
pub struct Conversation {
    state: conversation::Conversation,
    meters: Py<MeterQueue>,
    tally: Py<Tally>,
    frames: Py<FrameBuffer>,
    is_framed: bool,
    #[pyo3(set)]
    owner: Option<Py<PyAny>>,
}

#[pymethods]
impl Conversation {
    #[new]
    #[allow(clippy::too_many_arguments)] // Named ones, as Python sees them.
    #[pyo3(signature = (
        tenant_id, charge_point_id, connection_id, *, is_framed, strict, frame_bytes, unregistered_bytes,
        queue_limit, rate_per_s, burst, now, meters, tally, frames
    ))]
    fn new(
        tenant_id: i64,
        charge_point_id: i64,
        connection_id: String,
        is_framed: bool,
        strict: bool,
        frame_bytes: usize,
        unregistered_bytes: usize,
        queue_limit: usize,
        rate_per_s: f64,
        burst: u32,
        now: f64,
        meters: Py<MeterQueue>,
        tally: Py<Tally>,
        frames: Py<FrameBuffer>,
    ) -> Self {
        let mode = mode(strict);
        let options = Options {
            tenant_id,
            charge_point_id,
            connection_id,
            mode,
            frame_bytes,
            unregistered_bytes,
            queue_limit,
            rate_per_s,
            burst,
            now,
        };
        let state = conversation::Conversation::new(options);
        Self { state, meters, tally, frames, is_framed, owner: None }
    }

    fn register(&mut self) {
        self.state.register();
    }

    fn close(&mut self) {
        self.state.close();
    }

    fn feed(slf: &Bound<'_, Self>, data: &[u8], now: f64, at_us: i64) -> PyResult<Option<Py<PyList>>> {
        with_scratch(|scratch| {
            found(slf, now, at_us, |conversation, around| conversation.feed(data, scratch, around))
        })
    }

    fn text(slf: &Bound<'_, Self>, text: &str, now: f64, at_us: i64) -> PyResult<Option<Py<PyList>>> {
        found(slf, now, at_us, |conversation, around| conversation.text(text, None, around))
    }

    fn binary(slf: &Bound<'_, Self>, data: &[u8], now: f64, at_us: i64) -> PyResult<Option<Py<PyList>>> {
        found(slf, now, at_us, |conversation, around| conversation.binary(data, around))
    }

    #[allow(clippy::too_many_arguments)] // Named ones, as Python sees them.
    fn call(
        slf: &Bound<'_, Self>,
        unique_id: &str,
        action: &str,
        payload: &str,
        timeout_s: f64,
        now: f64,
        at_us: i64,
    ) -> PyResult<Option<Py<PyList>>> {
        let call = Call { unique_id, action, payload, timeout_s };
        let (called, list) = step(slf, now, at_us, |conversation, around| conversation.call(&call, around))?;
        called.map_err(errors::rejected)?;
        Ok(list)
    }

    fn reply(
        slf: &Bound<'_, Self>,
        unique_id: &str,
        payload: &str,
        now: f64,
        at_us: i64,
    ) -> PyResult<Py<PyAny>> {
        let work = |conversation: &mut conversation::Conversation, around: &mut Around<'_, Owner>| {
            conversation.reply(unique_id, payload, around)
        };
        let (answer, _) = step(slf, now, at_us, work)?;
        Ok(written(slf.py(), &answer.map_err(errors::rejected)?, slf.borrow().is_framed))
    }

    fn reply_error(
        slf: &Bound<'_, Self>,
        unique_id: &str,
        code: &str,
        description: &str,
        now: f64,
        at_us: i64,
    ) -> PyResult<Py<PyAny>> {
        let code = error_code(code)?;
        let work = |conversation: &mut conversation::Conversation, around: &mut Around<'_, Owner>| {
            conversation.reply_error(unique_id, code, description, around)
        };
        let (answer, _) = step(slf, now, at_us, work)?;
        Ok(written(slf.py(), &answer.map_err(errors::rejected)?, slf.borrow().is_framed))
    }

    fn send(slf: &Bound<'_, Self>, text: &str, now: f64, at_us: i64) -> PyResult<Py<PyAny>> {
        step(slf, now, at_us, |conversation, around| conversation.send(text, around))?;
        Ok(written(slf.py(), text, slf.borrow().is_framed))
    }

    fn expire(slf: &Bound<'_, Self>, now: f64, at_us: i64) -> PyResult<Option<Py<PyList>>> {
        found(slf, now, at_us, conversation::Conversation::expire)
    }

    fn cancel(&mut self, unique_id: &str) -> bool {
        self.state.cancel(unique_id)
    }

    fn disconnect(slf: &Bound<'_, Self>, now: f64, at_us: i64) -> PyResult<Option<Py<PyList>>> {
        let list = found(slf, now, at_us, conversation::Conversation::disconnect)?;
        // It leads back to here.
        slf.borrow_mut().owner = None;
        Ok(list)
    }

    #[getter]
    fn next_deadline(&self) -> Option<f64> {
        self.state.link().next_deadline()
    }

    #[getter]
    fn is_recording(&self) -> bool {
        self.state.is_recording()
    }
}

impl Conversation {
    /// What to write for a record that is settled; `None`: nobody reads it any more.
    pub fn acknowledge(
        slf: &Bound<'_, Self>,
        waiting: &Waiting<Owner>,
        refusal: Option<(ErrorCode, &str)>,
        (now, at_us): (f64, i64),
    ) -> PyResult<Option<Py<PyAny>>> {
        let (answer, _) = step(slf, now, at_us, |conversation, around| {
            conversation.acknowledge(&waiting.unique_id, waiting.since, refusal, around)
        })?;
        Ok(answer.map(|text| written(slf.py(), &text, slf.borrow().is_framed)))
    }
}

pub fn error_code(code: &str) -> PyResult<ErrorCode> {
    ErrorCode::from_received(code).ok_or_else(|| errors::unknown_word("code", code))
}

fn found(
    slf: &Bound<'_, Conversation>,
    now: f64,
    at_us: i64,
    work: impl FnOnce(&mut conversation::Conversation, &mut Around<'_, Owner>),
) -> PyResult<Option<Py<PyList>>> {
    step(slf, now, at_us, work).map(|((), list)| list)
}

/// Let a conversation work with what it shares; its result, and what it found.
fn step<R>(
    slf: &Bound<'_, Conversation>,
    now: f64,
    at_us: i64,
    work: impl FnOnce(&mut conversation::Conversation, &mut Around<'_, Owner>) -> R,
) -> PyResult<(R, Option<Py<PyList>>)> {
    let py = slf.py();
    let this = &mut *slf.borrow_mut();
    let mut meters = this.meters.bind(py).borrow_mut();
    let mut tally = this.tally.bind(py).borrow_mut();
    let mut frames = this.frames.bind(py).borrow_mut();
    let mut list = Ok(None);
    let (owner, is_framed) = (&this.owner, this.is_framed);
    let mut around = Around {
        now,
        at_us,
        frames: &mut frames.log,
        meters: &mut meters.queue,
        tally: &mut tally.tally,
        owner: &|| Owner::new(slf, owner.as_ref()),
        found: &mut |found| add(py, &mut list, found, is_framed),
    };
    let result = work(&mut this.state, &mut around);
    Ok((result, list?.map(Bound::unbind)))
}

/// Add what was found to a list, which is made for the first one.
fn add<'py>(
    py: Python<'py>,
    list: &mut PyResult<Option<Bound<'py, PyList>>>,
    found: Found<'_>,
    is_framed: bool,
) {
    let Ok(present) = list else { return };
    let added = object(py, found, is_framed).and_then(|found| match present {
        Some(present) => present.append(found),
        None => PyList::new(py, [found]).map(|new| *present = Some(new)),
    });
    if let Err(error) = added {
        *list = Err(error);
    }
}

fn object<'py>(py: Python<'py>, found: Found<'_>, is_framed: bool) -> PyResult<Bound<'py, PyAny>> {
    let (kind, until, text) = match found {
        Found::Effect(Effect::Send(text)) => return Ok(written(py, &text, is_framed).into_bound(py)),
        Found::Effect(effect) => return effects::effect_object(py, effect),
        Found::Refused { unique_id, action, violations, to_keep } => {
            return effects::refused(py, unique_id, action, violations, to_keep);
        }
        Found::Control(event) => return control_object(py, &event),
        Found::Recorded => ("recorded", 0.0, None),
        Found::Tolerated(kind) => ("tolerated", 0.0, Some(kind.to_owned())),
        Found::Slow(until) => ("slow", until, None),
        Found::TooBig => ("too_big", 0.0, None),
        Found::NotText => ("not_text", 0.0, None),
        Found::Failed(text) => ("failed", 0.0, Some(text.to_owned())),
    };
    Ok(Bound::new(py, Notice { kind, until, text })?.into_any())
}

/// What goes to the transport: the frame as bytes, or the text for a transport that frames it itself.
fn written(py: Python<'_>, text: &str, is_framed: bool) -> Py<PyAny> {
    if !is_framed {
        return PyString::new(py, text).into_any().unbind();
    }
    with_scratch(|scratch| {
        scratch.clear();
        websocket::text_frame_into(scratch, text, None);
        PyBytes::new(py, scratch).into_any().unbind()
    })
}
