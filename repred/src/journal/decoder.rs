//! [`Decoder`]: what the records of a log say, whatever the type of its updates.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
};

use super::{
    reader::{JournalEvent, RawEntry},
    record::Record,
};
use crate::{
    core::ReceiveError,
    frame::take_frame,
    id::ReplicaId,
    message::{
        Cause, Item, Items, Kind, Malformed, Open, OriginRef, RunEntry, SnapshotHead, take_version,
    },
    session::{self, SessionError},
    snapshot::{self, Snapshot},
    stamp::{Dot, Stamp},
    version::VersionVector,
};

/// Turns the records of a log into events. What a replica that opens the log would leave alone is
/// left out: what is known already, and blocks without an end.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    step: Step,
    /// The table of origins of who has written the log.
    table: Vec<ReplicaId>,
    version: VersionVector,
    /// A block whose end is to come.
    staged: Option<Block>,
    /// A snapshot of which more is to come.
    snapshot: Option<(SnapshotHead, Vec<u8>)>,
    decoded: VecDeque<JournalEvent>,
}

/// What has to come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Open,
    Digest,
    Content,
}

/// What is taken in together or not at all.
#[derive(Debug, Default)]
struct Block {
    parts: Vec<Part>,
    edits: Edits,
}

/// The last seq of each edit, by its origin and first seq.
type Edits = BTreeMap<(ReplicaId, u64), u64>;

#[derive(Debug)]
enum Part {
    Entry(RawEntry),
    Skip(Vec<(ReplicaId, u64, u64)>),
}

impl Decoder {
    /// What has been decoded, and was not asked for yet.
    pub(super) fn next(&mut self) -> Option<JournalEvent> {
        self.decoded.pop_front()
    }

    /// What is in all that was taken.
    pub(super) fn version(&self) -> &VersionVector {
        &self.version
    }

    pub(super) fn take(&mut self, record: Record<'_>) -> Result<(), SessionError> {
        match record {
            Record::Opened { is_strict, id } => {
                (self.step, self.staged, self.snapshot) = (Step::Open, None, None);
                self.decoded.push_back(JournalEvent::Opened { id, is_strict });
            }
            Record::Named { id } => self.decoded.push_back(JournalEvent::Named { id }),
            Record::Batch { mut messages, .. } => {
                while !messages.is_empty() {
                    let message = take_frame(&mut messages).ok_or(Malformed("whole messages"))?;
                    self.message(message)?;
                }
            }
            // It is nothing that has happened.
            Record::Peers { .. } => {}
            Record::Closed => self.decoded.push_back(JournalEvent::Closed),
        }
        Ok(())
    }

    fn message(&mut self, message: &[u8]) -> Result<(), SessionError> {
        if self.step == Step::Open {
            let Open { schema, newest, wall, .. } = session::open(message)?;
            self.decoded.push_back(JournalEvent::Schema { schema, newest, wall });
            self.step = Step::Digest;
            return Ok(());
        }
        let (&kind, body) =
            message.split_first().ok_or(Malformed("a message of one byte at least"))?;
        let kind = Kind::from_byte(kind).ok_or(Malformed("the kind of a message"))?;
        match (self.step, kind) {
            (Step::Digest, Kind::Digest) => {
                let version = take_version(&mut &*body, usize::MAX)?;
                self.table = version.iter().map(|(id, _)| id).collect();
                self.step = Step::Content;
            }
            (Step::Content, Kind::Items) => self.items(body)?,
            (Step::Content, Kind::Snapshot) => self.begin_snapshot(body)?,
            (Step::Content, Kind::Chunk) => self.chunk(body)?,
            (Step::Content, Kind::Synced) => {}
            _ => return Err(SessionError::unexpected(kind)),
        }
        Ok(())
    }

    // ---- items ----

