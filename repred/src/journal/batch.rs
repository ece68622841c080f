//! [`BatchBuilder`]: what is new in a core, as bytes for a log.

use super::record::Record;
use crate::{
    core::Core,
    id::ReplicaId,
    log_position::LogPosition,
    protocol::put_frame,
    reduce::Replicated,
    session::{Saving, SessionConfig, SessionError},
    time::{Now, Time},
};

/// Bytes at which a batch is full: so long the core is locked, and so much is held twice.
const FULL: usize = 1 << 20;

/// Turns what is new in a core into batches. It does no I/O, so a batch is made while the core is locked,
/// and written when it is not.
#[derive(Debug)]
pub(crate) struct BatchBuilder {
    saving: Saving,
    is_strict: bool,
    /// Under whose id the log goes on.
    id: Option<ReplicaId>,
    /// Up to here everything is in a batch.
    recorded: LogPosition,
    message: Vec<u8>,
}

/// What there is to write.
#[derive(Debug)]
pub(crate) enum Collected {
    Nothing,
    Batch(Batch),
    /// Only the next log can tell of what has happened: the state was replaced, or what is deferred is of a version
    /// of the schema of which this log does not tell.
    NeedsCompaction,
}

/// What is to be written next.
#[derive(Debug)]
pub(crate) struct Batch {
    /// What the log has to be told before.
    heading: Option<Record<'static>>,
    latest: Time,
    /// Messages behind their lengths.
    messages: Vec<u8>,
    /// Who was met since.
    pub(crate) peers: Vec<u8>,
    /// When this is written, everything up to here is.
    pub(crate) position: LogPosition,
    /// Whether there is more than fits a batch.
    pub(crate) has_more: bool,
}

impl BatchBuilder {
    /// For a log that has nothing yet: all there is, and then what comes.
    pub(super) fn new<R: Replicated>(
        core: &mut Core<R>,
        config: &SessionConfig,
        is_strict: bool,
        now: Now,
    ) -> Result<Self, SessionError> {
        Ok(Self::of(Saving::log(config, core, now)?, is_strict))
    }

    /// For a log that has everything there is: what comes.
    pub(super) fn resume<R: Replicated>(
        core: &mut Core<R>,
        config: &SessionConfig,
        is_strict: bool,
        now: Now,
    ) -> Self {
        let recorded = core.log_position();
        Self { recorded, ..Self::of(Saving::at_end(config, core, now), is_strict) }
    }

    fn of(saving: Saving, is_strict: bool) -> Self {
        Self { saving, is_strict, id: None, recorded: LogPosition::default(), message: Vec::new() }
    }

    /// What is new.
    pub(crate) fn collect<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
    ) -> Result<Collected, SessionError> {
        if !self.saving.can_go_on(core) {
            return Ok(Collected::NeedsCompaction);
        }
        let id = core.id();
        let heading = match self.id {
            None => Some(Record::Opened { is_strict: self.is_strict, id }),
            Some(before) => (before != id).then_some(Record::Named { id }),
        };
        if heading.is_none() && self.recorded == core.log_position() {
            return Ok(Collected::Nothing);
        }
        let (mut messages, mut has_more) = (Vec::new(), true);
        while has_more && messages.len() < FULL {
            self.message.clear();
            has_more = self.saving.poll_message(core, &mut self.message)?;
            if has_more {
                put_frame(&mut messages, &self.message);
            }
        }
        self.id = Some(id);
        if !has_more {
            self.recorded = core.log_position();
        }
        let (latest, position) = (core.latest_time(), self.recorded);
        let peers = Vec::new();
        Ok(Collected::Batch(Batch { heading, latest, messages, peers, position, has_more }))
    }

    /// All that is new; `None` if only the next log can tell of it.
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
    /// Bytes of what is to be written, about.
    pub(crate) fn size(&self) -> usize {
        self.messages.len() + self.peers.len() + 64
    }

    /// How it is written.
    pub(super) fn records(&self) -> Vec<Record<'_>> {
        let Self { heading, latest, messages, peers, .. } = self;
        let batch = (!messages.is_empty()).then_some(Record::Batch { latest: *latest, messages });
        let peers = (!peers.is_empty()).then_some(Record::Peers { known: peers });
        heading.iter().copied().chain(peers).chain(batch).collect()
    }
}
