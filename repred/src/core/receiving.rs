//! Taking in what peers send: everything is checked before anything is moved.

use std::{collections::BTreeMap, ops::Range};

use super::{
    Core, IfEmpty, ReceiveError, Step,
    block::{Block, BlockItem},
    holding::IfUnknown,
};
use crate::{
    encoding,
    history::{OriginIndex, SeqRange},
    id::ReplicaId,
    reduce::Replicated,
    stamp::{Dot, Stamp},
    time::Time,
};

impl<R: Replicated> Core<R> {
    /// The place of a peer's origin in the history's table.
    pub(crate) fn origin(&mut self, id: ReplicaId) -> Result<OriginIndex, ReceiveError> {
        match self.history.origin(id) {
            Some(origin) => Ok(origin),
            None if self.history.origins() >= self.limits.origins => {
                Err(ReceiveError::TooManyOrigins { limit: self.limits.origins })
            }
            None => Ok(self.history.intern(id)),
        }
    }

    /// Takes in one entry by itself. One that is known is dropped.
    pub(crate) fn receive_entry(
        &mut self,
        origin: OriginIndex,
        seq: u64,
        time: Time,
        payload: &[u8],
        wall: Time,
        if_unknown: IfUnknown,
    ) -> Result<(), ReceiveError> {
        self.check_health()?;
        let head = Head { seq: self.history.last(origin), time: self.history.latest(origin) };
        if seq <= head.seq {
            self.known_again += 1;
            return Ok(());
        }
        let stamp = Stamp::new(time, self.history.id(origin), seq);
        let checked = self.check_entry(head, stamp, wall);
        self.note_own(&checked);
        checked?;
        match self.decode_update(stamp.dot, payload, if_unknown)? {
            Some(update) => {
                self.take_in(origin, stamp, update, payload, IfEmpty::Skip, Step::End);
            }
            None => self.hold(origin, stamp, payload),
        }
        Ok(())
    }

    /// Takes in skips by themselves: all of them or none. Those that are known are dropped.
    pub(crate) fn receive_skip(&mut self, ranges: Vec<SeqRange>) -> Result<(), ReceiveError> {
        let mut block = Block::default();
        block.skip(ranges);
        self.receive_block(&block, Time::ZERO, IfUnknown::Refuse)
    }

    /// Takes in a block: all of it or nothing. What is known is dropped.
    pub(crate) fn receive_block(
        &mut self,
        block: &Block,
        wall: Time,
        if_unknown: IfUnknown,
    ) -> Result<(), ReceiveError> {
        self.check_health()?;
        let checked = self.check_block(block, wall, if_unknown);
        self.note_own(&checked);
        let news = checked?;
        let is_fresh = |edit: &&SeqRange| edit.first > self.history.last(edit.origin);
        let edits: Vec<_> = block.edits.iter().filter(is_fresh).copied().collect();
        if news.is_empty() {
            return Ok(());
        }
        // If one of its updates is held, all of it is: no edit is reduced in part.
        let is_unknown = |item: &Fresh<'_, R::Update>| matches!(item, Fresh::Entry(_, _, None, _));
        if news.iter().any(is_unknown) {
            self.begin_to_hold();
        }
        // Skips stand for effects that come later in the block, so whoever gets them from here must get
        // the rest of the block with them.
        let barrier = self.history.end() + news.len() as u64 - 1;
        for item in news {
            match item {
                Fresh::Entry(origin, stamp, update, payload) => {
                    let payload = block.payload(payload);
                    let update = update.filter(|_| !self.is_holding());
                    self.take_in_or_hold(origin, stamp, update, payload, IfEmpty::Keep);
                }
                Fresh::Skip(ranges) => {
                    self.version_hash = None;
                    self.history.push_skip(&ranges, barrier);
                }
            }
        }
        self.news.end_step();
        for edit in edits {
            self.history.mark_edit(edit);
        }
        Ok(())
    }

