//! [`Outbox`]: what a replica keeps for its journal beside its core, behind the same lock.

use crate::{
    core::{Core, UpdateError},
    id::ReplicaId,
    journal::{
        Collected, JournalError, Trimming,
        batch::{Batch, BatchBuilder},
        error::with_sources,
        known_peers::KnownPeers,
    },
    log_position::LogPosition,
    reduce::Replicated,
    session::SessionError,
    time::Time,
    version::VersionVector,
};

/// What a replica keeps for its journal beside its core. Whoever holds the lock of the replica has both.
#[derive(Debug)]
pub(crate) struct Outbox {
    builder: BatchBuilder,
    known_peers: KnownPeers,
    read_only: Option<ReadOnly>,
    /// The position of the core at the last [`has_news`](Self::has_news).
    last_notified: LogPosition,
}

/// Why a replica takes no writes now.
#[derive(Clone, Debug)]
pub(crate) enum ReadOnly {
    /// The storage refused something. The writer tries it again and again.
    Full(JournalError),
    /// The journal has failed, for good.
    Failed(JournalError),
    /// The replica was closed.
    Closed,
}

impl Outbox {
    /// For a log that holds everything that `core` has, or will once `builder` is drained.
    pub(crate) fn new<R: Replicated>(
        core: &Core<R>,
        builder: BatchBuilder,
        known_peers: KnownPeers,
    ) -> Self {
        Self { builder, known_peers, read_only: None, last_notified: core.log_position() }
    }

    /// Whether the core has moved since the last call: the writer is to be notified then.
    #[inline]
    pub(crate) fn has_news(&mut self, position: LogPosition) -> bool {
        std::mem::replace(&mut self.last_notified, position) != position
    }

    /// What a peer has confirmed to have. It decides what may be trimmed.
    pub(crate) fn note_peer(&mut self, id: ReplicaId, has: VersionVector, now: Time) {
        self.known_peers.note(id, has, now);
    }

    pub(super) fn known_peers(&self) -> &KnownPeers {
        &self.known_peers
    }

    // ---- batches ----

    /// The next batch of what the log does not hold yet.
    pub(super) fn collect<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
    ) -> Result<Collected, SessionError> {
        let mut collected = self.builder.collect(core)?;
        if let Collected::Batch(batch) = &mut collected {
            batch.peers = self.known_peers.take_changes();
        }
        Ok(collected)
    }

    /// Goes on with the builder of the next log. What that has not collected yet is collected here, under the same lock,
    /// so that nothing falls between the two logs.
    pub(super) fn switch<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        mut next: BatchBuilder,
    ) -> Switched {
        let rest = next.collect_all(core);
        let previous = std::mem::replace(&mut self.builder, next);
        Switched { rest, previous, position: core.log_position() }
    }

    /// Goes on with the builder of the log that was to be replaced, which has missed nothing.
    pub(super) fn switch_back(&mut self, previous: BatchBuilder) {
        self.builder = previous;
    }

    /// The core was rolled back to what the log holds. That may lack peers that were noted.
    pub(super) fn restart(&mut self, builder: BatchBuilder) {
        self.builder = builder;
        self.known_peers.change_all();
    }

    /// Trims what all peers have that [count](Trimming).
    pub(super) fn trim_stable<R: Replicated>(
        &self,
        core: &mut Core<R>,
        trimming: &Trimming,
        now: Time,
    ) {
        let stable = self.known_peers.stable(trimming, &core.in_order(), now);
        if let Some(stable) = stable.filter(|_| !core.history().keeps_everything()) {
            // It is a part of what is reduced, so there is nothing that could be wrong with it.
            let trimmed = core.trim(&stable);
            debug_assert!(trimmed.is_ok(), "{trimmed:?}");
        }
    }

    // ---- read-only ----

    /// Whether the replica takes writes now.
    pub(crate) fn check_writable(&self) -> Result<(), UpdateError> {
        self.read_only.as_ref().map_or(Ok(()), |read_only| Err(read_only.to_error()))
    }

    /// The replica takes no writes from now on. The first reason stays.
    pub(crate) fn close(&mut self, reason: ReadOnly) {
        self.read_only.get_or_insert(reason);
    }

    /// The writer has found out whether the journal can be written.
    pub(super) fn set_read_only(&mut self, read_only: Option<ReadOnly>) {
        self.read_only = read_only;
    }
}

impl ReadOnly {
    /// The error for a caller who wants to write.
    fn to_error(&self) -> UpdateError {
        match self {
            Self::Full(error) => UpdateError::Full { reason: with_sources(error) },
            Self::Failed(error) => UpdateError::ReadOnly { reason: with_sources(error) },
            Self::Closed => UpdateError::ReadOnly { reason: "it was closed".to_owned() },
        }
    }
}

/// An outbox that was switched to the next log; see [`Outbox::switch`].
pub(super) struct Switched {
    /// What the builder of the next log had not collected yet; `None` if that log cannot represent it.
    pub(super) rest: Result<Option<Vec<Batch>>, SessionError>,
    /// The builder of the log that is to be replaced.
    pub(super) previous: BatchBuilder,
    /// Where the core stood.
    pub(super) position: LogPosition,
}
