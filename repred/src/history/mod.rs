//! [`History`]: the entries that are kept to bring others up to date, as encoded bytes.
//!
//! Entries stand in the order in which this replica applied them, each at a *position*. That order is causal: whatever
//! the author of an entry had seen stands before it, because this replica could not have applied it earlier. So a peer
//! that is sent what it lacks in this order never lacks a cause, and no entry has to carry a list of its causes.
//!
//! What can no longer matter is [forgotten](forget): its payload goes, its place becomes part of a gap. Three kinds of
//! span cover the positions:
//!
//! ```text
//!  position  1 ────────── 1024 │ 1025 ─ 1200 │ 1201  │ 1202 ─ 1411 │ 1412 ─▶
//!            a segment         │ a gap       │ entry │ a gap       │ the open segment
//! ```
//!
//! Each origin has an index from seq to position, one key a span, so that what a peer lacks is found
//! without a look at what it has.
//!
//! The struct and what appends to it are in this file; the files beside it, in reading order, are the parts it is made
//! of, and then one kind of operation each.

mod gap;
mod segment;
mod span;
mod causality;
mod find;
mod forget;
mod pin;
mod trim;
mod content;
mod frontier;
mod missing;
mod cursor;
#[cfg(test)]
mod tests;

use alloc::{boxed::Box, collections::BTreeMap, sync::Weak, vec::Vec};
use core::ops::RangeInclusive;

use self::{
    causality::Causality,
    gap::Gap,
    segment::Segment,
    span::{Single, Span},
};
pub(crate) use self::{
    causality::Dependency,
    content::WithEpochs,
    cursor::Cursor,
    frontier::Frontier,
    gap::SeqRange,
    missing::{Entries, Missing, Skip},
    pin::Pin,
    trim::Leftover,
};
use crate::{
    epochs::Epochs, id::ReplicaId, leaf::Leaf, stamp::Stamp, time::Time, version::VersionVector,
};

/// A place in this replica's history. Positions grow, are never reused, and mean nothing elsewhere; 0 is
/// before all of them.
pub(crate) type Position = u64;

/// The place of an origin in the history's table of origins.
pub(crate) type OriginIndex = u32;

/// The entries that are kept to bring others up to date.
///
/// The version of the replica is what the origins' last entries make together: so it cannot be ahead of the history.
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
    /// Ranges that must stay as they are for as long as somebody holds their pin.
    pins: Vec<(Weak<()>, RangeInclusive<Position>)>,
    /// What has expired under a pin, and the position of the entry by which; see [`release`](Self::release).
    pending: Vec<(OriginIndex, u64, Position)>,
    /// Counts how often entries were taken out, so that cursors know that they have to look again: what they believe
    /// to be next may be gone. A skip is not taken out, so a busy register makes no cursor stale.
    generation: u64,
    /// Counts how often all was taken out and put back, so that no position means what it meant: a block that was
    /// planned in an earlier numbering has to be abandoned.
    numbering: u64,
    /// Nothing is forgotten here.
    keeps_everything: bool,
    /// What the authors of the entries had seen, if nothing is forgotten here.
    causality: Causality,
    /// Which document the entries are of.
    document: [u8; 16],
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
    /// The start of the last open segment for which the index has a key, so that most appends need no look at it. 0
    /// is the start of no segment.
    indexed_segment: Position,
    /// When the replica was opened anew that writes under this id.
    epochs: Epochs,
    /// The mark of an entry that was forgotten, or asked for, when it was the last.
    marked: Marked,
}

/// An entry and its mark. The first was the last of its origin at some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Marked {
    seq: u64,
    mark: u32,
}

/// Several updates of one origin that are applied together or not at all.
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
            pending: Vec::new(),
            generation: 0,
            numbering: 0,
            keeps_everything: false,
            causality: Causality::default(),
            document: [0; 16],
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
            epochs: Epochs::default(),
            marked: Marked::default(),
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

    /// Raises the latest times of origins to those of entries that were here.
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

    /// Whether a peer that has seen this can be brought up to date by entries alone.
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
    pub(crate) fn numbering(&self) -> u64 {
        self.numbering
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
        origin.latest = time.max(origin.latest);
        if origin.indexed_segment != start {
            origin.indexed_segment = start;
            origin.index.insert(origin.last, start);
        }
        self.open.push(index, origin.last, time, payload)
    }

    /// Appends the place of an entry whose changes were empty.
    pub(crate) fn push_empty(&mut self, index: OriginIndex, time: Time, payload: &[u8]) {
        let (document, seq) = (self.document, self.last(index) + 1);
        let stamp = Stamp::new(time, self.id(index), seq);
        let mark = Leaf { document, stamp, payload }.mark();
        self.origins[index as usize].marked = Marked { seq, mark };
        let position = self.push(index, time, b"");
        self.open.expire((position - self.open.start()) as usize, 0);
    }

    /// Appends skips that were received together. Each continues its origin. Returns their position.
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

    /// Makes one edit of updates that were just appended. They must all be there.
    pub(crate) fn mark_edit(&mut self, range: SeqRange) {
        let (Some(first), Some(last)) =
            (self.place(range.origin, range.first), self.place(range.origin, range.last))
        else {
            return;
        };
        // A gap has one position for all its entries, so two edits can begin at the same position. The one that ends
        // later counts.
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
        let mut full = core::mem::replace(&mut self.open, next);
        let is_small = full.is_sparse() || full.len() <= 2;
        if is_small && !self.is_cut(&full) {
            self.split(&full);
        } else {
            full.compact();
            full.seal();
            self.spans.insert(full.start(), Span::Segment(Box::new(full)));
        }
    }

    // ---- size ----

    /// Entries that are kept, without skips. O(spans).
    pub(crate) fn entry_count(&self) -> usize {
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
