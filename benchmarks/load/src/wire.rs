//! The socket of one charge point, plain or with TLS.

use std::io;
use std::net::TcpStream;

use openssl::ssl::{
    ErrorCode, Ssl, SslConnector, SslContext, SslMethod, SslMode, SslSessionCacheMode, SslStream,
    SslVerifyMode,
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags};

/// One connected socket. It never waits.
pub enum Wire {
    /// Without TLS.
    Plain(OwnedFd),
    /// With TLS, the handshake included.
    Tls(Box<SslStream<TcpStream>>),
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes.
    Bytes(usize),
    /// Nothing until the socket is ready again.
    Wait,
}

/// The side of the client for all charge points. The certificate of the server is not checked: what is measured is
/// the server.
///
/// # Errors
/// OpenSSL cannot be used.
pub fn client_context() -> io::Result<SslContext> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_mode(
        SslMode::RELEASE_BUFFERS | SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER,
    );
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    Ok(builder.build().into_context())
}

impl Wire {
    /// Begin TLS on a socket, or not.
    ///
    /// # Errors
    /// No memory is left.
    pub fn new(socket: OwnedFd, context: Option<&SslContext>) -> io::Result<Self> {
        Ok(match context {
            None => Self::Plain(socket),
            Some(context) => {
                Self::Tls(Box::new(SslStream::new(Ssl::new(context)?, TcpStream::from(socket))?))
            }
        })
    }

    /// Go on with the handshake of TLS. true: it is complete; without TLS that is so at once.
    ///
    /// # Errors
    /// The server refuses.
    pub fn secure(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            Self::Tls(stream) => match stream.connect() {
                Ok(()) => Ok(true),
                Err(error) => paused(error).map(|_| false),
            },
        }
    }

    /// Receive what is there.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        match self {
            Self::Plain(socket) => match net::recv(&*socket, buffer, RecvFlags::empty()) {
                Ok((count, _)) => Ok(Progress::Bytes(count)),
                Err(Errno::AGAIN | Errno::INTR) => Ok(Progress::Wait),
                Err(error) => Err(error.into()),
            },
            Self::Tls(stream) => match stream.ssl_read(buffer) {
                Ok(count) => Ok(Progress::Bytes(count)),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => Ok(Progress::Bytes(0)),
                Err(error) => paused(error),
            },
        }
    }

    /// Send what the system takes.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<Progress> {
        match self {
            Self::Plain(socket) => match net::send(socket.as_fd(), bytes, SendFlags::NOSIGNAL) {
                Ok(count) => Ok(Progress::Bytes(count)),
                Err(Errno::AGAIN | Errno::INTR) => Ok(Progress::Wait),
                Err(error) => Err(error.into()),
            },
            Self::Tls(stream) => match stream.ssl_write(bytes) {
                Ok(count) => Ok(Progress::Bytes(count)),
                Err(error) => paused(error),
            },
        }
    }

    /// Tell whether a short read has emptied the socket. Under TLS a read takes one record.
    #[must_use]
    pub fn is_emptied_by(&self, count: usize, buffer: usize) -> bool {
        matches!(self, Self::Plain(_)) && count < buffer
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(socket) => socket.as_fd(),
            Self::Tls(stream) => stream.get_ref().as_fd(),
        }
    }
}

fn paused(error: openssl::ssl::Error) -> io::Result<Progress> {
    match error.code() {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Ok(Progress::Wait),
        _ => Err(error.into_io_error().unwrap_or_else(io::Error::other)),
    }
}
