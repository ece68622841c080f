//! Forgetting what a snapshot stands for.

use alloc::{boxed::Box, vec::Vec};

use super::{
    History, Marked, OriginIndex, Position, SeqRange,
    segment::{Run, Segment},
    span::Span,
};
use crate::{
    seen::Seen,
    stamp::{Dot, Stamp},
    version::VersionVector,
};

/// What remains of a history beyond a version; see [`History::split_off`].
#[derive(Debug)]
pub(crate) enum Leftover {
    Entry(Stamp, Box<[u8]>),
    Skip(Vec<(Dot, u64)>),
    /// Updates of one edit: the first, and how many.
    Edit(Dot, u64),
}

impl History {
    /// Forgets all entries up to a version, which becomes the floor.
    pub(crate) fn trim(&mut self, floor: &VersionVector) {
        let rises = |(id, seq)| {
            self.origin(id).is_some_and(|index| self.origins[index as usize].floor < seq)
        };
        if !floor.iter().any(rises) {
            return;
        }
        // First, while gaps still hold what they held: sealing may merge some.
        self.seal();
        for (id, seq) in floor.iter() {
            let index = self.intern(id);
            self.mark_if_last(index, seq);
            let index = index as usize;
            let origin = &mut self.origins[index];
            debug_assert!(seq <= origin.last);
            origin.floor = origin.floor.max(seq);
        }
        self.generation += 1;
        let starts: Vec<_> = self.spans.keys().copied().collect();
        for &start in &starts {
            self.trim_span(start);
        }
        // Only now, when no gap holds what is trimmed: what shrinks may merge with its neighbours.
        for start in starts {
            self.shrink(start);
        }
        for origin in &mut self.origins {
            // The key at or below the floor may be that of a span which reaches beyond it.
            let keep = origin.index.range(..=origin.floor + 1).next_back().map(|(&key, _)| key);
            origin.index = origin.index.split_off(&keep.unwrap_or(0));
            if origin.last == origin.floor {
                origin.index.clear();
            }
        }
        let origins = &self.origins;
        self.edits.retain(|_, edit| edit.range.last > origins[edit.range.origin as usize].floor);
    }

    /// Trims all that was seen, also what is not here.
    pub(crate) fn stand_for(&mut self, seen: &Seen) {
        for head in seen.heads() {
            let index = self.intern(head.id);
            self.mark_last(index);
            let ours = self.last(index);
            self.origins[index as usize].last = ours.max(head.seq);
            self.learn(head, ours);
        }
        self.trim(&seen.version());
    }

    fn trim_span(&mut self, start: Position) {
        let origins = &self.origins;
        let floor = |origin: OriginIndex| origins[origin as usize].floor;
        let Some(span) = self.spans.get_mut(&start) else {
            return;
        };
        let is_folded = match span {
            Span::Entry(single) => single.seq <= floor(single.origin),
            Span::Gap(gap) => {
                let firsts: Vec<_> = gap.ranges().iter().map(|r| (r.origin, r.first)).collect();
                gap.trim(floor);
                let (start, ranges) = (gap.start, gap.ranges().to_vec());
                for (origin, first) in firsts {
                    self.origins[origin as usize].index.remove(&first);
                }
                for range in &ranges {
                    self.origins[range.origin as usize].index.insert(range.first, start);
                }
                ranges.is_empty()
            }
            Span::Segment(segment) => {
                let mut trimmed = 0;
                let mut slot = 0;
                while slot < segment.len() {
                    let Run { len, origin, first_seq, expired, .. } = segment.run(slot);
                    let below = (floor(origin) + 1).saturating_sub(first_seq).min(len as u64);
                    trimmed += below as usize;
                    if !expired {
                        (slot..slot + below as usize).for_each(|slot| segment.expire(slot, 0));
                    }
                    slot += len;
                }
                trimmed == segment.len()
            }
        };
        if is_folded {
            self.spans.remove(&start);
        }
    }

