//! [`Cursor`]: how far one peer has been brought up to date, and what it lacks next.

use std::{cmp::Reverse, collections::BTreeMap, collections::BinaryHeap};

use super::{Edit, History, OriginIndex, Position, SeqRange, Single, SpanRef, segment::Segment};
use crate::{id::ReplicaId, time::Time, version::VersionVector};

/// What a peer has or will have, by this history's table of origins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frontier {
    seqs: Vec<u64>,
    /// Claims about origins that this history has never heard of; they stay out of its table, which
    /// would otherwise grow with whatever a peer makes up.
    unknown: BTreeMap<ReplicaId, u64>,
}

impl Frontier {
    pub(crate) fn new(history: &History, version: &VersionVector) -> Self {
        let mut frontier = Self { seqs: vec![0; history.origins()], unknown: BTreeMap::new() };
        for (id, seq) in version.iter() {
            match history.origin(id) {
                Some(origin) => frontier.seqs[origin as usize] = seq,
                None => drop(frontier.unknown.insert(id, seq)),
            }
        }
        frontier
    }

    /// Everything there is. O(origins).
    pub(crate) fn all_of(history: &History) -> Self {
        let origins = 0..history.origins() as OriginIndex;
        Self {
            seqs: origins.map(|origin| history.last(origin)).collect(),
            unknown: BTreeMap::new(),
        }
    }

    pub(crate) fn seq(&self, history: &History, origin: OriginIndex) -> u64 {
        match self.seqs.get(origin as usize) {
            Some(&seq) => seq,
            None if self.unknown.is_empty() => 0,
            None => self.unknown.get(&history.id(origin)).copied().unwrap_or(0),
        }
    }

    pub(crate) fn raise(&mut self, history: &History, origin: OriginIndex, seq: u64) {
        if self.seqs.len() <= origin as usize {
            self.align(history);
        }
        let there = &mut self.seqs[origin as usize];
        *there = seq.max(*there);
    }

    /// Takes over what `other` has beyond this.
    pub(crate) fn merge(&mut self, history: &History, other: &Self) {
        for origin in 0..history.origins() as OriginIndex {
            self.raise(history, origin, other.seq(history, origin));
        }
        for (&id, &seq) in &other.unknown {
            if history.origin(id).is_none() {
                let there = self.unknown.entry(id).or_default();
                *there = seq.max(*there);
            }
        }
    }

    /// What is known of what the history has. O(origins).
    pub(crate) fn version(&self, history: &History) -> VersionVector {
        let origins = 0..history.origins() as OriginIndex;
        origins.map(|origin| (history.id(origin), self.seq(history, origin))).collect()
    }

    /// How many updates the history has that are not known. O(origins).
    pub(crate) fn behind(&self, history: &History) -> u64 {
        (0..history.origins() as OriginIndex).fold(0, |sum: u64, origin| {
            sum.saturating_add(history.last(origin).saturating_sub(self.seq(history, origin)))
        })
    }

    /// Whether this is the history's own version, no less and no more. O(origins).
    pub(crate) fn is_version_of(&self, history: &History) -> bool {
        self.unknown.iter().all(|(&id, &seq)| seq == 0 || history.origin(id).is_some())
            && (0..history.origins() as OriginIndex)
                .all(|origin| history.last(origin) == self.seq(history, origin))
    }

    fn align(&mut self, history: &History) {
        for origin in self.seqs.len()..history.origins() {
            let id = history.id(origin as OriginIndex);
            self.seqs.push(self.unknown.remove(&id).unwrap_or(0));
        }
    }
}

/// A peer's place in a history: what the peer has, and where to look for what it lacks.
///
/// Before `tail`, only the spans that hold something missing are visited, from one to the next by a
/// queue of the missing origins. From `tail` on everything is looked at once, as it comes.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub(crate) frontier: Frontier,
    /// Nothing before this position is missing any more.
    at: Position,
    /// Up to here all spans are looked at.
    scan_end: Position,
    tail: Position,
    /// For each origin of which something before `tail` is missing: about where.
    queue: BinaryHeap<Reverse<(Position, OriginIndex)>>,
    generation: u64,
    epoch: u64,
}

/// The next thing that a peer lacks.
#[derive(Debug)]
pub(crate) enum Missing<'h> {
    Entries(Entries<'h>),
    Skip(Skip),
}

