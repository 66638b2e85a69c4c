//! What each node can give to sessions: its limits less margins, uncontrolled load and reserves below it.

use super::check::Wiring;
use super::distribution::{Loading, Quantity};
use super::model::Site;
use super::phase::{PhaseRotation, PhaseSet};

/// For each node: limits, margins and what other loads draw.
pub(super) fn capacities(site: &Site, wiring: &Wiring) -> Vec<[Loading; Quantity::COUNT]> {
    let mut found: Vec<[Loading; Quantity::COUNT]> = site
        .nodes
        .iter()
        .map(|node| {
            let current = |phase: usize| Loading {
                limit: node.limit_a.map(|limit| limit[phase]),
                margin: node.margin_a,
                ..Loading::default()
            };
            let power = Loading { limit: node.limit_w, margin: node.margin_w, ..Loading::default() };
            let unbalance = Loading { limit: node.unbalance_a, ..Loading::default() };
            [current(0), current(1), current(2), power, unbalance, unbalance, unbalance]
        })
        .collect();
    for (index, node) in site.nodes.iter().enumerate() {
        let [l1, l2, l3] = node.uncontrolled_a;
        let drawn = [l1, l2, l3, (l1 + l2 + l3) * site.nominal_voltage];
        for above in wiring.path(index) {
            for (loading, amount) in found[above].iter_mut().zip(drawn) {
                loading.uncontrolled += amount;
            }
        }
    }
    for (reserve, node) in site.reserves.iter().zip(&wiring.reserves) {
        let draw = draw(site, reserve.phase_rotation, reserve.phases);
        for above in wiring.path(*node) {
            for (loading, coefficient) in found[above].iter_mut().zip(draw) {
                loading.reserved += coefficient * reserve.current_a;
            }
        }
    }
    for loadings in &mut found {
        unbalance(loadings);
    }
    found
}

/// Set by how much the uncontrolled current of each phase is above that of the least loaded one.
fn unbalance(loadings: &mut [Loading; Quantity::COUNT]) {
    let currents = [0, 1, 2].map(|phase| loadings[phase].uncontrolled);
    let least = currents.into_iter().min().unwrap_or(0);
    for (loading, current) in loadings[Quantity::UnbalanceL1 as usize..].iter_mut().zip(currents) {
        loading.uncontrolled = current - least;
    }
}

/// What a tenth of an ampere at the terminals adds to each quantity of a node above. If the wiring is not known, the
/// current may be on any phase. The power is the same on each, so it counts the terminals. A current on all three phases
/// unbalances nothing. Another one does, whatever flows on other phases, because that may stop at any time.
pub(super) fn draw(site: &Site, rotation: PhaseRotation, terminals: PhaseSet) -> [i64; Quantity::COUNT] {
    let mut draw = [0; Quantity::COUNT];
    draw[Quantity::Power as usize] = terminals.count() * site.nominal_voltage;
    for phase in rotation.grid_phases(terminals).iter() {
        draw[phase.index()] = 1;
        draw[Quantity::UnbalanceL1 as usize + phase.index()] = i64::from(terminals != PhaseSet::ALL);
    }
    draw
}
