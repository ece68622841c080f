//! [`Log`]: a log that a core can be read from, and what is written to it.

use std::fmt;

use super::{
    Batch, BatchBuilder, Durability, JournalError, KnownPeers, OpenError, Storage,
    batch::Collected,
    record::Record,
    record_log::{Old, RecordLog},
    replay::Replay,
    scan::Tail,
};
use crate::{
    core::Core,
    id::ReplicaId,
    reduce::Replicated,
    session::{SessionConfig, SessionError},
    time::Now,
};

/// A log that is no larger than this may have doubled as often as it likes.
const SMALL: u64 = 4 << 20;

/// The side of a journal that does I/O. The other one is the [`BatchBuilder`], which is with the core.
pub(crate) struct Log<S> {
    log: RecordLog<S>,
    config: SessionConfig,
    is_strict: bool,
    now: Now,
    recovery: Recovery,
    /// How large the log was when it had all that there was when it was begun.
    base: u64,
    /// Who was met, as far as the log knows.
    peers: KnownPeers,
}

/// What was found when a journal was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Bytes at the end that were cut off: what a crash has left of updates that nobody was told of; where
    /// durability is less than [`EveryUpdate`](Durability::EveryUpdate), or where the last that was written has
    /// been damaged since, also of some that were. Peers who have those give them back, and the replica goes on
    /// under another id.
    pub torn_bytes: u64,
    /// Under which id the journal was written, if it is not the one that the replica goes on under.
    pub former_id: Option<ReplicaId>,
}

/// What is to become of a journal that is damaged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfDamaged {
    Refuse,
    Recover,
}

impl<S: Storage> Log<S> {
    /// Opens the log in a storage, or begins one, and makes of a new core what it was.
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
        let (log, is_new) = match RecordLog::find(storage)? {
            Ok(log) => (log, false),
            Err(storage) => (RecordLog::new(storage), true),
        };
        let (recovery, peers) = (Recovery::default(), KnownPeers::default());
        let mut log = Self { log, config, is_strict, now, recovery, base: 0, peers };
        if is_new {
            let batch_builder = log.anew(core, Old::None)?;
            return Ok((log, batch_builder));
        }
        let batch_builder = match log.read(core) {
            // A place that cannot be read is as good as one that is broken.
            Err(OpenError::Damaged { .. } | OpenError::Io(_))
                if if_damaged == IfDamaged::Recover =>
            {
                log.anew(core, Old::Keep)?
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

    /// Writes what is new, and makes it durable.
    pub(crate) fn write_all<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        batch_builder: &mut BatchBuilder,
    ) -> Result<(), JournalError> {
        loop {
            match batch_builder.collect(core)? {
                Collected::Batch(batch) => self.append(&batch)?,
                Collected::Nothing => return self.sync(),
                // Nothing happens meanwhile that would need it.
                Collected::NeedsCompaction => return Err(JournalError::Failed),
            }
        }
    }

    /// What was torn goes.
    fn cut(&mut self, end: u64, tail: Tail) -> Result<(), OpenError> {
        self.recovery.torn_bytes = tail.bytes();
        self.log.cut(end, tail)
    }

    /// Makes of a new core what the log says. Returns where it ends, and what follows.
    fn read<R: Replicated>(&mut self, core: &mut Core<R>) -> Result<(u64, Tail), OpenError> {
        let mut replay = Replay::new(self.config.clone(), self.now);
        let read = self.log.read(|record, end| replay.take(core, record, end));
        self.base = replay.base;
        self.peers = std::mem::take(&mut replay.peers);
        let read = match read {
            // It got its name when all of that was on the disk.
            Ok(_) if self.base == 0 => Err(self.log.cut_short()),
            read => read,
        };
        // What is broken may have been whole, and its updates heard of, before it was damaged.
        let has_all = matches!(read, Ok((_, Tail::Preallocated | Tail::Torn(_))));
        self.recovery.former_id = replay.finish(core, has_all);
        read
    }

    /// Makes of a core what the log says, whatever it is now. It keeps its id: nobody has heard of what is
    /// lost. `initial` is the state that it began with, and `strange` an id that nobody ever had.
    pub(crate) fn roll_back<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        initial: &[u8],
        strange: ReplicaId,
    ) -> Result<(), OpenError> {
        let (id, latest) = (core.id(), core.latest_time());
        core.start_over(initial, strange).map_err(SessionError::from)?;
        let recovery = self.recovery;
        let read = self.read(core).and_then(|(end, tail)| self.cut(end, tail));
        self.recovery = recovery;
        core.observe_time(latest);
        core.resume(id);
        read
    }

