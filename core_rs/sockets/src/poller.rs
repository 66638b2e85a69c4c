//! Which sockets are ready, of all, in one system call.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::Socket;

/// All sockets of one event loop.
pub struct Poller {
    poll: Poll,
    events: Events,
}

/// News of a socket, said once. `place`: the number it was added under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The number of the socket.
    pub place: usize,
    /// There is something to be read, if only the end.
    pub is_readable: bool,
    /// There is room for what waits to be written.
    pub is_writable: bool,
    /// The peer will send nothing more than what is there.
    pub is_ended: bool,
}

impl Poller {
    /// `most`: of how many sockets one look brings news.
    ///
    /// # Errors
    ///
    /// The system has no descriptor left.
    pub fn new(most: usize) -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(most) })
    }

    /// Watch a socket. That it can be read or written already is news, too.
    ///
    /// # Errors
    ///
    /// The system watches no more of them.
    pub fn add(&self, socket: &Socket, place: usize) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(place), both)
    }

    /// Watch a socket no more.
    ///
    /// # Errors
    ///
    /// It was not watched.
    pub fn remove(&self, socket: &Socket) -> io::Result<()> {
        self.poll.registry().deregister(&mut SourceFd(&socket.as_raw_fd()))
    }

    /// Look once, without waiting, and add the news to `found`.
    ///
    /// # Errors
    ///
    /// None is known that could happen to a poller that is whole.
    pub fn look(&mut self, found: &mut Vec<Readiness>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            // A signal came: whoever watches our descriptor asks again.
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
    /// Readable whenever there is news.
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}
