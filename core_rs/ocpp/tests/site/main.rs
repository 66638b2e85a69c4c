//! The distribution of a site's power.

mod building;
mod distribution;
mod faults;
mod invariants;
mod turns;
