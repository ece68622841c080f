//! [`CoreReceiver`]: applies to a core what an assembler has put together.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    config::SessionConfig,
    error::SessionError,
    outgoing::Outgoing,
    waiting::{Early, Outline, OwnedEntry, Waiting},
};
use crate::{
    core::{AdoptError, Block, BlockItem, Core, IfUnknown, ReceiveError, ReceivePolicy, Received},
    fork::Fork,
    history::{Frontier, OriginIndex, SeqRange},
    id::ReplicaId,
    protocol::{AssemblyLimits, Cause, Malformed, ReceivedSnapshot, Receiver},
    reduce::Replicated,
    stamp::Dot,
    time::Time,
    token::{Epoch, Token},
    unknowns::UnknownKind,
    version::VersionVector,
};

/// Applies to a core what an assembler has put together, within the limits of a session.
#[derive(Debug)]
pub(crate) struct CoreReceiver<'a, R: Replicated> {
    core: &'a mut Core<R>,
    limits: AssemblyLimits,
    policy: ReceivePolicy<'a>,
    /// The latest time that is not too early.
    latest: Time,
    /// Where what is too early waits; it is refused if that is `None`.
    waiting: Option<&'a mut Waiting>,
    /// What is sent to the speaker: nothing that came from there.
    outgoing: Option<&'a mut Outgoing>,
    /// What the speaker has shown to know. `None` for a file.
    shown: Option<&'a mut Frontier>,
    /// What was said of updates that are applied next.
    epochs: Vec<(OriginIndex, Epoch)>,
    /// The marks of all epochs that were said in this message, by their origins and first seqs.
    said: BTreeMap<(OriginIndex, u64), u32>,
    tokens: Vec<(OriginIndex, u64, Token)>,
}

/// How far a skip may reach beyond what its sender has shown to know, in its digest or by an entry. Updates that arrive
/// at the sender after its digest, and are forgotten before it passes them on, are few; this is what a busy register
/// is written in a second.
const MOST_UNSHOWN: u64 = 1 << 20;

/// What to do with a snapshot that has not seen what is trimmed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfTrimmed {
    /// Tell the peer, who may have another one later.
    Decline,
    /// Give up our own state for it.
    Discard,
    /// Fail: the snapshot is in a file, and a file takes no answer.
    Fail,
}

/// What became of a snapshot.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was adopted; this is its version.
    Adopted(VersionVector),
    /// Nothing in it is needed.
    Needless,
    /// We have trimmed updates that the snapshot does not have. `has_seen_floor` says whether our version covers its
    /// sender's floor.
    Declined { has_seen_floor: bool },
    /// It is too early by our clock.
    TooEarly(ReceivedSnapshot),
}

impl<'a, R: Replicated> CoreReceiver<'a, R> {
    /// For a speaker that may have updates of the schema up to version `newest`.
    pub(crate) fn new(
        core: &'a mut Core<R>,
        config: &SessionConfig,
        newest: u32,
        wall: Time,
    ) -> Self {
        let is_newer = newest > config.schema.version();
        let if_unknown = if is_newer { IfUnknown::Defer { newest } } else { IfUnknown::Refuse };
        let policy = ReceivePolicy::new(wall, if_unknown);
        let limits = AssemblyLimits {
            origins: core.limits().origins,
            block_bytes: config.limits.block(),
            snapshot_bytes: config.limits.snapshot_bytes,
        };
        let latest = wall + core.limits().time_ahead;
        let (epochs, said, tokens) = (Vec::new(), BTreeMap::new(), Vec::new());
        let (waiting, outgoing, shown) = (None, None, None);
        Self { core, limits, policy, latest, waiting, outgoing, shown, epochs, said, tokens }
    }

    /// Accepts skips only of what the speaker has shown to know.
    pub(super) fn of_what_is_shown(self, shown: &'a mut Frontier) -> Self {
        Self { shown: Some(shown), ..self }
    }

