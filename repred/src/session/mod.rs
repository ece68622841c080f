//! [`Session`]: one conversation with one peer, without any I/O.

mod config;
mod error;
mod timers;
mod outgoing;
mod waiting;
mod clock_difference;
mod receiver;
mod incoming;
mod digests;
mod rejoining;
mod handshake;
mod backup_writer;
mod backup_reader;

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

pub(crate) use self::receiver::{CoreReceiver, IfTrimmed};
pub use self::{
    backup_reader::BackupReader,
    backup_writer::BackupWriter,
    clock_difference::ClockDifference,
    config::{Direction, PeerIdentity, Role, SessionConfig, SessionLimits, WriteProgress},
    error::SessionError,
};
use self::{
    digests::StateDigests, handshake::Greeting, incoming::Incoming, outgoing::Outgoing,
    receiver::Outcome, rejoining::Rejoining, timers::Timers, waiting::Waiting,
};
use crate::{
    core::{Core, RejoinError},
    history::{Cursor, Frontier, Position},
    id::ReplicaId,
    protocol::{Cause, Hash, Kind, MAX_OPEN, Message, Open, Reason, Receiver},
    reduce::Replicated,
    seen::Seen,
    time::{Monotonic, Now, Time},
    unknowns::UnknownKind,
    version::VersionVector,
};

/// One conversation with one peer, as a state machine that owns no socket, task, clock or random source.
///
/// The driver of a session calls, in this order whenever anything happens:
///
/// 1. [`handle_message`](Self::handle_message) for each message that came, and
///    [`handle_timeout`](Self::handle_timeout) when the time of [`poll_timeout`](Self::poll_timeout) has
///    come;
/// 2. [`poll_message`](Self::poll_message) until it has no more, sending each message, as long as the
///    transport takes them. Ask again whenever the core has changed: after an update, and after another
///    session has applied something;
/// 3. [`handle_sent`](Self::handle_sent) when the transport has taken what was given to it.
///
/// After an error of a `handle_*` the session is over, but `poll_message` has a last message for the peer, with the
/// reason. [`close`](Self::close) ends the session. The other methods are getters. Messages must arrive whole, in
/// order, and once; a transport that cannot promise this has to end the session, and begin a new one.
///
/// ```
/// use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
///
/// let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
/// let mut a = Core::new(0xa.into(), Counter::default());
/// let mut b = Core::new(0xb.into(), Counter::default());
/// a.update(5, now.wall)?;
/// b.update(3, now.wall)?;
///
/// let config = SessionConfig::for_state::<Counter>();
/// let mut to_b = Session::new(config.clone(), &mut a, now);
/// let mut to_a = Session::new(config, &mut b, now);
/// loop {
///     let mut message = Vec::new();
///     if to_b.poll_message(&mut a, now, &mut message)? {
///         to_b.handle_sent(WriteProgress::Complete, now);
///         to_a.handle_message(&mut b, &message, now)?;
///     } else if to_a.poll_message(&mut b, now, &mut message)? {
///         to_a.handle_sent(WriteProgress::Complete, now);
///         to_b.handle_message(&mut a, &message, now)?;
///     } else {
///         break;
///     }
/// }
/// assert_eq!(a.state()?.value(), 8);
/// assert_eq!(a.version(), b.version());
/// assert!(to_a.is_synced() && to_b.is_synced());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    /// What we said of ourselves.
    greeting: Greeting,
    /// Who the peer says it is.
    peer_id: Option<ReplicaId>,
    /// What the peer said of itself, if we can talk to it.
    peer: Option<Open>,
    /// Messages that go out before all others: our open, our digest.
    first: VecDeque<Vec<u8>>,
    incoming: Incoming,
    /// What came too early.
    waiting: Waiting,
    /// How far the peer's clock is ahead of ours, as far as we believe it.
    peer_ahead: Duration,
    /// Whether the two clocks differ by more than they should.
    clocks: Option<ClockDifference>,
    /// What the peer has shown to know, or could know from us.
    shown: Frontier,
    /// `None` before the peer has said what it has, if nothing is to be sent to it, and at the end.
    outgoing: Option<Outgoing>,
    /// What the peer had confirmed when `outgoing` ended.
    acked_at_end: Option<Frontier>,
    is_synced: bool,
    timers: Timers,
    digests: StateDigests,
    /// What [`Core::discards`] was when this began.
    discards: u64,
    /// What the peer has sent so far, if we rejoin and it has not sent everything.
    rejoining: Option<Rejoining>,
    /// Why the two cannot be joined, unless the peer knows a better reason.
    parting: Option<SessionError>,
}

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The peer's open has to come.
    Opening,
    /// The types or the starts differ, and what the peer says of its own has to come.
    Describing,
    /// The versions differ, and the peer's digest has to come.
    Comparing,
    /// Both know where the other stands: entries flow.
    Streaming,
    /// The two cannot be joined, but the peer has seen more of some origin, and may find a fork there. It was told, and
    /// its last word has to come.
    Parting,
    /// The last message, which says why, has to be sent.
    Closing(Reason),
    Closed,
}

