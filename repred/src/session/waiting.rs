//! [`Waiting`]: what came too early, and what must not pass it.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use crate::{
    core::{Block, BlockItem, Received},
    history::{Dependency, History, OriginIndex, SeqRange},
    protocol::ReceivedSnapshot,
    time::{Monotonic, Time},
    token::Token,
};

/// Bytes that wait at most: minutes of writing at any pace that people read, and less than a block may take. What
/// comes beyond them is left out, and sent again by the session after this one.
const MAX_WAITING: usize = 16 << 20;

/// How long to wait at least between two looks at what waits, and how much longer for each thing in it. A look costs
/// time for all of it, and each entry of a burst is due at a moment of its own.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_EACH: Duration = Duration::from_micros(2);

/// How long to wait at most between two looks: somebody may set the clock meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// What came too early by our clock, and what came later and must not pass it.
///
/// By the hybrid logical clock, an update is later than everything that its author had seen. So an entry may pass
/// those that wait, unless it is later than one of them or of the same origin as one. A skip may stand for an entry
/// that one of those that wait has superseded, so it passes nothing.
///
/// Nothing of this is in the version, the history, an ack or the journal. If the session ends, the next one brings it
/// again.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// In the order in which they came.
    items: Vec<Early>,
    bytes: usize,
    /// The marks of the epochs that begin with what waits, by their origins and first seqs, and tokens of it.
    epochs: SaidEpochs,
    tokens: SaidTokens,
    order: Order,
    /// The first time that our clock has to come near to.
    next: Option<Time>,
    /// The last one.
    last: Time,
    /// What came when there was no room any more. All of it came after what waits.
    left_out: Option<LeftOut>,
    /// A snapshot that is too early. Nothing comes after it before it was answered.
    snapshot: Option<ReceivedSnapshot>,
    /// When to look again.
    due: Option<Monotonic>,
}

/// The marks of epochs, by their origins and first seqs.
pub(super) type SaidEpochs = BTreeMap<(OriginIndex, u64), u32>;

/// Updates, and their tokens.
type SaidTokens = Vec<(OriginIndex, u64, Token)>;

/// One thing that waits.
#[derive(Debug)]
pub(super) enum Early {
    Entry(OwnedEntry),
    Skip(Vec<SeqRange>),
    Block(Block),
}

/// An entry that outlives the message in which it came.
#[derive(Debug)]
pub(super) struct OwnedEntry {
    origin: OriginIndex,
    seq: u64,
    time: Time,
    payload: Box<[u8]>,
    seen: Option<Box<[Dependency]>>,
}

/// What must not be passed.
#[derive(Debug, Default)]
struct Order {
    origins: BTreeSet<OriginIndex>,
    /// No update in it is earlier than this; `None` if there is none.
    earliest: Option<Time>,
}

/// What there was no room for.
#[derive(Debug)]
pub(super) struct LeftOut {
    order: Order,
    /// When it could be received, had it not been left out.
    due: Time,
}

/// What matters of an entry, skip or block for the order.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// The last seq of each origin, of what is new here.
    origins: BTreeMap<OriginIndex, u64>,
    /// The same, of all.
    named: BTreeMap<OriginIndex, u64>,
    /// No update in it is earlier than this.
    earliest: Option<Time>,
    /// The latest time of an entry.
    latest: Time,
    has_skips: bool,
}

impl Early {
    fn memory(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Entry(entry) => {
                    entry.payload.len() + entry.seen.as_ref().map_or(0, |seen| size_of_val(&**seen))
                }
                Self::Skip(ranges) => size_of_val(&**ranges),
                Self::Block(block) => block.memory(),
            }
    }
}

impl OwnedEntry {
    pub(super) fn new(entry: &Received<'_>) -> Self {
        let Received { origin, seq, time, payload, seen } = *entry;
        Self { origin, seq, time, payload: payload.into(), seen: seen.map(Box::from) }
    }

    pub(super) fn received(&self) -> Received<'_> {
        let Self { origin, seq, time, ref payload, ref seen } = *self;
        Received { origin, seq, time, payload, seen: seen.as_deref() }
    }
}

impl Outline {
    pub(super) fn of_entry(history: &History, entry: &Received<'_>) -> Self {
        let mut outline = Self::default();
        outline.entry(history, entry.origin, entry.seq, entry.time);
        outline
    }

    pub(super) fn of_skip(history: &History, ranges: &[SeqRange]) -> Self {
        let mut outline = Self::default();
        outline.skip(history, ranges);
        outline
    }

    pub(super) fn of_block(history: &History, block: &Block) -> Self {
        let mut outline = Self::default();
        for item in block.items() {
            match item {
                BlockItem::Entry(Received { origin, seq, time, .. }) => {
                    outline.entry(history, origin, seq, time);
                }
                BlockItem::Skip(ranges) => outline.skip(history, ranges),
            }
        }
        outline
    }

    fn entry(&mut self, history: &History, origin: OriginIndex, seq: u64, time: Time) {
        self.name(origin, seq);
        if seq > history.last(origin) {
            self.add(origin, seq, time);
            self.latest = self.latest.max(time);
        }
    }

