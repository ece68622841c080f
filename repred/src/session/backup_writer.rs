//! [`BackupWriter`]: a copy as the messages of a file, which nobody answers.
//!
//! A file has our open, our digest, what a new peer would get, and `synced`. A log continues with what came later.

use alloc::vec::Vec;

use super::{
    config::{SessionConfig, SessionLimits},
    error::SessionError,
    handshake,
    outgoing::Outgoing,
};
use crate::{
    core::Core,
    history::{Cursor, Frontier},
    protocol::{Cause, Kind, Message, Open},
    reduce::Replicated,
    seen::Seen,
    shape::Relation,
    time::Now,
    version::VersionVector,
};

/// Turns a copy into the messages of a backup: first those that a new peer would get, and then one for each change
/// that follows. [`BackupReader`](crate::sans_io::BackupReader) reads them. [`Replica::save`](crate::Replica::save) does this with a writer.
///
/// Write each message with its length. If nothing is acknowledged, to a user or to a peer, before the file is synced,
/// then what was acknowledged survives a crash. Load a backup under a new id: peers may have seen updates of the old
/// id that the file does not have.
///
/// ```
/// use repred::{
///     Counter, ReplicaId, Time,
///     sans_io::{Core, BackupReader, Monotonic, Now, BackupWriter, SessionConfig},
/// };
///
/// let now = Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO };
/// let mut core = Core::new(ReplicaId::from(1), Counter::default());
/// let mut saving = BackupWriter::new(&SessionConfig::for_state::<Counter>(), &mut core, now)?;
/// let mut log: Vec<Vec<u8>> = Vec::new();
/// for amount in [3, 4] {
///     core.update(amount, now.wall)?;
///     let mut message = Vec::new();
///     while saving.poll_message(&mut core, &mut message)? {
///         log.push(std::mem::take(&mut message));
///     }
/// }
///
/// let mut again = Core::new(ReplicaId::from(2), Counter::default());
/// let mut loading = BackupReader::new(SessionConfig::for_state::<Counter>());
/// for message in &log {
///     loading.handle_message(&mut again, message, now)?;
/// }
/// assert_eq!(again.state()?.value(), 7);
/// assert_eq!(again.version(), core.version());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BackupWriter {
    outgoing: Outgoing,
    first: Vec<Vec<u8>>,
    is_complete: bool,
    /// The newest version of the schema that the first message has announced.
    newest: u32,
}

impl BackupWriter {
    /// Begins with everything that the core has. O(origins), and O(state) if some of the history is trimmed.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]: serde cannot carry the state, or `reduce` has panicked.
    pub fn new<R: Replicated>(
        config: &SessionConfig,
        core: &mut Core<R>,
        now: Now,
    ) -> Result<Self, SessionError> {
        let nothing = VersionVector::new();
        let mut saving = Self::beyond(&nothing, config, core, now);
        if !core.floor().is_empty() {
            saving.outgoing.freeze(core, Cause::Trimmed)?;
        }
        Ok(saving)
    }

    /// The same for a log, which only its own replica reads. Where the history is trimmed, the log has the state *and*
    /// the entries beyond the floor, so that the floor is as low after a restart as it was before.
    pub(crate) fn log<R: Replicated>(
        config: &SessionConfig,
        core: &mut Core<R>,
        now: Now,
    ) -> Result<Self, SessionError> {
        let floor = core.floor();
        if floor.is_empty() {
            return Self::new(config, core, now);
        }
        let snapshot = core.base_snapshot().map_err(SessionError::Snapshot)?;
        let mut saving = Self::beyond(&floor, config, core, now);
        saving.outgoing.send_ahead(snapshot, floor);
        Ok(saving)
    }