    /// Takes out everything that `version` does not cover, in order, and leaves a history that is trimmed
    /// at `version` and has nothing beyond it.
    pub(crate) fn split_off(&mut self, version: &VersionVector) -> Vec<Leftover> {
        self.seal();
        let (end, generation, numbering) = (self.end(), self.generation + 1, self.numbering + 1);
        let mut old = core::mem::replace(self, Self::new());
        self.open = Segment::new(end);
        (self.generation, self.numbering) = (generation, numbering);
        (self.keeps_everything, self.document) = (old.keeps_everything, old.document);
        // What an author had seen stays true, and the origins keep their places.
        self.causality = core::mem::take(&mut old.causality);
        self.causality.forget_writer();
        for (was, origin) in (0..).zip(&old.origins) {
            let index = self.intern(origin.id) as usize;
            self.origins[index].epochs = origin.epochs.clone();
            self.origins[index].marked =
                Marked { seq: origin.last, mark: old.mark(was, origin.last).unwrap_or_default() };
            // Carry over an origin's latest time only if all its entries are covered by `version`. Otherwise its
            // remaining entries are pushed again, and set the time.
            if origin.last <= version.seq(origin.id) {
                self.origins[index].latest = origin.latest;
            }
        }
        for (id, seq) in version.iter() {
            let index = self.intern(id) as usize;
            (self.origins[index].last, self.origins[index].floor) = (seq, seq);
        }
        let spans = core::mem::take(&mut old.spans);
        let mut leftovers: Vec<_> =
            spans.into_values().flat_map(|span| old.leftovers(span, version)).collect();
        let edits = old.edits.values().map(|edit| edit.range);
        let edits = edits.filter(|range| range.last > version.seq(old.id(range.origin)));
        leftovers.extend(
            edits.map(|range| {
                Leftover::Edit(Dot::new(old.id(range.origin), range.first), range.len())
            }),
        );
        leftovers
    }

    /// A history without anything, whose positions come after all of this one's.
    pub(crate) fn successor(&self) -> Self {
        let mut next = Self::new();
        next.open = Segment::new(self.end());
        (next.generation, next.numbering) = (self.generation + 1, self.numbering + 1);
        (next.keeps_everything, next.document) = (self.keeps_everything, self.document);
        next
    }

    /// The edits that have something beyond a version: the first update, and the last seq.
    pub(crate) fn edits_beyond(&self, version: &VersionVector) -> Vec<(Dot, u64)> {
        let ranges = self.edits.values().map(|edit| edit.range);
        let named = ranges.map(|range| (Dot::new(self.id(range.origin), range.first), range.last));
        named.filter(|&(first, last)| last > version.seq(first.origin)).collect()
    }

    fn leftovers(&self, span: Span, version: &VersionVector) -> Vec<Leftover> {
        let covered = |origin, seq| seq <= version.seq(self.id(origin));
        let skip = |ranges: &[SeqRange]| {
            let ranges: Vec<_> = ranges
                .iter()
                .filter(|range| !covered(range.origin, range.last))
                .map(|range| {
                    let id = self.id(range.origin);
                    let first = range.first.max(version.seq(id) + 1);
                    (Dot::new(id, first), range.last - first + 1)
                })
                .collect();
            (!ranges.is_empty()).then_some(Leftover::Skip(ranges))
        };
        match span {
            Span::Gap(gap) => skip(gap.ranges()).into_iter().collect(),
            Span::Entry(single) if covered(single.origin, single.seq) => Vec::new(),
            Span::Entry(single) => {
                let stamp = Stamp::new(single.time, self.id(single.origin), single.seq);
                vec![Leftover::Entry(stamp, single.payload)]
            }
            Span::Segment(segment) => {
                let mut leftovers = Vec::new();
                for run in segment.runs() {
                    let Run { slot, len, origin, first_seq: first, expired } = run;
                    if expired {
                        let last = first + len as u64 - 1;
                        leftovers.extend(skip(&[SeqRange { origin, first, last }]));
                        continue;
                    }
                    let live = (0..len).filter(|&i| !covered(origin, first + i as u64));
                    leftovers.extend(live.map(|i| {
                        let time = segment.time(slot + i);
                        let stamp = Stamp::new(time, self.id(origin), first + i as u64);
                        Leftover::Entry(stamp, segment.payload(slot + i).into())
                    }));
                }
                leftovers
            }
        }
    }

    /// Forgets what is known of the content of what was here: all of it was given up, and what comes may be of another
    /// content.
    pub(crate) fn forget_content(&mut self) {
        for origin in &mut self.origins {
            (origin.epochs, origin.marked) = Default::default();
        }
    }

    /// Makes everything up to now the barrier of every skip: the end of the history is always safe.
    pub(crate) fn raise_barriers(&mut self) {
        let last = self.end() - 1;
        for span in self.spans.values_mut() {
            if let Span::Gap(gap) = span {
                gap.barrier = last;
            }
        }
    }
}
