//! [`Block`]: what is taken in together or not at all.

use std::ops::Range;

use crate::{
    history::{OriginIndex, SeqRange},
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
    Entry { origin: OriginIndex, seq: u64, time: Time, payload: Range<usize> },
    Skip(Vec<SeqRange>),
}

impl Block {
    pub(crate) fn entry(&mut self, origin: OriginIndex, seq: u64, time: Time, payload: &[u8]) {
        let start = self.payload.len();
        self.payload.extend_from_slice(payload);
        let payload = start..self.payload.len();
        self.memory += payload.len() + size_of::<BlockItem>();
        self.items.push(BlockItem::Entry { origin, seq, time, payload });
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
