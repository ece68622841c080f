//! [`Digests`]: telling whether two replicas that have seen the same hold the same.

use std::time::Instant;

use super::{Now, Session, SessionError};
use crate::{
    core::Core,
    message::{Kind, end, take},
    reduce::Replicated,
};

/// State digests, sent and compared.
#[derive(Debug, Default)]
pub(super) struct Digests {
    last_sent: Option<Instant>,
    last_compared: Option<Instant>,
    /// The last version of which a digest was sent.
    version: Option<u128>,
    /// When the next one may be sent, if one is wanted.
    pub(super) due: Option<Instant>,
}

impl Session {
    /// Compares states, if the peer's is of the version that we have at this moment.
    pub(super) fn check_state<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        mut body: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        let version = u128::from_le_bytes(take(&mut body)?);
        let digest = u128::from_le_bytes(take(&mut body)?);
        end(body)?;
        let Some(interval) = self.config.check_divergence else {
            return Ok(());
        };
        let now = now.instant;
        let is_early = |at: Instant| now.saturating_duration_since(at) < interval / 2;
        // A state of another version of the schema has another encoding, and what is deferred is in none.
        if core.has_deferred() || !self.is_same_schema() {
            return Ok(());
        }
        // A digest costs the whole state: no peer decides how often.
        if version != core.version_hash() || self.digests.last_compared.is_some_and(is_early) {
            return Ok(());
        }
        self.digests.last_compared = Some(now);
        if core.state_digest().map_err(SessionError::Snapshot)? == digest {
            return Ok(());
        }
        Err(SessionError::Diverged { version: core.version() })
    }

    fn is_same_schema(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.schema.version() == self.config.schema.version())
    }

    pub(super) fn poll_state_digest<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        self.digests.due = None;
        let Some(interval) = self.config.check_divergence else {
            return Ok(false);
        };
        let is_comparable = !core.has_deferred() && self.is_same_schema();
        let Some(outgoing) = &mut self.outgoing else {
            return Ok(false);
        };
        let both_check = is_comparable && self.peer.as_ref().is_some_and(|peer| peer.checks);
        if !both_check || self.digests.version == Some(core.version_hash()) {
            return Ok(false);
        }
        let history = core.entries();
        if !outgoing.is_drained(history) || !outgoing.acked().is_version_of(history) {
            return Ok(false);
        }
        let is_early = |last: Instant| now.instant.saturating_duration_since(last) < interval;
        if let Some(last) = self.digests.last_sent.filter(|&last| is_early(last)) {
            self.digests.due = last.checked_add(interval);
            return Ok(false);
        }
        let version = core.version_hash();
        let digest = core.state_digest().map_err(SessionError::Snapshot)?;
        out.push(Kind::StateDigest as u8);
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&digest.to_le_bytes());
        self.digests.version = Some(version);
        self.digests.last_sent = Some(now.instant);
        Ok(true)
    }
}
