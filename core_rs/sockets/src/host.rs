//! The interface between the connections and the program around them. In the server that is Python.

use std::io;

use crate::{Connection, Connections};

/// The program around the connections of one event loop.
///
/// A call may lead back to the functions of this crate: a protocol that gets bytes usually writes. The program
/// therefore keeps the state, and lends it for a moment at a time. Only `connections` may be called while
/// `connection` lends a state; nothing may be called while `connections` lends its own.
pub trait Host {
    /// How the program refers to one connection. It stays valid after the connection is gone.
    type Handle;
    /// The transport that has a connection before it is opened.
    type Transport;
    /// An error of a socket or of a call of this trait.
    type Error: From<io::Error>;

    /// Lend the state of all connections.
    fn connections<R>(&self, work: impl FnOnce(&mut Connections<Self::Handle>) -> R) -> R;

    /// Lend the state of one connection.
    fn connection<R>(
        &self,
        handle: &Self::Handle,
        work: impl FnOnce(&mut Connection<Self::Transport, Self::Error>) -> R,
    ) -> R;

    /// Copy a handle.
    fn copy(&self, handle: &Self::Handle) -> Self::Handle;

    /// Have the event loop call `settle` once, soon.
    ///
    /// # Errors
    /// The event loop takes no calls.
    fn settle_soon(&self) -> Result<(), Self::Error>;

    /// Give the protocol of a connection what was read.
    ///
    /// # Errors
    /// The protocol failed.
    fn deliver(&self, handle: &Self::Handle, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Tell the protocol that the peer does not take what was written.
    ///
    /// # Errors
    /// The protocol failed.
    fn pause_writing(&self, handle: &Self::Handle) -> Result<(), Self::Error>;

    /// Tell the protocol that the peer has taken most of what was written.
    ///
    /// # Errors
    /// The protocol failed.
    fn resume_writing(&self, handle: &Self::Handle) -> Result<(), Self::Error>;

    /// Tell the protocol that the connection is over, and forget the protocol. `error`: what broke the connection.
    ///
    /// # Errors
    /// The protocol failed.
    fn lost(&self, handle: &Self::Handle, error: Option<Self::Error>) -> Result<(), Self::Error>;

    /// End the connection of a transport that may still send.
    ///
    /// # Errors
    /// The transport failed.
    fn abort(&self, transport: Self::Transport) -> Result<(), Self::Error>;

    /// Report an error that has cost one connection.
    ///
    /// # Errors
    /// The report failed.
    fn failed(&self, error: Self::Error) -> Result<(), Self::Error>;

    /// Make the error that reports a panic.
    fn panicked(&self) -> Self::Error;

    /// Tell whether this error ends the program, and not only one connection.
    fn ends_program(&self, error: &Self::Error) -> bool;
}
