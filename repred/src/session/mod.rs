//! [`Session`]: one conversation with one peer, without any I/O.

mod backup;
mod config;
mod digests;
mod error;
mod incoming;
mod outgoing;

use std::{collections::VecDeque, time::Instant};

pub use self::backup::{Loading, Saving};
pub use self::{
    config::{Direction, Now, Sending, SessionConfig, SessionLimits},
    error::SessionError,
};
use self::{
    digests::Digests,
    incoming::{Answer, Incoming, Outcome, Role, if_unknown},
    outgoing::Outgoing,
};
use crate::{
    core::{Core, ReceivePolicy},
    encoding::varint::put_u64,
    history::{Cursor, Frontier, OriginIndex, Position},
    id::ReplicaId,
    message::{
        Cause, Kind, MAX_OPEN, Malformed, Open, Opening, PROTOCOL, Reason, check_opening, end,
        number, put_version, seq, take, take_version,
    },
    reduce::Replicated,
    time::Time,
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
///    session has taken something in;
/// 3. [`handle_sent`](Self::handle_sent) when the transport has taken what was given to it.
///
/// After an error of a `handle_*` the session is over, but `poll_message` has a last message that tells
/// the peer why. All else is a getter. Messages must arrive whole, in order, and once; a transport that
/// cannot promise this has to end the session, and begin a new one.
///
/// ```
/// use std::time::Instant;
/// use repred::{Core, Counter, Now, Sending, Session, SessionConfig, Time};
///
/// let now = Now { wall: Time::from_micros(1), instant: Instant::now() };
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
///         to_b.handle_sent(Sending::Done, now);
///         to_a.handle_message(&mut b, &message, now)?;
///     } else if to_a.poll_message(&mut b, now, &mut message)? {
///         to_a.handle_sent(Sending::Done, now);
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
    /// What the peer said of itself.
    peer: Option<Open>,
    sent: Sent,
    /// Messages that go out before all others: our open, our digest.
    first: VecDeque<Vec<u8>>,
    incoming: Incoming,
    outgoing: Option<Outgoing>,
    is_synced: bool,
    timers: Timers,
    digests: Digests,
    /// What [`Core::discards`] was when this began.
    discards: u64,
}

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The peer's open has to come.
    Greeting,
    /// The versions differ, and the peer's digest has to come.
    Comparing,
    /// Both know where the other stands: entries flow.
    Streaming,
    /// The peer has to be told why it is over.
    Closing(Reason),
    Closed,
}

/// What we said of ourselves, which is what the peer's answer is about.
#[derive(Debug)]
struct Sent {
    wall: Time,
    version_hash: u128,
    /// The newest version of the schema of which we may have updates.
    newest: u32,
    /// Where a peer stands that had what we had.
    cursor: Cursor,
    /// The origins of our digest, in order.
    announced: Vec<OriginIndex>,
}

#[derive(Debug)]
struct Timers {
    last_sent: Instant,
    last_heard: Instant,
    /// Since when the transport has not taken anything of what it was given.
    stalled: Option<Instant>,
    /// When the peer has to have told where it stands.
    greeting: Instant,
}

impl Session {
    /// A session that is about to begin. O(origins).
    pub fn new<R: Replicated>(config: SessionConfig, core: &mut Core<R>, now: Now) -> Self {
        let version_hash = core.version_hash();
        core.note_schema(config.schema.version());
        let newest = core.newest_schema();
        let open = Open {
            schema: config.schema.clone(),
            newest,
            id: core.id(),
            sends: config.sends(),
            receives: config.receives(),
            checks: config.check_divergence.is_some(),
            discards: config.discard_ours,
            wall: now.wall,
            max_message: config.limits.message_bytes as u64,
            max_block: config.limits.block_bytes as u64,
            version_hash,
        };
        let mut first = Vec::new();
        open.encode(&mut first);
        let known = Frontier::all_of(core.entries());
        let cursor = Cursor::at_end(core.entries(), known);
        Self {
            config,
            phase: Phase::Greeting,
            peer: None,
            sent: Sent { wall: now.wall, version_hash, newest, cursor, announced: Vec::new() },
            first: VecDeque::from([first]),
            incoming: Incoming::default(),
            outgoing: None,
            is_synced: false,
            timers: Timers {
                last_sent: now.instant,
                last_heard: now.instant,
                stalled: None,
                greeting: now.instant,
            },
            digests: Digests::default(),
            discards: core.discards(),
        }
    }

