//! The merge of one stack: of many segments that overlap, which one leads at each instant.
//!
//! | moment | what happens |
//! |---|---|
//! | a segment starts and its rank is above the leader's | it leads; the former leader waits beneath |
//! | a segment starts and its rank is below | it waits beneath |
//! | the leader ends | the highest that waits and has not ended leads; if none does, nobody |
//!
//! Segments that wait lie in a heap by rank, and one that has ended is thrown away when it comes to the top. So each
//! segment costs one place in the sorting and one in the heap: `O(B log B)` for `B` segments.

use std::collections::BinaryHeap;

use crate::schedule::timeline::{Segment, Span};

/// From here to the next piece, this segment leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First second.
    pub start_s: i64,
    /// Place in the segments; `None`: nothing is in force.
    pub leader: Option<usize>,
}

/// Who leads over the whole span.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Sorted by start.
    pub segments: Vec<Segment>,
    /// In order of time, the first one at the start of the span. Leaders of neighbours differ.
    pub pieces: Vec<Piece>,
}

impl Line {
    /// Merge segments that lie inside the span.
    pub fn merge(mut segments: Vec<Segment>, span: &Span) -> Self {
        // Stable, for it finds the runs in which the profiles came and merely merges them.
        segments.sort_by_key(|segment| segment.start_s);
        let mut pieces = Vec::with_capacity(segments.len() + 1);
        let mut waiting: BinaryHeap<(u32, usize)> = BinaryHeap::with_capacity(16);
        let mut next = 0;
        let mut now_s = span.start_s;
        while now_s < span.end_s {
            while let Some(segment) = segments.get(next).filter(|segment| segment.start_s <= now_s) {
                waiting.push((segment.rank, next));
                next += 1;
            }
            while waiting.peek().is_some_and(|(_, place)| segments[*place].end_s <= now_s) {
                waiting.pop();
            }
            let leader = waiting.peek().copied();
            pieces.push(Piece { start_s: now_s, leader: leader.map(|(_, place)| place) });
            let (rank, mut end_s) =
                leader.map_or((None, span.end_s), |(rank, place)| (Some(rank), segments[place].end_s));
            while let Some(segment) = segments.get(next).filter(|segment| segment.start_s < end_s) {
                if Some(segment.rank) > rank {
                    end_s = segment.start_s;
                    break;
                }
                waiting.push((segment.rank, next));
                next += 1;
            }
            now_s = end_s;
        }
        Self { segments, pieces }
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

/// Walks several lines side by side: at each moment where any of them changes, which ones do.
pub(crate) struct Walk<'l> {
    lines: &'l [Line],
    /// Piece of each line that holds now.
    places: Vec<usize>,
    changes: Vec<(i64, usize)>,
    next: usize,
}

impl<'l> Walk<'l> {
    /// A walk from the start of the lines, of which there is one at least.
    pub fn new(lines: &'l [Line]) -> Self {
        let starts = lines
            .iter()
            .enumerate()
            .flat_map(|(number, line)| line.pieces.iter().skip(1).map(move |piece| (piece.start_s, number)));
        let mut changes: Vec<(i64, usize)> = starts.collect();
        changes.sort_by_key(|(start_s, _)| *start_s);
        Self { lines, places: vec![0; lines.len()], changes, next: 0 }
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
