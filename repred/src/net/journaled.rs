//! What only a replica with a journal has: it is opened, is durable, is compacted, and is closed.
//!
//! This is the only file of `net` that knows how a journal is opened and written.

use std::path::Path;

use super::{
    builder::{Parts, ReplicaBuilder},
    health::{ProblemKind, Topic, text_of},
    journal_parts::JournalSettings,
    replica::Replica,
    shared::Shared,
};
use crate::{
    core::Core,
    id::ReplicaId,
    journal::{
        Durability, Files, Host, IfDamaged, JournalError, Log, LogWriter, OpenError, Outbox,
        Recovery, Storage, Trimming, WritePolicy, WriterReport,
    },
    receipt::Durable,
    reduce::Replicated,
    session::SessionError,
    time::Time,
    unavailable::Unavailable,
};

impl<R: Replicated> ReplicaBuilder<R> {
    /// When an update counts as written, for a replica that is [opened](Self::open). Default:
    /// [`EveryUpdate`](Durability::EveryUpdate), when the disk has it. See [`Durability`] for an example.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.journal.durability = durability;
        self
    }

    /// Opens a journal also if it is [damaged](OpenError::Damaged), or if the disk cannot read some part of it. Default:
    /// refuse.
    ///
    /// The replica gets what comes before the damage, and a new id. The damaged file is kept under another name. What
    /// comes after the damage is lost, except for what peers have of it.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let mut disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?.wait()?;
    /// let id = votes.id()?;
    /// votes.close()?;
    /// disk.damage("journal-00000001", |bytes| bytes[40] ^= 1)?;
    ///
    /// assert!(Replica::builder(Counter::default()).open_in(disk.clone()).is_err());
    /// let votes = Replica::builder(Counter::default()).recover().open_in(disk)?;
    /// assert_ne!(votes.id()?, id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recover(mut self) -> Self {
        self.journal.if_damaged = IfDamaged::Recover;
        self
    }

    /// Opens a journal that is an older copy, such as a restored backup, and takes a new id. Default: it is one if the
    /// journal was opened last at another [`Location`](crate::journal::Location), which shows most copies.
    ///
    /// The replica may have written updates since the copy was made, which other replicas have. Under the same id, the
    /// next update would get the name of one of those. Without this method, a copy whose place does not show it takes
    /// a new id only when it meets a replica that has them, and what it has written until then is refused there.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?.wait()?;
    /// let backup = disk.copy();
    /// votes.update(4)?.wait()?;
    ///
    /// let copy = Replica::builder(Counter::default()).restored().open_in(backup)?;
    /// assert_eq!(copy.read(|votes| votes.value())?, 3);
    /// assert_ne!(copy.id()?, votes.id()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restored(mut self) -> Self {
        self.journal.is_restored = true;
        self
    }

    /// What is trimmed when the journal is compacted. Default: nothing. See [`Trimming`] for an example, and for what it
    /// can cost.
    pub fn trimming(mut self, trimming: Trimming) -> Self {
        self.journal.trimming = trimming;
        self
    }

    /// Opens the replica that is in a folder, or begins one there. Every acknowledged update is there again, even if the
    /// last process was killed. O(what the journal holds).
    ///
    /// An update is reduced at once. It is [acknowledged](crate::Receipt) when it is as [durable](Self::durability) as
    /// chosen, and no peer gets it before.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// # let folder = std::env::temp_dir().join(format!("repred-open-{}", std::process::id()));
    /// let votes = Replica::builder(Counter::default()).open(&folder)?;
    /// votes.update(3)?.wait()?;
    /// drop(votes);
    ///
    /// let again = Replica::builder(Counter::default()).open(&folder)?;
    /// assert_eq!(again.read(|votes| votes.value())?, 3);
    /// # drop(again);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    ///
    /// # Panics
    ///
    /// If `reduce` does, or the operating system has no random numbers.
    pub fn open(self, folder: impl AsRef<Path>) -> Result<Replica<R>, OpenError> {
        self.open_in(Files::open(folder)?)
    }

    /// Opens the replica that is in a [`Storage`], or begins one there.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?.wait()?;
    /// drop(votes);
    ///
    /// let again = Replica::builder(Counter::default()).open_in(disk)?;
    /// assert_eq!(again.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    ///
    /// # Panics
    ///
    /// If `reduce` does, or the operating system has no random numbers.
    pub fn open_in(self, storage: impl Storage) -> Result<Replica<R>, OpenError> {
        let Parts { mut core, platform, config, journal } = self.into_parts();
        let JournalSettings { durability, if_damaged, trimming, is_restored } = journal;
        let new_id = core.id();
        let initial = core.snapshot().map_err(SessionError::Snapshot)?.state;
        let now = platform.clock.now();
        let (mut log, mut builder) =
            Log::open(storage, &mut core, &config, durability, if_damaged, now)?;
        let recovery = log.recovery();
        let copied = recovery.copied.as_ref().and(recovery.former_id);
        if is_restored || copied.is_some() {
            // The builder may have chosen the very id that the original has.
            core.set_id(if copied == Some(new_id) { platform.random_id() } else { new_id });
            // Durable before the first update: after a crash now, nobody may go on under the old id.
            log.write_all(&mut core, &mut builder)?;
        }
        // The id that the program names is in the journal, and not the one that goes on.
        if core.needs_new_id() {
            core.set_id(platform.random_id());
        }
        core.begin_epoch(platform.random_number());
        let outbox = Outbox::new(&core, builder, log.peers().clone());
        let position = core.log_position();
        let shared = Shared::new(core, platform, config);
        let log_writer = LogWriter::new(position, recovery, shared.has_lock());
        let shared = shared.with_journal(outbox, log_writer);
        let replica = Replica::of(shared);
        if let Some(was) = copied {
            let noted = replica.shared().with(|inner| inner.hold(ProblemKind::Copied { was }, now));
            noted.map_err(JournalError::from)?;
        }
        if let Some(writer) = &replica.shared().log_writer {
            let policy = WritePolicy { durability, trimming, initial };
            writer.start(replica.shared(), log, policy).map_err(OpenError::from)?;
        }
        Ok(replica)
    }
}

