//! [`Connection`]: the future that runs a session over a transport.

use std::{
    fmt,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use super::{
    platform::Platform,
    replica::Replica,
    shared::{Inner, Key, Reentrant, Shared},
    timer::Sleep,
    transport::{Transport, TransportError},
};
use crate::{
    core::UpdateError,
    id::ReplicaId,
    log_position::LogPosition,
    protocol::FrameError,
    protocol::{Malformed, Speaker},
    receipt::NotDurable,
    reduce::Replicated,
    session::{Direction, Sending, Session, SessionConfig, SessionError},
    time::{Monotonic, Now},
};

/// How often a connection reads and writes before it lets other tasks of its executor have a turn.
const ROUNDS: usize = 32;

/// How long a connection that has failed tries to tell the peer why.
const LINGER: Duration = Duration::from_secs(1);

/// A conversation with one peer over one transport; see [`Replica::connect`].
///
/// It resolves to `Ok` when the peer ends the connection, and to an error when anything else does; see
/// [`ConnectionError`]. It must be polled to do anything. Dropping it cuts the connection, which harms
/// neither side.
#[must_use = "a connection does nothing unless it is spawned or awaited"]
pub struct Connection<R: Replicated, T: Transport> {
    /// Weak, so that a connection does not keep a replica alive that nobody holds any more.
    shared: Weak<Shared<R>>,
    alive: Arc<()>,
    key: Key,
    platform: Platform,
    config: SessionConfig,
    transport: T,
    /// What the peer may only get when the journal has what it tells of.
    pending: Pending,
    /// Whether anything that was pending has gone: the peer knows who we are.
    has_opened: bool,
    alarm: Alarm,
    message: Vec<u8>,
    end: Option<End>,
}

/// Messages that tell of what the journal may not have yet.
#[derive(Default)]
struct Pending {
    messages: Vec<Vec<u8>>,
    bytes: usize,
    /// When the journal has everything up to here, they may go.
    position: LogPosition,
}

/// Bytes of messages that are pending at most: as many as may wait for one sync of the disk.
const MOST_PENDING: usize = 1 << 20;

/// The connection is over, except for the lingering close.
struct End {
    result: Option<Result<(), ConnectionError>>,
    deadline: Option<Monotonic>,
    is_closed: bool,
}

/// Wakes the task at a deadline.
#[derive(Default)]
struct Alarm {
    sleep: Option<Sleep>,
    /// When that ends.
    armed: Option<Monotonic>,
}

/// What a round of reading and writing has come to.
enum Round {
    /// Something moved; more may.
    Moved,
    /// Nothing can move until somebody wakes us.
    Idle,
    Over(Result<(), ConnectionError>),
}

impl<R: Replicated, T: Transport> Connection<R, T> {
    pub(super) fn new(replica: &Replica<R>, transport: T) -> Self {
        let shared = replica.shared();
        let alive = Arc::new(());
        let registered = shared.with(|inner| inner.link(&alive));
        Self {
            alive,
            shared: Arc::downgrade(shared),
            // Called from inside `read` or `reduce`: it is registered when it is polled.
            key: registered.unwrap_or(0),
            platform: shared.platform.clone(),
            config: shared.config.clone(),
            transport,
            pending: Pending::default(),
            has_opened: false,
            alarm: Alarm::default(),
            message: Vec::new(),
            end: None,
        }
    }

    /// Take in what the peer has, and send nothing of ours.
    pub fn receive_only(mut self) -> Self {
        self.config.direction = Direction::ReceiveOnly;
        self
    }

    /// Send what we have, and take in nothing of the peer's.
    pub fn send_only(mut self) -> Self {
        self.config.direction = Direction::SendOnly;
        self
    }

    /// Give up our state for the peer's if the two histories cannot be joined, instead of failing with
    /// [`SessionError::BothTrimmed`]. What the peer has not seen of ours is lost here.
    pub fn discard_ours(mut self) -> Self {
        self.config.discard_ours = true;
        self
    }

    fn round(&mut self, shared: &Shared<R>, cx: &mut Context<'_>) -> Round {
        let moved_in = match self.read(shared, cx) {
            Ok(moved) => moved,
            Err(result) => return Round::Over(result),
        };
        match self.write(shared, cx) {
            Ok(moved_out) if moved_in || moved_out => Round::Moved,
            Ok(_) => Round::Idle,
            Err(error) => Round::Over(Err(error)),
        }
    }

    /// Reads once, and takes in what came. An `Err` is the end, which may be a good one.
    fn read(
        &mut self,
        shared: &Shared<R>,
        cx: &mut Context<'_>,
    ) -> Result<bool, Result<(), ConnectionError>> {
        let Poll::Ready(filled) = self.transport.poll_read(cx) else {
            return Ok(false);
        };
        if !filled.map_err(|error| Err(error.into()))? {
            return Err(self.stream_ended(shared));
        }
        let now = shared.now();
        let (key, config, transport) = (self.key, &self.config, &mut self.transport);
        let taken = shared.with(|inner| {
            let before = inner.core.log_position();
            let was_synced = is_synced(inner, key);
            let result = receive(inner, key, config, transport, now);
            let has_turned = is_synced(inner, key) != was_synced;
            if has_turned {
                inner.record_peer(key, now.wall);
            }
            if has_turned || inner.core.log_position() != before {
                inner.notify_change();
            }
            inner.notify_ack();
            result
        });
        match taken {
            Err(Reentrant) => Err(Err(ConnectionError::Reentrant)),
            Ok(Ok(false)) => Ok(true),
            Ok(Ok(true)) => Err(Ok(())),
            Ok(Err(error)) => Err(Err(ConnectionError::Session(error))),
        }
    }

    /// The stream has ended: well, if the peer had introduced itself and was not in a message.
    fn stream_ended(&self, shared: &Shared<R>) -> Result<(), ConnectionError> {
        let has_met = shared.with(|inner| peer(inner, self.key).is_some()).unwrap_or(false);
        if has_met && self.transport.rest().is_empty() {
            Ok(())
        } else {
            Err(ConnectionError::Io(io::ErrorKind::UnexpectedEof.into()))
        }
    }

    /// Asks the session for messages, and writes.
    fn write(&mut self, shared: &Shared<R>, cx: &mut Context<'_>) -> Result<bool, ConnectionError> {
        let now = shared.now();
        if self.transport.has_room() {
            self.fill(shared, cx, now)?;
        }
        if self.transport.is_empty() {
            return Ok(false);
        }
        let sending = match self.transport.poll_write(cx)? {
            Poll::Pending => return Ok(false),
            Poll::Ready(true) => Sending::More,
            Poll::Ready(false) => Sending::Done,
        };
        let key = self.key;
        let sent = shared.with(|inner| {
            if let Some(session) = session(inner, key) {
                session.handle_sent(sending, now);
            }
        });
        sent.map_err(|Reentrant| ConnectionError::Reentrant)?;
        Ok(true)
    }

    /// Takes messages from the session while there is room; with none left, asks to be woken.
    fn fill(
        &mut self,
        shared: &Shared<R>,
        cx: &mut Context<'_>,
        now: Now,
    ) -> Result<(), ConnectionError> {
        let Some(log_writer) = &shared.log_writer else {
            let transport = &mut self.transport;
            let (key, config, message) = (self.key, &self.config, &mut self.message);
            return poll_session(shared, cx, key, config, now, message, |message| {
                transport.push(message);
                transport.has_room()
            })
            .map(drop);
        };
        // What waits goes first, and alone: what comes after it tells of more.
        if self.pending.messages.is_empty() {
            let Self { key, config, pending, message, .. } = self;
            pending.position = poll_session(shared, cx, *key, config, now, message, |message| {
                pending.bytes += message.len();
                pending.messages.push(message.to_vec());
                pending.bytes < MOST_PENDING
            })?;
        }
        if !self.pending.messages.is_empty()
            && log_writer
                .poll_durable(self.pending.position, cx)
                .map_err(ConnectionError::Journal)?
                .is_ready()
        {
            self.has_opened = true;
            let Pending { messages, .. } = std::mem::take(&mut self.pending);
            messages.iter().for_each(|message| self.transport.push(message));
        }
        Ok(())
    }

    /// Arms the timer for the session. True if it is due.
    fn is_due(&mut self, shared: &Shared<R>, cx: &mut Context<'_>) -> bool {
        let deadline = shared.with(|inner| session(inner, self.key).and_then(|s| s.poll_timeout()));
        match deadline {
            Ok(Some(deadline)) => self.alarm.poll(&self.platform, deadline, cx),
            _ => false,
        }
    }

    fn handle_timeout(&mut self, shared: &Shared<R>) -> Result<(), ConnectionError> {
        let (key, now) = (self.key, shared.now());
        let handled = shared.with(|inner| match session(inner, key) {
            Some(session) => session.handle_timeout(now),
            None => Ok(()),
        });
        handled.map_err(|Reentrant| ConnectionError::Reentrant)?.map_err(ConnectionError::Session)
    }

    fn run(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let Some(shared) = self.shared.upgrade() else {
            return Poll::Ready(Ok(()));
        };
        if self.key == 0 {
            match shared.with(|inner| inner.link(&self.alive)) {
                Ok(key) => self.key = key,
                Err(Reentrant) => return Poll::Ready(Err(ConnectionError::Reentrant)),
            }
        }
        if shared.log_writer.is_some()
            && let Ok(Err(error)) = shared.with(|inner| shared.check_writable(inner))
        {
            return Poll::Ready(Err(ConnectionError::ReadOnly(error)));
        }
        for _ in 0..ROUNDS {
            match self.round(&shared, cx) {
                Round::Moved => {}
                Round::Over(result) => return Poll::Ready(result),
                Round::Idle if self.is_due(&shared, cx) => self.handle_timeout(&shared)?,
                Round::Idle => {
                    self.transport.shrink();
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends what is left, with the reason why it is over, and waits for the peer to close: if we closed
    /// with something unread, its system might throw the reason away.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(end) = &mut self.end else {
            return Poll::Ready(());
        };
        if let Some(deadline) = end.deadline
            && self.alarm.poll(&self.platform, deadline, cx)
        {
            return Poll::Ready(());
        }
        while !end.is_closed {
            match self.transport.poll_write(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(false)) => match self.transport.poll_close(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(())) => end.is_closed = true,
                },
            }
        }
        for _ in 0..ROUNDS {
            match self.transport.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                // What comes now is nobody's.
                Poll::Ready(Ok(true)) => self.transport.discard(),
                Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(()),
            }
        }
        // A peer that goes on and on has had its chance to hear.
        Poll::Ready(())
    }

    /// Takes the last message from the session, and leaves the replica.
    fn close(&mut self, result: Result<(), ConnectionError>) {
        let Self { key, message, transport, has_opened, .. } = self;
        if let Some(shared) = self.shared.upgrade() {
            let now = shared.now();
            let _ = shared.with(|inner| {
                let Inner { core, links, .. } = inner;
                let session = links.get_mut(key).and_then(|link| link.session.as_mut());
                if let (Some(session), Err(ConnectionError::Session(_))) = (session, &result) {
                    // What is left may tell of what the journal does not have: only the reason goes then, to
                    // who knows from whom.
                    while {
                        message.clear();
                        session.poll_message(core, now, message) == Ok(true)
                    } {
                        if shared.log_writer.is_none() || *has_opened && session.is_closed() {
                            transport.push(message);
                        }
                    }
                }
                inner.unlink(*key);
                inner.notify_change();
            });
        }
        let deadline = self.platform.clock.monotonic().checked_add(LINGER);
        self.end = Some(End { result: Some(result), deadline, is_closed: false });
    }
}

