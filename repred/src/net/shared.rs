//! [`Shared`]: what the handles, connections and observers of a replica share, behind its lock.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::Instant,
};

use super::{
    clock::Clock,
    log_writer::{LogWriter, ReadOnly},
};
use crate::{
    core::{Core, UpdateError},
    id::ReplicaId,
    journal::{BatchBuilder, Collected, KnownPeers, Log, Storage, Trimming},
    log_position::LogPosition,
    reduce::Replicated,
    session::{Now, Session, SessionConfig, SessionError},
    time::Time,
};

/// What all handles, connections and observers of a replica share.
pub(super) struct Shared<R: Replicated> {
    inner: Mutex<Inner<R>>,
    /// Which thread holds the lock; 0 if none does. It tells a thread that would wait for itself.
    holder: Arc<AtomicUsize>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: SessionConfig,
    /// Who writes the journal, if there is one.
    pub(super) log_writer: Option<LogWriter>,
}

pub(super) struct Inner<R: Replicated> {
    pub(super) core: Core<R>,
    clock: Arc<dyn Clock>,
    pub(super) links: BTreeMap<Key, Link>,
    /// What goes to the journal, if there is one.
    pub(super) batch_builder: Option<BatchBuilder>,
    /// Who was met, where there is a journal.
    pub(super) known_peers: KnownPeers,
    /// Why nothing is written now.
    pub(super) read_only: Option<ReadOnly>,
    /// How far the log writer was told that there is something new.
    last_notified: LogPosition,
    /// Who wants to be to_wake at the next change, once.
    change_wakers: Vec<(Key, Waker)>,
    /// Who wants to be to_wake when a peer confirms something, once.
    ack_wakers: Vec<(Key, Waker)>,
    /// Who is to_wake when the lock is let go.
    to_wake: Vec<(Key, Waker)>,
    last_key: Key,
}

/// What tells connections and observers of one replica apart.
pub(super) type Key = u64;

/// A connection, from the call of `connect` to its end.
#[derive(Debug)]
pub(super) struct Link {
    /// Gone when the connection is. One that is dropped inside `read` or `reduce` cannot say so itself.
    connection: Weak<()>,
    /// `None` until the connection is first polled.
    pub(super) session: Option<Session>,
}

/// 128 random bits; no two replicas that anybody will ever run draw the same.
pub(super) fn random_id() -> ReplicaId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    ReplicaId::from_bytes(bytes)
}

/// The thread that calls, by an address that only it has.
#[inline]
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

/// The lock is held by the thread that asks for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reentrant;

impl<R: Replicated> Shared<R> {
    pub(super) fn new(core: Core<R>, clock: Arc<dyn Clock>, config: SessionConfig) -> Self {
        let inner = Inner {
            batch_builder: None,
            known_peers: KnownPeers::default(),
            read_only: None,
            last_notified: core.log_position(),
            core,
            clock: Arc::clone(&clock),
            links: BTreeMap::new(),
            change_wakers: Vec::new(),
            ack_wakers: Vec::new(),
            to_wake: Vec::new(),
            last_key: 0,
        };
        let (inner, holder) = (Mutex::new(inner), Arc::default());
        Self { inner, holder, clock, config, log_writer: None }
    }

    /// With a journal that is [written](LogWriter::start) from now on.
    pub(super) fn with_journal<S: Storage>(
        mut self,
        log: &Log<S>,
        batch_builder: BatchBuilder,
    ) -> Self {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        let holder = Arc::clone(&self.holder);
        let has_lock = move || holder.load(Ordering::Relaxed) == this_thread();
        self.log_writer = Some(LogWriter::new(inner.last_notified, log.recovery(), has_lock));
        inner.known_peers = log.peers().clone();
        inner.batch_builder = Some(batch_builder);
        self
    }

    /// Calls `act` under the lock, and afterwards wakes whom it said to wake.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Inner<R>) -> T) -> Result<T, Reentrant> {
        let me = this_thread();
        // Only this thread ever stores its own address, so it reads that only if it holds the lock.
        if self.holder.load(Ordering::Relaxed) == me {
            return Err(Reentrant);
        }
        // Dropped last, and so not under the lock: a waker may be anybody's code.
        let mut to_wake = ToWake::default();
        // A panic under the lock is the user's code; whether it has done harm, the core knows.
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut locked = Locked::new(&self.holder, me, inner, &mut to_wake);
        let done = act(&mut locked.inner);
        if let Some(log_writer) = &self.log_writer {
            let position = locked.inner.core.log_position();
            if std::mem::replace(&mut locked.inner.last_notified, position) != position {
                log_writer.notify();
            }
        }
        Ok(done)
    }

    /// Whether anything may be taken in now.
    pub(super) fn check_writable(&self, inner: &Inner<R>) -> Result<(), UpdateError> {
        let (Some(read_only), Some(log_writer)) = (&inner.read_only, &self.log_writer) else {
            return Ok(());
        };
        // Somebody wants to write: it may be possible by now.
        log_writer.notify();
        Err(read_only.to_error())
    }

    pub(super) fn now(&self) -> Now {
        Now { wall: self.clock.now(), instant: Instant::now() }
    }
}

