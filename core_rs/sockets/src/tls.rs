//! One TLS session over a socket that does not wait.
//!
//! The system is asked once per turn for bytes, into one buffer that all sessions share. OpenSSL takes all of them at
//! once, so nothing waits that the system would not report again. Between turns an idle session keeps no buffers.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read as _};
use std::mem;
use std::net::TcpStream;

use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslStream};
use openssl::x509::X509VerifyResult;

use crate::message_sizes::MessageSizes;
use crate::{Read, TlsContext};

/// The most encrypted bytes that one read takes: two records of the largest size.
const RAW_BYTES: usize = 32_768;

thread_local! {
    static RAW: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One session.
pub struct Session {
    stream: SslStream<Wire>,
    phase: Phase,
    /// The error that is reported after the bytes that came before it.
    failure: Option<io::Error>,
    sizes: MessageSizes,
    /// OpenSSL must send something before it reads on.
    waits_for_room: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Open,
    /// The peer sends nothing more.
    Ended,
    /// OpenSSL must not be called again.
    Failed,
}

/// The certificates that the client has shown, DER.
pub struct ClientChain {
    /// The certificate of the client.
    pub leaf: Vec<u8>,
    /// The others, as it has sent them.
    pub others: Vec<Vec<u8>>,
    /// The trust anchor at the end of the chain. `None`: the chain is not verified.
    pub anchor: Option<Vec<u8>>,
}

/// The socket below a session, and the encrypted bytes that were read from it.
struct Wire {
    stream: TcpStream,
    incoming: Vec<u8>,
    taken: usize,
    end: usize,
    is_ended: bool,
}

impl Session {
    /// Make the server's side of a session. Its first reads do the handshake.
    pub(crate) fn new(stream: TcpStream, context: &TlsContext) -> io::Result<Self> {
        let ssl = Ssl::new(context.context())?;
        let wire = Wire { stream, incoming: Vec::new(), taken: 0, end: 0, is_ended: false };
        Ok(Self {
            stream: SslStream::new(ssl, wire)?,
            phase: Phase::Handshake,
            failure: None,
            sizes: MessageSizes::default(),
            waits_for_room: false,
        })
    }

    /// Tell whether the handshake is complete, and nothing has failed since.
    #[must_use]
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Ended)
    }

    /// Tell whether the session continues an earlier one.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.stream.ssl().session_reused()
    }

    /// Return the version of the protocol, for instance `TLSv1.2`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        self.stream.ssl().version_str()
    }

    /// Return the suite, in the words of OpenSSL.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        self.stream.ssl().current_cipher().map_or("", |cipher| cipher.name())
    }

    /// Return the certificates of the client, `None` if it has shown none.
    #[must_use]
    pub fn client_chain(&self) -> Option<ClientChain> {
        let ssl = self.stream.ssl();
        let leaf = ssl.peer_certificate()?;
        let anchor = if ssl.verify_result() == X509VerifyResult::OK {
            ssl.verified_chain().and_then(|chain| chain.iter().last()).and_then(|it| it.to_der().ok())
        } else {
            None
        };
        // The chain of a client is kept without its own certificate.
        let sent = ssl.peer_cert_chain().into_iter().flatten();
        let others = sent.filter_map(|it| it.to_der().ok()).collect();
        Some(ClientChain { leaf: leaf.to_der().ok()?, others, anchor })
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.stream.get_ref().stream
    }

    pub(crate) fn waits_for_room(&self) -> bool {
        self.waits_for_room
    }

    /// Read once from the socket, and decrypt. The second result: whether there may be more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<(Read, bool)> {
        self.waits_for_room = false;
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.phase == Phase::Ended {
            return Ok((Read::End, false));
        }
        let is_full = if self.has_left() { true } else { self.fill()? };
        let read = self.decrypt(buffer);
        let has_left = self.has_left();
        if !has_left {
            let wire = self.stream.get_mut();
            wire.taken = 0;
            wire.end = 0;
            RAW.set(mem::take(&mut wire.incoming));
        }
        let is_over = self.phase == Phase::Ended || self.failure.is_some() || self.stream.get_ref().is_ended;
        // A peer that makes OpenSSL answer and does not read would otherwise be read again in each turn.
        let more = !self.waits_for_room && (is_full || has_left || is_over);
        Ok(match read? {
            0 if self.phase == Phase::Ended => (Read::End, false),
            // Nothing yet may mean that a record is incomplete.
            0 => (Read::Nothing, more),
            count => (Read::Bytes(count), more),
        })
    }

    /// Encrypt and send. Return how many bytes were taken.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_established() {
            return Err(ErrorKind::WouldBlock.into());
        }
        forget_errors();
        match self.stream.ssl_write(bytes) {
            Ok(count) => Ok(count),
            Err(error) => match error.code() {
                ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Err(ErrorKind::WouldBlock.into()),
                _ => Err(self.failure(error)),
            },
        }
    }

    /// Tell the peer that nothing follows, if it can be told now.
    pub(crate) fn finish(&mut self) {
        if self.is_established() {
            forget_errors();
            // A peer that is gone need not be told.
            let _ = self.stream.shutdown();
        }
    }

    /// Tell whether encrypted or decrypted bytes wait here, because the last buffer was too small.
    fn has_left(&self) -> bool {
        let wire = self.stream.get_ref();
        wire.taken < wire.end || self.stream.ssl().pending() > 0
    }

    /// Read from the socket into the shared buffer. Return whether that has filled it.
    fn fill(&mut self) -> io::Result<bool> {
        let wire = self.stream.get_mut();
        let mut raw = RAW.take();
        raw.resize(RAW_BYTES, 0);
        let read = loop {
            match wire.stream.read(&mut raw) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        wire.incoming = raw;
        wire.taken = 0;
        wire.end = match read {
            Ok(count) => {
                wire.is_ended = count == 0;
                count
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        let (end, is_old) = (wire.end, self.version() == "TLSv1.2");
        let wire = self.stream.get_ref();
        if self.phase == Phase::Handshake && !self.sizes.admit(&wire.incoming[..end], is_old) {
            self.phase = Phase::Failed;
            return Err(io::Error::new(ErrorKind::InvalidData, "TLS: excessive message size"));
        }
        Ok(end == RAW_BYTES)
    }

    fn decrypt(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.phase == Phase::Handshake {
            forget_errors();
            match self.stream.accept() {
                Ok(()) => self.phase = Phase::Open,
                Err(error) => {
                    self.stop(error)?;
                    return Ok(0);
                }
            }
        }
        let mut count = 0;
        while count < buffer.len() {
            forget_errors();
            match self.stream.ssl_read(&mut buffer[count..]) {
                Ok(read) => count += read,
                Err(error) => {
                    match self.stop(error) {
                        Err(failure) if count > 0 => self.failure = Some(failure),
                        stopped => stopped?,
                    }
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Note why OpenSSL does not read on, or return the error that ends the connection.
    fn stop(&mut self, error: openssl::ssl::Error) -> io::Result<()> {
        match error.code() {
            ErrorCode::WANT_READ => Ok(()),
            ErrorCode::WANT_WRITE => {
                self.waits_for_room = true;
                Ok(())
            }
            ErrorCode::ZERO_RETURN => {
                self.phase = Phase::Ended;
                Ok(())
            }
            // Many clients end without close_notify. HTTP and WebSocket frames tell where a message ends.
            ErrorCode::SYSCALL if self.phase == Phase::Open && self.stream.get_ref().is_ended => {
                self.phase = Phase::Ended;
                Ok(())
            }
            _ => Err(self.failure(error)),
        }
    }

    fn failure(&mut self, error: openssl::ssl::Error) -> io::Error {
        self.phase = Phase::Failed;
        if let Some(stack) = error.ssl_error() {
            let reason = stack.errors().first().and_then(openssl::error::Error::reason);
            return io::Error::new(ErrorKind::InvalidData, format!("TLS: {}", reason.unwrap_or("failed")));
        }
        error
            .into_io_error()
            .unwrap_or_else(|error| io::Error::new(ErrorKind::InvalidData, format!("TLS: {error}")))
    }
}

/// Forget what earlier calls have left in the queue of errors of this thread, which all sessions share, and the `ssl` of
/// Python, too. OpenSSL would take it for an error of the next call that has nothing to read or to send.
fn forget_errors() {
    drop(ErrorStack::get());
}

impl io::Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.end - self.taken);
        if count == 0 {
            return if self.is_ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        buffer[..count].copy_from_slice(&self.incoming[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

impl io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match (&self.stream).write(bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
