//! What a replica with a journal has beside one without: it is opened, is durable, and is closed.
//!
//! This is the only file of `net` that knows how a journal is opened and written.

use std::{path::Path, sync::Arc};

use super::{
    builder::{Parts, ReplicaBuilder},
    replica::Replica,
    shared::Shared,
};
use crate::{
    core::Core,
    id::ReplicaId,
    journal::{
        Durability, Files, Host, IfDamaged, JournalError, Log, OpenError, ReadOnly, Recovery,
        Storage, Trimming, WritePolicy,
    },
    receipt::{Durable, NotDurable},
    reduce::Replicated,
    session::SessionError,
    time::Time,
    unavailable::Unavailable,
};

pub(super) use crate::journal::{LogWriter, Outbox};

/// What a builder sets for the journal.
pub(super) struct JournalSettings {
    durability: Durability,
    if_damaged: IfDamaged,
    trimming: Trimming,
    is_restored: bool,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            durability: Durability::EveryUpdate,
            if_damaged: IfDamaged::Refuse,
            trimming: Trimming::Never,
            is_restored: false,
        }
    }
}

impl<R: Replicated> ReplicaBuilder<R> {
    /// When an update counts as written, for a replica that is [opened](Self::open). Default: when the disk
    /// says so.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.journal.durability = durability;
        self
    }

    /// Opens a journal that is [damaged](OpenError::Damaged), or that the disk cannot read from some place on, all
    /// the same, with what comes before that and under a new id. The damaged file is kept under another name. What came after it is lost, but
    /// for what peers have of it. Default: refuse.
    #[must_use]
    pub fn recover(mut self) -> Self {
        self.journal.if_damaged = IfDamaged::Recover;
        self
    }

    /// Opens a journal that is an old copy, such as a restored backup, under a new id: its replica may have written
    /// more since, which others have seen. Without this, it finds out when it meets somebody who knows more, but
    /// what it had written until then would share its name with something else. Default: it is no copy.
    #[must_use]
    pub fn restored(mut self) -> Self {
        self.journal.is_restored = true;
        self
    }

    /// What is trimmed when the journal is compacted. Default: nothing.
    #[must_use]
    pub fn trimming(mut self, trimming: Trimming) -> Self {
        self.journal.trimming = trimming;
        self
    }

    /// The replica that lives in a folder of files, which is made if there is none: what was acknowledged there
    /// is here again, whatever happened to the process. O(what the journal holds).
    ///
    /// An update is reduced at once and [acknowledged](crate::Receipt) when it is as
    /// [durable](Self::durability) as chosen; no peer hears of it before.
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

    /// The same in any storage.
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
        if is_restored {
            core.set_id(new_id);
            // Durable before the first update: after a crash now, nobody may go on under the old id.
            log.write_all(&mut core, &mut builder)?;
        }
        let outbox = Outbox::new(&core, builder, log.peers().clone());
        let position = core.log_position();
        let shared = Shared::new(core, platform, config);
        let log_writer = LogWriter::new(position, log.recovery(), shared.has_lock());
        let shared = shared.with_journal(outbox, log_writer);
        let replica = Replica::of(shared);
        if let Some(writer) = &replica.shared().log_writer {
            let policy = WritePolicy { durability, trimming, initial };
            writer.start(replica.shared(), log, policy).map_err(OpenError::from)?;
        }
        Ok(replica)
    }
}

impl<R: Replicated> Replica<R> {
    /// The replica that lives in a folder, which is made if there is none; see [`ReplicaBuilder::open`], also for
    /// errors and panics. What was acknowledged there is here again, whatever happened to the process.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    #[cfg(not(target_family = "wasm"))]
    pub fn open(folder: impl AsRef<Path>, state: R) -> Result<Self, OpenError> {
        Self::builder(state).open(folder)
    }

    /// Ready when everything that is written here by now will survive; also what came from peers. At once
    /// without a journal.
    ///
    /// It is for edits, which have no receipts:
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

    /// What was found when it was opened: whether something was cut off, and under which id it was written. Nothing,
    /// without a journal.
    pub fn recovery(&self) -> Recovery {
        self.shared().log_writer.as_ref().map(|writer| writer.recovery()).unwrap_or_default()
    }

    /// Writes the journal anew, without what is superseded, and with a snapshot for what is trimmed:
    /// by [`trim`](Self::trim), or because [all have it who count](crate::Trimming). Waits for that. It is done by
    /// itself whenever the journal has doubled.
    ///
    /// # Errors
    ///
    /// See [`JournalError`]; without a journal there is none.
    pub fn compact(&self) -> Result<(), JournalError> {
        let Some(log_writer) = &self.shared().log_writer else { return Ok(()) };
        // The thread that does it needs the lock.
        self.shared().with(|_| ())?;
        log_writer.compact()
    }

    /// Writes what is new, ends the journal and waits for that: another replica can open it now, and goes
    /// on under the same id. This one can be read from now on, and nothing more. The same happens when the
    /// last handle is dropped.
    ///
    /// # Errors
    ///
    /// See [`NotDurable`].
    pub fn close(&self) -> Result<(), NotDurable> {
        close(self.shared())
    }
}

/// Ends the journal of a replica when it is dropped: with the last handle, whatever else holds the replica for a
/// moment.
pub(super) struct ShutdownGuard<R: Replicated> {
    shared: Arc<Shared<R>>,
}

impl<R: Replicated> ShutdownGuard<R> {
    /// One for a replica that has a journal.
    pub(super) fn of(shared: &Arc<Shared<R>>) -> Option<Arc<Self>> {
        shared.log_writer.as_ref().map(|_| Arc::new(Self { shared: Arc::clone(shared) }))
    }
}

impl<R: Replicated> Drop for ShutdownGuard<R> {
    fn drop(&mut self) {
        // Receipts tell what could not be written, to who has asked.
        let _ = close(&self.shared);
    }
}

fn close<R: Replicated>(shared: &Arc<Shared<R>>) -> Result<(), NotDurable> {
    let Some(log_writer) = &shared.log_writer else { return Ok(()) };
    let marked = shared.with(|inner| {
        if let Some(outbox) = &mut inner.outbox {
            outbox.close(ReadOnly::Closed);
        }
        inner.notify_change();
        inner.core.log_position()
    });
    match marked {
        Ok(position) if !log_writer.is_own_thread() => {
            log_writer.finish();
            log_writer.durable(position).wait()
        }
        // It is closed inside of its own `read` or `reduce`, or by what the log writer has woken. The log writer needs the
        // lock, or itself, so it is not waited for; it keeps the replica until it is done.
        Ok(_) | Err(_) => {
            log_writer.request_end(Some(Box::new(Arc::clone(shared))));
            Err(NotDurable::Unavailable(Unavailable::Reentrant))
        }
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
}