    // ---- getters ----

    /// The peer's id, once it has said it.
    pub fn peer(&self) -> Option<ReplicaId> {
        self.peer.as_ref().map(|peer| peer.id)
    }

    /// Whether the peer has sent all that we lacked when the session began. It stays so.
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Whether nothing more is to be said or heard.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// How many updates we have that the peer has not confirmed; `None` before it has said what it has,
    /// and if we do not send. O(origins).
    pub fn lag<R: Replicated>(&self, core: &Core<R>) -> Option<u64> {
        self.outgoing.as_ref().map(|outgoing| outgoing.acked().behind(core.entries()))
    }

    /// What the peer has confirmed to have, of what we have; `None` as for [`lag`](Self::lag). O(origins).
    pub(crate) fn confirmed<R: Replicated>(&self, core: &Core<R>) -> Option<VersionVector> {
        let history = core.entries();
        self.outgoing.as_ref().map(|outgoing| outgoing.acked().version(history))
    }

    /// Whether the peer has confirmed to have all of a version; so it is if we do not send to it.
    pub(crate) fn has_confirmed<R: Replicated>(
        &self,
        core: &Core<R>,
        version: &VersionVector,
    ) -> bool {
        match self.confirmed(core) {
            Some(confirmed) => confirmed.covers(version),
            None => self.phase == Phase::Streaming || self.is_closed(),
        }
    }

    /// How much of an origin the peer has confirmed to have.
    pub(crate) fn acked_seq<R: Replicated>(&self, core: &Core<R>, id: ReplicaId) -> u64 {
        let history = core.entries();
        let acked = self.outgoing.as_ref().zip(history.origin(id));
        acked.map_or(0, |(outgoing, origin)| outgoing.acked().seq(history, origin))
    }

    /// The longest message that the peer may send now.
    pub fn message_limit(&self) -> usize {
        match self.peer {
            None => MAX_OPEN,
            Some(_) => self.config.limits.message_bytes,
        }
    }

    // ---- what comes in ----

