//! [`Assembler`]: puts together what comes in pieces, for sessions, backups and journals alike.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    error::ProtocolError,
    items::{Item, ItemReader, NamedRange, OriginName, RunEntry, Skipped},
    message::{Cause, SnapshotHead},
    wire::{Hash, Malformed, Upgrade},
};
use crate::{
    core::{Block, BlockItem, Received},
    epochs::Epochs,
    history::{Dependency, OriginIndex, SeqRange},
    id::ReplicaId,
    seen::Seen,
    snapshot::{self, Snapshot},
    token::{Epoch, Token},
    unknowns::UnknownKind,
};

/// Puts together what a speaker says in pieces: entries and skips with the origins that its table names, blocks
/// up to their end, snapshots up to their last byte.
///
/// What is whole goes to a [`Receiver`] at once; a block of which the end has not come is nowhere but here.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    table: Vec<TableEntry>,
    staged: Option<Staged>,
    snapshot: Option<PartialSnapshot>,
    /// Epochs that begin with updates that are to come.
    announced: Vec<(OriginIndex, Epoch)>,
    /// Places in the table of which something was applied since the last [`take_applied`](Self::take_applied).
    applied: BTreeSet<usize>,
}

/// What is held at most of what is not whole yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssemblyLimits {
    /// Origins in the speaker's table.
    pub(crate) origins: usize,
    /// Bytes of a block.
    pub(crate) block_bytes: usize,
    /// Bytes of a snapshot's state.
    pub(crate) snapshot_bytes: usize,
}

impl AssemblyLimits {
    /// For what this program has written itself.
    pub(crate) const NONE: Self =
        Self { origins: usize::MAX, block_bytes: usize::MAX, snapshot_bytes: usize::MAX };
}

/// Who applies what is whole. It numbers origins as it likes; the assembler asks once for each.
pub(crate) trait Receiver {
    type Error: From<ProtocolError> + From<Malformed>;

    /// What may be held for it.
    fn limits(&self) -> AssemblyLimits;

    /// The receiver's number of an origin.
    fn origin(&mut self, id: ReplicaId) -> Result<OriginIndex, Self::Error>;

    /// Applies an entry by itself.
    fn entry(&mut self, entry: Received<'_>) -> Result<(), Self::Error>;

    /// Applies skips by themselves: all of them or none.
    fn skip(&mut self, ranges: Vec<SeqRange>) -> Result<(), Self::Error>;

    /// Applies a block: all of it or nothing.
    fn block(&mut self, block: Block) -> Result<(), Self::Error>;

    /// The entry of an origin with this seq has this token at the speaker. It is skipped by what is applied next.
    fn token(&mut self, _origin: OriginIndex, _seq: u64, _token: Token) -> Result<(), Self::Error> {
        Ok(())
    }

    /// An epoch of an origin begins with one of the updates that are applied next.
    fn epoch(&mut self, _origin: OriginIndex, _epoch: Epoch) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Keeps something that this version of the program does not understand.
    fn unknown(&mut self, _kind: UnknownKind, _bytes: &[u8]) {}

    /// The speaker has said that it has an origin up to a seq, be it by itself or in a block that is not whole.
    fn heard(&mut self, _origin: OriginIndex, _last: u64) {}
}

/// A snapshot that is whole.
#[derive(Debug)]
pub(crate) struct ReceivedSnapshot {
    pub(crate) snapshot: Snapshot,
    /// What its sender had trimmed when it was frozen.
    pub(crate) floor: Seen,
    pub(crate) cause: Cause,
}

#[derive(Debug)]
struct TableEntry {
    id: ReplicaId,
    /// Asked for when something of it first comes.
    index: Option<OriginIndex>,
}

/// A block whose end is to come.
#[derive(Debug, Default)]
struct Staged {
    block: Block,
    /// Places in the table that it names.
    places: BTreeSet<usize>,
    /// The last updates of its skips, with their tokens.
    tokens: Vec<(OriginIndex, u64, Token)>,
}

/// A snapshot of which more is to come.
#[derive(Debug)]
struct PartialSnapshot {
    head: SnapshotHead,
    state: Vec<u8>,
}

impl Assembler {
    /// For a speaker whose table begins with these origins, those of its digest.
    pub(crate) fn new(announced: impl IntoIterator<Item = ReplicaId>) -> Self {
        let table = announced.into_iter().map(|id| TableEntry { id, index: None }).collect();
        Self { table, ..Self::default() }
    }

    // ---- items ----

