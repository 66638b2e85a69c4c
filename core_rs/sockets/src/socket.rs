//! One stream socket that never waits.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::Readiness;

/// What a look into a socket brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The peer will send no more.
    End,
}

/// A connected socket, and what its peer has not taken yet.
pub struct Socket {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// How much of `unsent` is gone already.
    sent: usize,
    may_be_read: bool,
    is_ended: bool,
}

impl Socket {
    /// `descriptor`: of a connected stream socket, of whatever family.
    ///
    /// # Errors
    ///
    /// It cannot be made to never wait.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let stream = TcpStream::from(descriptor);
        stream.set_nonblocking(true)?;
        Ok(Self { stream, unsent: Vec::new(), sent: 0, may_be_read: false, is_ended: false })
    }

    /// Take note of news. They are said only once.
    pub fn note(&mut self, news: Readiness) {
        self.may_be_read |= news.is_readable;
        self.is_ended |= news.is_ended;
    }

    /// Whether `read` may find something.
    #[must_use]
    pub fn may_be_read(&self) -> bool {
        self.may_be_read
    }

    /// Read what is there into `buffer`, once.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Read> {
        let read = loop {
            match self.stream.read(buffer) {
                // That this may be read is said no second time.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => {
                self.may_be_read = false;
                Ok(Read::End)
            }
            Ok(count) => {
                // A short read has emptied the socket: what comes next is news again. Not so the end, when that
                // was said already.
                self.may_be_read = count == buffer.len() || self.is_ended;
                Ok(Read::Bytes(count))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.may_be_read = false;
                Ok(Read::Nothing)
            }
            Err(error) => Err(error),
        }
    }

    /// Where to append what is to be sent; `flush` sends it. `spare`: a buffer to begin with, if there is none.
    pub fn unsent(&mut self, spare: impl FnOnce() -> Vec<u8>) -> &mut Vec<u8> {
        if self.unsent.capacity() == 0 {
            self.unsent = spare();
        }
        &mut self.unsent
    }

    /// How many bytes wait to be sent.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// Send what the peer takes. When that was all, the buffer is given back, empty.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    pub fn flush(&mut self) -> io::Result<Option<Vec<u8>>> {
        while self.sent < self.unsent.len() {
            match self.stream.write(&self.unsent[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.forget_sent();
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        self.sent = 0;
        let mut buffer = std::mem::take(&mut self.unsent);
        buffer.clear();
        Ok((buffer.capacity() > 0).then_some(buffer))
    }

    /// A slow reader must not make us keep all that it ever got.
    fn forget_sent(&mut self) {
        if self.sent > self.unsent.len() / 2 {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}