    fn items(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        if self.snapshot.is_some() {
            return Err(Malformed("the rest of the snapshot").into());
        }
        let mut items = Items::new(bytes, self.table.len());
        while let Some(item) = items.next()? {
            match item {
                Item::Run(origin, seen) => {
                    let origin = self.resolve(origin)?;
                    // Origins may be named here for the first time.
                    seen.into_iter()
                        .flatten()
                        .try_for_each(|(seen, _)| self.resolve(seen).map(drop))?;
                    self.run(origin, &mut items)?;
                }
                Item::Skip(ranges) => {
                    let ranges = self.resolve_ranges(ranges)?;
                    self.part(Part::Skip(ranges))?;
                }
                Item::Begin if self.staged.is_some() => {
                    return Err(Malformed("the end of the block").into());
                }
                Item::Begin => self.staged = Some(Block::default()),
                Item::Edit(origin, first, last) => {
                    let origin = self.resolve(origin)?;
                    self.block()?.edits.insert((origin, first), last);
                }
                Item::Commit => {
                    let block = std::mem::take(self.block()?);
                    self.staged = None;
                    self.commit(block)?;
                }
                Item::Abandon => {
                    self.block()?;
                    self.staged = None;
                }
            }
        }
        Ok(())
    }

    fn run(&mut self, origin: ReplicaId, items: &mut Items<'_>) -> Result<(), SessionError> {
        while let Some(RunEntry { seq, time, payload }) = items.next_entry()? {
            let stamp = Stamp::new(time, origin, seq);
            self.part(Part::Entry(RawEntry { stamp, payload: payload.to_vec(), edit: None }))?;
        }
        Ok(())
    }

    /// Something that is told now, or at the end of its block.
    fn part(&mut self, part: Part) -> Result<(), SessionError> {
        match &mut self.staged {
            Some(block) => block.parts.push(part),
            None => self.tell(part, &Edits::new())?,
        }
        Ok(())
    }

    fn commit(&mut self, block: Block) -> Result<(), SessionError> {
        let Block { parts, edits } = block;
        parts.into_iter().try_for_each(|part| self.tell(part, &edits))?;
        // No edit is taken in in part.
        edits.into_iter().try_for_each(|((origin, _), last)| {
            let expected = self.version.seq(origin) + 1;
            let is_whole = last < expected;
            let gap = ReceiveError::Gap { dot: Dot::new(origin, last), expected };
            if is_whole { Ok(()) } else { Err(gap.into()) }
        })
    }

    fn tell(&mut self, part: Part, edits: &Edits) -> Result<(), SessionError> {
        match part {
            Part::Entry(entry) if self.version.contains(entry.stamp.dot) => {}
            Part::Entry(mut entry) => {
                let dot = entry.stamp.dot;
                self.check(dot)?;
                self.version.observe(dot);
                entry.edit = edit(edits, dot);
                self.decoded.push_back(JournalEvent::Entry(entry));
            }
            Part::Skip(ranges) => self.skip(ranges)?,
        }
        Ok(())
    }

    fn skip(&mut self, ranges: Vec<(ReplicaId, u64, u64)>) -> Result<(), SessionError> {
        let mut beyond = Vec::with_capacity(ranges.len());
        for (origin, first, last) in ranges {
            let seq = self.version.seq(origin);
            if last > seq {
                self.check(Dot::new(origin, first))?;
                self.version.observe(Dot::new(origin, last));
                beyond.push((origin, seq + 1..=last));
            }
        }
        if !beyond.is_empty() {
            self.decoded.push_back(JournalEvent::Skip(beyond));
        }
        Ok(())
    }

    /// Whether all before this one is there.
    fn check(&self, dot: Dot) -> Result<(), SessionError> {
        let expected = self.version.seq(dot.origin) + 1;
        if dot.seq > expected {
            return Err(ReceiveError::Gap { dot, expected }.into());
        }
        Ok(())
    }

    fn block(&mut self) -> Result<&mut Block, SessionError> {
        self.staged.as_mut().ok_or_else(|| Malformed("a block before its end").into())
    }

    fn resolve(&mut self, origin: OriginRef) -> Result<ReplicaId, SessionError> {
        match origin {
            OriginRef::Known(place) => {
                let origin = self.table.get(place).copied();
                origin.ok_or_else(|| Malformed("an origin in the table").into())
            }
            OriginRef::New(id) => {
                self.table.push(id);
                Ok(id)
            }
        }
    }

