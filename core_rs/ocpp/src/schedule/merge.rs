//! The merge of one stack: which of many overlapping segments leads at each moment.
//!
//! Waiting segments are kept by rank, with a bit for each rank that has one. A segment that has ended is dropped when it
//! comes to the top. The segments of one rank belong to one profile, and one of them is in force at a time, so one
//! place for each rank is enough.

use crate::schedule::timeline::{Segment, Span};

/// A piece of the span: one segment leads in it, until the next piece begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First second of the piece.
    pub start_s: i64,
    /// Index of the leading segment; `None`: nothing is in force.
    pub leader: Option<usize>,
}

/// The leaders over the whole span.
///
/// | moment | what happens |
/// |---|---|
/// | a segment starts and its rank is above the leader's | it leads; the former leader waits |
/// | a segment starts and its rank is below | it waits |
/// | the leader ends | the highest waiting segment that has not ended leads, if there is one |
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Sorted by start.
    pub segments: Vec<Segment>,
    /// The pieces in order of time, the first one at the start of the span. Leaders of neighbours differ.
    pub pieces: Vec<Piece>,
}

impl Line {
    /// Merge segments that lie inside the span.
    pub fn merge(mut segments: Vec<Segment>, span: &Span) -> Self {
        // Unstable: the order of segments that start together makes no difference.
        segments.sort_unstable_by_key(|segment| segment.start_s);
        let mut pieces = Vec::with_capacity(segments.len() + 1);
        let mut waiting = Waiting::new(&segments);
        let mut next = 0;
        let mut now_s = span.start_s;
        while now_s < span.end_s {
            while let Some(segment) = segments.get(next).filter(|segment| segment.start_s <= now_s) {
                waiting.put(segment.rank, next);
                next += 1;
            }
            let leader = waiting.highest(|place| segments[place].end_s > now_s);
            pieces.push(Piece { start_s: now_s, leader });
            let (rank, mut end_s) = leader
                .map_or((None, span.end_s), |place| (Some(segments[place].rank), segments[place].end_s));
            while let Some(segment) = segments.get(next).filter(|segment| segment.start_s < end_s) {
                if Some(segment.rank) > rank {
                    end_s = segment.start_s;
                    break;
                }
                waiting.put(segment.rank, next);
                next += 1;
            }
            now_s = end_s;
        }
        Self { segments, pieces }
    }

    /// When each piece starts.
    pub fn starts(&self) -> impl Iterator<Item = i64> {
        self.pieces.iter().map(|piece| piece.start_s)
    }

    /// The segment that leads in a piece.
    pub fn leader(&self, piece: usize) -> Option<&Segment> {
        self.pieces[piece].leader.map(|place| &self.segments[place])
    }

    /// The segment that leads at a moment of the span.
    pub fn leader_at(&self, moment_s: i64) -> Option<&Segment> {
        self.leader(self.pieces.partition_point(|piece| piece.start_s <= moment_s).saturating_sub(1))
    }
}

/// The segments that have started and wait, at most one for each rank.
struct Waiting {
    /// The index of the waiting segment of each rank; valid where the bit is set.
    places: Vec<usize>,
    bits: Vec<u64>,
}

impl Waiting {
    fn new(segments: &[Segment]) -> Self {
        let ranks = segments.iter().map(|segment| segment.rank as usize + 1).max().unwrap_or(0);
        Self { places: vec![0; ranks], bits: vec![0; ranks.div_ceil(64)] }
    }

    /// Add a waiting segment. It replaces an earlier one of its profile, which has ended when this one can lead.
    fn put(&mut self, rank: u32, place: usize) {
        let rank = rank as usize;
        self.places[rank] = place;
        self.bits[rank / 64] |= 1 << (rank % 64);
    }

    /// The segment in force with the highest rank. Segments above it have ended and are dropped.
    fn highest(&mut self, in_force: impl Fn(usize) -> bool) -> Option<usize> {
        for (word, bits) in self.bits.iter_mut().enumerate().rev() {
            while let Some(bit) = bits.checked_ilog2() {
                let place = self.places[word * 64 + bit as usize];
                if in_force(place) {
                    return Some(place);
                }
                *bits ^= 1 << bit;
            }
        }
        None
    }
}

/// Walks several lines together, from one moment at which any of them changes to the next.
pub(crate) struct Walk<'l> {
    lines: &'l [Line],
    /// Piece of each line that holds now.
    places: Vec<usize>,
    changes: Vec<(i64, usize)>,
    next: usize,
}

impl<'l> Walk<'l> {
    /// Start at the beginning of the lines. There is at least one.
    pub fn new(lines: &'l [Line]) -> Self {
        let starts = lines
            .iter()
            .enumerate()
            .flat_map(|(number, line)| line.pieces.iter().skip(1).map(move |piece| (piece.start_s, number)));
        let mut changes: Vec<(i64, usize)> = starts.collect();
        changes.sort_by_key(|(start_s, _)| *start_s);
        Self { lines, places: vec![0; lines.len()], changes, next: 0 }
    }

    /// Index of the last line.
    pub fn last(&self) -> usize {
        self.lines.len() - 1
    }

    /// The segment that leads in a line now.
    pub fn leader(&self, line: usize) -> Option<&'l Segment> {
        self.lines[line].leader(self.places[line])
    }

    /// Go to the next moment at which lines change, and name each of them. `None` at the end.
    pub fn step(&mut self, mut changed: impl FnMut(usize)) -> Option<i64> {
        let (now_s, _) = *self.changes.get(self.next)?;
        while let Some((_, line)) = self.changes.get(self.next).filter(|(start_s, _)| *start_s == now_s) {
            self.places[*line] += 1;
            changed(*line);
            self.next += 1;
        }
        Some(now_s)
    }
}
