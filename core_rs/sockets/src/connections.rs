//! All connections of one event loop, and what one turn of the loop does for them.
//!
//! The loop watches one descriptor and calls `serve` when it is readable. `serve` asks the system once which
//! sockets are ready, reads each of these once, and settles the pending connections (see `connection`).
//!
//! | a connection becomes pending | it is settled |
//! |---|---|
//! | while a turn serves ready sockets | at the end of that turn |
//! | while a turn settles | in the next turn, for which `Host::settle_soon` is called |
//! | between two turns | in the next turn; `Host::settle_soon` is called, unless it was called already |

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, RawFd};

use slab::Slab;

use crate::{Host, Poller, Readiness, Socket, connection};

/// The largest number of ready sockets that one turn serves.
const TURN: usize = 256;
/// The most bytes that one read takes. A frame of the largest size takes a few reads, with other sockets between.
const READ_BYTES: usize = 65_536;
/// The largest number of empty buffers that are kept, and the largest size of each.
const SPARE: usize = TURN;
const SPARE_BYTES: usize = 4_096;

/// The connections of one event loop. `C`: how the program refers to one of them.
pub struct Connections<C> {
    poller: Poller,
    /// All that are not lost, held ones included.
    present: Slab<C>,
    pending: Vec<C>,
    is_in_turn: bool,
    /// The loop will call `settle`. A second such call would read from busy sockets twice in a turn.
    is_settle_ordered: bool,
    ready: Vec<Readiness>,
    buffer: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl<C> Connections<C> {
    /// Make an empty set.
    ///
    /// # Errors
    /// The process has no free file descriptor.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new(TURN)?,
            present: Slab::new(),
            pending: Vec::new(),
            is_in_turn: false,
            is_settle_ordered: false,
            ready: Vec::with_capacity(TURN),
            buffer: vec![0; READ_BYTES],
            spare: Vec::new(),
        })
    }

    /// Return the place that `add` will use next.
    #[must_use]
    pub fn next_place(&self) -> usize {
        self.present.vacant_key()
    }

    /// Add a connection that was made for `next_place`.
    pub fn add(&mut self, connection: C) {
        self.present.insert(connection);
    }

    /// Count the connections that are held, open or closing.
    #[must_use]
    pub fn count(&self) -> usize {
        self.present.len()
    }

    pub(crate) fn watch(&self, socket: &Socket, place: usize) -> io::Result<()> {
        self.poller.add(socket, place)
    }

    pub(crate) fn unwatch(&self, socket: &Socket) {
        // Closing the socket may not be enough, because another descriptor may keep its connection open.
        // An error means that it was not watched.
        let _ = self.poller.remove(socket);
    }

    pub(crate) fn forget(&mut self, place: usize) {
        self.present.remove(place);
    }

    /// Take an empty buffer to write into.
    pub(crate) fn take_spare(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keep an empty buffer for a later write.
    pub(crate) fn keep_spare(&mut self, spare: Vec<u8>) {
        if self.spare.len() < SPARE && spare.capacity() <= SPARE_BYTES {
            self.spare.push(spare);
        }
    }

    /// Begin a turn, and return the sockets that are ready.
    fn look(&mut self) -> io::Result<Vec<Readiness>> {
        self.poller.look(&mut self.ready)?;
        self.is_in_turn = true;
        Ok(mem::take(&mut self.ready))
    }

    fn take_pending(&mut self) -> Vec<C> {
        self.is_in_turn = true;
        mem::take(&mut self.pending)
    }

    /// End a turn, and return whether the event loop must be asked for another one.
    fn end_turn(&mut self, emptied: Vec<C>) -> bool {
        self.is_in_turn = false;
        if self.pending.is_empty() {
            // Its memory is used again.
            self.pending = emptied;
            return false;
        }
        self.needs_order()
    }

    /// Note that `settle` must be called, and return whether the event loop must be asked for that.
    fn needs_order(&mut self) -> bool {
        !self.is_in_turn && !mem::replace(&mut self.is_settle_ordered, true)
    }
}

impl<C> AsRawFd for Connections<C> {
    /// Return the descriptor to watch. It is readable when `serve` has something to do.
    fn as_raw_fd(&self) -> RawFd {
        self.poller.as_raw_fd()
    }
}

/// Serve the ready sockets, then settle the pending connections. Never waits.
///
/// # Errors
/// The first error that is more than the loss of one connection. All other connections are served all the same.
pub fn serve<H: Host>(host: &H) -> Result<(), H::Error> {
    let mut ready = host.connections(Connections::look)?;
    let served = with_buffer(host, |buffer| {
        all(ready.drain(..).map(|readiness| {
            let found =
                host.connections(|all| all.present.get(readiness.place).map(|handle| host.copy(handle)));
            found.map_or(Ok(()), |handle| connection::serve(host, &handle, readiness, buffer))
        }))
    });
    host.connections(|all| all.ready = ready);
    served.and(settle_pending(host))
}

/// Settle the pending connections, because `Host::settle_soon` has asked for it.
///
/// # Errors
/// The first error that is more than the loss of one connection. All other connections are settled all the same.
pub fn settle<H: Host>(host: &H) -> Result<(), H::Error> {
    host.connections(|all| all.is_settle_ordered = false);
    settle_pending(host)
}

/// End every connection. What was written is sent first, as far as the peers take it at once.
///
/// # Errors
/// The first error that is more than the loss of one connection. All connections are ended all the same.
pub fn close<H: Host>(host: &H) -> Result<(), H::Error> {
    let sent = settle_pending(host);
    let present: Vec<_> =
        host.connections(|all| all.present.iter().map(|(_, handle)| host.copy(handle)).collect());
    let ended = all(present.iter().map(|handle| connection::abort(host, handle)));
    sent.and(ended).and(settle_pending(host))
}

/// Have a connection settled in this turn, or in the next one if this turn settles already.
pub(crate) fn add_pending<H: Host>(host: &H, handle: H::Handle) -> Result<(), H::Error> {
    let needs_order = host.connections(|all| {
        all.pending.push(handle);
        all.needs_order()
    });
    if needs_order { host.settle_soon() } else { Ok(()) }
}

fn settle_pending<H: Host>(host: &H) -> Result<(), H::Error> {
    let mut pending = host.connections(Connections::take_pending);
    let settled = with_buffer(host, |buffer| {
        all(pending.drain(..).map(|handle| connection::settle(host, &handle, buffer)))
    });
    let needs_order = host.connections(|all| all.end_turn(pending));
    if needs_order { settled.and(host.settle_soon()) } else { settled }
}

/// Lend the one read buffer.
fn with_buffer<H: Host, R>(host: &H, work: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = host.connections(|all| mem::take(&mut all.buffer));
    let result = work(&mut buffer);
    host.connections(|all| all.buffer = buffer);
    result
}

/// Evaluate every result, even after an error; return the first error.
fn all<E>(results: impl Iterator<Item = Result<(), E>>) -> Result<(), E> {
    let mut done = Ok(());
    for result in results {
        done = done.and(result);
    }
    done
}