/// Takes messages from a session as long as `push` wants more; with none left, asks to be woken. Returns where
/// the replica stood then.
fn poll_session<R: Replicated>(
    shared: &Shared<R>,
    cx: &Context<'_>,
    key: Key,
    config: &SessionConfig,
    now: Now,
    message: &mut Vec<u8>,
    mut push: impl FnMut(&[u8]) -> bool,
) -> Result<LogPosition, ConnectionError> {
    let polled = shared.with(|inner| {
        begin(inner, key, config, now);
        loop {
            let Inner { core, links, .. } = inner;
            let link = links.get_mut(&key).and_then(|link| link.session.as_mut());
            let Some(session) = link else { break };
            message.clear();
            if !session.poll_message(core, now, message)? {
                inner.wake_on_change(key, cx.waker());
                break;
            }
            if !push(message) {
                break;
            }
        }
        Ok(inner.core.log_position())
    });
    polled.map_err(|Reentrant| ConnectionError::Reentrant)?.map_err(ConnectionError::Session)
}

fn session<R: Replicated>(inner: &mut Inner<R>, key: Key) -> Option<&mut Session> {
    inner.links.get_mut(&key).and_then(|link| link.session.as_mut())
}

fn peer<R: Replicated>(inner: &Inner<R>, key: Key) -> Option<ReplicaId> {
    inner.links.get(&key)?.session.as_ref()?.peer()
}

