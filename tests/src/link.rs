//! [`Link`]: a conversation without I/O, and what is on its way.

use std::collections::VecDeque;

use repred::{
    Replicated,
    error::SessionError,
    sans_io::{Core, Now, Session, SessionConfig, WriteProgress},
};

/// One of the two ends of a [`Link`].
pub type Side = usize;
/// The first of the two.
pub const LEFT: Side = 0;
/// The second of the two.
pub const RIGHT: Side = 1;

/// Two sessions, and the messages that are on their way between them.
#[derive(Debug)]
pub struct Link {
    /// The session of each side.
    pub sessions: [Session; 2],
    /// What is on its way to each side.
    pub flights: [VecDeque<Vec<u8>>; 2],
}

impl Link {
    /// A conversation of two cores that begins now.
    pub fn new<R: Replicated>(
        configs: [SessionConfig; 2],
        cores: [&mut Core<R>; 2],
        now: Now,
    ) -> Self {
        let ([config_a, config_b], [a, b]) = (configs, cores);
        let sessions = [Session::new(config_a, a, now), Session::new(config_b, b, now)];
        Self { sessions, flights: Default::default() }
    }

    /// Lets one side say its next message, which is returned.
    ///
    /// # Errors
    ///
    /// Those of its session.
    pub fn say<R: Replicated>(
        &mut self,
        side: Side,
        core: &mut Core<R>,
        now: Now,
    ) -> Result<Option<&[u8]>, SessionError> {
        let mut message = Vec::new();
        if !self.sessions[side].poll_message(core, now, &mut message)? {
            return Ok(None);
        }
        self.sessions[side].handle_sent(WriteProgress::Complete, now);
        let flight = &mut self.flights[1 - side];
        flight.push_back(message);
        Ok(flight.back().map(Vec::as_slice))
    }

    /// Lets one side hear its next message. False if there is none.
    ///
    /// # Errors
    ///
    /// Those of its session.
    pub fn hear<R: Replicated>(
        &mut self,
        side: Side,
        core: &mut Core<R>,
        now: Now,
    ) -> Result<bool, SessionError> {
        let Some(message) = self.flights[side].pop_front() else { return Ok(false) };
        self.sessions[side].handle_message(core, &message, now).map(|()| true)
    }

    /// Whether nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        self.flights.iter().all(VecDeque::is_empty)
    }
}
