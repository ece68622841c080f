//! [`Disk`]: what a replica would find again after a crash.

use super::{audited::Audited, faults::Durability};
use crate::{
    core::Core,
    id::ReplicaId,
    reduce::Replicated,
    session::{Loading, Now, Saving, SessionConfig, SessionError},
    time::Time,
};

/// A journal in small: the messages that a peer which has nothing would get, one after the other.
pub(crate) struct Disk {
    log: Vec<Vec<u8>>,
    saving: Saving,
    begun: Now,
    /// So many messages survive a crash.
    synced: usize,
    /// The largest time that was used by then, which what is obsolete does not tell any more.
    latest: Time,
}

impl Disk {
    /// A disk that holds all that a replica has.
    pub(crate) fn new<R: Replicated>(
        core: &mut Core<Audited<R>>,
        now: Now,
    ) -> Result<Self, SessionError> {
        let saving = Saving::new(&SessionConfig::for_state::<R>(), core, now)?;
        let mut disk = Self { log: Vec::new(), saving, begun: now, synced: 0, latest: Time::ZERO };
        disk.sync(core)?;
        Ok(disk)
    }

    /// Writes what is new.
    pub(crate) fn write<R: Replicated>(
        &mut self,
        core: &mut Core<Audited<R>>,
    ) -> Result<(), SessionError> {
        match self.append(core) {
            // A new file takes the place of the old one, in one step.
            Err(SessionError::NewerSchema) => {
                self.saving = Saving::new(&SessionConfig::for_state::<R>(), core, self.begun)?;
                self.log.clear();
                self.append(core)?;
                self.synced = self.log.len();
                Ok(())
            }
            appended => appended,
        }
    }

    fn append<R: Replicated>(&mut self, core: &mut Core<Audited<R>>) -> Result<(), SessionError> {
        let mut message = Vec::new();
        while self.saving.poll_message(core, &mut message)? {
            self.log.push(std::mem::take(&mut message));
        }
        Ok(())
    }

    /// Writes what is new, so that it survives.
    pub(crate) fn sync<R: Replicated>(
        &mut self,
        core: &mut Core<Audited<R>>,
    ) -> Result<(), SessionError> {
        self.write(core)?;
        self.synced = self.log.len();
        self.latest = core.latest_time();
        Ok(())
    }

    /// How many messages a crash may take.
    pub(crate) fn unsynced(&self) -> usize {
        self.log.len() - self.synced
    }

    /// The crash: of what was not synced, only so much is there.
    pub(crate) fn crash(&mut self, kept: usize) {
        self.log.truncate(self.synced + kept);
    }

    /// Reads all there is into a new replica, which goes on under this id.
    pub(crate) fn read<R: Replicated>(
        &self,
        core: &mut Core<Audited<R>>,
        id: ReplicaId,
        now: Now,
    ) -> Result<(), SessionError> {
        let mut loading = Loading::new(SessionConfig::for_state::<R>());
        // What was taken in once is taken in again, whatever the clock says now.
        let now = Now { wall: Time::from_micros(1 << 61), ..now };
        self.log.iter().try_for_each(|message| loading.handle_message(core, message, now))?;
        core.resume(id, self.latest);
        Ok(())
    }
}

impl Durability {
    /// Whether a replica must have synced before it says anything.
    pub(crate) fn is_strict(self) -> bool {
        self == Self::Strict
    }
}
