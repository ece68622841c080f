//! Updates of a newer version of the program: kept and passed on, but not reduced.
//!
//! Nor is anything that comes after one of them, since it may depend on it. What is written here goes on being
//! reduced: its author, who is us, has not seen what is deferred, so to others the two are concurrent.

use super::{Core, IfEmpty, ReceivePolicy, Step};
use crate::{
    event::ReplicaEvent,
    history::{OriginIndex, SeqRange},
    id::ReplicaId,
    reduce::Replicated,
    stamp::{Dot, Stamp},
    version::VersionVector,
};

/// What becomes of an update that comes.
pub(super) enum Disposition<U> {
    Reduce(U),
    /// It is kept, and reduced by who knows what it means; so is what comes after it.
    Defer,
    /// It is kept. The state has it already.
    Keep,
}

impl<R: Replicated> Core<R> {
    /// What is reduced: less than the [`version`](Self::version) while updates of a newer version of the
    /// program are deferred. O(origins).
    pub fn reduced(&self) -> VersionVector {
        match &self.reduced {
            Some(reduced) => reduced.clone(),
            None => self.version(),
        }
    }

    /// How many updates are deferred: kept and passed on, but not reduced, because they are of a newer version
    /// of the program or came after one that is. The state stands still but for what is written here, until
    /// this program is upgraded and reads them again. O(origins).
    pub fn deferred(&self) -> u64 {
        self.reduced.as_ref().map_or(0, |reduced| self.version().ahead_of(reduced))
    }

    /// The newest version of the schema of which there may be updates here.
    pub(crate) fn newest_schema(&self) -> u32 {
        self.newest_schema
    }

    /// Takes note of the newest version of the schema that a peer knows of.
    pub(crate) fn note_schema(&mut self, newest: u32) {
        self.newest_schema = newest.max(self.newest_schema);
    }

    pub(crate) fn has_deferred(&self) -> bool {
        self.reduced.is_some()
    }

    /// Whether what comes of an origin is deferred. What was written here, before this was read from a log, was
    /// reduced at once, and is again, unless a newer version of the program wrote it.
    pub(super) fn defers(&self, origin: ReplicaId, policy: &ReceivePolicy<'_>) -> bool {
        self.has_deferred() && (policy.writer != Some(origin) || self.has_deferred_of(origin))
    }

    /// Whether some of an origin is deferred.
    pub(crate) fn has_deferred_of(&self, origin: ReplicaId) -> bool {
        let last = self.history.origin(origin).map_or(0, |index| self.history.last(index));
        self.reduced.as_ref().is_some_and(|reduced| reduced.seq(origin) < last)
    }

    pub(super) fn is_reduced(&self, dot: Dot) -> bool {
        self.reduced.as_ref().is_none_or(|reduced| reduced.contains(dot))
    }

    /// From now on, what comes is deferred.
    pub(super) fn begin_deferring(&mut self, in_state: Option<&VersionVector>) {
        if self.reduced.is_none() {
            let version = self.version();
            self.reduced = Some(in_state.map_or(version.clone(), |more| version.merged(more)));
            self.events.push(ReplicaEvent::Deferred);
        }
    }

    /// What was forgotten of an origin of which nothing is deferred was reduced before that.
    pub(super) fn note_reduced(&mut self, skips: &[SeqRange], policy: &ReceivePolicy<'_>) {
        for skip in skips {
            let id = self.history.id(skip.origin);
            let is_reduced = !self.defers(id, policy);
            if let Some(reduced) = self.reduced.as_mut().filter(|_| is_reduced) {
                reduced.observe(Dot::new(id, skip.last));
            }
        }
    }

    /// Takes in an update that has been verified, as was decided.
    pub(super) fn carry_out(
        &mut self,
        origin: OriginIndex,
        stamp: Stamp,
        (disposition, payload): (Disposition<R::Update>, &[u8]),
        if_empty: IfEmpty,
        step: Step,
        in_state: Option<&VersionVector>,
    ) {
        match disposition {
            Disposition::Reduce(update) => {
                self.take_in(origin, stamp, update, payload, if_empty, step);
            }
            Disposition::Defer => {
                self.begin_deferring(in_state);
                self.keep(origin, stamp, payload);
            }
            Disposition::Keep => self.keep(origin, stamp, payload),
        }
    }

    /// Keeps an entry, and does not reduce it.
    fn keep(&mut self, origin: OriginIndex, stamp: Stamp, payload: &[u8]) {
        self.history.push(origin, stamp.time, payload);
        self.observe(stamp);
    }
}
