//! The RPC link.

mod calls;
#[path = "../support/ocpp16.rs"]
mod ocpp16;
mod properties;
mod vectors;
