//! [`ReplicaEndpoint`]: a replica's end of a conversation.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use super::{
    health::{ProblemKind, text_of},
    replica::Replica,
    shared::{Inner, Key, Shared},
};
use crate::{
    core::{Core, ReceiveError},
    endpoint::{Endpoint, EndpointError},
    id::ReplicaId,
    log_position::LogPosition,
    protocol::{FrameError, Framing, Malformed, Message, Reason, Speaker},
    reduce::Replicated,
    session::{Direction, PeerIdentity, Role, Session, SessionConfig, SessionError, WriteProgress},
    time::{Monotonic, Now},
    unavailable::Unavailable,
};

/// Bytes at which one write is large enough: it carries thousands of updates.
const FULL: usize = 64 << 10;

/// Bytes of messages that are pending at most: as many as may wait for one sync of the disk.
const MOST_PENDING: usize = 1 << 20;

impl<R: Replicated> Replica<R> {
    /// This replica's end of a conversation, for a program that moves the bytes itself, or shares one transport between
    /// several conversations. [`connect`](Self::connect) is this and a [`Connection`](crate::Connection), which moves
    /// the bytes.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// use repred::{Counter, Replica, net::{Clock, SystemClock}, sans_io::{Endpoint, Framing}};
    ///
    /// let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    /// here.update(3)?;
    /// let mut ends = [here.endpoint(Framing::Messages), there.endpoint(Framing::Messages)];
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let mut quiet = 0;
    /// while quiet < 2 {
    ///     let mut message = Vec::new();
    ///     quiet += 1;
    ///     if let Poll::Ready(sent) = ends[0].poll_bytes(&mut cx, SystemClock.now(), &mut message) {
    ///         sent?;
    ///         ends[1].handle_bytes(&message, SystemClock.now())?;
    ///         quiet = 0;
    ///     }
    ///     ends.reverse();
    /// }
    /// assert_eq!(there.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn endpoint(&self, framing: Framing) -> ReplicaEndpoint<R> {
        ReplicaEndpoint::new(self.shared(), framing)
    }
}

/// A replica's end of a conversation; see [`Replica::endpoint`].
///
/// It locks the replica for each call. Nothing that it says leaves before the journal, if there is one, has
/// everything that the replica had when it was said: so no peer ever knows more of a replica than the replica itself
/// does after a crash. Dropping it cuts the conversation, which harms neither side.
pub struct ReplicaEndpoint<R: Replicated> {
    /// Weak, so that a connection does not keep a replica alive that nobody holds any more.
    shared: Weak<Shared<R>>,
    alive: Arc<()>,
    /// `None` where this was made inside `read` or `reduce`: it is registered when it is used.
    key: Option<Key>,
    config: SessionConfig,
    framing: Framing,
    /// Messages that may go only when everything that they depend on is durable.
    pending: Pending,
    /// What may go to the peer now.
    ready: VecDeque<Vec<u8>>,
    /// Whether anything that was pending has gone: the peer knows who we are.
    has_opened: bool,
    /// Whether the session has failed, and has a last message that says why.
    has_failed: bool,
    is_closed: bool,
    /// Whether the peer has said that it is done.
    is_closed_by_peer: bool,
    /// Kept for its memory.
    message: Vec<u8>,
}

/// A replica, and the key of a conversation in it.
type Registered<R> = (Arc<Shared<R>>, Key);

/// Messages that depend on updates which may not be durable yet.
#[derive(Default)]
struct Pending {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    /// When the journal has everything up to here, they may go.
    position: LogPosition,
}

impl<R: Replicated> ReplicaEndpoint<R> {
    fn new(shared: &Arc<Shared<R>>, framing: Framing) -> Self {
        let alive = Arc::new(());
        let key = shared.with(|inner| inner.link(&alive)).ok();
        Self {
            alive,
            shared: Arc::downgrade(shared),
            key,
            config: shared.config.clone(),
            framing,
            pending: Pending::default(),
            ready: VecDeque::new(),
            has_opened: false,
            has_failed: false,
            is_closed: false,
            is_closed_by_peer: false,
            message: Vec::new(),
        }
    }