impl Phase {
    /// Whether the peer has not said yet what it has.
    fn is_handshake(self) -> bool {
        matches!(self, Self::Opening | Self::Describing | Self::Comparing | Self::Parting)
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Closing(_) | Self::Closed)
    }
}

impl Session {
    /// A session that is about to begin: its first message is ready. O(origins).
    pub fn new<R: Replicated>(config: SessionConfig, core: &mut Core<R>, now: Now) -> Self {
        let rejoining = config.rejoin.map(Rejoining::new);
        let (greeting, open) = Greeting::new(&config, core, now.wall);
        let timers = Timers::new(&config, now.monotonic);
        let mut first = VecDeque::new();
        if !config.listens() {
            first.push_back(encoded(&open));
        }
        Self {
            config,
            phase: Phase::Opening,
            greeting,
            peer_id: None,
            peer: None,
            first,
            incoming: Incoming::default(),
            waiting: Waiting::default(),
            peer_ahead: Duration::ZERO,
            clocks: None,
            shown: Frontier::default(),
            outgoing: None,
            acked_at_end: None,
            is_synced: false,
            timers,
            digests: StateDigests::default(),
            discards: core.discards(),
            rejoining,
            parting: None,
        }
    }

    // ---- getters ----

    /// The peer's id, once its open has arrived.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// assert_eq!(to_b.peer(), None);
    /// let mut open = Vec::new();
    /// to_a.poll_message(&mut b, now, &mut open)?;
    /// to_b.handle_message(&mut a, &open, now)?;
    /// assert_eq!(to_b.peer(), Some(0xb.into()));
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn peer(&self) -> Option<ReplicaId> {
        self.peer_id
    }

    /// The same, if it can be believed: see [`PeerIdentity`].
    pub(crate) fn vouched_peer(&self) -> Option<ReplicaId> {
        self.peer().filter(|_| self.config.identity != PeerIdentity::Claimed)
    }

    /// Whether the peer has sent all that we lacked when the session began. Once true, it stays true.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// let mut open = Vec::new();
    /// to_a.poll_message(&mut b, now, &mut open)?;
    /// to_b.handle_message(&mut a, &open, now)?;
    /// assert!(to_b.is_synced(), "neither has anything");
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Whether the conversation is over, and the last message was sent or received.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// to_b.close();
    /// assert!(!to_b.is_closed(), "the peer has not been told");
    /// let mut bye = Vec::new();
    /// while !to_b.is_closed() {
    ///     bye.clear();
    ///     to_b.poll_message(&mut a, now, &mut bye)?;
    /// }
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// How many updates we have that the peer has not confirmed. `None` before the peer has said what it has,
    /// and if nothing is sent to it. O(origins).
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// let mut open = Vec::new();
    /// to_a.poll_message(&mut b, now, &mut open)?;
    /// assert_eq!(to_b.lag(&a), None);
    /// to_b.handle_message(&mut a, &open, now)?;
    /// a.update(3, now.wall).unwrap();
    /// assert_eq!(to_b.lag(&a), Some(1));
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn lag<R: Replicated>(&self, core: &Core<R>) -> Option<u64> {
        self.outgoing.as_ref().map(|outgoing| outgoing.acked().behind(core.history()))
    }

    /// What the peer has confirmed, also after the end. `None` before it has said what it has, if nothing is sent to it,
    /// and if our history is another one by now.
    fn acked<R: Replicated>(&self, core: &Core<R>) -> Option<&Frontier> {
        let acked = self.outgoing.as_ref().map(Outgoing::acked).or(self.acked_at_end.as_ref());
        acked.filter(|_| core.discards() == self.discards)
    }

    /// What the peer has confirmed to have, of what we have; also after the end. O(origins).
    pub(crate) fn confirmed<R: Replicated>(&self, core: &Core<R>) -> Option<VersionVector> {
        self.acked(core).map(|acked| acked.version(core.history()))
    }

    /// Whether the peer has acknowledged everything in a version.
    pub(crate) fn has_confirmed<R: Replicated>(
        &self,
        core: &Core<R>,
        version: &VersionVector,
    ) -> bool {
        let has = |(id, seq)| self.acked_seq(core, id) >= seq;
        self.acked(core).is_some() && version.iter().all(has)
    }

    /// Whether the peer has said what it has.
    pub(crate) fn has_said<R: Replicated>(&self, core: &Core<R>) -> bool {
        self.acked(core).is_some()
    }

