//! [`Node`]: a replica in a simulated network, with its disk and its clock.

use super::{
    audited::Audited,
    faults,
    guarantee::{Broken, Guarantee},
};
use crate::{
    core::Core,
    id::ReplicaId,
    journal::{Durability, Journal, JournalError, Memory, OpenError, Write},
    session::SessionConfig,
    time::Now,
    version::VersionVector,
};

/// How many parts of a write a crash may leave.
const PARTS: usize = 4;

/// What is found where a folder was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutBack {
    Itself,
    Copy,
}

/// A replica with its disk and its clock.
pub(crate) struct Node {
    pub(crate) id: ReplicaId,
    /// `None` while it is down.
    pub(crate) core: Option<Core<Audited>>,
    disk: Memory,
    /// The number of the place of its disk.
    place: u64,
    /// Whether the disk was copied since it was opened last.
    is_copy: bool,
    journal: Option<Journal<Memory>>,
    durability: Durability,
    /// Whether something is not on the disk yet.
    pub(crate) is_dirty: bool,
    /// What is on its disk.
    pub(crate) durable: Vec<(ReplicaId, u64)>,
    /// What it may have trimmed.
    trimmed: VersionVector,
    /// What peers were told that it has.
    pub(crate) promised: Vec<(ReplicaId, u64)>,
    /// How far its clock is ahead, in microseconds, and how much further with each second.
    pub(crate) skew: i64,
    pub(crate) drift: i64,
}

impl Node {
    pub(crate) fn new(
        core: Core<Audited>,
        durability: faults::Durability,
        config: &SessionConfig,
        now: Now,
    ) -> Result<Self, Broken> {
        let mut node = Self {
            id: core.id(),
            core: None,
            disk: Memory::new().at(1),
            place: 1,
            is_copy: false,
            journal: None,
            durability: match durability {
                faults::Durability::Strict => Durability::EveryUpdate,
                faults::Durability::Weak => Durability::System,
            },
            is_dirty: false,
            durable: Vec::new(),
            trimmed: VersionVector::new(),
            promised: Vec::new(),
            skew: 0,
            drift: 0,
        };
        node.restart(core, config, now)?;
        Ok(node)
    }

    /// What it has seen.
    pub(crate) fn version(&self) -> Vec<(ReplicaId, u64)> {
        self.core.as_ref().map_or_else(Vec::new, |core| core.history().seqs().collect())
    }

    /// Puts everything on the disk. Says whether anything was not there yet.
    pub(crate) fn sync(&mut self) -> Result<bool, Broken> {
        let core = self.core.as_mut().filter(|_| self.is_dirty);
        let (Some(core), Some(journal)) = (core, &mut self.journal) else { return Ok(false) };
        journal.write(core).and_then(|()| journal.sync()).map_err(not_written)?;
        self.durable = core.history().seqs().collect();
        self.trimmed = self.trimmed.merged(&core.floor());
        self.is_dirty = false;
        Ok(true)
    }

    /// Writes everything anew.
    pub(crate) fn compact(&mut self) -> Result<(), Broken> {
        let (Some(core), Some(journal)) = (&mut self.core, &mut self.journal) else {
            return Ok(());
        };
        self.trimmed = self.trimmed.merged(&core.floor());
        journal.compact(core).map_err(not_written)
    }

    /// Records what peers were told that it has.
    pub(crate) fn promise(&mut self, claims: &[(ReplicaId, u64)]) {
        for (id, claimed) in claims {
            match self.promised.iter_mut().find(|(other, _)| other == id) {
                Some((_, seq)) => *seq = (*claimed).max(*seq),
                None => self.promised.push((*id, *claimed)),
            }
        }
    }

    /// Goes down. Of what was written and not synced, `keep` says how many parts there are after it.
    pub(crate) fn crash(&mut self, mut keep: impl FnMut(usize) -> usize) -> Result<bool, Broken> {
        let (Some(mut core), Some(mut journal)) = (self.core.take(), self.journal.take()) else {
            return Ok(false);
        };
        journal.write(&mut core).map_err(not_written)?;
        self.trimmed = self.trimmed.merged(&core.floor());
        let mut is_torn = false;
        self.disk = self.disk.crash(|writes| {
            let parts = writes.len() * PARTS;
            let kept = keep(parts);
            is_torn |= kept < parts;
            first(writes, kept)
        });
        self.is_dirty = false;
        Ok(is_torn)
    }

    /// Its folder is renamed while it is open, so it goes down. The folder is put back later, or a copy of it, which is
    /// noticed when it is opened. False if it was down already.
    pub(crate) fn displace(&mut self, later: PutBack) -> Result<bool, Broken> {
        let (Some(mut core), Some(mut journal)) = (self.core.take(), self.journal.take()) else {
            return Ok(false);
        };
        self.disk.displace();
        let before = journal.size();
        match journal.write(&mut core).and_then(|()| journal.sync()) {
            Err(JournalError::Displaced(_)) => {}
            Ok(()) if journal.size() == before => {}
            Ok(()) => {
                let what = "an update is acknowledged in a folder that has lost its name";
                return Err(Broken::new(Guarantee::NothingLost, what.to_owned()));
            }
            Err(error) => return Err(not_written(error)),
        }
        self.trimmed = self.trimmed.merged(&core.floor());
        self.disk = self.disk.copy();
        if later == PutBack::Copy {
            self.place += 1;
            self.disk = self.disk.clone().at(self.place);
            self.is_copy = true;
        }
        self.is_dirty = false;
        Ok(true)
    }

    /// Restarts with what its disk has, read by a core that has nothing: under the id it had, if that is
    /// safe, or else under that of the core.
    pub(crate) fn restart(
        &mut self,
        mut core: Core<Audited>,
        config: &SessionConfig,
        now: Now,
    ) -> Result<(), Broken> {
        let journal = Journal::open(self.disk.clone(), &mut core, config, self.durability, now);
        let journal = journal.map_err(not_opened)?;
        let is_copy = std::mem::replace(&mut self.is_copy, false);
        if is_copy != journal.recovery().copied.is_some() || is_copy && core.id() == self.id {
            let what = format!("of a copy ({is_copy}) comes {:?}", journal.recovery());
            return Err(Broken::new(Guarantee::Identity, what));
        }
        self.journal = Some(journal);
        let floor = core.floor();
        if !self.trimmed.covers(&floor) {
            let what = format!("comes back with {floor} trimmed, and had trimmed {}", self.trimmed);
            return Err(Broken::new(Guarantee::NothingLost, what));
        }
        self.durable = core.history().seqs().collect();
        self.id = core.id();
        self.core = Some(core);
        Ok(())
    }
}

fn not_written(error: JournalError) -> Broken {
    Broken::new(Guarantee::Sessions, error.to_string())
}

fn not_opened(error: OpenError) -> Broken {
    Broken::new(Guarantee::NothingLost, error.to_string())
}

/// The first so many parts of some writes.
fn first(writes: &[Write], parts: usize) -> Vec<Write> {
    let mut kept = writes[..parts / PARTS].to_vec();
    if let Some(Write::Bytes { offset, bytes }) = writes.get(parts / PARTS) {
        let bytes = bytes[..bytes.len() * (parts % PARTS) / PARTS].to_vec();
        kept.push(Write::Bytes { offset: *offset, bytes });
    }
    kept
}
