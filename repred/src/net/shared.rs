//! [`Shared`]: what the handles, connections and observers of a replica share, behind its lock.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::Duration,
};

use super::{
    departed::{Departed, Departure},
    health::{ProblemKind, Topic},
    journal_parts::{LogWriter, Outbox},
    monitor::{Monitor, Notice},
    platform::Platform,
};
use crate::{
    core::{Core, UpdateError},
    id::ReplicaId,
    reduce::Replicated,
    session::{Session, SessionConfig},
    time::{Monotonic, Now, Time},
    unavailable::Unavailable,
};

/// What all handles, connections and observers of a replica share.
pub(super) struct Shared<R: Replicated> {
    inner: Mutex<Inner<R>>,
    /// The thread that holds the lock; 0 if none does. With it, a thread that would wait for itself gets an error.
    holder: Arc<AtomicUsize>,
    /// Whether the replica was closed, and its journal has everything. Beside the lock, since connections ask all the time.
    is_closed: AtomicBool,
    pub(super) platform: Platform,
    pub(super) config: SessionConfig,
    /// Writes the journal, if there is one.
    pub(super) log_writer: Option<LogWriter>,
}

pub(super) struct Inner<R: Replicated> {
    pub(super) core: Core<R>,
    pub(super) platform: Platform,
    pub(super) links: BTreeMap<Key, Link>,
    /// What is kept for the journal, if there is one.
    pub(super) outbox: Option<Outbox>,
    /// What the peers of connections that have ended had confirmed.
    pub(super) departed: Departed,
    /// Whether the replica is closed, or about to be: nothing is written or received any more.
    pub(super) is_closing: bool,
    /// What is wrong in the background.
    pub(super) monitor: Monitor,
    /// How many connections were dropped before they were polled, since the last one was.
    dropped_unpolled: u64,
    /// Woken at the next change, once: connections that have nothing to send, observers, waits.
    change_wakers: Vec<(Key, Waker)>,
    /// Woken when a peer confirms something, once.
    ack_wakers: Vec<(Key, Waker)>,
    /// Woken at the next notice, once.
    notice_wakers: Vec<(Key, Waker)>,
    /// Woken when the lock is released.
    to_wake: Vec<(Key, Waker)>,
    /// Passed to `tracing` when the lock is released: whoever listens there may use this replica.
    #[cfg(feature = "tracing")]
    to_trace: Vec<Notice>,
    last_key: Key,
}

/// What tells connections and observers of one replica apart.
pub(super) type Key = u64;

/// A connection, from the call of `connect` to its end.
#[derive(Debug)]
pub(super) struct Link {
    /// Dead when the connection is dropped. A connection that is dropped inside `read` or `reduce` cannot take the lock
    /// to unregister itself.
    connection: Weak<()>,
    /// When it was made.
    made: Monotonic,
    /// `None` until the connection is first polled.
    pub(super) session: Option<Session>,
}

/// How long a connection may exist without being polled until that is noticed.
const UNPOLLED: Duration = Duration::from_secs(10);

/// How many origins are named of those whose updates are deferred.
const MAX_NAMED: usize = 8;

/// The thread that calls, by an address that only it has.
#[inline]
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

impl<R: Replicated> Shared<R> {
    pub(super) fn new(core: Core<R>, platform: Platform, config: SessionConfig) -> Self {
        let inner = Inner {
            outbox: None,
            departed: Departed::default(),
            is_closing: false,
            monitor: Monitor::default(),
            dropped_unpolled: 0,
            core,
            platform: platform.clone(),
            links: BTreeMap::new(),
            change_wakers: Vec::new(),
            ack_wakers: Vec::new(),
            notice_wakers: Vec::new(),
            to_wake: Vec::new(),
            #[cfg(feature = "tracing")]
            to_trace: Vec::new(),
            last_key: 0,
        };
        let (inner, holder) = (Mutex::new(inner), Arc::default());
        let is_closed = AtomicBool::new(false);
        Self { inner, holder, is_closed, platform, config, log_writer: None }
    }

    /// With a journal, whose writer is started next.
    pub(super) fn with_journal(mut self, outbox: Outbox, log_writer: LogWriter) -> Self {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.outbox = Some(outbox);
        self.log_writer = Some(log_writer);
        self
    }

