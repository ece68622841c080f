//! Receiving what others send: all of it is checked before any of it is [applied](super::apply).

use alloc::vec::Vec;

use super::{
    Core, ReceiveError,
    apply::{Disposition, IfEmpty, Step, Verified},
    block::{Block, BlockItem, Received},
    heads::{Head, Heads, check_seq},
    policy::{IfUnknown, ReceivePolicy},
};
use crate::{
    history::{OriginIndex, SeqRange},
    id::ReplicaId,
    reduce::Replicated,
    stamp::{Dot, Stamp},
    time::Time,
};

/// What of a block is new.
enum Fresh<'b, U> {
    Entry(Verified<'b, U>),
    Skip(Vec<SeqRange>),
}

impl<R: Replicated> Core<R> {
    /// The place of a peer's origin in the history's table.
    pub(crate) fn origin(&mut self, id: ReplicaId) -> Result<OriginIndex, ReceiveError> {
        match self.history().origin(id) {
            Some(origin) => Ok(origin),
            None if self.history().origins() >= self.limits.origins => {
                Err(ReceiveError::TooManyOrigins { limit: self.limits.origins })
            }
            None => Ok(self.applied.intern(id)),
        }
    }

    /// Receives one entry by itself. One that is known is dropped.
    pub(crate) fn receive_entry(
        &mut self,
        entry: Received<'_>,
        policy: &ReceivePolicy<'_>,
    ) -> Result<(), ReceiveError> {
        self.check_health()?;
        let history = self.history();
        let Received { origin, seq, time, payload, seen } = entry;
        let head = Head { seq: history.last(origin), time: history.latest(origin) };
        if seq <= head.seq {
            return Ok(());
        }
        let stamp = Stamp::new(time, history.id(origin), seq);
        let checked = self.check_entry(head, stamp, policy.wall);
        self.note_own(&checked);
        checked?;
        Heads::of(self.history()).check_seen(origin, stamp.dot, seen.unwrap_or_default())?;
        let disposition = self.decide(stamp.dot, payload, policy)?;
        // While a log is read, the state may already have the later update that makes this one empty, so being empty
        // does not prove that it can be forgotten.
        let if_empty = if policy.in_state.is_some() { IfEmpty::Keep } else { IfEmpty::Skip };
        let entry = Verified { origin, stamp, payload, disposition, dependencies: seen };
        self.applied.remote(entry, if_empty, Step::End, policy.in_state);
        Ok(())
    }

    /// Receives skips by themselves: all of them or none. Those that are known are dropped.
    pub(crate) fn receive_skip(
        &mut self,
        ranges: Vec<SeqRange>,
        policy: &ReceivePolicy<'_>,
    ) -> Result<(), ReceiveError> {
        let mut block = Block::default();
        block.skip(ranges);
        self.receive_block(&block, policy)
    }

    /// Receives a block: all of it or nothing. What is known is dropped.
    pub(crate) fn receive_block(
        &mut self,
        block: &Block,
        policy: &ReceivePolicy<'_>,
    ) -> Result<(), ReceiveError> {
        self.check_health()?;
        let checked = self.check_block(block, policy);
        self.note_own(&checked);
        let fresh = checked?;
        let is_fresh = |edit: &&SeqRange| edit.first > self.history().last(edit.origin);
        let edits: Vec<_> = block.edits().iter().filter(is_fresh).copied().collect();
        if fresh.is_empty() {
            return Ok(());
        }
        // If one of its updates is deferred, so are all that come from elsewhere: no edit is reduced in part.
        if fresh.iter().any(Fresh::is_deferred) {
            self.applied.begin_deferring(policy.in_state);
        }
        // Skips stand for effects that come later in the block, so a peer that gets them from here
        // must get the rest of the block with them.
        let barrier = self.history().end() + fresh.len() as u64 - 1;
        for item in fresh {
            match item {
                Fresh::Entry(mut entry) => {
                    let is_to_reduce = matches!(entry.disposition, Disposition::Reduce(_));
                    if is_to_reduce && self.applied.defers(entry.stamp.origin(), policy.writer) {
                        entry.disposition = Disposition::Defer;
                    }
                    // It may be empty because of something else in the block, which peers may get without it.
                    self.applied.remote(entry, IfEmpty::Keep, Step::Inside, policy.in_state);
                }
                Fresh::Skip(ranges) => self.applied.skip(&ranges, barrier, policy),
            }
        }
        self.applied.end_step();
        for edit in edits {
            self.applied.mark_edit(edit);
        }
        Ok(())
    }

