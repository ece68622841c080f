//! [`Node`]: a replica in a simulated network, with its disk and its clock.

use super::{audited::Audited, disk::Disk};
use crate::{
    core::Core,
    id::ReplicaId,
    reduce::Replicated,
    session::{Now, SessionError},
};

/// The id under which a log is read, before it is known who goes on with it.
pub(crate) const READER: ReplicaId = ReplicaId::from_bytes([u8::MAX; 16]);

/// A replica with its disk and its clock.
pub(crate) struct Node<R: Replicated> {
    pub(crate) id: ReplicaId,
    /// `None` while it is down.
    pub(crate) core: Option<Core<Audited<R>>>,
    pub(crate) disk: Disk,
    /// Whether something is not on the disk yet.
    pub(crate) is_dirty: bool,
    /// What is on its disk.
    pub(crate) durable: Vec<(ReplicaId, u64)>,
    /// What others were told it has.
    pub(crate) promised: Vec<(ReplicaId, u64)>,
    /// How far its clock is ahead, in microseconds.
    pub(crate) skew: i64,
}

impl<R: Replicated> Node<R> {
    /// With nothing on its disk but what the core has.
    pub(crate) fn new(mut core: Core<Audited<R>>, now: Now) -> Result<Self, SessionError> {
        let disk = Disk::new(&mut core, now)?;
        Ok(Self {
            id: core.id(),
            core: Some(core),
            disk,
            is_dirty: false,
            durable: Vec::new(),
            promised: Vec::new(),
            skew: 0,
        })
    }

    /// What it has seen.
    pub(crate) fn version(&self) -> Vec<(ReplicaId, u64)> {
        self.core.as_ref().map_or_else(Vec::new, |core| core.entries().seqs().collect())
    }

    /// Puts everything on the disk. Says whether anything was not there yet.
    pub(crate) fn sync(&mut self) -> Result<bool, SessionError> {
        let Some(core) = self.core.as_mut().filter(|_| self.is_dirty) else { return Ok(false) };
        self.disk.sync(core)?;
        self.durable = core.entries().seqs().collect();
        self.is_dirty = false;
        Ok(true)
    }

    /// Others were told that it has this.
    pub(crate) fn promise(&mut self, claims: &[(ReplicaId, u64)]) {
        for (id, claimed) in claims {
            match self.promised.iter_mut().find(|(other, _)| other == id) {
                Some((_, seq)) => *seq = (*claimed).max(*seq),
                None => self.promised.push((*id, *claimed)),
            }
        }
    }

    /// Goes down. Of what was not synced, `keep` decides how many messages the disk has.
    pub(crate) fn crash(
        &mut self,
        keep: impl FnOnce(usize) -> usize,
    ) -> Result<bool, SessionError> {
        if let Some(core) = &mut self.core {
            self.disk.write(core)?;
        }
        let unsynced = self.disk.unsynced();
        let kept = keep(unsynced);
        self.disk.crash(kept);
        self.core = None;
        self.is_dirty = false;
        Ok(kept < unsynced)
    }

    /// Comes back, under this id, with what its disk has, read by a core that has nothing.
    pub(crate) fn restart(
        &mut self,
        mut core: Core<Audited<R>>,
        id: ReplicaId,
        now: Now,
    ) -> Result<(), SessionError> {
        self.disk.read(&mut core, id, now)?;
        // What was torn must not stand in the way of what comes after it.
        self.disk = Disk::new(&mut core, now)?;
        self.durable = core.entries().seqs().collect();
        self.id = id;
        self.core = Some(core);
        Ok(())
    }
}

/// How much of an origin a version has.
pub(crate) fn seq(version: &[(ReplicaId, u64)], id: ReplicaId) -> u64 {
    version.iter().find(|(other, _)| *other == id).map_or(0, |(_, seq)| *seq)
}
