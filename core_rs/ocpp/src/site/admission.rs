//! Which sessions get their minimum when not all minima fit: they take turns of one quantum.
//!
//! A session that has waited for a whole quantum and does not fit has its room kept free from those behind it, if only
//! its own class is in the way. Otherwise sessions with small minima could pass it by for ever. So in a class whose
//! minima fill a row k at a time, each of n sessions gets its turn once in n/k quanta, rounded up.

use super::distribution::Reason;
use super::model::{Activity, Rules, Session};
use super::problem::{Problem, State};

/// Admit sessions of one class and give them their minima. `class`: indices of its sessions.
pub(super) fn admit(
    problem: &Problem,
    state: &mut State,
    class: &[usize],
    sessions: &[Session],
    rules: &Rules,
) {
    let mut order = class.to_vec();
    order.sort_unstable_by_key(|index| {
        let session = &sessions[*index];
        (turn(session, rules), u32::MAX - session.connected_for_s, problem.asks[*index].rank)
    });
    let mut kept = Kept::new(problem, state);
    for index in order {
        let session = &sessions[index];
        let found = match session.activity {
            Activity::Paused(for_s) if for_s < rules.minimum_off_s => {
                Err(Reason::Resting { remaining_s: rules.minimum_off_s - for_s })
            }
            _ => way(problem, state, &kept, index, stays_switched(session, rules)),
        };
        match found {
            Ok(way) => {
                state.ways[index] = way;
                state.give(problem, index, problem.asks[index].minimum);
                state.admitted[index] = true;
            }
            Err(reason) => {
                state.reasons[index] = reason;
                let aged = session.waiting_s() >= rules.quantum_s.max(1);
                if aged && matches!(reason, Reason::Waiting(_)) && kept.would_fit(problem, index) {
                    kept.keep(problem, index);
                }
            }
        }
    }
}

/// The place in the order of turns within a class; a lower place is first. At equal places, the time of plugging in
/// decides, then the id.
///
/// | place | state of the session | among them |
/// |---|---|---|
/// | 1 | charging, and not yet for the minimum time | the shortest time first |
/// | 2 | charging, and its turn is not over | the shortest time first |
/// | 3 | waiting | the longest wait first |
/// | 4 | charging, and its turn is over | the shortest time first |
///
/// Among sessions of one place, the one that was served least comes before all others. So no session loses time for good
/// when the capacity shrinks in a turn.
fn turn(session: &Session, rules: &Rules) -> (u8, u32, u32) {
    match session.activity {
        Activity::Charging(for_s) if for_s < rules.minimum_on_s => (1, session.served_s, for_s),
        Activity::Charging(for_s) if for_s < rules.quantum_s => (2, session.served_s, for_s),
        Activity::Charging(for_s) => (4, session.served_s, for_s),
        Activity::Paused(_) | Activity::New => (3, session.served_s, u32::MAX - session.waiting_s()),
    }
}

/// Whether a session was switched to one phase so recently that it stays there.
fn stays_switched(session: &Session, rules: &Rules) -> bool {
    session.single_phase_for_s.is_some_and(|for_s| for_s < rules.minimum_single_phase_s)
}

/// The first way to charge that fits: on all phases, else on one. A session that was switched to one phase stays there for
/// some time, if that fits.
///
/// # Errors
/// Why the minimum on all phases does not fit.
fn way(
    problem: &Problem,
    state: &State,
    kept: &Kept,
    session: usize,
    stays_switched: bool,
) -> Result<usize, Reason> {
    let (single, minimum) = (problem.single[session], problem.asks[session].minimum);
    let fits = |way: usize| obstacle(problem, state, kept, way, minimum).is_none();
    if let Some(way) = single.filter(|way| stays_switched && fits(*way)) {
        return Ok(way);
    }
    match obstacle(problem, state, kept, session, minimum) {
        None => Ok(session),
        Some(reason) => single.filter(|way| fits(*way)).ok_or(reason),
    }
}

/// Why the minimum of a session does not fit in one way to charge, by the nearest row.
fn obstacle(problem: &Problem, state: &State, kept: &Kept, way: usize, minimum: i64) -> Option<Reason> {
    let mut reason = None;
    for each in problem.uses(way) {
        let left = state.room(problem, each.row) - each.coefficient * minimum;
        let place = problem.rows[each.row].place;
        if left < 0 {
            return Some(Reason::Waiting(place));
        }
        if let (true, Some(keeper)) = (left < kept.amounts[each.row], kept.keepers[each.row]) {
            reason = reason.or(Some(Reason::KeptFor { place, session: keeper }));
        }
    }
    reason
}

/// Room that is kept free for sessions that have waited long.
struct Kept {
    /// For each row: the room that it had before this class.
    room: Vec<i64>,
    /// For each row: the amount that is kept.
    amounts: Vec<i64>,
    /// For each row: the first session that it is kept for.
    keepers: Vec<Option<usize>>,
}

impl Kept {
    fn new(problem: &Problem, state: &State) -> Self {
        let rows = problem.rows.len();
        Self {
            room: (0..rows).map(|row| state.room(problem, row)).collect(),
            amounts: vec![0; rows],
            keepers: vec![None; rows],
        }
    }

    /// Whether the session would fit if no other session of its class charged.
    fn would_fit(&self, problem: &Problem, session: usize) -> bool {
        let minimum = problem.asks[session].minimum;
        let way = problem.single[session].unwrap_or(session);
        problem.uses(way).iter().all(|each| each.coefficient * minimum <= self.room[each.row])
    }

    fn keep(&mut self, problem: &Problem, session: usize) {
        for each in problem.uses(problem.single[session].unwrap_or(session)) {
            self.amounts[each.row] += each.coefficient * problem.asks[session].minimum;
            self.keepers[each.row].get_or_insert(session);
        }
    }
}
