//! WebSocket framing without I/O (RFC 6455 5 to 8): bytes go in, events come out, and bytes to write.
//!
//! No handshake (the server shell shakes hands), no extensions (none is negotiated), no clock.
//!
//! # How it works
//!
//! [`Deframer::next`] takes bytes off the front of a slice until one event is complete. Nearly always a read
//! holds a whole, final frame and nothing waits from before: then its payload is copied once, into the
//! caller's scratch buffer, and unmasked there. Everything else - a frame in pieces, a message in fragments -
//! goes through `unfinished`, which lives on the heap only as long as something is unfinished. So one
//! scratch buffer serves all connections of a thread, and an idle connection holds [`Deframer`] alone.
//!
//! Whoever wants no more events for now (backpressure) stops calling: the slice says what is left of the
//! read, to be kept and given again.
//!
//! A frame is judged as soon as the bytes that decide are there: flags and opcode from the first one, a
//! length that is too large before any payload, text at the first byte that cannot be UTF-8.

mod deframer;
mod event;
mod fault;
mod head;
mod inflate;
mod mask;
mod unfinished;
mod write;

pub use deframer::{Deframer, Limits};
pub use event::{CLOSE_REASON_LIMIT_BYTES, CloseCode, Event};
pub use fault::Fault;
pub use head::{CONTROL_LIMIT_BYTES, Side};
pub use mask::Key;
pub use write::{binary_frame_into, close_frame_into, ping_frame_into, pong_frame_into, text_frame_into};
