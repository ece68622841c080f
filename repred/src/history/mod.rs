//! [`History`]: the entries that are kept to bring others up to date, as encoded bytes.
//!
//! Entries stand in the order in which this replica took them in, each at a *position*. What can no
//! longer matter is forgotten: its payload goes, its place becomes part of a gap. Three kinds of span
//! cover the positions:
//!
//! ```text
//!  position  1 ────────── 1024 │ 1025 ─ 1200 │ 1201  │ 1202 ─ 1411 │ 1412 ─▶
//!            a segment         │ a gap       │ entry │ a gap       │ the open segment
//! ```
//!
//! Each origin has an index from seq to position, one key a span, so that what a peer lacks is found
//! without a look at what it has.

mod segment;
mod gap;
mod pin;
mod causality;
mod cursor;
mod trim;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Weak};

use self::{causality::Causality, gap::Gap, segment::Segment};
pub(crate) use self::{
    causality::Dependency,
    cursor::{Cursor, Entries, Frontier, Missing, Skip},
    gap::SeqRange,
    pin::Pin,
    trim::Leftover,
};
use crate::{id::ReplicaId, stamp::Dot, time::Time, version::VersionVector};

/// A place in this replica's history. Positions grow, are never reused, and mean nothing elsewhere; 0 is
/// before all of them.
pub(crate) type Position = u64;

/// The place of an origin in the history's table of origins.
pub(crate) type OriginIndex = u32;

#[derive(Debug)]
pub(crate) struct History {
    origins: Vec<Origin>,
    by_id: BTreeMap<ReplicaId, OriginIndex>,
    /// The origin of the latest entry.
    latest: OriginIndex,
    /// All but the open segment, by their first position.
    spans: BTreeMap<Position, Span>,
    open: Segment,
    /// Edits of several updates, by their first position.
    edits: BTreeMap<Position, Edit>,
    pins: Vec<(Weak<()>, RangeInclusive<Position>)>,
    /// What would have been forgotten but for a pin, and by whose naming.
    deferred: Vec<(OriginIndex, u64, Position)>,
    /// Counts how often entries were taken out, so that cursors know when to look again.
    generation: u64,
    /// Counts how often all was taken out, so that no position means what it meant.
    epoch: u64,
    /// Nothing is forgotten here.
    keeps_everything: bool,
    /// What the authors of the entries had seen, if nothing is forgotten here.
    causality: Causality,
}

#[derive(Debug)]
struct Origin {
    id: ReplicaId,
    /// The seq of the last entry.
    last: u64,
    /// Entries up to this seq are trimmed.
    floor: u64,
    /// The largest time of an entry.
    latest: Time,
    /// From the first seq of this origin in a span to some position in that span.
    index: BTreeMap<u64, Position>,
    /// The start of the last open segment for which the index has a key.
    indexed_segment: Position,
}

#[derive(Debug)]
enum Span {
    Segment(Box<Segment>),
    Entry(Box<Single>),
    Gap(Box<Gap>),
}

/// An entry that survived its segment.
#[derive(Debug)]
struct Single {
    position: Position,
    origin: OriginIndex,
    seq: u64,
    time: Time,
    payload: Box<[u8]>,
}

/// Several updates of one origin that are taken in together or not at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit {
    pub(crate) range: SeqRange,
    last: Position,
}

impl History {
    pub(crate) fn new() -> Self {
        Self {
            origins: Vec::new(),
            by_id: BTreeMap::new(),
            latest: 0,
            spans: BTreeMap::new(),
            open: Segment::new(1),
            edits: BTreeMap::new(),
            pins: Vec::new(),
            deferred: Vec::new(),
            generation: 0,
            epoch: 0,
            keeps_everything: false,
            causality: Causality::default(),
        }
    }

    // ---- origins ----

    /// The place of an origin in the table, which it gets if it has none.
    #[inline]
    pub(crate) fn intern(&mut self, id: ReplicaId) -> OriginIndex {
        if let Some(index) = self.origin(id) {
            return index;
        }
        let index = self.origins.len() as OriginIndex;
        self.by_id.insert(id, index);
        self.origins.push(Origin {
            id,
            last: 0,
            floor: 0,
            latest: Time::ZERO,
            index: BTreeMap::new(),
            indexed_segment: 0,
        });
        index
    }

    #[inline]
    pub(crate) fn origin(&self, id: ReplicaId) -> Option<OriginIndex> {
        // Most ask for the one that wrote last, again and again.
        let is_latest = |origin: &Origin| origin.id == id;
        if self.origins.get(self.latest as usize).is_some_and(is_latest) {
            return Some(self.latest);
        }
        self.by_id.get(&id).copied()
    }

    pub(crate) fn origins(&self) -> usize {
        self.origins.len()
    }

    #[inline]
    pub(crate) fn id(&self, origin: OriginIndex) -> ReplicaId {
        self.origins[origin as usize].id
    }

    /// The seq of the last entry of an origin.
    #[inline]
    pub(crate) fn last(&self, origin: OriginIndex) -> u64 {
        self.origins[origin as usize].last
    }

