//! Builds a composite schedule from one moment to the next: equal neighbours are joined (C13).

use crate::schedule::composite::{Composite, CompositePeriod, Outbid, Source, Stretch};
use crate::schedule::limit::Tenths;
use crate::schedule::timeline::Segment;

/// A moment, and the limit from then on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Seconds since 1970.
    pub start_s: i64,
    pub limit: Option<Tenths>,
    pub number_phases: Option<u8>,
    pub source: Source,
}

/// A composite schedule that is being built.
pub(crate) struct Outline {
    start_s: i64,
    composite: Composite,
}

impl Outline {
    /// Start a schedule at `start_s`. `pieces`: how many moments may come.
    pub fn new(start_s: i64, pieces: usize) -> Self {
        let composite = Composite {
            periods: Vec::with_capacity(pieces),
            stretches: Vec::with_capacity(pieces),
            ..Composite::default()
        };
        Self { start_s, composite }
    }

    /// Add the next moment, later than all before it. Returns whether it begins a stretch.
    pub fn push(&mut self, moment: &Moment) -> bool {
        let Composite { periods, stretches, .. } = &mut self.composite;
        let start_s = moment.start_s - self.start_s;
        let same_limit = periods
            .last()
            .is_some_and(|last| (last.limit, last.number_phases) == (moment.limit, moment.number_phases));
        if same_limit && stretches.last().is_some_and(|last| last.source == moment.source) {
            return false;
        }
        if !same_limit {
            let Moment { limit, number_phases, .. } = *moment;
            periods.push(CompositePeriod { start_s, limit, number_phases });
        }
        stretches.push(Stretch { start_s, period: periods.len() - 1, source: moment.source });
        true
    }

    /// Note that this segment led its stack in the current stretch and did not set the limit. `limit`: its own.
    pub fn outbid(&mut self, loser: &Segment, limit: Tenths) {
        let Composite { stretches, outbid, .. } = &mut self.composite;
        let (stretch, profile) = (stretches.len() - 1, loser.profile as usize);
        let repeated = outbid.last().is_some_and(|last| (last.stretch, last.profile) == (stretch, profile));
        if !repeated {
            outbid.push(Outbid { stretch, profile, limit });
        }
    }

    /// Return the finished schedule.
    pub fn finish(self) -> Composite {
        self.composite
    }
}
