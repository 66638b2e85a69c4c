//! WebSocket framing without I/O (RFC 6455 5 to 8): bytes go in, events come out, and bytes to write.
//!
//! It has no handshake (the server does it), no clock, and one extension: received messages may be compressed. Nearly
//! always a read holds one whole, final frame: its payload is copied once, into the caller's scratch buffer. Anything
//! else goes through `unfinished`, which exists only while something is unfinished.

mod deframer;
mod event;
mod fault;
mod head;
mod held;
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