    /// Whether the peer may acknowledge anything yet.
    pub(crate) fn may_send(&self) -> bool {
        let takes = |peer: &Open| peer.receives;
        self.config.sends() && self.peer.as_ref().is_none_or(takes) && !self.phase.is_over()
    }

    /// Whether the peer may send anything yet.
    pub(crate) fn may_receive(&self) -> bool {
        let sends = |peer: &Open| peer.sends;
        self.config.receives() && self.peer.as_ref().is_none_or(sends) && !self.phase.is_over()
    }

    /// Whether the peer has sent all that we lacked, and was to.
    pub(crate) fn has_received_all(&self) -> bool {
        self.is_synced && self.config.receives() && self.peer_sends()
    }

    /// How much of an origin the peer has confirmed to have.
    pub(crate) fn acked_seq<R: Replicated>(&self, core: &Core<R>, id: ReplicaId) -> u64 {
        let history = core.history();
        let acked = self.acked(core).zip(history.origin(id));
        acked.map_or(0, |(acked, origin)| acked.seq(history, origin))
    }

    /// The longest message that the peer may send now.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// assert_eq!(to_b.message_limit(), 512, "whoever has not said who it is has little to say");
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn message_limit(&self) -> usize {
        match self.peer {
            None => MAX_OPEN,
            Some(_) => self.config.limits.message(),
        }
    }

    /// How far the two clocks differ, once the peer's open has arrived, if it is more than
    /// [`SessionConfig::clock_drift`]: one of the two is wrong, and somebody should be told. Both sides find the same.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// let hour = Duration::from_secs(3600);
    /// let ahead = Now { wall: now.wall + hour, ..now };
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// let mut to_a = Session::new(config.clone(), &mut b, ahead);
    /// let mut open = Vec::new();
    /// to_a.poll_message(&mut b, ahead, &mut open)?;
    /// to_b.handle_message(&mut a, &open, now)?;
    /// let difference = to_b.clock_difference().unwrap();
    /// assert!(difference.is_ours_behind());
    /// assert_eq!(difference.by().as_millis(), hour.as_millis() - 1, "a wall clock is said in whole milliseconds");
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn clock_difference(&self) -> Option<ClockDifference> {
        self.clocks
    }

    /// How many entries, skips, blocks and snapshots of the peer's wait here, because they are of a time that our clock
    /// is not near to, or must not pass what is. They are received when their time has come, on a call of
    /// [`handle_message`](Self::handle_message) or [`poll_message`](Self::poll_message).
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let mut a = Core::new(0xa.into(), Counter::default());
    /// let to_b = Session::new(config, &mut a, now);
    /// assert_eq!(to_b.waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    // ---- what comes in ----

