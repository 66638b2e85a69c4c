//! The distribution of a site's power.

mod building;
mod distribution;
mod faults;
mod hours;
mod invariants;
#[allow(dead_code)] // The tests of schedules use the rest.
#[path = "../support/numbers.rs"]
mod numbers;
mod steadiness;
mod switching;
mod turns;
