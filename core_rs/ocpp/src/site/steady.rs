//! Keeps limits steady: small changes are left out as far as the present limits fit, and large rises are spread.
//!
//! Falls are never delayed. A session keeps a limit above its new one only while every limit of every node carries it.

use super::distribution::Reason;
use super::model::{Rules, Session};
use super::problem::{Problem, State};

/// Change the limits that were found to steady ones.
pub(super) fn keep_steady(problem: &Problem, state: &mut State, sessions: &[Session], rules: &Rules) {
    let (found, reasons) = (state.limits.clone(), state.reasons.clone());
    let mut above = Vec::new();
    for (index, session) in sessions.iter().enumerate() {
        let Some(present) = session.present_a.filter(|_| state.admitted[index]) else { continue };
        let is_switched = state.is_switched(index) != session.single_phase_for_s.is_some();
        let steady = steady(session, rules, present, found[index], is_switched);
        if steady != found[index] {
            state.give(problem, index, steady - found[index]);
            state.reasons[index] = Reason::Held;
        }
        if steady > found[index] {
            above.push((found[index] - steady, problem.asks[index].rank, index));
        }
    }
    // Those that are furthest above their new limit fall first, until everything fits.
    above.sort_unstable();
    for (less, _, index) in above {
        if state.uses(problem, index).iter().any(|each| state.room(problem, each.row) < 0) {
            state.give(problem, index, less);
            state.reasons[index] = reasons[index];
        }
    }
}

/// The limit that a session has until the next decision, if it fits.
fn steady(session: &Session, rules: &Rules, present: i64, found: i64, is_switched: bool) -> i64 {
    let is_possible = !is_switched
        && present % session.step_a == 0
        && (session.lowest_step()..=session.highest_step()).contains(&present);
    let band = rules.dead_band_a.max(present * rules.dead_band_percent / 100);
    if is_possible && (found - present).abs() < band {
        return present;
    }
    match rules.rise_a {
        Some(rise) if found > present => {
            let highest = (present + rise) / session.step_a * session.step_a;
            found.min(highest.max(session.lowest_step()))
        }
        _ => found,
    }
}
