//! The connection of one charge point: its states, and what each event does to it.
//!
//! # Theory of operation
//! A connection begins with a transport of the event loop, which did the handshake. The transport sends what
//! it still has, then `open` is called. From then on this module reads and sends.
//!
//! | state | what it means |
//! |---|---|
//! | `Held` | the transport still has the connection; what is written waits |
//! | `HeldClosing` | the same, and `close` was called |
//! | `Open` | the socket is watched, read and written |
//! | `Closing` | the socket is watched and written, not read; the connection ends when all is sent |
//! | `Lost` | the socket is closed, and the protocol does not know it yet |
//! | `Gone` | the protocol knows it |
//!
//! Most events only make the connection pending. A turn of the event loop settles the pending connections: it
//! reads once, sends, and then reports a loss. So `Host::lost` never interrupts code that works with the connection.
//!
//! | state | event | next state | what is done |
//! |---|---|---|---|
//! | `Held` | `open` | `Open` | watch the socket |
//! | `Held` | `close` | `HeldClosing` | |
//! | `HeldClosing` | `open` | `Closing` | watch the socket |
//! | `Held`, `HeldClosing` | `open`, but the system cannot watch the socket | `Lost` | close the socket; `Host::lost` will get the error |
//! | `Held`, `HeldClosing` | `abort` | `Lost` | close the socket, drop what is unsent, `Host::abort` |
//! | `Held`, `HeldClosing` | `write` | unchanged | keep the bytes |
//! | `Open` | bytes arrive | `Open` | `Host::deliver` |
//! | `Open` | the peer sends nothing more | `Closing` | |
//! | `Open` | `close` | `Closing` | |
//! | `Closing` | bytes arrive | `Closing` | leave them unread |
//! | `Closing` | all is sent | `Lost` | close the socket |
//! | `Open`, `Closing` | `write` | unchanged | send at the end of the turn, or when there is room |
//! | `Open`, `Closing` | `abort` | `Lost` | close the socket, drop what is unsent |
//! | `Open`, `Closing` | reading or sending fails | `Lost` | the same; `Host::lost` will get the error |
//! | these four | a call of `Host` fails or panics | `Lost` | as for `abort`; `Host::failed` gets the error |
//! | these four | a call of `Host` fails, and the error ends the program | unchanged | return the error |
//! | `Lost` | the end of a turn | `Gone` | `Host::lost`; if that fails, `Host::failed` gets the error |
//! | `Lost`, `Gone` | anything else | unchanged | nothing |
//!
//! Under TLS bytes arrive when they are decrypted, and `lost` closes the session first. While the handshake is not
//! complete, what is written waits, and `close` drops it.
//!
//! Two switches do not depend on the state:
//!
//! | switch | goes on | goes off |
//! |---|---|---|
//! | paused | `pause_reading`: bytes and the end of the peer wait in the system | `resume_reading`: the next turn reads |
//! | stalled | a turn leaves more than `HIGH_BYTES` unsent: `Host::pause_writing` | a turn leaves at most `LOW_BYTES`: `Host::resume_writing` |

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::connections::{self, Connections};
use crate::state::{Connection, Next};
use crate::{Host, Read, Readiness, Socket};

/// Begin to read and to send, because the transport does not have the connection any longer.
///
/// # Errors
/// The event loop takes no calls.
pub fn open<H: Host>(host: &H, handle: &H::Handle) -> Result<(), H::Error> {
    let watch = |socket: &Socket, place| host.connections(|all| all.watch(socket, place));
    match host.connection(handle, |connection| connection.open(watch)) {
        None => Ok(()),
        Some(Ok(())) => settle_later(host, handle),
        Some(Err(error)) => lose(host, handle, Some(error.into())),
    }
}

/// Write at the end of this turn, or as soon as the peer makes room. `append` adds bytes to those that wait.
///
/// # Errors
/// The event loop takes no calls.
pub fn write<H: Host>(
    host: &H,
    handle: &H::Handle,
    append: impl FnOnce(&mut Vec<u8>),
) -> Result<(), H::Error> {
    let is_written = host.connection(handle, |connection| {
        let unsent = connection.unsent(|| host.connections(Connections::take_spare));
        unsent.map(append).is_some()
    });
    if is_written { settle_later(host, handle) } else { Ok(()) }
}

/// Write like `write`, except to a stalled connection. Return whether the connection was not stalled.
///
/// # Errors
/// The event loop takes no calls.
pub fn write_unless_stalled<H: Host>(
    host: &H,
    handle: &H::Handle,
    append: impl FnOnce(&mut Vec<u8>),
) -> Result<bool, H::Error> {
    if host.connection(handle, |connection| connection.is_stalled) {
        return Ok(false);
    }
    write(host, handle, append).map(|()| true)
}