    /// Says whether the calling thread holds the lock.
    pub(super) fn has_lock(&self) -> impl Fn() -> bool + Send + Sync + use<R> + 'static {
        let holder = Arc::clone(&self.holder);
        move || holder.load(Ordering::Relaxed) == this_thread()
    }

    /// Calls `act` under the lock, and releases the lock before it wakes tasks.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Inner<R>) -> T) -> Result<T, Unavailable> {
        let me = this_thread();
        // Only this thread ever stores its own address, so it reads that only if it holds the lock.
        if self.holder.load(Ordering::Relaxed) == me {
            return Err(Unavailable::Reentrant);
        }
        // Dropped last, and so not under the lock: a waker may run code that uses this replica.
        let mut to_wake = ToWake::default();
        // Mutex poisoning is ignored: only the user's code panics under this lock, and the core knows whether that
        // has done harm.
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut locked = Locked::new(&self.holder, me, inner, &mut to_wake);
        let done = act(&mut locked.inner);
        if let Some(log_writer) = &self.log_writer {
            let Inner { core, outbox, .. } = &mut *locked.inner;
            if outbox.as_mut().is_some_and(|outbox| outbox.has_news(core.log_position())) {
                log_writer.notify();
            }
        }
        Ok(done)
    }

    /// Whether anything may be written to the replica now.
    pub(super) fn check_writable(&self, inner: &Inner<R>) -> Result<(), UpdateError> {
        if inner.is_closing {
            return Err(UpdateError::ReadOnly { reason: "it was closed".to_owned() });
        }
        let Some(outbox) = &inner.outbox else { return Ok(()) };
        outbox.check_writable().inspect_err(|_| {
            // Somebody wants to write: the writer tries at once whether the storage has room by now.
            if let Some(log_writer) = &self.log_writer {
                log_writer.notify();
            }
        })
    }

    /// Whether the replica was closed, and its journal has everything.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// The replica is closed, and its journal has everything: connections say so to their peers, and end.
    pub(super) fn set_closed(&self) {
        self.is_closed.store(true, Ordering::Release);
        // Those that use the replica right now look at it before they wait.
        let _ = self.with(Inner::notify_change);
    }

    pub(super) fn now(&self) -> Now {
        self.platform.clock.now()
    }
}

/// The lock. Dropping it clears the holder, also when the user's code panics.
struct Locked<'a, R: Replicated> {
    holder: &'a AtomicUsize,
    inner: MutexGuard<'a, Inner<R>>,
    to_wake: &'a mut ToWake,
}

impl<'a, R: Replicated> Locked<'a, R> {
    fn new(
        holder: &'a AtomicUsize,
        me: usize,
        inner: MutexGuard<'a, Inner<R>>,
        to_wake: &'a mut ToWake,
    ) -> Self {
        holder.store(me, Ordering::Relaxed);
        Self { holder, inner, to_wake }
    }
}

impl<R: Replicated> Drop for Locked<'_, R> {
    #[inline]
    fn drop(&mut self) {
        self.to_wake.wakers = std::mem::take(&mut self.inner.to_wake);
        #[cfg(feature = "tracing")]
        if !self.inner.to_trace.is_empty() {
            self.to_wake.id = Some(self.inner.core.id());
            self.to_wake.notices = std::mem::take(&mut self.inner.to_trace);
        }
        self.holder.store(0, Ordering::Relaxed);
    }
}

/// Wakes when it is dropped, and passes notices to `tracing`.
#[derive(Default)]
struct ToWake {
    wakers: Vec<(Key, Waker)>,
    #[cfg(feature = "tracing")]
    notices: Vec<Notice>,
    /// Of the replica that the notices are of.
    #[cfg(feature = "tracing")]
    id: Option<ReplicaId>,
}

impl Drop for ToWake {
    #[inline]
    fn drop(&mut self) {
        #[cfg(feature = "tracing")]
        if let Some(id) = self.id {
            self.notices.iter().for_each(|notice| notice.trace(id));
        }
        self.wakers.drain(..).for_each(|(_, waker)| waker.wake());
    }
}

impl<R: Replicated> Drop for Shared<R> {
    /// The last handle is gone: connections and observers have to notice, and end.
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        let waiting = inner.change_wakers.drain(..).chain(inner.ack_wakers.drain(..));
        let waiting = waiting.chain(inner.notice_wakers.drain(..));
        waiting.chain(inner.to_wake.drain(..)).for_each(|(_, waker)| waker.wake());
    }
}

impl<R: Replicated> Inner<R> {
    /// Registers a connection that is about to begin. `sweep` removes it after the `Arc` was dropped.
    pub(super) fn link(&mut self, connection: &Arc<()>) -> Key {
        self.sweep();
        let key = self.key();
        let made = self.platform.clock.monotonic();
        self.links
            .insert(key, Link { connection: Arc::downgrade(connection), made, session: None });
        key
    }

    /// The session of a connection, if it has begun.
    pub(super) fn session(&mut self, key: Key) -> Option<&mut Session> {
        self.links.get_mut(&key)?.session.as_mut()
    }

