//! Receiving what others send: all of it is checked before any of it is [applied](super::apply).

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    Core, ReceiveError,
    apply::{Disposition, IfEmpty, Step, Verified},
    block::{Block, BlockItem, Received},
    heads::{Heads, check_seq},
    policy::{IfUnknown, ReceivePolicy},
};
use crate::{
    history::{Dependency, OriginIndex, SeqRange},
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
        let last = history.last(origin);
        if seq <= last {
            return self.check_known(&entry);
        }
        let stamp = Stamp::new(time, history.id(origin), seq);
        let checked = self.check_entry(last, stamp, policy.wall);
        self.note_own(&checked);
        checked?;
        Heads::of(self.history()).check_seen(origin, stamp.dot, seen.unwrap_or_default())?;
        let disposition = match self.depends_on_deferred(seen) {
            true => Disposition::Defer,
            false => self.decide(stamp.dot, payload, policy)?,
        };
        self.note_deferred(&disposition, policy);
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
        // What is reduced of the block comes after the last state that is in order.
        if fresh.iter().any(Fresh::is_deferred) {
            self.note_deferred(&Disposition::<R::Update>::Defer, policy);
            self.applied.begin_deferring(policy.in_state);
        }
        // Skips stand for effects that come later in the block, so a peer that gets them from here
        // must get the rest of the block with them.
        let barrier = self.history().end() + fresh.len() as u64 - 1;
        for item in fresh {
            match item {
                Fresh::Entry(entry) => {
                    // It may be empty because of something else in the block, which peers may get without it.
                    self.applied.remote(entry, IfEmpty::Keep, Step::Inside, policy.in_state);
                }
                Fresh::Skip(ranges) => self.applied.skip(&ranges, barrier),
            }
        }
        self.applied.end_step();
        for edit in edits {
            self.applied.mark_edit(edit);
        }
        Ok(())
    }

    /// Checks what has to wait before it can be received: that somebody knows more of us than we do is to be known
    /// at once.
    pub(crate) fn check_waiting(
        &mut self,
        origin: OriginIndex,
        last: u64,
    ) -> Result<(), ReceiveError> {
        let dot = Dot::new(self.history().id(origin), last);
        if dot.origin != self.id() {
            return Ok(());
        }
        let checked = Err(ReceiveError::OwnOrigin { dot });
        self.note_own(&checked);
        checked
    }

    /// What of a block is not known yet, with every update decoded.
    fn check_block<'b>(
        &self,
        block: &'b Block,
        policy: &ReceivePolicy<'_>,
    ) -> Result<Vec<Fresh<'b, R::Update>>, ReceiveError> {
        let history = self.history();
        let mut heads = Heads::of(history);
        let mut holds = Holds::new(block);
        let mut fresh = Vec::with_capacity(block.items().len());
        for item in block.items() {
            match item {
                BlockItem::Entry(entry) => {
                    let Received { origin, seq, time, payload, seen } = entry;
                    let last = heads.of_origin(origin);
                    if seq <= *last {
                        self.check_known(&entry)?;
                        continue;
                    }
                    let stamp = Stamp::new(time, history.id(origin), seq);
                    self.check_entry(*last, stamp, policy.wall)?;
                    *last = seq;
                    heads.check_seen(origin, stamp.dot, seen.unwrap_or_default())?;
                    let is_effect = self.depends_on_deferred(seen) || holds.has_cause_of(seen);
                    let disposition = match is_effect && self.history().keeps_everything() {
                        true => Disposition::Defer,
                        false => self.decide(stamp.dot, payload, policy)?,
                    };
                    if matches!(disposition, Disposition::Defer) {
                        holds.hold(origin, seq);
                    }
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
            let last = *heads.of_origin(edit.origin);
            if edit.last > last {
                let dot = Dot::new(history.id(edit.origin), edit.last);
                return Err(ReceiveError::Gap { dot, expected: last + 1 });
            }
        }
        for item in &mut fresh {
            if let Fresh::Entry(entry) = item
                && matches!(entry.disposition, Disposition::Reduce(_))
                && holds.holds(entry.origin, entry.stamp.dot.seq)
            {
                entry.disposition = Disposition::Defer;
            }
        }
        Ok(fresh)
    }

    /// An entry that is known has to be the one that is here.
    fn check_known(&self, entry: &Received<'_>) -> Result<(), ReceiveError> {
        let &Received { origin, seq, time, payload, .. } = entry;
        if seq <= self.history().last(origin) && self.history().is_other(origin, seq, time, payload)
        {
            return Err(self.forked(Dot::new(self.history().id(origin), seq)).into());
        }
        Ok(())
    }

    /// What of some skips is not known yet.
    fn check_skip(
        &self,
        ranges: &[SeqRange],
        heads: &mut Heads<'_>,
    ) -> Result<Vec<SeqRange>, ReceiveError> {
        let mut beyond = Vec::with_capacity(ranges.len());
        for range in ranges {
            let last = heads.of_origin(range.origin);
            if range.last <= *last {
                continue;
            }
            let dot = Dot::new(self.history().id(range.origin), range.first);
            check_seq(*last, dot, self.id())?;
            beyond.push(SeqRange { first: *last + 1, ..*range });
            *last = range.last;
        }
        Ok(beyond)
    }

    /// Whatever is refused here for good has to be refused by every replica, or two that hold different things could
    /// never be joined. So the time of the predecessor does not count: where that came as a skip, nobody knows it.
    pub(super) fn check_entry(
        &self,
        last: u64,
        stamp: Stamp,
        wall: Time,
    ) -> Result<(), ReceiveError> {
        check_seq(last, stamp.dot, self.id())?;
        if stamp.time == Time::ZERO {
            return Err(ReceiveError::NoTime { dot: stamp.dot });
        }
        match self.too_far_ahead(stamp.time, wall) {
            Some(wait) => Err(ReceiveError::TooFarAhead { stamp, wait }),
            None => Ok(()),
        }
    }

    /// What is to become of an update.
    pub(super) fn decide(
        &self,
        dot: Dot,
        payload: &[u8],
        policy: &ReceivePolicy<'_>,
    ) -> Result<Disposition<R::Update>, ReceiveError> {
        if policy.in_state.is_some_and(|version| version.contains(dot)) {
            return Ok(Disposition::Keep);
        }
        if self.applied.has_deferred_of(dot.origin) {
            return Ok(Disposition::Defer);
        }
        match (self.applied.state().decode_update(payload), policy.if_unknown) {
            (Ok(update), _) => Ok(Disposition::Reduce(update)),
            (Err(_), IfUnknown::Defer { .. }) => Ok(Disposition::Defer),
            (Err(error), IfUnknown::Refuse) => Err(ReceiveError::Decode { dot, error }),
        }
    }

    /// Whether an author is on record to have seen something that is deferred here. A replica that does not keep what
    /// is on record must not decide by it: after a restart it would decide otherwise.
    fn depends_on_deferred(&self, seen: Option<&[Dependency]>) -> bool {
        let history = self.history();
        let is_deferred = |&Dependency { origin, seq }: &Dependency| {
            !self.applied.reduced().contains(Dot::new(history.id(origin), seq))
        };
        !self.applied.reduced().is_all()
            && history.keeps_everything()
            && seen.unwrap_or_default().iter().any(is_deferred)
    }

    /// Peers to whom something that is deferred here is passed on have to expect it. A claim that there are newer
    /// updates is passed on only with such an update.
    fn note_deferred<U>(&mut self, disposition: &Disposition<U>, policy: &ReceivePolicy<'_>) {
        if let (Disposition::Defer, IfUnknown::Defer { newest }) = (disposition, policy.if_unknown)
        {
            self.note_schema(newest);
        }
    }

    /// Somebody knows an update of ours that we have not written.
    fn note_own<T>(&mut self, received: &Result<T, ReceiveError>) {
        if let Err(ReceiveError::OwnOrigin { .. }) = received {
            self.identity.take();
        }
    }
}

