//! [`Message`]: what two replicas say to each other, as bytes. PROTOCOL.md draws the layouts.
//!
//! Numbers are varints. An origin is named by its place in the speaker's *table of origins*: those of the
//! digest the speaker sent, in order, then each new one as it is first named.

use std::fmt;

use crate::{
    encoding::{
        DecodeError,
        varint::{put_u64, take_u64},
    },
    id::ReplicaId,
    schema::Schema,
    time::Time,
    version::VersionVector,
};

/// The first bytes of a conversation.
pub(crate) const MAGIC: [u8; 4] = *b"rpd\x01";

/// The version of the protocol that this crate speaks.
pub(crate) const PROTOCOL: u8 = 1;

/// No message that opens a conversation is longer; see [`Open`].
pub(crate) const MAX_OPEN: usize = 256;

/// Seqs beyond this are lies: at a million updates a second it is reached after 146,000 years. The limit
/// leaves room to calculate.
pub(crate) const MAX_SEQ: u64 = 1 << 62;

/// Times beyond this are lies too, and the limit leaves room to calculate.
pub(crate) const MAX_TIME: Time = Time::from_micros(1 << 62);

/// Who takes less than this many bytes at once cannot take part.
pub(crate) const MIN_MESSAGE: u64 = 256;

/// What somebody says of itself before anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) schema: Schema,
    /// The newest version of the schema of which it may have updates.
    pub(crate) newest: u32,
    pub(crate) id: ReplicaId,
    pub(crate) sends: bool,
    pub(crate) receives: bool,
    /// Whether it wants state digests compared.
    pub(crate) checks: bool,
    /// Whether it will give up its state if the two histories cannot be joined.
    pub(crate) discards: bool,
    pub(crate) wall: Time,
    /// Bytes of the longest message it takes.
    pub(crate) max_message: u64,
    /// Bytes of the largest block it takes.
    pub(crate) max_block: u64,
    pub(crate) version_hash: u128,
}

/// What a message is; its first byte, but for the one that opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Digest = 1,
    Items = 2,
    Synced = 3,
    Ack = 4,
    Ping = 5,
    Snapshot = 6,
    Chunk = 7,
    Adopted = 8,
    StateDigest = 9,
    Bye = 10,
    Declined = 11,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        use Kind::*;
        [Digest, Items, Synced, Ack, Ping, Snapshot, Chunk, Adopted, StateDigest, Bye, Declined]
            .into_iter()
            .find(|&kind| kind as u8 == byte)
    }
}

/// Why a snapshot goes instead of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// What the peer lacks is trimmed here, as far as we know what it lacks.
    Trimmed = 0,
    /// What belongs together is more than the peer takes.
    TooLarge = 1,
    /// Nothing goes instead: the entries follow that are beyond its sender's floor. Only in a log, which is read by
    /// who has nothing.
    Ahead = 2,
}

impl Cause {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Trimmed, Self::TooLarge, Self::Ahead].into_iter().find(|&cause| cause as u8 == byte)
    }
}

/// Why a peer ended the conversation, as far as it told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is done.
    Finished,
    /// Its protocol, schema, direction or limits do not fit ours.
    Incompatible,
    /// Its clock and ours differ by too much, or an entry was too far ahead of its clock.
    Clock,
    /// Both have trimmed what the other has not seen, or it could not adopt our snapshot.
    Trimmed,
    /// It holds another state for the same version.
    Diverged,
    /// What we sent was no valid message, or too large.
    Malformed,
    /// What we sent was well-formed, but it could not take it in.
    Refused,
    /// It waited for us in vain.
    TimedOut,
    /// It has failed by itself.
    Failed,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::Finished,
        Self::Incompatible,
        Self::Clock,
        Self::Trimmed,
        Self::Diverged,
        Self::Malformed,
        Self::Refused,
        Self::TimedOut,
        Self::Failed,
    ];

    /// One that this version does not know counts as `Failed`.
    pub(crate) fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or(Self::Failed)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "it is done",
            Self::Incompatible => "its protocol, schema, direction or limits do not fit ours",
            Self::Clock => "its clock and a time of ours are too far apart",
            Self::Trimmed => "its history and ours cannot be joined",
            Self::Diverged => "it holds another state for the same version",
            Self::Malformed => "it found a message of ours malformed or too large",
            Self::Refused => "it could not take in what we sent",
            Self::TimedOut => "it waited for us in vain",
            Self::Failed => "it has failed",
        })
    }
}

