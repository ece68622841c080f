//! [`Missing`]: the next thing that a peer lacks.

use alloc::vec::Vec;

use super::{Edit, History, OriginIndex, Position, SeqRange, segment::Segment, span::Single};
use crate::time::Time;

/// The next thing that a peer lacks.
#[derive(Debug)]
pub(crate) enum Missing<'h> {
    Entries(Entries<'h>),
    Skip(Skip),
}

/// Entries of one origin with consecutive seqs at consecutive positions. Either the dependencies of all these entries
/// are recorded, or those of none; only the first entry may have any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries<'h> {
    pub(crate) position: Position,
    pub(crate) origin: OriginIndex,
    pub(crate) first_seq: u64,
    pub(crate) len: usize,
    pub(super) source: Source<'h>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'h> {
    Segment(&'h Segment, usize),
    Single(&'h Single),
}

/// Skips that are sent as one.
#[derive(Debug)]
pub(crate) struct Skip {
    pub(crate) position: Position,
    pub(crate) last: Position,
    pub(crate) barrier: Position,
    pub(crate) ranges: Vec<SeqRange>,
}

impl Missing<'_> {
    pub(crate) fn position(&self) -> Position {
        match self {
            Self::Entries(entries) => entries.position,
            Self::Skip(skip) => skip.position,
        }
    }

    pub(crate) fn last(&self) -> Position {
        match self {
            Self::Entries(entries) => entries.position + entries.len as u64 - 1,
            Self::Skip(skip) => skip.last,
        }
    }

    /// The part of it that one run can carry: before its other entries their author had seen nothing new.
    pub(super) fn uniform(self, history: &History) -> Self {
        match self {
            Self::Entries(entries) => {
                let len = history.uniform(entries.origin, entries.first_seq, entries.len);
                Self::Entries(Entries { len, ..entries })
            }
            Self::Skip(_) => self,
        }
    }

    /// The position up to which a peer has to apply all together with this, as far as it is known from this alone: its
    /// own end, its barrier, the end of an edit that it is part of. What stands before that position may reach further,
    /// so a block is planned by closing over all of it.
    ///
    /// The barrier counts also where the peer has the entry that stands there already.
    pub(crate) fn closure_end(&self, history: &History) -> Position {
        let own = match self {
            Self::Entries(_) => self.last(),
            Self::Skip(skip) => skip.last.max(skip.barrier),
        };
        history.edit_at(self.last()).map_or(own, |(_, edit)| own.max(edit.last))
    }

    /// The edits of several updates that this has a part in, last first.
    pub(crate) fn edits<'h>(&self, history: &'h History) -> impl Iterator<Item = &'h Edit> {
        let first = self.position();
        let upto_last = history.edits.range(..=self.last()).rev();
        upto_last.map(|(_, edit)| edit).take_while(move |edit| edit.last >= first)
    }

    /// Whether a peer can apply it by itself. What cannot goes in a block: part of an edit, and a skip whose effect
    /// comes later.
    pub(crate) fn stands_alone(&self, history: &History) -> bool {
        match self {
            Self::Entries(entries) => history.edit_at(entries.position).is_none(),
            Self::Skip(skip) => self.closure_end(history) == skip.last,
        }
    }
}

impl<'h> Entries<'h> {
    /// Where the edit ends that the first of them belongs to.
    pub(crate) fn edit_end(&self, history: &History) -> Position {
        history.edit_at(self.position).map_or(self.position, |(_, edit)| edit.last)
    }

    /// Bytes of all payloads. O(1).
    pub(crate) fn payload_bytes(&self) -> usize {
        match self.source {
            Source::Segment(segment, slot) => segment.payload_bytes(slot..slot + self.len),
            Source::Single(single) => single.payload.len(),
        }
    }

    /// The time and the payload of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Time, &'h [u8])> + use<'h> {
        let source = self.source;
        (0..self.len).map(move |i| match source {
            Source::Segment(segment, slot) => (segment.time(slot + i), segment.payload(slot + i)),
            Source::Single(single) => (single.time, &*single.payload),
        })
    }
}