    /// Writes a new log that begins with all there is.
    fn anew<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        old: Old,
    ) -> Result<BatchBuilder, JournalError> {
        let mut batch_builder = self.batch_builder(core)?;
        self.write_next(core, &mut batch_builder)?;
        self.log.advance(old)?;
        self.base = self.size();
        Ok(batch_builder)
    }

    /// A batch builder for a log that has nothing yet.
    pub(crate) fn batch_builder<R: Replicated>(
        &self,
        core: &mut Core<R>,
    ) -> Result<BatchBuilder, SessionError> {
        BatchBuilder::new(core, &self.config, self.is_strict, self.now)
    }

    /// A batch builder for a log that has all there is.
    pub(crate) fn resume<R: Replicated>(&self, core: &mut Core<R>) -> BatchBuilder {
        BatchBuilder::resume(core, &self.config, self.is_strict, self.now)
    }

    /// Who was met before.
    pub(crate) fn peers(&self) -> &KnownPeers {
        &self.peers
    }

    /// Takes note of who was met by now, for the next log, or the end of this one.
    pub(crate) fn note_peers(&mut self, peers: KnownPeers) {
        self.peers = peers;
    }

    /// What was found when it was opened.
    pub(crate) fn recovery(&self) -> Recovery {
        self.recovery
    }

    pub(crate) fn size(&self) -> u64 {
        self.log.size()
    }

    /// Whether the log has doubled since it was begun.
    pub(crate) fn has_doubled(&self) -> bool {
        self.size() > SMALL && self.size() / 2 > self.base
    }

    /// It has grown to what it is because it had to.
    pub(crate) fn accept_size(&mut self) {
        self.base = self.size();
    }

    /// Nothing is written any more.
    pub(crate) fn poison(&mut self) {
        self.log.poison();
    }

    pub(crate) fn append(&mut self, batch: &Batch) -> Result<(), JournalError> {
        Ok(self.log.append(&batch.records())?)
    }

    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        Ok(self.log.sync()?)
    }

    /// Whether the storage would take so many bytes now.
    pub(crate) fn probe(&mut self, size: usize) -> Result<(), JournalError> {
        Ok(self.log.probe(size)?)
    }

    /// Says that nothing is missing.
    pub(crate) fn close(&mut self) -> Result<(), JournalError> {
        let known = self.peers.encode();
        self.log.append(&[Record::Peers { known: &known }, Record::Closed])?;
        self.log.trim();
        self.sync()
    }

    // ---- the next log ----

    /// Begins a log that is to take the place of this one.
    pub(crate) fn begin_next(&mut self) -> Result<(), JournalError> {
        self.log.begin_next()?;
        let known = self.peers.encode();
        Ok(self.log.append_next(&[Record::Peers { known: &known }])?)
    }

    pub(crate) fn append_next(&mut self, batch: &Batch) -> Result<(), JournalError> {
        Ok(self.log.append_next(&batch.records())?)
    }

    /// Writes all of it, as long as nothing else happens to the core.
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
                // Nothing happens meanwhile that it could not tell.
                Collected::NeedsCompaction => return Err(JournalError::Failed),
            }
        }
    }

    /// Puts the next log, which is durable then, in the place of this one.
    pub(crate) fn advance(&mut self) -> Result<(), JournalError> {
        self.log.advance(Old::Remove)?;
        self.base = self.size();
        Ok(())
    }
}

/// What is on our own disk was within the limits when it came.
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
