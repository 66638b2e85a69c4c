//! The current of a session at a common level, and the level at which a row is full.
//!
//! While steps go to the lowest current for its weight, every growing session is at the same *level*: it has the
//! smallest multiple of its step that is not below weight x level, within its minimum and maximum. Levels are fractions
//! `time / scale`, with the largest weight as the scale. From one `time` to the next a session grows by at most one step.

use std::cmp::Ordering;

use super::problem::Ask;

/// A session of a row, as long as it may still grow.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub session: usize,
    /// What one tenth of an ampere of it adds to the row.
    pub coefficient: i64,
    pub minimum: i64,
    pub maximum: i64,
    pub step: i64,
    pub weight: i64,
    pub rank: u32,
}

impl Member {
    pub fn new(session: usize, coefficient: i64, ask: &Ask) -> Self {
        let Ask { minimum, maximum, step, weight, rank } = *ask;
        Self { session, coefficient, minimum, maximum, step, weight, rank }
    }

    /// The current of the session at the level `time / scale`, before the steps of exactly this level.
    pub fn current(&self, time: i64, scale: i64) -> i64 {
        let target = if self.weight == scale { time } else { ceiling(self.weight * time, scale) };
        if target <= self.minimum {
            self.minimum
        } else if target >= self.maximum {
            self.maximum
        } else if self.step == 1 {
            target
        } else {
            ceiling(target, self.step) * self.step
        }
    }

    /// What one more step adds to the row.
    pub const fn step_load(&self) -> i64 {
        self.coefficient * self.step
    }

    /// When it gets the step that follows this current.
    pub const fn turn(&self, current: i64) -> Turn {
        Turn { current, weight: self.weight, rank: self.rank }
    }
}

/// The place of a step in the order of all steps: the lowest current for its weight comes first, then the lowest
/// rank.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    current: i64,
    weight: i64,
    rank: u32,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        let level = (self.current * other.weight).cmp(&(other.current * self.weight));
        level.then(self.rank.cmp(&other.rank))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Turn {}

/// The first step that does not fit into a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full {
    pub turn: Turn,
    /// The last whole time before it.
    pub time: i64,
    /// The room of the row at that time: too little for this step.
    pub room: i64,
}

/// Find where a row is full. `members`: those that may still grow, by rank; `room`: what is left for them, their minima
/// included; `from`: a time at which they fit. `None`: all fit with their maxima.
pub(super) fn find_full(members: &[Member], room: i64, from: i64, scale: i64) -> Option<Full> {
    let needed: i64 = members.iter().map(|member| member.coefficient * member.maximum).sum();
    if needed <= room {
        return None;
    }
    let time = last_fitting_time(members, room, from, scale);
    let load = load(members, time, scale);
    let mut turns: Vec<(Turn, i64)> = (members.iter())
        .filter_map(|member| {
            let current = member.current(time, scale);
            let is_next = current < member.maximum && current * scale < (time + 1) * member.weight;
            is_next.then(|| (member.turn(current), member.step_load()))
        })
        .collect();
    turns.sort_by_key(|(turn, _)| *turn);
    let mut room = room - load;
    for (turn, step_load) in turns {
        if step_load > room {
            return Some(Full { turn, time, room });
        }
        room -= step_load;
    }
    unreachable!("at the next whole time the members do not fit any more")
}

/// The last whole time at which the members fit: first by doubling strides, then by halving them.
fn last_fitting_time(members: &[Member], room: i64, from: i64, scale: i64) -> i64 {
    let mut fits = from;
    let mut stride = 1;
    while load(members, fits + stride, scale) <= room {
        fits += stride;
        stride *= 2;
    }
    let mut too_far = fits + stride;
    while too_far - fits > 1 {
        let middle = fits + (too_far - fits) / 2;
        if load(members, middle, scale) <= room {
            fits = middle;
        } else {
            too_far = middle;
        }
    }
    fits
}

fn load(members: &[Member], time: i64, scale: i64) -> i64 {
    members.iter().map(|member| member.coefficient * member.current(time, scale)).sum()
}

const fn ceiling(dividend: i64, divisor: i64) -> i64 {
    (dividend + divisor - 1) / divisor
}