fn is_synced<R: Replicated>(inner: &Inner<R>, key: Key) -> bool {
    let link = inner.links.get(&key);
    link.is_some_and(|link| link.session.as_ref().is_some_and(Session::is_synced))
}

/// Begins the session if it has not.
fn begin<R: Replicated>(inner: &mut Inner<R>, key: Key, config: &SessionConfig, now: Now) {
    let Inner { core, links, .. } = inner;
    if let Some(link) = links.get_mut(&key) {
        link.session.get_or_insert_with(|| Session::new(config.clone(), core, now));
    }
}

/// Takes in the messages that were read. True if the session has ended well.
fn receive<R: Replicated, T: Transport>(
    inner: &mut Inner<R>,
    key: Key,
    config: &SessionConfig,
    transport: &mut T,
    now: Now,
) -> Result<bool, SessionError> {
    begin(inner, key, config, now);
    let Inner { core, links, platform, .. } = inner;
    let Some(session) = links.get_mut(&key).and_then(|link| link.session.as_mut()) else {
        return Ok(true);
    };
    // Before any message is cut out: what is no message has no length either.
    if session.peer().is_none() && Speaker::of(transport.partial()) == Speaker::Foreign {
        return session.refuse(foreign(transport.rest())).map(|()| false);
    }
    loop {
        let limit = session.message_limit();
        let has_met = session.peer().is_some();
        let message = match transport.next(limit) {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(_) if !has_met => return session.refuse(foreign(transport.rest())).map(|()| false),
            Err(FrameError::TooLarge { size }) => {
                let error = SessionError::MessageTooLarge { size, limit };
                return session.refuse(error).map(|()| false);
            }
            Err(FrameError::Malformed(Malformed(expected))) => {
                return session.refuse(SessionError::Malformed { expected }).map(|()| false);
            }
        };
        // A panic of `reduce` is not the driver's: the core is poisoned, and that is what is told.
        let handled = catch_unwind(AssertUnwindSafe(|| session.handle_message(core, message, now)));
        handled.unwrap_or_else(|_| session.refuse(SessionError::Poisoned))?;
        // At once: our updates under the old id may follow in the same breath, and are the peer's now.
        if core.needs_new_id() {
            core.set_id(platform.random_id());
        }
    }
    Ok(session.is_closed())
}