    /// Does not send back to the speaker what comes from it.
    pub(super) fn without_echo(self, outgoing: Option<&'a mut Outgoing>) -> Self {
        Self { outgoing, ..self }
    }

    /// Lets what is too early wait, and what must not pass it.
    pub(super) fn with_waiting(self, waiting: &'a mut Waiting) -> Self {
        Self { waiting: Some(waiting), ..self }
    }

    /// For a log of the replica's own, of which the state has all of `in_state` already.
    pub(super) fn for_log(mut self, in_state: &'a VersionVector) -> Self {
        self.policy.in_state = Some(in_state).filter(|version| !version.is_empty());
        self
    }

    /// Whether all entries have come that the state of a log had ahead of them.
    pub(super) fn has_all_of_state(&self) -> bool {
        self.policy.in_state.is_none_or(|in_state| self.core.version().covers(in_state))
    }

    pub(crate) fn core(&mut self) -> &mut Core<R> {
        self.core
    }

    /// Adopts a snapshot if it is of use, and if its version covers what is trimmed here.
    pub(crate) fn snapshot(
        &mut self,
        received: ReceivedSnapshot,
        if_trimmed: IfTrimmed,
    ) -> Result<Outcome, SessionError> {
        let ReceivedSnapshot { snapshot, floor, cause, .. } = &received;
        let (floor, cause) = (&floor.version(), *cause);
        let Self { core, policy, .. } = self;
        // Before anything else: it may be of the other half of a fork.
        core.check_fork(&snapshot.seen)?;
        let (version, own_floor) = (core.version(), core.floor());
        if cause == Cause::LogBegins {
            return Err(Malformed("the snapshot of a log only at the start of a journal").into());
        }
        if version.covers(&snapshot.version) {
            return Ok(Outcome::Needless);
        }
        let has_seen_floor = version.covers(floor);
        // To adopt it would trim here what others may lack. If the peer just does not know how far we
        // are, entries will do, once it does. A file takes no answer.
        let has_answer = if_trimmed != IfTrimmed::Fail;
        if has_answer && cause == Cause::Trimmed && has_seen_floor {
            return Ok(Outcome::Needless);
        }
        if snapshot.version.covers(&own_floor) {
            return match core.adopt(snapshot, policy.wall) {
                Err(AdoptError::TooFarAhead { .. }) if has_answer => {
                    Ok(Outcome::TooEarly(received))
                }
                adopted => Ok(adopted.map(|()| Outcome::Adopted(received.snapshot.version))?),
            };
        }
        match if_trimmed {
            IfTrimmed::Discard => match core.discard_and_adopt(snapshot, policy.wall) {
                Err(AdoptError::TooFarAhead { .. }) => Ok(Outcome::TooEarly(received)),
                adopted => Ok(adopted.map(|()| Outcome::Adopted(received.snapshot.version))?),
            },
            // The peer knows whether it has seen more by now; we only know what it froze.
            IfTrimmed::Decline => Ok(Outcome::Declined { has_seen_floor }),
            IfTrimmed::Fail => {
                Err(SessionError::BothTrimmed { ours: own_floor, theirs: floor.clone() })
            }
        }
    }
}

