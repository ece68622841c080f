//! [`Item`]: what a message of items is made of, written by [`ItemWriter`] and read by [`ItemReader`].
//!
//! An origin is named by its place in the speaker's *table of origins*: those of the digest the speaker sent, in
//! order, then each new one as it is first named. A name is a varint; that of a new origin is followed by its id and
//! its attributes.

use alloc::vec::Vec;

use super::{
    attributes::{Attributes, put_attributes},
    message::Kind,
    version::{put_mark, take_mark},
    wire::{
        FIRST_OPEN_NUMBER, MAX_SEQ, MAX_TIME, Malformed, Unreadable, Upgrade, check_unknown,
        put_id, put_number, put_seqs, put_time, put_token, take_id, take_number, take_seq,
        take_seqs, take_slice, take_time, take_token,
    },
};
use crate::{
    id::ReplicaId,
    time::Time,
    token::{Epoch, Token},
};

/// The tags of items.
mod tag {
    pub(super) const RUN: u8 = 0;
    pub(super) const SKIP: u8 = 1;
    pub(super) const BEGIN: u8 = 2;
    pub(super) const COMMIT: u8 = 3;
    pub(super) const ABANDON: u8 = 4;
    pub(super) const EDIT: u8 = 5;
    /// A run, with what its author had newly seen before it.
    pub(super) const RECORDED: u8 = 6;
    /// Where an epoch of an origin begins.
    pub(super) const EPOCH: u8 = 7;
    /// Reserved: a run of entries of another kind than updates.
    pub(super) const OTHER_RUN: u8 = 8;
}

/// The name of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginName {
    /// It is in the table, at this place.
    Known(usize),
    /// It takes this place in the table, the next one, from here on.
    New(usize, ReplicaId),
}

/// The seqs of an origin from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedRange {
    pub(crate) origin: OriginName,
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// One of the things in a message of items.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// Entries; [`ItemReader::next_entry`] has them. And what their author had newly seen before the first: an
    /// origin and a seq each, if the speaker knows.
    Run(NamedRange, Option<Vec<(OriginName, u64)>>),
    /// Entries that were forgotten, applied together.
    Skip(Vec<Skipped>),
    /// A block begins: what follows is applied together or not at all.
    Begin,
    /// The block is complete.
    Commit,
    /// The block will not be completed.
    Abandon,
    /// Entries of the block that are one edit.
    Edit(NamedRange),
    /// An epoch of an origin begins with what comes next of it.
    Epoch(OriginName, Epoch),
    /// Something of a later version of the program: its tag, its length and its bytes.
    Unknown(&'a [u8]),
}

/// Entries of an origin that were forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) range: NamedRange,
    /// The token of the last, if that is the last of its origin at the speaker.
    pub(crate) token: Option<Token>,
}

/// An entry of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunEntry<'a> {
    pub(crate) seq: u64,
    pub(crate) time: Time,
    pub(crate) payload: &'a [u8],
}

/// The unit in which a run says how far its entries are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Tick,
    /// Clocks are read in microseconds, and this saves a byte for nearly each entry that is written at human pace.
    Micro,
}

impl Unit {
    /// The largest in which these times, which ascend, are a whole number apart.
    pub(crate) fn of(mut times: impl Iterator<Item = Time>) -> Self {
        let Some(first) = times.next() else { return Self::Tick };
        let is_whole =
            |time: Time| (time.as_ticks() - first.as_ticks()).is_multiple_of(Time::TICKS_PER_MICRO);
        if times.all(is_whole) { Self::Micro } else { Self::Tick }
    }

    fn ticks(self) -> u64 {
        match self {
            Self::Tick => 1,
            Self::Micro => Time::TICKS_PER_MICRO,
        }
    }
}

