//! What is read from a log of this replica, which was its own: who wrote it, and what the state has already.
//!
//! A log of a history that is trimmed begins with the state as it was when the log was begun, and goes on with
//! the entries above the floor. Most of those are in that state, and are kept without being reduced again; so the
//! floor is where it was, and nothing is trimmed that others lack.

use super::{AdoptError, Core, SnapshotError};
use crate::{
    id::ReplicaId,
    reduce::Replicated,
    snapshot::Snapshot,
    stamp::Dot,
    time::{MAX_WALL, Time},
    version::VersionVector,
};

/// How far the reading of a log is. It is over, or has not begun, where this is as it is by default.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Who has written what follows.
    pub(super) writer: Option<ReplicaId>,
    /// What the state stands for, though the entries may be still to come.
    in_state: VersionVector,
}

impl<R: Replicated> Core<R> {
    /// What is read from now on was written here under this id, if it is of this origin.
    pub(crate) fn read_as(&mut self, writer: ReplicaId) {
        self.reading.writer = Some(writer);
    }

    /// Begins with a state of which the entries follow that are beyond `floor`. There must be nothing yet.
    pub(crate) fn begin_with(
        &mut self,
        snapshot: &Snapshot,
        floor: &VersionVector,
    ) -> Result<(), AdoptError> {
        debug_assert!(self.version().is_empty() && snapshot.version.covers(floor));
        // The past can be told from a state on that has nothing beyond the floor.
        if self.history.keeps_everything() && *floor != snapshot.version {
            return self.adopt(snapshot, MAX_WALL);
        }
        self.check_health()?;
        self.check_snapshot(snapshot, MAX_WALL)?;
        self.replace_state(snapshot)?;
        drop(self.history.split_off(floor));
        self.reading.in_state = snapshot.version.clone();
        self.finish_adoption(snapshot);
        Ok(())
    }

    /// What a log begins with, and the floor beyond which entries have to follow it; nothing if entries alone will
    /// do. O(state).
    pub(crate) fn beginning(&self) -> Result<Option<(Snapshot, VersionVector)>, SnapshotError> {
        let floor = self.floor();
        if floor.is_empty() {
            return Ok(None);
        }
        let base = self.base.as_ref().filter(|base| base.version == floor);
        let snapshot = base.cloned().map_or_else(|| self.snapshot(), Ok)?;
        Ok(Some((snapshot, floor)))
    }

    /// Whether the state stands for nothing of which the entries are still to come.
    pub(crate) fn is_in_step(&self) -> bool {
        self.version().covers(&self.reading.in_state)
    }

    /// Whether the log that is read began with a state that had some of its entries already.
    #[inline]
    pub(super) fn is_reading_behind(&self) -> bool {
        !self.reading.in_state.is_empty()
    }

    /// Whether an entry that comes is in the state already.
    #[inline]
    pub(super) fn is_in_state(&self, dot: Dot) -> bool {
        self.reading.in_state.contains(dot)
    }

    /// What is here, or will be when the log is read.
    pub(super) fn version_of_state(&self) -> VersionVector {
        self.version().merged(&self.reading.in_state)
    }

    /// Nothing more comes. What the state stands for and did not come is trimmed.
    pub(crate) fn finish_reading(&mut self) {
        if !self.is_in_step() {
            self.history.stand_for(&self.reading.in_state);
            self.version_hash = None;
        }
        self.reading = Reading::default();
    }

    /// Goes on under the id that everything here was written under, after all of it was read from a log
    /// that lost nothing anybody has heard of. `latest` is the largest time it had used: the log may not
    /// tell, because what is superseded leaves no time behind.
    pub(crate) fn resume(&mut self, id: ReplicaId, latest: Time) {
        self.id = id;
        self.id_is_taken = false;
        self.clock.observe(latest);
    }

    /// Takes note of a time that was used: no later stamp is before it.
    pub(crate) fn observe_time(&mut self, latest: Time) {
        self.clock.observe(latest);
    }
}