    /// Receives what the peer has, and sends nothing of ours.
    #[must_use]
    pub fn receive_only(mut self) -> Self {
        self.config.direction = Direction::ReceiveOnly;
        self
    }

    /// Sends what we have, and receives nothing of the peer's.
    #[must_use]
    pub fn send_only(mut self) -> Self {
        self.config.direction = Direction::SendOnly;
        self
    }

    /// Rejoins with the peer; see [`Connection::rejoin`](crate::Connection::rejoin).
    #[must_use]
    pub fn rejoin(mut self) -> Self {
        self.config.rejoin = self.shared.upgrade().map(|shared| shared.platform.random_id());
        self
    }

    /// Refuses a peer that is not the replica of this id: the transport knows who it is.
    #[must_use]
    pub fn authenticated_as(mut self, peer: ReplicaId) -> Self {
        self.config.identity = PeerIdentity::Authenticated(peer);
        self
    }

    /// Says nothing before the peer has said who it is.
    #[must_use]
    pub fn listening(mut self) -> Self {
        self.config.role = Role::Listens;
        self
    }

    /// Gives up our state for the peer's if the two histories cannot be joined, instead of failing with
    /// [`SessionError::BothTrimmed`]. What the peer has not seen of ours is lost here.
    #[must_use]
    pub fn discard_ours(mut self) -> Self {
        self.config.discard_ours = true;
        self
    }

    /// The replica, if anybody still holds it, and the key of this conversation in it.
    fn replica(&mut self) -> Result<Option<Registered<R>>, EndpointError> {
        let Some(shared) = self.shared.upgrade().filter(|_| !self.is_closed()) else {
            return Ok(None);
        };
        let key = match self.key {
            Some(key) => key,
            None => shared.with(|inner| inner.link(&self.alive))?,
        };
        self.key = Some(key);
        Ok(Some((shared, key)))
    }

    fn note_failure<T>(&mut self, result: Result<T, EndpointError>) -> Result<T, EndpointError> {
        if let Err(EndpointError::Session(error)) = &result {
            self.has_failed = true;
            if let (Some(shared), Some(key)) = (self.shared.upgrade(), self.key) {
                // Nobody holds the lock here, since the session has just been used under it.
                let _ = shared.with(|inner| note_refusal(inner, key, error, shared.now()));
            }
        }
        result
    }

    /// Does something with the session, if there is one.
    fn with_session<T>(
        &self,
        act: impl FnOnce(&mut Session) -> T,
    ) -> Result<Option<T>, EndpointError> {
        let (Some(shared), Some(key)) = (self.shared.upgrade(), self.key) else {
            return Ok(None);
        };
        Ok(shared.with(|inner| inner.session(key).map(act))?)
    }

    /// Takes messages from the session as long as `push` wants more; with none left, asks to be woken. Returns where
    /// the log stood then.
    fn poll_session(
        &mut self,
        shared: &Shared<R>,
        key: Key,
        cx: &Context<'_>,
        now: Now,
        mut push: impl FnMut(&mut Self, &[u8]) -> bool,
    ) -> Result<LogPosition, EndpointError> {
        let mut message = std::mem::take(&mut self.message);
        let polled = shared.with(|inner| {
            if inner.is_closing {
                inner.wake_on_change(key, cx.waker());
                return Ok(inner.core.log_position());
            }
            shared.check_writable(inner).map_err(EndpointError::ReadOnly)?;
            begin(inner, key, &self.config, now);
            let before = inner.core.log_position();
            let mut polled = Ok(());
            while let Some((core, session)) = inner.core_and_session(key) {
                message.clear();
                match poll(core, session, now, &mut message) {
                    Ok(true) if push(self, &message) => continue,
                    Ok(true) => {}
                    Ok(false) => inner.wake_on_change(key, cx.waker()),
                    Err(error) => polled = Err(error),
                }
                break;
            }
            // What was too early may have been received.
            if inner.core.log_position() != before {
                inner.notify_change();
            }
            polled?;
            Ok(inner.core.log_position())
        });
        self.message = message;
        self.note_failure(polled?)
    }

