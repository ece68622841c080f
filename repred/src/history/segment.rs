//! [`Segment`]: up to a thousand entries, one after the other in history order, as columns.

use alloc::vec::Vec;
use core::ops::Range;

use super::{OriginIndex, Position};
use crate::time::Time;

/// How many entries one segment holds at most: enough that what a segment costs by itself is a fraction
/// of a byte an entry, few enough that a walk over one costs no more than the reduction of a few updates.
/// In tests few, so that segments fill up, expire and split all the time.
pub(super) const SLOTS: usize = if cfg!(test) { 8 } else { 1024 };

/// The largest offset that fits the column of offsets.
const MAX_OFFSET: usize = u16::MAX as usize;

/// Entries at consecutive positions. The cost of an entry beyond its payload is two bytes for where it
/// starts, four or five for its time, and one bit that says whether it is expired.
#[derive(Debug)]
pub(super) struct Segment {
    /// The position of slot 0.
    start: Position,
    /// Slots at which another origin begins, or the seq jumps; the first is slot 0.
    run_starts: Vec<RunStart>,
    /// Where the payload of each slot starts; it ends where the next one starts. The last payload may
    /// be of any length, because nothing starts after it.
    offsets: Vec<u16>,
    times: Times,
    payload: Vec<u8>,
    /// Slots of which only the place is left.
    expired: [u64; SLOTS.div_ceil(64)],
    expired_slots: usize,
    expired_bytes: usize,
    /// The latest position of any entry that superseded an expired slot of this segment.
    barrier: Position,
}

/// Slots of one origin with consecutive seqs, up to the next run.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunStart {
    slot: u16,
    pub(super) origin: OriginIndex,
    first_seq: u64,
}

/// Consecutive slots that share an origin and are all live or all expired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) slot: usize,
    pub(super) len: usize,
    pub(super) origin: OriginIndex,
    pub(super) first_seq: u64,
    pub(super) expired: bool,
}

#[derive(Debug)]
enum Times {
    /// Relative to the first: the lower four bytes of each distance in ticks, and the fifth. There is no fifth while
    /// all are within 134 seconds of the first.
    Near { base: Time, offsets: Vec<u32>, fifth: Vec<u8> },
    /// When an entry is over nine hours away from the first of its segment, or before it.
    Far(Vec<Time>),
}

impl Segment {
    pub(super) fn new(start: Position) -> Self {
        Self {
            start,
            run_starts: Vec::new(),
            offsets: Vec::new(),
            times: Times::with_capacity(0),
            payload: Vec::new(),
            expired: [0; SLOTS.div_ceil(64)],
            expired_slots: 0,
            expired_bytes: 0,
            barrier: 0,
        }
    }

    /// The one that follows a segment, with room for as much as that came to hold: growing little by
    /// little would copy every payload twice.
    pub(super) fn after(before: &Self) -> Self {
        let mut next = Self::new(before.end());
        if before.is_full() {
            let slots = before.len();
            next.offsets.reserve(slots);
            // A little more, lest a slightly longer one has to move after all.
            let bytes = before.payload.len().min(MAX_OFFSET);
            next.payload.reserve(bytes + bytes / 8);
            next.times = Times::with_capacity(slots);
        }
        next
    }

    #[inline]
    pub(super) fn start(&self) -> Position {
        self.start
    }

    /// The position after the last slot.
    #[inline]
    pub(super) fn end(&self) -> Position {
        self.start + self.len() as u64
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len() == SLOTS || self.payload.len() > MAX_OFFSET
    }

    pub(super) fn barrier(&self) -> Position {
        self.barrier
    }

    pub(super) fn live_slots(&self) -> usize {
        self.len() - self.expired_slots
    }

    /// Bytes held for the segment, with what is reserved.
    pub(super) fn memory(&self) -> usize {
        let times = match &self.times {
            Times::Near { offsets, fifth, .. } => {
                offsets.capacity() * size_of::<u32>() + fifth.capacity()
            }
            Times::Far(times) => times.capacity() * size_of::<Time>(),
        };
        size_of::<Self>()
            + self.run_starts.capacity() * size_of::<RunStart>()
            + self.offsets.capacity() * size_of::<u16>()
            + times
            + self.payload.capacity()
    }