    /// The largest time of an entry of an origin.
    #[inline]
    pub(crate) fn latest(&self, origin: OriginIndex) -> Time {
        self.origins[origin as usize].latest
    }

    /// The largest time of an entry of each origin. O(origins).
    pub(crate) fn times(&self) -> Vec<(ReplicaId, Time)> {
        self.origins.iter().map(|origin| (origin.id, origin.latest)).collect()
    }

    /// Takes note that there were entries of these times.
    pub(crate) fn raise_times(&mut self, times: &[(ReplicaId, Time)]) {
        for &(id, time) in times {
            let index = self.intern(id) as usize;
            let origin = &mut self.origins[index];
            origin.latest = time.max(origin.latest);
        }
    }

    /// O(origins).
    pub(crate) fn version(&self) -> VersionVector {
        self.seqs().collect()
    }

    /// The last seq of each origin of which there is any, in the order of their ids.
    pub(crate) fn seqs(&self) -> impl Iterator<Item = (ReplicaId, u64)> {
        self.by_id.iter().map(|(&id, &origin)| (id, self.last(origin))).filter(|&(_, seq)| seq > 0)
    }

    /// What is trimmed. O(origins).
    pub(crate) fn floor(&self) -> VersionVector {
        self.origins.iter().map(|origin| (origin.id, origin.floor)).collect()
    }

    /// Whether whoever has seen this can be brought up to date by entries alone.
    pub(crate) fn reaches(&self, known: &Frontier) -> bool {
        (0..).zip(&self.origins).all(|(index, origin)| origin.floor <= known.seq(self, index))
    }

    // ---- appending ----

    /// The position that the next entry will have.
    #[inline]
    pub(crate) fn end(&self) -> Position {
        self.open.end()
    }

    /// Changes when positions lose their meaning.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Changes whenever entries are taken out other than by becoming skips.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Appends the next entry of an origin.
    #[inline]
    pub(crate) fn push(&mut self, index: OriginIndex, time: Time, payload: &[u8]) -> Position {
        if self.open.is_full() {
            self.seal();
        }
        self.latest = index;
        if self.keeps_everything {
            self.causality.arrived(index);
        }
        let start = self.open.start();
        let origin = &mut self.origins[index as usize];
        origin.last += 1;
        origin.latest = time;
        if origin.indexed_segment != start {
            origin.indexed_segment = start;
            origin.index.insert(origin.last, start);
        }
        self.open.push(index, origin.last, time, payload)
    }

    /// Appends the place of an entry whose changes were empty.
    pub(crate) fn push_empty(&mut self, index: OriginIndex, time: Time) {
        let position = self.push(index, time, b"");
        self.open.expire((position - self.open.start()) as usize, 0);
    }

    /// Appends skips that were taken in together. Each continues its origin. Returns their position.
    pub(crate) fn push_skip(&mut self, ranges: &[SeqRange], barrier: Position) -> Position {
        self.seal();
        let position = self.end();
        let mut gap = Gap::new(position, position, barrier);
        for &range in ranges {
            let origin = &mut self.origins[range.origin as usize];
            debug_assert!(origin.last + 1 == range.first && range.first <= range.last);
            origin.last = range.last;
            origin.index.insert(range.first, position);
            gap.add(range);
            if self.keeps_everything {
                self.causality.arrived(range.origin);
            }
        }
        self.spans.insert(position, Span::Gap(Box::new(gap)));
        self.open = Segment::new(position + 1);
        self.merge_with_before(position);
        position
    }

    /// Makes updates that were just taken in one edit. They must all be there.
    pub(crate) fn mark_edit(&mut self, range: SeqRange) {
        let (Some(first), Some(last)) =
            (self.place(range.origin, range.first), self.place(range.origin, range.last))
        else {
            return;
        };
        // In a gap that edit may end where another begins; the one that reaches further counts.
        let reach = self.edits.get(&first.position).map_or(first.position, |edit| edit.last);
        if last.position > reach {
            self.edits.insert(first.position, Edit { range, last: last.position });
        }
    }

    fn seal(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let next = Segment::after(&self.open);
        let mut full = std::mem::replace(&mut self.open, next);
        let is_small = full.is_sparse() || full.len() <= 2;
        if is_small && !self.is_cut(&full) {
            self.split(&full);
        } else {
            full.compact();
            full.seal();
            self.spans.insert(full.start(), Span::Segment(Box::new(full)));
        }
    }

    // ---- forgetting ----

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

