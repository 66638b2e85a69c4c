//! The state of one connection, and the steps that need no `Host`. The table of all steps is in `connection`.

use std::io;
use std::mem;

use crate::{Read, Readiness, Socket};

/// If a turn leaves more than this unsent, the protocol is asked to pause.
pub const HIGH_BYTES: usize = 65_536;
/// If a turn leaves this or less unsent, a protocol that was asked to pause may write again.
pub const LOW_BYTES: usize = 16_384;

/// The state of one connection. `T`: a transport, `E`: an error of the program.
pub struct Connection<T, E> {
    state: State<T, E>,
    place: usize,
    pub(crate) is_paused: bool,
    pub(crate) is_stalled: bool,
    /// `Connections` has it in its list of pending ones.
    pub(crate) is_pending: bool,
}

enum State<T, E> {
    Held(Socket, T),
    HeldClosing(Socket, T),
    Open(Socket),
    Closing(Socket),
    Lost(Option<E>),
    Gone,
}

/// The parts of a lost connection that are still needed.
pub(crate) struct Remains<T> {
    pub(crate) socket: Socket,
    pub(crate) place: usize,
    /// The transport, if it still had the connection. Otherwise the socket was watched.
    pub(crate) transport: Option<T>,
}

/// A loss that the protocol must be told about.
pub(crate) struct Loss<E> {
    pub(crate) error: Option<E>,
}

/// The result of a send, and what follows from it.
#[derive(Default)]
pub(crate) struct Sent {
    /// An empty buffer, which a later write can use.
    pub(crate) spare: Option<Vec<u8>>,
    pub(crate) next: Option<Next>,
}

pub(crate) enum Next {
    Pause,
    Resume,
    End,
}

impl<T, E> Connection<T, E> {
    /// Make the connection of a socket whose `transport` still has it. `place`: its place in `Connections`.
    #[must_use]
    pub fn new(socket: Socket, place: usize, transport: T) -> Self {
        let state = State::Held(socket, transport);
        Self { state, place, is_paused: false, is_stalled: false, is_pending: false }
    }

    /// Leave bytes and the end of the peer unread until `resume_reading`.
    pub fn pause_reading(&mut self) {
        self.is_paused = true;
    }

    /// Count the bytes that the peer has not taken yet.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        self.socket().map_or(0, Socket::unsent_bytes)
    }

    /// Return the buffer to append to, unless the connection is lost.
    pub(crate) fn unsent(&mut self, spare: impl FnOnce() -> Vec<u8>) -> Option<&mut Vec<u8>> {
        match &mut self.state {
            State::Held(socket, _)
            | State::HeldClosing(socket, _)
            | State::Open(socket)
            | State::Closing(socket) => Some(socket.unsent(spare)),
            State::Lost(_) | State::Gone => None,
        }
    }

    /// Take the socket from its transport, unless that is done or the connection is lost. Return what `watch` returns.
    pub(crate) fn open(
        &mut self,
        watch: impl FnOnce(&Socket, usize) -> io::Result<()>,
    ) -> Option<io::Result<()>> {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Held(socket, _) => State::Open(socket),
            State::HeldClosing(socket, _) => State::Closing(socket),
            other => {
                self.state = other;
                return None;
            }
        };
        let place = self.place;
        self.watched().map(|socket| watch(socket, place))
    }

    pub(crate) fn close(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Held(socket, transport) => State::HeldClosing(socket, transport),
            State::Open(mut socket) => {
                socket.close();
                State::Closing(socket)
            }
            other => other,
        };
    }

    /// Tell whether nothing more is read.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        !matches!(self.state, State::Held(..) | State::Open(_))
    }

    /// Return the socket, unless the connection is lost.
    #[must_use]
    pub fn socket(&self) -> Option<&Socket> {
        match &self.state {
            State::Held(socket, _)
            | State::HeldClosing(socket, _)
            | State::Open(socket)
            | State::Closing(socket) => Some(socket),
            State::Lost(_) | State::Gone => None,
        }
    }

    /// Lose the connection, unless it is lost already.
    pub(crate) fn lose(&mut self, error: Option<E>) -> Option<Remains<T>> {
        let (socket, transport) = match mem::replace(&mut self.state, State::Lost(error)) {
            State::Held(socket, transport) | State::HeldClosing(socket, transport) => {
                (socket, Some(transport))
            }
            State::Open(socket) | State::Closing(socket) => (socket, None),
            other @ (State::Lost(_) | State::Gone) => {
                self.state = other;
                return None;
            }
        };
        Some(Remains { socket, place: self.place, transport })
    }

    /// Take the loss that the protocol does not know yet.
    pub(crate) fn take_loss(&mut self) -> Option<Loss<E>> {
        let State::Lost(error) = &mut self.state else { return None };
        let loss = Loss { error: error.take() };
        self.state = State::Gone;
        Some(loss)
    }

    /// Note that there is something to settle, and return whether that is new.
    pub(crate) fn becomes_pending(&mut self) -> bool {
        !matches!(self.state, State::Gone) && !mem::replace(&mut self.is_pending, true)
    }

    /// Note what the system says about the socket, and return whether more can be sent.
    pub(crate) fn note(&mut self, readiness: Readiness) -> bool {
        self.watched().is_some_and(|socket| {
            socket.note(readiness);
            socket.unsent_bytes() > 0 && (readiness.is_writable || readiness.is_ended)
        })
    }

    /// Read once, if the connection is open, not paused, and the socket may have something.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Read> {
        match &mut self.state {
            State::Open(socket) if !self.is_paused && socket.may_be_read() => socket.read(buffer),
            _ => Ok(Read::Nothing),
        }
    }

    /// Tell whether the next turn should read, although the system may not report anything.
    pub(crate) fn reads_on(&self) -> bool {
        matches!(&self.state, State::Open(socket) if !self.is_paused && socket.may_be_read())
    }

    /// Send what the peer takes.
    pub(crate) fn send(&mut self) -> io::Result<Sent> {
        if matches!(self.state, State::Lost(_) | State::Gone) {
            return Ok(Sent::default());
        }
        let spare = self.watched().map_or(Ok(None), Socket::flush)?;
        let unsent_bytes = self.unsent_bytes();
        let next = if unsent_bytes == 0 && matches!(self.state, State::Closing(_)) {
            if let Some(socket) = self.watched() {
                socket.finish();
            }
            Some(Next::End)
        } else if !self.is_stalled && unsent_bytes > HIGH_BYTES {
            self.is_stalled = true;
            Some(Next::Pause)
        } else if self.is_stalled && unsent_bytes <= LOW_BYTES {
            self.is_stalled = false;
            Some(Next::Resume)
        } else {
            None
        };
        Ok(Sent { spare, next })
    }

    fn watched(&mut self) -> Option<&mut Socket> {
        match &mut self.state {
            State::Open(socket) | State::Closing(socket) => Some(socket),
            _ => None,
        }
    }
}
