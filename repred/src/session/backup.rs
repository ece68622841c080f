//! [`Saving`] and [`Loading`]: a session's messages without a peer, for a file.
//!
//! A file holds our open, our digest, all that a peer that has nothing would get, and `synced`; a log goes
//! on with what came later.

use super::{
    Now, SessionConfig, SessionError, SessionLimits,
    incoming::{Incoming, Role, if_unknown},
    open,
    outgoing::Outgoing,
};
use crate::{
    core::{Core, ReceivePolicy},
    history::{Cursor, Frontier},
    id::ReplicaId,
    message::{Cause, Kind, MAX_OPEN, Malformed, Open, put_version, take_version},
    reduce::Replicated,
    version::VersionVector,
};

/// Turns a copy into messages for a file: all that a peer which has nothing would get, and then what comes
/// later. [`Loading`] takes them in again. [`Replica::save`](crate::Replica::save) does this with a writer.
///
/// Write each message so that its end can be told, and `sync` the file before anything is said to a peer or
/// to a user: then what was acknowledged survives a crash. Load it under a new id: a file may be older than
/// what a peer has heard.
///
/// ```
/// use std::time::Instant;
///
/// use repred::{Core, Counter, Loading, Now, ReplicaId, Saving, SessionConfig, Time};
///
/// let now = Now { wall: Time::from_micros(1_700_000_000_000_000), instant: Instant::now() };
/// let mut core = Core::new(ReplicaId::from(1), Counter::default());
/// let mut saving = Saving::new(&SessionConfig::for_state::<Counter>(), &mut core, now)?;
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
/// let mut loading = Loading::new(SessionConfig::for_state::<Counter>());
/// for message in &log {
///     loading.handle_message(&mut again, message, now)?;
/// }
/// assert_eq!(again.state()?.value(), 7);
/// assert_eq!(again.version(), core.version());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Saving {
    outgoing: Outgoing,
    first: Vec<Vec<u8>>,
    is_complete: bool,
    /// The newest version of the schema that the file tells of.
    newest: u32,
}

impl Saving {
    /// Begins with all that a core has.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]: the state could not be encoded, or is gone.
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

    /// The same for a log, which only its own replica reads: with all that the core has, and the floor where it is.
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

    /// Begins with what comes from now on, for a log that has all that the core has.
    pub(crate) fn at_end<R: Replicated>(
        config: &SessionConfig,
        core: &mut Core<R>,
        now: Now,
    ) -> Self {
        let nothing = VersionVector::new();
        let first = vec![digest(&nothing, &nothing), opening(config, core, now)];
        let history = core.entries();
        let cursor = Cursor::at_end(history, Frontier::all_of(history));
        let SessionLimits { message_bytes, block_bytes, .. } = config.limits;
        let outgoing = Outgoing::new(cursor, &[], None, nothing, message_bytes, block_bytes);
        Self { outgoing, first, is_complete: true, newest: core.newest_schema() }
    }