    /// The same, with the core that it is about.
    pub(super) fn core_and_session(&mut self, key: Key) -> Option<(&mut Core<R>, &mut Session)> {
        let session = self.links.get_mut(&key)?.session.as_mut()?;
        Some((&mut self.core, session))
    }

    /// Whether the peer of a connection has sent all that we lacked.
    pub(super) fn is_synced(&self, key: Key) -> bool {
        let session = self.links.get(&key).and_then(|link| link.session.as_ref());
        session.is_some_and(Session::is_synced)
    }

    /// Forgets a connection. Returns whether there was one.
    pub(super) fn unlink(&mut self, key: Key) -> bool {
        self.record_peer(key, self.platform.clock.wall());
        let Some(link) = self.links.remove(&key) else { return false };
        self.note_end(&link);
        true
    }

    /// The connection is gone. O(origins).
    fn note_end(&mut self, link: &Link) {
        let Some(session) = &link.session else {
            self.dropped_unpolled += 1;
            return self.note_unpolled(self.platform.clock.now());
        };
        if let Some(peer) = session.peer() {
            let confirmed = session.confirmed(&self.core);
            let (at, has_synced) = (self.key(), session.has_received_all());
            self.departed.note(Departure { peer, at, has_synced, confirmed });
        }
    }

    /// Passes to the outbox what the peer of a connection has confirmed.
    pub(super) fn record_peer(&mut self, key: Key, now: Time) {
        let session = self.links.get(&key).and_then(|link| link.session.as_ref());
        let (Some(session), Some(outbox)) = (session, &mut self.outbox) else { return };
        if let (Some(id), Some(has)) = (session.vouched_peer(), session.confirmed(&self.core)) {
            outbox.note_peer(id, has, now);
        }
    }

    /// Passes to the outbox what all connected peers have confirmed.
    pub(super) fn record_peers(&mut self) {
        let now = self.platform.clock.wall();
        let links: Vec<_> = self.links.keys().copied().collect();
        links.into_iter().for_each(|key| self.record_peer(key, now));
    }

    /// Forgets connections that were dropped where they could not take the lock.
    pub(super) fn sweep(&mut self) {
        let is_gone = |link: &Link| link.connection.strong_count() == 0;
        let gone = self.links.iter().filter(|(_, link)| is_gone(link)).map(|(&key, _)| key);
        for key in gone.collect::<Vec<_>>() {
            if let Some(link) = self.links.remove(&key) {
                self.note_end(&link);
            }
        }
    }

    /// A key for a new connection or observer.
    pub(super) fn key(&mut self) -> Key {
        self.last_key += 1;
        self.last_key
    }

    /// Wakes all tasks that wait for a change, once the lock is released.
    pub(super) fn notify_change(&mut self) {
        if self.change_wakers.is_empty() {
            return;
        }
        if self.to_wake.is_empty() {
            std::mem::swap(&mut self.to_wake, &mut self.change_wakers);
        } else {
            let change_wakers = self.change_wakers.drain(..);
            self.to_wake.extend(change_wakers);
        }
    }

    /// Wakes the tasks that wait for an ack, once the lock is released. These are apart from those that wait for a
    /// change: there are rarely any, and acks arrive all the time.
    pub(super) fn notify_ack(&mut self) {
        self.to_wake.append(&mut self.ack_wakers);
    }

    /// Wakes a task at the next change.
    pub(super) fn wake_on_change(&mut self, key: Key, waker: &Waker) {
        register(&mut self.change_wakers, key, waker);
    }

    /// Wakes a task at the next ack.
    pub(super) fn wake_on_ack(&mut self, key: Key, waker: &Waker) {
        register(&mut self.ack_wakers, key, waker);
    }

    /// Drops the wakers of a connection or observer.
    pub(super) fn forget_wakers(&mut self, key: Key) {
        self.change_wakers.retain(|(other, _)| *other != key);
        self.ack_wakers.retain(|(other, _)| *other != key);
        self.notice_wakers.retain(|(other, _)| *other != key);
    }

    // ---- health ----

    /// Something went wrong, once more. To tell of anything else that can go wrong, call this with another
    /// [`ProblemKind`].
    pub(super) fn raise(&mut self, kind: ProblemKind, now: Now) {
        let notice = self.monitor.raise(kind, now).cloned();
        self.notify(notice);
    }

    /// Something is wrong, and may have been before: a state that lasts.
    pub(super) fn hold(&mut self, kind: ProblemKind, now: Now) {
        let notice = self.monitor.hold(kind, now).cloned();
        self.notify(notice);
    }