    /// Takes in a message.
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
        if matches!(self.phase, Phase::Closing(_) | Phase::Closed) {
            return Ok(());
        }
        let result = self.dispatch(core, message, now);
        self.timers.last_heard = now.instant;
        self.fail(result)
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come; earlier calls do
    /// nothing.
    ///
    /// # Errors
    ///
    /// When the peer was silent, or has taken nothing, for too long.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), SessionError> {
        if matches!(self.phase, Phase::Closing(_) | Phase::Closed) {
            return Ok(());
        }
        let timeout = self.config.timeout;
        let is_over = |since: Instant| now.instant.saturating_duration_since(since) >= timeout;
        let has_to_greet = matches!(self.phase, Phase::Greeting | Phase::Comparing);
        let is_late = has_to_greet && is_over(self.timers.greeting);
        let result = if is_late || is_over(self.timers.last_heard) {
            Err(SessionError::Silent { timeout })
        } else if self.timers.stalled.is_some_and(is_over) {
            Err(SessionError::Stalled { timeout })
        } else {
            Ok(())
        };
        self.fail(result)
    }

    /// Takes note that the transport has taken some, or all, of what it was given.
    pub fn handle_sent(&mut self, all: Sending, now: Now) {
        self.timers.stalled = match all {
            Sending::Done => None,
            Sending::More => Some(now.instant),
        };
    }

    /// Ends the session: one last message tells the peer.
    pub fn close(&mut self) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closing(Reason::Finished);
            self.outgoing = None;
        }
    }

    /// Ends the session because of something that is wrong with the transport's messages.
    pub(crate) fn refuse(&mut self, error: SessionError) -> Result<(), SessionError> {
        self.fail(Err(error))
    }

    fn fail(&mut self, result: Result<(), SessionError>) -> Result<(), SessionError> {
        if let Err(error) = &result {
            self.phase = match error {
                SessionError::Peer(_) => Phase::Closed,
                error => Phase::Closing(error.reason()),
            };
            // What was half taken in is nowhere; a block of ours that was open is not pinned any longer.
            self.incoming = Incoming::default();
            self.outgoing = None;
        }
        result
    }

    fn dispatch<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        message: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        self.check_core(core)?;
        if self.phase == Phase::Greeting {
            return self.greet(core, message, now);
        }
        let limit = self.config.limits.message_bytes;
        if message.len() > limit {
            return Err(SessionError::MessageTooLarge { size: message.len() as u64, limit });
        }
        let Some((&kind, body)) = message.split_first() else {
            return Err(Malformed("a message of one byte at least").into());
        };
        let kind = Kind::from_byte(kind).ok_or(Malformed("the kind of a message"))?;
        match (kind, &self.phase) {
            (Kind::Ping, _) => Ok(()),
            (Kind::Bye, _) => self.part(body),
            (Kind::Digest, Phase::Comparing) => self.compare(core, body),
            (_, Phase::Streaming) => self.stream(core, kind, body, now),
            _ => Err(SessionError::unexpected(kind)),
        }
    }

    fn check_core<R: Replicated>(&self, core: &Core<R>) -> Result<(), SessionError> {
        core.check_health().map_err(|_| SessionError::Poisoned)?;
        if core.discards() != self.discards {
            return Err(SessionError::Discarded);
        }
        // The peer would take what it does not know for a mistake of ours.
        let knows_of = |peer: &Open| self.sent.newest.max(peer.newest).max(peer.schema.version());
        match &self.peer {
            Some(peer) if core.has_deferred() && core.newest_schema() > knows_of(peer) => {
                Err(SessionError::NewerSchema)
            }
            _ => Ok(()),
        }
    }

    /// The messages that may come again and again.
    fn stream<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        kind: Kind,
        body: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        let limits = &self.config.limits;
        let brings_entries = matches!(kind, Kind::Items | Kind::Snapshot | Kind::Chunk);
        if brings_entries && !(self.config.receives() && self.peer_sends()) {
            return Err(SessionError::unexpected(kind));
        }
        match kind {
            Kind::Items => {
                let newest = self.peer.as_ref().map_or(0, |peer| peer.newest);
                let policy = ReceivePolicy::new(now.wall, if_unknown(&self.config, newest));
                self.incoming.items(core, self.outgoing.as_mut(), body, limits, &policy)
            }
            Kind::Synced => {
                self.is_synced = true;
                Ok(())
            }
            Kind::Ack => self.ack(core, body),
            Kind::Snapshot => {
                let origins = core.limits().origins;
                self.incoming.begin_snapshot(body, limits, origins)
            }
            Kind::Chunk => self.chunk(core, body, now),
            Kind::Declined => self.declined(core, body),
            Kind::Adopted => {
                let mut body = body;
                let version = take_version(&mut body, core.limits().origins)?;
                end(body)?;
                match &mut self.outgoing {
                    Some(outgoing) => outgoing.adopted(core, &version),
                    None => Err(SessionError::unexpected(kind)),
                }
            }
            Kind::StateDigest => self.check_state(core, body, now),
            Kind::Digest | Kind::Ping | Kind::Bye => Err(SessionError::unexpected(kind)),
        }
    }

    fn chunk<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        body: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        let role = if self.config.discard_ours { Role::Discards } else { Role::Keeps };
        let outcome = self.incoming.chunk(core, body, role, now)?;
        // If we gave up our state, it was for this session.
        self.discards = core.discards();
        match (outcome, &mut self.outgoing) {
            (Some(Outcome::Adopted(version)), Some(outgoing)) => {
                outgoing.confirm_version(core.entries(), &version);
            }
            // Each waits for the other's: neither will do.
            (Some(Outcome::Declined { .. }), Some(outgoing)) if outgoing.is_waiting() => {
                let ours = core.floor();
                return Err(SessionError::BothTrimmed { ours, theirs: VersionVector::new() });
            }
            _ => {}
        }
        Ok(())
    }

    fn declined<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        mut body: &[u8],
    ) -> Result<(), SessionError> {
        let floor = take_version(&mut body, core.limits().origins)?;
        let [has_seen_floor] = take(&mut body)?;
        end(body)?;
        let has_one_for_us =
            has_seen_floor == 1 && self.peer_sends() && !self.incoming.has_declined();
        match &mut self.outgoing {
            Some(outgoing) => outgoing.declined(core, floor, has_one_for_us),
            None => Err(SessionError::unexpected(Kind::Declined)),
        }
    }

    /// Takes in the peer's open.
    fn greet<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        message: &[u8],
        now: Now,
    ) -> Result<(), SessionError> {
        let open = open(message)?;
        self.check_peer(core, &open, now)?;
        core.note_schema(open.newest.max(open.schema.version()));
        let is_equal = open.version_hash == self.sent.version_hash;
        self.is_synced = is_equal || !open.sends || !self.config.receives();
        self.peer = Some(open);
        if is_equal {
            // The peer has what we had, whatever either has written since.
            self.phase = Phase::Streaming;
            self.outgoing = self.outgoing(self.sent.cursor.clone(), None, VersionVector::new());
        } else {
            self.phase = Phase::Comparing;
            self.announce(core)?;
        }
        Ok(())
    }

    /// Queues our digest.
    fn announce<R: Replicated>(&mut self, core: &Core<R>) -> Result<(), SessionError> {
        let version = core.version();
        let origins = version.iter().filter_map(|(id, _)| core.entries().origin(id));
        self.sent.announced = origins.collect();
        let mut digest = vec![Kind::Digest as u8];
        put_version(&mut digest, &version);
        put_version(&mut digest, &core.floor());
        let (size, limit) = (digest.len(), self.peer_limit());
        if size > limit {
            return Err(SessionError::TooLargeForPeer { size, limit });
        }
        self.first.push_back(digest);
        Ok(())
    }

    fn check_peer<R: Replicated>(
        &self,
        core: &Core<R>,
        open: &Open,
        now: Now,
    ) -> Result<(), SessionError> {
        if !open.schema.fits(&self.config.schema) {
            let (ours, theirs) = (self.config.schema.clone(), open.schema.clone());
            return Err(SessionError::Schema { ours, theirs });
        }
        if open.id == core.id() {
            return Err(SessionError::SameId { id: open.id });
        }
        // Compared with what our own open said, so that both sides come to the same answer, unless the
        // peer's open was long on its way; then it is our clock's present that counts.
        let drift = |ours: Time| ours.since(open.wall).max(open.wall.since(ours));
        if drift(self.sent.wall).min(drift(now.wall)) > self.config.clock_drift {
            let (ours, theirs) = (self.sent.wall, open.wall);
            return Err(SessionError::ClockDrift { ours, theirs });
        }
        if open.discards && self.config.discard_ours {
            return Err(SessionError::BothDiscard);
        }
        Ok(())
    }

    /// Takes in the peer's digest.
    fn compare<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        mut body: &[u8],
    ) -> Result<(), SessionError> {
        let limit = core.limits().origins;
        let theirs = take_version(&mut body, limit)?;
        let floor = take_version(&mut body, limit)?;
        end(body)?;
        core.check_id(&theirs);
        let own_floor = core.floor();
        let discards =
            self.config.discard_ours || self.peer.as_ref().is_some_and(|peer| peer.discards);
        let can_join = theirs.covers(&own_floor) || core.reduced().covers(&floor);
        if !can_join && !discards {
            return Err(SessionError::BothTrimmed { ours: own_floor, theirs: floor });
        }
        self.incoming = Incoming::new(theirs.iter().map(|(id, _)| id));
        let history = core.entries();
        // What the peer is about to give up it will lack, should it come back from somebody else.
        let (known, floor) = if can_join || self.config.discard_ours {
            (Frontier::new(history, &theirs), floor)
        } else {
            (Frontier::default(), VersionVector::new())
        };
        let reaches = history.reaches(&known);
        let cursor = Cursor::new(history, known);
        self.outgoing = self.outgoing(cursor, Some(history.end()), floor);
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
        let announced = &self.sent.announced;
        Some(Outgoing::new(cursor, announced, sync_at, floor, self.peer_limit(), max_block))
    }

    /// Bytes of the longest message that the peer takes.
    fn peer_limit(&self) -> usize {
        let limit = self.peer.as_ref().map_or(MAX_OPEN as u64, |peer| peer.max_message);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    fn peer_sends(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.sends)
    }

    /// Takes in what the peer has confirmed.
    fn ack<R: Replicated>(&mut self, core: &Core<R>, mut body: &[u8]) -> Result<(), SessionError> {
        let Some(outgoing) = &mut self.outgoing else {
            return Err(SessionError::unexpected(Kind::Ack));
        };
        while !body.is_empty() {
            let (place, seq) = (number(&mut body)?, seq(&mut body)?);
            let origin = outgoing.origin_at(place).ok_or(Malformed("an origin we have named"))?;
            outgoing.confirm(core.entries(), origin, seq);
        }
        Ok(())
    }

    fn part(&mut self, body: &[u8]) -> Result<(), SessionError> {
        match Reason::from_byte(*body.first().ok_or(Malformed("a reason"))?) {
            Reason::Finished => {
                self.phase = Phase::Closed;
                Ok(())
            }
            reason => Err(SessionError::Peer(reason)),
        }
    }

    // ---- what goes out ----

    /// Appends the next message to `out`, without a length. False if there is none now; `out` is
    /// unchanged then.
    ///
    /// # Errors
    ///
    /// When there is something that cannot be sent: see [`SessionError`]. The session is over then;
    /// another call has a last message for the peer.
    pub fn poll_message<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        let start = out.len();
        let result = self.next_message(core, now, out);
        if !matches!(result, Ok(true)) {
            out.truncate(start);
        }
        if result == Ok(true) {
            self.timers.last_sent = now.instant;
            self.timers.stalled.get_or_insert(now.instant);
        }
        match result {
            Ok(polled) => Ok(polled),
            Err(error) => self.fail(Err(error)).map(|()| false),
        }
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
                out.extend_from_slice(&[Kind::Bye as u8, reason as u8]);
                return Ok(true);
            }
            Phase::Greeting | Phase::Comparing => {}
            Phase::Streaming => {
                self.check_core(core)?;
                if self.poll_ack(core, out) || self.poll_outgoing(core, out)? {
                    return Ok(true);
                }
                if self.poll_state_digest(core, now, out)? {
                    return Ok(true);
                }
            }
        }
        if now.instant.saturating_duration_since(self.timers.last_sent) >= self.config.keep_alive {
            out.push(Kind::Ping as u8);
            return Ok(true);
        }
        Ok(false)
    }

    fn poll_ack<R: Replicated>(&mut self, core: &Core<R>, out: &mut Vec<u8>) -> bool {
        // Who does not send to us has no use for what we have.
        if !self.incoming.needs_ack() || !self.peer_sends() {
            return false;
        }
        if let Some(answer) = self.incoming.answer.take() {
            match answer {
                Answer::Adopted => {
                    out.push(Kind::Adopted as u8);
                    put_version(out, &core.version());
                }
                Answer::Declined { has_seen_floor } => {
                    out.push(Kind::Declined as u8);
                    put_version(out, &core.floor());
                    out.push(u8::from(has_seen_floor));
                }
            }
            return true;
        }
        out.push(Kind::Ack as u8);
        let start = out.len();
        for (place, origin) in self.incoming.take_unacked() {
            let seq = core.entries().last(origin);
            if seq > 0 {
                put_u64(out, place as u64);
                put_u64(out, seq);
            }
        }
        let has_any = out.len() > start;
        if !has_any {
            out.truncate(start - 1);
        }
        has_any
    }

    fn poll_outgoing<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        match &mut self.outgoing {
            Some(outgoing) => outgoing.poll(core, out),
            None => Ok(false),
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and then
    /// [`poll_message`](Self::poll_message), if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Closing(_) | Phase::Closed) {
            return None;
        }
        let Timers { last_sent, last_heard, stalled, greeting } = self.timers;
        let timeout = self.config.timeout;
        let has_to_greet = matches!(self.phase, Phase::Greeting | Phase::Comparing);
        // While the transport is busy with what it has, there is no use in giving it more.
        let is_free = stalled.is_none();
        [
            // A time that cannot be expressed never comes.
            last_sent.checked_add(self.config.keep_alive).filter(|_| is_free),
            last_heard.checked_add(timeout),
            stalled.and_then(|since| since.checked_add(timeout)),
            greeting.checked_add(timeout).filter(|_| has_to_greet),
            self.digests.due.filter(|_| is_free),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// The open that a conversation, or a file, begins with.
pub(crate) fn open(message: &[u8]) -> Result<Open, SessionError> {
    match check_opening(message) {
        Opening::Ours => Ok(Open::decode(message)?),
        Opening::OtherProtocol(theirs) => Err(SessionError::Protocol { ours: PROTOCOL, theirs }),
        Opening::Short | Opening::Foreign => {
            Err(SessionError::NotRepred { start: message[..message.len().min(16)].to_vec() })
        }
    }
}