/// What is too early waits.
impl<R: Replicated> CoreReceiver<'_, R> {
    /// Whether nothing waits, so that nothing has to be looked at.
    fn is_free(&self) -> bool {
        self.waiting.as_ref().is_none_or(|waiting| !waiting.is_any())
    }

    /// Receives something, unless it is too early, or has to wait for what is. Says whether it was received.
    fn receive_or_wait(&mut self, outline: &Outline, early: Early) -> Result<bool, SessionError> {
        let Self { core, latest, waiting, said, tokens, .. } = self;
        if let Some(waiting) = waiting
            && !outline.is_known()
            && !waiting.lets_pass(outline, *latest)
        {
            for (origin, last) in outline.origins() {
                core.check_waiting(origin, last)?;
            }
            waiting.keep_said(outline, said, tokens);
            waiting.push(early, outline, *latest);
            return Ok(false);
        }
        let received = match early {
            Early::Entry(entry) => self.core.receive_entry(entry.received(), &self.policy),
            Early::Skip(ranges) => self.core.receive_skip(ranges, &self.policy),
            Early::Block(block) => self.core.receive_block(&block, &self.policy),
        };
        self.received(received)?;
        Ok(true)
    }

    /// Offers again what waits, in its order. Returns the origins of which something was received.
    pub(super) fn receive_waiting(&mut self) -> Result<BTreeSet<OriginIndex>, SessionError> {
        let mut received = BTreeSet::new();
        let Some(waiting) = &mut self.waiting else { return Ok(received) };
        let (epochs, tokens) = waiting.take_said();
        let (items, left_out) = waiting.take();
        let begun =
            |(&(of, first), &mark): (&(OriginIndex, u64), &u32)| (of, Epoch { first, mark });
        self.epochs.extend(epochs.iter().map(begun));
        self.said.extend(epochs);
        self.tokens.extend(tokens);
        for early in items {
            match &early {
                Early::Entry(entry) => self.check_epochs_of(&entry.received())?,
                Early::Skip(ranges) => self.check_epochs_of_skip(ranges)?,
                Early::Block(block) => self.check_epochs_of_block(block)?,
            }
            let history = self.core.history();
            let outline = match &early {
                Early::Entry(entry) => Outline::of_entry(history, &entry.received()),
                Early::Skip(ranges) => Outline::of_skip(history, ranges),
                Early::Block(block) => Outline::of_block(history, block),
            };
            if self.receive_or_wait(&outline, early)? {
                received.extend(outline.origins().map(|(origin, _)| origin));
            }
        }
        let latest = self.latest;
        if let Some(waiting) = &mut self.waiting {
            waiting.put_back(left_out);
            if waiting.has_left_out(latest) {
                return Err(SessionError::LeftOut);
            }
        }
        Ok(received)
    }
}

impl<R: Replicated> CoreReceiver<'_, R> {
    /// The entries of a block show what the skips in it may reach to.
    fn check_block_shown(&mut self, block: &Block) -> Result<(), ReceiveError> {
        if let Some(shown) = &mut self.shown {
            for item in block.items() {
                if let BlockItem::Entry(entry) = item {
                    shown.raise(self.core.history(), entry.origin, entry.seq);
                }
            }
        }
        for item in block.items() {
            if let BlockItem::Skip(ranges) = item {
                self.check_shown(ranges)?;
            }
        }
        Ok(())
    }

    /// Records what was said of updates, once they are applied.
    #[inline]
    fn received(&mut self, received: Result<(), ReceiveError>) -> Result<(), SessionError> {
        if let Err(error) = received {
            return Err(self.refused(error));
        }
        if !self.epochs.is_empty() || !self.tokens.is_empty() {
            self.note_content();
        }
        Ok(())
    }

    fn check_shown(&self, ranges: &[SeqRange]) -> Result<(), ReceiveError> {
        let Some(shown) = &self.shown else { return Ok(()) };
        let history = self.core.history();
        for range in ranges {
            let shown = shown.seq(history, range.origin);
            if range.last > shown.saturating_add(MOST_UNSHOWN) {
                let dot = Dot::new(history.id(range.origin), range.last);
                return Err(ReceiveError::NotShown { dot, shown });
            }
        }
        Ok(())
    }

    fn check_epochs_of(&self, entry: &Received<'_>) -> Result<(), Fork> {
        let range = SeqRange { origin: entry.origin, first: entry.seq, last: entry.seq };
        self.core.check_said_epochs(range, &self.said)
    }

    fn check_epochs_of_skip(&self, ranges: &[SeqRange]) -> Result<(), Fork> {
        ranges.iter().try_for_each(|&range| self.core.check_said_epochs(range, &self.said))
    }

    fn check_epochs_of_block(&self, block: &Block) -> Result<(), Fork> {
        block.items().try_for_each(|item| match item {
            BlockItem::Entry(entry) => self.check_epochs_of(&entry),
            BlockItem::Skip(ranges) => self.check_epochs_of_skip(ranges),
        })
    }

    fn note_content(&mut self) {
        let core = &mut *self.core;
        self.epochs.retain(|&(origin, epoch)| {
            let is_here = epoch.first <= core.history().last(origin);
            if is_here {
                core.note_epoch(origin, epoch);
            }
            !is_here
        });
        self.tokens.retain(|&(origin, seq, token)| {
            let last = core.history().last(origin);
            if last == seq {
                core.learn_token(origin, token);
            }
            seq > last
        });
    }

    /// An update under our own id that is not here may go on from an earlier state of ours, and then begins an epoch.
    fn refused(&self, error: ReceiveError) -> SessionError {
        let begins = |dot: Dot| {
            let origin = self.core.history().origin(dot.origin);
            origin.is_some_and(|of| self.said.range((of, 0)..=(of, dot.seq)).next().is_some())
        };
        match error {
            ReceiveError::OwnOrigin { dot } if self.core.is_of_twin(dot) && !begins(dot) => {
                self.core.forked(dot).into()
            }
            error => error.into(),
        }
    }
}

