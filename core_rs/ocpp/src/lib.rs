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

mod budget;
pub mod conversation;
mod copy;
pub mod definition;
pub mod describe;
pub mod direct;
mod effect;
pub mod frame;
pub mod frame_log;
pub mod json;
pub mod json_schema;
pub mod judge;
pub mod link;
pub mod meter_queue;
pub mod meter_rows;
mod names;
mod raw;
pub mod redact;
pub mod rules;
mod scalar;
pub mod schedule;
pub mod schema;
pub mod site;
pub mod symbol;
pub mod tally;
mod text_hash;
pub mod validate;
pub mod value;
pub mod violation;
pub mod websocket;
