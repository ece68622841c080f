//! [`Incoming`]: taking in what the peer sends.

use std::collections::BTreeSet;

use super::{Now, SessionConfig, SessionError, SessionLimits, outgoing::Outgoing};
use crate::{
    core::{Block, Core, IfUnknown, ReceiveError, ReceivePolicy, Received},
    history::{Dependency, OriginIndex, SeqRange},
    id::ReplicaId,
    message::{Cause, Item, Items, Malformed, OriginRef, RunEntry, SnapshotHead},
    reduce::Replicated,
    snapshot::{self, Snapshot},
    version::VersionVector,
};

/// What comes from the peer, and what of it cannot be taken in yet.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// The peer's table of origins. One gets an index of ours with the first entry.
    table: Vec<(ReplicaId, Option<OriginIndex>)>,
    /// A staged block is nowhere: not in the version, the state, the history, or what is acknowledged.
    staged: Option<Staged>,
    snapshot: Option<Partial>,
    /// Places in the table of origins of which something was taken in since the last ack.
    unacked: BTreeSet<usize>,
    /// What the peer has to be told of its last snapshot.
    pub(super) answer: Option<Answer>,
    /// Whether the last snapshot was declined.
    has_declined: bool,
}

/// What becomes of updates that cannot be decoded, from a peer that may have some of this version of the schema.
pub(super) fn if_unknown(config: &SessionConfig, newest: u32) -> IfUnknown {
    if newest > config.schema.version() { IfUnknown::Defer } else { IfUnknown::Refuse }
}

/// What the peer is told of a snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// We have what is in it, or at least what the peer has trimmed: entries may follow.
    Adopted,
    /// We have trimmed what it has not seen.
    Declined { has_seen_floor: bool },
}

/// What became of a snapshot.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It was adopted; this is its version.
    Adopted(VersionVector),
    /// Nothing in it is needed.
    Needless,
    /// We have trimmed what it has not seen; and whether we have seen what its sender has trimmed.
    Declined { has_seen_floor: bool },
}

/// Who takes a snapshot, where that matters.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Role<'a> {
    /// One that can answer its peer.
    Keeps,
    /// One that gives up its own state if need be.
    Discards,
    /// One that reads a file, which nobody can answer.
    File,
    /// One that reads its own log, and has nothing yet; and what its state will have reduced ahead of entries.
    Log { in_state: &'a mut VersionVector },
}

/// A block whose end is to come.
#[derive(Debug, Default)]
struct Staged {
    block: Block,
    /// Places in the table of origins that it names.
    places: BTreeSet<usize>,
}

/// A snapshot of which more is to come.
#[derive(Debug)]
struct Partial {
    snapshot: Snapshot,
    /// What the peer had trimmed when it was frozen.
    floor: VersionVector,
    cause: Cause,
    size: usize,
    digest: u128,
}

impl Incoming {
    pub(super) fn new(announced: impl IntoIterator<Item = ReplicaId>) -> Self {
        let table = announced.into_iter().map(|id| (id, None)).collect();
        Self { table, ..Self::default() }
    }

