//! One socket: to its protocol what a transport of asyncio is, but that bytes go straight to the conversation,
//! and the protocol is called for what that has found.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ocpp_core::websocket;
use pyo3::call::PyCallArgs;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyRuntimeError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use stationmaster_sockets::{self as raw, Read, Readiness};

use crate::conversation::Conversation;
use crate::sockets::Sockets;

/// More than this unsent, and the protocol is told to pause; less than that, and it may write again.
const HIGH_BYTES: usize = 65_536;
const LOW_BYTES: usize = 16_384;

#[pyclass(module = "app._core")]
#[allow(clippy::struct_excessive_bools)] // Each changes by itself.
pub struct Socket {
    sockets: Py<Sockets>,
    state: State,
    protocol: Option<Py<PyAny>>,
    conversation: Option<Py<Conversation>>,
    is_reading: bool,
    is_closing: bool,
    is_pending: bool,
    is_stalled: bool,
}

enum State {
    /// The transport that was here before has not let go of the connection yet.
    Held(raw::Socket, usize, Py<PyAny>),
    Open(raw::Socket, usize),
    /// The protocol is to be told that the connection is lost, by what error.
    Lost(Option<PyErr>),
    Gone,
}

#[pymethods]
impl Socket {
    fn open(slf: &Bound<'_, Self>) -> PyResult<()> {
        let added = {
            let this = &mut *slf.borrow_mut();
            match std::mem::replace(&mut this.state, State::Gone) {
                State::Held(socket, place, _) => {
                    let added = this.sockets.bind(slf.py()).borrow().watch(&socket, place);
                    this.state = State::Open(socket, place);
                    added
                }
                before => {
                    this.state = before;
                    return Ok(());
                }
            }
        };
        match added {
            Ok(()) => Self::want(slf),
            Err(error) => Self::lose(slf, Some(error.into())),
        }
    }

    fn write(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<()> {
        Self::append(slf, |unsent| unsent.extend_from_slice(data))
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.borrow_mut().is_closing = true;
        Self::want(slf)
    }

    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::lose(slf, None)
    }

    fn pause_reading(&mut self) {
        self.is_reading = false;
    }

    fn resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.borrow_mut().is_reading = true;
        // What came meanwhile is no news any more.
        Self::want(slf)
    }

    fn get_write_buffer_size(&self) -> usize {
        match &self.state {
            State::Held(socket, ..) | State::Open(socket, _) => socket.unsent_bytes(),
            State::Lost(_) | State::Gone => 0,
        }
    }
}

