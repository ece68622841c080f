//! [`Block`]: what is applied together or not at all.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use crate::{
    history::{Dependency, OriginIndex, SeqRange},
    time::Time,
};

/// An entry as a peer has sent it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) origin: OriginIndex,
    pub(crate) seq: u64,
    pub(crate) time: Time,
    pub(crate) payload: &'a [u8],
    /// What its author had newly seen before it, of each other origin once, if the peer knows.
    pub(crate) seen: Option<&'a [Dependency]>,
}

/// Entries and skips that are applied together or not at all.
#[derive(Debug, Default)]
pub(crate) struct Block {
    items: Vec<Stored>,
    /// The bytes of all entries, one behind the other.
    payload: Vec<u8>,
    edits: Vec<SeqRange>,
    memory: usize,
}

/// A part of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BlockItem<'b> {
    Entry(Received<'b>),
    Skip(&'b [SeqRange]),
}

#[derive(Debug)]
enum Stored {
    Entry {
        origin: OriginIndex,
        seq: u64,
        time: Time,
        payload: Range<usize>,
        seen: Option<Box<[Dependency]>>,
    },
    Skip(Vec<SeqRange>),
}

impl Block {
    pub(crate) fn entry(&mut self, entry: Received<'_>) {
        let Received { origin, seq, time, payload, seen } = entry;
        let start = self.payload.len();
        self.payload.extend_from_slice(payload);
        let payload = start..self.payload.len();
        let seen_bytes = seen.map_or(0, size_of_val::<[Dependency]>);
        self.memory += payload.len() + seen_bytes + size_of::<Stored>();
        let seen = seen.map(Box::from);
        self.items.push(Stored::Entry { origin, seq, time, payload, seen });
    }

    pub(crate) fn skip(&mut self, ranges: Vec<SeqRange>) {
        self.memory += size_of::<Stored>() + size_of_val(&*ranges);
        self.items.push(Stored::Skip(ranges));
    }

    pub(crate) fn edit(&mut self, range: SeqRange) {
        self.memory += size_of::<SeqRange>();
        self.edits.push(range);
    }

    /// About how many bytes of memory it holds.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// Its entries and skips, in order.
    pub(crate) fn items(&self) -> impl ExactSizeIterator<Item = BlockItem<'_>> {
        self.items.iter().map(|item| match item {
            &Stored::Entry { origin, seq, time, ref payload, ref seen } => {
                let (payload, seen) = (&self.payload[payload.clone()], seen.as_deref());
                BlockItem::Entry(Received { origin, seq, time, payload, seen })
            }
            Stored::Skip(ranges) => BlockItem::Skip(ranges),
        })
    }

    /// Which of its entries are one edit.
    pub(crate) fn edits(&self) -> &[SeqRange] {
        &self.edits
    }
}
