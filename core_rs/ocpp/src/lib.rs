//! OCPP 1.6J without I/O: values and `now` go in, values come out.
//!
//! No sockets, clocks, threads or Python live here. The Python extension (`core_rs/python`) and the
//! tests are the only users.
//!
//! A frame's way through: `frame::read` (with `json`) -> `link` -> `validate` (with `scalar`) -> an `Effect`.
//! One that nobody can object to takes a shorter one: `direct` reads and judges it in one pass.
//! What a valid payload is comes from `definition`, made ready for walking by `schema`.
#![forbid(unsafe_code)]
// Used where it was measured: on the way of every string it saves 14 % of a frame's instructions.
#![allow(clippy::inline_always)]

pub mod conversation;
pub mod frame;
pub mod link;
pub mod protocol;
pub mod schedule;
pub mod site;
pub mod websocket;
