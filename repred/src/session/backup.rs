//! [`Saving`] and [`Loading`]: a session's messages without a peer, for a file.
//!
//! A file holds our open, our digest, all that a peer that has nothing would get, and `synced`; a log goes
//! on with what came later.

use super::{
    config::{SessionConfig, SessionLimits},
    error::SessionError,
    handshake,
    outgoing::Outgoing,
    receiver::{CoreReceiver, IfTrimmed},
};
use crate::{
    core::Core,
    history::{Cursor, Frontier},
    id::ReplicaId,
    protocol::{
        Audience, Cause, Kind, Malformed, Message, Open, ProtocolError, ReceivedSnapshot, Replay,
    },
    reduce::Replicated,
    time::Now,
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
///
/// use repred::{
///     Counter, ReplicaId, Time,
///     sans_io::{Core, Loading, Monotonic, Now, Saving, SessionConfig},
/// };
///
/// let now = Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO };
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

    /// Whether the messages so far are all that the core had when they began.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// The second message of a file.
fn digest(version: &VersionVector, floor: &VersionVector) -> Vec<u8> {
    let mut digest = Vec::new();
    Message::Digest { version: version.clone(), floor: floor.clone() }.encode(&mut digest);
    digest
}

/// What a file begins with.
fn opening<R: Replicated>(config: &SessionConfig, core: &mut Core<R>, now: Now) -> Vec<u8> {
    let open = handshake::open(config, core, now.wall);
    let open = Open { sends: true, receives: false, checks: false, discards: false, ..open };
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
    replay: Replay,
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

impl Loading {
    /// Takes in files of the schema and within the limits of `config`.
    pub fn new(config: SessionConfig) -> Self {
        Self { config, replay: Replay::default(), log: None, newest: 0 }
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

    /// Somebody else has gone on with the file, who begins as everybody does. What was not whole before is
    /// left out.
    pub(crate) fn begin_again(&mut self) {
        self.replay.restart();
    }

    /// Whether the first message has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.replay.has_begun()
    }

    /// Whether all has come that there was when the file was begun.
    pub fn is_complete(&self) -> bool {
        self.replay.is_synced()
    }

    /// Bytes of the longest message that may come now.
    pub(crate) fn message_limit(&self) -> usize {
        self.replay.message_limit(self.config.limits.message_bytes)
    }

    /// Applies the next message.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]. What came before is applied, and the core is as good as before.
    pub fn handle_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        message: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        core.check_health()?;
        let Self { config, replay, log, newest } = self;
        let mut receiver = CoreReceiver::new(core, config, *newest, now.wall);
        if let Some(log) = &*log {
            receiver = receiver.for_log(log.writer, &log.in_state);
        }
        let is_log = log.is_some();
        let mut reader = Reader { receiver, config, newest, is_log, in_state: None };
        let result = replay.message(message, &mut reader);
        let in_state = reader.in_state.take();
        if let (Some(log), Some(in_state)) = (log, in_state) {
            log.in_state = in_state;
        }
        result
    }
}

/// Applies a file to a core.
struct Reader<'a, R: Replicated> {
    receiver: CoreReceiver<'a, R>,
    config: &'a SessionConfig,
    newest: &'a mut u32,
    is_log: bool,
    /// What a log has begun with, if this message was the end of that.
    in_state: Option<VersionVector>,
}

impl<'a, R: Replicated> Audience for Reader<'a, R> {
    type Receiver = CoreReceiver<'a, R>;

    fn receiver(&mut self) -> &mut Self::Receiver {
        &mut self.receiver
    }

    fn open(&mut self, open: Open) -> Result<(), SessionError> {
        let Open { schema: theirs, newest, .. } = open;
        if !theirs.fits(&self.config.schema) {
            let ours = self.config.schema.clone();
            return Err(SessionError::Schema { ours, theirs });
        }
        *self.newest = newest.max(theirs.version());
        self.receiver.core().note_schema(*self.newest);
        Ok(())
    }

    fn digest(&mut self, version: &VersionVector) -> Result<(), SessionError> {
        self.receiver.core().check_id(version);
        Ok(())
    }

    fn snapshot(&mut self, received: ReceivedSnapshot) -> Result<(), SessionError> {
        if received.cause != Cause::LogBegins || !self.is_log {
            return self.receiver.snapshot(received, IfTrimmed::Fail).map(drop);
        }
        let ReceivedSnapshot { snapshot, floor, .. } = received;
        let core = self.receiver.core();
        if !core.version().is_empty() || !snapshot.version.covers(&floor) {
            return Err(Malformed("a snapshot ahead of entries only where a log begins").into());
        }
        self.in_state = Some(core.begin_with(&snapshot, &floor)?);
        Ok(())
    }

    fn synced(&mut self) -> Result<(), SessionError> {
        if self.receiver.has_all_of_state() {
            return Ok(());
        }
        Err(ProtocolError::Unexpected(Kind::Synced).into())
    }
}