    fn skip(&mut self, history: &History, ranges: &[SeqRange]) {
        ranges.iter().for_each(|range| self.name(range.origin, range.last));
        for range in ranges.iter().filter(|range| range.last > history.last(range.origin)) {
            // Nobody says when they were written; but it was after what is known of their origin.
            self.add(range.origin, range.last, history.latest(range.origin));
            self.has_skips = true;
        }
    }

    fn name(&mut self, origin: OriginIndex, last: u64) {
        let there = self.named.entry(origin).or_default();
        *there = last.max(*there);
    }

    fn add(&mut self, origin: OriginIndex, last: u64, earliest: Time) {
        let there = self.origins.entry(origin).or_default();
        *there = last.max(*there);
        self.earliest = Some(self.earliest.map_or(earliest, |before| before.min(earliest)));
    }

    /// Whether all of it is known here.
    pub(super) fn is_known(&self) -> bool {
        self.origins.is_empty()
    }

    /// Its origins, each with the last seq of it.
    pub(super) fn origins(&self) -> impl Iterator<Item = (OriginIndex, u64)> + '_ {
        self.origins.iter().map(|(&origin, &last)| (origin, last))
    }
}

impl Order {
    /// Whether something is neither of an origin of which something is in here, nor depends on anything in here.
    fn lets_pass(&self, outline: &Outline) -> bool {
        let Some(earliest) = self.earliest else { return true };
        let is_of_these = |origin| self.origins.contains(origin);
        !outline.has_skips && outline.latest <= earliest && !outline.origins.keys().any(is_of_these)
    }

    fn add(&mut self, outline: &Outline) {
        self.origins.extend(outline.origins().map(|(origin, _)| origin));
        self.earliest = [self.earliest, outline.earliest].into_iter().flatten().min();
    }
}

impl Waiting {
    /// Whether anything waits, or was left out.
    pub(super) fn is_any(&self) -> bool {
        !self.items.is_empty() || self.left_out.is_some()
    }

    /// How many entries, skips, blocks and snapshots wait.
    pub(super) fn len(&self) -> usize {
        self.items.len() + usize::from(self.snapshot.is_some())
    }

    /// Whether something may be received now, before what waits. `limit` is the latest time that is accepted.
    pub(super) fn lets_pass(&self, outline: &Outline, limit: Time) -> bool {
        let left_out = self.left_out.as_ref();
        outline.latest <= limit
            && self.order.lets_pass(outline)
            && left_out.is_none_or(|left_out| left_out.order.lets_pass(outline))
    }

    /// Keeps something until it may be received. Where there is no room, it is left out, and so is all that waits
    /// after it.
    pub(super) fn push(&mut self, early: Early, outline: &Outline, limit: Time) {
        let is_early = outline.latest > limit;
        let bytes = early.memory();
        if self.left_out.is_some() || self.bytes + bytes > MAX_WAITING {
            // What only waits for others is due when all of them are.
            let due = if is_early { outline.latest } else { self.last };
            let left_out =
                self.left_out.get_or_insert_with(|| LeftOut { order: Order::default(), due });
            left_out.order.add(outline);
            left_out.due = left_out.due.min(due);
            self.note_next(Some(due));
            return;
        }
        self.bytes += bytes;
        self.order.add(outline);
        self.items.push(early);
        if is_early {
            self.last = self.last.max(outline.latest);
            self.note_next(Some(outline.latest));
        }
    }

    fn note_next(&mut self, time: Option<Time>) {
        self.next = [self.next, time].into_iter().flatten().min();
    }

    /// Keeps what was said of updates that wait, also of those that are here already: when the rest is received, they
    /// are looked at again.
    pub(super) fn keep_said(
        &mut self,
        outline: &Outline,
        said: &SaidEpochs,
        tokens: &[(OriginIndex, u64, Token)],
    ) {
        for (&origin, &last) in &outline.named {
            let of = said.range((origin, 0)..=(origin, last));
            self.epochs.extend(of.map(|(&epoch, &mark)| (epoch, mark)));
            let of = tokens.iter().filter(|(of, seq, _)| *of == origin && *seq <= last);
            self.tokens.extend(of.copied());
        }
    }

    /// Takes out what was said of updates that wait.
    pub(super) fn take_said(&mut self) -> (SaidEpochs, SaidTokens) {
        (core::mem::take(&mut self.epochs), core::mem::take(&mut self.tokens))
    }

    /// Takes out what waits, in its order, for whoever offers it again. What was said of it has to be taken before.
    pub(super) fn take(&mut self) -> (Vec<Early>, Option<LeftOut>) {
        let Self { items, left_out, snapshot, .. } = core::mem::take(self);
        if let Some(snapshot) = snapshot {
            self.push_snapshot(snapshot);
        }
        (items, left_out)
    }

    /// What was left out before is still left out, whatever became of what waited.
    pub(super) fn put_back(&mut self, left_out: Option<LeftOut>) {
        self.note_next(left_out.as_ref().map(|left_out| left_out.due));
        self.left_out = left_out;
    }