    /// Appends an entry; not if the segment is full. Returns its position.
    #[inline]
    pub(super) fn push(
        &mut self,
        origin: OriginIndex,
        seq: u64,
        time: Time,
        payload: &[u8],
    ) -> Position {
        debug_assert!(!self.is_full());
        let slot = self.len();
        let continues = self.run_starts.last().is_some_and(|run| {
            run.origin == origin && run.first_seq + (slot as u64 - u64::from(run.slot)) == seq
        });
        if !continues {
            self.run_starts.push(RunStart { slot: slot as u16, origin, first_seq: seq });
        }
        self.offsets.push(self.payload.len() as u16);
        self.times.push(time);
        self.payload.extend_from_slice(payload);
        self.start + slot as u64
    }

    /// Gives back what was reserved for entries that will not come.
    pub(super) fn seal(&mut self) {
        self.run_starts.shrink_to_fit();
        self.offsets.shrink_to_fit();
        self.payload.shrink_to_fit();
        match &mut self.times {
            Times::Near { offsets, fifth, .. } => {
                offsets.shrink_to_fit();
                fifth.shrink_to_fit();
            }
            Times::Far(times) => times.shrink_to_fit(),
        }
    }

    pub(super) fn payload(&self, slot: usize) -> &[u8] {
        &self.payload[self.offset(slot)..self.offset(slot + 1)]
    }

    /// Bytes of the payloads of some slots, with those of expired slots that are still there.
    pub(super) fn payload_bytes(&self, slots: Range<usize>) -> usize {
        self.offset(slots.end) - self.offset(slots.start)
    }

    /// Where the payload of a slot starts, or where the last one ends.
    fn offset(&self, slot: usize) -> usize {
        let offset = self.offsets.get(slot);
        offset.map_or(self.payload.len(), |&offset| usize::from(offset))
    }

    pub(super) fn time(&self, slot: usize) -> Time {
        self.times.at(slot)
    }

    pub(super) fn is_expired(&self, slot: usize) -> bool {
        self.expired[slot / 64] >> (slot % 64) & 1 == 1
    }

    /// Marks a slot expired. Its payload stays until [`compact`](Self::compact).
    pub(super) fn expire(&mut self, slot: usize, barrier: Position) {
        debug_assert!(!self.is_expired(slot));
        self.expired_bytes += self.payload(slot).len();
        self.expired_slots += 1;
        self.expired[slot / 64] |= 1 << (slot % 64);
        self.barrier = self.barrier.max(barrier);
    }

    /// Whether so few entries are left that columns are no longer the way to keep them.
    pub(super) fn is_sparse(&self) -> bool {
        self.live_slots() * 8 <= self.len()
    }

    /// Drops the payload of expired slots once it is half of all, so that the cost is amortised.
    pub(super) fn compact(&mut self) {
        if self.expired_bytes * 2 <= self.payload.len() {
            return;
        }
        let mut payload = Vec::with_capacity(self.payload.len() - self.expired_bytes);
        let mut offsets = Vec::with_capacity(self.len());
        for slot in 0..self.len() {
            offsets.push(payload.len() as u16);
            if !self.is_expired(slot) {
                payload.extend_from_slice(self.payload(slot));
            }
        }
        self.payload = payload;
        self.offsets = offsets;
        self.expired_bytes = 0;
    }

    /// The slot of an update, if it is in here.
    pub(super) fn find(&self, origin: OriginIndex, seq: u64) -> Option<usize> {
        self.run_starts.iter().enumerate().find_map(|(index, run)| {
            let len = (self.run_end(index) - usize::from(run.slot)) as u64;
            (run.origin == origin && (run.first_seq..run.first_seq + len).contains(&seq))
                .then(|| usize::from(run.slot) + (seq - run.first_seq) as usize)
        })
    }

    /// The run that begins at `slot`.
    pub(super) fn run(&self, slot: usize) -> Run {
        let index = self.run_starts.partition_point(|run| usize::from(run.slot) <= slot) - 1;
        let run = self.run_starts[index];
        let expired = self.is_expired(slot);
        let run_end = self.run_end(index);
        let end = if self.expired_slots == 0 {
            run_end
        } else {
            (slot..run_end).find(|&slot| self.is_expired(slot) != expired).unwrap_or(run_end)
        };
        Run {
            slot,
            len: end - slot,
            origin: run.origin,
            first_seq: run.first_seq + (slot as u64 - u64::from(run.slot)),
            expired,
        }
    }

    /// All runs, in order.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let mut slot = 0;
        core::iter::from_fn(move || {
            (slot < self.len()).then(|| {
                let run = self.run(slot);
                slot += run.len;
                run
            })
        })
    }

    /// The first seq of each run, by origin; an origin can occur more than once.
    pub(super) fn firsts(&self) -> impl Iterator<Item = (OriginIndex, u64)> + '_ {
        self.run_starts.iter().map(|run| (run.origin, run.first_seq))
    }

    fn run_end(&self, index: usize) -> usize {
        self.run_starts.get(index + 1).map_or(self.len(), |next| usize::from(next.slot))
    }
}

