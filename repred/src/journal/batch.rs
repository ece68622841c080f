//! [`BatchBuilder`]: turns what is new in a core into batches for a log.

use std::sync::Arc;

use super::record::{BatchAttributes, Record};
use crate::{
    core::Core,
    id::ReplicaId,
    log_position::LogPosition,
    protocol::{Framing, put_plain},
    reduce::Replicated,
    session::{BackupWriter, SessionConfig, SessionError},
    time::{Now, Time},
    unknowns::{Unknown, UnknownKind, Unknowns},
};

/// Bytes of messages at which a batch is full. It bounds how long the core is locked, and what is in memory twice.
const FULL: usize = 1 << 20;

/// Turns what is new in a core into batches. It does no I/O, so a batch can be built while the core is locked, and
/// written when it is not.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    saving: BackupWriter,
    is_strict: bool,
    /// The id that the log says updates are written under; `None` before the first batch.
    id: Option<ReplicaId>,
    /// Everything up to here is in a batch.
    batched: LogPosition,
    /// The place of the first unknown record that may be missing in the log.
    next_unknown: usize,
    message: Vec<u8>,
}

/// What is new in a core.
#[derive(Debug)]
pub(crate) enum Collected {
    Nothing,
    Batch(Batch),
    /// The core has changed in a way that cannot be appended to this log, so the log has to be compacted. A snapshot
    /// has replaced the state, which only the beginning of a log can hold; or updates are deferred of a newer version
    /// of the schema than the beginning of this log announces.
    NeedsCompaction,
}

/// What is to be appended to a log next. All of its records are appended, or none.
#[derive(Debug)]
pub(crate) struct Batch {
    /// A record about the id under which the rest was written, where that is news.
    heading: Option<Record<'static>>,
    /// The largest time that the core has used.
    latest: Time,
    /// The former ids of the core, where a log begins or goes on; see
    /// [`BatchAttributes`](super::record::BatchAttributes).
    former_ids: Vec<u8>,
    /// Messages, each behind its length.
    messages: Vec<u8>,
    /// Records of a later version of the program, each with its kind.
    unknown: Vec<Arc<[u8]>>,
    /// What was learnt about peers, encoded.
    pub(crate) peers: Vec<u8>,
    /// When this batch is in the log, everything up to here is.
    pub(crate) position: LogPosition,
    /// Whether the core has more than fits a batch.
    pub(crate) has_more: bool,
}

impl BatchBuilder {
    /// For an empty log: collects everything that the core has, and then what is new.
    pub(super) fn new<R: Replicated>(
        core: &mut Core<R>,
        config: &SessionConfig,
        is_strict: bool,
        now: Now,
    ) -> Result<Self, SessionError> {
        Ok(Self::of(BackupWriter::log(config, core, now)?, is_strict))
    }

    /// For a log that holds everything that the core has: collects what is new from now on.
    pub(super) fn resume<R: Replicated>(
        core: &mut Core<R>,
        config: &SessionConfig,
        is_strict: bool,
        now: Now,
    ) -> Self {
        let (batched, next_unknown) = (core.log_position(), core.unknowns().len());
        Self {
            batched,
            next_unknown,
            ..Self::of(BackupWriter::at_end(config, core, now), is_strict)
        }
    }

    fn of(saving: BackupWriter, is_strict: bool) -> Self {
        let (batched, message) = (LogPosition::default(), Vec::new());
        Self { saving, is_strict, id: None, batched, next_unknown: 0, message }
    }

    /// The next batch of what is not in one yet.
    pub(crate) fn collect<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
    ) -> Result<Collected, SessionError> {
        if !self.saving.can_continue(core) {
            return Ok(Collected::NeedsCompaction);
        }
        let id = core.id();
        let heading = match self.id {
            None => Some(Record::Opened { is_strict: self.is_strict, id, place: &[] }),
            Some(before) => (before != id).then_some(Record::Named { id }),
        };
        if heading.is_none() && self.batched == core.log_position() {
            return Ok(Collected::Nothing);
        }
        let (mut messages, mut has_more) = (Vec::new(), true);
        while has_more && messages.len() < FULL {
            self.message.clear();
            has_more = self.saving.poll_message(core, &mut self.message)?;
            if has_more {
                Framing::Stream.put(&mut messages, &self.message);
            }
        }
        let mut former_ids = Vec::new();
        if self.id.is_none() && !core.own_ids().is_empty() {
            put_plain(
                &mut former_ids,
                &core.own_ids().iter().map(|(&id, &seq)| (id, seq)).collect(),
            );
        }
        self.id = Some(id);
        let unknown = self.unknown_records(core.unknowns());
        if !has_more {
            self.batched = core.log_position();
        }
        let (latest, position) = (core.latest_time(), self.batched);
        let peers = Vec::new();
        let batch =
            Batch { heading, latest, former_ids, messages, unknown, peers, position, has_more };
        Ok(Collected::Batch(batch))
    }

    fn unknown_records(&mut self, unknowns: &Unknowns) -> Vec<Arc<[u8]>> {
        let mut records = Vec::new();
        while let Some(Unknown { kind, bytes }) = unknowns.get(self.next_unknown) {
            self.next_unknown += 1;
            if *kind == UnknownKind::Record {
                records.push(Arc::clone(bytes));
            }
        }
        records
    }

    /// Everything that is not in a batch yet; `None` if it [needs a compaction](Collected::NeedsCompaction).
    pub(crate) fn collect_all<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
    ) -> Result<Option<Vec<Batch>>, SessionError> {
        let mut batches = Vec::new();
        loop {
            match self.collect(core)? {
                Collected::Batch(batch) => batches.push(batch),
                Collected::Nothing => return Ok(Some(batches)),
                Collected::NeedsCompaction => return Ok(None),
            }
        }
    }
}

impl Batch {
    /// About how many bytes are appended.
    pub(crate) fn size(&self) -> usize {
        let unknown: usize = self.unknown.iter().map(|record| record.len()).sum();
        self.messages.len() + unknown + self.peers.len() + 64
    }

    /// Whether it says that a replica opens the log.
    pub(super) fn opens(&self) -> bool {
        matches!(self.heading, Some(Record::Opened { .. }))
    }

    /// The records that are appended. A batch that [opens](Self::opens) a log says where that is.
    pub(super) fn records<'a>(&'a self, place: &'a [u8]) -> Vec<Record<'a>> {
        let Self { heading, latest, former_ids, messages, unknown, peers, .. } = self;
        let heading = heading.map(|heading| match heading {
            Record::Opened { is_strict, id, .. } => Record::Opened { is_strict, id, place },
            named => named,
        });
        let attributes = BatchAttributes { former_ids };
        let batch = Record::Batch { latest: *latest, attributes, messages };
        let batch = (!messages.is_empty() || !former_ids.is_empty()).then_some(batch);
        let peers = (!peers.is_empty()).then_some(Record::Peers { known: peers });
        let unknown = unknown.iter().filter_map(|record| {
            let (&kind, bytes) = record.split_first()?;
            Some(Record::Unknown { kind, bytes })
        });
        heading.into_iter().chain(peers).chain(unknown).chain(batch).collect()
    }
}
