//! Reads and writes one stream socket without waiting.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::tls::Session;
use crate::{Readiness, TlsContext};

/// The result of one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// This many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The peer will send nothing more.
    End,
}

/// A connected socket, and the bytes that its peer has not taken yet.
pub struct Socket {
    stream: Stream,
    unsent: Vec<u8>,
    /// The number of bytes at the front of `unsent` that are sent already.
    sent: usize,
    may_be_read: bool,
    is_ended: bool,
}

enum Stream {
    Plain(TcpStream),
    /// In a box, because a plain socket must not carry its size.
    Tls(Box<Session>),
}

impl Socket {
    /// Take the descriptor of a connected stream socket of any family.
    ///
    /// # Errors
    /// The system cannot make it non-blocking.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let stream = TcpStream::from(descriptor);
        stream.set_nonblocking(true)?;
        Ok(Self::over(Stream::Plain(stream)))
    }

    /// Take the descriptor of a connected TCP socket whose peer begins with TLS.
    ///
    /// # Errors
    /// The system cannot make it non-blocking, or no memory is left.
    pub fn with_tls(descriptor: OwnedFd, context: &TlsContext) -> io::Result<Self> {
        let stream = TcpStream::from(descriptor);
        stream.set_nonblocking(true)?;
        // Answers are small, and must not wait for acknowledgements. A socket of another family has no such delay.
        let _ = stream.set_nodelay(true);
        Ok(Self::over(Stream::Tls(Box::new(Session::new(stream, context)?))))
    }

    fn over(stream: Stream) -> Self {
        Self { stream, unsent: Vec::new(), sent: 0, may_be_read: false, is_ended: false }
    }

    /// Return the TLS session, `None` for a plain socket.
    #[must_use]
    pub fn tls(&self) -> Option<&Session> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(session) => Some(session),
        }
    }

    /// Note what the system reports about this socket. It reports each change once.
    pub fn note(&mut self, readiness: Readiness) {
        let has_room = readiness.is_writable && self.tls().is_some_and(Session::waits_for_room);
        self.may_be_read |= readiness.is_readable || has_room;
        self.is_ended |= readiness.is_ended;
    }

    /// Tell whether `read` may find something.
    #[must_use]
    pub fn may_be_read(&self) -> bool {
        self.may_be_read
    }

    /// Read once, as much as is there and fits into `buffer`.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Read> {
        let stream = match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(session) => {
                let (read, more) = session.read(buffer)?;
                self.may_be_read =
                    read != Read::End && (more || (self.is_ended && !session.waits_for_room()));
                return Ok(read);
            }
        };
        let read = loop {
            match stream.read(buffer) {
                // The system will not report again that there is something to read.
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
                // A short read has emptied the socket, and the system will report what arrives next. It will
                // not report the end again, so that must be looked for.
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

    /// Return the buffer to append to; `flush` sends it. `spare` makes one if this socket has none.
    pub fn unsent(&mut self, spare: impl FnOnce() -> Vec<u8>) -> &mut Vec<u8> {
        if self.unsent.capacity() == 0 {
            self.unsent = spare();
        }
        &mut self.unsent
    }

    /// Count the bytes that wait to be sent.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.unsent.len() - self.sent
    }

    /// Send what the peer takes. If that is everything, return the emptied buffer, if there is one.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn flush(&mut self) -> io::Result<Option<Vec<u8>>> {
        while self.sent < self.unsent.len() {
            let unsent = &self.unsent[self.sent..];
            let written = match &mut self.stream {
                Stream::Plain(stream) => stream.write(unsent),
                Stream::Tls(session) => session.write(unsent),
            };
            match written {
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

    /// Drop what can never be sent, because the connection is closed before the handshake of TLS is complete.
    pub(crate) fn close(&mut self) {
        if self.tls().is_some_and(|session| !session.is_established()) {
            self.unsent.clear();
            self.sent = 0;
        }
    }

    /// Tell the peer that nothing follows, where that is not the end of the socket itself.
    pub(crate) fn finish(&mut self) {
        if let Stream::Tls(session) = &mut self.stream {
            session.finish();
        }
    }

    /// Drop the sent bytes. Without this, a slow reader would make us keep everything that it ever got.
    fn forget_sent(&mut self) {
        if self.sent > self.unsent.len() / 2 {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match &self.stream {
            Stream::Plain(stream) => stream.as_raw_fd(),
            Stream::Tls(session) => session.tcp().as_raw_fd(),
        }
    }
}