    /// What of a block is not known yet, with every update decoded.
    fn check_block<'b>(
        &self,
        block: &'b Block,
        wall: Time,
        if_unknown: IfUnknown,
    ) -> Result<Vec<Fresh<'b, R::Update>>, ReceiveError> {
        let mut heads: BTreeMap<OriginIndex, Head> = BTreeMap::new();
        let mut fresh = Vec::with_capacity(block.items.len());
        for item in &block.items {
            match item {
                BlockItem::Entry { origin, seq, time, payload } => {
                    let head = self.head(&mut heads, *origin);
                    if *seq <= head.seq {
                        continue;
                    }
                    let stamp = Stamp::new(*time, self.history.id(*origin), *seq);
                    self.check_entry(*head, stamp, wall)?;
                    *head = Head { seq: *seq, time: *time };
                    let update =
                        self.decode_update(stamp.dot, block.payload(payload), if_unknown)?;
                    fresh.push(Fresh::Entry(*origin, stamp, update, payload));
                }
                BlockItem::Skip(ranges) => {
                    let mut beyond = Vec::with_capacity(ranges.len());
                    for range in ranges {
                        let head = self.head(&mut heads, range.origin);
                        if range.last <= head.seq {
                            continue;
                        }
                        let dot = Dot::new(self.history.id(range.origin), range.first);
                        check_seq(*head, dot, self.id)?;
                        beyond.push(SeqRange { first: head.seq + 1, ..*range });
                        head.seq = range.last;
                    }
                    if !beyond.is_empty() {
                        fresh.push(Fresh::Skip(beyond));
                    }
                }
            }
        }
        // A block that ends too early, because a message was said twice, must not split an edit.
        for edit in &block.edits {
            let head = self.head(&mut heads, edit.origin);
            if edit.last > head.seq {
                let dot = Dot::new(self.history.id(edit.origin), edit.last);
                return Err(ReceiveError::Gap { dot, expected: head.seq + 1 });
            }
        }
        Ok(fresh)
    }

    fn head<'m>(
        &self,
        heads: &'m mut BTreeMap<OriginIndex, Head>,
        origin: OriginIndex,
    ) -> &'m mut Head {
        let now = || Head { seq: self.history.last(origin), time: self.history.latest(origin) };
        heads.entry(origin).or_insert_with(now)
    }

    fn check_entry(&self, head: Head, stamp: Stamp, wall: Time) -> Result<(), ReceiveError> {
        check_seq(head, stamp.dot, self.id)?;
        if stamp.time <= head.time {
            return Err(ReceiveError::TimeNotLater { stamp, before: head.time });
        }
        match self.too_far_ahead(stamp.time, wall) {
            Some(wait) => Err(ReceiveError::TooFarAhead { stamp, wait }),
            None => Ok(()),
        }
    }

    /// An update, or nothing if it is to be held.
    fn decode_update(
        &self,
        dot: Dot,
        payload: &[u8],
        if_unknown: IfUnknown,
    ) -> Result<Option<R::Update>, ReceiveError> {
        if self.is_holding() {
            return Ok(None);
        }
        match encoding::decode(payload) {
            Ok(update) => Ok(Some(update)),
            Err(_) if if_unknown == IfUnknown::Hold => Ok(None),
            Err(error) => Err(ReceiveError::Decode { dot, error }),
        }
    }

    /// Somebody knows an update of ours that we have not written.
    fn note_own<T>(&mut self, received: &Result<T, ReceiveError>) {
        if let Err(ReceiveError::OwnOrigin { .. }) = received {
            self.id_is_taken = true;
        }
    }
}

/// Where an origin stands while a block is checked.
#[derive(Clone, Copy)]
struct Head {
    seq: u64,
    time: Time,
}

/// What of a block is new.
enum Fresh<'b, U> {
    /// Without an update if it is to be held.
    Entry(OriginIndex, Stamp, Option<U>, &'b Range<usize>),
    Skip(Vec<SeqRange>),
}

fn check_seq(head: Head, dot: Dot, own: ReplicaId) -> Result<(), ReceiveError> {
    if dot.origin == own {
        return Err(ReceiveError::OwnOrigin { dot });
    }
    if dot.seq > head.seq + 1 {
        return Err(ReceiveError::Gap { dot, expected: head.seq + 1 });
    }
    Ok(())
}
