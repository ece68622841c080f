//! [`Replica`]: a core that threads and tasks share.

use std::{fmt, sync::Arc};

use futures_core::Stream;
use futures_sink::Sink;

use super::{
    builder::ReplicaBuilder,
    connection::Connection,
    journaled::ShutdownGuard,
    platform::Platform,
    replica_endpoint::ReplicaEndpoint,
    shared::{Link, Shared},
    subscription::Subscription,
    synced::{Side, Synced},
    transport::{AsyncBytes, ByteStream, Messages},
};
use crate::{
    core::{
        AtError, Core, EditError, Entry, HistoryError, OrderError, SnapshotError, TrimError,
        UpdateError,
    },
    edit::{DynPlace, Edit},
    id::ReplicaId,
    log_position::LogPosition,
    protocol::Framing,
    receipt::Receipt,
    reduce::Replicated,
    snapshot::Snapshot,
    stamp::Dot,
    time::Time,
    unavailable::Unavailable,
    version::VersionVector,
};

/// One copy of a replicated state, shared by any number of threads and tasks.
///
/// A clone is another handle to the same replica. [`update`](Self::update) and [`read`](Self::read) are plain
/// calls, which block for no longer than a reduction takes; methods that wait for peers are futures. Dropping the last
/// handle ends the connections. With a [journal](Self::open), dropping it also waits for the disk, as
/// [`close`](Self::close) and [`compact`](Self::compact) do. If the disk is full, all calls wait once, until the updates
/// that did not fit are rolled back.
///
/// ```
/// use repred::{Replica, pipe, reducer};
/// use std::collections::BTreeSet;
///
/// # futures::executor::block_on(async {
/// let guests = || reducer(BTreeSet::new(), |set, name: String| set.insert(name));
/// let (here, there) = (Replica::new(guests()), Replica::new(guests()));
/// here.update("jim".to_string())?;
/// there.update("pam".to_string())?;
///
/// // Any byte stream does; this one is in memory.
/// let (a, b) = pipe(1024);
/// let links = futures::future::join(here.connect(a), there.connect(b));
/// let both = futures::future::join(here.synced(), there.synced());
/// futures::future::select(Box::pin(links), Box::pin(both)).await;
///
/// assert!(here.read(|guests| guests.contains("pam"))?);
/// assert_eq!(here.version()?, there.version()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Replica<R: Replicated> {
    shared: Arc<Shared<R>>,
    /// Ends the journal, if there is one, when the last handle is dropped.
    shutdown_guard: Option<Arc<ShutdownGuard<R>>>,
}

/// Where a connection stands; see [`Replica::peers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// The peer's id, once its first message has arrived.
    pub id: Option<ReplicaId>,
    /// Whether the peer has sent all that we lacked when the connection began.
    pub is_synced: bool,
    /// How many updates we have that the peer has not confirmed; `None` before it has said what it has,
    /// and where we do not send.
    pub lag: Option<u64>,
}