/// The lock. Its holder is known until this is dropped, be it by a panic of the user's code.
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

/// Who is to_wake when this is dropped.
#[derive(Default)]
struct ToWake(Vec<(Key, Waker)>);

impl Drop for ToWake {
    #[inline]
    fn drop(&mut self) {
        self.0.drain(..).for_each(|(_, waker)| waker.wake());
    }
}

impl<R: Replicated> Drop for Shared<R> {
    /// Nobody holds the replica any more: its connections have to see that, and end.
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        let change_wakers = inner.change_wakers.drain(..).chain(inner.ack_wakers.drain(..));
        change_wakers.chain(inner.to_wake.drain(..)).for_each(|(_, waker)| waker.wake());
    }
}

impl<R: Replicated> Inner<R> {
    /// Takes in a connection that is about to begin, until the other half is dropped.
    pub(super) fn link(&mut self, connection: &Arc<()>) -> Key {
        self.sweep();
        let key = self.key();
        self.links.insert(key, Link { connection: Arc::downgrade(connection), session: None });
        key
    }

    /// Forgets a connection. Returns whether there was one.
    pub(super) fn unlink(&mut self, key: Key) -> bool {
        self.record_peer(key, self.clock.now());
        self.links.remove(&key).is_some()
    }

    /// Takes note of what the peer of a connection has confirmed.
    pub(super) fn record_peer(&mut self, key: Key, now: Time) {
        let session = self.links.get(&key).and_then(|link| link.session.as_ref());
        let (Some(session), Some(_)) = (session, &self.batch_builder) else { return };
        if let (Some(id), Some(has)) = (session.peer(), session.confirmed(&self.core)) {
            self.known_peers.note(id, has, now);
        }
    }

    fn record_peers(&mut self) {
        let now = self.clock.now();
        let links: Vec<_> = self.links.keys().copied().collect();
        links.into_iter().for_each(|key| self.record_peer(key, now));
    }

    /// Trims what everybody has who counts.
    pub(super) fn trim_stable(&mut self, trimming: &Trimming) {
        self.record_peers();
        let now = self.clock.now();
        let stable = self.known_peers.stable(trimming, &self.core.reduced(), now);
        if let Some(stable) = stable.filter(|_| !self.core.entries().keeps_everything()) {
            // It is part of what is reduced, and there is nothing else to be wrong.
            let trimmed = self.core.trim(&stable);
            debug_assert!(trimmed.is_ok(), "{trimmed:?}");
            self.notify_change();
        }
    }

    /// What the journal does not have yet.
    pub(super) fn collect(&mut self) -> Result<Collected, SessionError> {
        let Some(batch_builder) = &mut self.batch_builder else { return Ok(Collected::Nothing) };
        let mut collected = batch_builder.collect(&mut self.core)?;
        if let Collected::Batch(batch) = &mut collected {
            batch.met = self.known_peers.take_changes();
        }
        Ok(collected)
    }

    /// Who was met, up to now.
    pub(super) fn met(&mut self) -> KnownPeers {
        self.record_peers();
        self.known_peers.clone()
    }

    /// Forgets the connections that could not say that they were gone.
    pub(super) fn sweep(&mut self) {
        self.links.retain(|_, link| link.connection.strong_count() > 0);
    }

    /// A key for a new connection or observer.
    pub(super) fn key(&mut self) -> Key {
        self.last_key += 1;
        self.last_key
    }

    /// Wakes all who wait for a change, once the lock is let go.
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

    /// Wakes those who wait for a peer to confirm something, once the lock is let go. There are rarely any, and
    /// peers confirm all the time.
    pub(super) fn notify_ack(&mut self) {
        self.to_wake.append(&mut self.ack_wakers);
    }

    /// Wakes this one at the next change.
    pub(super) fn wake_on_change(&mut self, key: Key, waker: &Waker) {
        register(&mut self.change_wakers, key, waker);
    }

    /// Wakes this one when a peer confirms something.
    pub(super) fn wake_on_ack(&mut self, key: Key, waker: &Waker) {
        register(&mut self.ack_wakers, key, waker);
    }

    /// Wakes this one no more.
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
