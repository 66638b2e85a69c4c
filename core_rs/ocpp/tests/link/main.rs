//! The RPC link.

mod calls;
mod properties;
mod vectors;
