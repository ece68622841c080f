//! [`CoreReceiver`]: applies to a core what an assembler has put together.

use alloc::vec::Vec;

use super::{config::SessionConfig, error::SessionError, outgoing::Outgoing};
use crate::{
    core::{Block, Core, IfUnknown, ReceivePolicy, Received},
    history::{OriginIndex, SeqRange},
    id::ReplicaId,
    protocol::{AssemblyLimits, Cause, Malformed, ReceivedSnapshot, Receiver},
    reduce::Replicated,
    time::Time,
    unknowns::UnknownKind,
    version::VersionVector,
};

/// Applies to a core what an assembler has put together, within the limits of a session.
#[derive(Debug)]
pub(crate) struct CoreReceiver<'a, R: Replicated> {
    core: &'a mut Core<R>,
    limits: AssemblyLimits,
    policy: ReceivePolicy<'a>,
    /// What is sent to the speaker: nothing that came from there.
    outgoing: Option<&'a mut Outgoing>,
}

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
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It was adopted; this is its version.
    Adopted(VersionVector),
    /// Nothing in it is needed.
    Needless,
    /// We have trimmed updates that the snapshot does not have. `has_seen_floor` says whether our version covers its
    /// sender's floor.
    Declined { has_seen_floor: bool },
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
        Self { core, limits, policy, outgoing: None }
    }

    /// Does not send back to the speaker what comes from it.
    pub(super) fn without_echo(self, outgoing: Option<&'a mut Outgoing>) -> Self {
        Self { outgoing, ..self }
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
        let ReceivedSnapshot { snapshot, floor, cause, .. } = received;
        let floor = floor.version();
        let Self { core, policy, .. } = self;
        let (version, own_floor) = (core.version(), core.floor());
        if cause == Cause::LogBegins {
            return Err(Malformed("the snapshot of a log only at the start of a journal").into());
        }
        if version.covers(&snapshot.version) {
            return Ok(Outcome::Needless);
        }
        let has_seen_floor = version.covers(&floor);
        // To adopt it would trim here what others may lack. If the peer just does not know how far we
        // are, entries will do, once it does. A file takes no answer.
        let has_answer = if_trimmed != IfTrimmed::Fail;
        if has_answer && cause == Cause::Trimmed && has_seen_floor {
            return Ok(Outcome::Needless);
        }
        if snapshot.version.covers(&own_floor) {
            core.adopt(&snapshot, policy.wall)?;
            return Ok(Outcome::Adopted(snapshot.version));
        }
        match if_trimmed {
            IfTrimmed::Discard => {
                core.discard_and_adopt(&snapshot, policy.wall)?;
                Ok(Outcome::Adopted(snapshot.version))
            }
            // The peer knows whether it has seen more by now; we only know what it froze.
            IfTrimmed::Decline => Ok(Outcome::Declined { has_seen_floor }),
            IfTrimmed::Fail => Err(SessionError::BothTrimmed { ours: own_floor, theirs: floor }),
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
        Ok(self.core.receive_entry(entry, &self.policy)?)
    }

    fn skip(&mut self, ranges: Vec<SeqRange>) -> Result<(), SessionError> {
        Ok(self.core.receive_skip(ranges, &self.policy)?)
    }

    fn block(&mut self, block: Block) -> Result<(), SessionError> {
        Ok(self.core.receive_block(&block, &self.policy)?)
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
