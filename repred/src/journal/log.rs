//! [`Log`]: the log of one core: opened, restored from, appended to, and compacted.

use std::fmt;

use super::{
    batch::{Batch, BatchBuilder, Collected},
    durability::Durability,
    error::{JournalError, OpenError},
    known_peers::KnownPeers,
    location::{CopyNoticed, Location},
    record::Record,
    record_log::{Old, RecordLog},
    restore::Restore,
    scan::Tail,
    storage::Storage,
};
use crate::{
    core::Core,
    id::ReplicaId,
    reduce::Replicated,
    session::{SessionConfig, SessionError},
    time::Now,
};

/// A log that is no larger than this is not compacted by itself.
const SMALL: u64 = 4 << 20;

/// The log of one core. It does the I/O; the [`BatchBuilder`], which stays with the core, does none.
pub(crate) struct Log<S> {
    log: RecordLog<S>,
    config: SessionConfig,
    is_strict: bool,
    now: Now,
    recovery: Recovery,
    /// The size that the log had when it held all that it was begun with. It is compacted when it has doubled.
    base: u64,
    /// The peers, as far as the log knows.
    peers: KnownPeers,
}

/// What was found when a journal was opened.
///
/// ```
/// use repred::{Counter, Replica, journal::{Memory, Recovery}};
///
/// let votes = Replica::builder(Counter::default()).open_in(Memory::new())?;
/// assert_eq!(votes.recovery(), Recovery::default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Bytes at the end that were cut off: an incomplete record, or one that may have been damaged.
    ///
    /// Updates in there were not acknowledged, unless [durability](Durability) was less than
    /// [`EveryUpdate`](Durability::EveryUpdate) or the disk has damaged the end of the file since. In both of these
    /// cases the replica takes another id, and gets back what its peers have.
    pub torn_bytes: u64,
    /// The id under which the journal was written, if the replica has taken another one.
    pub former_id: Option<ReplicaId>,
    /// That the journal is a copy, if that was noticed. The replica then has another id.
    pub copied: Option<CopyNoticed>,
}

/// What to do about a journal that is damaged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfDamaged {
    /// Do not open it.
    Refuse,
    /// Go on with what comes before the damage.
    Recover,
}

/// The id of a core while its log is read. It writes nothing meanwhile.
const NOBODY: ReplicaId = ReplicaId::from_bytes(*b"repred: a reader");

impl<S: Storage> Log<S> {
    /// Opens the log in a storage, or creates one, and restores a new core from it.
    pub(crate) fn open<R: Replicated>(
        storage: S,
        core: &mut Core<R>,
        config: &SessionConfig,
        durability: Durability,
        if_damaged: IfDamaged,
        now: Now,
    ) -> Result<(Self, BatchBuilder), OpenError> {
        let config = unlimited(config);
        let is_strict = durability == Durability::EveryUpdate;
        let (log, is_new) = match RecordLog::find(storage, core.document())? {
            Ok(log) => (log, false),
            Err(storage) => (RecordLog::new(storage, core.document()), true),
        };
        let (recovery, peers) = (Recovery::default(), KnownPeers::default());
        let mut log = Self { log, config, is_strict, now, recovery, base: 0, peers };
        if is_new {
            let batch_builder = log.rewrite(core, Old::None)?;
            return Ok((log, batch_builder));
        }
        let batch_builder = match log.read(core) {
            // A place that the disk cannot read is as good as one that is damaged.
            Err(OpenError::Damaged { .. } | OpenError::Io(_))
                if if_damaged == IfDamaged::Recover =>
            {
                log.rewrite(core, Old::Keep)?
            }
            read => {
                let (end, tail) = read?;
                log.cut(end, tail)?;
                let mut batch_builder = log.resume(core);
                log.write_all(core, &mut batch_builder)?;
                batch_builder
            }
        };
        Ok((log, batch_builder))
    }