    fn resolve_ranges(
        &mut self,
        ranges: Vec<(OriginRef, u64, u64)>,
    ) -> Result<Vec<(ReplicaId, u64, u64)>, SessionError> {
        let ranges = ranges.into_iter();
        ranges.map(|(origin, first, last)| Ok((self.resolve(origin)?, first, last))).collect()
    }

    // ---- snapshots ----

    fn begin_snapshot(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        if self.staged.is_some() || self.snapshot.is_some() {
            return Err(Malformed("the end of what was begun").into());
        }
        self.snapshot = Some((SnapshotHead::decode(bytes, usize::MAX)?, Vec::new()));
        Ok(())
    }

    fn chunk(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let Some((head, mut state)) = self.snapshot.take() else {
            return Err(Malformed("the beginning of a snapshot").into());
        };
        state.extend_from_slice(bytes);
        if (state.len() as u64) < head.size {
            self.snapshot = Some((head, state));
            return Ok(());
        }
        let SnapshotHead { digest, time, version, floor, cause, .. } = head;
        if snapshot::digest([&*state]) != digest {
            return Err(Malformed("the snapshot that was announced").into());
        }
        let floor = if cause == Cause::Ahead { floor } else { version.clone() };
        if !self.version.covers(&version) {
            self.version = self.version.merged(&floor);
            let snapshot = Snapshot { version, time, state };
            self.decoded.push_back(JournalEvent::Snapshot { snapshot, floor });
        }
        Ok(())
    }
}

/// The edit that an update is a part of.
fn edit(edits: &Edits, dot: Dot) -> Option<RangeInclusive<u64>> {
    let (&(origin, first), &last) = edits.range(..=(dot.origin, dot.seq)).next_back()?;
    (origin == dot.origin && dot.seq <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        core::Core,
        frame::put_frame,
        session::{Now, Saving, SessionConfig},
        time::Time,
        types::LwwMap,
    };

    type State = LwwMap<u8, u32>;

    const FLIPS: [u8; 5] = [0x01, 0x02, 0x10, 0x80, 0xff];

    /// All there is in a core, each message by itself.
    fn messages(core: &mut Core<State>) -> Vec<Vec<u8>> {
        let now = Now { wall: Time::from_micros(1000), instant: Instant::now() };
        let mut saving = Saving::new(&SessionConfig::for_state::<State>(), core, now).unwrap();
        let mut messages = vec![Vec::new()];
        while saving.poll_message(core, messages.last_mut().unwrap()).unwrap() {
            messages.push(Vec::new());
        }
        messages.pop();
        messages
    }

    /// A core with skips, entries and edits, trimmed or not.
    fn core(is_folded: bool) -> Core<State> {
        let mut core = Core::new(7.into(), State::default());
        let wall = Time::from_micros(1000);
        for number in 0..20_u32 {
            core.update((number as u8 % 7, Some(number)), wall).unwrap();
            let edit = (0..3).map(|key| (key * 3, Some(number)));
            core.update_all(edit, wall).unwrap();
        }
        if is_folded {
            let version = core.version();
            core.trim(&version).unwrap();
        }
        core
    }

    fn tell(messages: &[Vec<u8>]) -> Result<VersionVector, SessionError> {
        let mut decoder = Decoder::default();
        let mut framed = Vec::new();
        messages.iter().for_each(|message| put_frame(&mut framed, message));
        decoder.take(Record::Opened { is_strict: true, id: 7.into() })?;
        decoder.take(Record::Batch { latest: Time::ZERO, messages: &framed })?;
        Ok(decoder.version().clone())
    }

    #[test]
    fn mutated_messages_are_refused_or_decode_to_something_else() {
        for is_folded in [false, true] {
            let mut core = core(is_folded);
            let messages = messages(&mut core);
            assert_eq!(tell(&messages).ok(), Some(core.version()));
            let mut errors = 0;
            for (place, message) in messages.iter().enumerate() {
                for (byte, flip) in
                    (0..message.len()).flat_map(|byte| FLIPS.map(|flip| (byte, flip)))
                {
                    let mut changed = messages.clone();
                    changed[place][byte] ^= flip;
                    errors += u32::from(tell(&changed).is_err());
                    changed[place].truncate(byte);
                    errors += u32::from(tell(&changed).is_err());
                }
            }
            assert!(errors > 100, "{errors}");
        }
    }
}
