//! The result: a limit with its reason for each session, and the loading of each node.

use super::check::Wiring;
use super::memory::Memory;
use super::phase::PhaseSet;
use super::problem::{Problem, State};
use crate::schedule::limit::LEAST_SIGNALLED;

/// The distribution of a site's power.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The share of each session, in the order of the sessions.
    pub shares: Vec<Share>,
    /// The loading of each node for `Quantity::ALL`, in the order of the nodes.
    pub loadings: Vec<[Loading; Quantity::COUNT]>,
    /// The limits that are exceeded whatever sessions get, in the order of the nodes.
    pub overloads: Vec<Overload>,
}

/// A limit that uncontrolled loads and reserves alone exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// The limit.
    pub place: Place,
    /// By how much it is exceeded, in tenths.
    pub excess: i64,
}

/// The limit of one session, and why it is not higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Tenths of an ampere on each of its phases; 0: it does not charge.
    pub limit_a: i64,
    /// Why the session does not get more.
    pub reason: Reason,
    /// The terminals that its current flows through; all of its own if its minimum does not fit.
    pub phases: PhaseSet,
    /// What the next decision needs to know of this one.
    pub memory: Memory,
}

impl Share {
    /// Whether the limit is so low that it cannot be signalled to a vehicle, which will pause.
    #[must_use]
    pub const fn is_below_signalled(&self) -> bool {
        self.limit_a > 0 && self.limit_a < LEAST_SIGNALLED.get()
    }
}

/// Why a session does not get more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The session cannot take more.
    OwnMaximum,
    /// This limit is full, and no session of its class that draws from it has more for its weight.
    Limit(Place),
    /// The minimum of the session does not fit here.
    Waiting(Place),
    /// The minimum of the session would fit here, but the room is kept for a session that has waited longer.
    KeptFor {
        /// The limit.
        place: Place,
        /// Index of that session.
        session: usize,
    },
    /// The session has just paused, and may charge again after some seconds.
    Resting {
        /// The remaining seconds, at least 1.
        remaining_s: u32,
    },
    /// The limit stays as it is, or rises in steps, to keep it steady.
    Held,
    /// Its maximum is below its minimum, or no multiple of its step is between them.
    CannotCharge,
}

/// One limit of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the node.
    pub node: usize,
    /// Which of its limits.
    pub quantity: Quantity,
}

/// A quantity that a node limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Current of phase L1.
    L1,
    /// Current of phase L2.
    L2,
    /// Current of phase L3.
    L3,
    /// Power of all phases together.
    Power,
    /// By how much phase L1 may exceed the others, if all sessions that load other phases stop.
    UnbalanceL1,
    /// The same for phase L2.
    UnbalanceL2,
    /// The same for phase L3.
    UnbalanceL3,
}

impl Quantity {
    /// The number of quantities.
    pub const COUNT: usize = Self::ALL.len();
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::L1, Self::L2, Self::L3, Self::Power, Self::UnbalanceL1, Self::UnbalanceL2, Self::UnbalanceL3];
}

/// How one quantity of a node is used: tenths of an ampere, or of a watt. The nodes below it are included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loading {
    /// `None`: the node does not limit it.
    pub limit: Option<i64>,
    /// The part that is never distributed.
    pub margin: i64,
    /// Drawn by loads that are not controlled; negative: they feed in.
    pub uncontrolled: i64,
    /// Kept for charge points that cannot be reached.
    pub reserved: i64,
    /// The part that sessions get.
    pub allocated: i64,
}

impl Loading {
    /// What sessions may have; negative if the rest alone exceeds the limit. `None`: any amount.
    #[must_use]
    pub fn capacity(&self) -> Option<i64> {
        Some(self.limit? - self.margin - self.uncontrolled - self.reserved)
    }

    /// By how much the limit is exceeded if sessions get nothing, in either direction of the current.
    fn excess(&self) -> Option<i64> {
        let excess = (self.uncontrolled + self.reserved).max(-self.uncontrolled) - self.limit?;
        Some(excess).filter(|excess| *excess > 0)
    }
}

/// Make the result from the state of the solver. `capacities`: for each node, without what is allocated.
pub(super) fn distribution(
    problem: &Problem,
    state: &State,
    wiring: &Wiring,
    memories: Vec<Memory>,
    capacities: Vec<[Loading; Quantity::COUNT]>,
) -> Distribution {
    let mut loadings = capacities;
    for (session, node) in wiring.sessions.iter().enumerate() {
        let draw = problem.draws[state.ways[session]];
        for node in wiring.path(*node) {
            for (loading, coefficient) in loadings[node].iter_mut().zip(draw) {
                loading.allocated += coefficient * state.limits[session];
            }
        }
    }
    let shares = memories
        .into_iter()
        .enumerate()
        .map(|(session, memory)| Share {
            limit_a: state.limits[session],
            reason: state.reasons[session],
            phases: problem.terminals[state.ways[session]],
            memory,
        })
        .collect();
    Distribution { shares, overloads: overloads(&loadings), loadings }
}

fn overloads(loadings: &[[Loading; Quantity::COUNT]]) -> Vec<Overload> {
    let each = loadings.iter().enumerate().flat_map(|(node, loadings)| {
        Quantity::ALL
            .into_iter()
            .zip(loadings)
            .map(move |(quantity, loading)| (Place { node, quantity }, loading))
    });
    each.filter_map(|(place, loading)| Some(Overload { place, excess: loading.excess()? })).collect()
}