    /// Takes in a message of items, up to the first that cannot be.
    pub(super) fn items<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        mut outgoing: Option<&mut Outgoing>,
        bytes: &[u8],
        limits: &SessionLimits,
        policy: &ReceivePolicy<'_>,
    ) -> Result<(), SessionError> {
        if self.snapshot.is_some() {
            return Err(Malformed("the rest of the snapshot").into());
        }
        let mut items = Items::new(bytes, self.table.len());
        while let Some(item) = items.next()? {
            match item {
                Item::Run(origin, seen) => {
                    let origin = self.resolve(core, origin)?;
                    let seen =
                        seen.map(|seen| self.resolve_seen(core, origin, seen)).transpose()?;
                    let last = self.run(core, origin, seen, &mut items, limits, policy)?;
                    if let (Some(outgoing), Some(last)) = (&mut outgoing, last) {
                        outgoing.confirm(core.entries(), origin, last);
                    }
                }
                Item::Skip(ranges) => {
                    let ranges = self.resolve_ranges(core, ranges)?;
                    match &mut self.staged {
                        Some(staged) => staged.block.skip(ranges.clone()),
                        None => core.receive_skip(ranges.clone(), policy)?,
                    }
                    if let Some(outgoing) = &mut outgoing {
                        for range in ranges {
                            outgoing.confirm(core.entries(), range.origin, range.last);
                        }
                    }
                }
                Item::Begin => self.begin()?,
                Item::Edit(origin, first, last) => {
                    let origin = self.resolve(core, origin)?;
                    self.staged()?.block.edit(SeqRange { origin, first, last });
                }
                Item::Commit => {
                    let Staged { block, places } = std::mem::take(self.staged()?);
                    self.staged = None;
                    core.receive_block(&block, policy)?;
                    self.unacked.extend(places);
                }
                Item::Abandon => {
                    self.staged()?;
                    self.staged = None;
                }
            }
            self.check_size(limits)?;
        }
        Ok(())
    }

    /// Takes in the entries of a run, before the first of which its author had newly seen `seen`. Returns the
    /// seq of the last one.
    fn run<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        origin: OriginIndex,
        mut seen: Option<Vec<Dependency>>,
        items: &mut Items<'_>,
        limits: &SessionLimits,
        policy: &ReceivePolicy<'_>,
    ) -> Result<Option<u64>, SessionError> {
        let mut last = None;
        while let Some(RunEntry { seq, time, payload }) = items.next_entry()? {
            let entry = Received { origin, seq, time, payload, seen: seen.as_deref() };
            match &mut self.staged {
                None => core.receive_entry(entry, policy)?,
                Some(staged) => {
                    staged.block.entry(entry);
                    self.check_size(limits)?;
                }
            }
            seen.iter_mut().for_each(Vec::clear);
            last = Some(seq);
        }
        Ok(last)
    }

    fn begin(&mut self) -> Result<(), SessionError> {
        if self.staged.is_some() {
            return Err(Malformed("the end of the block").into());
        }
        self.staged = Some(Staged::default());
        Ok(())
    }

    fn staged(&mut self) -> Result<&mut Staged, SessionError> {
        self.staged.as_mut().ok_or_else(|| Malformed("a block before its end").into())
    }

    fn check_size(&self, limits: &SessionLimits) -> Result<(), SessionError> {
        let size = self.staged.as_ref().map_or(0, |staged| staged.block.memory());
        // The sender counts what it sends a little differently, always more.
        if size > limits.block_bytes {
            return Err(SessionError::BlockTooLarge { limit: limits.block_bytes });
        }
        Ok(())
    }

    /// The index of an origin of which the peer sends something.
    fn resolve<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        origin: OriginRef,
    ) -> Result<OriginIndex, SessionError> {
        let place = self.place(origin, core.limits().origins)?;
        match &mut self.staged {
            Some(staged) => staged.places.insert(place),
            None => self.unacked.insert(place),
        };
        self.index(core, place)
    }

    /// The place of an origin in the peer's table.
    fn place(&mut self, origin: OriginRef, limit: usize) -> Result<usize, SessionError> {
        match origin {
            OriginRef::Known(place) => Ok(place),
            OriginRef::New(_) if self.table.len() >= limit => {
                Err(ReceiveError::TooManyOrigins { limit }.into())
            }
            OriginRef::New(id) => {
                self.table.push((id, None));
                Ok(self.table.len() - 1)
            }
        }
    }

    /// The index of the origin at a place of the peer's table.
    fn index<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        place: usize,
    ) -> Result<OriginIndex, SessionError> {
        match self.table.get(place) {
            Some(&(_, Some(index))) => Ok(index),
            Some(&(id, None)) => {
                let index = core.origin(id)?;
                self.table[place].1 = Some(index);
                Ok(index)
            }
            None => Err(Malformed("an origin in the table").into()),
        }
    }

    /// What an author had seen, of each other origin once.
    fn resolve_seen<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        author: OriginIndex,
        seen: Vec<(OriginRef, u64)>,
    ) -> Result<Vec<Dependency>, SessionError> {
        let limit = core.limits().origins;
        let seen = seen.into_iter().map(|(origin, seq)| {
            let place = self.place(origin, limit)?;
            Ok(Dependency { origin: self.index(core, place)?, seq })
        });
        let mut seen = seen.collect::<Result<Vec<_>, SessionError>>()?;
        seen.sort_unstable();
        let is_again = |pair: &[Dependency]| pair[0].origin == pair[1].origin;
        let is_author = |dependency: &Dependency| dependency.origin == author;
        if seen.windows(2).any(is_again) || seen.iter().any(is_author) {
            return Err(Malformed("each origin but the author's that was seen, and once").into());
        }
        Ok(seen)
    }

    fn resolve_ranges<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        ranges: Vec<(OriginRef, u64, u64)>,
    ) -> Result<Vec<SeqRange>, SessionError> {
        let ranges = ranges.into_iter().map(|(origin, first, last)| {
            Ok(SeqRange { origin: self.resolve(core, origin)?, first, last })
        });
        ranges.collect()
    }

    /// The origins of which something came since the last call, each with its place in the peer's table.
    pub(super) fn take_unacked(&mut self) -> Vec<(usize, OriginIndex)> {
        let places = std::mem::take(&mut self.unacked);
        let indexed = places.into_iter().map(|place| (place, self.table[place].1));
        indexed.filter_map(|(place, index)| Some((place, index?))).collect()
    }

    pub(super) fn needs_ack(&self) -> bool {
        self.answer.is_some() || !self.unacked.is_empty()
    }

    /// Takes note of a snapshot that is to come.
    pub(super) fn begin_snapshot(
        &mut self,
        bytes: &[u8],
        limits: &SessionLimits,
        origins: usize,
    ) -> Result<(), SessionError> {
        if self.staged.is_some() || self.snapshot.is_some() {
            return Err(Malformed("the end of what was begun").into());
        }
        let head = SnapshotHead::decode(bytes, origins)?;
        let SnapshotHead { size, digest, time, version, floor, cause } = head;
        if size > limits.snapshot_bytes as u64 {
            return Err(SessionError::SnapshotTooLarge { size, limit: limits.snapshot_bytes });
        }
        // The bytes are not reserved: that somebody announces them does not mean that they come.
        let snapshot = Snapshot { version, time, state: Vec::new() };
        self.snapshot = Some(Partial { snapshot, floor, cause, size: size as usize, digest });
        Ok(())
    }

    /// Takes in the next part of a snapshot. With the last one, decides what becomes of it.
    pub(super) fn chunk<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        bytes: &[u8],
        role: Role<'_>,
        now: Now,
    ) -> Result<Option<Outcome>, SessionError> {
        let Some(partial) = &mut self.snapshot else {
            return Err(Malformed("the beginning of a snapshot").into());
        };
        if bytes.len() > partial.size - partial.snapshot.state.len() {
            return Err(Malformed("no more than the announced bytes of a snapshot").into());
        }
        partial.snapshot.state.extend_from_slice(bytes);
        if partial.snapshot.state.len() < partial.size {
            if bytes.is_empty() {
                return Err(Malformed("a part of a snapshot").into());
            }
            return Ok(None);
        }
        let Some(partial) = self.snapshot.take() else { return Ok(None) };
        if snapshot::digest([&*partial.snapshot.state]) != partial.digest {
            return Err(Malformed("the snapshot that was announced").into());
        }
        let outcome = partial.decide(core, role, now)?;
        self.answer = match outcome {
            Outcome::Adopted(_) | Outcome::Needless => Some(Answer::Adopted),
            Outcome::Declined { has_seen_floor } => Some(Answer::Declined { has_seen_floor }),
        };
        self.has_declined = matches!(outcome, Outcome::Declined { .. });
        Ok(Some(outcome))
    }

    /// Whether the last snapshot was of no use.
    pub(super) fn has_declined(&self) -> bool {
        self.has_declined
    }
}

