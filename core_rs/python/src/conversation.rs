//! One connection of a charge point as a Python class: it returns what it finds as a list, in order.

use ocpp_core::conversation::meter_queue::Waiting;
use ocpp_core::conversation::{self, Around, Call, Found, Options};
use ocpp_core::link::Effect;
use ocpp_core::protocol::error_table::ErrorCode;
use ocpp_core::websocket;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::clock::{Clock, Moment};
use crate::counters::Counters;
use crate::frame_log::FrameBuffer;
use crate::link::mode;
use crate::meter_queue::MeterQueue;
use crate::protocol::Protocol;
use crate::socket::Socket;
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
    protocol: Py<Protocol>,
    state: conversation::Conversation,
    meters: Py<MeterQueue>,
    counters: Py<Counters>,
    frames: Py<FrameBuffer>,
    clock: Clock,
    is_framed: bool,
    #[pyo3(get)]
    heard_us: i64,
    /// Writes the answers of records, unless `socket` does.
    #[pyo3(set)]
    transport: Option<Py<PyAny>>,
    /// Called when a record that the conversation waits for is settled.
    #[pyo3(set)]
    owner: Option<Py<PyAny>>,
    is_awaited: bool,
    /// Writes answers without a call of Python, as long as it can.
    pub socket: Option<Py<Socket>>,
    /// Whether bytes were received since this was last set to `false`.
    #[pyo3(get, set)]
    has_spoken: bool,
}

