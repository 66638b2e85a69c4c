//! OCPP without I/O: values and `now` go in, values come out. No sockets, clocks, threads or Python are here.
//!
//! Rooms, each of which uses only those before it: `protocol` (the definition, and payloads judged by it), `frame`
//! (reading and writing frames), `link` (CALLs and their answers), `websocket`, `conversation` (one connection: all of
//! these together, with logs and queues). `schedule` and `site` compute limits for charging.
#![forbid(unsafe_code)]
// Used where it was measured: for strings it saves 14 % of the instructions of a frame.
#![allow(clippy::inline_always)]

pub mod conversation;
pub mod frame;
pub mod link;
pub mod protocol;
pub mod schedule;
pub mod site;
pub mod websocket;