    /// Begins with the next change, for a log that has everything up to now.
    pub(crate) fn at_end<R: Replicated>(
        config: &SessionConfig,
        core: &mut Core<R>,
        now: Now,
    ) -> Self {
        let nothing = VersionVector::new();
        let first = beginning(config, core, now, digest(Seen::default(), nothing.clone()));
        let history = core.history();
        let cursor = Cursor::at_end(history, Frontier::all_of(history));
        let SessionLimits { message_bytes, block_bytes, .. } = config.limits;
        let outgoing = Outgoing::new(cursor, &[], None, nothing, message_bytes, block_bytes);
        let outgoing = outgoing.at_end_of_unknowns(core.unknowns());
        Self { outgoing, first, is_complete: true, newest: core.newest_schema() }
    }

    /// Begins with what the history has beyond a version.
    fn beyond<R: Replicated>(
        version: &VersionVector,
        config: &SessionConfig,
        core: &mut Core<R>,
        now: Now,
    ) -> Self {
        let have = core.version();
        let first = beginning(config, core, now, digest(core.seen(), core.floor()));
        let history = core.history();
        let announced: Vec<_> = have.iter().filter_map(|(id, _)| history.origin(id)).collect();
        let SessionLimits { message_bytes, block_bytes, .. } = config.limits;
        let outgoing = Outgoing::new(
            Cursor::new(history, Frontier::new(history, version)),
            &announced,
            Some(history.end()),
            VersionVector::new(),
            message_bytes,
            block_bytes,
        );
        Self { outgoing, first, is_complete: false, newest: core.newest_schema() }
    }

    /// Whether this file can be continued. If not, the next one has to begin with everything: the state was replaced,
    /// or some entries were trimmed before they were written.
    pub(crate) fn can_continue<R: Replicated>(&self, core: &Core<R>) -> bool {
        self.knows_schema(core) && self.outgoing.can_continue(core.history())
    }

    /// Deferred updates are of a newer schema. A reader to whom the file has not announced that schema would refuse
    /// them.
    fn knows_schema<R: Replicated>(&self, core: &Core<R>) -> bool {
        core.newest_schema() <= self.newest
    }

    /// Appends the next message to `out`. False if there is none now; each further change makes another.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]. The messages so far are good; begin a new file for what follows.
    pub fn poll_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        core.check_health()?;
        if !self.knows_schema(core) {
            return Err(SessionError::NewerSchema);
        }
        if let Some(first) = self.first.pop() {
            out.extend_from_slice(&first);
            return Ok(true);
        }
        let start = out.len();
        self.outgoing.assume_adopted(core)?;
        let has_more = self.outgoing.poll(core, out)?;
        self.is_complete |= has_more && out[start] == Kind::Synced as u8;
        Ok(has_more)
    }

    /// Whether the messages so far hold everything that the core had when the file was begun.
    ///
    /// ```
    /// use repred::{
    ///     Counter, Time,
    ///     sans_io::{Core, Monotonic, Now, BackupWriter, SessionConfig},
    /// };
    ///
    /// let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// let mut core = Core::new(1.into(), Counter::default());
    /// let mut saving = BackupWriter::new(&SessionConfig::for_state::<Counter>(), &mut core, now)?;
    /// assert!(!saving.is_complete());
    /// let mut messages = Vec::new();
    /// while saving.poll_message(&mut core, &mut messages)? {}
    /// assert!(saving.is_complete());
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// The second message of a file.
fn digest(seen: Seen, floor: VersionVector) -> Vec<u8> {
    let mut digest = Vec::new();
    Message::Digest { seen, floor }.encode(&mut digest);
    digest
}

/// The first messages of a file, the last of them first: the open, what our types are, and a digest.
fn beginning<R: Replicated>(
    config: &SessionConfig,
    core: &mut Core<R>,
    now: Now,
    digest: Vec<u8>,
) -> Vec<Vec<u8>> {
    let limit = config.limits.message_bytes;
    let description = handshake::description(core, Relation::Same, limit);
    vec![digest, description, opening(config, core, now)]
}

/// What a file begins with.
fn opening<R: Replicated>(config: &SessionConfig, core: &mut Core<R>, now: Now) -> Vec<u8> {
    let open = handshake::open(config, core, now.wall);
    let open = Open { sends: true, receives: false, checks: false, discards: false, ..open };
    let mut opening = Vec::new();
    open.encode(&mut opening);
    opening
}
