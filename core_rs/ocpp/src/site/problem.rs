//! The distribution as numbers: rows, what each session asks for, and what it has so far.

use super::capacity::draw;
use super::check::Wiring;
use super::distribution::{Loading, Place, Quantity, Reason};
use super::model::{Session, Site};

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
    /// For each session: what it adds to the quantities of each node above it, limited or not.
    pub draws: Vec<[i64; 4]>,
    /// Indices of sessions by class, the highest class first.
    pub classes: Vec<Vec<usize>>,
    uses: Vec<Use>,
    /// For each session: where its uses begin, then the end of the last one.
    offsets: Vec<usize>,
}

impl Problem {
    pub fn new(site: &Site, sessions: &[Session], wiring: &Wiring, capacities: &[[Loading; 4]]) -> Self {
        let mut rows = Vec::new();
        let row_of: Vec<[Option<usize>; 4]> = (capacities.iter().enumerate())
            .map(|(node, loadings)| {
                let mut row = |quantity: Quantity| {
                    let capacity = loadings[quantity as usize].capacity()?;
                    rows.push(Row { place: Place { node, quantity }, capacity });
                    Some(rows.len() - 1)
                };
                Quantity::ALL.map(&mut row)
            })
            .collect();
        let draws: Vec<[i64; 4]> =
            (sessions.iter()).map(|session| draw(site, session.phase_rotation, session.phases)).collect();
        let (mut uses, mut offsets) = (Vec::new(), vec![0]);
        for (draw, node) in draws.iter().zip(&wiring.sessions) {
            for above in wiring.path(*node) {
                for (row, coefficient) in row_of[above].iter().zip(draw) {
                    if let (Some(row), 1..) = (*row, *coefficient) {
                        uses.push(Use { row, coefficient: *coefficient });
                    }
                }
            }
            offsets.push(uses.len());
        }
        Self { rows, asks: asks(sessions), draws, classes: classes(sessions), uses, offsets }
    }

    /// The rows that a session draws from, the nearest first.
    pub fn uses(&self, session: usize) -> &[Use] {
        &self.uses[self.offsets[session]..self.offsets[session + 1]]
    }
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
    let mut by_class: Vec<usize> = (0..sessions.len()).collect();
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
}

impl State {
    pub fn new(problem: &Problem) -> Self {
        let sessions = problem.asks.len();
        Self {
            used: vec![0; problem.rows.len()],
            limits: vec![0; sessions],
            reasons: vec![Reason::OwnMaximum; sessions],
            admitted: vec![false; sessions],
        }
    }

    /// Give a session more than it has.
    pub fn give(&mut self, problem: &Problem, session: usize, more: i64) {
        self.limits[session] += more;
        for each in problem.uses(session) {
            self.used[each.row] += each.coefficient * more;
        }
    }

    /// The rest of the capacity of a row.
    pub fn room(&self, problem: &Problem, row: usize) -> i64 {
        problem.rows[row].capacity - self.used[row]
    }
}
