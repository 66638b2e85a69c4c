//! A second account of a site, written apart from the solver: who loads what, and what is left. It works with
//! names and plain sums, one place after the other, and knows nothing of rows, levels and turns.

use ocpp_core::site::{Distribution, Phase, PhaseRotation, PhaseSet, Session, Site};

use super::random::Scene;

/// What a place limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// The current of a phase.
    Current(Phase),
    /// The power of all phases.
    Power,
    /// By how much a phase may exceed the others.
    Unbalance(Phase),
}

impl What {
    /// The place of its quantity in the loadings of a node.
    pub fn quantity(self) -> usize {
        match self {
            Self::Current(phase) => phase.index(),
            Self::Power => 3,
            Self::Unbalance(phase) => 4 + phase.index(),
        }
    }
}

/// One place that limits something.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    pub node: String,
    pub what: What,
    /// What sessions may have together.
    pub capacity: i64,
}

/// Every limit of a site, with what other loads leave of it.
pub fn limits(site: &Site) -> Vec<Limit> {
    let mut found = Vec::new();
    for node in &site.nodes {
        let below: Vec<_> =
            site.nodes.iter().filter(|other| is_at_or_below(site, &other.id, &node.id)).collect();
        let offline: Vec<_> =
            site.reserves.iter().filter(|each| is_at_or_below(site, &each.node, &node.id)).collect();
        for phase in Phase::ALL {
            if let Some(limit) = node.limit_a {
                let loads: i64 = below.iter().map(|other| other.uncontrolled_a[phase.index()]).sum();
                let reserved: i64 = offline
                    .iter()
                    .filter(|each| loads_phase(each.phases, each.phase_rotation, phase))
                    .map(|each| each.current_a)
                    .sum();
                let capacity = limit[phase.index()] - node.margin_a - loads - reserved;
                found.push(Limit { node: node.id.clone(), what: What::Current(phase), capacity });
            }
        }
        if let Some(limit) = node.limit_w {
            let loads: i64 = below.iter().flat_map(|other| other.uncontrolled_a).sum();
            let reserved: i64 = offline.iter().map(|each| each.current_a * each.phases.count()).sum();
            let capacity = limit - node.margin_w - (loads + reserved) * site.nominal_voltage;
            found.push(Limit { node: node.id.clone(), what: What::Power, capacity });
        }
        if let Some(limit) = node.unbalance_a {
            let load =
                |phase: Phase| below.iter().map(|other| other.uncontrolled_a[phase.index()]).sum::<i64>();
            let least = Phase::ALL.map(load).into_iter().min().expect("there are three");
            for phase in Phase::ALL {
                let reserved: i64 = offline
                    .iter()
                    .filter(|each| each.phases != PhaseSet::ALL)
                    .filter(|each| loads_phase(each.phases, each.phase_rotation, phase))
                    .map(|each| each.current_a)
                    .sum();
                let capacity = limit - (load(phase) - least) - reserved;
                found.push(Limit { node: node.id.clone(), what: What::Unbalance(phase), capacity });
            }
        }
    }
    found
}

/// What a limit carries for so many tenths of an ampere of a session.
pub fn load(site: &Site, session: &Session, limit: &Limit, tenths: i64) -> i64 {
    if !is_at_or_below(site, &session.node, &limit.node) {
        return 0;
    }
    match limit.what {
        What::Power => tenths * session.phases.count() * site.nominal_voltage,
        What::Unbalance(_) if session.phases == PhaseSet::ALL => 0,
        What::Current(phase) | What::Unbalance(phase) => {
            tenths * i64::from(loads_phase(session.phases, session.phase_rotation, phase))
        }
    }
}

/// What is left of a limit when each session has that much.
pub fn room(scene: &Scene, limit: &Limit, currents: &[i64]) -> i64 {
    let used: i64 = (scene.sessions.iter().zip(currents))
        .map(|(session, current)| load(&scene.site, session, limit, *current))
        .sum();
    limit.capacity - used
}

/// The smallest multiple of the step that the session can charge with.
pub fn lowest(session: &Session) -> i64 {
    let mut current = 0;
    while current < session.minimum_a {
        current += session.step_a;
    }
    current
}

/// The largest one.
pub fn highest(session: &Session) -> i64 {
    session.maximum_a - session.maximum_a % session.step_a
}

fn is_at_or_below(site: &Site, node: &str, above: &str) -> bool {
    let mut here = Some(node.to_owned());
    while let Some(id) = here {
        if id == above {
            return true;
        }
        here = site.nodes.iter().find(|node| node.id == id).and_then(|node| node.parent.clone());
    }
    false
}

fn loads_phase(terminals: PhaseSet, rotation: PhaseRotation, phase: Phase) -> bool {
    // Which terminal is wired to L1, L2 and L3: the inverse of the letters.
    let terminal = match rotation {
        PhaseRotation::Rst => [0, 1, 2],
        PhaseRotation::Rts => [0, 2, 1],
        PhaseRotation::Srt => [1, 0, 2],
        PhaseRotation::Str => [2, 0, 1],
        PhaseRotation::Trs => [1, 2, 0],
        PhaseRotation::Tsr => [2, 1, 0],
        PhaseRotation::NotApplicable | PhaseRotation::Unknown => return true,
    }[phase.index()];
    terminals.contains(Phase::ALL[terminal])
}

/// The scene with each session on the phases that it was given.
pub fn as_given(scene: &Scene, found: &Distribution) -> Scene {
    let mut given = scene.clone();
    for (session, share) in given.sessions.iter_mut().zip(&found.shares) {
        session.phases = share.phases;
    }
    given
}
