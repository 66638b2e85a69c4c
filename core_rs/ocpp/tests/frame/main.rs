//! Reading frames.

mod agreement;
mod direct;
#[path = "../support/ocpp16.rs"]
mod ocpp16;
mod payloads;
mod secrets;
