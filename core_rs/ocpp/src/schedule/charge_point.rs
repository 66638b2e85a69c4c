//! The composite schedule of connector 0: what the charge point as a whole may draw. OCPP 1.6 5.7
//!
//! `min(cap, sum over the connectors of min(limit of the transaction, hardware))`, over connectors with a transaction.
//! In amperes the sum takes the worst case, that all of them load the same phase.

use crate::schedule::composite::{Composite, Source, line};
use crate::schedule::limit::Tenths;
use crate::schedule::merge::{Line, Walk};
use crate::schedule::outline::{Moment, Outline};
use crate::schedule::question::Question;
use crate::schedule::stack::{cap_stack, transaction_stack};
use crate::schedule::timeline::{NoConversion, Segment};

/// The share of one connector in the limit of the charge point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// `None`: no profile is in force, and the rate of the hardware is not known.
    pub limit: Option<Tenths>,
    /// The number of phases of the period in force.
    pub number_phases: Option<u8>,
    /// `Profile`, `Hardware` or `Nothing`.
    pub source: Source,
}

impl Part {
    /// What a transaction may draw: the limit of its stack, but never more than the hardware can.
    pub fn new(segment: Option<&Segment>, hardware: Option<Tenths>) -> Self {
        let number_phases = segment.and_then(|segment| segment.number_phases);
        let allowed = segment.filter(|segment| hardware.is_none_or(|most| segment.limit <= most));
        let (limit, source) = match (allowed, hardware) {
            (Some(segment), _) => (Some(segment.limit), Source::Profile(segment.profile as usize)),
            (None, Some(most)) => (Some(most), Source::Hardware),
            (None, None) => (None, Source::Nothing),
        };
        Self { limit, number_phases, source }
    }
}

/// The connectors' parts at one moment, added up.
struct Sum {
    parts: Vec<Part>,
    known: i64,
    unknown: usize,
    make_up: u32,
}

impl Sum {
    fn of(parts: Vec<Part>) -> Self {
        let known = parts.iter().filter_map(|part| part.limit).map(Tenths::get).sum();
        let unknown = parts.iter().filter(|part| part.limit.is_none()).count();
        Self { parts, known, unknown, make_up: 0 }
    }

    /// Replace a part. Returns whether that changes anything.
    fn replace(&mut self, connector: usize, part: Part) -> bool {
        let former = std::mem::replace(&mut self.parts[connector], part);
        self.known += part.limit.map_or(0, Tenths::get) - former.limit.map_or(0, Tenths::get);
        self.unknown += usize::from(part.limit.is_none());
        self.unknown -= usize::from(former.limit.is_none());
        former != part
    }

    fn limit(&self) -> Option<Tenths> {
        (self.unknown == 0).then_some(Tenths::new(self.known))
    }

    fn source(&self) -> Source {
        if self.parts.is_empty() { Source::Idle } else { Source::Connectors(self.make_up) }
    }

    /// The most phases that a connector uses; not known if one does not say.
    fn number_phases(&self) -> Option<u8> {
        let said: Option<Vec<u8>> = self.parts.iter().map(|part| part.number_phases).collect();
        said?.into_iter().max()
    }
}

pub(crate) fn composite(question: &Question) -> Result<Composite, NoConversion> {
    let all = 1..=question.number_of_connectors;
    let connectors: Vec<u32> = all.filter(|connector| question.transaction(*connector).is_some()).collect();
    let stacks = connectors.iter().map(|connector| transaction_stack(question, *connector));
    let lines = stacks.chain([cap_stack(question)]).map(|stack| line(question, &stack));
    let lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
    let composite = add_up(question, &lines, connectors.len());
    Ok(Composite { connectors, lines, ..composite })
}

/// Add up the lines. `lines`: one for each connector, then that of the cap.
fn add_up(question: &Question, lines: &[Line], cap: usize) -> Composite {
    let hardware = question.hardware.in_unit(question.unit, question.supply);
    let mut outline = Outline::new(question.start_s, lines.iter().map(|line| line.pieces.len()).sum());
    let mut walk = Walk::new(lines);
    let mut sum = Sum::of((0..cap).map(|connector| Part::new(walk.leader(connector), hardware)).collect());
    let mut changed: Vec<usize> = (0..cap).collect();
    let mut now_s = Some(question.start_s);
    while let Some(start_s) = now_s {
        let moment = moment(start_s, &sum, walk.leader(cap));
        let begins = outline.push(&moment);
        match (moment.source, walk.leader(cap)) {
            (Source::Profile(_), _) => {
                let losers = if begins { 0..cap } else { 0..0 };
                for connector in losers.chain(changed.iter().copied()) {
                    if let Some(segment) = walk.leader(connector) {
                        outline.outbid(segment);
                    }
                }
            }
            (_, Some(cap)) => outline.outbid(cap),
            _ => {}
        }
        changed.clear();
        now_s = walk.step(|line| changed.push(line));
        changed.retain(|line| *line < cap);
        let mut differs = false;
        for connector in &changed {
            differs |= sum.replace(*connector, Part::new(walk.leader(*connector), hardware));
        }
        sum.make_up += u32::from(differs);
    }
    outline.finish()
}

fn moment(start_s: i64, sum: &Sum, cap: Option<&Segment>) -> Moment {
    let (limit, source) = match (sum.limit(), cap) {
        (Some(sum), Some(cap)) if cap.limit < sum => (Some(cap.limit), Source::Profile(cap.profile as usize)),
        (Some(limit), _) => (Some(limit), sum.source()),
        (None, Some(cap)) => (Some(cap.limit), Source::Profile(cap.profile as usize)),
        (None, None) => (None, Source::Nothing),
    };
    let number_phases = sum.number_phases().into_iter().chain(cap.and_then(|cap| cap.number_phases)).min();
    Moment { start_s, limit, number_phases, source }
}
