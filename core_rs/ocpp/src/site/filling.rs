//! Weighted max-min sharing within one class: step by step to the session with the lowest current for its weight, as
//! long as the step fits everywhere above it.
//!
//! Single steps would take minutes for a large site. Instead, `level::find_full` finds for each row the first step that
//! does not fit it. The earliest of these rows is full first, and its sessions that cannot grow are fixed. For other rows
//! of these sessions the step that was found is then too early, never too late, so they are computed again on demand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::distribution::Reason;
use super::level::{Full, Member, Turn, find_full};
use super::problem::{Problem, State};

/// Fill up the admitted sessions of one class. `class`: indices of its sessions.
pub(super) fn fill(problem: &Problem, state: &mut State, class: &[usize]) {
    let mut growing: Vec<usize> = class.iter().copied().filter(|index| state.admitted[*index]).collect();
    growing.sort_unstable_by_key(|index| problem.asks[*index].rank);
    let mut filling = Filling::new(problem, state, &growing);
    while let Some(Reverse((_, index))) = filling.queue.pop() {
        if filling.pools[index].stale {
            filling.look_again(index, state);
        } else {
            filling.close(problem, state, index);
        }
    }
    for session in growing {
        if !filling.fixed[session] {
            let more = problem.asks[session].maximum - state.limits[session];
            state.give(problem, session, more);
        }
    }
}

/// One row and the sessions that still grow in it.
struct Pool {
    row: usize,
    members: Vec<Member>,
    /// What the row has left for its members, their minima included.
    room: i64,
    full: Option<Full>,
    /// Some of its members have been fixed since `full` was found.
    stale: bool,
}

struct Filling {
    scale: i64,
    pools: Vec<Pool>,
    /// The pool of each row.
    pool_of: Vec<Option<usize>>,
    /// Whether each session is fixed.
    fixed: Vec<bool>,
    /// Pools by the step at which they are full, or an earlier one.
    queue: BinaryHeap<Reverse<(Turn, usize)>>,
}

impl Filling {
    /// `growing`: sessions by rank, which have their minima.
    fn new(problem: &Problem, state: &State, growing: &[usize]) -> Self {
        let divisor =
            growing.iter().fold(0, |divisor, index| gcd(divisor, problem.asks[*index].weight)).max(1);
        let heaviest = growing.iter().map(|index| problem.asks[*index].weight / divisor).max();
        let mut filling = Self {
            scale: heaviest.unwrap_or(1),
            pools: Vec::new(),
            pool_of: vec![None; problem.rows.len()],
            fixed: vec![false; problem.asks.len()],
            queue: BinaryHeap::new(),
        };
        for session in growing {
            let ask = &problem.asks[*session];
            for each in state.uses(problem, *session) {
                let mut member = Member::new(*session, each.coefficient, ask);
                member.weight /= divisor;
                filling.pool(problem, state, each.row).join(member);
            }
        }
        for index in 0..filling.pools.len() {
            filling.look_again(index, state);
        }
        filling
    }

    fn pool(&mut self, problem: &Problem, state: &State, row: usize) -> &mut Pool {
        let index = *self.pool_of[row].get_or_insert_with(|| {
            let room = state.room(problem, row);
            self.pools.push(Pool { row, members: Vec::new(), room, full: None, stale: false });
            self.pools.len() - 1
        });
        &mut self.pools[index]
    }

    /// Find when the row is full with the members that still grow. It leaves the queue if it never is.
    fn look_again(&mut self, index: usize, state: &State) {
        let pool = &mut self.pools[index];
        let room = &mut pool.room;
        pool.members.retain(|member| {
            let fixed = self.fixed[member.session];
            if fixed {
                *room -= member.coefficient * state.limits[member.session];
            }
            !fixed
        });
        let from = pool.full.map_or(0, |full| full.time);
        pool.full = find_full(&pool.members, pool.room, from, self.scale);
        pool.stale = false;
        if let Some(full) = pool.full {
            self.queue.push(Reverse((full.turn, index)));
        }
    }

    /// The row is full: fix the members that cannot grow.
    fn close(&mut self, problem: &Problem, state: &mut State, index: usize) {
        let pool = &self.pools[index];
        let full = pool.full.expect("a pool in the queue has a step at which it is full");
        let reason = Reason::Limit(problem.rows[pool.row].place);
        let ending: Vec<(usize, i64, bool)> = (pool.members.iter())
            .filter(|member| member.step_load() > full.room)
            .map(|member| {
                let mut current = member.current(full.time, self.scale);
                if current < member.maximum && member.turn(current) < full.turn {
                    current += member.step;
                }
                (member.session, current, current < member.maximum)
            })
            .collect();
        for (session, current, held_back) in ending {
            let more = current - state.limits[session];
            state.give(problem, session, more);
            self.fixed[session] = true;
            if held_back {
                state.reasons[session] = reason;
            }
            for each in state.uses(problem, session) {
                if let Some(other) = self.pool_of[each.row] {
                    self.pools[other].stale = true;
                }
            }
        }
        self.look_again(index, state);
    }
}

impl Pool {
    fn join(&mut self, member: Member) {
        self.room += member.coefficient * member.minimum;
        self.members.push(member);
    }
}

fn gcd(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { gcd(other, one % other) }
}
