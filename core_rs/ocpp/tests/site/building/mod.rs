//! Short ways to say what a site and its sessions are.
#![allow(dead_code)] // Each test file uses some of it.

pub mod naive;
pub mod random;
pub mod verification;

use ocpp_core::site::{Activity, Node, Phase, PhaseRotation, PhaseSet, Session, Site};

/// A node that limits each phase alike. amperes: tenths.
pub fn node(id: &str, parent: Option<&str>, amperes: i64) -> Node {
    Node {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        limit_a: Some([amperes; 3]),
        limit_w: None,
        margin_a: 0,
        margin_w: 0,
        uncontrolled_a: [0; 3],
        unbalance_a: None,
    }
}

/// A site of these nodes at 230 V.
pub fn site(nodes: Vec<Node>) -> Site {
    Site { nominal_voltage: 230, nodes, reserves: Vec::new() }
}

/// One node, `site`, with that limit in tenths of an ampere.
pub fn flat(amperes: i64) -> Site {
    site(vec![node("site", None, amperes)])
}

/// A three-phase session at the node `site`, 6 to 32 A.
pub fn session(id: &str) -> Session {
    Session {
        id: id.to_owned(),
        node: "site".to_owned(),
        phases: PhaseSet::ALL,
        phase_rotation: PhaseRotation::Rst,
        minimum_a: 60,
        maximum_a: 320,
        step_a: 1,
        priority: 0,
        weight: 10,
        activity: Activity::New,
        connected_for_s: 0,
        served_s: 0,
        present_a: None,
        can_switch_phases: false,
        single_phase_for_s: None,
    }
}

/// The same on one phase only.
pub fn on(phase: Phase, id: &str) -> Session {
    Session { phases: [phase].into_iter().collect(), ..session(id) }
}

/// The phases of a set, given one by one.
pub fn phases(some: &[Phase]) -> PhaseSet {
    some.iter().copied().collect()
}
