//! Finds the ready ones of many sockets in one system call.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::Socket;

/// Watches all sockets of one event loop.
pub struct Poller {
    poll: Poll,
    events: Events,
}

/// A change that the system reports about one socket. It reports each change once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The number under which the socket was added.
    pub place: usize,
    /// A read will find bytes, the end or an error.
    pub is_readable: bool,
    /// There is room for what waits to be sent.
    pub is_writable: bool,
    /// After the bytes that can be read now, the peer will send nothing more.
    pub is_ended: bool,
}

impl Poller {
    /// Make a poller whose `look` finds at most `most` sockets.
    ///
    /// # Errors
    /// The process has no free file descriptor.
    pub fn new(most: usize) -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(most) })
    }

    /// Watch a socket. If it can be read or written already, the next `look` finds it.
    ///
    /// # Errors
    /// The system cannot watch it: it is not a socket, or too many are watched.
    pub fn add(&self, socket: &Socket, place: usize) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(place), both)
    }

    /// Stop watching a socket.
    ///
    /// # Errors
    /// The socket was not watched.
    pub fn remove(&self, socket: &Socket) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&socket.as_raw_fd()))
    }

    /// Look once, without waiting, and add what is ready to `found`.
    ///
    /// # Errors
    /// The system refused. No cause is known for a poller that is intact.
    pub fn look(&mut self, found: &mut Vec<Readiness>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            // A signal interrupted the call. Our descriptor stays readable, so the event loop calls again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            looked => looked?,
        }
        found.extend(self.events.iter().map(|event| Readiness {
            place: event.token().0,
            is_readable: event.is_readable() || event.is_error(),
            is_writable: event.is_writable(),
            is_ended: event.is_read_closed() || event.is_error(),
        }));
        Ok(())
    }
}

impl AsRawFd for Poller {
    /// Return the descriptor that is readable while `look` would find something.
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}
