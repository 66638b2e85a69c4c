//! The sockets of charge points in one worker: read, handed to their conversations, and written, all from here.
//!
//! The event loop watches one descriptor and calls `serve`. A `Socket` is to its protocol what a transport of
//! asyncio is, but that bytes go straight to the conversation: the protocol is called for what that has found.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ocpp_core::websocket;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyRuntimeError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use slab::Slab;
use stationmaster_sockets::{self as raw, Poller, Read, Readiness};

use crate::conversation::Conversation;

/// Of how many sockets one turn of the loop takes news.
const TURN: usize = 256;
/// What one read takes at most: a frame of the largest size takes a few, and others come between.
const READ_BYTES: usize = 65_536;
/// More than this unsent, and the protocol is told to pause; less than that, and it may write again.
const HIGH_BYTES: usize = 65_536;
const LOW_BYTES: usize = 16_384;
/// Empty buffers that are kept, and their largest size.
const SPARE: usize = TURN;
const SPARE_BYTES: usize = 4_096;

#[pyclass(module = "app._core")]
pub struct Sockets {
    poller: Poller,
    /// All that are not lost, those that wait to be opened included.
    open: Slab<Py<Socket>>,
    /// Those with something to be done beside what the poller says.
    pending: Vec<Py<Socket>>,
    /// That is being done, and looked for again at the end.
    is_at_work: bool,
    /// The loop will call `settle`. Never ordered twice: each of them would have a busy socket read once more.
    is_ordered: bool,
    news: Vec<Readiness>,
    buffer: Vec<u8>,
    spare: Vec<Vec<u8>>,
    /// Has `settle` called by the loop, soon.
    call_soon: Py<PyAny>,
    /// Is told of an exception of a protocol.
    failed: Py<PyAny>,
}

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
impl Sockets {
    #[new]
    fn new(call_soon: Py<PyAny>, failed: Py<PyAny>) -> PyResult<Self> {
        Ok(Self {
            poller: Poller::new(TURN)?,
            open: Slab::new(),
            pending: Vec::new(),
            is_at_work: false,
            is_ordered: false,
            news: Vec::with_capacity(TURN),
            buffer: vec![0; READ_BYTES],
            spare: Vec::new(),
            call_soon,
            failed,
        })
    }

    fn fileno(&self) -> RawFd {
        self.poller.as_raw_fd()
    }

    #[allow(unsafe_code)]
    fn adopt(
        slf: &Bound<'_, Self>,
        descriptor: RawFd,
        transport: Py<PyAny>,
        protocol: Py<PyAny>,
        reader: &Bound<'_, PyAny>,
    ) -> PyResult<Py<Socket>> {
        if descriptor < 0 {
            return Err(PyOSError::new_err("no descriptor"));
        }
        // SAFETY: the caller gives it away; `app._core.pyi` says so.
        let socket = raw::Socket::new(unsafe { OwnedFd::from_raw_fd(descriptor) })?;
        let conversation = reader.cast::<Conversation>().ok();
        let place = slf.borrow().open.vacant_key();
        let adopted = Socket {
            sockets: slf.clone().unbind(),
            state: State::Held(socket, place, transport),
            protocol: Some(protocol),
            conversation: conversation.map(|it| it.clone().unbind()),
            is_reading: true,
            is_closing: false,
            is_pending: false,
            is_stalled: false,
        };
        let adopted = Bound::new(slf.py(), adopted)?;
        slf.borrow_mut().open.insert(adopted.clone().unbind());
        if let Some(conversation) = conversation {
            conversation.borrow_mut().socket = Some(adopted.clone().unbind());
        }
        Ok(adopted.unbind())
    }

    fn serve(slf: &Bound<'_, Self>) -> PyResult<()> {
        let mut news = {
            let this = &mut *slf.borrow_mut();
            this.poller.look(&mut this.news)?;
            this.is_at_work = true;
            std::mem::take(&mut this.news)
        };
        let served = Self::with_buffer(slf, |buffer| {
            all(news.drain(..).map(|news| {
                let socket = slf.borrow().open.get(news.place).map(|it| it.clone_ref(slf.py()));
                socket.map_or(Ok(()), |socket| Socket::serve(socket.bind(slf.py()), news, buffer))
            }))
        });
        slf.borrow_mut().news = news;
        served.and(Self::do_pending(slf))
    }

    fn settle(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.borrow_mut().is_ordered = false;
        Self::do_pending(slf)
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        // What was written last goes out as far as the peers take it.
        let sent = Self::do_pending(slf);
        let open: Vec<_> = slf.borrow().open.iter().map(|(_, it)| it.clone_ref(slf.py())).collect();
        let lost = all(open.iter().map(|socket| Socket::lose(socket.bind(slf.py()), None)));
        sent.and(lost).and(Self::do_pending(slf))
    }

    fn __len__(&self) -> usize {
        self.open.len()
    }
}

