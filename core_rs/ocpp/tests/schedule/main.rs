//! Composite schedules: worked vectors, edge cases by name, properties, and a second-by-second oracle.

mod edges;
#[path = "../support/numbers.rs"]
mod numbers;
#[path = "../support/ocpp16.rs"]
mod ocpp16;
mod oracle;
mod profiles;
mod properties;
mod random_sets;
mod reading;
mod vectors;
