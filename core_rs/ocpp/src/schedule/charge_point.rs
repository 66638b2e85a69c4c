//! The composite schedule of connector 0: what the charge point as a whole may draw. OCPP 1.6 5.7
//!
//! `min(cap, sum over the connectors of min(limit of the transaction, hardware))`, over connectors with a transaction.
//! In amperes the sum takes the worst case, that all of them load the same phase. The limit of a connector is
//! converted with the phases that its transaction and the cap leave, the cap with those of the widest connector.

use crate::schedule::composite::{Composite, Source, line, lowest};
use crate::schedule::limit::Tenths;
use crate::schedule::merge::{Line, Walk};
use crate::schedule::outline::{Moment, Outline};
use crate::schedule::question::Question;
use crate::schedule::stack::{cap_stack, transaction_stack};
use crate::schedule::timeline::{NoConversion, Segment, fewest_phases};

/// The share of one connector in the limit of the charge point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// `None`: no profile is in force, and the rate of the hardware is not known.
    pub limit: Option<Tenths>,
    /// The number of phases that the transaction's period in force names.
    pub number_phases: Option<u8>,
    /// `Profile`, `Hardware` or `Nothing`.
    pub source: Source,
}

impl Part {
    /// What a transaction may draw: the limit of its stack, but never more than the hardware can.
    pub fn new(question: &Question, segment: Option<&Segment>, cap: Option<&Segment>) -> Self {
        let number_phases = segment.and_then(|segment| segment.number_phases);
        let (limit, source) = lowest(question, [segment], fewest_phases(segment.into_iter().chain(cap)));
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
    let mut outline = Outline::new(question.start_s, lines.iter().map(|line| line.pieces.len()).sum());
    let mut walk = Walk::new(lines);
    let part =
        |walk: &Walk<'_>, connector: usize| Part::new(question, walk.leader(connector), walk.leader(cap));
    let mut sum = Sum::of((0..cap).map(|connector| part(&walk, connector)).collect());
    let mut changed: Vec<usize> = (0..cap).collect();
    let mut now_s = Some(question.start_s);
    while let Some(start_s) = now_s {
        let moment = moment(question, start_s, &sum, walk.leader(cap));
        let begins = outline.push(&moment);
        // In a new stretch all of them lost, in an old one those that are new.
        let losers = (0..if begins { cap } else { 0 }).chain(changed.iter().copied());
        note_losers(question, &moment, &walk, losers, &mut outline);
        changed.clear();
        let phases = walk.leader(cap).and_then(|cap| cap.number_phases);
        now_s = walk.step(|line| changed.push(line));
        if walk.leader(cap).and_then(|cap| cap.number_phases) == phases {
            changed.retain(|line| *line < cap);
        } else {
            // Each part is converted again.
            changed = (0..cap).collect();
        }
        let mut differs = false;
        for connector in &changed {
            differs |= sum.replace(*connector, part(&walk, *connector));
        }
        sum.make_up += u32::from(differs);
    }
    outline.finish()
}

/// Note the profiles that led their stacks and did not set the limit. `connectors`: those to look at if a cap set it.
fn note_losers(
    question: &Question,
    moment: &Moment,
    walk: &Walk<'_>,
    connectors: impl Iterator<Item = usize>,
    outline: &mut Outline,
) {
    let cap = walk.leader(walk.last());
    match (moment.source, cap) {
        (Source::Profile(_), _) => {
            for connector in connectors {
                if let Some(segment) = walk.leader(connector) {
                    let number_phases = fewest_phases([segment].into_iter().chain(cap));
                    outline.outbid(segment, question.amount(segment, number_phases));
                }
            }
        }
        (_, Some(cap)) => outline.outbid(cap, question.amount(cap, moment.number_phases)),
        _ => {}
    }
}

fn moment(question: &Question, start_s: i64, sum: &Sum, cap: Option<&Segment>) -> Moment {
    let number_phases = sum.number_phases().into_iter().chain(cap.and_then(|cap| cap.number_phases)).min();
    let cap = cap.map(|cap| (question.amount(cap, number_phases), Source::Profile(cap.profile as usize)));
    let (limit, source) = match (sum.limit(), cap) {
        (Some(sum), Some((limit, source))) if limit < sum => (Some(limit), source),
        (Some(limit), _) => (Some(limit), sum.source()),
        (None, Some((limit, source))) => (Some(limit), source),
        (None, None) => (None, Source::Nothing),
    };
    Moment { start_s, limit, number_phases, source }
}