/// Writes a message of items.
#[derive(Debug)]
pub(crate) struct ItemWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> ItemWriter<'o> {
    /// The most bytes of a run's head, without its dependencies.
    pub(crate) const MAX_RUN_HEAD: usize = 64;
    /// The most that one thing takes that an author had seen: a new origin, and a seq.
    pub(crate) const MAX_SEEN: usize = 5 + 17 + 10;
    /// The most that an entry takes beside its payload.
    pub(crate) const MAX_ENTRY_HEAD: usize = 20;
    /// The most that stands before the ranges of a skip.
    pub(crate) const MAX_SKIP_HEAD: usize = 16;
    /// The most that one range of a skip takes: a new origin, a first seq, a count, a token.
    pub(crate) const MAX_RANGE: usize = 5 + 17 + 10 + 10 + 8;
    /// The most that the beginning of an epoch takes.
    pub(crate) const MAX_EPOCH: usize = 1 + 5 + 17 + 10 + 4;

    /// Begins a message at the end of `out`.
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        out.push(Kind::Items as u8);
        Self { out, start }
    }

    /// Bytes of the message so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Whether no item was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 1
    }

    /// Ends the message. One without items is taken back; returns whether there is one.
    pub(crate) fn finish(self) -> bool {
        let has_any = !self.is_empty();
        if !has_any {
            self.out.truncate(self.start);
        }
        has_any
    }

    pub(crate) fn begin(&mut self) {
        self.out.push(tag::BEGIN);
    }

    pub(crate) fn commit(&mut self) {
        self.out.push(tag::COMMIT);
    }

    pub(crate) fn abandon(&mut self) {
        self.out.push(tag::ABANDON);
    }

    pub(crate) fn edit(&mut self, range: NamedRange) {
        self.out.push(tag::EDIT);
        self.put_range(range);
    }

    pub(crate) fn skip(&mut self, skipped: impl ExactSizeIterator<Item = Skipped>) {
        self.out.push(tag::SKIP);
        put_number(self.out, skipped.len() as u64);
        for Skipped { range, token } in skipped {
            self.put_flagged_range(range, token.is_some());
            if let Some(token) = token {
                put_token(self.out, token);
            }
        }
    }

    pub(crate) fn epoch(&mut self, origin: OriginName, Epoch { first, mark }: Epoch) {
        self.out.push(tag::EPOCH);
        self.put_origin(origin);
        put_number(self.out, first);
        put_mark(self.out, mark);
    }

    /// Something unknown, as an [`ItemReader`] has read it.
    pub(crate) fn unknown(&mut self, item: &[u8]) {
        self.out.extend_from_slice(item);
    }

    /// Begins a run of entries, the first of which is of `base`: [`RunWriter::entry`] has to follow for each.
    pub(crate) fn run(&mut self, range: NamedRange, base: Time, unit: Unit) -> RunWriter<'_> {
        self.out.push(tag::RUN);
        self.put_flagged_range(range, unit == Unit::Micro);
        put_time(self.out, base);
        RunWriter { out: self.out, before: None, unit, len: 0 }
    }

    /// The same with what the author of the entries had newly seen before the first.
    pub(crate) fn recorded_run(
        &mut self,
        range: NamedRange,
        seen: impl ExactSizeIterator<Item = (OriginName, u64)>,
        base: Time,
        unit: Unit,
    ) -> RunWriter<'_> {
        self.out.push(tag::RECORDED);
        self.put_flagged_range(range, unit == Unit::Micro);
        put_number(self.out, seen.len() as u64);
        for (origin, seq) in seen {
            self.put_origin(origin);
            put_number(self.out, seq);
        }
        put_time(self.out, base);
        RunWriter { out: self.out, before: None, unit, len: 0 }
    }

    /// A range, and a flag beside the count.
    fn put_flagged_range(&mut self, range: NamedRange, flag: bool) {
        let NamedRange { origin, first, last } = range;
        self.put_origin(origin);
        put_number(self.out, first);
        put_number(self.out, (last - first + 1) << 1 | u64::from(flag));
    }

    fn put_range(&mut self, NamedRange { origin, first, last }: NamedRange) {
        self.put_origin(origin);
        put_seqs(self.out, first, last);
    }

    fn put_origin(&mut self, origin: OriginName) {
        match origin {
            OriginName::Known(place) => put_number(self.out, place as u64),
            OriginName::New(place, id) => {
                put_number(self.out, place as u64);
                put_id(self.out, id);
                put_attributes(self.out, &[]);
            }
        }
    }
}