impl<R: Replicated> Replica<R> {
    /// A replica that has seen nothing, under a random id. Every replica must begin with the same state.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(state: R) -> Self {
        Self::builder(state).build()
    }

    /// A builder, for a replica that does not take all defaults:
    ///
    /// ```
    /// use std::time::Duration;
    /// use repred::{GrowSet, Replica, Schema};
    ///
    /// let tags = Replica::builder(GrowSet::<String>::default())
    ///     .schema(Schema::new("tags", 1))
    ///     .timeout(Duration::from_secs(60))
    ///     .check_divergence(Duration::from_secs(1))
    ///     .build();
    /// ```
    #[cfg(not(target_family = "wasm"))]
    pub fn builder(state: R) -> ReplicaBuilder<R> {
        ReplicaBuilder::new(Platform::system(), state)
    }

    /// A builder with a clock, a timer and a random source of your own. On WebAssembly this is the only way to begin;
    /// see [`Platform`].
    pub fn builder_on(platform: Platform, state: R) -> ReplicaBuilder<R> {
        ReplicaBuilder::new(platform, state)
    }

    // ---- writing and reading ----

    /// Writes an update. It is reduced when this returns, and on its way to the peers.
    ///
    /// The receipt has the changes, and the stamp, if there was any change.
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If `reduce` does; the replica is poisoned then.
    pub fn update(&self, update: R::Update) -> Result<Receipt<R::Changes>, UpdateError> {
        let receipt = self.write(|core, wall| {
            let receipt = core.update(update, wall)?;
            Ok::<_, UpdateError>((receipt, core.log_position()))
        });
        receipt.map(|(receipt, position)| self.durable_at(receipt, position))
    }

    /// Writes several updates as one atomic step: a replica reduces all of them or none.
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If `reduce` does; the replica is poisoned then.
    pub fn update_all(
        &self,
        updates: impl IntoIterator<Item = R::Update>,
    ) -> Result<Vec<Receipt<R::Changes>>, UpdateError> {
        // Not under the lock: the iterator is the caller's code.
        let updates: Vec<_> = updates.into_iter().collect();
        let receipts = self.write(|core, wall| {
            let receipts = core.update_all(updates, wall)?;
            Ok::<_, UpdateError>((receipts, core.log_position()))
        });
        let (receipts, position) = receipts?;
        Ok(receipts.into_iter().map(|receipt| self.durable_at(receipt, position)).collect())
    }

    /// The receipt is ready when the journal has everything up to a position.
    fn durable_at<C>(&self, receipt: Receipt<C>, position: LogPosition) -> Receipt<C> {
        match &self.shared.log_writer {
            Some(log_writer) => receipt.with_durable(log_writer.durable(position)),
            None => receipt,
        }
    }

    /// Edits the state like plain data, as one atomic step: a replica reduces all of it or nothing.
    ///
    /// The closure gets an editor, which reads as the state does and has methods that write; what is
    /// written can be read at once. Other threads that use the replica wait meanwhile. If the closure panics, its writes
    /// are rolled back. What it returns is returned, and an error among it rolls nothing back: for that, see
    /// [`try_edit`](Self::try_edit).
    ///
    /// ```
    /// use repred::{Counter, Reduce, Register, Replica};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Reduce, Default, Serialize, Deserialize)]
    /// struct Poll {
    ///     question: Register<String>,
    ///     votes: Counter,
    /// }
    ///
    /// let poll = Replica::new(Poll::default());
    /// let votes = poll.edit(|poll| {
    ///     poll.question().set("tea or coffee?");
    ///     poll.votes().add(1);
    ///     poll.votes.value()
    /// })?;
    /// assert_eq!(votes, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If the closure does; the replica is unchanged. If `reduce` does; the replica is poisoned then.
    pub fn edit<T>(
        &self,
        edit: impl FnOnce(&mut R::Editor<DynPlace<'_, R>>) -> T,
    ) -> Result<T, UpdateError>
    where
        R: Edit,
    {
        self.write(|core, wall| core.edit(wall, edit))
    }

    /// Edits the state as [`edit`](Self::edit) does, unless the closure returns an error: that rolls back its writes.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let edited = votes.try_edit(|votes| {
    ///     votes.add(5);
    ///     if votes.value() > 3 { Err("too many") } else { Ok(()) }
    /// });
    /// assert_eq!(edited.unwrap_err().to_string(), "too many");
    /// assert_eq!(votes.read(|votes| votes.value())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`EditError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If the closure does; the replica is unchanged. If `reduce` does; the replica is poisoned then.
    pub fn try_edit<T, E>(
        &self,
        edit: impl FnOnce(&mut R::Editor<DynPlace<'_, R>>) -> Result<T, E>,
    ) -> Result<T, EditError<E>>
    where
        R: Edit,
    {
        self.write(|core, wall| core.try_edit(wall, edit))
    }

    pub(super) fn write<T, E: From<UpdateError>>(
        &self,
        write: impl FnOnce(&mut Core<R>, Time) -> Result<T, E>,
    ) -> Result<T, E> {
        let wall = self.shared.platform.clock.wall();
        let written = self.shared.with(|inner| {
            if inner.core.needs_new_id() {
                inner.core.set_id(self.shared.platform.random_id());
            }
            self.shared.check_writable(inner)?;
            inner.notify_change();
            write(&mut inner.core, wall)
        });
        written.unwrap_or_else(|error| Err(UpdateError::from(error).into()))
    }

    /// Calls `read` with the state. Other threads that use the replica wait meanwhile, so copy what you need and return.
    ///
    /// # Errors
    ///
    /// See [`Unavailable`].
    pub fn read<T>(&self, read: impl FnOnce(&R) -> T) -> Result<T, Unavailable> {
        self.shared.with(|inner| Ok(read(inner.core.state()?)))?
    }

    // ---- getters ----

    /// The wall time, by this replica's clock. Reading a [`Presence`](crate::Presence) takes it.
    pub fn now(&self) -> Time {
        self.shared.platform.clock.wall()
    }

    /// The id under which updates are written now. It changes when another replica turns out to use the same id.
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn id(&self) -> Result<ReplicaId, Unavailable> {
        Ok(self.shared.with(|inner| inner.core.id())?)
    }

    /// The version: which updates of each origin this replica has. O(origins).
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn version(&self) -> Result<VersionVector, Unavailable> {
        Ok(self.shared.with(|inner| inner.core.version())?)
    }

    /// How many updates are deferred: kept and passed on, but not reduced, because a newer version of this program
    /// wrote them, or because they arrived after such an update. While there are any, only updates that are written here
    /// change the state. After an upgrade, the program reduces them when it [loads](Self::load) the replica or receives
    /// them again.
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn deferred(&self) -> Result<u64, Unavailable> {
        Ok(self.shared.with(|inner| inner.core.deferred())?)
    }

    /// The open connections, the oldest first, and how far each is. O(connections · origins).
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn peers(&self) -> Result<Vec<PeerStatus>, Unavailable> {
        let statuses = self.shared.with(|inner| {
            inner.sweep();
            let status = |link: &Link| match &link.session {
                None => PeerStatus { id: None, is_synced: false, lag: None },
                Some(session) => PeerStatus {
                    id: session.peer(),
                    is_synced: session.is_synced(),
                    lag: session.lag(&inner.core),
                },
            };
            inner.links.values().map(status).collect()
        });
        Ok(statuses?)
    }

    /// How many entries the history keeps.
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn history_len(&self) -> Result<usize, Unavailable> {
        Ok(self.shared.with(|inner| inner.core.history_len())?)
    }

    /// About how many bytes the history takes.
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn history_memory(&self) -> Result<usize, Unavailable> {
        Ok(self.shared.with(|inner| inner.core.history_memory())?)
    }

    /// The entries beyond the version `since`; see [`Core::history`].
    ///
    /// # Errors
    ///
    /// When `since` is below the floor.
    pub fn history(&self, since: &VersionVector) -> Result<Vec<Entry<R::Update>>, HistoryError> {
        let entries = self.shared.with(|inner| Ok(inner.core.history(since)?.collect()));
        entries.unwrap_or_else(|error| Err(error.into()))
    }

    /// The state at an earlier version; see [`Core::at`]. `start` is the state that every replica began with.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).keep_everything().build();
    /// votes.edit(|votes| votes.add(3))?;
    /// let before = votes.version()?;
    /// votes.edit(|votes| votes.add(4))?;
    /// assert_eq!(votes.at(&before, Counter::default())?.value(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`AtError`].
    ///
    /// # Panics
    ///
    /// If `reduce` does.
    pub fn at(&self, version: &VersionVector, start: R) -> Result<R, AtError> {
        let state = self.shared.with(|inner| inner.core.at(version, start));
        state.unwrap_or_else(|error| Err(error.into()))
    }

    /// Whether the author of `b` had seen `a` when it wrote `b`; see [`Core::is_before`]. O(log updates).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).keep_everything().build();
    /// let first = votes.update(3)?.stamp().unwrap().dot;
    /// let second = votes.update(4)?.stamp().unwrap().dot;
    /// assert!(votes.is_before(first, second)? && !votes.is_concurrent(first, second)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OrderError`].
    pub fn is_before(&self, a: Dot, b: Dot) -> Result<bool, OrderError> {
        let is_before = self.shared.with(|inner| inner.core.is_before(a, b));
        is_before.unwrap_or_else(|error| Err(error.into()))
    }

    /// Whether two updates were written without knowledge of each other; see [`Core::is_concurrent`].
    /// O(log updates).
    ///
    /// # Errors
    ///
    /// See [`OrderError`].
    pub fn is_concurrent(&self, a: Dot, b: Dot) -> Result<bool, OrderError> {
        let is_concurrent = self.shared.with(|inner| inner.core.is_concurrent(a, b));
        is_concurrent.unwrap_or_else(|error| Err(error.into()))
    }

    /// The state and the version it stands for; see [`Core::snapshot`].
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked, or serde cannot carry the state.
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let snapshot = self.shared.with(|inner| inner.core.snapshot());
        snapshot.unwrap_or_else(|error| Err(error.into()))
    }

    /// A hash of the encoded state; see [`Core::state_digest`].
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked, or serde cannot carry the state.
    pub fn state_digest(&self) -> Result<u128, SnapshotError> {
        let digest = self.shared.with(|inner| inner.core.state_digest());
        digest.unwrap_or_else(|error| Err(error.into()))
    }

    /// Forgets the entries up to a version, which becomes the floor: a peer that has not seen all of it will get a
    /// snapshot. This is how the history of a sum or a set is kept small; others call it compaction or garbage
    /// collection.
    ///
    /// Trim only what all replicas have seen that may ever connect. If each of two replicas has trimmed updates that the
    /// other has not seen, they cannot be joined, unless one of them gives up its state.
    ///
    /// # Errors
    ///
    /// When `floor` is not covered by the version; nothing is changed.
    pub fn trim(&self, floor: &VersionVector) -> Result<(), TrimError> {
        let trimmed = self.shared.with(|inner| {
            inner.notify_change();
            inner.core.trim(floor)
        });
        trimmed.unwrap_or_else(|error| Err(error.into()))
    }

    // ---- waiting ----

    /// Replicates with the peer at the other end of a byte stream, until the stream ends.
    ///
    /// The future does all the work: spawn it, on any executor. Dropping it cuts the connection and harms nothing: what
    /// was received whole stays, and the next connection continues from there. Any number of connections may be open at
    /// once, also several to one peer.
    ///
    /// It resolves when the connection ends. `Ok` means that the stream ended between messages, which does not prove
    /// that the peer left on purpose. The application decides where to connect, and when to connect again. A
    /// [`ConnectionError::Session`](crate::error::ConnectionError::Session) comes again with every attempt until somebody
    /// does what it says, so print it.
    ///
    /// ```no_run
    /// # use repred::{Counter, Replica, net::AsyncBytes};
    /// # async fn dial() -> std::io::Result<repred::Pipe> { Err(std::io::ErrorKind::NotFound.into()) }
    /// # async fn sleep() {}
    /// # async fn example(votes: Replica<Counter>) {
    /// loop {
    ///     match dial().await {
    ///         Ok(stream) => {
    ///             if let Err(error) = votes.connect(stream).await {
    ///                 eprintln!("{error}");
    ///             }
    ///         }
    ///         Err(error) => eprintln!("nobody is there: {error}"),
    ///     }
    ///     sleep().await;
    /// }
    /// # }
    /// ```
    pub fn connect<Io: AsyncBytes>(
        &self,
        io: Io,
    ) -> Connection<ReplicaEndpoint<R>, ByteStream<Io>> {
        let endpoint = self.endpoint(Framing::Stream);
        Connection::new(endpoint, ByteStream::new(io), self.shared.platform.clone())
    }

    /// Replicates over a stream and sink of messages, such as a WebSocket: each message is one of ours.
    ///
    /// `M` is what both carry: `Vec<u8>`, or anything like it.
    pub fn connect_messages<S, M, E>(
        &self,
        messages: S,
    ) -> Connection<ReplicaEndpoint<R>, Messages<S, M>>
    where
        S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
        M: AsRef<[u8]> + From<Vec<u8>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let endpoint = self.endpoint(Framing::Messages);
        Connection::new(endpoint, Messages::new(messages), self.shared.platform.clone())
    }

    /// Our end of a conversation, without a transport: for programs that move the bytes themselves, or share a transport
    /// between several conversations. [`connect`](Self::connect) joins it with a [`Connection`] that moves the bytes.
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
    ///     if let Poll::Ready(said) = ends[0].poll_bytes(&mut cx, SystemClock.now(), &mut message) {
    ///         said?;
    ///         ends[1].handle_bytes(&message, SystemClock.now())?;
    ///         quiet = 0;
    ///     }
    ///     ends.reverse();
    /// }
    /// assert_eq!(there.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn endpoint(&self, framing: Framing) -> ReplicaEndpoint<R> {
        ReplicaEndpoint::new(&self.shared, framing)
    }

    /// Waits until this replica has caught up with the peers that it is connected to now: each of them has sent what
    /// this replica lacked when the connection began.
    ///
    /// A connection counts from the call of `connect`, even if it has not been polled yet. If it ends, it is no longer
    /// waited for. Without connections the future is ready at once; [`peers`](Self::peers) lists them. For what the peers
    /// lack, see [`delivered`](Self::delivered) and [`PeerStatus::lag`].
    pub fn synced(&self) -> Synced<R> {
        Synced::new(&self.shared, Side::Ours)
    }

    /// Waits until the peers that this replica is connected to now have confirmed everything that is here now: what
    /// was written here is then in two places at least, and, where the peers have journals, durable there too.
    ///
    /// It counts connections as [`synced`](Self::synced) does. A peer to which nothing is sent is not waited for.
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// # futures::executor::block_on(async {
    /// let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    /// let (a, b) = pipe(1024);
    /// let links = futures::future::join(here.connect(a), there.connect(b));
    /// here.update(3)?;
    /// futures::future::select(Box::pin(links), here.delivered()).await;
    /// assert_eq!(there.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn delivered(&self) -> Synced<R> {
        Synced::new(&self.shared, Side::Theirs)
    }

    /// A stream of the changes from now on, by local and remote updates alike.
    ///
    /// An observer that does not keep up gets [`ReplicaEvent::Lagged`](crate::ReplicaEvent::Lagged) instead of the changes
    /// that it missed. An observer that reacts to a change writes an ordinary later update.
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn subscribe(&self) -> Result<Subscription<R>, Unavailable> {
        Ok(Subscription::new(&self.shared)?)
    }

    pub(super) fn of(shared: Shared<R>) -> Self {
        let shared = Arc::new(shared);
        let shutdown_guard = ShutdownGuard::of(&shared);
        Self { shared, shutdown_guard }
    }

    pub(super) fn shared(&self) -> &Arc<Shared<R>> {
        &self.shared
    }
}

impl<R: Replicated> Clone for Replica<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), shutdown_guard: self.shutdown_guard.clone() }
    }
}

impl<R: Replicated> fmt::Debug for Replica<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shared.with(|inner| format!("{:?}", inner.core)) {
            Ok(core) => write!(f, "Replica({core})"),
            Err(_) => f.write_str("Replica(in use)"),
        }
    }
}