#[pymethods]
impl Conversation {
    #[new]
    #[allow(clippy::too_many_arguments)] // Named ones, as Python sees them.
    #[pyo3(signature = (
        protocol, tenant_id, charge_point_id, connection_id, *, is_framed, inflates, strict, frame_bytes, unregistered_bytes,
        queue_limit, rate_per_s, burst, meters, counters, frames, clock
    ))]
    fn new(
        py: Python<'_>,
        protocol: Py<Protocol>,
        tenant_id: i64,
        charge_point_id: i64,
        connection_id: String,
        is_framed: bool,
        inflates: bool,
        strict: bool,
        frame_bytes: usize,
        unregistered_bytes: usize,
        queue_limit: usize,
        rate_per_s: f64,
        burst: u32,
        meters: Py<MeterQueue>,
        counters: Py<Counters>,
        frames: Py<FrameBuffer>,
        clock: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let mode = mode(strict);
        let clock = Clock(clock);
        let (now, heard_us) = clock.moment(py)?;
        let options = Options {
            protocol: protocol.get().core,
            tenant_id,
            charge_point_id,
            connection_id,
            mode,
            inflates,
            frame_bytes,
            unregistered_bytes,
            queue_limit,
            rate_per_s,
            burst,
            now,
        };
        let state = conversation::Conversation::new(options);
        Ok(Self {
            protocol,
            state,
            meters,
            counters,
            frames,
            clock,
            is_framed,
            heard_us,
            transport: None,
            owner: None,
            is_awaited: false,
            socket: None,
            has_spoken: false,
        })
    }

    fn register(&mut self) {
        self.state.register();
    }

    #[setter]
    fn set_is_accepted(&mut self, is_accepted: bool) {
        self.state.set_accepted(is_accepted);
    }

    #[setter]
    fn set_is_watched(&mut self, is_watched: bool) {
        self.state.set_watched(is_watched);
    }

    fn close(&mut self) {
        self.state.close();
    }

    fn await_record(&mut self) {
        self.is_awaited = true;
    }

    pub fn feed(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<Option<Py<PyList>>> {
        with_scratch(|scratch| heard(slf, |conversation, around| conversation.feed(data, scratch, around)))
    }

    fn text(slf: &Bound<'_, Self>, text: &str) -> PyResult<Option<Py<PyList>>> {
        heard(slf, |conversation, around| conversation.text(text, None, around))
    }

    fn binary(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<Option<Py<PyList>>> {
        heard(slf, |conversation, around| conversation.binary(data, around))
    }

    fn call(
        slf: &Bound<'_, Self>,
        unique_id: &str,
        action: &str,
        payload: &str,
        timeout_s: f64,
    ) -> PyResult<Option<Py<PyList>>> {
        let call = Call { unique_id, action, payload, timeout_s };
        let (called, list) = step(slf, |conversation, around| conversation.call(&call, around))?;
        called.map_err(errors::rejected)?;
        Ok(list)
    }

    fn reply(slf: &Bound<'_, Self>, unique_id: &str, payload: &str) -> PyResult<Py<PyAny>> {
        let (answer, _) = step(slf, |conversation, around| conversation.reply(unique_id, payload, around))?;
        Ok(written(slf.py(), &answer.map_err(errors::rejected)?, slf.borrow().is_framed))
    }

    fn reply_error(
        slf: &Bound<'_, Self>,
        unique_id: &str,
        code: &str,
        description: &str,
    ) -> PyResult<Py<PyAny>> {
        let code = slf.borrow().protocol.get().error_code(code)?;
        let work = |conversation: &mut conversation::Conversation, around: &mut Around<'_, _>| {
            conversation.reply_error(unique_id, code, description, around)
        };
        let (answer, _) = step(slf, work)?;
        Ok(written(slf.py(), &answer.map_err(errors::rejected)?, slf.borrow().is_framed))
    }

    fn send(slf: &Bound<'_, Self>, text: &str) -> PyResult<Py<PyAny>> {
        step(slf, |conversation, around| conversation.send(text, around))?;
        Ok(written(slf.py(), text, slf.borrow().is_framed))
    }

    fn expire(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyList>>> {
        step(slf, conversation::Conversation::expire).map(|((), list)| list)
    }

    fn cancel(&mut self, unique_id: &str) -> bool {
        self.state.cancel(unique_id)
    }

    fn disconnect(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyList>>> {
        let ((), list) = step(slf, conversation::Conversation::disconnect)?;
        // They refer back to this object.
        let mut this = slf.borrow_mut();
        (this.transport, this.owner, this.socket) = (None, None, None);
        Ok(list)
    }

    #[getter]
    fn next_deadline(&self) -> Option<f64> {
        self.state.link().next_deadline()
    }

    #[getter]
    fn calls_received(&self) -> u64 {
        self.state.link().calls_received()
    }

    #[getter]
    fn is_recording(&self) -> bool {
        self.state.is_recording()
    }
}

impl Conversation {
    /// Answer a CALL whose record is settled. Returns `false` if the conversation is closed.
    pub fn acknowledge(
        slf: &Bound<'_, Self>,
        waiting: &Waiting<Py<Self>>,
        refusal: Option<(ErrorCode, &str)>,
        moment: Moment,
    ) -> PyResult<bool> {
        let py = slf.py();
        let (answer, _) = step_at(slf, moment, None, |conversation, around| {
            conversation.acknowledge(&waiting.unique_id, waiting.since, refusal, around)
        })?;
        let is_answered = answer.is_some();
        let wrote = answer.map_or(Ok(()), |text| Self::write(slf, &text));
        let owner = {
            let mut this = slf.borrow_mut();
            let is_awaited = std::mem::take(&mut this.is_awaited);
            this.owner.as_ref().filter(|_| is_awaited).map(|it| it.clone_ref(py))
        };
        if let Some(owner) = owner {
            owner.call_method0(py, intern!(py, "recorded"))?;
        }
        wrote.map(|()| is_answered)
    }

    fn write(slf: &Bound<'_, Self>, text: &str) -> PyResult<()> {
        let py = slf.py();
        let socket = slf.borrow().socket.as_ref().map(|it| it.clone_ref(py));
        if let Some(socket) = socket
            && Socket::write_text(socket.bind(py), text)?
        {
            return Ok(());
        }
        let (transport, is_framed) = {
            let this = slf.borrow();
            (this.transport.as_ref().map(|it| it.clone_ref(py)), this.is_framed)
        };
        let Some(transport) = transport else { return Ok(()) };
        transport.call_method1(py, intern!(py, "write"), (written(py, text, is_framed),)).map(drop)
    }
}

/// Process what the charge point has sent. Returns what it found, without the answers that are written here.
fn heard(
    slf: &Bound<'_, Conversation>,
    work: impl FnOnce(&mut conversation::Conversation, &mut Around<'_, Py<Conversation>>),
) -> PyResult<Option<Py<PyList>>> {
    let moment = slf.borrow().clock.moment(slf.py())?;
    let has_socket = {
        let mut this = slf.borrow_mut();
        (this.heard_us, this.has_spoken) = (moment.1, true);
        this.socket.is_some()
    };
    let mut first = Vec::new();
    let ((), list) = step_at(slf, moment, has_socket.then_some(&mut first), work)?;
    for text in first {
        Conversation::write(slf, &text)?;
    }
    Ok(list)
}

fn step<R>(
    slf: &Bound<'_, Conversation>,
    work: impl FnOnce(&mut conversation::Conversation, &mut Around<'_, Py<Conversation>>) -> R,
) -> PyResult<(R, Option<Py<PyList>>)> {
    let moment = slf.borrow().clock.moment(slf.py())?;
    step_at(slf, moment, None, work)
}

/// Run a step of a conversation with its shared state. Returns its result, and what it found.
///
/// `first`: gets what is to be sent before anything else that was found is handled.
fn step_at<R>(
    slf: &Bound<'_, Conversation>,
    (now, at_us): Moment,
    mut first: Option<&mut Vec<String>>,
    work: impl FnOnce(&mut conversation::Conversation, &mut Around<'_, Py<Conversation>>) -> R,
) -> PyResult<(R, Option<Py<PyList>>)> {
    let py = slf.py();
    let mut list = Ok(None);
    let mut enough = None;
    let result = {
        let this = &mut *slf.borrow_mut();
        let mut meters = this.meters.bind(py).borrow_mut();
        let MeterQueue { queue, wake } = &mut *meters;
        let mut counters = this.counters.bind(py).borrow_mut();
        let mut frames = this.frames.bind(py).borrow_mut();
        let (protocol, is_framed) = (this.protocol.get(), this.is_framed);
        let mut around = Around {
            now,
            at_us,
            frames: &mut frames.log,
            meters: queue,
            counters: &mut counters.counters,
            owner: &|| slf.clone().unbind(),
            found: &mut |found| match (found, &mut first) {
                (Found::Recorded, _) => enough = wake.as_ref().map(|wake| wake.clone_ref(py)),
                (Found::Effect(Effect::Send(text)), Some(first)) if matches!(list, Ok(None)) => {
                    first.push(text);
                }
                (found, _) => add(&mut list, || object(py, protocol, found, is_framed)),
            },
        };
        work(&mut this.state, &mut around)
    };
    if let Some(wake) = enough {
        // At once: the socket may be paused, and the records of all other connections wait for the writer, too.
        wake.call0(py)?;
    }
    Ok((result, list?.map(Bound::unbind)))
}

/// Add what was found to a list, which is made when it is first needed.
fn add<'py>(
    list: &mut PyResult<Option<Bound<'py, PyList>>>,
    object: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
) {
    let Ok(present) = list else { return };
    let added = object().and_then(|found| match present {
        Some(present) => present.append(found),
        None => PyList::new(found.py(), [&found]).map(|new| *present = Some(new)),
    });
    if let Err(error) = added {
        *list = Err(error);
    }
}

fn object<'py>(
    py: Python<'py>,
    protocol: &Protocol,
    found: Found<'_>,
    is_framed: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let (kind, until, text) = match found {
        Found::Effect(Effect::Send(text)) => return Ok(written(py, &text, is_framed).into_bound(py)),
        Found::Effect(effect) => return effects::effect_object(py, protocol, effect),
        Found::Control(event) => return control_object(py, &event),
        Found::Recorded => unreachable!("the writer of records is woken at once"),
        Found::Tolerated(kind) => ("tolerated", 0.0, Some(kind.to_string())),
        Found::Slow(until) => ("slow", until, None),
        Found::TooBig => ("too_big", 0.0, None),
        Found::NotText => ("not_text", 0.0, None),
        Found::Failed(text) => ("failed", 0.0, Some(text.to_owned())),
    };
    Ok(Bound::new(py, Notice { kind, until, text })?.into_any())
}

/// What goes to the transport: the frame as bytes, or the text if the transport makes the frame.
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
