//! The sockets of charge points in one worker: which have news, and who has something to be done.
//!
//! The event loop watches one descriptor and calls `serve`; what each socket does then is `socket`'s.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use pyo3::intern;
use pyo3::prelude::*;
use slab::Slab;
use stationmaster_sockets::{self as raw, Poller, Readiness};

use crate::socket::Socket;

/// Of how many sockets one turn of the loop takes news.
const TURN: usize = 256;
/// What one read takes at most: a frame of the largest size takes a few, and others come between.
const READ_BYTES: usize = 65_536;
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

    fn adopt(
        slf: &Bound<'_, Self>,
        descriptor: RawFd,
        transport: Py<PyAny>,
        protocol: Py<PyAny>,
        reader: &Bound<'_, PyAny>,
    ) -> PyResult<Py<Socket>> {
        let place = slf.borrow().open.vacant_key();
        let adopted = Socket::held(slf, place, descriptor, transport, protocol, reader)?;
        slf.borrow_mut().open.insert(adopted.clone().unbind());
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

    /// Have `settle` called, and this socket then.
    pub fn want(slf: &Bound<'_, Self>, socket: Py<Socket>) -> PyResult<()> {
        slf.borrow_mut().pending.push(socket);
        Self::order(slf)
    }

    /// Watch a socket that was held.
    pub fn watch(&self, socket: &raw::Socket, place: usize) -> io::Result<()> {
        self.poller.add(socket, place)
    }

    /// Watch a socket no more that was open.
    pub fn unwatch(&self, socket: &raw::Socket) {
        // To close it may not be enough: somebody else may have the same connection open.
        let _ = self.poller.remove(socket);
    }

    /// Forget a socket.
    pub fn forget(&mut self, place: usize) {
        self.open.remove(place);
    }

    /// An empty buffer to write into.
    pub fn take_spare(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Take an empty buffer back.
    pub fn keep_spare(&mut self, spare: Vec<u8>) {
        if self.spare.len() < SPARE && spare.capacity() <= SPARE_BYTES {
            self.spare.push(spare);
        }
    }

    /// Tell what has failed in one connection.
    pub fn report(slf: &Bound<'_, Self>, error: PyErr) -> PyResult<()> {
        let failed = slf.borrow().failed.clone_ref(slf.py());
        failed.call1(slf.py(), (error,)).map(drop)
    }
}

/// Do all, whatever becomes of each; the first error.
fn all(results: impl Iterator<Item = PyResult<()>>) -> PyResult<()> {
    let mut done = Ok(());
    for result in results {
        done = done.and(result);
    }
    done
}