    /// Whether what was left out could be received now.
    pub(super) fn has_left_out(&self, limit: Time) -> bool {
        self.left_out.as_ref().is_some_and(|left_out| left_out.due <= limit)
    }

    /// Keeps a snapshot until it may be adopted, in place of one that came before.
    pub(super) fn push_snapshot(&mut self, received: ReceivedSnapshot) {
        self.note_next(Some(received.snapshot.time));
        self.snapshot = Some(received);
    }

    /// Takes out the snapshot that waits, for whoever offers it again.
    pub(super) fn take_snapshot(&mut self) -> Option<ReceivedSnapshot> {
        self.snapshot.take()
    }

    /// Whether it is time to look at what waits.
    pub(super) fn is_due(&self, now: Monotonic) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// Decides when to look again.
    pub(super) fn schedule(&mut self, limit: Time, now: Monotonic) {
        let pause = PAUSE + PAUSE_EACH * u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        let wait = self.next.map(|next| next.since(limit).min(LOOK).max(pause));
        self.due = wait.and_then(|wait| now.checked_add(wait));
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Monotonic> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Time = Time::from_micros(100);

    /// A history with an entry of the first origin, at 10 µs.
    fn history() -> History {
        let mut history = History::new();
        let first = history.intern(0xa.into());
        history.intern(0xb.into());
        history.intern(0xc.into());
        history.push(first, Time::from_micros(10), b"");
        history
    }

    fn entry(origin: OriginIndex, seq: u64, micros: u64) -> Received<'static> {
        let time = Time::from_micros(micros);
        Received { origin, seq, time, payload: b"payload", seen: None }
    }

    fn skip(origin: OriginIndex, last: u64) -> SeqRange {
        SeqRange { origin, first: 1, last }
    }

    fn wait(waiting: &mut Waiting, history: &History, received: Received<'_>) {
        let outline = Outline::of_entry(history, &received);
        assert!(!waiting.lets_pass(&outline, LIMIT));
        waiting.push(Early::Entry(OwnedEntry::new(&received)), &outline, LIMIT);
    }

    #[test]
    fn what_is_earlier_than_all_that_waits_and_of_another_origin_passes() {
        let history = history();
        let mut waiting = Waiting::default();
        let passes = |waiting: &Waiting, received: Received<'_>| {
            waiting.lets_pass(&Outline::of_entry(&history, &received), LIMIT)
        };
        assert!(passes(&waiting, entry(1, 1, 100)));
        wait(&mut waiting, &history, entry(1, 1, 101));
        assert!(passes(&waiting, entry(2, 1, 100)));
        assert!(!passes(&waiting, entry(2, 1, 101)), "too early itself");
        assert!(!passes(&waiting, entry(1, 2, 100)), "of the same origin");

        // A part of the block is not too early, and others may have seen it.
        let mut block = Block::default();
        block.entry(entry(0, 2, 50));
        block.entry(entry(0, 3, 150));
        let outline = Outline::of_block(&history, &block);
        assert!(!waiting.lets_pass(&outline, LIMIT));
        waiting.push(Early::Block(block), &outline, LIMIT);
        assert!(passes(&waiting, entry(2, 1, 50)));
        assert!(!passes(&waiting, entry(2, 1, 51)), "it may depend on the block");
    }

    #[test]
    fn a_skip_passes_nothing_and_is_later_than_what_is_known_of_its_origin() {
        let history = history();
        let mut waiting = Waiting::default();
        let skipped = [skip(0, 5)];
        let outline = Outline::of_skip(&history, &skipped);
        assert!(waiting.lets_pass(&outline, LIMIT), "nothing waits");
        wait(&mut waiting, &history, entry(1, 1, 101));
        assert!(!waiting.lets_pass(&outline, LIMIT));
        waiting.push(Early::Skip(skipped.to_vec()), &outline, LIMIT);
        let passes =
            |micros| waiting.lets_pass(&Outline::of_entry(&history, &entry(2, 1, micros)), LIMIT);
        assert!(passes(10));
        assert!(!passes(11), "it may depend on what was skipped");
        assert!(Outline::of_skip(&history, &[skip(0, 1)]).is_known());
    }

    #[test]
    fn it_is_looked_at_when_the_first_is_due_but_not_all_the_time() {
        let history = history();
        let mut waiting = Waiting::default();
        waiting.schedule(LIMIT, Monotonic::ZERO);
        assert_eq!(waiting.due(), None);
        wait(&mut waiting, &history, entry(1, 1, 500_100));
        waiting.schedule(LIMIT, Monotonic::ZERO);
        assert_eq!(waiting.due(), Some(Monotonic::from_micros(500_000)));
        wait(&mut waiting, &history, entry(2, 1, 101));
        waiting.schedule(LIMIT, Monotonic::ZERO);
        let pause = PAUSE + PAUSE_EACH * 2;
        assert_eq!(waiting.due(), Monotonic::ZERO.checked_add(pause));
        let (items, left_out) = waiting.take();
        assert_eq!((items.len(), left_out.is_none(), waiting.len()), (2, true, 0));
    }
}
