//! What a decision leaves for the next one. The solver keeps nothing: memories go out with the answer, and come back with
//! the next question.

use super::model::{Activity, Rules, Session};
use super::problem::{Problem, State};

/// What is remembered of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Whether it charges.
    pub activity: Activity,
    /// Seconds since it was plugged in.
    pub connected_for_s: u32,
    /// How much longer it has charged than others of its class, in seconds.
    pub served_s: u32,
    /// Seconds since it was switched to one phase; `None`: it was not.
    pub single_phase_for_s: Option<u32>,
}

/// A session that has just been plugged in.
impl Default for Memory {
    fn default() -> Self {
        Self { activity: Activity::New, connected_for_s: 0, served_s: 0, single_phase_for_s: None }
    }
}

impl Memory {
    /// What is remembered after some seconds in which the limits of the decision were in force.
    #[must_use]
    pub fn after(self, elapsed_s: u32) -> Self {
        let later = |for_s: u32| for_s.saturating_add(elapsed_s);
        let (activity, served_s) = match self.activity {
            Activity::Charging(for_s) => (Activity::Charging(later(for_s)), later(self.served_s)),
            Activity::Paused(for_s) => (Activity::Paused(later(for_s)), self.served_s),
            Activity::New => (Activity::New, self.served_s),
        };
        Self {
            activity,
            connected_for_s: later(self.connected_for_s),
            served_s,
            single_phase_for_s: self.single_phase_for_s.map(later),
        }
    }
}

/// Turns that a session can be ahead of others. A longer lead is forgotten, so that no session waits for hours because
/// others could not charge for hours.
const TURNS_REMEMBERED: u32 = 2;

/// The memories of all sessions after the decision.
pub(super) fn memories(problem: &Problem, state: &State, sessions: &[Session], rules: &Rules) -> Vec<Memory> {
    let mut found: Vec<Memory> = (sessions.iter().enumerate())
        .map(|(index, session)| {
            let charges = state.limits[index] > 0;
            let is_single = charges && state.is_switched(index);
            Memory {
                activity: next(session.activity, charges),
                connected_for_s: session.connected_for_s,
                served_s: session.served_s,
                single_phase_for_s: is_single.then(|| session.single_phase_for_s.unwrap_or(0)),
            }
        })
        .collect();
    for class in &problem.classes {
        let least = class.iter().map(|index| found[*index].served_s).min().unwrap_or(0);
        let most = rules.quantum_s.saturating_mul(TURNS_REMEMBERED);
        for index in class {
            found[*index].served_s = (found[*index].served_s - least).min(most);
        }
    }
    found
}

const fn next(before: Activity, charges: bool) -> Activity {
    match (before, charges) {
        (Activity::Charging(_), false) => Activity::Paused(0),
        (Activity::Paused(_) | Activity::New, true) => Activity::Charging(0),
        (same, _) => same,
    }
}