    /// Something is not wrong any more.
    pub(super) fn clear(&mut self, topic: Topic) {
        let notice = self.monitor.clear(topic).cloned();
        self.notify(notice);
    }

    fn notify(&mut self, notice: Option<Notice>) {
        if let Some(notice) = notice {
            self.to_wake.append(&mut self.notice_wakers);
            #[cfg(feature = "tracing")]
            self.to_trace.push(notice);
            #[cfg(not(feature = "tracing"))]
            drop(notice);
        }
    }

    /// Wakes a task at the next notice.
    pub(super) fn wake_on_notice(&mut self, key: Key, waker: &Waker) {
        register(&mut self.notice_wakers, key, waker);
    }

    /// Looks for what lasts. O(1) while nothing begins.
    pub(super) fn look(&mut self, now: Now) {
        let (origins, limit) = (self.core.history().origins(), self.core.limits().origins);
        // From nine tenths on.
        if origins >= limit - limit / 10 {
            self.hold(ProblemKind::OriginsNearLimit { origins, limit }, now);
        }
        let count = self.core.unknown_not_kept();
        if count > 0 {
            self.hold(ProblemKind::NotKept { count }, now);
        }
        match self.core.clock_ahead(now.wall) {
            Some(by) => self.hold(ProblemKind::StampsAhead { by }, now),
            None if self.monitor.has(Topic::StampsAhead) => self.clear(Topic::StampsAhead),
            None => {}
        }
        match (self.core.has_deferred(), self.monitor.has(Topic::Deferred)) {
            (true, false) => self.note_deferred(now),
            (false, true) => self.clear(Topic::Deferred),
            _ => {}
        }
    }

    /// Looks at everything. O(connections), and O(origins) while updates are deferred.
    pub(super) fn examine(&mut self, now: Now) {
        self.sweep();
        self.look(now);
        if self.core.has_deferred() {
            self.note_deferred(now);
        }
        self.note_unpolled(now);
    }

    fn note_deferred(&mut self, now: Now) {
        let (version, reduced) = (self.core.version(), self.core.reduced());
        let is_deferred = |&(id, seq): &(ReplicaId, u64)| reduced.seq(id) < seq;
        let origins = version.iter().filter(is_deferred).map(|(id, _)| id).take(MAX_NAMED);
        let kind = ProblemKind::Deferred {
            updates: version.ahead_of(&reduced),
            origins: origins.collect(),
        };
        self.hold(kind, now);
    }

    /// Counts the connections that nobody polls.
    fn note_unpolled(&mut self, now: Now) {
        let is_waiting =
            |link: &&Link| link.session.is_none() && now.monotonic.since(link.made) >= UNPOLLED;
        let waiting = self.links.values().filter(is_waiting).count() as u64;
        let dropped = self.dropped_unpolled;
        match dropped + waiting {
            0 => self.clear(Topic::NeverPolled),
            _ => self.hold(ProblemKind::NeverPolled { dropped, waiting }, now),
        }
    }

    /// A connection is polled for the first time.
    pub(super) fn note_polled(&mut self, now: Now) {
        self.dropped_unpolled = 0;
        if self.monitor.has(Topic::NeverPolled) {
            self.note_unpolled(now);
        }
    }

    /// Raises the problem that the clocks of both ends of a conversation show, if they differ too much.
    pub(super) fn note_clocks(&mut self, key: Key, now: Now) {
        let Some(session) = self.session(key) else { return };
        if let (peer, Some(clocks)) = (session.peer(), session.clock_difference()) {
            let whose = peer.filter(|_| clocks.is_ours_behind());
            self.hold(ProblemKind::ClockAhead { whose, by: clocks.by() }, now);
        }
    }

    /// A connection has received something, and nothing was wrong with it. If it is synced, what was wrong with its peer
    /// is over, if that was some time ago.
    pub(super) fn note_fine(&mut self, key: Key, now: Now) {
        let session = self.links.get(&key).and_then(|link| link.session.as_ref());
        let peer = session.filter(|session| session.is_synced()).and_then(Session::peer);
        if peer.is_none() {
            return;
        }
        let topics = [
            Topic::PeerRefused(peer),
            Topic::RefusedByPeer(peer),
            Topic::ClockAhead(peer),
            Topic::ClockAhead(None),
        ];
        for topic in topics {
            if self.monitor.has_settled(topic, now.monotonic) {
                self.clear(topic);
            }
        }
    }
}

fn register(waiting: &mut Vec<(Key, Waker)>, key: Key, waker: &Waker) {
    match waiting.iter_mut().find(|(other, _)| *other == key) {
        Some((_, there)) => there.clone_from(waker),
        None => waiting.push((key, waker.clone())),
    }
}
