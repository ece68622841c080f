//! [`Saving`] and [`Loading`]: a session's messages without a peer, for a file.
//!
//! A file holds our open, our digest, all that a peer that has nothing would get, and `synced`.

use super::{
    Now, SessionConfig, SessionError,
    incoming::{Incoming, Taker},
    open,
    outgoing::Outgoing,
};
use crate::{
    core::Core,
    history::{Cursor, Known},
    message::{Cause, Kind, MAX_OPEN, Malformed, Open, put_version, take_version},
    reduce::Replicated,
    version::VersionVector,
};

/// Turns a replica into messages, one at a time.
#[derive(Debug)]
pub(crate) struct Saving {
    outgoing: Outgoing,
    first: Vec<Vec<u8>>,
    is_done: bool,
}

impl Saving {
    pub(crate) fn new<R: Replicated>(
        config: &SessionConfig,
        core: &mut Core<R>,
        now: Now,
    ) -> Result<Self, SessionError> {
        let limits = &config.limits;
        let open = Open {
            schema: config.schema.clone(),
            id: core.id(),
            sends: true,
            receives: false,
            checks: false,
            discards: false,
            wall: now.wall,
            max_message: limits.message_bytes as u64,
            max_block: limits.block_bytes as u64,
            version_hash: core.version_hash(),
        };
        let (mut opening, mut digest) = (Vec::new(), vec![Kind::Digest as u8]);
        open.encode(&mut opening);
        let version = core.version();
        put_version(&mut digest, &version);
        put_version(&mut digest, &core.floor());
        let history = core.entries();
        let known = Known::new(history, &VersionVector::new());
        let reaches = history.reaches(&known);
        let announced: Vec<_> = version.iter().filter_map(|(id, _)| history.origin(id)).collect();
        let mut outgoing = Outgoing::new(
            Cursor::new(history, known),
            &announced,
            Some(history.end()),
            VersionVector::new(),
            limits.message_bytes,
            limits.block_bytes,
        );
        if !reaches {
            outgoing.freeze(core, Cause::Folded)?;
        }
        Ok(Self { outgoing, first: vec![digest, opening], is_done: false })
    }

    /// Appends the next message to `out`. False after the last.
    pub(crate) fn poll_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        core.check_health().map_err(|_| SessionError::Poisoned)?;
        if let Some(first) = self.first.pop() {
            out.extend_from_slice(&first);
            return Ok(true);
        }
        if self.is_done {
            return Ok(false);
        }
        let start = out.len();
        let has_more = self.go_on(core, out)?;
        self.is_done = !has_more || out[start] == Kind::Synced as u8;
        Ok(has_more)
    }

    /// The same, and after the last message of today those of what came since: a log of all there is.
    pub(crate) fn follow<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        if self.is_done { self.go_on(core, out) } else { self.poll_message(core, out) }
    }

    fn go_on<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        self.outgoing.assume_adopted(core)?;
        self.outgoing.poll(core, out)
    }
}

/// Takes in the messages of a file, one at a time.
#[derive(Debug)]
pub(crate) struct Loading {
    config: SessionConfig,
    incoming: Incoming,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    Digest,
    Content,
    Done,
}

impl Loading {
    pub(crate) fn new(config: SessionConfig) -> Self {
        Self { config, incoming: Incoming::default(), step: Step::Open }
    }

    /// Whether the first message has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.step != Step::Open
    }

    /// Whether the last message has come.
    pub(crate) fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Bytes of the longest message that may come now.
    pub(crate) fn message_limit(&self) -> usize {
        if self.step == Step::Open { MAX_OPEN } else { self.config.limits.message_bytes }
    }

    pub(crate) fn handle_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        message: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        core.check_health().map_err(|_| SessionError::Poisoned)?;
        if self.step == Step::Open {
            self.step = Step::Digest;
            return self.open(message);
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
                self.incoming.items(core, None, body, limits, now)?;
            }
            (Step::Content | Step::Done, Kind::Snapshot) => {
                self.incoming.begin_snapshot(body, limits, core.limits().origins)?;
            }
            (Step::Content | Step::Done, Kind::Chunk) => {
                self.incoming.chunk(core, body, Taker::File, now)?;
            }
            (Step::Content | Step::Done, Kind::Synced) => self.step = Step::Done,
            _ => return Err(SessionError::unexpected(kind)),
        }
        Ok(())
    }

    fn open(&self, message: &[u8]) -> Result<(), SessionError> {
        let theirs = open(message)?.schema;
        if theirs != self.config.schema {
            let ours = self.config.schema.clone();
            return Err(SessionError::Schema { ours, theirs });
        }
        Ok(())
    }
}