    /// What of a block is not known yet, with every update decoded.
    fn check_block<'b>(
        &self,
        block: &'b Block,
        policy: &ReceivePolicy<'_>,
    ) -> Result<Vec<Fresh<'b, R::Update>>, ReceiveError> {
        let history = self.history();
        let mut heads = Heads::of(history);
        let mut fresh = Vec::with_capacity(block.items().len());
        for item in block.items() {
            match item {
                BlockItem::Entry(Received { origin, seq, time, payload, seen }) => {
                    let head = heads.of_origin(origin);
                    if seq <= head.seq {
                        continue;
                    }
                    let stamp = Stamp::new(time, history.id(origin), seq);
                    self.check_entry(*head, stamp, policy.wall)?;
                    *head = Head { seq, time };
                    heads.check_seen(origin, stamp.dot, seen.unwrap_or_default())?;
                    let disposition = self.decide(stamp.dot, payload, policy)?;
                    let dependencies = seen;
                    let entry = Verified { origin, stamp, payload, disposition, dependencies };
                    fresh.push(Fresh::Entry(entry));
                }
                BlockItem::Skip(ranges) => {
                    let beyond = self.check_skip(ranges, &mut heads)?;
                    if !beyond.is_empty() {
                        fresh.push(Fresh::Skip(beyond));
                    }
                }
            }
        }
        // A block that ends too early, because a message was said twice, must not split an edit.
        for edit in block.edits() {
            let head = heads.of_origin(edit.origin);
            if edit.last > head.seq {
                let dot = Dot::new(history.id(edit.origin), edit.last);
                return Err(ReceiveError::Gap { dot, expected: head.seq + 1 });
            }
        }
        Ok(fresh)
    }

    /// What of some skips is not known yet.
    fn check_skip(
        &self,
        ranges: &[SeqRange],
        heads: &mut Heads<'_>,
    ) -> Result<Vec<SeqRange>, ReceiveError> {
        let mut beyond = Vec::with_capacity(ranges.len());
        for range in ranges {
            let head = heads.of_origin(range.origin);
            if range.last <= head.seq {
                continue;
            }
            let dot = Dot::new(self.history().id(range.origin), range.first);
            check_seq(*head, dot, self.id())?;
            beyond.push(SeqRange { first: head.seq + 1, ..*range });
            head.seq = range.last;
        }
        Ok(beyond)
    }

    fn check_entry(&self, head: Head, stamp: Stamp, wall: Time) -> Result<(), ReceiveError> {
        check_seq(head, stamp.dot, self.id())?;
        if stamp.time <= head.time {
            return Err(ReceiveError::TimeNotLater { stamp, before: head.time });
        }
        match self.too_far_ahead(stamp.time, wall) {
            Some(wait) => Err(ReceiveError::TooFarAhead { stamp, wait }),
            None => Ok(()),
        }
    }

    /// What is to become of an update.
    fn decide(
        &self,
        dot: Dot,
        payload: &[u8],
        policy: &ReceivePolicy<'_>,
    ) -> Result<Disposition<R::Update>, ReceiveError> {
        if policy.in_state.is_some_and(|version| version.contains(dot)) {
            return Ok(Disposition::Keep);
        }
        if self.applied.defers(dot.origin, policy.writer) {
            return Ok(Disposition::Defer);
        }
        match self.applied.state().decode_update(payload) {
            Ok(update) => Ok(Disposition::Reduce(update)),
            Err(_) if policy.if_unknown == IfUnknown::Defer => Ok(Disposition::Defer),
            Err(error) => Err(ReceiveError::Decode { dot, error }),
        }
    }

    /// Somebody knows an update of ours that we have not written.
    fn note_own<T>(&mut self, received: &Result<T, ReceiveError>) {
        if let Err(ReceiveError::OwnOrigin { .. }) = received {
            self.identity.take();
        }
    }
}

impl<U> Fresh<'_, U> {
    fn is_deferred(&self) -> bool {
        matches!(self, Self::Entry(Verified { disposition: Disposition::Defer, .. }))
    }
}
