//! The definition and what derives from it.

mod citations;
mod definition;
mod later_versions;
#[path = "../support/ocpp16.rs"]
mod ocpp16;
mod second_version;
