//! Taking in what peers send: everything is checked before anything is moved.

use std::collections::BTreeMap;

use super::{
    Core, IfEmpty, IfUnknown, ReceiveError, ReceivePolicy, Step,
    block::{Block, BlockItem},
    holding::Disposition,
};
use crate::{
    history::{Dependency, History, OriginIndex, SeqRange},
    id::ReplicaId,
    reduce::Replicated,
    stamp::{Dot, Stamp},
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
        entry: Received<'_>,
        policy: &ReceivePolicy<'_>,
    ) -> Result<(), ReceiveError> {
        self.check_health()?;
        let Received { origin, seq, time, payload, seen } = entry;
        let head = Head { seq: self.history.last(origin), time: self.history.latest(origin) };
        if seq <= head.seq {
            self.known_again += 1;
            return Ok(());
        }
        let stamp = Stamp::new(time, self.history.id(origin), seq);
        let checked = self.check_entry(head, stamp, policy.wall);
        self.note_own(&checked);
        checked?;
        Heads::of(&self.history).check_seen(origin, stamp.dot, seen.unwrap_or_default())?;
        let disposition = self.decide(stamp.dot, payload, policy)?;
        // What made it empty may come later, and be in the state already.
        let if_empty = if policy.in_state.is_some() { IfEmpty::Keep } else { IfEmpty::Skip };
        self.carry_out(origin, stamp, (disposition, payload), if_empty, Step::End, policy.in_state);
        self.history.record_dependencies(origin, seen);
        Ok(())
    }

    /// Takes in skips by themselves: all of them or none. Those that are known are dropped.
    pub(crate) fn receive_skip(
        &mut self,
        ranges: Vec<SeqRange>,
        policy: &ReceivePolicy<'_>,
    ) -> Result<(), ReceiveError> {
        let mut block = Block::default();
        block.skip(ranges);
        self.receive_block(&block, policy)
    }

    /// Takes in a block: all of it or nothing. What is known is dropped.
    pub(crate) fn receive_block(
        &mut self,
        block: &Block,
        policy: &ReceivePolicy<'_>,
    ) -> Result<(), ReceiveError> {
        self.check_health()?;
        let checked = self.check_block(block, policy);
        self.note_own(&checked);
        let fresh = checked?;
        let is_fresh = |edit: &&SeqRange| edit.first > self.history.last(edit.origin);
        let edits: Vec<_> = block.edits().iter().filter(is_fresh).copied().collect();
        if fresh.is_empty() {
            return Ok(());
        }
        // If one of its updates is deferred, so are all that come from elsewhere: no edit is reduced in part.
        let is_unknown = |item: &Fresh<'_, R::Update>| {
            matches!(item, Fresh::Entry { disposition: Disposition::Defer, .. })
        };
        let is_deferred = fresh.iter().any(is_unknown);
        if is_deferred {
            self.begin_deferring(policy.in_state);
        }
        // Skips stand for effects that come later in the block, so whoever gets them from here must get
        // the rest of the block with them.
        let barrier = self.history.end() + fresh.len() as u64 - 1;
        for item in fresh {
            match item {
                Fresh::Entry { origin, stamp, disposition, payload, seen } => {
                    let disposition = match disposition {
                        Disposition::Reduce(_) if self.defers(stamp.origin(), policy) => {
                            Disposition::Defer
                        }
                        disposition => disposition,
                    };
                    self.carry_out(
                        origin,
                        stamp,
                        (disposition, payload),
                        IfEmpty::Keep,
                        Step::Inside,
                        policy.in_state,
                    );
                    self.history.record_dependencies(origin, seen);
                }
                Fresh::Skip(ranges) => {
                    self.version_hash = None;
                    self.note_reduced(&ranges, policy);
                    self.history.push_skip(&ranges, barrier);
                }
            }
        }
        self.events.end_step();
        for edit in edits {
            self.history.mark_edit(edit);
        }
        Ok(())
    }

    /// What of a block is not known yet, with every update decoded.
    fn check_block<'b>(
        &self,
        block: &'b Block,
        policy: &ReceivePolicy<'_>,
    ) -> Result<Vec<Fresh<'b, R::Update>>, ReceiveError> {
        let mut heads = Heads::of(&self.history);
        let mut fresh = Vec::with_capacity(block.items().len());
        for item in block.items() {
            match item {
                BlockItem::Entry(Received { origin, seq, time, payload, seen }) => {
                    let head = heads.of_origin(origin);
                    if seq <= head.seq {
                        continue;
                    }
                    let stamp = Stamp::new(time, self.history.id(origin), seq);
                    self.check_entry(*head, stamp, policy.wall)?;
                    *head = Head { seq, time };
                    heads.check_seen(origin, stamp.dot, seen.unwrap_or_default())?;
                    let disposition = self.decide(stamp.dot, payload, policy)?;
                    fresh.push(Fresh::Entry { origin, stamp, disposition, payload, seen });
                }
                BlockItem::Skip(ranges) => {
                    let mut beyond = Vec::with_capacity(ranges.len());
                    for range in ranges {
                        let head = heads.of_origin(range.origin);
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
        for edit in block.edits() {
            let head = heads.of_origin(edit.origin);
            if edit.last > head.seq {
                let dot = Dot::new(self.history.id(edit.origin), edit.last);
                return Err(ReceiveError::Gap { dot, expected: head.seq + 1 });
            }
        }
        Ok(fresh)
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
        if self.defers(dot.origin, policy) {
            return Ok(Disposition::Defer);
        }
        match self.state.decode_update(payload) {
            Ok(update) => Ok(Disposition::Reduce(update)),
            Err(_) if policy.if_unknown == IfUnknown::Defer => Ok(Disposition::Defer),
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

/// Where all stand while a block is checked: as in the history, but for what the block has so far.
struct Heads<'h> {
    history: &'h History,
    origins: BTreeMap<OriginIndex, Head>,
    /// What an author had seen of another origin.
    seen: BTreeMap<(OriginIndex, OriginIndex), u64>,
}

impl<'h> Heads<'h> {
    fn of(history: &'h History) -> Self {
        Self { history, origins: BTreeMap::new(), seen: BTreeMap::new() }
    }

    fn of_origin(&mut self, origin: OriginIndex) -> &mut Head {
        let history = self.history;
        let now = || Head { seq: history.last(origin), time: history.latest(origin) };
        self.origins.entry(origin).or_insert_with(now)
    }

    /// What an author had seen before an update has to be here by then, and it can be new only once.
    fn check_seen(
        &mut self,
        author: OriginIndex,
        dot: Dot,
        seen: &[Dependency],
    ) -> Result<(), ReceiveError> {
        let history = self.history;
        for &Dependency { origin, seq } in seen {
            let dependency = Dot::new(history.id(origin), seq);
            if seq > self.of_origin(origin).seq {
                return Err(ReceiveError::MissingDependency { dot, dependency });
            }
            let before = || history.latest_seen(author, origin);
            let latest = self.seen.entry((author, origin)).or_insert_with(before);
            if seq <= *latest {
                return Err(ReceiveError::RepeatedDependency { dot, dependency });
            }
            *latest = seq;
        }
        Ok(())
    }
}

/// What of a block is new.
enum Fresh<'b, U> {
    Entry {
        origin: OriginIndex,
        stamp: Stamp,
        disposition: Disposition<U>,
        payload: &'b [u8],
        seen: Option<&'b [Dependency]>,
    },
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