/// What is said of a snapshot before its bytes.
#[derive(Debug)]
pub(crate) struct SnapshotHead {
    pub(crate) size: u64,
    pub(crate) digest: u128,
    pub(crate) time: Time,
    pub(crate) version: VersionVector,
    /// What its sender had trimmed when it was frozen.
    pub(crate) floor: VersionVector,
    pub(crate) cause: Cause,
}

// ---- writing ----

impl Open {
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&MAGIC);
        bytes.push(PROTOCOL);
        let flags = [self.sends, self.receives, self.checks, self.discards];
        bytes.push(flags.iter().rev().fold(0, |byte, &flag| byte << 1 | u8::from(flag)));
        bytes.extend_from_slice(&self.id.to_bytes());
        bytes.extend_from_slice(&self.version_hash.to_le_bytes());
        put_u64(bytes, self.wall.as_micros());
        put_u64(bytes, self.max_message);
        put_u64(bytes, self.max_block);
        put_u64(bytes, self.schema.version().into());
        put_u64(bytes, self.schema.oldest().into());
        put_u64(bytes, self.newest.into());
        bytes.extend_from_slice(self.schema.name().as_bytes());
    }

    /// The magic and the protocol version have been checked; see [`check_opening`].
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = &mut bytes;
        take::<5>(bytes)?;
        let [flags] = take(bytes)?;
        let id = ReplicaId::from_bytes(take(bytes)?);
        let version_hash = u128::from_le_bytes(take(bytes)?);
        let wall = time(bytes)?;
        let (max_message, max_block) = (number(bytes)?, number(bytes)?);
        if max_message < MIN_MESSAGE {
            return Err(Malformed("a limit for messages of 256 bytes at least"));
        }
        let mut version =
            || u32::try_from(number(bytes)?).map_err(|_| Malformed("a schema version"));
        let (version, oldest, newest) = (version()?, version()?, version()?);
        let name = std::str::from_utf8(bytes).map_err(|_| Malformed("a schema's name"))?;
        if name.len() > Schema::MAX_NAME {
            return Err(Malformed("a schema's name"));
        }
        let flag = |bit: u8| flags >> bit & 1 == 1;
        Ok(Self {
            schema: Schema::received(name, version, oldest),
            newest,
            id,
            sends: flag(0),
            receives: flag(1),
            checks: flag(2),
            discards: flag(3),
            wall,
            max_message,
            max_block,
            version_hash,
        })
    }
}

impl SnapshotHead {
    pub(crate) fn decode(mut bytes: &[u8], origins: usize) -> Result<Self, Malformed> {
        let bytes = &mut bytes;
        let size = number(bytes)?;
        let digest = u128::from_le_bytes(take(bytes)?);
        let time = time(bytes)?;
        let version = take_version(bytes, origins)?;
        let floor = take_version(bytes, origins)?;
        let [cause] = take(bytes)?;
        let cause = Cause::from_byte(cause).ok_or(Malformed("the cause of a snapshot"))?;
        end(bytes)?;
        Ok(Self { size, digest, time, version, floor, cause })
    }
}

/// How a conversation begins, as far as one can tell from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// So far as it should, but there is more to come.
    Short,
    Ours,
    OtherProtocol(u8),
    Foreign,
}

pub(crate) fn check_opening(bytes: &[u8]) -> Opening {
    let len = bytes.len().min(MAGIC.len());
    if bytes[..len] != MAGIC[..len] {
        return Opening::Foreign;
    }
    match bytes.get(MAGIC.len()) {
        None => Opening::Short,
        Some(&PROTOCOL) => Opening::Ours,
        Some(&other) => Opening::OtherProtocol(other),
    }
}

/// Appends a version: how many entries, then each.
pub(crate) fn put_version(bytes: &mut Vec<u8>, version: &VersionVector) {
    put_u64(bytes, version.len() as u64);
    for (id, seq) in version.iter() {
        bytes.extend_from_slice(&id.to_bytes());
        put_u64(bytes, seq);
    }
}

