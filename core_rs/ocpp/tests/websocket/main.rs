//! WebSocket frames.

mod cases;
mod compression;
mod messages;
mod properties;
