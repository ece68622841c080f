//! [`Journal`]: a core on a disk, so that what was acknowledged survives a crash of the process or the machine.
//!
//! ```text
//! append    Core ──▶ BatchBuilder ──▶ Batch ──▶ Log ──▶ RecordLog ──▶ Storage
//! open      Core ◀── Restore ◀───── Record ◀── Log ◀── Scan ◀─────── Storage
//! look      JournalEvent ◀── Decoder ◀── Record ◀───── Scan ◀─────── Storage
//! ```
//!
//! A journal is a write-ahead log of messages: first those that a peer which has nothing would get, and then those of
//! what came since. So there is one format and one way in, for peers and for files. Compaction writes the next file of
//! the log, without what is superseded, and with a snapshot for what is trimmed.
//!
//! A program that drives a core by hand uses a [`Journal`], which needs no thread. A replica has a thread that writes its
//! journal (`writer/`).

mod durability;
mod displaced;
mod path_error;
mod machine;
mod location;
mod storage;
mod held;
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
// For replicas. A core that is driven by hand needs no thread.
#[cfg(feature = "net")]
mod writer;
mod event;
mod decoder;
mod reader;

use std::fmt;

#[cfg(feature = "redb")]
pub use self::redb::Redb;

use self::batch::{Batch, BatchBuilder, Collected};
pub(crate) use self::log::{IfDamaged, Log};
#[cfg(feature = "net")]
pub(crate) use self::writer::{Host, LogWriter, Outbox, ReadOnly, WritePolicy, WriterReport};
pub use self::{
    displaced::Displaced,
    durability::Durability,
    error::{JournalError, OpenError},
    event::{JournalEvent, RawEntry},
    files::Files,
    location::{CopyNoticed, Location},
    log::Recovery,
    memory::{Memory, Write},
    reader::{JournalReadError, JournalReader},
    storage::Storage,
    trimming::Trimming,
};
use crate::{core::Core, reduce::Replicated, session::SessionConfig, time::Now};

/// The journal (write-ahead log) of a [`Core`] that is driven by hand: in a simulation, in a game's loop, on a device.
/// A [`Replica`](crate::Replica) that is [opened](crate::ReplicaBuilder::open) has one, which a thread writes.
///
/// Four rules keep what was acknowledged:
///
/// 1. Open the journal with a new core, before anything else is done with the core.
/// 2. After the core has changed, by an update or by a message of a peer, [`write`](Self::write) and then
///    [`sync`](Self::sync).
/// 3. Acknowledge an update, and send what sessions have to say since, only when `sync` has returned.
/// 4. After [`JournalError::Refused`], the core is ahead of the journal. Write again when there is room, and keep rule 3
///    meanwhile; after any other error, open the journal again with a new core.
///
/// ```
/// use repred::{
///     Counter, Durability, Time,
///     journal::{Journal, Memory},
///     sans_io::{Core, Monotonic, Now, SessionConfig},
/// };
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
    /// A batch that the storage has refused. It is appended before any other.
    refused: Option<Batch>,
}

impl<S: Storage> Journal<S> {
    /// Opens the journal in a storage, or begins one, and makes `core` what the journal says. The core must be new, and
    /// have an id that nobody ever had. O(what the journal holds).
    ///
    /// The core keeps the id of the journal if every update of that id that was ever sent is in the journal. So
    /// it does after a crash if durability is [`EveryUpdate`](Durability::EveryUpdate), and always after a
    /// [`close`](Self::close); but not if a damaged record may be missing at the [end](Recovery::torn_bytes). Otherwise
    /// it keeps its new id: under the old one, it could give an update the name of one that a peer has.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. Throw the core away: it may hold a part of the journal.
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

    /// Opens a journal that is [damaged](OpenError::Damaged), or that the disk cannot read from some offset on.
    ///
    /// The core gets what comes before the damage, and keeps its new id. The damaged file is kept under another name,
    /// such as `damaged-00000003`. What comes after the damage is lost, except for what peers have of it. Opens a
    /// journal without damage as [`open`](Self::open) does.
    ///
    /// ```
    /// use repred::{
    ///     Counter, Durability, Time,
    ///     journal::{Journal, Memory},
    ///     sans_io::{Core, Monotonic, Now, SessionConfig},
    /// };
    ///
    /// let now = Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO };
    /// let config = SessionConfig::for_state::<Counter>();
    /// let mut disk = Memory::new();
    /// let mut core = Core::new(0xa.into(), Counter::default());
    /// let mut journal = Journal::open(disk.clone(), &mut core, &config, Durability::EveryUpdate, now)?;
    /// for amount in [3, 4, 5] {
    ///     core.update(amount, now.wall)?;
    ///     journal.write(&mut core)?;
    ///     journal.sync()?;
    /// }
    /// let end = journal.size() as usize;
    /// journal.close(&mut core)?;
    ///
    /// disk.damage("journal-00000001", |bytes| bytes[end - 3] ^= 1)?;
    /// let mut again = Core::new(0xb.into(), Counter::default());
    /// Journal::recover(disk, &mut again, &config, Durability::EveryUpdate, now)?;
    /// assert_eq!(again.state()?.value(), 7);
    /// assert_eq!(again.id(), 0xb.into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OpenError`]. Throw the core away: it may hold a part of the journal.
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

    /// What was found when the journal was opened: whether a torn tail was cut off, and the id that it was written under.
    pub fn recovery(&self) -> Recovery {
        self.log.recovery()
    }

    /// Bytes that the journal takes, without those that are preallocated.
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Appends everything that is new in the core. It survives a crash of the process then; [`sync`](Self::sync) makes
    /// it survive one of the machine.
    ///
    /// # Errors
    ///
    /// See [`JournalError`]. The next call tries again what was [refused](JournalError::Refused).
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

    /// Returns when everything that was written will survive a loss of power.
    ///
    /// # Errors
    ///
    /// See [`JournalError`].
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.log.sync()
    }

    /// Compacts the journal: writes a new file, without what is superseded or trimmed, and then replaces the old one. A
    /// crash meanwhile leaves one or the other. Everything is durable afterwards.
    ///
    /// ```
    /// use repred::{
    ///     Durability, LwwMap, Time,
    ///     journal::{Journal, Memory},
    ///     sans_io::{Core, Monotonic, Now, SessionConfig},
    /// };
    ///
    /// let now = Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO };
    /// let config = SessionConfig::for_state::<LwwMap<u8, u16>>();
    /// let mut core = Core::new(0xa.into(), LwwMap::<u8, u16>::default());
    /// let mut journal =
    ///     Journal::open(Memory::new(), &mut core, &config, Durability::EveryUpdate, now)?;
    /// for value in 0..1000 {
    ///     core.update((1, Some(value)), now.wall)?;
    ///     journal.write(&mut core)?;
    /// }
    /// let before = journal.size();
    /// journal.compact(&mut core)?;
    /// assert!(journal.size() < before / 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`JournalError`]. After [`Refused`](JournalError::Refused), the old file is in use as before.
    pub fn compact<R: Replicated>(&mut self, core: &mut Core<R>) -> Result<(), JournalError> {
        let mut next = self.log.batch_builder(core)?;
        self.log.write_next(core, &mut next)?;
        self.log.install_next()?;
        (self.batch_builder, self.refused) = (next, None);
        Ok(())
    }

    /// Writes what is new, and a last record that says that nothing is missing: the next core that opens the journal
    /// keeps the id, whatever the durability was.
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