/// Takes a version off the front, if it has at most `limit` entries.
pub(crate) fn take_version(bytes: &mut &[u8], limit: usize) -> Result<VersionVector, Malformed> {
    let len = number(bytes)?;
    if len > limit as u64 || len > bytes.len() as u64 / 17 {
        return Err(Malformed("a version with more entries than allowed, or than there are bytes"));
    }
    // The order is that of the speaker's table of origins, so both sides must mean the same by it.
    let mut before = None;
    let entries = (0..len).map(|_| {
        let (id, seq) = (ReplicaId::from_bytes(take(bytes)?), seq(bytes)?);
        if before.replace(id) >= Some(id) {
            return Err(Malformed("a version in the order of its ids"));
        }
        Ok((id, seq))
    });
    entries.collect()
}

/// The tags of what a message of items holds.
pub(crate) mod tag {
    pub(crate) const RUN: u8 = 0;
    pub(crate) const SKIP: u8 = 1;
    pub(crate) const BEGIN: u8 = 2;
    pub(crate) const COMMIT: u8 = 3;
    pub(crate) const ABANDON: u8 = 4;
    pub(crate) const EDIT: u8 = 5;
    /// A run, with what its author had newly seen before it.
    pub(crate) const RECORDED: u8 = 6;
}

/// The most that one thing takes that an author had seen: a new origin, and a seq.
pub(crate) const MAX_SIGHTING: usize = 5 + 16 + 10;

/// Appends the entries of a run: each with its time as the distance to the one before, and with its
/// length unless that is the same again.
#[derive(Debug)]
pub(crate) struct RunWriter {
    before: Option<Time>,
    len: u64,
}

impl RunWriter {
    /// The most that an entry takes beside its payload.
    pub(crate) const MAX_OVERHEAD: usize = 20;

    /// `base` is the time of the first entry.
    pub(crate) fn new(bytes: &mut Vec<u8>, base: Time) -> Self {
        put_u64(bytes, base.as_micros());
        Self { before: None, len: 0 }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &mut Vec<u8>, time: Time, payload: &[u8]) {
        // Times strictly increase, so the distance less one is the number to send.
        let distance = self.before.map_or(0, |before| time.as_micros() - before.as_micros() - 1);
        let len = payload.len() as u64;
        let is_same = len == self.len;
        put_u64(bytes, distance << 1 | u64::from(is_same));
        if !is_same {
            put_u64(bytes, len);
        }
        bytes.extend_from_slice(payload);
        (self.before, self.len) = (Some(time), len);
    }
}

// ---- reading ----

/// Bytes that are no message; what should have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub(crate) &'static str);

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Self {
        Self("a number")
    }
}

pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Malformed("more bytes"))?;
    *bytes = rest;
    Ok(*taken)
}

#[inline]
pub(crate) fn number(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    Ok(take_u64(bytes)?)
}

/// Nothing may follow.
pub(crate) fn end(bytes: &[u8]) -> Result<(), Malformed> {
    if bytes.is_empty() { Ok(()) } else { Err(Malformed("the end of a message")) }
}

/// A time.
pub(crate) fn time(bytes: &mut &[u8]) -> Result<Time, Malformed> {
    let time = Time::from_micros(number(bytes)?);
    if time <= MAX_TIME { Ok(time) } else { Err(Malformed("a time before the year 146,000")) }
}

/// A seq, or a count of seqs: at least 1.
pub(crate) fn seq(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let seq = number(bytes)?;
    if (1..=MAX_SEQ).contains(&seq) { Ok(seq) } else { Err(Malformed("a seq from 1 to 2^62")) }
}

/// A first seq and a count, as first and last.
fn seqs(bytes: &mut &[u8]) -> Result<(u64, u64), Malformed> {
    let (first, count) = (seq(bytes)?, seq(bytes)?);
    match first + count - 1 {
        last if last <= MAX_SEQ => Ok((first, last)),
        _ => Err(Malformed("seqs up to 2^62")),
    }
}

/// An origin as a message names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginRef {
    Known(usize),
    New(ReplicaId),
}

/// One of the things in a message of items.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Entries of this origin; [`Items::next_entry`] has them. And what their author had newly seen before
    /// the first, if the speaker knows.
    Run(OriginRef, Option<Vec<(OriginRef, u64)>>),
    /// From the seq to the seq, of each origin.
    Skip(Vec<(OriginRef, u64, u64)>),
    Begin,
    Commit,
    Abandon,
    Edit(OriginRef, u64, u64),
}

/// An entry of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunEntry<'a> {
    pub(crate) seq: u64,
    pub(crate) time: Time,
    pub(crate) payload: &'a [u8],
}

