//! Connections over real sockets, in a program without Python.
#![allow(missing_docs, clippy::unwrap_used)]

mod program;
mod states;
mod switches;
mod turns;