    /// Polls the session into `pending`, and moves that to `ready` once the journal is durable up to its position.
    fn poll_journaled(
        &mut self,
        shared: &Shared<R>,
        key: Key,
        cx: &mut Context<'_>,
        now: Now,
    ) -> Result<(), EndpointError> {
        let Some(log_writer) = &shared.log_writer else { return Ok(()) };
        // The session is asked for more only when these have gone: later messages rest on more of the journal, so the
        // whole queue would wait for the latest position.
        if self.pending.messages.is_empty() {
            self.pending.position = self.poll_session(shared, key, cx, now, |this, message| {
                this.pending.bytes += message.len();
                this.pending.messages.push_back(message.to_vec());
                this.pending.bytes < MOST_PENDING
            })?;
        }
        if !self.pending.messages.is_empty()
            && log_writer
                .poll_durable(self.pending.position, cx)
                .map_err(EndpointError::Journal)?
                .is_ready()
        {
            self.has_opened = true;
            self.ready = std::mem::take(&mut self.pending).messages;
        }
        Ok(())
    }

    /// Says that we are done, where nobody holds the replica any more, to a peer that knows who we are.
    fn say_goodbye(&mut self) {
        if self.has_opened && !self.has_failed && !self.is_closed_by_peer {
            let mut bye = Vec::new();
            Message::Bye(Reason::Finished).encode(&mut bye);
            self.ready.push_back(bye);
        }
    }

    /// Appends messages that are ready. Returns whether there is no room for more.
    fn put_ready(&mut self, out: &mut Vec<u8>) -> bool {
        while !is_full(self.framing, out) {
            let Some(message) = self.ready.pop_front() else { return false };
            self.framing.put(out, &message);
        }
        true
    }
}

/// Whether the journal, if there is one, has everything up to a position.
fn has_all<R: Replicated>(shared: &Shared<R>, position: LogPosition) -> bool {
    let cx = Context::from_waker(Waker::noop());
    let Some(log_writer) = &shared.log_writer else { return true };
    matches!(log_writer.poll_durable(position, &cx), Poll::Ready(Ok(())))
}

/// Whether there is enough for one write.
fn is_full(framing: Framing, out: &[u8]) -> bool {
    match framing {
        Framing::Stream => out.len() >= FULL,
        Framing::Messages => !out.is_empty(),
    }
}

