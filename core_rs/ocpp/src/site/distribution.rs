//! The result: a limit with its reason for each session, and the loading of each node.

use super::check::Wiring;
use super::problem::{Problem, State};

/// The distribution of a site's power.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// The share of each session, in the order of the sessions.
    pub shares: Vec<Share>,
    /// The loading of each node for `Quantity::ALL`, in the order of the nodes.
    pub loadings: Vec<[Loading; 4]>,
}

/// The limit of one session, and why it is not higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Tenths of an ampere on each of its phases; 0: it does not charge.
    pub limit_a: i64,
    /// Why the session does not get more.
    pub reason: Reason,
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
}

impl Quantity {
    /// All four, in order.
    pub const ALL: [Self; 4] = [Self::L1, Self::L2, Self::L3, Self::Power];
}

/// How one quantity of a node is used: tenths of an ampere, or of a watt. The nodes below it are included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loading {
    /// `None`: the node does not limit it.
    pub limit: Option<i64>,
    /// The part that is never distributed.
    pub margin: i64,
    /// Drawn by loads that are not controlled.
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
}

/// Make the result from the state of the solver. `capacities`: for each node, without what is allocated.
pub(super) fn distribution(
    problem: &Problem,
    state: &State,
    wiring: &Wiring,
    capacities: Vec<[Loading; 4]>,
) -> Distribution {
    let mut loadings = capacities;
    for (session, draw) in problem.draws.iter().enumerate() {
        for node in wiring.path(wiring.sessions[session]) {
            for (loading, coefficient) in loadings[node].iter_mut().zip(draw) {
                loading.allocated += coefficient * state.limits[session];
            }
        }
    }
    let shares = state
        .limits
        .iter()
        .zip(&state.reasons)
        .map(|(limit, reason)| Share { limit_a: *limit, reason: *reason })
        .collect();
    Distribution { shares, loadings }
}