    /// Begins with what the history has beyond a version.
    fn beyond<R: Replicated>(
        version: &VersionVector,
        config: &SessionConfig,
        core: &mut Core<R>,
        now: Now,
    ) -> Self {
        let (opening, have) = (opening(config, core, now), core.version());
        let first = vec![digest(&have, &core.floor()), opening];
        let history = core.entries();
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

    /// Whether all that has happened can be told in this file. If not, a new one has to be begun.
    pub(crate) fn can_go_on<R: Replicated>(&self, core: &Core<R>) -> bool {
        self.knows_schema(core) && self.outgoing.can_go_on(core.entries())
    }

    /// Whoever reads a file that does not tell of a newer schema would take what is deferred for a mistake.
    fn knows_schema<R: Replicated>(&self, core: &Core<R>) -> bool {
        !core.has_deferred() || core.newest_schema() <= self.newest
    }

    /// Appends the next message to `out`. False if there is none now; after more updates there are more.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]. What was written so far is good; begin a new file to go on.
    pub fn poll_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        core.check_health().map_err(|_| SessionError::Poisoned)?;
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

    /// Whether the messages so far are all that the core had when they began.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// The second message of a file.
fn digest(version: &VersionVector, floor: &VersionVector) -> Vec<u8> {
    let mut digest = vec![Kind::Digest as u8];
    put_version(&mut digest, version);
    put_version(&mut digest, floor);
    digest
}

/// What a file begins with.
fn opening<R: Replicated>(config: &SessionConfig, core: &mut Core<R>, now: Now) -> Vec<u8> {
    core.note_schema(config.schema.version());
    let open = Open {
        schema: config.schema.clone(),
        newest: core.newest_schema(),
        id: core.id(),
        sends: true,
        receives: false,
        checks: false,
        discards: false,
        wall: now.wall,
        max_message: config.limits.message_bytes as u64,
        max_block: config.limits.block_bytes as u64,
        version_hash: core.version_hash(),
    };
    let mut opening = Vec::new();
    open.encode(&mut opening);
    opening
}

/// Takes in the messages of a file, which [`Saving`] has made, one at a time.
///
/// What is known already is left alone. An end that is missing is no error here:
/// [`is_complete`](Self::is_complete) tells.
#[derive(Debug)]
pub struct Loading {
    config: SessionConfig,
    incoming: Incoming,
    step: Step,
    /// What more is known of what is read, if it is a log of the replica's own.
    log: Option<LogState>,
    /// The newest version of the schema of which there may be updates in the file.
    newest: u32,
}

/// How far the reading of a log is.
///
/// The log of a trimmed history begins with the state as it was when the log was begun, and goes on with the
/// entries above the floor. Most of those are in that state, and are kept without being reduced again; so the
/// floor is where it was, and nothing is trimmed that others lack.
#[derive(Debug, Default)]
struct LogState {
    /// Who has written what follows.
    writer: Option<ReplicaId>,
    /// What the state has reduced, though the entries may be still to come.
    in_state: VersionVector,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    Digest,
    Content,
    Done,
}

impl Loading {
    /// Takes in files of the schema and within the limits of `config`.
    pub fn new(config: SessionConfig) -> Self {
        let (incoming, step) = (Incoming::default(), Step::Open);
        Self { config, incoming, step, log: None, newest: 0 }
    }

    /// Takes in a log of the replica's own.
    pub(crate) fn log(config: SessionConfig) -> Self {
        Self { log: Some(LogState::default()), ..Self::new(config) }
    }

    /// What follows was written under this id, if it is of this origin.
    pub(crate) fn set_writer(&mut self, writer: ReplicaId) {
        if let Some(log) = &mut self.log {
            log.writer = Some(writer);
        }
    }

    /// Nothing more comes. What the state has reduced, and did not come, is trimmed.
    pub(crate) fn finish<R: Replicated>(self, core: &mut Core<R>) {
        if let Some(LogState { in_state, .. }) = self.log {
            core.trim_unseen(&in_state);
        }
    }

    /// Whether everything has come that the state has reduced ahead of it.
    fn is_in_step<R: Replicated>(&self, core: &Core<R>) -> bool {
        self.log.as_ref().is_none_or(|log| core.version().covers(&log.in_state))
    }

    /// Somebody else has gone on with the file, who begins as everybody does. What was not whole before is
    /// left out.
    pub(crate) fn begin_again(&mut self) {
        self.step = Step::Open;
        self.incoming = Incoming::default();
    }

    /// Whether the first message has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.step != Step::Open
    }

    /// Whether all has come that there was when the file was begun.
    pub fn is_complete(&self) -> bool {
        self.step == Step::Done
    }

    /// Bytes of the longest message that may come now.
    pub(crate) fn message_limit(&self) -> usize {
        if self.step == Step::Open { MAX_OPEN } else { self.config.limits.message_bytes }
    }

    /// Takes in the next message.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]. What came before is taken in, and the core is as good as before.
    pub fn handle_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        message: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        core.check_health().map_err(|_| SessionError::Poisoned)?;
        if self.step == Step::Open {
            self.newest = self.open(message)?;
            core.note_schema(self.newest);
            self.step = Step::Digest;
            return Ok(());
        }
        let Some((&kind, body)) = message.split_first() else {
            return Err(Malformed("a message of one byte at least").into());
        };
        let kind = Kind::from_byte(kind).ok_or(Malformed("the kind of a message"))?;
        let limits = &self.config.limits;
        match (self.step, kind) {
            (Step::Digest, Kind::Digest) => {
                let version = take_version(&mut &*body, core.limits().origins)?;
                core.check_id(&version);
                self.incoming = Incoming::new(version.iter().map(|(id, _)| id));
                self.step = Step::Content;
            }
            // A log goes on after the end of a backup.
            (Step::Content | Step::Done, Kind::Items) => {
                let mut policy =
                    ReceivePolicy::new(now.wall, if_unknown(&self.config, self.newest));
                if let Some(LogState { writer, in_state }) = &self.log {
                    policy.writer = *writer;
                    policy.in_state = Some(in_state).filter(|version| !version.is_empty());
                }
                self.incoming.items(core, None, body, limits, &policy)?;
            }
            (Step::Content | Step::Done, Kind::Snapshot) => {
                self.incoming.begin_snapshot(body, limits, core.limits().origins)?;
            }
            (Step::Content | Step::Done, Kind::Chunk) => {
                let role = match &mut self.log {
                    Some(LogState { in_state, .. }) => Role::Log { in_state },
                    None => Role::File,
                };
                self.incoming.chunk(core, body, role, now)?;
            }
            (Step::Content | Step::Done, Kind::Synced) if self.is_in_step(core) => {
                self.step = Step::Done;
            }
            _ => return Err(SessionError::unexpected(kind)),
        }
        Ok(())
    }

    /// Checks the first message. The newest version of the schema of which there may be updates.
    fn open(&self, message: &[u8]) -> Result<u32, SessionError> {
        let Open { schema: theirs, newest, .. } = open(message)?;
        if !theirs.fits(&self.config.schema) {
            let ours = self.config.schema.clone();
            return Err(SessionError::Schema { ours, theirs });
        }
        Ok(newest.max(theirs.version()))
    }
}
