//! Sockets for an event loop that is not ours: it watches one descriptor, and is told when any socket is ready.
//!
//! `Poller` says which are, edge by edge (epoll(7)); `Socket` reads, and keeps what the peer does not take yet.
#![forbid(unsafe_code)]

mod poller;
mod socket;

pub use poller::{Poller, Readiness};
pub use socket::{Read, Socket};
