//! The distribution as numbers: rows, what each session asks for, and what it has so far.

use super::capacity::draw;
use super::check::Wiring;
use super::distribution::{Loading, Place, Quantity, Reason};
use super::model::{Session, Site};
use super::phase::PhaseSet;

/// One limit of one node that sessions draw from.
pub(super) struct Row {
    pub place: Place,
    /// What sessions may have together; negative if other loads already exceed the limit.
    pub capacity: i64,
}

/// What one session can take, in multiples of its step.
pub(super) struct Ask {
    pub minimum: i64,
    pub maximum: i64,
    pub step: i64,
    pub weight: i64,
    /// The place of the session in the order of ids, which decides if all else is equal.
    pub rank: u32,
}

/// What one session adds to a row for each tenth of an ampere.
#[derive(Clone, Copy)]
pub(super) struct Use {
    pub row: usize,
    pub coefficient: i64,
}

/// Rows and sessions as numbers.
pub(super) struct Problem {
    pub rows: Vec<Row>,
    pub asks: Vec<Ask>,
    /// For each way to charge: the terminals that the current flows through.
    pub terminals: Vec<PhaseSet>,
    /// For each way to charge: what it adds to the quantities of each node above it, limited or not.
    pub draws: Vec<[i64; Quantity::COUNT]>,
    /// For each session: the way to charge on one phase, if it can be switched.
    pub single: Vec<Option<usize>>,
    /// Indices of sessions that can charge by class, the highest class first.
    pub classes: Vec<Vec<usize>>,
    uses: Vec<Use>,
    /// For each way to charge: where its uses begin, then the end of the last one.
    offsets: Vec<usize>,
}

/// A way to charge: a session, and the terminals that its current flows through. The first ways are those of the sessions
/// on all of their phases.
struct Way {
    session: usize,
    terminals: PhaseSet,
}

impl Problem {
    pub fn new(
        site: &Site,
        sessions: &[Session],
        wiring: &Wiring,
        capacities: &[[Loading; Quantity::COUNT]],
    ) -> Self {
        let mut rows = Vec::new();
        let row_of: Vec<[Option<usize>; Quantity::COUNT]> = (capacities.iter().enumerate())
            .map(|(node, loadings)| {
                let mut row = |quantity: Quantity| {
                    let capacity = loadings[quantity as usize].capacity()?;
                    rows.push(Row { place: Place { node, quantity }, capacity });
                    Some(rows.len() - 1)
                };
                Quantity::ALL.map(&mut row)
            })
            .collect();
        let (ways, single) = ways(sessions);
        let draws: Vec<[i64; Quantity::COUNT]> = (ways.iter())
            .map(|way| draw(site, sessions[way.session].phase_rotation, way.terminals))
            .collect();
        let (mut uses, mut offsets) = (Vec::new(), vec![0]);
        for (draw, way) in draws.iter().zip(&ways) {
            for above in wiring.path(wiring.sessions[way.session]) {
                for (row, coefficient) in row_of[above].iter().zip(draw) {
                    if let (Some(row), 1..) = (*row, *coefficient) {
                        uses.push(Use { row, coefficient: *coefficient });
                    }
                }
            }
            offsets.push(uses.len());
        }
        let terminals = ways.into_iter().map(|way| way.terminals).collect();
        let (asks, classes) = (asks(sessions), classes(sessions));
        Self { rows, asks, terminals, draws, single, classes, uses, offsets }
    }

    /// The rows that a way to charge draws from, the nearest first.
    pub fn uses(&self, way: usize) -> &[Use] {
        &self.uses[self.offsets[way]..self.offsets[way + 1]]
    }
}

/// The ways to charge, and for each session the one on a single phase.
fn ways(sessions: &[Session]) -> (Vec<Way>, Vec<Option<usize>>) {
    let own = sessions.iter().enumerate().map(|(session, each)| Way { session, terminals: each.phases });
    let mut ways: Vec<Way> = own.collect();
    let mut single = Vec::with_capacity(sessions.len());
    for (session, each) in sessions.iter().enumerate() {
        single.push(each.single_phase().map(|terminals| {
            ways.push(Way { session, terminals });
            ways.len() - 1
        }));
    }
    (ways, single)
}

fn asks(sessions: &[Session]) -> Vec<Ask> {
    let mut by_id: Vec<usize> = (0..sessions.len()).collect();
    by_id.sort_unstable_by_key(|index| sessions[*index].id.as_str());
    let mut asks: Vec<Ask> = (sessions.iter())
        .map(|session| Ask {
            minimum: session.lowest_step(),
            maximum: session.highest_step(),
            step: session.step_a,
            weight: session.weight,
            rank: 0,
        })
        .collect();
    for (rank, index) in (0..).zip(by_id) {
        asks[index].rank = rank;
    }
    asks
}

fn classes(sessions: &[Session]) -> Vec<Vec<usize>> {
    let mut by_class: Vec<usize> =
        (0..sessions.len()).filter(|index| sessions[*index].can_charge()).collect();
    by_class.sort_by_key(|index| std::cmp::Reverse(sessions[*index].priority));
    by_class
        .chunk_by(|one, other| sessions[*one].priority == sessions[*other].priority)
        .map(<[usize]>::to_vec)
        .collect()
}

/// What sessions have so far.
pub(super) struct State {
    /// For each row: what sessions have together.
    pub used: Vec<i64>,
    /// The limit of each session so far.
    pub limits: Vec<i64>,
    /// The reason of each limit.
    pub reasons: Vec<Reason>,
    /// For each session: whether it has at least its minimum.
    pub admitted: Vec<bool>,
    /// For each session: the way in which it charges.
    pub ways: Vec<usize>,
}

impl State {
    pub fn new(problem: &Problem, sessions: &[Session]) -> Self {
        let reason = |session: &Session| {
            if session.can_charge() { Reason::OwnMaximum } else { Reason::CannotCharge }
        };
        Self {
            used: vec![0; problem.rows.len()],
            limits: vec![0; sessions.len()],
            reasons: sessions.iter().map(reason).collect(),
            admitted: vec![false; sessions.len()],
            ways: (0..sessions.len()).collect(),
        }
    }

    /// Whether a session charges on one phase although it could on more.
    pub fn is_switched(&self, session: usize) -> bool {
        self.ways[session] != session
    }

    /// The rows that a session draws from in its way, the nearest first.
    pub fn uses<'p>(&self, problem: &'p Problem, session: usize) -> &'p [Use] {
        problem.uses(self.ways[session])
    }

    /// Give a session more than it has.
    pub fn give(&mut self, problem: &Problem, session: usize, more: i64) {
        self.limits[session] += more;
        for each in self.uses(problem, session) {
            self.used[each.row] += each.coefficient * more;
        }
    }

    /// The rest of the capacity of a row.
    pub fn room(&self, problem: &Problem, row: usize) -> i64 {
        problem.rows[row].capacity - self.used[row]
    }
}