impl Times {
    fn with_capacity(slots: usize) -> Self {
        Self::Near { base: Time::ZERO, offsets: Vec::with_capacity(slots), fifth: Vec::new() }
    }

    #[inline]
    fn push(&mut self, time: Time) {
        match self {
            Self::Far(times) => times.push(time),
            Self::Near { base, offsets, fifth } => {
                if offsets.is_empty() {
                    *base = time;
                }
                match time.as_ticks().checked_sub(base.as_ticks()) {
                    Some(offset) if offset >> 32 == 0 && fifth.is_empty() => {
                        offsets.push(offset as u32);
                    }
                    Some(offset) if offset >> 40 == 0 => {
                        fifth.resize(offsets.len(), 0);
                        offsets.push(offset as u32);
                        fifth.push((offset >> 32) as u8);
                    }
                    _ => {
                        let mut times: Vec<_> = (0..offsets.len()).map(|i| self.at(i)).collect();
                        times.push(time);
                        *self = Self::Far(times);
                    }
                }
            }
        }
    }

    fn at(&self, slot: usize) -> Time {
        match self {
            Self::Near { base, offsets, fifth } => {
                let fifth = fifth.get(slot).map_or(0, |fifth| u64::from(*fifth));
                Time::from_ticks(base.as_ticks() + (fifth << 32 | u64::from(offsets[slot])))
            }
            Self::Far(times) => times[slot],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_entries_are_found() {
        let mut segment = Segment::new(100);
        let hour = 3_600_000_000;
        for (seq, time) in [(1, 5 * hour), (2, 5 * hour + 1), (3, hour), (4, 9 * hour)] {
            let payload = vec![seq as u8; seq as usize];
            segment.push(7, seq, Time::from_micros(time), &payload);
        }
        segment.push(8, 40, Time::ZERO, b"");
        assert_eq!(segment.end(), 105);
        assert_eq!(segment.find(7, 3), Some(2));
        assert_eq!(segment.find(8, 40), Some(4));
        assert_eq!(segment.find(8, 41), None);
        assert_eq!(segment.payload(2), [3, 3, 3]);
        assert_eq!(segment.time(2), Time::from_micros(hour));
        assert_eq!(segment.time(3), Time::from_micros(9 * hour));
    }

    #[test]
    fn times_are_exact_however_far_apart_they_are() {
        let second = 1_000_000 * Time::TICKS_PER_MICRO;
        let apart =
            [1, 100 * second, 134 * second, 135 * second, 9 * 3600 * second, 10 * 3600 * second];
        for until in 1..=apart.len() {
            let mut segment = Segment::new(0);
            let times: Vec<_> =
                apart[..until].iter().map(|apart| Time::from_ticks(1 << 55 | apart)).collect();
            for (seq, time) in (1..).zip(&times) {
                segment.push(0, seq, *time, b"");
            }
            let kept: Vec<_> = (0..until).map(|slot| segment.time(slot)).collect();
            assert_eq!(kept, times);
            assert_eq!(matches!(segment.times, Times::Far(_)), until == apart.len());
        }
    }

    #[test]
    fn the_last_payload_may_be_longer_than_offsets_reach() {
        let mut segment = Segment::new(0);
        segment.push(0, 1, Time::ZERO, b"short");
        segment.push(0, 2, Time::ZERO, &vec![1; 1 << 20]);
        assert!(segment.is_full());
        assert_eq!(segment.payload(0), b"short");
        assert_eq!(segment.payload(1).len(), 1 << 20);
    }

    #[test]
    fn compaction_drops_only_dead_payloads() {
        let mut segment = Segment::new(0);
        for seq in 1..=4u64 {
            segment.push(0, seq, Time::ZERO, &[seq as u8; 10]);
        }
        segment.expire(0, 9);
        segment.expire(1, 3);
        segment.expire(3, 4);
        segment.compact();
        assert_eq!(segment.payload(2), [3; 10]);
        assert_eq!(segment.payload(1), b"");
        assert_eq!(segment.payload.len(), 10);
        assert_eq!(segment.barrier(), 9);
        let runs: Vec<_> = segment.runs().map(|s| (s.first_seq, s.len, s.expired)).collect();
        assert_eq!(runs, [(1, 2, true), (3, 1, false), (4, 1, true)]);
    }
}
