//! [`Decoder`]: turns the records of a log into events, whatever the type of its updates.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
};

use super::{
    event::{JournalEvent, RawEntry},
    record::Record,
};
use crate::{
    core::{Block, BlockItem, ReceiveError, Received},
    history::{OriginIndex, SeqRange},
    id::ReplicaId,
    protocol::{
        AssemblyLimits, Audience, Cause, Malformed, Open, ReceivedSnapshot, Receiver, Replay,
        take_frame,
    },
    seen::Seen,
    session::SessionError,
    stamp::{Dot, Stamp},
    version::VersionVector,
};

/// Turns the records of a log into events. Left out is what a replica that opens the log would ignore, too: entries that
/// came before, and blocks without an end.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    replay: Replay,
    events: Events,
}

/// What was decoded.
#[derive(Debug, Default)]
struct Events {
    /// The origins that were named, each at its index.
    origins: Vec<ReplicaId>,
    version: VersionVector,
    decoded: VecDeque<JournalEvent>,
}

/// The last seq of each edit, by its origin and first seq.
type Edits = BTreeMap<(ReplicaId, u64), u64>;

impl Decoder {
    /// The next event that was decoded.
    pub(super) fn next(&mut self) -> Option<JournalEvent> {
        self.events.decoded.pop_front()
    }

    /// The updates in all records that were taken.
    pub(super) fn version(&self) -> &VersionVector {
        &self.events.version
    }

    pub(super) fn take(&mut self, record: Record<'_>) -> Result<(), SessionError> {
        let Self { replay, events } = self;
        match record {
            Record::Opened { is_strict, id, .. } => {
                replay.restart();
                events.push(JournalEvent::Opened { id, is_strict });
            }
            Record::Named { id } => events.push(JournalEvent::Named { id }),
            Record::Batch { mut messages, .. } => {
                while !messages.is_empty() {
                    let message = take_frame(&mut messages).ok_or(Malformed("whole messages"))?;
                    replay.message(message, events)?;
                }
            }
            // For trimming only: no event.
            Record::Peers { .. } | Record::Unknown { .. } => {}
            Record::Closed => events.push(JournalEvent::Closed),
        }
        Ok(())
    }
}

impl Events {
    fn push(&mut self, event: JournalEvent) {
        self.decoded.push_back(event);
    }

    fn id(&self, origin: OriginIndex) -> ReplicaId {
        self.origins[origin as usize]
    }

    /// Adds an entry, unless it is known. It may be part of an edit.
    fn add_entry(&mut self, entry: &Received<'_>, edits: &Edits) -> Result<(), SessionError> {
        let stamp = Stamp::new(entry.time, self.id(entry.origin), entry.seq);
        if self.version.contains(stamp.dot) {
            return Ok(());
        }
        self.check(stamp.dot)?;
        self.version.observe(stamp.dot);
        let edit = edit(edits, stamp.dot);
        self.push(JournalEvent::Entry(RawEntry { stamp, payload: entry.payload.to_vec(), edit }));
        Ok(())
    }

    fn add_skip(&mut self, ranges: &[SeqRange]) -> Result<(), SessionError> {
        let mut beyond = Vec::with_capacity(ranges.len());
        for &SeqRange { origin, first, last } in ranges {
            let origin = self.id(origin);
            let seq = self.version.seq(origin);
            if last > seq {
                self.check(Dot::new(origin, first))?;
                self.version.observe(Dot::new(origin, last));
                beyond.push((origin, seq + 1..=last));
            }
        }
        if !beyond.is_empty() {
            self.push(JournalEvent::Skip(beyond));
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
}

impl Receiver for Events {
    type Error = SessionError;

    fn limits(&self) -> AssemblyLimits {
        AssemblyLimits::NONE
    }

    fn origin(&mut self, id: ReplicaId) -> Result<OriginIndex, SessionError> {
        self.origins.push(id);
        Ok((self.origins.len() - 1) as OriginIndex)
    }

    fn entry(&mut self, entry: Received<'_>) -> Result<(), SessionError> {
        self.add_entry(&entry, &Edits::new())
    }

    fn skip(&mut self, ranges: Vec<SeqRange>) -> Result<(), SessionError> {
        self.add_skip(&ranges)
    }

    fn block(&mut self, block: Block) -> Result<(), SessionError> {
        let edits = block.edits().iter();
        let edits: Edits =
            edits.map(|edit| ((self.id(edit.origin), edit.first), edit.last)).collect();
        for item in block.items() {
            match item {
                BlockItem::Entry(entry) => self.add_entry(&entry, &edits)?,
                BlockItem::Skip(ranges) => self.add_skip(ranges)?,
            }
        }
        // No edit is applied in part.
        edits.into_iter().try_for_each(|((origin, _), last)| {
            let expected = self.version.seq(origin) + 1;
            let is_whole = last < expected;
            let gap = ReceiveError::Gap { dot: Dot::new(origin, last), expected };
            if is_whole { Ok(()) } else { Err(gap.into()) }
        })
    }
}

impl Audience for Events {
    type Receiver = Self;

    fn receiver(&mut self) -> &mut Self {
        self
    }

    fn open(&mut self, open: Open) -> Result<(), SessionError> {
        let Open { schema, newest, wall, .. } = open;
        self.push(JournalEvent::Schema { schema, newest, wall });
        Ok(())
    }

    fn digest(&mut self, _seen: &Seen) -> Result<(), SessionError> {
        Ok(())
    }

    fn snapshot(&mut self, received: ReceivedSnapshot) -> Result<(), SessionError> {
        let ReceivedSnapshot { snapshot, floor, cause } = received;
        let floor =
            if cause == Cause::LogBegins { floor.version() } else { snapshot.version.clone() };
        if !self.version.covers(&snapshot.version) {
            self.version = self.version.merged(&floor);
            self.push(JournalEvent::Snapshot { snapshot, floor });
        }
        Ok(())
    }

    fn synced(&mut self) -> Result<(), SessionError> {
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
    use super::{super::record::BatchAttributes, *};
    use crate::{
        core::Core,
        protocol::Framing,
        session::{BackupWriter, SessionConfig},
        time::{Monotonic, Now, Time},
        types::LwwMap,
    };

    type State = LwwMap<u8, u32>;

    const FLIPS: [u8; 5] = [0x01, 0x02, 0x10, 0x80, 0xff];

    /// All there is in a core, each message by itself.
    fn messages(core: &mut Core<State>) -> Vec<Vec<u8>> {
        let now = Now { wall: Time::from_micros(1000), monotonic: Monotonic::ZERO };
        let mut saving =
            BackupWriter::new(&SessionConfig::for_state::<State>(), core, now).unwrap();
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
        messages.iter().for_each(|message| Framing::Stream.put(&mut framed, message));
        decoder.take(Record::Opened { is_strict: true, id: 7.into(), place: &[] })?;
        let attributes = BatchAttributes::default();
        decoder.take(Record::Batch { latest: Time::ZERO, attributes, messages: &framed })?;
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
