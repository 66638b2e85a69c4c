//! The RPC link.

mod calls;
mod damaged_answers;
#[path = "../support/ocpp16.rs"]
mod ocpp16;
mod properties;
mod vectors;
