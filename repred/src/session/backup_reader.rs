//! [`BackupReader`]: reads the messages of a file.

use super::{
    config::SessionConfig,
    error::SessionError,
    handshake,
    receiver::{CoreReceiver, IfTrimmed},
};
use crate::{
    core::Core,
    protocol::{Audience, Cause, Kind, Malformed, Open, ProtocolError, ReceivedSnapshot, Replay},
    reduce::Replicated,
    schema::Schema,
    seen::Seen,
    shape::{Said, ShapeDifference},
    time::Now,
    version::VersionVector,
};

/// Reads a backup that [`BackupWriter`](crate::sans_io::BackupWriter) has made, one message at a time; see there for an example.
///
/// Updates that the core has already are ignored. A backup without an end is no error here: ask
/// [`is_complete`](Self::is_complete).
#[derive(Debug)]
pub struct BackupReader {
    config: SessionConfig,
    replay: Replay,
    /// Set if the file is a log of the replica's own.
    log: Option<LogState>,
    /// The newest version of the schema of which there may be updates in the file.
    newest: u32,
    /// Whose types the file has, until it has said what they are.
    undescribed: Option<Schema>,
}

/// What is known of a log beside its messages.
///
/// The log of a trimmed history begins with the state as it was when the log was begun. The entries beyond the floor
/// follow, and that state has reduced most of them already: these are kept without being reduced again. So the floor
/// is as low after a restart as before it, and no peer has to get a snapshot because of one.
#[derive(Debug, Default)]
struct LogState {
    /// What the state has reduced, though the entries may be still to come.
    in_state: VersionVector,
    seen: Seen,
}

impl BackupReader {
    /// Reads files of the schema, and within the limits, of `config`.
    pub fn new(config: SessionConfig) -> Self {
        Self { config, replay: Replay::default(), log: None, newest: 0, undescribed: None }
    }

    /// Reads a log of the replica's own.
    pub(crate) fn log(config: SessionConfig) -> Self {
        Self { log: Some(LogState::default()), ..Self::new(config) }
    }

    /// Ends the reading of a log. Entries that the state has reduced and that did not follow count as trimmed.
    pub(crate) fn finish<R: Replicated>(self, core: &mut Core<R>) {
        if let Some(LogState { seen, .. }) = self.log {
            core.trim_unseen(&seen);
        }
    }

    /// The messages that follow begin anew: the file was opened again. What was incomplete before is dropped.
    pub(crate) fn begin_again(&mut self) {
        self.replay.restart();
    }

    /// Whether the first message has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.replay.has_begun()
    }

    /// Whether everything was read that the core had when the file was begun.
    pub fn is_complete(&self) -> bool {
        self.replay.is_synced()
    }

    /// Bytes of the longest message that may come now.
    pub(crate) fn message_limit(&self) -> usize {
        self.replay.message_limit(self.config.limits.message())
    }

    /// Applies the next message.
    ///
    /// # Errors
    ///
    /// See [`SessionError`]. The messages before this one stay applied; the core can be used.
    pub fn handle_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        message: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        core.check_health()?;
        let Self { config, replay, log, newest, undescribed } = self;
        let mut receiver = CoreReceiver::new(core, config, *newest, now.wall);
        if let Some(log) = &*log {
            receiver = receiver.for_log(&log.in_state);
        }
        let is_log = log.is_some();
        let mut reader = Reader { receiver, config, newest, undescribed, is_log, in_state: None };
        let result = replay.message(message, &mut reader);
        let in_state = reader.in_state.take();
        if let (Some(log), Some(in_state)) = (log, in_state) {
            (log.in_state, log.seen) = (in_state.version(), in_state);
        }
        result
    }
}

/// Applies a file to a core.
struct Reader<'a, R: Replicated> {
    receiver: CoreReceiver<'a, R>,
    config: &'a SessionConfig,
    newest: &'a mut u32,
    undescribed: &'a mut Option<Schema>,
    is_log: bool,
    /// What a log has begun with, if this message was the end of that.
    in_state: Option<Seen>,
}

impl<'a, R: Replicated> Audience for Reader<'a, R> {
    type Receiver = CoreReceiver<'a, R>;

    fn receiver(&mut self) -> &mut Self::Receiver {
        &mut self.receiver
    }

    fn open(&mut self, open: Open) -> Result<(), SessionError> {
        let Open { schema: theirs, newest, document, fingerprint, .. } = open;
        let ours = self.receiver.core().document();
        if document != ours {
            return Err(SessionError::Document { ours, theirs: document });
        }
        if !theirs.fits(&self.config.schema) {
            let ours = self.config.schema.clone();
            return Err(SessionError::Schema { ours, theirs });
        }
        *self.newest = newest.max(theirs.version());
        let ours = self.receiver.core().fingerprint();
        let differs = fingerprint != 0 && ours != 0 && fingerprint != ours;
        *self.undescribed = differs.then_some(theirs);
        Ok(())
    }

    fn shape(&mut self, said: Said<'_>) -> Result<(), SessionError> {
        match self.undescribed.take() {
            Some(theirs) => {
                handshake::check_shape(self.receiver.core(), said, &self.config.schema, &theirs)
            }
            None => Ok(()),
        }
    }

    fn digest(&mut self, seen: &Seen) -> Result<(), SessionError> {
        if let Some(theirs) = self.undescribed.take() {
            let (ours, theirs) = (self.config.schema.version(), theirs.version());
            let difference = ShapeDifference::Unknown;
            return Err(SessionError::Shape { difference, ours, theirs });
        }
        let core = self.receiver.core();
        core.check_fork(seen)?;
        core.check_id(seen);
        Ok(())
    }

    fn snapshot(&mut self, received: ReceivedSnapshot) -> Result<(), SessionError> {
        if received.cause != Cause::LogBegins || !self.is_log {
            return self.receiver.snapshot(received, IfTrimmed::Fail).map(drop);
        }
        let ReceivedSnapshot { snapshot, floor, .. } = received;
        let floor = floor.version();
        let core = self.receiver.core();
        if !core.version().is_empty() || !snapshot.version.covers(&floor) {
            return Err(Malformed("the snapshot of a log only at the start of a journal").into());
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
