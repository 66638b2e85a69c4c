//! The segments of one profile: when each of its periods is in force.

use crate::schedule::limit::{Supply, Tenths, Unit};
use crate::schedule::profile::{Kind, Profile, Purpose, Recurrency};
use crate::schedule::question::Question;

/// A stretch of time in which one period of one profile is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First second of the stretch.
    pub start_s: i64,
    /// First second after the stretch.
    pub end_s: i64,
    /// The rank of the profile in its stack. The highest rank in force leads.
    pub rank: u32,
    /// Place of the profile in `Question::installed`.
    pub profile: u32,
    /// The limit in the unit of its schedule.
    pub limit: Tenths,
    /// That unit.
    pub unit: Unit,
    /// The number of phases, if the period names it.
    pub number_phases: Option<u8>,
}

/// The phases that segments in force together leave: the fewest that one of them names.
pub(crate) fn fewest_phases<'s>(in_force: impl IntoIterator<Item = &'s Segment>) -> Option<u8> {
    in_force.into_iter().filter_map(|segment| segment.number_phases).min()
}

/// The span of a question, and how to read limits in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// First second of the stretch.
    pub start_s: i64,
    /// First second after the stretch.
    pub end_s: i64,
    /// Unit of the answer.
    pub unit: Unit,
    /// How amperes and watts are converted.
    pub supply: Supply,
    /// Whether a recurring schedule holds before its first start (C4).
    pub recurring_before_anchor: bool,
}

impl Span {
    /// The span of a question.
    pub fn of(question: &Question) -> Self {
        Self {
            start_s: question.start_s,
            end_s: question.end_s(),
            unit: question.unit,
            supply: question.supply,
            recurring_before_anchor: question.options.recurring_before_anchor,
        }
    }
}

/// The error of a limit in the other unit with direct current, which cannot be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoConversion {
    /// Place of the profile in `Question::installed`.
    pub profile: usize,
}

/// When the schedule of a profile starts: once, or again and again.
struct Turns {
    first_s: i64,
    again: Option<Recurrency>,
    /// Seconds from each start to its end.
    duration_s: i64,
}

/// Long after every question, and far below the greatest number of 64 bits.
const FOREVER_S: i64 = 1 << 40;

fn turns(profile: &Profile, transaction_start_s: Option<i64>, span: &Span) -> Option<Turns> {
    // A cap of the whole charge point does not belong to a transaction.
    let transaction_start_s = transaction_start_s.filter(|_| profile.purpose != Purpose::ChargePointMax);
    let duration_s = profile.schedule.duration_s.unwrap_or(FOREVER_S);
    let once = |first_s| Turns { first_s, again: None, duration_s };
    match profile.kind {
        Kind::Absolute => profile.schedule.start_s.or(transaction_start_s).map(once),
        Kind::Relative => transaction_start_s.map(once),
        Kind::Recurring(recurrency) => {
            let interval_s = recurrency.interval_s();
            let start_s = profile.schedule.start_s?;
            let turn = (span.start_s - start_s).div_euclid(interval_s);
            let turn = if span.recurring_before_anchor { turn } else { turn.max(0) };
            Some(Turns {
                first_s: start_s + turn * interval_s,
                again: Some(recurrency),
                // The rest of a schedule is dropped when it starts again. Errata 3.44
                duration_s: duration_s.min(interval_s),
            })
        }
    }
}

/// Append the segments of a profile inside the span, in order of time.
pub(crate) fn lay_out(
    profile: &Profile,
    place: u32,
    rank: u32,
    transaction_start_s: Option<i64>,
    span: &Span,
    segments: &mut Vec<Segment>,
) -> Result<(), NoConversion> {
    let Some(turns) = turns(profile, transaction_start_s, span) else { return Ok(()) };
    let unit = profile.schedule.unit;
    let converts = unit == span.unit || span.supply != Supply::Direct;
    let from_s = profile.valid_from_s.map_or(span.start_s, |valid| valid.max(span.start_s));
    let to_s = profile.valid_to_s.map_or(span.end_s, |valid| valid.min(span.end_s));
    let mut anchor_s = turns.first_s;
    while anchor_s < to_s {
        let until_s = to_s.min(anchor_s.saturating_add(turns.duration_s));
        let periods = &profile.schedule.periods;
        let begun = periods.partition_point(|period| anchor_s.saturating_add(period.start_s) <= from_s);
        for (number, period) in periods.iter().enumerate().skip(begun.saturating_sub(1)) {
            let start_s = anchor_s.saturating_add(period.start_s).max(from_s);
            if start_s >= until_s {
                break;
            }
            let next_s =
                periods.get(number + 1).map_or(until_s, |next| anchor_s.saturating_add(next.start_s));
            if !converts {
                return Err(NoConversion { profile: place as usize });
            }
            segments.push(Segment {
                start_s,
                end_s: next_s.min(until_s),
                rank,
                profile: place,
                limit: period.limit,
                unit,
                number_phases: period.number_phases,
            });
        }
        match turns.again {
            Some(recurrency) => anchor_s += recurrency.interval_s(),
            None => break,
        }
    }
    Ok(())
}

/// The most segments that a profile can have in a span of `duration_s` seconds.
#[must_use]
pub(crate) fn most_segments(profile: &Profile, duration_s: i64) -> u64 {
    let turns = match profile.kind {
        Kind::Recurring(recurrency) => duration_s / recurrency.interval_s() + 2,
        Kind::Absolute | Kind::Relative => 1,
    };
    let in_each = (profile.schedule.periods.len() as u64).min(duration_s.unsigned_abs() + 1);
    turns.unsigned_abs().saturating_mul(in_each)
}