impl<R: Replicated> Receiver for CoreReceiver<'_, R> {
    type Error = SessionError;

    fn limits(&self) -> AssemblyLimits {
        self.limits
    }

    fn origin(&mut self, id: ReplicaId) -> Result<OriginIndex, SessionError> {
        Ok(self.core.origin(id)?)
    }

    #[inline]
    fn entry(&mut self, entry: Received<'_>) -> Result<(), SessionError> {
        if let Some(shown) = &mut self.shown {
            shown.raise(self.core.history(), entry.origin, entry.seq);
        }
        if entry.seq <= self.core.history().last(entry.origin) {
            self.check_epochs_of(&entry)?;
        }
        if self.waiting.is_none() || entry.time <= self.latest && self.is_free() {
            let received = self.core.receive_entry(entry, &self.policy);
            return self.received(received);
        }
        let outline = Outline::of_entry(self.core.history(), &entry);
        self.receive_or_wait(&outline, Early::Entry(OwnedEntry::new(&entry))).map(drop)
    }

    fn skip(&mut self, ranges: Vec<SeqRange>) -> Result<(), SessionError> {
        self.check_shown(&ranges)?;
        self.check_epochs_of_skip(&ranges)?;
        if self.is_free() {
            let received = self.core.receive_skip(ranges, &self.policy);
            return self.received(received);
        }
        let outline = Outline::of_skip(self.core.history(), &ranges);
        self.receive_or_wait(&outline, Early::Skip(ranges)).map(drop)
    }

    fn block(&mut self, block: Block) -> Result<(), SessionError> {
        self.check_block_shown(&block)?;
        self.check_epochs_of_block(&block)?;
        if self.waiting.is_none() {
            let received = self.core.receive_block(&block, &self.policy);
            return self.received(received);
        }
        let outline = Outline::of_block(self.core.history(), &block);
        self.receive_or_wait(&outline, Early::Block(block)).map(drop)
    }

    fn token(&mut self, origin: OriginIndex, seq: u64, token: Token) -> Result<(), SessionError> {
        self.core.check_token(origin, seq, token)?;
        self.tokens.push((origin, seq, token));
        Ok(())
    }

    fn epoch(&mut self, origin: OriginIndex, epoch: Epoch) -> Result<(), SessionError> {
        self.core.check_epoch(origin, epoch)?;
        self.epochs.push((origin, epoch));
        self.said.insert((origin, epoch.first), epoch.mark);
        Ok(())
    }

    fn unknown(&mut self, kind: UnknownKind, bytes: &[u8]) {
        let place = self.core.keep_unknown(kind, bytes);
        if let (Some(place), Some(outgoing)) = (place, &mut self.outgoing) {
            outgoing.heard_unknown(place);
        }
    }

    fn heard(&mut self, origin: OriginIndex, last: u64) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.confirm(self.core.history(), origin, last);
        }
    }
}