/// Entries of one origin with consecutive seqs at consecutive positions. If it is on record what their
/// author had seen, it is for all of them, and before the others than the first there was nothing new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries<'h> {
    pub(crate) position: Position,
    pub(crate) origin: OriginIndex,
    pub(crate) first_seq: u64,
    pub(crate) len: usize,
    source: Source<'h>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'h> {
    Segment(&'h Segment, usize),
    Single(&'h Single),
}

/// Skips that are sent as one.
#[derive(Debug)]
pub(crate) struct Skip {
    pub(crate) position: Position,
    pub(crate) last: Position,
    pub(crate) barrier: Position,
    pub(crate) ranges: Vec<SeqRange>,
}

impl Cursor {
    /// O(origins).
    pub(crate) fn new(history: &History, frontier: Frontier) -> Self {
        let mut cursor = Self {
            frontier,
            at: 0,
            scan_end: 0,
            tail: history.end(),
            queue: BinaryHeap::new(),
            generation: history.generation(),
            epoch: history.epoch(),
        };
        for origin in 0..history.origins() as OriginIndex {
            cursor.enqueue(history, origin);
        }
        cursor
    }

    /// A cursor of a peer that has everything before the end: it lacks what comes from now on.
    pub(crate) fn at_end(history: &History, frontier: Frontier) -> Self {
        let end = history.end();
        let (generation, epoch) = (history.generation(), history.epoch());
        let queue = BinaryHeap::new();
        Self { frontier, at: end, scan_end: end, tail: end, queue, generation, epoch }
    }

    /// Whether entries were taken out of the history since the cursor was made, so that it has to be
    /// made again from what is known.
    pub(crate) fn is_stale(&self, history: &History) -> bool {
        self.generation != history.generation()
    }

    /// Whether what is left still stands where it stood.
    pub(crate) fn is_in_place(&self, history: &History) -> bool {
        self.epoch == history.epoch()
    }

    /// Takes note that only what the peer has was taken out.
    pub(crate) fn refresh(&mut self, history: &History) {
        self.generation = history.generation();
    }

    /// Nothing before this position is missing any more.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// The next thing that is missing, up to where an edit of several updates begins.
    pub(crate) fn peek<'h>(&mut self, history: &'h History) -> Option<Missing<'h>> {
        let missing = self.peek_until(history, history.end())?;
        if let (Missing::Entries(entries), false) = (&missing, history.edits.is_empty())
            && let Some(edit) = history.next_edit(entries.position)
        {
            let len = entries.len.min((edit - entries.position) as usize);
            return Some(Missing::Entries(Entries { len, ..*entries }));
        }
        Some(missing)
    }

    /// The next thing that is missing and does not stand after `limit`.
    pub(crate) fn peek_until<'h>(
        &mut self,
        history: &'h History,
        limit: Position,
    ) -> Option<Missing<'h>> {
        loop {
            if self.at >= self.scan_end && !self.advance(history) || self.at > limit {
                return None;
            }
            let Some(span) = history.span_at(self.at) else {
                self.at = self.scan_end.max(self.tail);
                continue;
            };
            if let Some(missing) = self.missing_in(history, span, limit) {
                return (missing.position() <= limit).then(|| missing.uniform(history));
            }
            // Nothing is missing up to the limit; beyond it nobody has looked.
            self.at = self.at.max(span.last().min(limit) + 1);
        }
    }

    /// Notes that the first `count` missing entries were sent.
    pub(crate) fn took_entries(&mut self, history: &History, entries: &Entries<'_>, count: usize) {
        if count > 0 {
            let last = entries.first_seq + count as u64 - 1;
            self.frontier.raise(history, entries.origin, last);
            self.at = entries.position + count as u64;
        }
    }

    /// Notes that skips were sent.
    pub(crate) fn took_skip(&mut self, history: &History, skip: &Skip) {
        for range in &skip.ranges {
            self.frontier.raise(history, range.origin, range.last);
        }
        self.at = self.at.max(skip.last + 1);
    }

    /// Goes to the next span in which something may be missing. False at the end of the history.
    fn advance(&mut self, history: &History) -> bool {
        while let Some(&Reverse((position, origin))) = self.queue.peek() {
            let now = self.next_missing(history, origin);
            if now == Some(position) {
                self.at = self.at.max(position);
                let end = history.span_at(self.at).map_or(self.tail, |span| span.last() + 1);
                self.scan_end = end.max(self.at);
                if self.at < end {
                    return true;
                }
                // The span lies behind, so nothing in it can be missing; looking again would not end.
                debug_assert!(false, "what is missing lies behind the cursor");
                self.queue.pop();
                continue;
            }
            // It was sent, or forgotten and merged into a gap that begins elsewhere.
            self.queue.pop();
            self.enqueue(history, origin);
        }
        self.at = self.at.max(self.tail);
        self.scan_end = history.end();
        self.at < self.scan_end
    }

    fn enqueue(&mut self, history: &History, origin: OriginIndex) {
        if let Some(position) = self.next_missing(history, origin) {
            self.queue.push(Reverse((position, origin)));
        }
    }

    /// About where the next missing update of an origin stands, if before the tail.
    fn next_missing(&self, history: &History, origin: OriginIndex) -> Option<Position> {
        let next = self.frontier.seq(history, origin).checked_add(1)?;
        history.locate(origin, next).filter(|&position| position < self.tail)
    }

    fn missing_in<'h>(
        &self,
        history: &'h History,
        span: SpanRef<'h>,
        limit: Position,
    ) -> Option<Missing<'h>> {
        match span {
            SpanRef::Segment(segment) => self.missing_in_segment(history, segment, limit),
            SpanRef::Entry(single) => {
                let is_missing = single.seq > self.frontier.seq(history, single.origin);
                is_missing.then_some(Missing::Entries(Entries {
                    position: single.position,
                    origin: single.origin,
                    first_seq: single.seq,
                    len: 1,
                    source: Source::Single(single),
                }))
            }
            SpanRef::Gap(gap) => {
                let beyond = |range: &SeqRange| {
                    let first = range.first.max(self.frontier.seq(history, range.origin) + 1);
                    (first <= range.last).then_some(SeqRange { first, ..*range })
                };
                let ranges: Vec<_> = gap.ranges().iter().filter_map(beyond).collect();
                let skip =
                    Skip { position: gap.start, last: gap.end, barrier: gap.barrier, ranges };
                (!skip.ranges.is_empty()).then_some(Missing::Skip(skip))
            }
        }
    }

    fn missing_in_segment<'h>(
        &self,
        history: &'h History,
        segment: &'h Segment,
        limit: Position,
    ) -> Option<Missing<'h>> {
        let slots = segment.len().min((limit + 1).saturating_sub(segment.start()) as usize);
        let mut slot = self.at.saturating_sub(segment.start()) as usize;
        while slot < slots {
            let run = segment.run(slot);
            let len = run.len.min(slots - slot);
            let known = self.frontier.seq(history, run.origin);
            let past = (known.saturating_add(1)).saturating_sub(run.first_seq);
            if past >= len as u64 {
                slot += run.len;
                continue;
            }
            let (slot, len) = (slot + past as usize, len - past as usize);
            let position = segment.start() + slot as u64;
            let (origin, first) = (run.origin, run.first_seq + past);
            if !run.expired {
                let source = Source::Segment(segment, slot);
                let entries = Entries { position, origin, first_seq: first, len, source };
                return Some(Missing::Entries(entries));
            }
            return Some(Missing::Skip(Skip {
                position,
                last: position + len as u64 - 1,
                barrier: segment.barrier(),
                ranges: vec![SeqRange { origin, first, last: first + len as u64 - 1 }],
            }));
        }
        None
    }
}