/// From where on each origin of a block is deferred: from its first update that cannot be decoded, or from the beginning
/// of the edit that this update is part of, so that no edit is reduced in part.
struct Holds<'b> {
    edits: &'b [SeqRange],
    firsts: BTreeMap<OriginIndex, u64>,
}

impl<'b> Holds<'b> {
    fn new(block: &'b Block) -> Self {
        Self { edits: block.edits(), firsts: BTreeMap::new() }
    }

    fn hold(&mut self, origin: OriginIndex, seq: u64) {
        let edits = self.edits;
        self.firsts.entry(origin).or_insert_with(|| {
            let is_in =
                |edit: &&SeqRange| edit.origin == origin && edit.first <= seq && seq <= edit.last;
            edits.iter().filter(is_in).map(|edit| edit.first).min().unwrap_or(seq)
        });
    }

    fn holds(&self, origin: OriginIndex, seq: u64) -> bool {
        self.firsts.get(&origin).is_some_and(|&first| first <= seq)
    }

    fn has_cause_of(&self, seen: Option<&[Dependency]>) -> bool {
        let seen = seen.unwrap_or_default();
        seen.iter().any(|dependency| self.holds(dependency.origin, dependency.seq))
    }
}

impl<U> Fresh<'_, U> {
    fn is_deferred(&self) -> bool {
        matches!(self, Self::Entry(Verified { disposition: Disposition::Defer, .. }))
    }
}