/// Writes the entries of a run: each with its time as the distance to the one before, and with its length unless
/// that is the same again.
#[derive(Debug)]
pub(crate) struct RunWriter<'o> {
    out: &'o mut Vec<u8>,
    before: Option<Time>,
    unit: Unit,
    len: u64,
}

impl RunWriter<'_> {
    #[inline]
    pub(crate) fn entry(&mut self, time: Time, payload: &[u8]) {
        // Times strictly increase, so the distance less one is the number to send.
        let apart = |before: Time| (time.as_ticks() - before.as_ticks()) / self.unit.ticks();
        let distance = self.before.map_or(0, |before| apart(before) - 1);
        let len = payload.len() as u64;
        let is_same = len == self.len;
        put_number(self.out, distance << 1 | u64::from(is_same));
        if !is_same {
            put_number(self.out, len);
        }
        self.out.extend_from_slice(payload);
        (self.before, self.len) = (Some(time), len);
    }
}

/// Reads the items of a message one by one, and after each run its entries.
#[derive(Debug)]
pub(crate) struct ItemReader<'a> {
    bytes: &'a [u8],
    /// How many origins the table has, new ones included.
    origins: usize,
    run: Run,
}

/// What is left of a run.
#[derive(Debug, Default)]
struct Run {
    left: u64,
    seq: u64,
    /// The earliest possible time of the next entry, in ticks; the encoded distance is added to it.
    base: u64,
    /// The ticks in the unit of distances.
    unit: u64,
    len: u64,
}

impl<'a> ItemReader<'a> {
    /// Reads the body of a message, whose speaker's table has so many origins.
    pub(crate) fn new(body: &'a [u8], origins: usize) -> Self {
        Self { bytes: body, origins, run: Run::default() }
    }

