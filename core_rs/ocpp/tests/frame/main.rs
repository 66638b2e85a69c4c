//! Reading frames.

mod agreement;
mod direct;
mod fault_texts;
#[path = "../support/ocpp16.rs"]
mod ocpp16;
mod payloads;
mod secrets;
