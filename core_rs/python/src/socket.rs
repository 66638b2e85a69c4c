//! One connection as a Python class: a transport of asyncio, except that bytes go straight to the conversation.

use std::mem;

use ocpp_core::websocket;
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use stationmaster_sockets::{Connection, connection};

use crate::conversation::Conversation;
use crate::sockets::{PythonHost, Sockets};
use crate::tls::Encryption;

#[pyclass(module = "app._core")]
pub struct Socket {
    pub connection: Connection<Py<PyAny>, PyErr>,
    pub sockets: Py<Sockets>,
    pub protocol: Option<Py<PyAny>>,
    /// The conversation that gets the bytes; `None`: the protocol gets them.
    pub conversation: Option<Py<Conversation>>,
}

#[pymethods]
impl Socket {
    fn open(slf: &Bound<'_, Self>) -> PyResult<()> {
        connection::open(&PythonHost(&Self::sockets(slf)), slf.as_unbound())
    }

    fn write(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<()> {
        let append = |unsent: &mut Vec<u8>| unsent.extend_from_slice(data);
        connection::write(&PythonHost(&Self::sockets(slf)), slf.as_unbound(), append)
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        connection::close(&PythonHost(&Self::sockets(slf)), slf.as_unbound())
    }

    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        connection::abort(&PythonHost(&Self::sockets(slf)), slf.as_unbound())
    }

    fn pause_reading(&mut self) {
        self.connection.pause_reading();
    }

    fn resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        connection::resume_reading(&PythonHost(&Self::sockets(slf)), slf.as_unbound())
    }

    fn get_write_buffer_size(&self) -> usize {
        self.connection.unsent_bytes()
    }

    fn is_closing(&self) -> bool {
        self.connection.is_closing()
    }

    fn switch(slf: &Bound<'_, Self>, protocol: Py<PyAny>, reader: &Bound<'_, PyAny>) {
        let conversation = reader.cast::<Conversation>().ok();
        if let Some(conversation) = conversation {
            conversation.borrow_mut().socket = Some(slf.clone().unbind());
        }
        let replaced = {
            let this = &mut *slf.borrow_mut();
            let conversation = conversation.map(|it| it.clone().unbind());
            (this.protocol.replace(protocol), mem::replace(&mut this.conversation, conversation))
        };
        drop(replaced);
    }

    fn encryption(&self, py: Python<'_>) -> Option<Encryption> {
        let session = self.connection.socket()?.tls()?;
        let chain = session.client_chain();
        let bytes = |der: &[u8]| PyBytes::new(py, der).unbind();
        Some(Encryption {
            is_established: session.is_established(),
            is_resumed: session.is_resumed(),
            version: session.version(),
            suite: session.suite(),
            certificate: chain.as_ref().map(|it| bytes(&it.leaf)),
            others: chain.iter().flat_map(|it| &it.others).map(|it| bytes(it)).collect(),
            anchor: chain.as_ref().and_then(|it| it.anchor.as_deref()).map(bytes),
        })
    }
}

impl Socket {
    /// Write one text message, and return whether it was written. The protocol must write to a stalled connection
    /// itself, because it limits how much may wait.
    pub fn write_text(slf: &Bound<'_, Self>, text: &str) -> PyResult<bool> {
        let append = |unsent: &mut Vec<u8>| websocket::text_frame_into(unsent, text, None);
        connection::write_unless_stalled(&PythonHost(&Self::sockets(slf)), slf.as_unbound(), append)
    }

    /// Call a method of the protocol, if the connection still has one.
    pub fn tell<'py>(
        slf: &Bound<'py, Self>,
        method: &Bound<'py, PyString>,
        arguments: impl PyCallArgs<'py>,
    ) -> PyResult<()> {
        let protocol = slf.borrow().protocol.as_ref().map(|it| it.clone_ref(slf.py()));
        protocol.map_or(Ok(()), |it| it.call_method1(slf.py(), method, arguments).map(drop))
    }

    /// Drop the references that lead back to this socket. Otherwise they would keep each other alive.
    pub fn forget_protocol(slf: &Bound<'_, Self>) {
        let references = {
            let this = &mut *slf.borrow_mut();
            (this.conversation.take(), this.protocol.take())
        };
        drop(references);
    }

    fn sockets<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Sockets> {
        slf.borrow().sockets.bind(slf.py()).clone()
    }
}