impl Sockets {
    /// Serve those that are pending. Who becomes so meanwhile has the next turn.
    fn do_pending(slf: &Bound<'_, Self>) -> PyResult<()> {
        let mut pending = {
            let mut this = slf.borrow_mut();
            this.is_at_work = true;
            std::mem::take(&mut this.pending)
        };
        let settled = Self::with_buffer(slf, |buffer| {
            all(pending.drain(..).map(|socket| Socket::settle(socket.bind(slf.py()), buffer)))
        });
        let is_more = {
            let mut this = slf.borrow_mut();
            this.is_at_work = false;
            let is_more = !this.pending.is_empty();
            if !is_more {
                this.pending = pending;
            }
            is_more
        };
        if is_more { settled.and(Self::order(slf)) } else { settled }
    }

    /// Have `settle` called, if nobody looks what is pending before.
    fn order(slf: &Bound<'_, Self>) -> PyResult<()> {
        let call_soon = {
            let mut this = slf.borrow_mut();
            if this.is_at_work || std::mem::replace(&mut this.is_ordered, true) {
                return Ok(());
            }
            this.call_soon.clone_ref(slf.py())
        };
        call_soon.call1(slf.py(), (slf.getattr(intern!(slf.py(), "settle"))?,)).map(drop)
    }

    fn with_buffer<R>(slf: &Bound<'_, Self>, work: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut buffer = std::mem::take(&mut slf.borrow_mut().buffer);
        let result = work(&mut buffer);
        slf.borrow_mut().buffer = buffer;
        result
    }

    fn report(slf: &Bound<'_, Self>, error: PyErr) -> PyResult<()> {
        let failed = slf.borrow().failed.clone_ref(slf.py());
        failed.call1(slf.py(), (error,)).map(drop)
    }

    fn keep(&mut self, spare: Vec<u8>) {
        if self.spare.len() < SPARE && spare.capacity() <= SPARE_BYTES {
            self.spare.push(spare);
        }
    }
}

#[pymethods]
impl Socket {
    fn open(slf: &Bound<'_, Self>) -> PyResult<()> {
        let added = {
            let this = &mut *slf.borrow_mut();
            match std::mem::replace(&mut this.state, State::Gone) {
                State::Held(socket, place, _) => {
                    let added = this.sockets.bind(slf.py()).borrow().poller.add(&socket, place);
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
                State::Held(socket, ..) | State::Open(socket, _) => write(
                    socket.unsent(|| sockets.bind(slf.py()).borrow_mut().spare.pop().unwrap_or_default()),
                ),
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
            this.sockets.bind(slf.py()).borrow_mut().pending.push(slf.clone().unbind());
            this.sockets.clone_ref(slf.py())
        };
        Sockets::order(sockets.bind(slf.py()))
    }

    fn serve(slf: &Bound<'_, Self>, news: Readiness, buffer: &mut [u8]) -> PyResult<()> {
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
    fn settle(slf: &Bound<'_, Self>, buffer: &mut [u8]) -> PyResult<()> {
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
            return Self::tell(slf, intern!(py, "data_received"), PyBytes::new(py, data).into_any());
        };
        match Conversation::feed(conversation.bind(py), data)? {
            Some(found) => Self::tell(slf, intern!(py, "found"), found.into_bound(py).into_any()),
            None => Ok(()),
        }
    }

    /// Call a method of the protocol.
    fn tell(slf: &Bound<'_, Self>, method: &Bound<'_, PyString>, argument: Bound<'_, PyAny>) -> PyResult<()> {
        let protocol = slf.borrow().protocol.as_ref().map(|it| it.clone_ref(slf.py()));
        protocol.map_or(Ok(()), |it| it.call_method1(slf.py(), method, (argument,)).map(drop))
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
            Ok(Some(buffer)) => slf.borrow().sockets.bind(py).borrow_mut().keep(buffer),
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
        let Some(method) = turn else { return Self::lose(slf, None) };
        let protocol = slf.borrow().protocol.as_ref().map(|it| it.clone_ref(py));
        protocol.map_or(Ok(()), |it| it.call_method0(py, method).map(drop))
    }

    /// The connection is over: close it, and have the protocol told.
    fn lose(slf: &Bound<'_, Self>, error: Option<PyErr>) -> PyResult<()> {
        let py = slf.py();
        let transport = {
            let this = &mut *slf.borrow_mut();
            let sockets = &mut *this.sockets.bind(py).borrow_mut();
            match std::mem::replace(&mut this.state, State::Lost(error)) {
                State::Held(_, place, transport) => {
                    sockets.open.remove(place);
                    Some(transport)
                }
                State::Open(socket, place) => {
                    // To close it may not be enough: somebody else may have the same connection open.
                    let _ = sockets.poller.remove(&socket);
                    sockets.open.remove(place);
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
        let py = slf.py();
        let (error, protocol) = {
            let this = &mut *slf.borrow_mut();
            if !matches!(this.state, State::Lost(_)) {
                return Ok(());
            }
            let State::Lost(error) = std::mem::replace(&mut this.state, State::Gone) else { return Ok(()) };
            // They lead back to here.
            this.conversation = None;
            (error, this.protocol.take())
        };
        let Some(protocol) = protocol else { return Ok(()) };
        protocol.call_method1(py, intern!(py, "connection_lost"), (error,)).map(drop)
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

/// Do all, whatever becomes of each; the first error.
fn all(results: impl Iterator<Item = PyResult<()>>) -> PyResult<()> {
    let mut done = Ok(());
    for result in results {
        done = done.and(result);
    }
    done
}