impl Partial {
    fn decide<R: Replicated>(
        self,
        core: &mut Core<R>,
        role: Role<'_>,
        now: Now,
    ) -> Result<Outcome, SessionError> {
        let Self { snapshot, floor, cause, .. } = self;
        let (version, own_floor) = (core.version(), core.floor());
        if cause == Cause::Ahead {
            return match role {
                Role::Log { in_state } if version.is_empty() && snapshot.version.covers(&floor) => {
                    *in_state = core.begin_with(&snapshot, &floor)?;
                    Ok(Outcome::Adopted(snapshot.version))
                }
                _ => Err(Malformed("a snapshot ahead of entries only where a log begins").into()),
            };
        }
        if version.covers(&snapshot.version) {
            return Ok(Outcome::Needless);
        }
        let has_seen_floor = version.covers(&floor);
        // To adopt it would trim here what others may lack. If the peer just does not know how far we
        // are, entries will do, once it does. A file cannot be told.
        let has_answer = matches!(role, Role::Keeps | Role::Discards);
        if has_answer && cause == Cause::Trimmed && has_seen_floor {
            return Ok(Outcome::Needless);
        }
        if snapshot.version.covers(&own_floor) {
            core.adopt(&snapshot, now.wall)?;
        } else if role == Role::Discards {
            core.discard_and_adopt(&snapshot, now.wall)?;
        } else if !has_answer {
            return Err(SessionError::BothTrimmed { ours: own_floor, theirs: floor });
        } else {
            // The peer knows whether it has seen more by now; we only know what it froze.
            return Ok(Outcome::Declined { has_seen_floor });
        }
        Ok(Outcome::Adopted(snapshot.version))
    }
}
