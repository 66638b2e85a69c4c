//! The definition and what derives from it.

mod definition;
#[path = "../support/ocpp16.rs"]
mod ocpp16;
mod second_version;
