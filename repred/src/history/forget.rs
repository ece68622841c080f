//! Forgetting single entries: what has expired leaves its place behind, in a gap.
//!
//! An update expires when a later one has superseded it, or when it turned out to be empty. Its payload goes at once, or
//! when enough of its segment has expired; its seq has to stay accounted for, or a peer would take the hole for a loss.
//!
//! A skip of a superseded update stands for an effect that comes later in the history, with the entry that superseded
//! it. If a peer got the skip, and the link broke before that entry, the peer would claim an update whose effect it
//! lacks, and two replicas of equal version would differ for good. So each place remembers, as its *barrier*, the
//! position of the entry that made it expire, and a peer that gets the skip must get all up to there with it. Gaps that
//! merge keep the later barrier: reaching further than needed costs a longer block, reaching less far costs convergence.

use alloc::{boxed::Box, vec::Vec};

use super::{
    History, OriginIndex, Position, SeqRange,
    gap::Gap,
    segment::Segment,
    span::{Single, Span},
};
use crate::stamp::Dot;

impl History {
    pub(crate) fn keep_everything(&mut self) {
        self.keeps_everything = true;
    }

    pub(crate) fn keeps_everything(&self) -> bool {
        self.keeps_everything
    }

    /// Forgets an update that the entry at `namer` superseded. Nothing happens if it is not here.
    pub(crate) fn expire(&mut self, dot: Dot, namer: Position) {
        if self.keeps_everything {
            return;
        }
        if let Some(origin) = self.origin(dot.origin) {
            self.release();
            self.expire_at(origin, dot.seq, namer);
        }
    }

    pub(super) fn expire_at(&mut self, origin: OriginIndex, seq: u64, namer: Position) {
        let Some(place) = self.place(origin, seq) else {
            return;
        };
        // An update that names its own dot as superseded is ignored: its entry was appended just now.
        if place.position == namer {
            return;
        }
        if self.is_pinned(place.position) {
            self.pending.push((origin, seq, namer));
            return;
        }
        self.mark_if_last(origin, seq);
        if place.span == self.open.start() && !self.open.is_empty() {
            if !self.open.is_expired(place.slot) {
                self.open.expire(place.slot, namer);
            }
            return;
        }
        match self.spans.get_mut(&place.span) {
            Some(Span::Segment(segment)) => {
                if segment.is_expired(place.slot) {
                    return;
                }
                segment.expire(place.slot, namer);
                if segment.is_sparse() {
                    self.shrink(place.span);
                } else {
                    segment.compact();
                }
            }
            Some(span @ Span::Entry(_)) => {
                let mut gap = Gap::new(place.span, place.span, namer);
                gap.add(SeqRange { origin, first: seq, last: seq });
                *span = Span::Gap(Box::new(gap));
                self.merge_with_after(place.span);
                self.merge_with_before(place.span);
            }
            Some(Span::Gap(_)) | None => {}
        }
    }

    /// Gives back the memory of what has expired in a segment.
    pub(super) fn shrink(&mut self, start: Position) {
        let Some(Span::Segment(segment)) = self.spans.get_mut(&start) else {
            return;
        };
        if !segment.is_sparse() {
            segment.compact();
            return;
        }
        if let Some(Span::Segment(segment)) = self.spans.remove(&start) {
            if self.is_cut(&segment) {
                self.spans.insert(start, Span::Segment(segment));
            } else {
                self.split(&segment);
            }
        }
    }

    /// Puts single entries and gaps in the place of a segment.
    pub(super) fn split(&mut self, segment: &Segment) {
        for (origin, first) in segment.firsts() {
            self.origins[origin as usize].index.remove(&first);
        }
        let mut gap: Option<Gap> = None;
        let mut gaps = Vec::new();
        for run in segment.runs() {
            let position = segment.start() + run.slot as u64;
            let floor = self.origins[run.origin as usize].floor;
            let last_seq = run.first_seq + run.len as u64 - 1;
            if run.expired {
                let gap =
                    gap.get_or_insert_with(|| Gap::new(position, position, segment.barrier()));
                gap.end = position + run.len as u64 - 1;
                let first = run.first_seq.max(floor + 1);
                if first <= last_seq {
                    gap.add(SeqRange { origin: run.origin, first, last: last_seq });
                }
                continue;
            }
            gaps.extend(self.insert_gap(gap.take()));
            for offset in 0..run.len {
                let single = Single {
                    position: position + offset as u64,
                    origin: run.origin,
                    seq: run.first_seq + offset as u64,
                    time: segment.time(run.slot + offset),
                    payload: segment.payload(run.slot + offset).into(),
                };
                let index = &mut self.origins[run.origin as usize].index;
                index.insert(single.seq, single.position);
                self.spans.insert(single.position, Span::Entry(Box::new(single)));
            }
        }
        gaps.extend(self.insert_gap(gap));
        // The inner ones have entries on both sides; only the outer ones can have neighbours.
        if let Some(&last) = gaps.last() {
            self.merge_with_after(last);
        }
        if let Some(&first) = gaps.first() {
            self.merge_with_before(first);
        }
    }

    fn insert_gap(&mut self, gap: Option<Gap>) -> Option<Position> {
        let gap = gap.filter(|gap| !gap.ranges().is_empty())?;
        let start = gap.start;
        for range in gap.ranges() {
            self.origins[range.origin as usize].index.insert(range.first, start);
        }
        self.spans.insert(start, Span::Gap(Box::new(gap)));
        self.forget_edits(start);
        Some(start)
    }

    pub(super) fn merge_with_after(&mut self, start: Position) {
        let after = self
            .spans
            .range(start + 1..)
            .next()
            .filter(|(_, span)| matches!(span, Span::Gap(_)))
            .map(|(&after, _)| after);
        if let Some(after) = after {
            self.merge_with_before(after);
        }
    }

    /// Makes one gap of the gap at `start` and the span before it, if that is a gap too.
    pub(super) fn merge_with_before(&mut self, start: Position) {
        let Some((&before, Span::Gap(left))) = self.spans.range(..start).next_back() else {
            return;
        };
        let left_end = left.end;
        if !matches!(self.spans.get(&start), Some(Span::Gap(_))) || self.divides(left_end, start) {
            return;
        }
        let (Some(Span::Gap(mut small)), Some(Span::Gap(large))) =
            (self.spans.remove(&start), self.spans.get_mut(&before))
        else {
            unreachable!("both spans were just seen to be gaps");
        };
        let (end, barrier) = (small.end, large.barrier.max(small.barrier));
        // The smaller into the larger, so that a gap of many origins does not pay for each new skip.
        if large.ranges().len() < small.ranges().len() {
            core::mem::swap(large, &mut small);
        }
        for &range in small.ranges() {
            if let Some(key) = large.add(range) {
                self.origins[range.origin as usize].index.remove(&key);
            }
        }
        (large.start, large.end, large.barrier) = (before, end, barrier);
        self.forget_edits(before);
    }

    /// Forgets the edits that lie wholly in a gap: it is applied as one anyway.
    fn forget_edits(&mut self, start: Position) {
        if self.edits.is_empty() {
            return;
        }
        let Some(Span::Gap(gap)) = self.spans.get(&start) else {
            return;
        };
        let inside = self.edits.range(gap.start..=gap.end);
        let inside: Vec<_> =
            inside.filter(|(_, edit)| edit.last <= gap.end).map(|(&first, _)| first).collect();
        for first in inside {
            self.edits.remove(&first);
        }
    }
}
