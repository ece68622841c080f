//! [`Assembler`]: puts together what comes in pieces, for sessions, backups and journals alike.

use std::collections::BTreeSet;

use super::{
    error::ProtocolError,
    items::{Item, ItemReader, NamedRange, OriginName, RunEntry},
    message::{Cause, SnapshotHead},
    wire::Malformed,
};
use crate::{
    core::{Block, Received},
    history::{Dependency, OriginIndex, SeqRange},
    id::ReplicaId,
    snapshot::{self, Snapshot},
    version::VersionVector,
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

    /// The speaker has said that it has an origin up to a seq, be it by itself or in a block that is not whole.
    fn heard(&mut self, _origin: OriginIndex, _last: u64) {}
}

/// A snapshot that is whole.
#[derive(Debug)]
pub(crate) struct ReceivedSnapshot {
    pub(crate) snapshot: Snapshot,
    /// What its sender had trimmed when it was frozen.
    pub(crate) floor: VersionVector,
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
        while let Some(item) = items.next()? {
            match item {
                Item::Run(range, seen) => self.run(range.origin, seen, &mut items, receiver)?,
                Item::Skip(ranges) => self.skip(ranges, receiver)?,
                Item::Begin => self.begin()?,
                Item::Edit(range) => {
                    let range = self.resolve_range(range, receiver)?;
                    self.staged()?.block.edit(range);
                }
                Item::Commit => {
                    let Staged { block, places } = std::mem::take(self.staged()?);
                    self.staged = None;
                    receiver.block(block)?;
                    self.applied.extend(places);
                }
                Item::Abandon => {
                    self.staged()?;
                    self.staged = None;
                }
            }
            self.check_block_size(limits)?;
        }
        Ok(())
    }

    fn run<R: Receiver>(
        &mut self,
        origin: OriginName,
        seen: Option<Vec<(OriginName, u64)>>,
        items: &mut ItemReader<'_>,
        receiver: &mut R,
    ) -> Result<(), R::Error> {
        let origin = self.resolve(origin, receiver)?;
        let mut seen = match seen {
            Some(seen) => Some(self.resolve_seen(origin, seen, receiver)?),
            None => None,
        };
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
        ranges: Vec<NamedRange>,
        receiver: &mut R,
    ) -> Result<(), R::Error> {
        let ranges = ranges.into_iter().map(|range| self.resolve_range(range, receiver));
        let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
        match &mut self.staged {
            Some(staged) => staged.block.skip(ranges.clone()),
            None => receiver.skip(ranges.clone())?,
        }
        for SeqRange { origin, last, .. } in ranges {
            receiver.heard(origin, last);
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
        let size = self.staged.as_ref().map_or(0, |staged| staged.block.memory());
        // The sender counts what it sends a little differently, always more.
        let limit = limits.block_bytes;
        if size > limit { Err(ProtocolError::BlockTooLarge { limit }) } else { Ok(()) }
    }

    /// The origins of which something was applied since the last call, each with its place in the speaker's table.
    pub(crate) fn take_applied(&mut self) -> Vec<(usize, OriginIndex)> {
        let places = std::mem::take(&mut self.applied);
        let indexed = places.into_iter().map(|place| (place, self.table[place].index));
        indexed.filter_map(|(place, index)| Some((place, index?))).collect()
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
            return Err(Malformed("each origin but the author's that was seen, and once").into());
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
            return Err(Malformed("the end of what was begun").into());
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
        if snapshot::digest([&*state]) != head.digest {
            return Err(Malformed("the snapshot that was announced"));
        }
        let SnapshotHead { time, version, floor, cause, .. } = head;
        Ok(Some(ReceivedSnapshot { snapshot: Snapshot { version, time, state }, floor, cause }))
    }
}
