//! [`Journal`]: a core on a disk, so that what was acknowledged survives whatever happens to the process.
//!
//! ```text
//! Core ──▶ BatchBuilder ──▶ batch ──▶ Log ──▶ Storage        written: the messages a peer would get
//! Core ◀── Loading ◀── messages ◀── Log ◀── Storage      read again
//! ```
//!
//! There is one file, of which each record is what was new at some moment. Compaction writes the next
//! generation of it, without what is superseded; what is trimmed is in a snapshot then, at its beginning.

mod durability;
mod storage;
mod files;
mod memory;
#[cfg(feature = "redb")]
mod redb;
mod error;
mod record;
mod scan;
mod log_file;
mod record_log;
mod trimming;
mod known_peers;
mod batch;
mod restore;
mod log;
mod writer;
mod event;
mod decoder;
mod reader;

use std::fmt;

#[cfg(feature = "redb")]
pub use self::redb::Redb;

use self::batch::{Batch, BatchBuilder, Collected};
pub use self::{
    durability::Durability,
    error::{JournalError, OpenError},
    event::{JournalEvent, RawEntry},
    files::Files,
    log::Recovery,
    memory::{Memory, Write},
    reader::{JournalReadError, JournalReader},
    storage::Storage,
    trimming::Trimming,
};
pub(crate) use self::{
    log::{IfDamaged, Log},
    writer::{Host, LogWriter, Outbox, ReadOnly, WritePolicy},
};
use crate::{core::Core, reduce::Replicated, session::SessionConfig, time::Now};

/// A log of everything that a core takes in, from which it is made again after whatever happened.
///
/// This is for who drives a [`Core`] and its sessions by hand. A [`Replica`](crate::Replica) is
/// [opened](crate::ReplicaBuilder::open) with one, and does all this in a thread of its own. The rules:
///
/// 1. Open the journal with a new core, before anything else is done with that.
/// 2. [`write`](Self::write) after anything has changed, then [`sync`](Self::sync).
/// 3. Only when that has returned, tell users or peers of it: no message that a session has made since the
///    change may leave before.
///
/// ```
///
/// use repred::{Core, Counter, Durability, Journal, Memory, Monotonic, Now, SessionConfig, Time};
///
/// let now = Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO };
/// let config = SessionConfig::for_state::<Counter>();
/// let disk = Memory::new();
///
/// let mut core = Core::new(0xa.into(), Counter::default());
/// let mut journal = Journal::open(disk.clone(), &mut core, &config, Durability::EveryUpdate, now)?;
/// core.update(3, now.wall)?;
/// journal.write(&mut core)?;
/// journal.sync()?;
/// drop((core, journal));
///
/// let after = disk.crash(|_| Vec::new());
/// let mut again = Core::new(0xb.into(), Counter::default());
/// Journal::open(after, &mut again, &config, Durability::EveryUpdate, now)?;
/// assert_eq!(again.state()?.value(), 3);
/// assert_eq!(again.id(), 0xa.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Journal<S> {
    log: Log<S>,
    batch_builder: BatchBuilder,
    /// What the storage has refused, and is tried again.
    refused: Option<Batch>,
}

impl<S: Storage> Journal<S> {
    /// Opens the journal in a storage, or begins one, and makes of `core` what it was. The core must be new,
    /// under an id that nobody ever had.
    ///
    /// Where every update was durable before anybody heard of it, and where the journal was
    /// [closed](Self::close), the core goes on under the id that the journal was written under; unless something
    /// whole may have stood at the end that is [not whole](Recovery::torn_bytes) now. Otherwise somebody may have
    /// seen updates of that id that are not in the journal, and it keeps its new one.
    /// O(what the journal holds).
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; the core is of no use then.
    ///
    /// # Panics
    ///
    /// If `reduce` does.
    pub fn open<R: Replicated>(
        storage: S,
        core: &mut Core<R>,
        config: &SessionConfig,
        durability: Durability,
        now: Now,
    ) -> Result<Self, OpenError> {
        Log::open(storage, core, config, durability, IfDamaged::Refuse, now).map(Self::of)
    }

    /// The same for a journal that is [damaged](OpenError::Damaged), or cannot be read from some place on: goes on with what comes before the
    /// damage, which is nothing if it begins with the damage, and under the new id. The damaged file is kept under
    /// another name. What came after the damage is lost, but for what peers have of it.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    ///
    /// # Panics
    ///
    /// If `reduce` does.
    pub fn recover<R: Replicated>(
        storage: S,
        core: &mut Core<R>,
        config: &SessionConfig,
        durability: Durability,
        now: Now,
    ) -> Result<Self, OpenError> {
        Log::open(storage, core, config, durability, IfDamaged::Recover, now).map(Self::of)
    }

    fn of((log, batch_builder): (Log<S>, BatchBuilder)) -> Self {
        Self { log, batch_builder, refused: None }
    }

    /// What was found when it was opened.
    pub fn recovery(&self) -> Recovery {
        self.log.recovery()
    }

    /// Bytes on the disk.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Writes what is new. It survives the end of the process then, but not that of the system.
    ///
    /// # Errors
    ///
    /// See [`JournalError`]. What was refused is tried again at the next call.
    pub fn write<R: Replicated>(&mut self, core: &mut Core<R>) -> Result<(), JournalError> {
        loop {
            let collected = match self.refused.take() {
                Some(refused) => Collected::Batch(refused),
                None => self.batch_builder.collect(core)?,
            };
            let batch = match collected {
                Collected::Batch(batch) => batch,
                Collected::Nothing => return Ok(()),
                Collected::NeedsCompaction => return self.compact(core),
            };
            if let Err(error) = self.log.append(&batch) {
                self.refused = Some(batch);
                return Err(error);
            }
        }
    }

    /// Returns when all that was written will survive a loss of power.
    ///
    /// # Errors
    ///
    /// See [`JournalError`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.log.sync()
    }

    /// Writes everything anew, without what is superseded or trimmed. A crash in the middle leaves the old
    /// file, or the new one.
    ///
    /// # Errors
    ///
    /// See [`JournalError`].
    pub fn compact<R: Replicated>(&mut self, core: &mut Core<R>) -> Result<(), JournalError> {
        let mut next = self.log.batch_builder(core)?;
        self.log.write_next(core, &mut next)?;
        self.log.install_next()?;
        (self.batch_builder, self.refused) = (next, None);
        Ok(())
    }

    /// Ends the journal: whoever opens it may go on under the same id, whatever the durability is.
    ///
    /// # Errors
    ///
    /// See [`JournalError`].
    pub fn close<R: Replicated>(mut self, core: &mut Core<R>) -> Result<(), JournalError> {
        self.write(core)?;
        self.log.close()
    }
}

impl<S> fmt::Debug for Journal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("batch_builder", &self.batch_builder)
            .finish_non_exhaustive()
    }
}