impl<R: Replicated> Replica<R> {
    /// Opens the replica that is in a folder, or begins one there with `state`. What was acknowledged is there again,
    /// however the last process ended. See [`ReplicaBuilder::open`], also for panics.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// # let folder = std::env::temp_dir().join(format!("repred-replica-open-{}", std::process::id()));
    /// let votes = Replica::open(&folder, Counter::default())?;
    /// votes.update(3)?.wait()?;
    /// drop(votes);
    /// assert_eq!(Replica::open(&folder, Counter::default())?.read(|votes| votes.value())?, 3);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    #[cfg(not(target_family = "wasm"))]
    pub fn open(folder: impl AsRef<Path>, state: R) -> Result<Self, OpenError> {
        Self::builder(state).open(folder)
    }

    /// Ready when everything that the replica has now is durable: its own updates, and those of peers. Ready at once
    /// without a journal. An update has a [receipt](crate::Receipt) that says the same of it alone; edits have none:
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let votes = Replica::builder(Counter::default()).open_in(Memory::new())?;
    /// votes.edit(|votes| votes.add(3))?;
    /// votes.durable()?.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn durable(&self) -> Result<Durable, Unavailable> {
        let position = self.shared().with(|inner| inner.core.log_position())?;
        Ok(match &self.shared().log_writer {
            Some(log_writer) => log_writer.durable(position),
            None => Durable::at_once(),
        })
    }

    /// What was found when the journal was opened: whether a torn tail was cut off, and the id that it was written under.
    /// The default without a journal. See [`Recovery`] for an example.
    pub fn recovery(&self) -> Recovery {
        self.shared().log_writer.as_ref().map(|writer| writer.recovery()).unwrap_or_default()
    }

    /// Compacts the journal, and waits for that: writes it anew without what is superseded, and with a snapshot for what
    /// is trimmed, by [`trim`](Self::trim) or by the chosen [`Trimming`]. A journal is compacted by itself whenever it
    /// has doubled. Does nothing without a journal.
    ///
    /// ```
    /// use repred::{LwwMap, Replica, journal::{JournalReader, Memory}};
    ///
    /// let disk = Memory::new();
    /// let settings = Replica::builder(LwwMap::<u8, u8>::default()).open_in(disk.clone())?;
    /// for value in 0..100 {
    ///     settings.update((1, Some(value)))?;
    /// }
    /// settings.durable()?.wait()?;
    /// let before = JournalReader::open(disk.clone())?.size();
    /// settings.compact()?;
    /// assert!(JournalReader::open(disk)?.size() < before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`JournalError`]. After [`Refused`](JournalError::Refused), the journal is in use as before.
    pub fn compact(&self) -> Result<(), JournalError> {
        let Some(log_writer) = &self.shared().log_writer else { return Ok(()) };
        // The thread that does it needs the lock.
        self.shared().with(|_| ())?;
        log_writer.compact()
    }
}

impl<R: Replicated> Host for Shared<R> {
    type State = R;

    fn lock<T>(&self, act: impl FnOnce(&mut Core<R>, &mut Outbox) -> T) -> Option<T> {
        self.with(|inner| Some(act(&mut inner.core, inner.outbox.as_mut()?))).ok().flatten()
    }

    fn lock_and_wake<T>(&self, act: impl FnOnce(&mut Core<R>, &mut Outbox) -> T) -> Option<T> {
        let acted = self.with(|inner| {
            inner.notify_change();
            Some(act(&mut inner.core, inner.outbox.as_mut()?))
        });
        acted.ok().flatten()
    }

    fn note_peers(&self) {
        let _ = self.with(|inner| inner.record_peers());
    }

    fn wall(&self) -> Time {
        self.platform.clock.wall()
    }

    fn new_id(&self) -> ReplicaId {
        self.platform.random_id()
    }

    fn report(&self, report: WriterReport) {
        let now = self.now();
        let _ = self.with(|inner| match report {
            WriterReport::NotCompacted(error) => {
                inner.raise(ProblemKind::CompactionFails { error: text_of(&error) }, now);
            }
            WriterReport::Compacted => inner.clear(Topic::CompactionFails),
            WriterReport::Refused(error) => {
                inner.raise(ProblemKind::StorageRefuses { error: text_of(&error) }, now);
            }
            WriterReport::Accepted => inner.clear(Topic::StorageRefuses),
            WriterReport::Failed(error) => {
                inner.hold(ProblemKind::JournalFailed { error: text_of(&error) }, now);
            }
        });
    }
}