    /// Reads a message of items, up to the first that cannot be applied.
    pub(crate) fn items<R: Receiver>(
        &mut self,
        body: &[u8],
        receiver: &mut R,
    ) -> Result<(), R::Error> {
        if self.snapshot.is_some() {
            return Err(Malformed("the rest of the snapshot").into());
        }
        let limits = receiver.limits();
        let mut items = ItemReader::new(body, self.table.len());
        while let Some(item) = items.next().map_err(ProtocolError::from)? {
            match item {
                Item::Run(range, seen) => self.run(range, seen, &mut items, receiver)?,
                Item::Skip(ranges) => self.skip(ranges, receiver)?,
                Item::Begin => self.begin()?,
                Item::Edit(range) => {
                    let range = self.resolve_range(range, receiver)?;
                    self.staged()?.block.edit(range);
                }
                Item::Commit => {
                    let staged = core::mem::take(self.staged()?);
                    self.staged = None;
                    let places = self.commit(staged, receiver)?;
                    self.applied.extend(places);
                }
                Item::Abandon => {
                    self.staged()?;
                    self.staged = None;
                }
                Item::Epoch(origin, epoch) => self.epoch(origin, epoch, receiver)?,
                Item::Unknown(item) => receiver.unknown(UnknownKind::Item, item),
            }
            self.check_block_size(limits)?;
        }
        Ok(())
    }

    fn run<R: Receiver>(
        &mut self,
        NamedRange { origin, last: upto, .. }: NamedRange,
        seen: Option<Vec<(OriginName, u64)>>,
        items: &mut ItemReader<'_>,
        receiver: &mut R,
    ) -> Result<(), R::Error> {
        let origin = self.resolve(origin, receiver)?;
        let mut seen = match seen {
            Some(seen) => Some(self.resolve_seen(origin, seen, receiver)?),
            None => None,
        };
        if self.staged.is_none() {
            self.tell_epochs(|of| (of == origin).then_some(upto), receiver)?;
        }
        let limits = receiver.limits();
        let mut last = None;
        while let Some(RunEntry { seq, time, payload }) = items.next_entry()? {
            let entry = Received { origin, seq, time, payload, seen: seen.as_deref() };
            match &mut self.staged {
                None => receiver.entry(entry)?,
                Some(staged) => {
                    staged.block.entry(entry);
                    // One run may be all that a message has.
                    self.check_block_size(limits)?;
                }
            }
            // Before the other entries of the run the author had seen nothing new.
            seen.iter_mut().for_each(Vec::clear);
            last = Some(seq);
        }
        if let Some(last) = last {
            receiver.heard(origin, last);
        }
        Ok(())
    }

    fn skip<R: Receiver>(
        &mut self,
        skipped: Vec<Skipped>,
        receiver: &mut R,
    ) -> Result<(), R::Error> {
        let (mut ranges, mut tokens) = (Vec::with_capacity(skipped.len()), Vec::new());
        for Skipped { range, token } in skipped {
            let range = self.resolve_range(range, receiver)?;
            tokens.extend(token.map(|token| (range.origin, range.last, token)));
            ranges.push(range);
        }
        match &mut self.staged {
            Some(staged) => {
                staged.block.skip(ranges.clone());
                staged.tokens.extend(tokens);
            }
            None => {
                let last_of = |of| ranges.iter().find(|range| range.origin == of).map(|r| r.last);
                self.tell_epochs(last_of, receiver)?;
                tell_tokens(&tokens, receiver)?;
                receiver.skip(ranges.clone())?;
            }
        }
        for SeqRange { origin, last, .. } in ranges {
            receiver.heard(origin, last);
        }
        Ok(())
    }

    fn epoch<R: Receiver>(
        &mut self,
        origin: OriginName,
        epoch: Epoch,
        receiver: &mut R,
    ) -> Result<(), R::Error> {
        let place = self.place(origin, receiver.limits().origins)?;
        let limits = receiver.limits();
        if self.announced.len() >= limits.origins.saturating_add(Epochs::MOST) {
            return Err(Malformed("the updates with which epochs begin").into());
        }
        let origin = self.index(place, receiver)?;
        self.announced.push((origin, epoch));
        Ok(())
    }

