//! The connections of charge points, for an event loop that is not ours.
//!
//! The loop watches one descriptor and calls `connections::serve` when any socket is ready. `connection` has the
//! table of the states of a connection. `Host` is the program around it. Nothing here knows Python.
//!
//! Below that, `Poller` finds the ready sockets, edge-triggered (epoll(7)). `Socket` reads, and keeps the bytes
//! that the peer does not take yet. A socket may have a TLS session (`tls`); above `Socket` nothing differs then.
#![forbid(unsafe_code)]

pub mod connection;
pub mod connections;
mod host;
mod message_sizes;
mod poller;
mod socket;
mod state;
mod tls;
mod tls_context;

pub use connections::Connections;
pub use host::Host;
pub use poller::{Poller, Readiness};
pub use socket::{Read, Socket};
pub use state::{Connection, HIGH_BYTES, LOW_BYTES};
pub use tls::{ClientChain, Session};
pub use tls_context::{ClientTrust, ServerCertificate, TlsContext, TlsError};
