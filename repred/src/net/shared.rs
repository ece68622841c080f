//! [`Shared`]: what the handles, connections and observers of a replica share, behind its lock.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use super::{
    journal_parts::{LogWriter, Outbox},
    platform::Platform,
};
use crate::{
    core::{Core, UpdateError},
    reduce::Replicated,
    session::{Session, SessionConfig},
    time::{Now, Time},
    unavailable::Unavailable,
};

/// What all handles, connections and observers of a replica share.
pub(super) struct Shared<R: Replicated> {
    inner: Mutex<Inner<R>>,
    /// The thread that holds the lock; 0 if none does. With it, a thread that would wait for itself gets an error.
    holder: Arc<AtomicUsize>,
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
    /// Woken at the next change, once: connections that have nothing to send, observers, waits.
    change_wakers: Vec<(Key, Waker)>,
    /// Woken when a peer confirms something, once.
    ack_wakers: Vec<(Key, Waker)>,
    /// Woken when the lock is released.
    to_wake: Vec<(Key, Waker)>,
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
    /// `None` until the connection is first polled.
    pub(super) session: Option<Session>,
}

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
            core,
            platform: platform.clone(),
            links: BTreeMap::new(),
            change_wakers: Vec::new(),
            ack_wakers: Vec::new(),
            to_wake: Vec::new(),
            last_key: 0,
        };
        let (inner, holder) = (Mutex::new(inner), Arc::default());
        Self { inner, holder, platform, config, log_writer: None }
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
        let Some(outbox) = &inner.outbox else { return Ok(()) };
        outbox.check_writable().inspect_err(|_| {
            // Somebody wants to write: the writer tries at once whether the storage has room by now.
            if let Some(log_writer) = &self.log_writer {
                log_writer.notify();
            }
        })
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
        self.to_wake.0 = std::mem::take(&mut self.inner.to_wake);
        self.holder.store(0, Ordering::Relaxed);
    }
}

/// Wakes when it is dropped.
#[derive(Default)]
struct ToWake(Vec<(Key, Waker)>);

impl Drop for ToWake {
    #[inline]
    fn drop(&mut self) {
        self.0.drain(..).for_each(|(_, waker)| waker.wake());
    }
}

impl<R: Replicated> Drop for Shared<R> {
    /// The last handle is gone: connections and observers have to notice, and end.
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        let waiting = inner.change_wakers.drain(..).chain(inner.ack_wakers.drain(..));
        waiting.chain(inner.to_wake.drain(..)).for_each(|(_, waker)| waker.wake());
    }
}

impl<R: Replicated> Inner<R> {
    /// Registers a connection that is about to begin. `sweep` removes it after the `Arc` was dropped.
    pub(super) fn link(&mut self, connection: &Arc<()>) -> Key {
        self.sweep();
        let key = self.key();
        self.links.insert(key, Link { connection: Arc::downgrade(connection), session: None });
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
        self.links.remove(&key).is_some()
    }

    /// Passes to the outbox what the peer of a connection has confirmed.
    pub(super) fn record_peer(&mut self, key: Key, now: Time) {
        let session = self.links.get(&key).and_then(|link| link.session.as_ref());
        let (Some(session), Some(outbox)) = (session, &mut self.outbox) else { return };
        if let (Some(id), Some(has)) = (session.peer(), session.confirmed(&self.core)) {
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
        self.links.retain(|_, link| link.connection.strong_count() > 0);
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
    }
}

fn register(waiting: &mut Vec<(Key, Waker)>, key: Key, waker: &Waker) {
    match waiting.iter_mut().find(|(other, _)| *other == key) {
        Some((_, there)) => there.clone_from(waker),
        None => waiting.push((key, waker.clone())),
    }
}
