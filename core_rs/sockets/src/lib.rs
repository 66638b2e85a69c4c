//! The connections of charge points, for an event loop that is not ours.
//!
//! The loop watches one descriptor and calls `connections::serve` when any socket is ready. `connection` has the
//! table of the states of a connection. `Host` is the program around it. Nothing here knows Python.
//!
//! Below that, `Poller` finds the ready sockets, edge-triggered (epoll(7)). `Socket` reads, and keeps the bytes
//! that the peer does not take yet.
#![forbid(unsafe_code)]

pub mod connection;
pub mod connections;
mod host;
mod poller;
mod socket;
mod state;

pub use connections::Connections;
pub use host::Host;
pub use poller::{Poller, Readiness};
pub use socket::{Read, Socket};
pub use state::{Connection, HIGH_BYTES, LOW_BYTES};
