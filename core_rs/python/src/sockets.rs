//! The connections of one event loop as a Python class, and Python as their `Host`.
//!
//! What a connection does, and when, is in `stationmaster_sockets`.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyRuntimeError, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use stationmaster_sockets::{self as core, Connection, Connections, Host, connection, connections};

use crate::conversation::Conversation;
use crate::socket::Socket;
use crate::tls::TlsContext;

#[pyclass(module = "app._core")]
pub struct Sockets {
    connections: Connections<Py<Socket>>,
    /// The `call_soon` of the event loop.
    call_soon: Py<PyAny>,
    /// Called with an exception that ended one connection.
    failed: Py<PyAny>,
}

#[pymethods]
impl Sockets {
    #[new]
    fn new(call_soon: Py<PyAny>, failed: Py<PyAny>) -> PyResult<Self> {
        Ok(Self { connections: Connections::new()?, call_soon, failed })
    }

    fn fileno(&self) -> RawFd {
        self.connections.as_raw_fd()
    }

    fn adopt(
        slf: &Bound<'_, Self>,
        descriptor: RawFd,
        transport: Py<PyAny>,
        protocol: Py<PyAny>,
        reader: &Bound<'_, PyAny>,
    ) -> PyResult<Py<Socket>> {
        let socket = core::Socket::new(owned(descriptor)?)?;
        add(slf, socket, transport, protocol, reader)
    }

    fn accept_tls(
        slf: &Bound<'_, Self>,
        descriptor: RawFd,
        context: &TlsContext,
        protocol: Py<PyAny>,
    ) -> PyResult<Py<Socket>> {
        let socket = core::Socket::with_tls(owned(descriptor)?, &context.context)?;
        let none = slf.py().None();
        let added = add(slf, socket, none.clone_ref(slf.py()), protocol, none.bind(slf.py()))?;
        connection::open(&PythonHost(slf), &added)?;
        Ok(added)
    }

    fn serve(slf: &Bound<'_, Self>) -> PyResult<()> {
        connections::serve(&PythonHost(slf))
    }

    fn settle(slf: &Bound<'_, Self>) -> PyResult<()> {
        connections::settle(&PythonHost(slf))
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        connections::close(&PythonHost(slf))
    }

    fn __len__(&self) -> usize {
        self.connections.count()
    }
}

#[allow(unsafe_code)]
fn owned(descriptor: RawFd) -> PyResult<OwnedFd> {
    if descriptor < 0 {
        return Err(PyOSError::new_err("the process has no free file descriptor"));
    }
    // SAFETY: the caller gives the descriptor away; `app._core.pyi` says so.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn add(
    sockets: &Bound<'_, Sockets>,
    socket: core::Socket,
    transport: Py<PyAny>,
    protocol: Py<PyAny>,
    reader: &Bound<'_, PyAny>,
) -> PyResult<Py<Socket>> {
    let py = sockets.py();
    let connection = Connection::new(socket, sockets.borrow().connections.next_place(), transport);
    let conversation = reader.cast::<Conversation>().ok();
    let made = Socket {
        connection,
        sockets: sockets.clone().unbind(),
        protocol: Some(protocol),
        conversation: conversation.map(|it| it.clone().unbind()),
    };
    let added = Py::new(py, made)?;
    sockets.borrow_mut().connections.add(added.clone_ref(py));
    if let Some(conversation) = conversation {
        conversation.borrow_mut().socket = Some(added.clone_ref(py));
    }
    Ok(added)
}

/// The program around the connections. Each call goes to the protocol of a connection, or to the event loop.
pub struct PythonHost<'a, 'py>(pub &'a Bound<'py, Sockets>);

impl Host for PythonHost<'_, '_> {
    type Handle = Py<Socket>;
    type Transport = Py<PyAny>;
    type Error = PyErr;

    fn connections<R>(&self, work: impl FnOnce(&mut Connections<Py<Socket>>) -> R) -> R {
        work(&mut self.0.borrow_mut().connections)
    }

    fn connection<R>(
        &self,
        handle: &Py<Socket>,
        work: impl FnOnce(&mut Connection<Py<PyAny>, PyErr>) -> R,
    ) -> R {
        work(&mut handle.bind(self.0.py()).borrow_mut().connection)
    }

    fn copy(&self, handle: &Py<Socket>) -> Py<Socket> {
        handle.clone_ref(self.0.py())
    }

    fn settle_soon(&self) -> PyResult<()> {
        let py = self.0.py();
        let call_soon = self.0.borrow().call_soon.clone_ref(py);
        call_soon.call1(py, (self.0.getattr(intern!(py, "settle"))?,)).map(drop)
    }

    fn deliver(&self, handle: &Py<Socket>, bytes: &[u8]) -> PyResult<()> {
        let py = self.0.py();
        let socket = handle.bind(py);
        let conversation = socket.borrow().conversation.as_ref().map(|it| it.clone_ref(py));
        let Some(conversation) = conversation else {
            return Socket::tell(socket, intern!(py, "data_received"), (PyBytes::new(py, bytes),));
        };
        match Conversation::feed(conversation.bind(py), bytes)? {
            Some(found) => Socket::tell(socket, intern!(py, "found"), (found,)),
            None => Ok(()),
        }
    }

    fn pause_writing(&self, handle: &Py<Socket>) -> PyResult<()> {
        let py = self.0.py();
        Socket::tell(handle.bind(py), intern!(py, "pause_writing"), ())
    }

    fn resume_writing(&self, handle: &Py<Socket>) -> PyResult<()> {
        let py = self.0.py();
        Socket::tell(handle.bind(py), intern!(py, "resume_writing"), ())
    }

    fn lost(&self, handle: &Py<Socket>, error: Option<PyErr>) -> PyResult<()> {
        let py = self.0.py();
        let socket = handle.bind(py);
        let told = Socket::tell(socket, intern!(py, "connection_lost"), (error,));
        Socket::forget_protocol(socket);
        told
    }

    fn abort(&self, transport: Py<PyAny>) -> PyResult<()> {
        let py = self.0.py();
        transport.call_method0(py, intern!(py, "abort")).map(drop)
    }

    fn failed(&self, error: PyErr) -> PyResult<()> {
        let py = self.0.py();
        let failed = self.0.borrow().failed.clone_ref(py);
        failed.call1(py, (error,)).map(drop)
    }

    fn panicked(&self) -> PyErr {
        PyRuntimeError::new_err("the core panicked")
    }

    fn ends_program(&self, error: &PyErr) -> bool {
        let py = self.0.py();
        error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py)
    }
}