    fn expire_at(&mut self, origin: OriginIndex, seq: u64, namer: Position) {
        let Some(place) = self.place(origin, seq) else {
            return;
        };
        // An entry cannot name itself, and its bytes are not in the history's care yet.
        if place.position == namer {
            return;
        }
        if self.is_pinned(place.position) {
            self.deferred.push((origin, seq, namer));
            return;
        }
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
    fn shrink(&mut self, start: Position) {
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
    fn split(&mut self, segment: &Segment) {
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

    fn merge_with_after(&mut self, start: Position) {
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
    fn merge_with_before(&mut self, start: Position) {
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
            std::mem::swap(large, &mut small);
        }
        for &range in small.ranges() {
            if let Some(key) = large.add(range) {
                self.origins[range.origin as usize].index.remove(&key);
            }
        }
        (large.start, large.end, large.barrier) = (before, end, barrier);
        self.forget_edits(before);
    }

    /// Forgets the edits that lie wholly in a gap: it is taken in as one anyway.
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

    // ---- finding ----

    /// Some position in the span that holds an update, which must be above the floor.
    fn locate(&self, origin: OriginIndex, seq: u64) -> Option<Position> {
        let origin = &self.origins[origin as usize];
        let is_here = origin.floor < seq && seq <= origin.last;
        is_here.then(|| origin.index.range(..=seq).next_back().map(|(_, &position)| position))?
    }

    /// Exactly where an update is.
    fn place(&self, origin: OriginIndex, seq: u64) -> Option<Place> {
        let position = self.locate(origin, seq)?;
        match self.span_at(position)? {
            SpanRef::Segment(segment) => {
                let slot = segment.find(origin, seq)?;
                let position = segment.start() + slot as u64;
                Some(Place { span: segment.start(), slot, position })
            }
            SpanRef::Entry(single) => {
                Some(Place { span: single.position, slot: 0, position: single.position })
            }
            SpanRef::Gap(gap) => Some(Place { span: gap.start, slot: 0, position: gap.start }),
        }
    }

    /// The span that holds a position, or else the first one after it.
    fn span_at(&self, position: Position) -> Option<SpanRef<'_>> {
        if position >= self.open.start() {
            return (position < self.open.end()).then_some(SpanRef::Segment(&self.open));
        }
        // Most look for where a span begins, and finding a key is cheaper than finding its neighbour.
        if let Some(span) = self.spans.get(&position) {
            return Some(span.as_ref());
        }
        let before = self.spans.range(..position).next_back().map(|(_, span)| span.as_ref());
        if let Some(span) = before.filter(|span| span.last() >= position) {
            return Some(span);
        }
        match self.spans.range(position + 1..).next() {
            Some((_, span)) => Some(span.as_ref()),
            None => (!self.open.is_empty()).then_some(SpanRef::Segment(&self.open)),
        }
    }

    /// The edit of several updates that begins at or before a position and ends at or after it.
    fn edit_at(&self, position: Position) -> Option<(Position, Edit)> {
        let (&first, &edit) = self.edits.range(..=position).next_back()?;
        (edit.last >= position).then_some((first, edit))
    }

    /// The first position after `position` at which an edit of several updates begins.
    fn next_edit(&self, position: Position) -> Option<Position> {
        self.edits.range(position + 1..).next().map(|(&first, _)| first)
    }

    // ---- size ----

    /// Entries that are kept, without skips. O(spans).
    pub(crate) fn entries(&self) -> usize {
        let kept = self.spans.values().map(|span| match span {
            Span::Segment(segment) => segment.live_slots(),
            Span::Entry(_) => 1,
            Span::Gap(_) => 0,
        });
        kept.sum::<usize>() + self.open.live_slots()
    }

    /// Bytes held for entries, skips and the index, about. O(spans).
    pub(crate) fn memory(&self) -> usize {
        // A tree's nodes are two thirds full on average.
        let tree = |keys: usize, size: usize| keys * size * 3 / 2;
        let spans = self.spans.values().map(|span| match span {
            Span::Segment(segment) => segment.memory(),
            Span::Entry(single) => size_of::<Single>() + single.payload.len(),
            Span::Gap(gap) => size_of::<Gap>() + size_of_val(gap.ranges()),
        });
        let index: usize = self.origins.iter().map(|origin| tree(origin.index.len(), 16)).sum();
        spans.sum::<usize>()
            + self.open.memory()
            + tree(self.spans.len(), 24)
            + index
            + self.origins.len() * size_of::<Origin>()
            + self.causality.memory()
    }
}

#[derive(Clone, Copy, Debug)]
struct Place {
    span: Position,
    slot: usize,
    position: Position,
}

#[derive(Clone, Copy)]
enum SpanRef<'h> {
    Segment(&'h Segment),
    Entry(&'h Single),
    Gap(&'h Gap),
}

impl Span {
    fn as_ref(&self) -> SpanRef<'_> {
        match self {
            Self::Segment(segment) => SpanRef::Segment(segment),
            Self::Entry(single) => SpanRef::Entry(single),
            Self::Gap(gap) => SpanRef::Gap(gap),
        }
    }
}

impl SpanRef<'_> {
    #[inline]
    fn last(&self) -> Position {
        match self {
            Self::Segment(segment) => segment.end() - 1,
            Self::Entry(single) => single.position,
            Self::Gap(gap) => gap.end,
        }
    }
}

impl SeqRange {
    pub(crate) fn len(&self) -> u64 {
        self.last - self.first + 1
    }
}
