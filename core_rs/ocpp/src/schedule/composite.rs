//! The composite schedule of one connector. OCPP 1.6 3.13.3, 5.7
//!
//! It is the lowest one of the limit of the transaction's stack, the cap of the charge point, and the rate of the
//! hardware. Phases are merged first, then units: each limit in the other unit is converted with the fewest phases that
//! a period in force names. In the stack of the transaction every `TxProfile` ranks above every `TxDefaultProfile`, so
//! that one merge serves both purposes. `charge_point` adds the connectors up.

use crate::schedule::charge_point;
use crate::schedule::limit::Tenths;
use crate::schedule::merge::{Line, Walk};
use crate::schedule::outline::{Moment, Outline};
use crate::schedule::question::Question;
use crate::schedule::stack::{Stack, cap_stack, transaction_stack};
use crate::schedule::timeline::{NoConversion, Segment, Span, fewest_phases, lay_out};

/// The source of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The profile in that place of `Question::installed`.
    Profile(usize),
    /// The greatest rate of the hardware, which is below each profile in force (C10).
    Hardware,
    /// The sum over the connectors. Two sums with different parts have different numbers.
    Connectors(u32),
    /// No connector has a transaction, so nothing is drawn.
    Idle,
    /// No profile is in force, and the greatest rate of the hardware is not known.
    Nothing,
}

/// A limit that holds until the next period starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompositePeriod {
    /// Seconds after the start of the answer.
    pub start_s: i64,
    /// The limit in the unit of the question; `None`: not known.
    pub limit: Option<Tenths>,
    /// The lowest number of phases that a period in force names.
    pub number_phases: Option<u8>,
}

/// A stretch of time, in one period, in which the limit has one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Seconds after the start of the answer.
    pub start_s: i64,
    /// Index of its period in `Composite::periods`.
    pub period: usize,
    /// The source of the limit.
    pub source: Source,
}

/// A profile that led its stack in a stretch, but whose limit was not the lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outbid {
    /// Index of the stretch in `Composite::stretches`.
    pub stretch: usize,
    /// Index of the profile in `Question::installed`.
    pub profile: usize,
    /// The limit of the profile.
    pub limit: Tenths,
}

/// A composite schedule, as the answer to a question.
#[derive(Debug, Default)]
pub struct Composite {
    /// The first one starts at 0, starts rise strictly, neighbours differ in limit or phases (C13).
    pub periods: Vec<CompositePeriod>,
    /// The stretches in order of time. Each period has at least one.
    pub stretches: Vec<Stretch>,
    pub(crate) outbid: Vec<Outbid>,
    /// With connector 0: the connectors that are added up.
    pub(crate) connectors: Vec<u32>,
    /// The leaders on each connector of the question, then the leaders of the caps.
    pub(crate) lines: Vec<Line>,
}

/// Merge what is installed into the schedule that the question asks for.
///
/// # Errors
/// A profile is in another unit than the answer, and the current is direct.
pub fn composite(question: &Question) -> Result<Composite, NoConversion> {
    if question.connector_id == 0 {
        return charge_point::composite(question);
    }
    let transaction = line(question, &transaction_stack(question, question.connector_id))?;
    let cap = line(question, &cap_stack(question))?;
    let mut outline = Outline::new(question.start_s, transaction.pieces.len() + cap.pieces.len());
    let lines = [transaction, cap];
    let mut walk = Walk::new(&lines);
    let mut now_s = Some(question.start_s);
    while let Some(start_s) = now_s {
        let (transaction, cap) = (walk.leader(0), walk.leader(1));
        let number_phases = fewest_phases(transaction.into_iter().chain(cap));
        let (limit, source) = lowest(question, [transaction, cap], number_phases);
        outline.push(&Moment { start_s, limit, number_phases, source });
        for loser in transaction.into_iter().chain(cap) {
            if source != Source::Profile(loser.profile as usize) {
                outline.outbid(loser, question.amount(loser, number_phases));
            }
        }
        now_s = walk.step(|_| {});
    }
    let composite = outline.finish();
    Ok(Composite { lines: lines.into(), ..composite })
}

/// The lowest one of the limits and the rate of the hardware. Of equal ones the first is the source, the hardware last.
pub(crate) fn lowest<'s>(
    question: &Question,
    in_force: impl IntoIterator<Item = Option<&'s Segment>>,
    number_phases: Option<u8>,
) -> (Option<Tenths>, Source) {
    let of = |segment: &Segment| {
        (question.amount(segment, number_phases), Source::Profile(segment.profile as usize))
    };
    let hardware = question.rate(number_phases).map(|rate| (rate, Source::Hardware));
    let limits = in_force.into_iter().flatten().map(of).chain(hardware);
    match limits.min_by_key(|(limit, _)| *limit) {
        Some((limit, source)) => (Some(limit), source),
        None => (None, Source::Nothing),
    }
}

/// The leaders of a stack over the span of the question.
pub(crate) fn line(question: &Question, stack: &Stack) -> Result<Line, NoConversion> {
    let span = Span::of(question);
    let mut segments = Vec::with_capacity(stack.members.len() * 4);
    for (rank, place) in (0_u32..).zip(&stack.members) {
        let profile = &question.installed[*place as usize].profile;
        lay_out(profile, *place, rank, stack.transaction_start_s, &span, &mut segments)?;
    }
    Ok(Line::merge(segments, &span))
}
