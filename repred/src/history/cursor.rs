//! [`Cursor`]: how far one peer has been brought up to date, and what it lacks next.

use alloc::{collections::BinaryHeap, vec::Vec};
use core::cmp::Reverse;

use super::{
    History, OriginIndex, Position, SeqRange,
    frontier::Frontier,
    missing::{Entries, Missing, Skip, Source},
    segment::Segment,
    span::SpanRef,
};

/// A peer's place in a history: what the peer has, and where to look for what it lacks.
///
/// A peer that connects may lack one old entry out of a million, so a walk from the beginning would cost as much as the
/// whole history. Instead:
///
/// ```text
///             what was there when the cursor was made        what has come since
///  ─────────────────────────────────────────────────── tail ────────────────────▶
///   only spans that hold something missing: a queue has      every entry is looked
///   the next position of each origin that lacks anything     at once, as it comes
/// ```
///
/// Everything is sent in the order of positions, and never grouped by origin: that order is what makes it causal.
///
/// A cursor holds no reference into the history, so that entries may be forgotten meanwhile. Positions in the queue are
/// therefore hints: where one leads nowhere any more, the origin is looked up again.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub(crate) frontier: Frontier,
    /// Nothing before this position is missing any more.
    at: Position,
    /// Up to here all spans are looked at: to the end of the span that the queue led to, or of the history.
    scan_end: Position,
    /// The end of the history when the cursor was made.
    tail: Position,
    /// For each origin of which something before `tail` is missing: about where.
    queue: BinaryHeap<Reverse<(Position, OriginIndex)>>,
    /// Those of the history when the cursor was made; see [`is_stale`](Self::is_stale).
    generation: u64,
    numbering: u64,
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
            numbering: history.numbering(),
        };
        for origin in 0..history.origins() as OriginIndex {
            cursor.enqueue(history, origin);
        }
        cursor
    }

    /// A cursor of a peer that has everything before the end: it lacks what comes from now on.
    pub(crate) fn at_end(history: &History, frontier: Frontier) -> Self {
        let end = history.end();
        let (generation, numbering) = (history.generation(), history.numbering());
        let queue = BinaryHeap::new();
        Self { frontier, at: end, scan_end: end, tail: end, queue, generation, numbering }
    }

    /// Whether entries were taken out of the history since the cursor was made, so that it has to be
    /// made again from what is known.
    pub(crate) fn is_stale(&self, history: &History) -> bool {
        self.generation != history.generation()
    }

    /// Whether what is left still stands where it stood.
    pub(crate) fn is_in_place(&self, history: &History) -> bool {
        self.numbering == history.numbering()
    }

    /// Makes a stale cursor good again after the history has lost only what the peer has.
    pub(crate) fn refresh(&mut self, history: &History) {
        self.generation = history.generation();
    }

    /// Nothing before this position is missing any more.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// The next thing that is missing, up to where an edit of several updates begins: an edit is sent in a block of
    /// its own, which what stands before it need not wait for.
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
            // At a position that is gone, trimmed or merged, this is the span after it.
            let Some(span) = history.span_at(self.at) else {
                self.at = self.scan_end.max(self.tail);
                continue;
            };
            if let Some(missing) = self.missing_in(history, span, limit) {
                return (missing.position() <= limit).then(|| missing.uniform(history));
            }
            // Nothing is missing up to the limit. Beyond it nobody has looked, so the cursor must not pass it.
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
