//! Checks that the input is a site. Each fault names its place by a JSON pointer, as if the input were JSON with the
//! names of the model.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::RangeInclusive;

use super::model::{Node, Rules, Session, Site};
use super::phase::PhaseSet;

/// Largest current, in tenths of an ampere.
pub const CURRENT_MAXIMUM: i64 = 1_000_000;
/// Largest power, in tenths of a watt.
pub const POWER_MAXIMUM: i64 = 10_000_000_000;
/// Largest weight.
pub const WEIGHT_MAXIMUM: i64 = 10_000;
/// Highest voltage, in volts.
pub const VOLTAGE_MAXIMUM: i64 = 1_000;
/// Most nodes from a session to the top, both ends counted.
pub const DEPTH_MAXIMUM: usize = 16;
/// Most different steps of the sessions of a site. A limit without room for one step may have room for a smaller one, so
/// each step may cost another pass over all sessions below.
pub const STEPS_MAXIMUM: usize = 32;

/// One fault of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A JSON pointer such as `/nodes/3/parent`.
    pub pointer: String,
    /// Name of the broken rule.
    pub code: &'static str,
    /// What is wrong, for people.
    pub detail: String,
}

/// The nodes of sessions and reserves, and the parents of nodes, as indices.
pub(super) struct Wiring {
    pub parents: Vec<Option<usize>>,
    pub reserves: Vec<usize>,
    pub sessions: Vec<usize>,
}

impl Wiring {
    /// A node and all nodes above it, the top last.
    pub fn path(&self, node: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(node), |below| self.parents[*below])
    }
}

/// Check the input, and resolve the names in it.
pub(super) fn check(site: &Site, sessions: &[Session], rules: &Rules) -> Result<Wiring, Vec<Fault>> {
    let mut faults = Faults(Vec::new());
    faults.range("/nominal_voltage", site.nominal_voltage, 1..=VOLTAGE_MAXIMUM);
    let places = names("nodes", site.nodes.iter().map(|node| node.id.as_str()), &mut faults);
    names("reserves", site.reserves.iter().map(|reserve| reserve.id.as_str()), &mut faults);
    names("sessions", sessions.iter().map(|session| session.id.as_str()), &mut faults);
    for (index, node) in site.nodes.iter().enumerate() {
        check_node(index, node, &mut faults);
    }
    let parents = check_tree(site, &places, &mut faults);
    let reserves = wire("reserves", site.reserves.iter().map(|each| &each.node), &places, &mut faults);
    let wired = wire("sessions", sessions.iter().map(|each| &each.node), &places, &mut faults);
    for (index, reserve) in site.reserves.iter().enumerate() {
        let pointer = |member| format!("/reserves/{index}/{member}");
        faults.range(&pointer("current_a"), reserve.current_a, 0..=CURRENT_MAXIMUM);
        faults.phases(&pointer("phases"), reserve.phases);
    }
    for (index, session) in sessions.iter().enumerate() {
        check_session(index, session, &mut faults);
    }
    check_steps(sessions, &mut faults);
    check_rules(rules, &mut faults);
    if faults.0.is_empty() { Ok(Wiring { parents, reserves, sessions: wired }) } else { Err(faults.0) }
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, pointer: String, code: &'static str, detail: &str) {
        self.0.push(Fault { pointer, code, detail: detail.to_owned() });
    }

    fn range(&mut self, pointer: &str, value: i64, allowed: RangeInclusive<i64>) {
        if value < *allowed.start() {
            self.add(pointer.to_owned(), "too_small", "It is below the allowed minimum.");
        } else if value > *allowed.end() {
            self.add(pointer.to_owned(), "too_large", "It is above the allowed maximum.");
        }
    }

    fn phases(&mut self, pointer: &str, phases: PhaseSet) {
        if phases.count() == 0 {
            self.add(pointer.to_owned(), "missing", "At least one phase is needed.");
        }
    }
}

/// Index by id.
fn names<'a>(kind: &str, ids: impl Iterator<Item = &'a str>, faults: &mut Faults) -> HashMap<&'a str, usize> {
    let mut found = HashMap::new();
    for (index, id) in ids.enumerate() {
        match found.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(index);
            }
            Entry::Occupied(entry) => {
                let detail = format!("Duplicate id: /{kind}/{} has it too.", entry.get());
                faults.add(format!("/{kind}/{index}/id"), "duplicate_id", &detail);
            }
        }
    }
    found
}

/// Index of the node that feeds each one; 0 after a fault.
fn wire<'a>(
    kind: &str,
    nodes: impl Iterator<Item = &'a String>,
    places: &HashMap<&str, usize>,
    faults: &mut Faults,
) -> Vec<usize> {
    let mut found = Vec::new();
    for (index, node) in nodes.enumerate() {
        let place = places.get(node.as_str());
        if place.is_none() {
            faults.add(format!("/{kind}/{index}/node"), "unknown_node", "No node has this id.");
        }
        found.push(place.copied().unwrap_or_default());
    }
    found
}

