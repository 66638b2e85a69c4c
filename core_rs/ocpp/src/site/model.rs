//! The input: the site, its sessions and the rules of taking turns.
//!
//! Currents are tenths of an ampere (names end in `_a`), powers tenths of a watt (`_w`).

use super::phase::{PhaseRotation, PhaseSet};

/// The electrical installation, as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Whole volts from a phase to the neutral conductor. OCPP 1.6 7.12
    pub nominal_voltage: i64,
    /// A tree: one node has no parent.
    pub nodes: Vec<Node>,
    /// What unreachable charge points may draw.
    pub reserves: Vec<Reserve>,
}

/// A main fuse, panel, feeder, charge point or connector: a place that limits what flows through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The id, unique among the nodes.
    pub id: String,
    /// The node that feeds it; `None` for the one at the top.
    pub parent: Option<String>,
    /// Limit of each phase; `None`: it does not limit the current.
    pub limit_a: Option<[i64; 3]>,
    /// Limit of all phases together; `None`: it does not limit the power.
    pub limit_w: Option<i64>,
    /// The part of each phase that is never distributed.
    pub margin_a: i64,
    /// The part of the power that is never distributed.
    pub margin_w: i64,
    /// What uncontrolled loads draw of each phase at this node, without those below it; negative: they feed in.
    pub uncontrolled_a: [i64; 3],
    /// The most by which the current of one phase may exceed that of another; `None`: any amount.
    pub unbalance_a: Option<i64>,
}

/// What one charge point may draw while it cannot be reached: the highest limit that it last accepted, or the most that
/// its hardware can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// The id, unique among the reserves.
    pub id: String,
    /// The node that feeds it.
    pub node: String,
    /// The current on each of its phases.
    pub current_a: i64,
    /// The terminals that the current flows through.
    pub phases: PhaseSet,
    /// How the terminals are wired to the grid.
    pub phase_rotation: PhaseRotation,
}

/// A charging session that takes part in the distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The id, unique among the sessions. It decides the order of turns if all else is equal.
    pub id: String,
    /// The node that feeds it.
    pub node: String,
    /// The terminals of the connector that its current flows through; the same current flows through each.
    pub phases: PhaseSet,
    /// How the terminals are wired to the grid.
    pub phase_rotation: PhaseRotation,
    /// The least that it can charge with. With less it gets nothing. IEC 61851-1: 6 A.
    pub minimum_a: i64,
    /// The most that charge point, cable, car and foreign profiles allow. Below the minimum: it cannot charge.
    pub maximum_a: i64,
    /// The step: the limit is a multiple of it.
    pub step_a: i64,
    /// The class of the session. A higher class is served first.
    pub priority: u8,
    /// The weight of the session within its class, relative to the other sessions.
    pub weight: i64,
    /// Whether it charges now.
    pub activity: Activity,
    /// Seconds since it was plugged in.
    pub connected_for_s: u32,
    /// How much longer it has charged than others of its class, in seconds. The shortest time comes first.
    pub served_s: u32,
    /// The limit that is in force now; `None`: not known, so the new one is not compared with it.
    pub present_a: Option<i64>,
    /// Whether its charge point can switch it from all of its phases to one (`ConnectorSwitch3to1PhaseSupported`).
    pub can_switch_phases: bool,
    /// Seconds since it was switched to one phase; `None`: it was not.
    pub single_phase_for_s: Option<u32>,
}

impl Session {
    /// The lowest multiple of its step that it can charge with.
    #[must_use]
    pub const fn lowest_step(&self) -> i64 {
        (self.minimum_a + self.step_a - 1) / self.step_a * self.step_a
    }

    /// The highest multiple of its step that it can charge with.
    #[must_use]
    pub const fn highest_step(&self) -> i64 {
        self.maximum_a / self.step_a * self.step_a
    }

    /// Whether it can charge at all: a multiple of its step is between its minimum and its maximum.
    #[must_use]
    pub const fn can_charge(&self) -> bool {
        self.lowest_step() <= self.highest_step()
    }

    /// The one terminal that its current flows through after a switch; `None`: it cannot be switched.
    #[must_use]
    pub fn single_phase(&self) -> Option<PhaseSet> {
        let first =
            self.phases.iter().next().filter(|_| self.can_switch_phases && self.phases.count() > 1)?;
        Some([first].into_iter().collect())
    }

    /// Seconds that it has been waiting; 0 while it charges.
    #[must_use]
    pub const fn waiting_s(&self) -> u32 {
        match self.activity {
            Activity::Charging(_) => 0,
            Activity::Paused(for_s) => for_s,
            Activity::New => self.connected_for_s,
        }
    }
}

/// What a session does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// The session has charged without interruption for that many seconds.
    Charging(u32),
    /// The session charged, and has waited again for that many seconds.
    Paused(u32),
    /// The session has not charged yet.
    New,
}

/// The rules of taking turns, if not all minima fit, and of keeping limits steady.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Serve a class in full before the next class gets its minima.
    pub strict_priority: bool,
    /// Seconds after which a charging session makes room for one that waits.
    pub quantum_s: u32,
    /// Shortest time in seconds that a session charges, unless the capacity shrinks; up to `quantum_s`.
    pub minimum_on_s: u32,
    /// Shortest time in seconds that a session is paused, to spare its contactor and the vehicle.
    pub minimum_off_s: u32,
    /// Shortest time in seconds on one phase before a session is switched back, to spare its contactor.
    pub minimum_single_phase_s: u32,
    /// A limit does not change by less than this, as far as the present limits fit.
    pub dead_band_a: i64,
    /// The same in percent of the present limit. The larger one of both counts.
    pub dead_band_percent: i64,
    /// The most by which a limit rises in one decision; `None`: any amount. It may always fall.
    pub rise_a: Option<i64>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            strict_priority: false,
            quantum_s: 900,
            minimum_on_s: 300,
            minimum_off_s: 300,
            minimum_single_phase_s: 600,
            dead_band_a: 10,
            dead_band_percent: 5,
            rise_a: None,
        }
    }
}