fn foreign(bytes: &[u8]) -> SessionError {
    SessionError::NotRepred { start: bytes[..bytes.len().min(16)].to_vec() }
}

impl Alarm {
    /// Whether the deadline has come; if not, the task is woken then, or earlier.
    fn poll(&mut self, platform: &Platform, deadline: Monotonic, cx: &mut Context<'_>) -> bool {
        loop {
            let now = platform.clock.monotonic();
            if now >= deadline {
                self.armed = None;
                return true;
            }
            // A timer that is early costs one more poll; a new one at each deadline costs a lock and an allocation.
            if self.armed.is_none_or(|armed| armed > deadline || armed <= now) {
                self.sleep = Some(platform.timer.sleep(deadline.since(now)));
                self.armed = Some(deadline);
            }
            let Some(sleep) = &mut self.sleep else {
                return false;
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            self.armed = None;
        }
    }
}

impl<R: Replicated, T: Transport> Future for Connection<R, T> {
    type Output = Result<(), ConnectionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.end.is_none() {
            match this.run(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => this.close(result),
            }
        }
        match this.poll_linger(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let result = this.end.as_mut().and_then(|end| end.result.take());
                Poll::Ready(result.unwrap_or(Ok(())))
            }
        }
    }
}

impl<R: Replicated, T: Transport> Drop for Connection<R, T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let _ = shared.with(|inner| {
                if inner.unlink(self.key) {
                    inner.notify_change();
                }
            });
        }
    }
}

impl<R: Replicated, T: Transport> fmt::Debug for Connection<R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Why a connection ended otherwise than by the peer's closing it. The replica holds everything that was
/// taken in before, is otherwise unchanged, and goes on; so do its other connections.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The byte stream failed, or ended in the middle of a message. Connect again.
    Io(io::Error),
    /// The stream or sink of messages failed. Connect again.
    Transport(Box<dyn std::error::Error + Send + Sync>),
    /// The two sides do not get along; the error says what to do.
    Session(SessionError),
    /// Our journal takes nothing, now or for good, so neither can we.
    ReadOnly(UpdateError),
    /// Our journal has not taken what the peer was to be told of.
    Journal(NotDurable),
    /// The connection was polled from inside its own replica's `reduce` or `read`.
    Reentrant,
}

impl From<TransportError> for ConnectionError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Io(error) => Self::Io(error),
            TransportError::Other(error) => Self::Transport(error),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the connection ended in the middle of a message; connect again")
            }
            Self::Io(error) => write!(f, "the connection failed: {error}; connect again"),
            Self::Transport(error) => write!(f, "the connection failed: {error}; connect again"),
            Self::Session(error) => error.fmt(f),
            Self::ReadOnly(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
            Self::Reentrant => {
                f.write_str("the connection was polled from inside its replica's reduce or read")
            }
        }
    }
}

impl std::error::Error for ConnectionError {}
