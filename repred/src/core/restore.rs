//! Starting from what was stored: a state whose entries follow it, a log that was read to its end.

use super::{AdoptError, Core, SnapshotError, identity::Identity};
use crate::{
    id::ReplicaId,
    reduce::Replicated,
    seen::Seen,
    snapshot::Snapshot,
    time::{MAX_WALL, Time},
    version::VersionVector,
};

impl<R: Replicated> Core<R> {
    /// The state that the history begins with, if that is kept, or else the present one. With the entries beyond
    /// the [`floor`](Self::floor) it is all there is. O(state).
    pub(crate) fn base_snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let floor = self.floor();
        let base = self.applied.base().filter(|base| base.version == floor);
        base.cloned().map_or_else(|| self.snapshot(), Ok)
    }

    /// Begins with a state, ahead of the entries that it has reduced beyond `floor`. The caller then supplies those
    /// entries, which are stored without being reduced again, and calls [`trim_unseen`](Self::trim_unseen) for those
    /// that the log lacks. There must be nothing yet. Returns what the state has reduced already, which
    /// is nothing if the snapshot is kept as the base of the history.
    pub(crate) fn begin_with(
        &mut self,
        snapshot: &Snapshot,
        floor: &VersionVector,
    ) -> Result<Seen, AdoptError> {
        debug_assert!(self.version().is_empty() && snapshot.version.covers(floor));
        // Earlier states can be computed only from one that has reduced nothing beyond the floor.
        if self.history().keeps_everything() && *floor != snapshot.version {
            self.adopt(snapshot, MAX_WALL)?;
            return Ok(Seen::default());
        }
        self.check_health()?;
        self.check_snapshot(snapshot, MAX_WALL)?;
        self.applied.replace(snapshot, floor).map_err(AdoptError::Decode)?;
        Ok(snapshot.seen.clone())
    }

    /// Marks as trimmed every update in `seen` whose entry did not arrive; the state has these already.
    pub(crate) fn trim_unseen(&mut self, seen: &Seen) {
        if !self.version().covers(&seen.version()) {
            self.applied.trim_unseen(seen);
        }
    }

    /// Writes under the id that everything here was written under, after all of it was read from a log that has lost
    /// nothing that a peer may have seen.
    pub(crate) fn resume(&mut self, id: ReplicaId) {
        self.identity = Identity::Ours(id);
        // It has been closed meanwhile, and may have been copied.
        self.begin_epoch(0);
    }

    /// Raises the clock to a time that was used: no later stamp is before it.
    pub(crate) fn observe_time(&mut self, latest: Time) {
        self.applied.observe_time(latest);
    }
}