    /// Appends everything that is new, and makes it durable.
    pub(crate) fn write_all<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        batch_builder: &mut BatchBuilder,
    ) -> Result<(), JournalError> {
        loop {
            match batch_builder.collect(core)? {
                Collected::Batch(batch) => self.append(&batch)?,
                Collected::Nothing => return self.sync(),
                // This cannot happen: the core does not change during this call.
                Collected::NeedsCompaction => return Err(JournalError::Failed),
            }
        }
    }

    /// Cuts off a torn tail, and says so in the recovery.
    fn cut(&mut self, end: u64, tail: Tail) -> Result<(), OpenError> {
        self.recovery.torn_bytes = tail.bytes();
        self.log.cut(end, tail)
    }

    /// Makes a new core what the log says. Returns the offset of its end, and what follows it.
    fn read<R: Replicated>(&mut self, core: &mut Core<R>) -> Result<(u64, Tail), OpenError> {
        let mut restore = Restore::new(self.config.clone(), self.now);
        // A program that names its id opens what it has written under that id, and what came of it since; see `Core::rejoin`.
        let id = core.id();
        core.resume(NOBODY);
        let read = self.log.read(|record, end| restore.take(core, record, end));
        self.base = restore.base;
        self.peers = std::mem::take(&mut restore.peers);
        let read = match read {
            // What a log is begun with was synced before the file got its name, so no crash can have cut it.
            Ok(_) if self.base == 0 => Err(self.log.cut_short()),
            read => read,
        };
        let is = self.log.location();
        self.recovery.copied = CopyNoticed::between(restore.place.as_ref(), is.as_ref());
        // An invalid tail may be a record that was whole once, whose updates were sent. The original of a copy may have
        // sent anything since.
        let has_all = matches!(read, Ok((_, Tail::Preallocated | Tail::Torn(_))));
        let has_all = has_all && self.recovery.copied.is_none();
        self.recovery.former_id = restore.finish(core, has_all);
        if core.id() == NOBODY {
            core.set_id(id);
        }
        read
    }

    /// Resets the core to the content of the log, and discards its present state. The core keeps its id, because what
    /// is lost was never sent. `initial` is the state that the core began with, and `fresh` an id that nobody ever
    /// had.
    pub(crate) fn roll_back<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        initial: &[u8],
        fresh: ReplicaId,
    ) -> Result<(), OpenError> {
        let (id, latest) = (core.id(), core.latest_time());
        core.start_over(initial, fresh).map_err(SessionError::from)?;
        let recovery = self.recovery.clone();
        let read = self.read(core).and_then(|(end, tail)| self.cut(end, tail));
        self.recovery = recovery;
        core.observe_time(latest);
        core.resume(id);
        read
    }

    /// Replaces the file by one that begins with everything that the core has.
    fn rewrite<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        old: Old,
    ) -> Result<BatchBuilder, JournalError> {
        let mut batch_builder = self.batch_builder(core)?;
        self.write_next(core, &mut batch_builder)?;
        self.log.install_next(old)?;
        self.base = self.size();
        Ok(batch_builder)
    }

    /// A batch builder for an empty log.
    pub(crate) fn batch_builder<R: Replicated>(
        &self,
        core: &mut Core<R>,
    ) -> Result<BatchBuilder, SessionError> {
        BatchBuilder::new(core, &self.config, self.is_strict, self.now)
    }

    /// A batch builder for a log that holds everything that the core has.
    pub(crate) fn resume<R: Replicated>(&self, core: &mut Core<R>) -> BatchBuilder {
        BatchBuilder::resume(core, &self.config, self.is_strict, self.now)
    }

    /// The peers that the log knows.
    pub(crate) fn peers(&self) -> &KnownPeers {
        &self.peers
    }

    /// The next log begins with these peers, or this one ends with them.
    pub(crate) fn set_peers(&mut self, peers: KnownPeers) {
        self.peers = peers;
    }

    /// What was found when the log was opened.
    pub(crate) fn recovery(&self) -> Recovery {
        self.recovery.clone()
    }

    /// Bytes of the file, without those that are preallocated.
    pub(crate) fn size(&self) -> u64 {
        self.log.size()
    }

    /// Whether the log has doubled since it was begun: a compaction then costs no more than what was written since.
    pub(crate) fn has_doubled(&self) -> bool {
        self.size() > SMALL && self.size() / 2 > self.base
    }

    /// Counts its present size as the size that it was begun with, because a compaction has failed.
    pub(crate) fn accept_size(&mut self) {
        self.base = self.size();
    }

    /// Lets nothing be written any more.
    pub(crate) fn poison(&mut self) {
        self.log.poison();
    }

    /// Appends a batch: all of it, or nothing.
    pub(crate) fn append(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let place = if batch.opens() { encode(self.log.location()) } else { Vec::new() };
        Ok(self.log.append(&batch.records(&place))?)
    }

    /// Returns when everything that was appended will survive a loss of power.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        Ok(self.log.sync()?)
    }

    /// Tries whether the storage would take so many bytes now.
    pub(crate) fn probe(&mut self, size: usize) -> Result<(), JournalError> {
        Ok(self.log.probe(size)?)
    }

    /// Ends the log with a record that says that nothing is missing.
    pub(crate) fn close(&mut self) -> Result<(), JournalError> {
        let known = self.peers.encode();
        self.log.append(&[Record::Peers { known: &known }, Record::Closed])?;
        self.log.trim();
        self.sync()
    }

    // ---- the next log ----

    /// Begins the log that is to replace this one.
    pub(crate) fn begin_next(&mut self) -> Result<(), JournalError> {
        self.log.begin_next()?;
        let known = self.peers.encode();
        Ok(self.log.append_next(&[Record::Peers { known: &known }])?)
    }

    /// Appends a batch to the next log.
    pub(crate) fn append_next(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let place = if batch.opens() { encode(self.log.next_location()) } else { Vec::new() };
        Ok(self.log.append_next(&batch.records(&place))?)
    }

    /// Begins the next log and writes all of it, while nothing else happens to the core.
    pub(super) fn write_next<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        batch_builder: &mut BatchBuilder,
    ) -> Result<(), JournalError> {
        self.begin_next()?;
        loop {
            match batch_builder.collect(core)? {
                Collected::Batch(batch) => self.append_next(&batch)?,
                Collected::Nothing => return Ok(()),
                // The core does nothing meanwhile that would need one.
                Collected::NeedsCompaction => return Err(JournalError::Failed),
            }
        }
    }

    /// Replaces this log by the next one, which is durable then.
    pub(crate) fn install_next(&mut self) -> Result<(), JournalError> {
        self.log.install_next(Old::Remove)?;
        self.base = self.size();
        Ok(())
    }
}

/// A place as it is in a record; nothing if it is not known.
fn encode(place: Option<Location>) -> Vec<u8> {
    place.map(|place| place.encode()).unwrap_or_default()
}

/// The limits are for peers. What is in the log was within the limits when it came, whatever they are now.
fn unlimited(config: &SessionConfig) -> SessionConfig {
    let mut config = config.clone();
    config.limits.message_bytes = usize::MAX >> 2;
    config.limits.block_bytes = usize::MAX >> 2;
    config.limits.snapshot_bytes = usize::MAX >> 2;
    config
}

impl<S> fmt::Debug for Log<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("recovery", &self.recovery).finish_non_exhaustive()
    }
}
