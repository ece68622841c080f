//! Adopting a snapshot: taking another state for ours.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{AdoptError, Core, Entry, apply::Disposition};
use crate::{
    epochs::Epochs, id::ReplicaId, reduce::Replicated, seen::Seen, snapshot::Snapshot, stamp::Dot,
    time::Time, version::VersionVector,
};

impl<R: Replicated> Core<R> {
    /// Replaces the state by a snapshot, and reduces on top of it what the snapshot has not seen. The floor is the
    /// snapshot's version then. O(state, and updates that the snapshot has not seen).
    ///
    /// One that has seen nothing new is left alone.
    ///
    /// ```
    /// use repred::{GrowSet, Time, sans_io::Core};
    ///
    /// let now = Time::from_micros(1);
    /// let mut here = Core::new(0xa.into(), GrowSet::<u32>::default());
    /// let mut there = Core::new(0xb.into(), GrowSet::<u32>::default());
    /// here.update(7, now)?;
    /// there.update(8, now)?;
    ///
    /// here.adopt(&there.snapshot()?, now)?;
    /// assert!(here.state()?.contains(&7) && here.state()?.contains(&8));
    /// assert_eq!(here.floor(), there.version());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`AdoptError`]; the replica is unchanged.
    pub fn adopt(&mut self, snapshot: &Snapshot, wall: Time) -> Result<(), AdoptError> {
        self.check_health()?;
        self.check_fork(&snapshot.seen)?;
        if self.version().covers(&snapshot.version) {
            return Ok(());
        }
        self.check_snapshot(snapshot, wall)?;
        self.check_own(snapshot)?;
        let floor = self.floor();
        if !snapshot.version.covers(&floor) {
            let snapshot = snapshot.version.clone();
            return Err(AdoptError::BothTrimmed { floor, snapshot });
        }
        let is_ahead_of_us = self.is_ahead_of_us(&snapshot.version);
        let beyond = self.decode_beyond(&snapshot.version)?;
        self.applied.adopt(snapshot, beyond).map_err(AdoptError::Decode)?;
        if is_ahead_of_us {
            self.identity.take();
        }
        Ok(())
    }

    /// Gives up this replica's state for a snapshot: the way out of [`AdoptError::BothTrimmed`]. Updates that the snapshot
    /// has not seen are lost here. The core needs a new id before the next update.
    ///
    /// ```
    /// use repred::{GrowSet, Time, sans_io::Core};
    ///
    /// let now = Time::from_micros(1);
    /// let mut here = Core::new(0xa.into(), GrowSet::<u32>::default());
    /// let mut there = Core::new(0xb.into(), GrowSet::<u32>::default());
    /// here.update(7, now)?;
    /// there.update(8, now)?;
    ///
    /// here.discard_and_adopt(&there.snapshot()?, now)?;
    /// assert!(!here.state()?.contains(&7) && here.state()?.contains(&8));
    /// assert!(here.needs_new_id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`AdoptError`]; the replica is unchanged.
    pub fn discard_and_adopt(&mut self, snapshot: &Snapshot, wall: Time) -> Result<(), AdoptError> {
        self.check_health()?;
        self.check_snapshot(snapshot, wall)?;
        self.applied.replace(snapshot, &snapshot.version).map_err(AdoptError::Decode)?;
        // Others may have what was written under our id and is discarded here.
        self.identity.take();
        self.discards += 1;
        Ok(())
    }

    /// Gives up this replica's state, and begins anew with an encoded one, under an id that nobody ever
    /// had.
    pub(crate) fn start_over(&mut self, state: &[u8], id: ReplicaId) -> Result<(), AdoptError> {
        self.check_health()?;
        let (version, time) = (VersionVector::new(), Time::ZERO);
        let start = Snapshot { version, seen: Seen::default(), time, state: state.to_vec() };
        self.applied.replace(&start, &start.version).map_err(AdoptError::Decode)?;
        self.applied.forget_base();
        self.resume(id);
        self.discards += 1;
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

    /// Whoever says that a snapshot has updates of ours, which would be taken out of the history here, has to show that
    /// it knows them: by the token of the last, or, if it has seen more of us than there is here, by the epoch in
    /// which our last one was written. So what was never sent to anybody cannot be taken away.
    fn check_own(&self, snapshot: &Snapshot) -> Result<(), AdoptError> {
        let (history, own) = (self.history(), self.id());
        let head = snapshot.seen.heads().iter().find(|head| head.id == own);
        let (Some(head), Some(origin)) = (head, history.origin(own)) else { return Ok(()) };
        let last = history.last(origin).min(head.seq);
        if last <= self.floor().seq(own) {
            return Ok(());
        }
        let ours = history.token(origin, last);
        let is_shown = if head.seq > last {
            let said: Epochs = head.epochs.iter().copied().collect();
            ours.epoch != 0 && said.at(last) == Some(ours.epoch)
        } else {
            // Of one that is forgotten here, and is not the last, only the epoch is known.
            match ours.entry {
                0 => head.token.epoch == ours.epoch,
                mark => head.token.entry == mark,
            }
        };
        match is_shown {
            true => Ok(()),
            false => Err(AdoptError::NotShown { dot: Dot::new(own, last) }),
        }
    }

    /// What becomes of the updates that a version has not seen.
    fn decode_beyond(
        &self,
        version: &VersionVector,
    ) -> Result<Vec<Disposition<R::Update>>, AdoptError> {
        let beyond = self.entries_since(version).map_err(|_| AdoptError::BothTrimmed {
            floor: self.floor(),
            snapshot: version.clone(),
        })?;
        let beyond: Vec<Entry<R::Update>> = beyond.collect();
        // The update that started the deferral may be covered by the snapshot. If every remaining entry decodes,
        // nothing is deferred any more; if not, each origin is deferred from its first that does not, or from the
        // beginning of the edit which that is part of.
        let was_let_go = |dot| self.applied.reduced().contains(dot);
        let mut firsts = BTreeMap::new();
        for Entry { stamp, update, .. } in &beyond {
            if update.is_err() && !was_let_go(stamp.dot) {
                firsts.entry(stamp.origin()).or_insert_with(|| self.first_of_edit(stamp.dot));
            }
        }
        let decide = |Entry { stamp, update, .. }: Entry<R::Update>| match update {
            Ok(update)
                if firsts.get(&stamp.origin()).is_none_or(|&first| stamp.dot.seq < first) =>
            {
                Disposition::Reduce(update)
            }
            Err(_) if was_let_go(stamp.dot) => Disposition::Keep,
            _ => Disposition::Defer,
        };
        Ok(beyond.into_iter().map(decide).collect())
    }

    /// The first seq of the edit that an update is part of, or its own.
    fn first_of_edit(&self, dot: Dot) -> u64 {
        let history = self.history();
        let edit = history.origin(dot.origin).and_then(|origin| history.edit_of(origin, dot.seq));
        edit.map_or(dot.seq, |edit| edit.first)
    }
}
