//! [`Replay`]: a core from what a log tells.

use super::{KnownPeers, error::OpenError, record::Record};
use crate::{
    core::Core,
    id::ReplicaId,
    protocol::take_frame,
    reduce::Replicated,
    session::{Loading, SessionConfig, SessionError},
    time::{MAX_WALL, Now, Time},
};

/// Takes the records of a log into a core.
pub(super) struct Replay {
    loading: Loading,
    now: Now,
    /// Under which id the log was written last.
    id: Option<ReplicaId>,
    /// Whether nobody has heard of anything that is not in the log.
    is_complete: bool,
    is_strict: bool,
    latest: Time,
    /// Where everything is there that there was when the log was begun.
    pub(super) base: u64,
    pub(super) peers: KnownPeers,
}

impl Replay {
    pub(super) fn new(config: SessionConfig, now: Now) -> Self {
        Self {
            loading: Loading::log(config),
            // What was taken in once is taken in again, whatever the clock says now.
            now: Now { wall: MAX_WALL, ..now },
            id: None,
            is_complete: false,
            is_strict: false,
            latest: Time::ZERO,
            base: 0,
            peers: KnownPeers::default(),
        }
    }

    pub(super) fn take<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        record: Record<'_>,
        end: u64,
    ) -> Result<(), OpenError> {
        self.is_complete = record == Record::Closed;
        match record {
            Record::Opened { is_strict, id } => {
                (self.id, self.is_strict) = (Some(id), is_strict);
                self.loading.set_writer(id);
                self.loading.begin_again();
            }
            Record::Named { id } => {
                self.id = Some(id);
                self.loading.set_writer(id);
            }
            Record::Batch { latest, messages } => {
                self.latest = latest.max(self.latest);
                self.messages(core, messages)?;
                if self.base == 0 && self.loading.is_complete() {
                    self.base = end;
                }
            }
            Record::Peers { known } => {
                let malformed = SessionError::Malformed { expected: "known peers" };
                self.peers.add(KnownPeers::decode(known).ok_or(malformed)?);
            }
            Record::Closed => {}
        }
        Ok(())
    }

    fn messages<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        mut bytes: &[u8],
    ) -> Result<(), SessionError> {
        while !bytes.is_empty() {
            let message = take_frame(&mut bytes)
                .ok_or(SessionError::Malformed { expected: "whole messages" })?;
            self.loading.handle_message(core, message, self.now)?;
        }
        Ok(())
    }

    /// Gives the core the id that it goes on under. Returns that of the log, if it is another.
    pub(super) fn finish<R: Replicated>(
        self,
        core: &mut Core<R>,
        has_all: bool,
    ) -> Option<ReplicaId> {
        self.loading.finish(core);
        core.observe_time(self.latest);
        let keeps_id = has_all && (self.is_strict || self.is_complete);
        match self.id {
            // A newer version of this program has written under it what this one cannot reduce, so it would
            // be a gap in what is reduced.
            Some(id) if keeps_id && !core.has_deferred_of(id) => {
                core.resume(id);
                None
            }
            former => former,
        }
    }
}