    /// Applies a message of the peer's.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// let mut message = Vec::new();
    /// while to_a.poll_message(&mut b, now, &mut message)? {
    ///     to_b.handle_message(&mut a, &message, now)?;
    ///     message.clear();
    /// }
    /// assert_eq!(to_b.peer(), Some(b.id()));
    ///
    /// assert!(to_b.handle_message(&mut a, b"\0noise", now).is_err());
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`SessionError`]. The session is over then; `poll_message` has a last message for the peer.
    ///
    /// # Panics
    ///
    /// If `reduce` does; the core is poisoned then.
    pub fn handle_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        message: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        if self.phase.is_over() {
            return Ok(());
        }
        let result = self
            .receive_waiting(core, now)
            .and_then(|()| self.dispatch(core, message, now))
            .map(|()| self.schedule(core, now));
        self.timers.heard(now.monotonic);
        self.fail_if_err(result)
    }

    /// Ends the session if the time of [`poll_timeout`](Self::poll_timeout) has come and the peer is late. Earlier
    /// calls do nothing.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// let late = Now { monotonic: to_b.poll_timeout().unwrap(), ..now };
    /// to_b.handle_timeout(late)?; // time for a sign of life
    /// let silence = Now { monotonic: late.monotonic.checked_add(config.timeout).unwrap(), ..now };
    /// assert!(to_b.handle_timeout(silence).is_err());
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the peer was silent, or has taken nothing, for too long.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        if self.phase.is_over() {
            return Ok(());
        }
        let mut result = self.timers.check(&self.config, self.phase.is_handshake(), now.monotonic);
        if let (Err(_), Some(error)) =
            (&result, self.parting.take_if(|_| self.phase == Phase::Parting))
        {
            result = Err(error);
        }
        self.fail_if_err(result)
    }

    /// The transport has sent some, or all, of what it was given.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// let mut open = Vec::new();
    /// to_b.poll_message(&mut a, now, &mut open)?;
    /// to_b.handle_sent(WriteProgress::Complete, now); // once the socket has taken all of it
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn handle_sent(&mut self, progress: WriteProgress, now: Now) {
        self.timers.sent(progress, now.monotonic);
    }

    /// Ends the session. A last message says so to the peer.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// let mut message = Vec::new();
    /// to_b.close();
    /// while to_b.poll_message(&mut a, now, &mut message)? {
    ///     to_a.handle_message(&mut b, &message, now)?;
    ///     message.clear();
    /// }
    /// assert!(to_a.is_closed() && to_b.is_closed());
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn close(&mut self) {
        if self.timers.is_waiting() {
            self.phase = Phase::Closed;
        } else if self.phase != Phase::Closed {
            self.phase = Phase::Closing(Reason::Finished);
            self.end_outgoing();
        }
    }

    /// Ends the session because of something that is wrong with the transport's messages.
    pub(crate) fn refuse(&mut self, error: SessionError) -> Result<(), SessionError> {
        self.fail_if_err(Err(error))
    }

    fn fail_if_err<T>(&mut self, result: Result<T, SessionError>) -> Result<T, SessionError> {
        if let Err(error) = &result {
            self.phase = match error {
                // A peer that has ended the session needs no answer.
                _ if self.phase == Phase::Closed => Phase::Closed,
                // Nothing is said to who has said nothing.
                _ if self.timers.is_waiting() => Phase::Closed,
                error => Phase::Closing(error.reason()),
            };
            // What was half received is nowhere; a block of ours that was open is not pinned any longer.
            self.incoming = Incoming::default();
            self.waiting = Waiting::default();
            self.end_outgoing();
        }
        result
    }

    /// Sends no more entries. What the peer has confirmed by now it has all the same.
    fn end_outgoing(&mut self) {
        if let Some(outgoing) = self.outgoing.take() {
            self.acked_at_end = Some(outgoing.acked().clone());
        }
    }

    fn dispatch<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        message: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        self.check_core(core)?;
        if self.phase == Phase::Opening {
            // Whoever listens, and cannot talk to us, says no more than that.
            if let Ok((Kind::Bye, body)) = Kind::split(message)
                && let Message::Bye(reason) = Message::decode(Kind::Bye, body, 0)?
                && reason != Reason::Finished
            {
                return self.bye(core, reason);
            }
            return self.open(core, Open::read(message)?, now);
        }
        let limit = self.config.limits.message();
        if message.len() > limit {
            return Err(SessionError::MessageTooLarge { size: message.len() as u64, limit });
        }
        let (kind, body) = Kind::split(message)?;
        if self.phase == Phase::Parting && kind != Kind::Bye {
            return Ok(());
        }
        if !self.is_expected(kind) {
            return Err(SessionError::unexpected(kind));
        }
        let message = Message::decode(kind, body, core.limits().origins)?;
        if self.rejoining.is_some()
            && let Some(rejoined) = self.rejoin(core, kind, body, &message, now)
        {
            return rejoined;
        }
        match message {
            Message::Ping => Ok(()),
            Message::Bye(reason) => self.bye(core, reason),
            Message::Digest { seen, floor } => self.compare(core, &seen, floor),
            Message::Items(body) => self.items(core, body, now),
            Message::Snapshot(head) => {
                self.incoming.begin_snapshot(head, &self.receiver(core, now))
            }
            Message::Chunk(bytes) => self.chunk(core, bytes, now),
            Message::Synced => {
                self.is_synced = true;
                Ok(())
            }
            Message::Unknown(message) => {
                self.keep_unknown(core, message, now);
                Ok(())
            }
            Message::Shape(said) => {
                let schema = &self.config.schema;
                let theirs = self.peer.as_ref().map_or(schema, |peer| &peer.schema);
                handshake::check_shape(core, said, schema, theirs)?;
                self.begin(core, now)
            }
            Message::StateDigest { version, state } => {
                self.check_state(core, (version, state), now)
            }
            answer => self.answered(core, kind, answer),
        }
    }

    fn bye<R: Replicated>(&mut self, core: &Core<R>, reason: Reason) -> Result<(), SessionError> {
        self.phase = Phase::Closed;
        match (reason, self.parting.take()) {
            (Reason::Forked { dot }, _) => Err(core.forked(dot).into()),
            (_, Some(error)) => Err(error),
            (Reason::Finished, None) => Ok(()),
            (reason, None) => Err(SessionError::Peer(reason)),
        }
    }

    /// Whether a message of a kind has a place here now.
    fn is_expected(&self, kind: Kind) -> bool {
        match kind {
            Kind::Ping | Kind::Bye => true,
            Kind::Digest => self.phase == Phase::Comparing,
            Kind::Shape => self.phase == Phase::Describing,
            _ if self.phase != Phase::Streaming => false,
            Kind::Items | Kind::Snapshot | Kind::Chunk => {
                self.config.receives() && self.peer_sends()
            }
            Kind::Ack | Kind::Adopted | Kind::Declined => self.outgoing.is_some(),
            Kind::Synced | Kind::StateDigest | Kind::Unknown => true,
        }
    }

    fn check_core<R: Replicated>(&self, core: &Core<R>) -> Result<(), SessionError> {
        core.check_health()?;
        if core.discards() != self.discards {
            return Err(SessionError::Discarded);
        }
        // The peer would take what it does not know for a mistake of ours.
        match &self.peer {
            Some(peer) if core.newest_schema() > self.greeting.newest_with(peer) => {
                Err(SessionError::NewerSchema)
            }
            _ => Ok(()),
        }
    }

    /// Compares what the peer says of itself with what we said.
    fn open<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        open: Open,
        now: Now,
    ) -> Result<(), SessionError> {
        self.peer_id = Some(open.id);
        let us = (self.config.rejoin.unwrap_or(core.id()), core.document());
        if self.timers.is_waiting() {
            self.timers.met();
            let (greeting, ours) = Greeting::new(&self.config, core, now.wall);
            self.greeting = greeting;
            // Whoever knows neither is told only that this will not do.
            let schema = self.config.schema.name();
            if open.document == core.document() && open.schema.name() == schema {
                self.first.push_back(encoded(&ours));
            }
        }
        self.greeting.check(&open, &self.config, us)?;
        self.compare_clocks(core, &open, now);
        if self.rejoining.is_some() && (!open.sends || !self.config.receives()) {
            return Err(SessionError::Rejoin(RejoinError::OneWay));
        }
        let has_same_shape = self.greeting.has_same_shape(&open);
        let relation = handshake::relation(&self.config.schema, &open.schema);
        self.peer = Some(open);
        if has_same_shape {
            return self.begin(core, now);
        }
        self.phase = Phase::Describing;
        let description = handshake::description(core, relation, self.peer_limit());
        self.first.push_back(description);
        Ok(())
    }

    /// Begins with what the peer has seen, once it is certain that both mean the same by it.
    fn begin<R: Replicated>(&mut self, core: &mut Core<R>, now: Now) -> Result<(), SessionError> {
        let Some(open) = &self.peer else { return Err(SessionError::unexpected(Kind::Shape)) };
        let is_equal = self.greeting.is_equal(open);
        self.is_synced = is_equal || !open.sends || !self.config.receives();
        if is_equal && self.rejoining.is_some() {
            self.phase = Phase::Streaming;
            self.finish_rejoin(core, now)?;
        } else if is_equal {
            // The peer has what we had, whatever either has written since.
            self.phase = Phase::Streaming;
            let cursor = self.greeting.cursor().clone();
            self.shown = cursor.frontier.clone();
            self.outgoing = self.outgoing(cursor, None, VersionVector::new());
        } else {
            self.phase = Phase::Comparing;
            let digest = self.greeting.digest(core, self.peer_limit())?;
            self.first.push_back(digest);
        }
        Ok(())
    }

    /// Begins to send what the peer lacks, by its digest.
    fn compare<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        seen: &Seen,
        floor: VersionVector,
    ) -> Result<(), SessionError> {
        if let Some(rejoining) = &mut self.rejoining {
            rejoining.begin(&seen.version(), floor);
            self.phase = Phase::Streaming;
            return Ok(());
        }
        core.check_id(seen);
        // Before anything is sent: neither half of a fork may reach the other.
        core.check_fork(seen)?;
        if let Some(peer) = &self.peer {
            core.check_author(peer.id, seen)?;
        }
        core.learn_tokens(seen);
        let theirs = &seen.version();
        let own_floor = core.floor();
        let discards =
            self.config.discard_ours || self.peer.as_ref().is_some_and(|peer| peer.discards);
        let can_join = theirs.covers(&own_floor) || core.in_order().covers(&floor);
        if !can_join && !discards {
            let error = SessionError::BothTrimmed { ours: own_floor, theirs: floor };
            if !core.may_lack_half(seen) {
                return Err(error);
            }
            let mut bye = Vec::new();
            Message::Bye(error.reason()).encode(&mut bye);
            self.first.push_back(bye);
            (self.phase, self.parting) = (Phase::Parting, Some(error));
            return Ok(());
        }
        self.incoming = Incoming::new(theirs.iter().map(|(id, _)| id));
        let history = core.history();
        self.shown = Frontier::all_of(history);
        self.shown.merge(history, &Frontier::new(history, theirs));
        // The peer may discard its state, and then its digest does not say what it has. Assume that it has nothing.
        let (known, floor) = if can_join || self.config.discard_ours {
            (Frontier::new(history, theirs), floor)
        } else {
            (Frontier::default(), VersionVector::new())
        };
        let reaches = history.reaches(&known);
        let cursor = Cursor::new(history, known);
        self.outgoing = self.outgoing(cursor, Some(history.end()), floor);
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.note_claims(history, seen);
        }
        self.phase = Phase::Streaming;
        if let (Some(outgoing), false) = (&mut self.outgoing, reaches) {
            outgoing.freeze(core, Cause::Trimmed)?;
        }
        Ok(())
    }

    /// What sends to the peer from where it stands, if anything is to be sent.
    fn outgoing(
        &self,
        cursor: Cursor,
        sync_at: Option<Position>,
        floor: VersionVector,
    ) -> Option<Outgoing> {
        let peer = self.peer.as_ref()?;
        if !self.config.sends() || !peer.receives {
            return None;
        }
        let max_block = usize::try_from(peer.max_block).unwrap_or(usize::MAX);
        let announced = self.greeting.announced();
        Some(Outgoing::new(cursor, announced, sync_at, floor, self.peer_limit(), max_block))
    }

    fn receiver<'a, R: Replicated>(&self, core: &'a mut Core<R>, now: Now) -> CoreReceiver<'a, R> {
        // Whoever knows from us that there are newer updates may pass on some that it got from others meanwhile.
        let newest = self.peer.as_ref().map_or(0, |peer| self.greeting.newest_with(peer));
        CoreReceiver::new(core, &self.config, newest, self.present(now))
    }

    fn items<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        body: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        let mut receiver = self
            .receiver(core, now)
            .without_echo(self.outgoing.as_mut())
            .of_what_is_shown(&mut self.shown)
            .with_waiting(&mut self.waiting);
        self.incoming.items(body, &mut receiver)
    }

    /// Keeps what this version of the program does not understand, to pass it on.
    fn keep_unknown<R: Replicated>(&mut self, core: &mut Core<R>, message: &[u8], now: Now) {
        if self.config.receives() && self.peer_sends() {
            let receiver = self.receiver(core, now);
            receiver.without_echo(self.outgoing.as_mut()).unknown(UnknownKind::Message, message);
        }
    }

    // ---- clocks ----

    /// Compares the peer's clock with the time in our own open, so that both sides find the same, and with the present
    /// time, so that an open that was long on its way does not count as drift. The smaller difference counts.
    fn compare_clocks<R: Replicated>(&mut self, core: &Core<R>, open: &Open, now: Now) {
        let clocks = [self.greeting.wall(), now.wall]
            .map(|ours| ClockDifference { ours, theirs: open.wall });
        let [then, present] = clocks;
        let clocks = if then.by() < present.by() { then } else { present };
        self.clocks = Some(clocks).filter(|clocks| clocks.by() > self.config.clock_drift);
        let believed = self.config.clock_drift.min(core.limits().time_ahead);
        let is_believed = clocks.by() <= believed && clocks.is_ours_behind();
        self.peer_ahead = if is_believed { clocks.by() } else { Duration::ZERO };
    }

    /// The time by which we judge what the peer sends: that of the clock which is ahead, ours or the peer's, as long as
    /// the two differ by less than the limit. Otherwise what the peer has accepted could be too early here, and
    /// would hold up what comes after it.
    fn present(&self, now: Now) -> Time {
        now.wall + self.peer_ahead
    }

    /// Receives what was too early, if it is time to look at it.
    fn receive_waiting<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
    ) -> Result<(), SessionError> {
        if !self.waiting.is_due(now.monotonic) || self.phase != Phase::Streaming {
            return Ok(());
        }
        self.check_core(core)?;
        if let Some(snapshot) = self.waiting.take_snapshot() {
            let if_trimmed = self.if_trimmed();
            let mut receiver = self.receiver(core, now);
            let outcome = self.incoming.snapshot(snapshot, &mut receiver, if_trimmed)?;
            self.took_snapshot(core, outcome)?;
        }
        let mut receiver = self.receiver(core, now).with_waiting(&mut self.waiting);
        self.incoming.receive_waiting(&mut receiver)?;
        self.schedule(core, now);
        Ok(())
    }

    /// Decides when to look again at what waits.
    fn schedule<R: Replicated>(&mut self, core: &Core<R>, now: Now) {
        let latest = self.present(now) + core.limits().time_ahead;
        self.waiting.schedule(latest, now.monotonic);
    }

    fn chunk<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        bytes: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        let if_trimmed = self.if_trimmed();
        let mut receiver = self.receiver(core, now);
        match self.incoming.chunk(bytes, &mut receiver, if_trimmed)? {
            Some(outcome) => self.took_snapshot(core, outcome),
            None => Ok(()),
        }
    }

    fn if_trimmed(&self) -> IfTrimmed {
        if self.config.discard_ours { IfTrimmed::Discard } else { IfTrimmed::Decline }
    }

    /// Follows what became of a snapshot.
    fn took_snapshot<R: Replicated>(
        &mut self,
        core: &Core<R>,
        outcome: Outcome,
    ) -> Result<(), SessionError> {
        // If we gave up our state, it was for this session.
        self.discards = core.discards();
        if let Outcome::Adopted(version) = &outcome {
            self.shown.merge(core.history(), &Frontier::new(core.history(), version));
        }
        match (outcome, &mut self.outgoing) {
            (Outcome::TooEarly(received), _) => self.waiting.push_snapshot(received),
            (Outcome::Adopted(version), Some(outgoing)) => {
                outgoing.confirm_version(core.history(), &version);
            }
            // Each waits for the other's: neither will do.
            (Outcome::Declined { .. }, Some(outgoing)) if outgoing.is_waiting() => {
                let ours = core.floor();
                return Err(SessionError::BothTrimmed { ours, theirs: VersionVector::new() });
            }
            _ => {}
        }
        Ok(())
    }

    /// What the peer says of what we have sent.
    fn answered<R: Replicated>(
        &mut self,
        core: &Core<R>,
        kind: Kind,
        answer: Message<'_>,
    ) -> Result<(), SessionError> {
        let has_one_for_us = self.peer_sends() && !self.incoming.has_declined();
        let outgoing = self.outgoing.as_mut().ok_or(SessionError::unexpected(kind))?;
        match answer {
            Message::Ack(acked) => outgoing.confirm_places(core, &acked),
            Message::Adopted(seen) => {
                core.check_fork(&seen)?;
                outgoing.adopted(core, &seen.version())
            }
            Message::Declined { floor, has_seen_floor } => {
                outgoing.declined(core, floor, has_seen_floor && has_one_for_us)
            }
            _ => Err(SessionError::unexpected(kind)),
        }
    }

    // ---- rejoining ----

    /// Keeps what the peer sends while we rejoin. `None` for what is handled as always.
    fn rejoin<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        kind: Kind,
        body: &[u8],
        message: &Message<'_>,
        now: Now,
    ) -> Option<Result<(), SessionError>> {
        let limits = &self.config.limits;
        let limit = limits.snapshot_bytes.saturating_add(limits.block_bytes);
        let rejoining = self.rejoining.as_mut()?;
        match message {
            Message::Items(_) => {}
            Message::Snapshot(head) => rejoining.begin_snapshot(head),
            Message::Chunk(bytes) => {
                if let Err(error) = rejoining.chunk(bytes) {
                    return Some(Err(error));
                }
            }
            // Our state is about to be replaced.
            Message::StateDigest { .. } => return Some(Ok(())),
            Message::Synced => return Some(self.finish_rejoin(core, now)),
            _ => return None,
        }
        Some(rejoining.keep(kind, body, limit))
    }

    /// Takes what the peer has sent for our state, and writes again on top of it what only we have. From then on, this is
    /// a session like others.
    fn finish_rejoin<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
    ) -> Result<(), SessionError> {
        let Some(rejoining) = self.rejoining.take() else { return Ok(()) };
        let before = core.begin_rejoin(rejoining.new_id)?;
        let (announced, floor, messages) = rejoining.into_parts();
        self.incoming = Incoming::new(announced);
        if let Err(error) = self.replay(core, &messages, now) {
            core.cancel_rejoin(before);
            return Err(error);
        }
        let theirs = core.version();
        core.finish_rejoin(before, now.wall)?;
        // It was for this session that our state was given up.
        self.discards = core.discards();
        self.is_synced = true;
        let history = core.history();
        let cursor = Cursor::new(history, Frontier::new(history, &theirs));
        self.outgoing = self.outgoing(cursor, Some(history.end()), floor);
        Ok(())
    }

    /// Applies what has come while we were about to rejoin.
    fn replay<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        messages: &[(Kind, Vec<u8>)],
        now: Now,
    ) -> Result<(), SessionError> {
        for (kind, body) in messages {
            let limit = core.limits().origins;
            let mut receiver = self.receiver(core, now);
            match Message::decode(*kind, body, limit)? {
                Message::Items(body) => self.incoming.items(body, &mut receiver)?,
                Message::Snapshot(head) => self.incoming.begin_snapshot(head, &receiver)?,
                Message::Chunk(bytes) => {
                    self.incoming.chunk(bytes, &mut receiver, IfTrimmed::Decline)?;
                }
                _ => {}
            }
        }
        self.incoming.forget_answer();
        Ok(())
    }

    // ---- state digests ----

    /// How often states are compared, if they can be: a state of another version of the schema, or of a type whose fields
    /// were moved, has another encoding, and what is deferred is in none.
    fn comparing<R: Replicated>(&self, core: &Core<R>) -> Option<Duration> {
        let peer = self.peer.as_ref()?;
        let is_same_schema = peer.schema.version() == self.config.schema.version()
            && self.greeting.has_same_shape(peer);
        self.config.check_divergence.filter(|_| !core.has_deferred() && is_same_schema)
    }

    fn check_state<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        theirs: (Hash, Hash),
        now: Now,
    ) -> Result<(), SessionError> {
        match self.comparing(core) {
            Some(interval) => self.digests.compare(core, theirs, interval, now.monotonic),
            None => Ok(()),
        }
    }

    fn poll_state_digest<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
    ) -> Result<Option<Message<'static>>, SessionError> {
        let peer_checks = self.peer.as_ref().is_some_and(|peer| peer.checks);
        let interval = self.comparing(core).filter(|_| peer_checks);
        match (interval, &mut self.outgoing) {
            (Some(interval), Some(outgoing)) => {
                self.digests.poll(core, outgoing, interval, now.monotonic)
            }
            _ => {
                self.digests.put_off();
                Ok(None)
            }
        }
    }

    // ---- what goes out ----

    /// Appends the next message to `out`, without a length. False if there is none now; `out` is
    /// unchanged then.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// let mut open = Vec::new();
    /// assert!(to_b.poll_message(&mut a, now, &mut open)?);
    /// assert!(open.starts_with(b"rpd"));
    /// assert!(!to_b.poll_message(&mut a, now, &mut open)?, "the peer has to say who it is first");
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If something cannot be sent: see [`SessionError`]. The session is over then; the next call returns a last message
    /// for the peer.
    pub fn poll_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        let start = out.len();
        let polled =
            self.receive_waiting(core, now).and_then(|()| self.next_message(core, now, out));
        if polled == Ok(true) {
            self.timers.said(now.monotonic);
        } else {
            out.truncate(start);
        }
        self.fail_if_err(polled)
    }

    fn next_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        if let Some(first) = self.first.pop_front() {
            out.extend_from_slice(&first);
            return Ok(true);
        }
        match self.phase {
            Phase::Closed => return Ok(false),
            Phase::Closing(reason) => {
                self.phase = Phase::Closed;
                Message::Bye(reason).encode(out);
                return Ok(true);
            }
            Phase::Opening | Phase::Describing | Phase::Comparing | Phase::Parting => {}
            Phase::Streaming => {
                self.check_core(core)?;
                if self.next_of_stream(core, now, out)? {
                    return Ok(true);
                }
            }
        }
        let is_due = self.timers.is_ping_due(&self.config, now.monotonic);
        if is_due {
            Message::Ping.encode(out);
        }
        Ok(is_due)
    }

    fn next_of_stream<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        if let Some(rejoining) = &mut self.rejoining {
            let answer = rejoining.take_answer();
            let has_answer = answer.is_some();
            if let Some(seen) = answer {
                Message::Adopted(seen).encode(out);
            }
            return Ok(has_answer);
        }
        // A peer that does not send to us has no use for what we have.
        if self.peer_sends()
            && let Some(answer) = self.incoming.take_answer(core)
        {
            answer.encode(out);
            return Ok(true);
        }
        if let Some(outgoing) = &mut self.outgoing
            && outgoing.poll(core, out)?
        {
            return Ok(true);
        }
        let digest = self.poll_state_digest(core, now)?;
        if let Some(digest) = &digest {
            digest.encode(out);
        }
        Ok(digest.is_some())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and then
    /// [`poll_message`](Self::poll_message), if nothing happens before.
    ///
    /// ```
    /// # use repred::{Counter, Time, sans_io::{Core, Monotonic, Now, WriteProgress, Session, SessionConfig}};
    /// # let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    /// # let config = SessionConfig::for_state::<Counter>();
    /// # let (mut a, mut b) = (Core::new(0xa.into(), Counter::default()), Core::new(0xb.into(), Counter::default()));
    /// # let mut to_b = Session::new(config.clone(), &mut a, now);
    /// # let mut to_a = Session::new(config.clone(), &mut b, now);
    /// let keep_alive = now.monotonic.checked_add(config.keep_alive);
    /// assert_eq!(to_b.poll_timeout(), keep_alive);
    /// # Ok::<(), repred::error::SessionError>(())
    /// ```
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        if self.phase.is_over() {
            return None;
        }
        let timers = self.timers.next(&self.config, self.phase.is_handshake(), self.digests.due());
        [timers, self.waiting.due()].into_iter().flatten().min()
    }

    /// Bytes of the longest message that the peer takes.
    fn peer_limit(&self) -> usize {
        let limit = self.peer.as_ref().map_or(MAX_OPEN as u64, |peer| peer.max_message);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    fn peer_sends(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.sends)
    }
}

fn encoded(open: &Open) -> Vec<u8> {
    let mut message = Vec::new();
    open.encode(&mut message);
    message
}