impl Socket {
    /// One that is not opened yet. `descriptor`: is given away by the caller.
    #[allow(unsafe_code)]
    pub fn held<'py>(
        sockets: &Bound<'py, Sockets>,
        place: usize,
        descriptor: RawFd,
        transport: Py<PyAny>,
        protocol: Py<PyAny>,
        reader: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        if descriptor < 0 {
            return Err(PyOSError::new_err("no descriptor"));
        }
        // SAFETY: the caller gives it away; `app._core.pyi` says so.
        let socket = raw::Socket::new(unsafe { OwnedFd::from_raw_fd(descriptor) })?;
        let conversation = reader.cast::<Conversation>().ok();
        let held = Self {
            sockets: sockets.clone().unbind(),
            state: State::Held(socket, place, transport),
            protocol: Some(protocol),
            conversation: conversation.map(|it| it.clone().unbind()),
            is_reading: true,
            is_closing: false,
            is_pending: false,
            is_stalled: false,
        };
        let held = Bound::new(sockets.py(), held)?;
        if let Some(conversation) = conversation {
            conversation.borrow_mut().socket = Some(held.clone().unbind());
        }
        Ok(held)
    }

    /// Write one message; `false`: that is for the protocol, which looks how much the peer has not taken yet.
    pub fn write_text(slf: &Bound<'_, Self>, text: &str) -> PyResult<bool> {
        if slf.borrow().is_stalled {
            return Ok(false);
        }
        Self::append(slf, |unsent| websocket::text_frame_into(unsent, text, None))?;
        Ok(true)
    }

    fn append(slf: &Bound<'_, Self>, write: impl FnOnce(&mut Vec<u8>)) -> PyResult<()> {
        {
            let this = &mut *slf.borrow_mut();
            let sockets = &this.sockets;
            match &mut this.state {
                State::Held(socket, ..) | State::Open(socket, _) => {
                    write(socket.unsent(|| sockets.bind(slf.py()).borrow_mut().take_spare()));
                }
                State::Lost(_) | State::Gone => return Ok(()),
            }
        }
        Self::want(slf)
    }

    /// Have `settle` called for this one.
    fn want(slf: &Bound<'_, Self>) -> PyResult<()> {
        let sockets = {
            let this = &mut *slf.borrow_mut();
            if matches!(this.state, State::Gone) || std::mem::replace(&mut this.is_pending, true) {
                return Ok(());
            }
            this.sockets.clone_ref(slf.py())
        };
        Sockets::want(sockets.bind(slf.py()), slf.clone().unbind())
    }

    /// Do what the news ask for.
    pub fn serve(slf: &Bound<'_, Self>, news: Readiness, buffer: &mut [u8]) -> PyResult<()> {
        let may_send_on = {
            let this = &mut *slf.borrow_mut();
            let State::Open(socket, _) = &mut this.state else { return Ok(()) };
            socket.note(news);
            socket.unsent_bytes() > 0 && (news.is_writable || news.is_ended)
        };
        if may_send_on {
            Self::want(slf)?;
        }
        Self::guarded(slf, |slf| Self::read(slf, buffer))
    }

    /// Do what there is to do: read on, send, tell the protocol what has become of the connection.
    pub fn settle(slf: &Bound<'_, Self>, buffer: &mut [u8]) -> PyResult<()> {
        slf.borrow_mut().is_pending = false;
        Self::guarded(slf, |slf| {
            Self::read(slf, buffer)?;
            Self::send(slf)?;
            Self::tell_end(slf)
        })
    }

    /// Read once, and hand over what came.
    fn read(slf: &Bound<'_, Self>, buffer: &mut [u8]) -> PyResult<()> {
        let read = {
            let this = &mut *slf.borrow_mut();
            let State::Open(socket, _) = &mut this.state else { return Ok(()) };
            if !this.is_reading || this.is_closing || !socket.may_be_read() {
                return Ok(());
            }
            socket.read(buffer)
        };
        match read {
            Err(error) => return Self::lose(slf, Some(error.into())),
            Ok(Read::Nothing) => return Ok(()),
            Ok(Read::End) => return Self::close(slf),
            Ok(Read::Bytes(count)) => Self::hand_over(slf, &buffer[..count])?,
        }
        let is_more = matches!(&slf.borrow().state, State::Open(socket, _) if socket.may_be_read());
        if is_more { Self::want(slf) } else { Ok(()) }
    }

    fn hand_over(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<()> {
        let py = slf.py();
        let conversation = slf.borrow().conversation.as_ref().map(|it| it.clone_ref(py));
        let Some(conversation) = conversation else {
            return Self::tell(slf, intern!(py, "data_received"), (PyBytes::new(py, data),));
        };
        match Conversation::feed(conversation.bind(py), data)? {
            Some(found) => Self::tell(slf, intern!(py, "found"), (found,)),
            None => Ok(()),
        }
    }

    /// Call a method of the protocol.
    fn tell<'py>(
        slf: &Bound<'py, Self>,
        method: &Bound<'py, PyString>,
        arguments: impl PyCallArgs<'py>,
    ) -> PyResult<()> {
        let protocol = slf.borrow().protocol.as_ref().map(|it| it.clone_ref(slf.py()));
        protocol.map_or(Ok(()), |it| it.call_method1(slf.py(), method, arguments).map(drop))
    }

    fn send(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let flushed = match &mut slf.borrow_mut().state {
            State::Open(socket, _) => socket.flush(),
            // Not yet. How much waits is looked at all the same.
            State::Held(..) => Ok(None),
            State::Lost(_) | State::Gone => return Ok(()),
        };
        match flushed {
            Err(error) => return Self::lose(slf, Some(error.into())),
            Ok(Some(buffer)) => slf.borrow().sockets.bind(py).borrow_mut().keep_spare(buffer),
            Ok(None) => {}
        }
        let turn = {
            let this = &mut *slf.borrow_mut();
            let unsent_bytes = this.get_write_buffer_size();
            if unsent_bytes == 0 && this.is_closing && matches!(this.state, State::Open(..)) {
                None
            } else if !this.is_stalled && unsent_bytes > HIGH_BYTES {
                this.is_stalled = true;
                Some(intern!(py, "pause_writing"))
            } else if this.is_stalled && unsent_bytes <= LOW_BYTES {
                this.is_stalled = false;
                Some(intern!(py, "resume_writing"))
            } else {
                return Ok(());
            }
        };
        match turn {
            Some(method) => Self::tell(slf, method, ()),
            None => Self::lose(slf, None),
        }
    }

    /// The connection is over: close it, and have the protocol told.
    pub fn lose(slf: &Bound<'_, Self>, error: Option<PyErr>) -> PyResult<()> {
        let py = slf.py();
        let transport = {
            let this = &mut *slf.borrow_mut();
            let sockets = &mut *this.sockets.bind(py).borrow_mut();
            match std::mem::replace(&mut this.state, State::Lost(error)) {
                State::Held(_, place, transport) => {
                    sockets.forget(place);
                    Some(transport)
                }
                State::Open(socket, place) => {
                    sockets.unwatch(&socket);
                    sockets.forget(place);
                    None
                }
                before @ (State::Lost(_) | State::Gone) => {
                    this.state = before;
                    return Ok(());
                }
            }
        };
        Self::want(slf)?;
        // It has the same connection, and may wait for ever for the peer to read.
        transport.map_or(Ok(()), |it| it.call_method0(py, intern!(py, "abort")).map(drop))
    }

    fn tell_end(slf: &Bound<'_, Self>) -> PyResult<()> {
        let error = {
            let this = &mut *slf.borrow_mut();
            let State::Lost(error) = &mut this.state else { return Ok(()) };
            let error = error.take();
            this.state = State::Gone;
            error
        };
        let told = Self::tell(slf, intern!(slf.py(), "connection_lost"), (error,));
        // They lead back to here.
        let mut this = slf.borrow_mut();
        (this.conversation, this.protocol) = (None, None);
        told
    }

    /// What fails in one connection, or panics, costs that connection and no other.
    fn guarded(slf: &Bound<'_, Self>, work: impl FnOnce(&Bound<'_, Self>) -> PyResult<()>) -> PyResult<()> {
        let py = slf.py();
        let done = catch_unwind(AssertUnwindSafe(|| work(slf)))
            .unwrap_or_else(|_| Err(PyRuntimeError::new_err("the core has panicked")));
        match done {
            Err(error) if !is_the_end(py, &error) => {
                Self::lose(slf, None)?;
                let sockets = slf.borrow().sockets.clone_ref(py);
                Sockets::report(sockets.bind(py), error)
            }
            done => done,
        }
    }
}

/// Whether the process is to end.
fn is_the_end(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py)
}
