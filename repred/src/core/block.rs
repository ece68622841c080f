//! [`Block`]: what is taken in together or not at all.

use std::ops::Range;

use super::receiving::Received;
use crate::{
    history::{Dependency, OriginIndex, SeqRange},
    time::Time,
};

/// Entries and skips that are taken in together or not at all.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(super) items: Vec<BlockItem>,
    payload: Vec<u8>,
    pub(super) edits: Vec<SeqRange>,
    memory: usize,
}

#[derive(Debug)]
pub(super) enum BlockItem {
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
        self.memory += payload.len() + seen_bytes + size_of::<BlockItem>();
        let seen = seen.map(Box::from);
        self.items.push(BlockItem::Entry { origin, seq, time, payload, seen });
    }

    pub(crate) fn skip(&mut self, ranges: Vec<SeqRange>) {
        self.memory += size_of::<BlockItem>() + size_of_val(&*ranges);
        self.items.push(BlockItem::Skip(ranges));
    }

    pub(crate) fn edit(&mut self, range: SeqRange) {
        self.memory += size_of::<SeqRange>();
        self.edits.push(range);
    }

    /// About how many bytes of memory it holds.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// The bytes of an entry.
    pub(super) fn payload(&self, range: &Range<usize>) -> &[u8] {
        &self.payload[range.clone()]
    }
}