/// Reads the items of a message one by one, and after each run its entries.
#[derive(Debug)]
pub(crate) struct Items<'a> {
    bytes: &'a [u8],
    /// How many origins the table has, new ones included.
    origins: usize,
    run: Run,
}

#[derive(Debug, Default)]
struct Run {
    left: u64,
    seq: u64,
    /// The time of the next entry is the distance from here, at the least.
    base: u64,
    len: u64,
}

impl<'a> Items<'a> {
    pub(crate) fn new(bytes: &'a [u8], origins: usize) -> Self {
        Self { bytes, origins, run: Run::default() }
    }

    /// The next item; `None` at the end. The entries of the run before must have been read.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Malformed> {
        debug_assert_eq!(self.run.left, 0);
        let Some((&tag, rest)) = self.bytes.split_first() else {
            return Ok(None);
        };
        self.bytes = rest;
        Ok(Some(match tag {
            tag::RUN => {
                let (origin, first, last) = self.range()?;
                self.begin_run(first, last)?;
                Item::Run(origin, None)
            }
            tag::RECORDED => {
                let (origin, first, last) = self.range()?;
                let seen = self.sightings()?;
                self.begin_run(first, last)?;
                Item::Run(origin, Some(seen))
            }
            tag::SKIP => self.skip()?,
            tag::BEGIN => Item::Begin,
            tag::COMMIT => Item::Commit,
            tag::ABANDON => Item::Abandon,
            tag::EDIT => {
                let (origin, first, last) = self.range()?;
                Item::Edit(origin, first, last)
            }
            _ => return Err(Malformed("an item")),
        }))
    }

    /// The entries from a seq to a seq follow.
    fn begin_run(&mut self, first: u64, last: u64) -> Result<(), Malformed> {
        let base = time(&mut self.bytes)?.as_micros();
        self.run = Run { left: last - first + 1, seq: first, base, len: 0 };
        Ok(())
    }

    fn sightings(&mut self) -> Result<Vec<(OriginRef, u64)>, Malformed> {
        let len = number(&mut self.bytes)?;
        // Each of another origin, so of what is in the table, and of what is new and has an id.
        let origins = (self.origins + self.bytes.len() / 17) as u64;
        if len > origins.min(self.bytes.len() as u64 / 2) {
            return Err(Malformed(
                "as much that was seen as the run announces, of each origin once",
            ));
        }
        (0..len).map(|_| Ok((self.origin()?, seq(&mut self.bytes)?))).collect()
    }

    /// The next entry of the run; `None` at its end.
    #[inline]
    pub(crate) fn next_entry(&mut self) -> Result<Option<RunEntry<'a>>, Malformed> {
        let run = &mut self.run;
        if run.left == 0 {
            return Ok(None);
        }
        let head = number(&mut self.bytes)?;
        if head & 1 == 0 {
            run.len = number(&mut self.bytes)?;
        }
        let time = run.base + (head >> 1);
        if time > MAX_TIME.as_micros() {
            return Err(Malformed("a time before the year 146,000"));
        }
        let (seq, len) = (run.seq, run.len);
        if len > self.bytes.len() as u64 {
            return Err(Malformed("as many bytes as the entry announces"));
        }
        let (payload, rest) = self.bytes.split_at(len as usize);
        self.bytes = rest;
        run.base = time + 1;
        run.seq += 1;
        run.left -= 1;
        Ok(Some(RunEntry { seq, time: Time::from_micros(time), payload }))
    }

    fn skip(&mut self) -> Result<Item, Malformed> {
        let len = number(&mut self.bytes)?;
        if len == 0 || len > self.bytes.len() as u64 / 3 {
            return Err(Malformed("as many ranges as the skip announces, and one at least"));
        }
        Ok(Item::Skip((0..len).map(|_| self.range()).collect::<Result<_, Malformed>>()?))
    }

    /// From a seq to a seq, of an origin.
    fn range(&mut self) -> Result<(OriginRef, u64, u64), Malformed> {
        let origin = self.origin()?;
        let (first, last) = seqs(&mut self.bytes)?;
        Ok((origin, first, last))
    }

    fn origin(&mut self) -> Result<OriginRef, Malformed> {
        let place = number(&mut self.bytes)?;
        if place < self.origins as u64 {
            return Ok(OriginRef::Known(place as usize));
        }
        if place > self.origins as u64 {
            return Err(Malformed("a known origin, or the next new one"));
        }
        self.origins += 1;
        Ok(OriginRef::New(ReplicaId::from_bytes(take(&mut self.bytes)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_fits_in_what_is_buffered_for_it() {
        let open = Open {
            schema: Schema::new(&"x".repeat(500), u32::MAX),
            newest: u32::MAX,
            id: ReplicaId::from(u128::MAX),
            sends: true,
            receives: false,
            checks: true,
            discards: false,
            wall: MAX_TIME,
            max_message: u64::MAX,
            max_block: u64::MAX,
            version_hash: u128::MAX,
        };
        let mut bytes = Vec::new();
        open.encode(&mut bytes);
        assert!(bytes.len() <= MAX_OPEN);
        assert_eq!(check_opening(&bytes), Opening::Ours);
        assert_eq!(Open::decode(&bytes), Ok(open));
    }

    #[test]
    fn long_schema_names_are_cut_at_a_character_and_stay_distinct() {
        let a = Schema::new(&"é".repeat(50), 1);
        let b = Schema::new(&"é".repeat(51), 1);
        assert_ne!(a, b);
        assert!(a.name().len() <= Schema::MAX_NAME);
    }

    #[test]
    fn another_protocol_is_recognised_by_its_first_bytes() {
        assert_eq!(check_opening(b"rp"), Opening::Short);
        assert_eq!(check_opening(b"GET / HTTP/1.1"), Opening::Foreign);
        assert_eq!(check_opening(b"rpd\x01\x09"), Opening::OtherProtocol(9));
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let mut bytes = vec![tag::RUN, 0];
        bytes.extend_from_slice(&ReplicaId::from(7).to_bytes());
        put_u64(&mut bytes, 41);
        put_u64(&mut bytes, 3);
        let mut run = RunWriter::new(&mut bytes, Time::from_micros(1000));
        let entries: [(u64, &[u8]); 3] = [(1000, b"ab"), (1001, b"cd"), (5000, b"")];
        for (time, payload) in entries {
            run.put(&mut bytes, Time::from_micros(time), payload);
        }
        let mut items = Items::new(&bytes, 0);
        assert_eq!(items.next(), Ok(Some(Item::Run(OriginRef::New(7.into()), None))));
        for (seq, (time, payload)) in (41..).zip(entries) {
            let time = Time::from_micros(time);
            let entry = RunEntry { seq, time, payload };
            assert_eq!(items.next_entry(), Ok(Some(entry)));
        }
        assert_eq!(items.next_entry(), Ok(None));
        assert_eq!(items.next(), Ok(None));
    }

    #[test]
    fn the_causes_of_a_run_cost_an_origin_and_a_seq() {
        // Three origins in the table; b.300 and c.7 before a.2, which is empty.
        let bytes = [tag::RECORDED, 0, 2, 1, 2, 1, 0xac, 0x02, 2, 7, 9, 0, 0];
        let mut items = Items::new(&bytes, 3);
        let seen = vec![(OriginRef::Known(1), 300), (OriginRef::Known(2), 7)];
        assert_eq!(items.next(), Ok(Some(Item::Run(OriginRef::Known(0), Some(seen)))));
        let entry = RunEntry { seq: 2, time: Time::from_micros(9), payload: b"" };
        assert_eq!(items.next_entry(), Ok(Some(entry)));
        assert_eq!((items.next_entry(), items.next()), (Ok(None), Ok(None)));
    }

    #[test]
    fn more_causes_than_origins_are_malformed() {
        let mut bytes = vec![tag::RECORDED, 0, 2, 1, 4];
        bytes.extend_from_slice(&[1; 16]);
        assert!(Items::new(&bytes, 3).next().is_err());
        assert!(Items::new(&[tag::RECORDED, 0, 2, 1, 2, 1, 1], 3).next().is_err());
    }

    #[test]
    fn an_entry_of_the_same_size_as_the_one_before_costs_one_byte() {
        let mut bytes = Vec::new();
        let mut run = RunWriter::new(&mut bytes, Time::from_micros(1));
        run.put(&mut bytes, Time::from_micros(1), b"0123456789");
        let before = bytes.len();
        run.put(&mut bytes, Time::from_micros(40), b"0123456789");
        assert_eq!(bytes.len() - before, 11);
    }
}
