//! [`Timers`]: when a session speaks again, and when it gives up.

use super::{
    config::{SessionConfig, WriteProgress},
    error::SessionError,
};
use crate::time::Monotonic;

/// When a session speaks again, and when it gives up.
#[derive(Debug)]
pub(super) struct Timers {
    begin: Monotonic,
    last_sent: Monotonic,
    last_heard: Monotonic,
    /// Since when the transport has not taken anything of what it was given.
    stalled: Option<Monotonic>,
    /// The peer has to say first who it is, and has not: nothing is said to it, no ping either.
    is_waiting: bool,
}

impl Timers {
    pub(super) fn new(config: &SessionConfig, now: Monotonic) -> Self {
        let is_waiting = config.listens();
        Self { begin: now, last_sent: now, last_heard: now, stalled: None, is_waiting }
    }

    /// Whether the peer has to say first who it is, and has not.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// The peer has said who it is.
    pub(super) fn met(&mut self) {
        self.is_waiting = false;
    }

    pub(super) fn heard(&mut self, now: Monotonic) {
        self.last_heard = now;
    }

    pub(super) fn said(&mut self, now: Monotonic) {
        self.last_sent = now;
        self.stalled.get_or_insert(now);
    }

    pub(super) fn sent(&mut self, progress: WriteProgress, now: Monotonic) {
        self.stalled = match progress {
            WriteProgress::Complete => None,
            WriteProgress::Partial => Some(now),
        };
    }

    /// Whether the peer should hear that we are there.
    pub(super) fn is_ping_due(&self, config: &SessionConfig, now: Monotonic) -> bool {
        !self.is_waiting && now.since(self.last_sent) >= config.keep_alive
    }

    /// Fails if the peer was silent, or has taken nothing, for too long; also if the handshake is still to be
    /// completed, whatever else the peer says.
    pub(super) fn check(
        &self,
        config: &SessionConfig,
        is_handshaking: bool,
        now: Monotonic,
    ) -> Result<(), SessionError> {
        let timeout = config.timeout;
        let is_over = |since: Monotonic| now.since(since) >= timeout;
        if is_handshaking && is_over(self.begin) || is_over(self.last_heard) {
            return Err(match self.is_waiting {
                true => SessionError::NobodyBegan { timeout },
                false => SessionError::Silent { timeout },
            });
        }
        if self.stalled.is_some_and(is_over) {
            return Err(SessionError::Stalled { timeout });
        }
        Ok(())
    }

    /// When something is to be done next, if nothing happens before. `digest_due` is when a state digest is.
    pub(super) fn next(
        &self,
        config: &SessionConfig,
        is_handshaking: bool,
        digest_due: Option<Monotonic>,
    ) -> Option<Monotonic> {
        // A time that cannot be expressed never comes.
        let SessionConfig { timeout, keep_alive, .. } = *config;
        // While the transport is busy with what it has, there is no use in giving it more.
        let is_free = self.stalled.is_none();
        [
            self.last_sent.checked_add(keep_alive).filter(|_| is_free && !self.is_waiting),
            self.last_heard.checked_add(timeout),
            self.stalled.and_then(|since| since.checked_add(timeout)),
            self.begin.checked_add(timeout).filter(|_| is_handshaking),
            digest_due.filter(|_| is_free),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