impl Missing<'_> {
    pub(crate) fn position(&self) -> Position {
        match self {
            Self::Entries(entries) => entries.position,
            Self::Skip(skip) => skip.position,
        }
    }

    pub(crate) fn last(&self) -> Position {
        match self {
            Self::Entries(entries) => entries.position + entries.len as u64 - 1,
            Self::Skip(skip) => skip.last,
        }
    }

    /// As much of it as can be told of as one.
    fn uniform(self, history: &History) -> Self {
        match self {
            Self::Entries(entries) => {
                let len = history.uniform(entries.origin, entries.first_seq, entries.len);
                Self::Entries(Entries { len, ..entries })
            }
            Self::Skip(_) => self,
        }
    }

    /// The position up to which all has to be taken in together with this, as far as it
    /// itself tells: its own end, its barrier, the end of an edit that it is part of.
    pub(crate) fn closure_end(&self, history: &History) -> Position {
        let own = match self {
            Self::Entries(_) => self.last(),
            Self::Skip(skip) => skip.last.max(skip.barrier),
        };
        history.edit_at(self.last()).map_or(own, |(_, edit)| own.max(edit.last))
    }

    /// The edits of several updates that this has a part in, last first.
    pub(crate) fn edits<'h>(&self, history: &'h History) -> impl Iterator<Item = &'h Edit> {
        let first = self.position();
        let upto_last = history.edits.range(..=self.last()).rev();
        upto_last.map(|(_, edit)| edit).take_while(move |edit| edit.last >= first)
    }

    /// Whether it can be taken in by itself.
    pub(crate) fn stands_alone(&self, history: &History) -> bool {
        match self {
            Self::Entries(entries) => history.edit_at(entries.position).is_none(),
            Self::Skip(skip) => self.closure_end(history) == skip.last,
        }
    }
}

impl<'h> Entries<'h> {
    /// Where the edit ends that the first of them belongs to.
    pub(crate) fn edit_end(&self, history: &History) -> Position {
        history.edit_at(self.position).map_or(self.position, |(_, edit)| edit.last)
    }

    /// Bytes of all payloads. O(1).
    pub(crate) fn payload_bytes(&self) -> usize {
        match self.source {
            Source::Segment(segment, slot) => segment.payload_bytes(slot..slot + self.len),
            Source::Single(single) => single.payload.len(),
        }
    }

    /// The time and the payload of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Time, &'h [u8])> + use<'h> {
        let source = self.source;
        (0..self.len).map(move |i| match source {
            Source::Segment(segment, slot) => (segment.time(slot + i), segment.payload(slot + i)),
            Source::Single(single) => (single.time, &*single.payload),
        })
    }
}
