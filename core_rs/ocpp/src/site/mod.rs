//! Distributes the power of a site over its charging sessions. Values in, values out; times come in as seconds.
//!
//! A site is a tree of nodes (main fuse, panels, feeders, charge points). Each node limits the current of each of three
//! phases, its power, and by how much one phase exceeds another: at most seven *rows*. A session draws the same current on
//! each of its phases, so it loads several rows of every node above it. Currents are integer tenths of an ampere, powers integer tenths of a
//! watt.

mod admission;
mod capacity;
mod check;
mod distribution;
mod filling;
mod level;
mod memory;
mod model;
mod phase;
mod problem;
mod steady;

pub use check::{CURRENT_MAXIMUM, DEPTH_MAXIMUM, Fault, POWER_MAXIMUM, VOLTAGE_MAXIMUM, WEIGHT_MAXIMUM};
pub use distribution::{Distribution, Loading, Overload, Place, Quantity, Reason, Share};
pub use memory::Memory;
pub use model::{Activity, Node, Reserve, Rules, Session, Site};
pub use phase::{Phase, PhaseRotation, PhaseSet};

use problem::{Problem, State};

/// Distribute the power of a site over its sessions: each gets 0, or a multiple of its step between its minimum and its
/// maximum.
///
/// 1. `capacity`: the limit of a row less margin, uncontrolled load and what unreachable charge points may draw.
/// 2. `admission`: class by class, in the order of turns, which sessions get their minimum.
/// 3. `filling`: class by class, one step at a time to the session with the lowest current for its weight, until each is
///    at its maximum or under a full row. It is computed by jumping from one full row to the next.
/// 4. `steady`: limits that are in force now stay, as far as they fit and are close to the new ones.
///
/// Steps are given whole, so the result needs no rounding: no row is over its capacity, and no session can get another
/// step, unless its limit is held. A session that cannot charge with less than its maximum gets 0.
///
/// The order of nodes, reserves and sessions does not matter: ids decide between equals.
///
/// # Errors
/// Every fault of the input, in the order of places.
pub fn distribute(site: &Site, sessions: &[Session], rules: &Rules) -> Result<Distribution, Vec<Fault>> {
    let wiring = check::check(site, sessions, rules)?;
    let capacities = capacity::capacities(site, &wiring);
    let problem = Problem::new(site, sessions, &wiring, &capacities);
    let mut state = State::new(&problem, sessions);
    if rules.strict_priority {
        for class in &problem.classes {
            admission::admit(&problem, &mut state, class, sessions, rules);
            filling::fill(&problem, &mut state, class);
        }
    } else {
        for class in &problem.classes {
            admission::admit(&problem, &mut state, class, sessions, rules);
        }
        for class in &problem.classes {
            filling::fill(&problem, &mut state, class);
        }
    }
    steady::keep_steady(&problem, &mut state, sessions, rules);
    let memories = memory::memories(&problem, &state, sessions, rules);
    Ok(distribution::distribution(&problem, &state, &wiring, memories, capacities))
}
