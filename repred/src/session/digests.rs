//! [`StateDigests`]: finding out whether two replicas that have seen the same hold the same.

use core::time::Duration;

use super::{error::SessionError, outgoing::Outgoing};
use crate::{
    core::Core,
    protocol::{Hash, Message},
    reduce::Replicated,
    time::Monotonic,
};

/// When state digests are sent and compared. Each costs the whole state, so no peer decides how often.
#[derive(Debug, Default)]
pub(super) struct StateDigests {
    last_sent: Option<Monotonic>,
    last_compared: Option<Monotonic>,
    /// The last version of which a digest was sent.
    version: Option<u128>,
    /// When the next one may be sent, if one is wanted.
    due: Option<Monotonic>,
}

impl StateDigests {
    /// When the next one may be sent, if one is wanted.
    pub(super) fn due(&self) -> Option<Monotonic> {
        self.due
    }

    /// None is wanted now.
    pub(super) fn put_off(&mut self) {
        self.due = None;
    }

    /// Compares the peer's digest with ours, if it is of the version that we have at this moment.
    pub(super) fn compare<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        (version, state): (Hash, Hash),
        interval: Duration,
        now: Monotonic,
    ) -> Result<(), SessionError> {
        let is_early = |at: Monotonic| now.since(at) < interval / 2;
        // A hash of another algorithm cannot be compared, and blames nobody.
        let is_comparable =
            version == Hash::Sip(core.version_hash()) && matches!(state, Hash::Sip(_));
        if !is_comparable || self.last_compared.is_some_and(is_early) {
            return Ok(());
        }
        self.last_compared = Some(now);
        if Hash::Sip(core.state_digest().map_err(SessionError::Snapshot)?) == state {
            return Ok(());
        }
        Err(SessionError::Diverged { version: core.version() })
    }

    /// The next digest to send: of a version of which none was sent, once the peer has confirmed all of it.
    pub(super) fn poll<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        outgoing: &mut Outgoing,
        interval: Duration,
        now: Monotonic,
    ) -> Result<Option<Message<'static>>, SessionError> {
        self.due = None;
        if self.version == Some(core.version_hash()) {
            return Ok(None);
        }
        let history = core.history();
        if !outgoing.is_drained(history) || !outgoing.acked().is_version_of(history) {
            return Ok(None);
        }
        let is_early = |last: Monotonic| now.since(last) < interval;
        if let Some(last) = self.last_sent.filter(|&last| is_early(last)) {
            self.due = last.checked_add(interval);
            return Ok(None);
        }
        let version = core.version_hash();
        let state = core.state_digest().map_err(SessionError::Snapshot)?;
        self.version = Some(version);
        self.last_sent = Some(now);
        let (version, state) = (Hash::Sip(version), Hash::Sip(state));
        Ok(Some(Message::StateDigest { version, state }))
    }
}