    /// Applies a block that is whole, and what is said of its origins. Returns the places in the table that it names.
    fn commit<R: Receiver>(
        &mut self,
        staged: Staged,
        receiver: &mut R,
    ) -> Result<BTreeSet<usize>, R::Error> {
        let Staged { block, places, tokens } = staged;
        let mut last = BTreeMap::new();
        if !self.announced.is_empty() {
            for item in block.items() {
                match item {
                    BlockItem::Entry(entry) => drop(last.insert(entry.origin, entry.seq)),
                    BlockItem::Skip(ranges) => {
                        last.extend(ranges.iter().map(|range| (range.origin, range.last)));
                    }
                }
            }
        }
        self.tell_epochs(|of| last.get(&of).copied(), receiver)?;
        tell_tokens(&tokens, receiver)?;
        receiver.block(block)?;
        Ok(places)
    }

    /// Tells which epochs begin with what is applied next: of each origin, what is up to a seq.
    fn tell_epochs<R: Receiver>(
        &mut self,
        last_of: impl Fn(OriginIndex) -> Option<u64>,
        receiver: &mut R,
    ) -> Result<(), R::Error> {
        if self.announced.is_empty() {
            return Ok(());
        }
        let begins = |&mut (origin, epoch): &mut (OriginIndex, Epoch)| {
            last_of(origin).is_some_and(|last| epoch.first <= last)
        };
        for (origin, epoch) in self.announced.extract_if(.., begins) {
            receiver.epoch(origin, epoch)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Malformed> {
        if self.staged.is_some() {
            return Err(Malformed("the end of the block"));
        }
        self.staged = Some(Staged::default());
        Ok(())
    }

    fn staged(&mut self) -> Result<&mut Staged, Malformed> {
        self.staged.as_mut().ok_or(Malformed("a block before its end"))
    }

    fn check_block_size(&self, limits: AssemblyLimits) -> Result<(), ProtocolError> {
        let size = self.staged.as_ref().map_or(0, Staged::memory);
        // The sender counts what it sends a little differently, always more.
        let limit = limits.block_bytes;
        if size > limit { Err(ProtocolError::BlockTooLarge { limit }) } else { Ok(()) }
    }

    /// The origins of which something was applied since the last call, each with its place in the speaker's table.
    pub(crate) fn take_applied(&mut self) -> Vec<(usize, OriginIndex)> {
        let places = core::mem::take(&mut self.applied);
        let indexed = places.into_iter().map(|place| (place, self.table[place].index));
        indexed.filter_map(|(place, index)| Some((place, index?))).collect()
    }

    /// Something of these origins was applied that the receiver had set aside when it came.
    pub(crate) fn note_applied(&mut self, origins: &BTreeSet<OriginIndex>) {
        if origins.is_empty() {
            return;
        }
        let is_one = |entry: &TableEntry| entry.index.is_some_and(|index| origins.contains(&index));
        let places = self.table.iter().enumerate().filter(|(_, entry)| is_one(entry));
        self.applied.extend(places.map(|(place, _)| place));
    }

    /// Whether the next [`take_applied`](Self::take_applied) has any.
    pub(crate) fn has_applied(&self) -> bool {
        !self.applied.is_empty()
    }

    // ---- names ----

    /// The index of an origin of which the speaker sends something.
    fn resolve<R: Receiver>(
        &mut self,
        origin: OriginName,
        receiver: &mut R,
    ) -> Result<OriginIndex, R::Error> {
        let place = self.place(origin, receiver.limits().origins)?;
        match &mut self.staged {
            Some(staged) => staged.places.insert(place),
            None => self.applied.insert(place),
        };
        self.index(place, receiver)
    }

    fn resolve_range<R: Receiver>(
        &mut self,
        NamedRange { origin, first, last }: NamedRange,
        receiver: &mut R,
    ) -> Result<SeqRange, R::Error> {
        Ok(SeqRange { origin: self.resolve(origin, receiver)?, first, last })
    }

    /// What an author had seen, of each other origin once.
    fn resolve_seen<R: Receiver>(
        &mut self,
        author: OriginIndex,
        seen: Vec<(OriginName, u64)>,
        receiver: &mut R,
    ) -> Result<Vec<Dependency>, R::Error> {
        let seen = seen.into_iter().map(|(origin, seq)| {
            let place = self.place(origin, receiver.limits().origins)?;
            Ok(Dependency { origin: self.index(place, receiver)?, seq })
        });
        let mut seen = seen.collect::<Result<Vec<_>, R::Error>>()?;
        seen.sort_unstable();
        let is_again = |pair: &[Dependency]| pair[0].origin == pair[1].origin;
        let is_author = |dependency: &Dependency| dependency.origin == author;
        if seen.windows(2).any(is_again) || seen.iter().any(is_author) {
            return Err(Malformed("each dependency once, and none on the author itself").into());
        }
        Ok(seen)
    }

    /// The place of an origin in the table, where a new one is added.
    fn place(&mut self, origin: OriginName, limit: usize) -> Result<usize, ProtocolError> {
        match origin {
            OriginName::Known(place) => Ok(place),
            OriginName::New(..) if self.table.len() >= limit => {
                Err(ProtocolError::TooManyOrigins { limit })
            }
            OriginName::New(place, id) => {
                debug_assert_eq!(place, self.table.len());
                self.table.push(TableEntry { id, index: None });
                Ok(place)
            }
        }
    }

    fn index<R: Receiver>(
        &mut self,
        place: usize,
        receiver: &mut R,
    ) -> Result<OriginIndex, R::Error> {
        let entry = self.table.get_mut(place).ok_or(Malformed("an origin in the table"))?;
        if let Some(index) = entry.index {
            return Ok(index);
        }
        let index = receiver.origin(entry.id)?;
        entry.index = Some(index);
        Ok(index)
    }

    // ---- snapshots ----

    /// Begins a snapshot, whose bytes are to come.
    pub(crate) fn begin_snapshot(
        &mut self,
        head: SnapshotHead,
        limits: AssemblyLimits,
    ) -> Result<(), ProtocolError> {
        if self.staged.is_some() || self.snapshot.is_some() {
            return Err(Malformed("the end of the block or snapshot").into());
        }
        if let Hash::Unknown { algorithm } = head.digest {
            return Err(ProtocolError::Upgrade(Upgrade {
                what: "a hash",
                number: algorithm.into(),
            }));
        }
        let (size, limit) = (head.size, limits.snapshot_bytes);
        if size > limit as u64 {
            return Err(ProtocolError::SnapshotTooLarge { size, limit });
        }
        // The bytes are not reserved: that somebody announces them does not mean that they come.
        self.snapshot = Some(PartialSnapshot { head, state: Vec::new() });
        Ok(())
    }

    /// Adds the next part of the snapshot. Returns it with the last one.
    pub(crate) fn chunk(&mut self, bytes: &[u8]) -> Result<Option<ReceivedSnapshot>, Malformed> {
        let Some(PartialSnapshot { head, state }) = &mut self.snapshot else {
            return Err(Malformed("the beginning of a snapshot"));
        };
        if bytes.len() as u64 > head.size - state.len() as u64 {
            return Err(Malformed("no more than the announced bytes of a snapshot"));
        }
        state.extend_from_slice(bytes);
        if (state.len() as u64) < head.size {
            if bytes.is_empty() {
                return Err(Malformed("a part of a snapshot"));
            }
            return Ok(None);
        }
        let Some(PartialSnapshot { head, state }) = self.snapshot.take() else { return Ok(None) };
        if Hash::Sip(snapshot::digest([&*state])) != head.digest {
            return Err(Malformed("the snapshot that was announced"));
        }
        let SnapshotHead { time, seen, floor, cause, .. } = head;
        let snapshot = Snapshot { version: seen.version(), seen, time, state };
        Ok(Some(ReceivedSnapshot { snapshot, floor, cause }))
    }
}

impl Staged {
    fn memory(&self) -> usize {
        self.block.memory() + size_of_val(&*self.tokens)
    }
}

fn tell_tokens<R: Receiver>(
    tokens: &[(OriginIndex, u64, Token)],
    receiver: &mut R,
) -> Result<(), R::Error> {
    tokens.iter().try_for_each(|&(origin, seq, token)| receiver.token(origin, seq, token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::BlockItem,
        protocol::{ItemWriter, Kind, Message, Unit},
        time::Time,
    };

    /// What was applied: a line for each thing.
    #[derive(Default)]
    struct Applied {
        lines: Vec<String>,
        origins: Vec<ReplicaId>,
        block_bytes: usize,
    }

    impl Applied {
        fn entry_line(&self, entry: &Received<'_>) -> String {
            let seen = entry
                .seen
                .map(|seen| seen.iter().map(|seen| (seen.origin, seen.seq)).collect::<Vec<_>>());
            format!(
                "{:?}.{} {:?} {seen:?}",
                self.origins[entry.origin as usize], entry.seq, entry.payload
            )
        }
    }

    impl Receiver for Applied {
        type Error = ProtocolError;

        fn limits(&self) -> AssemblyLimits {
            AssemblyLimits { origins: 3, block_bytes: self.block_bytes, snapshot_bytes: 10 }
        }

        fn origin(&mut self, id: ReplicaId) -> Result<OriginIndex, ProtocolError> {
            assert!(!self.origins.contains(&id), "an origin is asked for once");
            self.origins.push(id);
            Ok((self.origins.len() - 1) as OriginIndex)
        }

        fn entry(&mut self, entry: Received<'_>) -> Result<(), ProtocolError> {
            let line = self.entry_line(&entry);
            self.lines.push(line);
            Ok(())
        }

        fn skip(&mut self, ranges: Vec<SeqRange>) -> Result<(), ProtocolError> {
            self.lines.push(format!("skip {}", ranges.len()));
            Ok(())
        }

        fn block(&mut self, block: Block) -> Result<(), ProtocolError> {
            let lines: Vec<_> = block
                .items()
                .map(|item| match item {
                    BlockItem::Entry(entry) => self.entry_line(&entry),
                    BlockItem::Skip(ranges) => format!("skip {}", ranges.len()),
                })
                .collect();
            self.lines.push(format!(
                "block of {} edits: {}",
                block.edits().len(),
                lines.join(", ")
            ));
            Ok(())
        }
    }

    fn range(place: usize, first: u64, last: u64) -> NamedRange {
        NamedRange { origin: OriginName::Known(place), first, last }
    }

    /// The body of a message of items.
    fn body(write: impl FnOnce(&mut ItemWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut items = ItemWriter::new(&mut out);
        write(&mut items);
        let (kind, body) = Kind::split(&out).unwrap();
        assert_eq!(kind, Kind::Items);
        body.to_vec()
    }

    fn run(items: &mut ItemWriter<'_>, place: usize, first: u64, payloads: &[&[u8]]) {
        let range = range(place, first, first + payloads.len() as u64 - 1);
        let mut run = items.run(range, Time::from_micros(1), Unit::Micro);
        for (time, payload) in (1..).zip(payloads) {
            run.entry(Time::from_micros(time), payload);
        }
    }

    /// An assembler that knows origins 1 and 2, and what it applies to.
    fn assembler() -> (Assembler, Applied) {
        let applied = Applied { block_bytes: 10_000, ..Applied::default() };
        (Assembler::new([1, 2].map(ReplicaId::from)), applied)
    }

    #[test]
    fn entries_are_applied_as_they_come_and_a_block_at_its_end() {
        let (mut assembler, mut applied) = assembler();
        let first = body(|items| {
            run(items, 0, 1, &[b"a", b"b"]);
            items.begin();
            items.edit(range(1, 1, 2));
            run(items, 1, 1, &[b"c"]);
        });
        assembler.items(&first, &mut applied).unwrap();
        assert_eq!(applied.lines, ["1.1 [97] None", "1.2 [98] None"]);
        assert_eq!(assembler.take_applied(), [(0, 0)], "the block is not applied");

        let second = body(|items| {
            items.skip([Skipped { range: range(0, 3, 3), token: None }].into_iter());
            run(items, 1, 2, &[b"d"]);
            items.commit();
        });
        assembler.items(&second, &mut applied).unwrap();
        let block = "block of 1 edits: 2.1 [99] None, skip 1, 2.2 [100] None";
        assert_eq!(applied.lines.last().unwrap(), block);
        assert_eq!(assembler.take_applied(), [(0, 0), (1, 1)]);
        assert!(!assembler.has_applied());
    }

    #[test]
    fn an_abandoned_block_leaves_nothing() {
        let (mut assembler, mut applied) = assembler();
        let abandoned = body(|items| {
            items.begin();
            run(items, 0, 1, &[b"a"]);
            items.abandon();
        });
        assembler.items(&abandoned, &mut applied).unwrap();
        assert!(applied.lines.is_empty() && !assembler.has_applied());
    }

    #[test]
    fn only_the_first_entry_of_a_run_has_what_its_author_had_newly_seen() {
        let (mut assembler, mut applied) = assembler();
        let recorded = body(|items| {
            let seen = [(OriginName::Known(1), 7)].into_iter();
            let mut run =
                items.recorded_run(range(0, 1, 2), seen, Time::from_micros(1), Unit::Micro);
            run.entry(Time::from_micros(1), b"a");
            run.entry(Time::from_micros(2), b"b");
        });
        assembler.items(&recorded, &mut applied).unwrap();
        assert_eq!(applied.lines, ["1.1 [97] Some([(1, 7)])", "1.2 [98] Some([])"]);
    }

    #[test]
    fn what_has_no_place_in_a_message_of_items_is_malformed() {
        type Write = fn(&mut ItemWriter<'_>);
        let seen = |items: &mut ItemWriter<'_>, places: &[usize]| {
            let seen: Vec<_> = places.iter().map(|&place| (OriginName::Known(place), 1)).collect();
            items
                .recorded_run(range(0, 1, 1), seen.into_iter(), Time::ZERO, Unit::Tick)
                .entry(Time::ZERO, b"");
        };
        let of_itself = body(|items| seen(items, &[0]));
        let twice = body(|items| seen(items, &[1, 1]));
        let cases: [(&str, Write); 4] = [
            ("a commit without a block", |items| items.commit()),
            ("an end without a block", |items| items.abandon()),
            ("an edit without a block", |items| items.edit(range(0, 1, 1))),
            ("a block in a block", |items| {
                items.begin();
                items.begin();
            }),
        ];
        let mut bodies: Vec<_> = cases.map(|(name, write)| (name, body(write))).into();
        bodies.extend([("an author that sees itself", of_itself), ("one seen twice", twice)]);
        for (name, body) in bodies {
            let (mut assembler, mut applied) = assembler();
            let refused = assembler.items(&body, &mut applied);
            assert!(matches!(refused, Err(ProtocolError::Malformed(_))), "{name}: {refused:?}");
            assert!(applied.lines.is_empty(), "{name}");
        }
    }

    #[test]
    fn blocks_origins_and_snapshots_have_limits() {
        let (mut assembler, mut applied) = assembler();
        let large = body(|items| {
            items.begin();
            run(items, 0, 1, &[&[0; 10_000]]);
        });
        let refused = assembler.items(&large, &mut applied);
        assert_eq!(refused, Err(ProtocolError::BlockTooLarge { limit: 10_000 }));

        let (mut assembler, mut applied) = self::assembler();
        let many = body(|items| {
            for place in 2..4 {
                let origin = OriginName::New(place, (place as u128 + 1).into());
                let range = NamedRange { origin, first: 1, last: 1 };
                items.run(range, Time::ZERO, Unit::Tick).entry(Time::ZERO, b"");
            }
        });
        let refused = assembler.items(&many, &mut applied);
        assert_eq!(refused, Err(ProtocolError::TooManyOrigins { limit: 3 }));
        assert_eq!(applied.lines.len(), 1, "the third origin is within the limit");

        let refused = assembler.begin_snapshot(head(b"eleven bytes"), applied.limits());
        assert_eq!(refused, Err(ProtocolError::SnapshotTooLarge { size: 12, limit: 10 }));
    }

    fn head(state: &[u8]) -> SnapshotHead {
        SnapshotHead {
            size: state.len() as u64,
            digest: Hash::Sip(snapshot::digest([state])),
            time: Time::ZERO,
            seen: Seen::default(),
            floor: Seen::default(),
            cause: Cause::Trimmed,
        }
    }

    #[test]
    fn a_snapshot_is_whole_with_its_last_byte_and_nothing_else_comes_between() {
        let (mut assembler, mut applied) = assembler();
        let limits = applied.limits();
        assembler.begin_snapshot(head(b"abcd"), limits).unwrap();
        assert!(assembler.items(&[], &mut applied).is_err());
        assert!(assembler.begin_snapshot(head(b"abcd"), limits).is_err());
        assert!(assembler.chunk(b"").is_err(), "an empty part would never end");
        assert!(assembler.chunk(b"ab").unwrap().is_none());
        assert!(assembler.chunk(b"cde").is_err(), "more than was announced");
        let received = assembler.chunk(b"cd").unwrap().unwrap();
        assert_eq!(received.snapshot.state, b"abcd");
        assert!(assembler.chunk(b"e").is_err(), "none was begun");

        assembler.begin_snapshot(head(b""), limits).unwrap();
        assert!(assembler.chunk(b"").unwrap().is_some(), "a state may have no bytes");
        assembler.begin_snapshot(head(b"abcd"), limits).unwrap();
        assert!(assembler.chunk(b"abce").is_err(), "another state than announced");
    }

    #[test]
    fn a_message_says_what_the_assembler_reads() {
        let mut out = Vec::new();
        Message::Items(&body(|items| run(items, 0, 1, &[b"a"]))).encode(&mut out);
        let (_, body) = Kind::split(&out).unwrap();
        let (mut assembler, mut applied) = assembler();
        assembler.items(body, &mut applied).unwrap();
        assert_eq!(applied.lines, ["1.1 [97] None"]);
    }
}
