//! Taking in a snapshot.

use super::{AdoptError, Core, Entry, IfEmpty, Step, holding::Disposition};
use crate::{
    history::{Leftover, SeqRange},
    id::ReplicaId,
    reduce::Replicated,
    snapshot::Snapshot,
    stamp::Dot,
    time::Time,
    version::VersionVector,
};

impl<R: Replicated> Core<R> {
    /// Replaces the state by a snapshot, and reduces on top of it what the snapshot has not seen.
    ///
    /// One that has seen nothing new is left alone.
    ///
    /// # Errors
    ///
    /// See [`AdoptError`]; the replica is unchanged.
    pub fn adopt(&mut self, snapshot: &Snapshot, wall: Time) -> Result<(), AdoptError> {
        self.check_health()?;
        let version = self.version();
        if version.covers(&snapshot.version) {
            return Ok(());
        }
        self.check_snapshot(snapshot, wall)?;
        let floor = self.floor();
        if !snapshot.version.covers(&floor) {
            let snapshot = snapshot.version.clone();
            return Err(AdoptError::BothTrimmed { floor, snapshot });
        }
        let extra = self.decode_beyond(&snapshot.version)?;
        self.replace_state(snapshot)?;
        self.check_id(&snapshot.version);
        let times = self.history.times();
        let leftovers = self.history.split_off(&snapshot.version);
        self.replay(leftovers, extra);
        // Nothing was lost, but some of what was last had no time any more, being superseded.
        self.history.raise_times(&times);
        self.finish_adoption(snapshot);
        Ok(())
    }

    /// Gives up this replica's state and takes a snapshot instead: the way on after
    /// [`AdoptError::BothTrimmed`]. What the snapshot has not seen is lost here; a new id is needed before
    /// the next update.
    ///
    /// # Errors
    ///
    /// See [`AdoptError`]; the replica is unchanged.
    pub fn discard_and_adopt(&mut self, snapshot: &Snapshot, wall: Time) -> Result<(), AdoptError> {
        self.check_health()?;
        self.check_snapshot(snapshot, wall)?;
        self.replace_state(snapshot)?;
        // Others may hold what was written under our id and is discarded here.
        self.id_is_taken = true;
        self.discards += 1;
        self.reduced = None;
        let leftovers = self.history.split_off(&snapshot.version);
        drop(leftovers);
        self.finish_adoption(snapshot);
        Ok(())
    }

    /// Gives up this replica's state, and begins anew with an encoded one, under an id that nobody ever
    /// had.
    pub(crate) fn start_over(&mut self, state: &[u8], id: ReplicaId) -> Result<(), AdoptError> {
        self.check_health()?;
        let (version, time) = (VersionVector::new(), Time::ZERO);
        let start = Snapshot { version, time, state: state.to_vec() };
        self.replace_state(&start)?;
        self.id = id;
        self.discards += 1;
        self.reduced = None;
        drop(self.history.split_off(&start.version));
        self.finish_adoption(&start);
        self.base = None;
        Ok(())
    }

    pub(super) fn check_snapshot(&self, snapshot: &Snapshot, wall: Time) -> Result<(), AdoptError> {
        let origins = self.version().merged(&snapshot.version).len();
        if origins > self.limits.origins {
            return Err(AdoptError::TooManyOrigins { limit: self.limits.origins });
        }
        match self.too_far_ahead(snapshot.time, wall) {
            Some(wait) => Err(AdoptError::TooFarAhead { time: snapshot.time, wait }),
            None => Ok(()),
        }
    }

    pub(super) fn replace_state(&mut self, snapshot: &Snapshot) -> Result<(), AdoptError> {
        self.is_reducing = true;
        let result = self.state.replace_state(&snapshot.state);
        self.is_reducing = false;
        result.map_err(AdoptError::Decode)
    }

    /// What becomes of the updates that a version has not seen.
    fn decode_beyond(
        &self,
        version: &VersionVector,
    ) -> Result<Vec<Disposition<R::Update>>, AdoptError> {
        let beyond = self.history(version).map_err(|_| AdoptError::BothTrimmed {
            floor: self.floor(),
            snapshot: version.clone(),
        })?;
        let beyond: Vec<Entry<R::Update>> = beyond.collect();
        // What kept the others back may be in the snapshot.
        let is_free = beyond.iter().all(|entry| entry.update.is_ok());
        let decode = |entry: Entry<R::Update>| match entry.update {
            Ok(update) if is_free || self.is_reduced(entry.stamp.dot) => {
                Ok(Disposition::Reduce(update))
            }
            Ok(_) => Ok(Disposition::Defer),
            Err(_) if !self.is_reduced(entry.stamp.dot) => Ok(Disposition::Defer),
            Err(error) => Err(AdoptError::Decode(error)),
        };
        beyond.into_iter().map(decode).collect()
    }

    fn replay(&mut self, leftovers: Vec<Leftover>, dispositions: Vec<Disposition<R::Update>>) {
        let mut dispositions = dispositions.into_iter();
        // Begun anew with the first that is deferred.
        self.reduced = None;
        for leftover in leftovers {
            match leftover {
                Leftover::Entry(stamp, payload) => {
                    let disposition = dispositions.next();
                    debug_assert!(disposition.is_some(), "every remaining entry was decoded");
                    let origin = self.history.intern(stamp.origin());
                    let entry = (disposition.unwrap_or(Disposition::Defer), &*payload);
                    self.carry_out(origin, stamp, entry, IfEmpty::Keep, Step::Inside, None);
                }
                Leftover::Skip(ranges) => {
                    let ranges: Vec<_> =
                        ranges.into_iter().map(|(dot, count)| self.seq_range(dot, count)).collect();
                    self.history.push_skip(&ranges, 0);
                }
                Leftover::Edit(first, count) => {
                    let range = self.seq_range(first, count);
                    self.history.mark_edit(range);
                }
            }
        }
        self.history.raise_barriers();
    }

    fn seq_range(&mut self, first: Dot, count: u64) -> SeqRange {
        let origin = self.history.intern(first.origin);
        SeqRange { origin, first: first.seq, last: first.seq + count - 1 }
    }

    pub(super) fn finish_adoption(&mut self, snapshot: &Snapshot) {
        self.base = self.history.keeps_everything().then(|| snapshot.clone());
        self.history.cut_dependencies();
        self.clock.observe(snapshot.time);
        self.version_hash = None;
        self.events.clear();
    }
}