fn check_node(index: usize, node: &Node, faults: &mut Faults) {
    let pointer = |member: &str| format!("/nodes/{index}/{member}");
    for (phase, name) in ["L1", "L2", "L3"].into_iter().enumerate() {
        if let Some(limit) = node.limit_a {
            faults.range(&pointer(&format!("limit_a/{name}")), limit[phase], 0..=CURRENT_MAXIMUM);
        }
        let uncontrolled = node.uncontrolled_a[phase];
        faults.range(
            &pointer(&format!("uncontrolled_a/{name}")),
            uncontrolled,
            -CURRENT_MAXIMUM..=CURRENT_MAXIMUM,
        );
    }
    if let Some(limit) = node.limit_w {
        faults.range(&pointer("limit_w"), limit, 0..=POWER_MAXIMUM);
    }
    if let Some(unbalance) = node.unbalance_a {
        faults.range(&pointer("unbalance_a"), unbalance, 0..=CURRENT_MAXIMUM);
    }
    faults.range(&pointer("margin_a"), node.margin_a, 0..=CURRENT_MAXIMUM);
    faults.range(&pointer("margin_w"), node.margin_w, 0..=POWER_MAXIMUM);
}

fn check_session(index: usize, session: &Session, faults: &mut Faults) {
    let pointer = |member: &str| format!("/sessions/{index}/{member}");
    faults.phases(&pointer("phases"), session.phases);
    faults.range(&pointer("minimum_a"), session.minimum_a, 0..=CURRENT_MAXIMUM);
    faults.range(&pointer("maximum_a"), session.maximum_a, 0..=CURRENT_MAXIMUM);
    faults.range(&pointer("step_a"), session.step_a, 1..=CURRENT_MAXIMUM);
    faults.range(&pointer("weight"), session.weight, 1..=WEIGHT_MAXIMUM);
    if let Some(present) = session.present_a {
        faults.range(&pointer("present_a"), present, 0..=CURRENT_MAXIMUM);
    }
}

fn check_rules(rules: &Rules, faults: &mut Faults) {
    if rules.minimum_on_s > rules.quantum_s {
        let detail = "The minimum charging time must not be longer than a turn.";
        faults.add("/rotation/minimum_on_s".to_owned(), "above_quantum", detail);
    }
    faults.range("/steadiness/dead_band_a", rules.dead_band_a, 0..=CURRENT_MAXIMUM);
    faults.range("/steadiness/dead_band_percent", rules.dead_band_percent, 0..=100);
    if let Some(rise) = rules.rise_a {
        faults.range("/steadiness/rise_a", rise, 1..=CURRENT_MAXIMUM);
    }
}

/// Report the first session whose step exceeds the number of different steps.
fn check_steps(sessions: &[Session], faults: &mut Faults) {
    let mut known = Vec::with_capacity(STEPS_MAXIMUM);
    for (index, session) in sessions.iter().enumerate() {
        if known.contains(&session.step_a) {
            continue;
        }
        if known.len() == STEPS_MAXIMUM {
            let detail = format!("The sessions of a site have at most {STEPS_MAXIMUM} different steps.");
            return faults.add(format!("/sessions/{index}/step_a"), "too_many_steps", &detail);
        }
        known.push(session.step_a);
    }
}

/// Find the parent of each node. Only the top has none, and the top has a limit.
fn check_tree(site: &Site, places: &HashMap<&str, usize>, faults: &mut Faults) -> Vec<Option<usize>> {
    if site.nodes.is_empty() {
        faults.add("/nodes".to_owned(), "too_short", "A site needs at least one node.");
    }
    let mut top = None;
    let mut parents = vec![None; site.nodes.len()];
    for (index, node) in site.nodes.iter().enumerate() {
        let pointer = format!("/nodes/{index}/parent");
        match (&node.parent, top) {
            (None, None) => top = Some(index),
            (None, Some(first)) => {
                let detail = format!("Two nodes have no parent; the other is /nodes/{first}.");
                faults.add(pointer, "second_root", &detail);
            }
            (Some(parent), _) => {
                parents[index] = places.get(parent.as_str()).copied();
                if parents[index].is_none() {
                    faults.add(pointer, "unknown_node", "No node has this id.");
                }
            }
        }
    }
    check_ways_up(&parents, faults);
    if let Some(top) = top {
        let node = &site.nodes[top];
        if node.limit_a.is_none() && node.limit_w.is_none() {
            let detail = "The node at the top needs a limit, limit_a or limit_w.";
            faults.add(format!("/nodes/{top}/limit_a"), "missing", detail);
        }
    }
    parents
}

/// Find cycles, reported at the first of their nodes in the list, and paths that are too long.
fn check_ways_up(parents: &[Option<usize>], faults: &mut Faults) {
    /// Nodes from this one to the top, both included; on a cycle, none.
    #[derive(Clone, Copy, PartialEq)]
    enum Way {
        Unseen,
        Entered,
        Known(Option<usize>),
    }
    let mut ways = vec![Way::Unseen; parents.len()];
    for start in 0..parents.len() {
        let mut walked = Vec::new();
        let mut next = Some(start);
        while let Some(index) = next.filter(|index| ways[*index] == Way::Unseen) {
            ways[index] = Way::Entered;
            walked.push(index);
            next = parents[index];
        }
        let mut depth = match next.map(|index| ways[index]) {
            None => Some(0),
            Some(Way::Known(depth)) => depth,
            Some(Way::Unseen | Way::Entered) => {
                let detail = "The parents form a cycle.";
                let cycle = walked.iter().skip_while(|index| Some(**index) != next);
                let first = cycle.min().copied().unwrap_or(start);
                faults.add(format!("/nodes/{first}/parent"), "cycle", detail);
                None
            }
        };
        for index in walked.into_iter().rev() {
            depth = depth.map(|depth| depth + 1);
            ways[index] = Way::Known(depth);
            if depth == Some(DEPTH_MAXIMUM + 1) {
                let detail = format!("The path to the top has more than {DEPTH_MAXIMUM} nodes.");
                faults.add(format!("/nodes/{index}/parent"), "too_deep", &detail);
            }
        }
    }
}