/// Send what was written, then end. Nothing more is read.
///
/// # Errors
/// The event loop takes no calls.
pub fn close<H: Host>(host: &H, handle: &H::Handle) -> Result<(), H::Error> {
    host.connection(handle, Connection::close);
    settle_later(host, handle)
}

/// End at once. What is unsent is dropped.
///
/// # Errors
/// The event loop takes no calls, or the transport failed.
pub fn abort<H: Host>(host: &H, handle: &H::Handle) -> Result<(), H::Error> {
    lose(host, handle, None)
}

/// Read again after `pause_reading`.
///
/// # Errors
/// The event loop takes no calls.
pub fn resume_reading<H: Host>(host: &H, handle: &H::Handle) -> Result<(), H::Error> {
    host.connection(handle, |connection| connection.is_paused = false);
    // The system reports once what arrives. It may have done so during the pause.
    settle_later(host, handle)
}

/// Read and send what the system says is possible.
pub(crate) fn serve<H: Host>(
    host: &H,
    handle: &H::Handle,
    readiness: Readiness,
    buffer: &mut [u8],
) -> Result<(), H::Error> {
    if host.connection(handle, |connection| connection.note(readiness)) {
        settle_later(host, handle)?;
    }
    contain(host, handle, || read(host, handle, buffer))
}

/// Carry out what is pending: read, send, report a loss.
pub(crate) fn settle<H: Host>(host: &H, handle: &H::Handle, buffer: &mut [u8]) -> Result<(), H::Error> {
    host.connection(handle, |connection| connection.is_pending = false);
    contain(host, handle, || {
        read(host, handle, buffer)?;
        send(host, handle)?;
        match host.connection(handle, Connection::take_loss) {
            Some(loss) => host.lost(handle, loss.error),
            None => Ok(()),
        }
    })
}

fn settle_later<H: Host>(host: &H, handle: &H::Handle) -> Result<(), H::Error> {
    if host.connection(handle, Connection::becomes_pending) {
        connections::add_pending(host, host.copy(handle))
    } else {
        Ok(())
    }
}

fn read<H: Host>(host: &H, handle: &H::Handle, buffer: &mut [u8]) -> Result<(), H::Error> {
    match host.connection(handle, |connection| connection.read(buffer)) {
        Err(error) => return lose(host, handle, Some(error.into())),
        // Encrypted bytes may be less than a record.
        Ok(Read::Nothing) => {}
        Ok(Read::End) => return close(host, handle),
        Ok(Read::Bytes(count)) => host.deliver(handle, &buffer[..count])?,
    }
    // One connection that sends without end must not keep the others waiting.
    if host.connection(handle, |connection| connection.reads_on()) {
        settle_later(host, handle)
    } else {
        Ok(())
    }
}

fn send<H: Host>(host: &H, handle: &H::Handle) -> Result<(), H::Error> {
    let sent = match host.connection(handle, Connection::send) {
        Ok(sent) => sent,
        Err(error) => return lose(host, handle, Some(error.into())),
    };
    if let Some(spare) = sent.spare {
        host.connections(|all| all.keep_spare(spare));
    }
    match sent.next {
        None => Ok(()),
        Some(Next::Pause) => host.pause_writing(handle),
        Some(Next::Resume) => host.resume_writing(handle),
        Some(Next::End) => lose(host, handle, None),
    }
}

/// Close the connection now, and report the loss at the end of the turn.
fn lose<H: Host>(host: &H, handle: &H::Handle, error: Option<H::Error>) -> Result<(), H::Error> {
    let Some(remains) = host.connection(handle, |connection| connection.lose(error)) else { return Ok(()) };
    host.connections(|all| {
        if remains.transport.is_none() {
            all.unwatch(&remains.socket);
        }
        all.forget(remains.place);
    });
    drop(remains.socket);
    settle_later(host, handle)?;
    // The transport has the same connection, and may wait without end for the peer to read.
    remains.transport.map_or(Ok(()), |transport| host.abort(transport))
}

/// Let an error or a panic of one connection cost that connection, and no other.
fn contain<H: Host>(
    host: &H,
    handle: &H::Handle,
    work: impl FnOnce() -> Result<(), H::Error>,
) -> Result<(), H::Error> {
    match catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(host.panicked())) {
        Err(error) if !host.ends_program(&error) => {
            lose(host, handle, None)?;
            host.failed(error)
        }
        done => done,
    }
}