impl<R: Replicated> Endpoint for ReplicaEndpoint<R> {
    fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Result<usize, EndpointError> {
        let Some((shared, key)) = self.replica()? else { return Ok(bytes.len()) };
        let (config, framing) = (&self.config, self.framing);
        let received = shared.with(|inner| {
            if inner.is_closing {
                return Ok((bytes.len(), false));
            }
            shared.check_writable(inner).map_err(EndpointError::ReadOnly)?;
            let before = inner.core.log_position();
            let was_synced = inner.is_synced(key);
            let new_id = || shared.platform.random_id();
            begin(inner, key, config, now);
            let received = receive(inner, key, framing, bytes, now, new_id);
            let has_turned = inner.is_synced(key) != was_synced;
            if has_turned {
                inner.record_peer(key, now.wall);
            }
            if has_turned || inner.core.log_position() != before {
                inner.notify_change();
                inner.look(now);
            }
            inner.note_clocks(key, now);
            if received.is_ok() && !inner.monitor.is_good() {
                inner.note_fine(key, now);
            }
            inner.notify_ack();
            Ok(received?)
        })?;
        let (consumed, is_closed) = self.note_failure(received)?;
        self.is_closed = is_closed;
        self.is_closed_by_peer = is_closed;
        Ok(consumed)
    }

    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Poll<Result<(), EndpointError>> {
        let start = out.len();
        if !self.put_ready(out)
            && let Some((shared, key)) = self.replica()?
        {
            if shared.log_writer.is_some() {
                self.poll_journaled(&shared, key, cx, now)?;
                self.put_ready(out);
            } else {
                self.poll_session(&shared, key, cx, now, |this, message| {
                    this.has_opened = true;
                    this.framing.put(out, message);
                    !is_full(this.framing, out)
                })?;
            }
        }
        if out.len() > start { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn handle_sent(&mut self, progress: WriteProgress, now: Now) -> Result<(), EndpointError> {
        self.with_session(|session| session.handle_sent(progress, now)).map(drop)
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        self.with_session(|session| session.poll_timeout()).ok()??
    }

    fn handle_timeout(&mut self, now: Now) -> Result<(), EndpointError> {
        let handled = self.with_session(|session| session.handle_timeout(now))?;
        self.note_failure(handled.unwrap_or(Ok(())).map_err(EndpointError::Session))
    }

    /// Only after the peer has said that it is done, and then the conversation is over anyway: a stream that ends before
    /// was cut.
    fn may_end(&self) -> bool {
        self.is_closed_by_peer
    }

    /// Takes the last words from the session, and leaves the replica.
    fn close(&mut self, now: Now) {
        self.is_closed = true;
        let pending = std::mem::take(&mut self.pending);
        let Some(shared) = self.shared.upgrade() else { return self.say_goodbye() };
        let Some(key) = self.key.take() else { return };
        // Whether there is a last word: why it has failed, or that we are done.
        let is_done = shared.is_closed() && !self.has_failed && !self.is_closed_by_peer;
        if is_done && has_all(&shared, pending.position) {
            self.has_opened |= !pending.messages.is_empty();
            self.ready.extend(pending.messages);
        }
        let Self { ready, message, has_opened, has_failed, config, .. } = self;
        // If this thread holds the lock already, the next `sweep` unlinks the conversation.
        let _ = shared.with(|inner| {
            if is_done {
                begin(inner, key, config, now);
                inner.session(key).map(Session::close);
            }
            // Other messages may rest on what the journal does not have. Then only the last one goes, and only to a peer
            // that knows who we are.
            let may_say_all = has_all(&shared, inner.core.log_position());
            let has_last = is_done || *has_failed;
            if let Some((core, session)) = inner.core_and_session(key).filter(|_| has_last) {
                while {
                    message.clear();
                    session.poll_message(core, now, message) == Ok(true)
                } {
                    if may_say_all || *has_opened && session.is_closed() {
                        ready.push_back(std::mem::take(message));
                    }
                }
            }
            inner.unlink(key);
            inner.notify_change();
        });
    }

    fn is_closed(&self) -> bool {
        self.is_closed || self.shared.upgrade().is_none_or(|shared| shared.is_closed())
    }

    fn is_closed_by_peer(&self) -> bool {
        self.is_closed_by_peer
    }
}

/// Takes the next message from a session, which may also receive what has waited for its time.
fn poll<R: Replicated>(
    core: &mut Core<R>,
    session: &mut Session,
    now: Now,
    message: &mut Vec<u8>,
) -> Result<bool, SessionError> {
    // A panic of `reduce` must not reach the executor: the core is poisoned by it, and the error says so.
    let polled = catch_unwind(AssertUnwindSafe(|| session.poll_message(core, now, message)));
    polled.unwrap_or_else(|_| {
        session.refuse(SessionError::Unavailable(Unavailable::Poisoned)).map(|()| false)
    })
}

/// Begins the session if it has not.
fn begin<R: Replicated>(inner: &mut Inner<R>, key: Key, config: &SessionConfig, now: Now) {
    let Inner { core, links, .. } = inner;
    if let Some(link) = links.get_mut(&key).filter(|link| link.session.is_none()) {
        link.session = Some(Session::new(config.clone(), core, now));
        inner.note_polled(now);
    }
}

/// Raises the problem that a session's error shows, if it shows one.
fn note_refusal<R: Replicated>(inner: &mut Inner<R>, key: Key, error: &SessionError, now: Now) {
    let peer = inner.session(key).and_then(|session| session.peer());
    if let Some(fork) = error.fork() {
        return inner.raise(ProblemKind::Forked { origin: fork.origin, seq: fork.seq }, now);
    }
    let kind = match error {
        // A peer that goes away, for whatever reason, is not wrong about anything.
        SessionError::Silent { .. }
        | SessionError::Stalled { .. }
        | SessionError::Discarded
        | SessionError::NewerSchema
        | SessionError::LeftOut
        | SessionError::Unavailable(_)
        | SessionError::Peer(Reason::Finished | Reason::TimedOut) => return,
        SessionError::Diverged { .. } | SessionError::Peer(Reason::Diverged) => {
            ProblemKind::Diverged { peer }
        }
        SessionError::Receive(ReceiveError::TooFarAhead { stamp, .. }) => {
            let by = stamp.time.since(now.wall);
            ProblemKind::ClockAhead { whose: Some(stamp.origin()), by }
        }
        SessionError::Peer(Reason::Forked { dot }) => {
            ProblemKind::Forked { origin: dot.origin, seq: dot.seq }
        }
        SessionError::Peer(reason) => ProblemKind::RefusedByPeer { peer, reason: *reason },
        error => ProblemKind::PeerRefused { peer, error: text_of(error) },
    };
    inner.raise(kind, now);
}

/// Gives the session the messages that are whole. Returns how many bytes they take, and whether the session has
/// ended well.
fn receive<R: Replicated>(
    inner: &mut Inner<R>,
    key: Key,
    framing: Framing,
    bytes: &[u8],
    now: Now,
    new_id: impl Fn() -> ReplicaId,
) -> Result<(usize, bool), SessionError> {
    let Some((core, session)) = inner.core_and_session(key) else {
        return Ok((bytes.len(), true));
    };
    // Before any message is cut out: a stranger's bytes have no length that could be trusted.
    if session.peer().is_none() && Speaker::of(framing.begun(bytes)) == Speaker::Foreign {
        session.refuse(foreign(bytes))?;
    }
    let mut rest = bytes;
    loop {
        let limit = session.message_limit();
        let frame = match framing.split(rest, limit) {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                let error = match error {
                    _ if session.peer().is_none() => foreign(rest),
                    FrameError::TooLarge { size } => SessionError::MessageTooLarge { size, limit },
                    FrameError::Malformed(Malformed(expected)) => {
                        SessionError::Malformed { expected }
                    }
                };
                session.refuse(error)?;
                break;
            }
        };
        // A panic of `reduce` must not reach the executor: the core is poisoned by it, and the error says so.
        let handled =
            catch_unwind(AssertUnwindSafe(|| session.handle_message(core, frame.message, now)));
        handled
            .unwrap_or_else(|_| session.refuse(SessionError::Unavailable(Unavailable::Poisoned)))?;
        // Before the next message: the same buffer may hold updates under our old id, which must then count as
        // another replica's.
        if core.needs_new_id() {
            core.set_id(new_id());
        }
        rest = &rest[frame.size..];
        if framing == Framing::Messages {
            break;
        }
    }
    Ok((bytes.len() - rest.len(), session.is_closed()))
}

fn foreign(bytes: &[u8]) -> SessionError {
    SessionError::NotRepred { start: bytes[..bytes.len().min(16)].to_vec() }
}

impl<R: Replicated> Drop for ReplicaEndpoint<R> {
    fn drop(&mut self) {
        if let (Some(shared), Some(key)) = (self.shared.upgrade(), self.key) {
            let _ = shared.with(|inner| {
                if inner.unlink(key) {
                    inner.notify_change();
                }
            });
        }
    }
}

impl<R: Replicated> fmt::Debug for ReplicaEndpoint<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaEndpoint").field("key", &self.key).finish_non_exhaustive()
    }
}