    /// The next item; `None` at the end. The entries of the run before must have been read.
    pub(crate) fn next(&mut self) -> Result<Option<Item<'a>>, Unreadable> {
        debug_assert_eq!(self.run.left, 0);
        let item = self.bytes;
        let Some((&tag, rest)) = self.bytes.split_first() else {
            return Ok(None);
        };
        self.bytes = rest;
        Ok(Some(match tag {
            tag::RUN => {
                let (range, is_micro) = self.flagged_range()?;
                self.begin_run(range, is_micro)?;
                Item::Run(range, None)
            }
            tag::RECORDED => {
                let (range, is_micro) = self.flagged_range()?;
                let seen = self.seen()?;
                self.begin_run(range, is_micro)?;
                Item::Run(range, Some(seen))
            }
            tag::SKIP => self.skip()?,
            tag::BEGIN => Item::Begin,
            tag::COMMIT => Item::Commit,
            tag::ABANDON => Item::Abandon,
            tag::EDIT => Item::Edit(self.range()?),
            tag::EPOCH => {
                let (origin, first) = (self.origin()?, take_seq(&mut self.bytes)?);
                Item::Epoch(origin, Epoch { first, mark: take_mark(&mut self.bytes)? })
            }
            tag::OTHER_RUN => return Err(Upgrade { what: "an item", number: tag.into() }.into()),
            _ if u64::from(tag) < FIRST_OPEN_NUMBER => return Err(Malformed("an item").into()),
            _ => {
                check_unknown("an item", tag.into())?;
                take_slice(&mut self.bytes, u64::MAX)?;
                Item::Unknown(&item[..item.len() - self.bytes.len()])
            }
        }))
    }

    /// The next entry of the run; `None` at its end.
    #[inline]
    pub(crate) fn next_entry(&mut self) -> Result<Option<RunEntry<'a>>, Malformed> {
        let run = &mut self.run;
        if run.left == 0 {
            return Ok(None);
        }
        let head = take_number(&mut self.bytes)?;
        if head & 1 == 0 {
            run.len = take_number(&mut self.bytes)?;
        }
        let time = (head >> 1).saturating_mul(run.unit).saturating_add(run.base);
        if time > MAX_TIME.as_ticks() {
            return Err(Malformed("a time before the year 6536"));
        }
        let (seq, len) = (run.seq, run.len);
        if len > self.bytes.len() as u64 {
            return Err(Malformed("as many bytes as the entry announces"));
        }
        let (payload, rest) = self.bytes.split_at(len as usize);
        self.bytes = rest;
        run.base = time + run.unit;
        run.seq += 1;
        run.left -= 1;
        Ok(Some(RunEntry { seq, time: Time::from_ticks(time), payload }))
    }

    fn begin_run(&mut self, range: NamedRange, is_micro: bool) -> Result<(), Unreadable> {
        let base = take_time(&mut self.bytes)?.as_ticks();
        let NamedRange { first, last, .. } = range;
        let unit = if is_micro { Unit::Micro } else { Unit::Tick }.ticks();
        self.run = Run { left: last - first + 1, seq: first, base, unit, len: 0 };
        Ok(())
    }

    fn seen(&mut self) -> Result<Vec<(OriginName, u64)>, Unreadable> {
        let len = take_number(&mut self.bytes)?;
        // Each of another origin, so of what is in the table, and of what is new and has an id.
        let origins = (self.origins + self.bytes.len() / 18) as u64;
        if len > origins.min(self.bytes.len() as u64 / 2) {
            return Err(Malformed("no more dependencies than there are origins, or bytes").into());
        }
        (0..len).map(|_| Ok((self.origin()?, take_seq(&mut self.bytes)?))).collect()
    }

    fn skip(&mut self) -> Result<Item<'a>, Unreadable> {
        let len = take_number(&mut self.bytes)?;
        if len == 0 || len > self.bytes.len() as u64 / 3 {
            return Err(Malformed("as many ranges as the skip announces, and one at least").into());
        }
        Ok(Item::Skip((0..len).map(|_| self.skipped()).collect::<Result<_, Unreadable>>()?))
    }

    fn skipped(&mut self) -> Result<Skipped, Unreadable> {
        let (range, has_token) = self.flagged_range()?;
        let token = if has_token { Some(take_token(&mut self.bytes)?) } else { None };
        Ok(Skipped { range, token })
    }

    /// A range, and a flag beside the count.
    fn flagged_range(&mut self) -> Result<(NamedRange, bool), Unreadable> {
        let (origin, first) = (self.origin()?, take_seq(&mut self.bytes)?);
        let flagged = take_number(&mut self.bytes)?;
        let count = flagged >> 1;
        if !(1..=MAX_SEQ + 1 - first).contains(&count) {
            return Err(Malformed("seqs up to 2^62").into());
        }
        Ok((NamedRange { origin, first, last: first + count - 1 }, flagged & 1 == 1))
    }

    fn range(&mut self) -> Result<NamedRange, Unreadable> {
        let origin = self.origin()?;
        let (first, last) = take_seqs(&mut self.bytes)?;
        Ok(NamedRange { origin, first, last })
    }

    fn origin(&mut self) -> Result<OriginName, Unreadable> {
        let place = take_number(&mut self.bytes)?;
        let next = self.origins;
        if place < next as u64 {
            return Ok(OriginName::Known(place as usize));
        }
        if place > next as u64 {
            return Err(Malformed("a known origin, or the next new one").into());
        }
        self.origins += 1;
        let id = take_id(&mut self.bytes)?;
        Attributes::take(&mut self.bytes)?.read_unknown()?;
        Ok(OriginName::New(next, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(origin: OriginName, first: u64, last: u64) -> NamedRange {
        NamedRange { origin, first, last }
    }

    #[test]
    fn every_item_is_read_as_it_was_written() {
        let (known, new) = (OriginName::Known(1), OriginName::New(3, 7.into()));
        let token = Token { epoch: 5, entry: u32::MAX };
        let skipped = [
            Skipped { range: range(new, 1, 1), token: None },
            Skipped { range: range(known, 1, 900), token: Some(token) },
        ];
        let (edit, epoch) = (range(known, 2, 5), Epoch { first: 901, mark: 7 });
        let unknown = [64, 3, 1, 2, 3];
        let mut bytes = Vec::new();
        let mut items = ItemWriter::new(&mut bytes);
        items.begin();
        items.edit(edit);
        items.skip(skipped.into_iter());
        items.epoch(known, epoch);
        items.unknown(&unknown);
        items.commit();
        items.abandon();
        assert!(items.finish());

        let mut items = ItemReader::new(&bytes[1..], 3);
        let expected = [
            Item::Begin,
            Item::Edit(edit),
            Item::Skip(skipped.to_vec()),
            Item::Epoch(known, epoch),
            Item::Unknown(&unknown),
            Item::Commit,
            Item::Abandon,
        ];
        for item in expected {
            assert_eq!(items.next(), Ok(Some(item)));
        }
        assert_eq!(items.next(), Ok(None));
    }

    #[test]
    fn an_item_of_a_later_version_asks_for_an_upgrade_unless_its_tag_is_even() {
        let next = |bytes: &[u8]| ItemReader::new(bytes, 3).next().map(|item| item.is_some());
        let upgrade = |number| Err(Upgrade { what: "an item", number }.into());
        assert_eq!(next(&[66, 0]), Ok(true));
        assert_eq!(next(&[67, 0]), upgrade(67));
        assert_eq!(next(&[8, 0, 0]), upgrade(8), "entries of another kind are reserved");
        assert!(matches!(next(&[63, 0]), Err(Unreadable::Malformed(_))));
        assert!(matches!(next(&[66, 1]), Err(Unreadable::Malformed(_))), "it is cut short");
    }

    #[test]
    fn a_skip_ends_where_seqs_end() {
        let skip = |first: u64, count: u64| {
            let mut bytes = vec![tag::SKIP, 1, 0];
            put_number(&mut bytes, first);
            put_number(&mut bytes, count << 1);
            ItemReader::new(&bytes, 1).next().is_ok()
        };
        assert!(skip(1, MAX_SEQ) && skip(MAX_SEQ, 1));
        assert!(!skip(2, MAX_SEQ) && !skip(MAX_SEQ, 2) && !skip(1, 0));
    }

    #[test]
    fn a_message_without_items_is_none() {
        let mut bytes = vec![9];
        assert!(!ItemWriter::new(&mut bytes).finish());
        assert_eq!(bytes, [9]);
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let entries: [(u64, &[u8]); 3] = [(1000, b"ab"), (1001, b"cd"), (5000, b"")];
        let range = range(OriginName::New(0, 7.into()), 41, 43);
        let mut bytes = Vec::new();
        let mut items = ItemWriter::new(&mut bytes);
        let mut run = items.run(range, Time::from_micros(1000), Unit::Micro);
        for (time, payload) in entries {
            run.entry(Time::from_micros(time), payload);
        }
        let mut items = ItemReader::new(&bytes[1..], 0);
        assert_eq!(items.next(), Ok(Some(Item::Run(range, None))));
        for (seq, (time, payload)) in (41..).zip(entries) {
            let entry = RunEntry { seq, time: Time::from_micros(time), payload };
            assert_eq!(items.next_entry(), Ok(Some(entry)));
        }
        assert_eq!(items.next_entry(), Ok(None));
        assert_eq!(items.next(), Ok(None));
    }

    #[test]
    fn times_that_are_whole_microseconds_apart_cost_no_more_than_in_microseconds() {
        let size = |times: &[u64]| {
            let (mut bytes, times) =
                (Vec::new(), times.iter().map(|&ticks| Time::from_ticks(ticks)));
            let range = range(OriginName::Known(0), 1, times.len() as u64);
            let unit = Unit::of(times.clone());
            let mut items = ItemWriter::new(&mut bytes);
            let mut run = items.run(range, Time::from_ticks(7), unit);
            times.clone().for_each(|time| run.entry(time, b""));
            let mut items = ItemReader::new(&bytes[1..], 1);
            assert_eq!(items.next(), Ok(Some(Item::Run(range, None))));
            for time in times {
                assert_eq!(items.next_entry().unwrap().unwrap().time, time);
            }
            bytes.len()
        };
        // A second apart, and then a tick less.
        assert_eq!(
            size(&[7, 7 + 32_000_000, 7 + 64_000_000]) + 2,
            size(&[7, 6 + 32_000_000, 5 + 64_000_000])
        );
        // In a burst.
        assert_eq!(size(&[7, 8, 9]), size(&[7, 39, 71]));
    }

    #[test]
    fn a_distance_beyond_all_time_is_malformed() {
        // One of two entries, of which the second is as far away as can be said.
        let mut bytes = vec![tag::RUN, 0, 1, 2 << 1 | 1, 0, 1];
        put_number(&mut bytes, u64::MAX);
        let mut items = ItemReader::new(&bytes, 1);
        assert!(items.next().is_ok() && items.next_entry().is_ok());
        assert!(items.next_entry().is_err());
    }

    #[test]
    fn each_thing_that_an_author_had_seen_costs_an_origin_and_a_seq() {
        // Three origins in the table; b.300 and c.7 before a.2, which is empty.
        let bytes = [tag::RECORDED, 0, 2, 1 << 1, 2, 1, 0xac, 0x02, 2, 7, 9, 0, 0];
        let seen = vec![(OriginName::Known(1), 300), (OriginName::Known(2), 7)];
        let range = range(OriginName::Known(0), 2, 2);

        let mut items = ItemReader::new(&bytes, 3);
        assert_eq!(items.next(), Ok(Some(Item::Run(range, Some(seen.clone())))));
        let entry = RunEntry { seq: 2, time: Time::from_ticks(9), payload: b"" };
        assert_eq!(items.next_entry(), Ok(Some(entry)));
        assert_eq!((items.next_entry(), items.next()), (Ok(None), Ok(None)));

        let mut written = Vec::new();
        let mut items = ItemWriter::new(&mut written);
        items.recorded_run(range, seen.into_iter(), entry.time, Unit::Tick);
        // The entry itself is the last two bytes, of which a run without a payload needs only one.
        assert_eq!(written[1..], bytes[..bytes.len() - 2]);
    }

    #[test]
    fn an_author_cannot_have_seen_more_than_there_are_origins() {
        let mut bytes = vec![tag::RECORDED, 0, 2, 1 << 1, 4];
        bytes.extend_from_slice(&[1; 16]);
        assert!(ItemReader::new(&bytes, 3).next().is_err());
        assert!(ItemReader::new(&[tag::RECORDED, 0, 2, 1 << 1, 2, 1, 1], 3).next().is_err());
    }

    #[test]
    fn an_entry_of_the_length_before_costs_one_byte() {
        let mut bytes = Vec::new();
        let mut items = ItemWriter::new(&mut bytes);
        let range = range(OriginName::Known(0), 1, 2);
        let mut run = items.run(range, Time::from_micros(1), Unit::Micro);
        run.entry(Time::from_micros(1), b"0123456789");
        let before = run.out.len();
        run.entry(Time::from_micros(64), b"0123456789");
        assert_eq!(run.out.len() - before, 11);
    }
}
