//! [`Gap`]: a place in the history where only skips are left.

use alloc::vec::Vec;

use super::{OriginIndex, Position};

/// Positions `start..=end` of the history, all of whose entries are forgotten: one range of seqs for each
/// origin. (An origin's seqs grow along the history, so what it has in a stretch of it is one range.)
///
/// A gap is sent and applied as one: its ranges were interleaved once, and that order is gone. Only adjacent gaps
/// merge. If a skip moved past an entry, it could be applied before something that it depends on, or after something
/// that depends on it.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) start: Position,
    pub(super) end: Position,
    /// The latest position of an entry that superseded one of these; 0 if all were empty.
    pub(super) barrier: Position,
    /// Sorted by origin.
    ranges: Vec<SeqRange>,
}

/// Consecutive updates of one origin, by its place in the history's table of origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeqRange {
    pub(crate) origin: OriginIndex,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl SeqRange {
    pub(crate) fn len(&self) -> u64 {
        self.last - self.first + 1
    }
}

impl Gap {
    pub(super) fn new(start: Position, end: Position, barrier: Position) -> Self {
        Self { start, end, barrier, ranges: Vec::with_capacity(1) }
    }

    pub(super) fn ranges(&self) -> &[SeqRange] {
        &self.ranges
    }

    /// Adds a range, which must continue what there is of its origin on either side. Returns the key
    /// that the index of that origin no longer needs, if the range was joined to another.
    pub(super) fn add(&mut self, range: SeqRange) -> Option<u64> {
        match self.ranges.binary_search_by_key(&range.origin, |range| range.origin) {
            Err(place) => {
                self.ranges.insert(place, range);
                None
            }
            Ok(place) => {
                let there = &mut self.ranges[place];
                debug_assert!(there.last + 1 == range.first || range.last + 1 == there.first);
                let obsolete_key = there.first.max(range.first);
                there.first = there.first.min(range.first);
                there.last = there.last.max(range.last);
                Some(obsolete_key)
            }
        }
    }

    /// Forgets what `floor` covers; the floor is given by origin.
    pub(super) fn trim(&mut self, floor: impl Fn(OriginIndex) -> u64) {
        self.ranges.retain_mut(|range| {
            range.first = range.first.max(floor(range.origin) + 1);
            range.first <= range.last
        });
    }
}
