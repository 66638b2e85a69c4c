//! Connections over real sockets, in a program without Python.
#![allow(missing_docs, clippy::unwrap_used)]

mod certificates;
mod program;
mod states;
mod strangers;
mod switches;
mod tls;
mod turns;
