//! [`Replica`]: a core that threads and tasks share.

use std::{fmt, sync::Arc};

use super::{
    shared::{Link, Shared},
    shutdown::{self, ShutdownGuard},
};
use crate::{
    core::{Core, EditError, Rejoined, UpdateError},
    document::DocumentId,
    edit::{DynPlace, Edit},
    id::ReplicaId,
    log_position::LogPosition,
    receipt::{NotDurable, Receipt},
    reduce::Replicated,
    time::Time,
    unavailable::Unavailable,
    version::VersionVector,
};

/// One copy of a replicated state, shared by any number of threads and tasks.
///
/// A clone is another handle to the same replica, and dropping the last handle ends its connections.
///
/// All other methods take the replica's lock. They can wait while another thread encodes the state, reads the
/// history, applies a block, or is in a closure of `read` or `edit`. With a [journal](Self::open), three things also
/// wait for the disk: [`close`](Self::close), [`compact`](Self::compact) and dropping the last handle. When the disk
/// is full, the next call waits until the refused updates are rolled back.
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
#[doc(alias("node", "store", "document", "crdt"))]
pub struct Replica<R: Replicated> {
    shared: Arc<Shared<R>>,
    /// Ends the journal, if there is one, when the last handle is dropped.
    shutdown_guard: Option<Arc<ShutdownGuard<R>>>,
}

/// How far a connection is; see [`Replica::peers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerStatus {
    /// The peer's id; `None` before the handshake.
    pub id: Option<ReplicaId>,
    /// Whether the peer has sent everything that this replica lacked when the connection began.
    pub is_synced: bool,
    /// How many of this replica's updates the peer has not confirmed yet. `None` before the handshake, and on a
    /// connection that sends nothing.
    pub lag: Option<u64>,
}

impl<R: Replicated> Replica<R> {
    pub(super) fn of(shared: Shared<R>) -> Self {
        let shared = Arc::new(shared);
        let shutdown_guard = ShutdownGuard::of(&shared);
        Self { shared, shutdown_guard }
    }

    pub(super) fn shared(&self) -> &Arc<Shared<R>> {
        &self.shared
    }

    // ---- writing and reading ----

    /// Writes an update, and reduces it. Connections send it afterwards; where there is a journal, only once it is
    /// durable.
    ///
    /// The receipt holds the changes, and the update's stamp if there were any changes. Awaiting the receipt waits
    /// until the update is durable.
    ///
    /// ```
    /// use repred::{Replica, reducer};
    ///
    /// let total = Replica::new(reducer(0, |total, amount: i64| {
    ///     *total += amount;
    ///     amount != 0
    /// }));
    /// let receipt = total.update(5)?;
    /// assert!(*receipt, "the reducer returned true: the state has changed");
    /// assert_eq!(total.read(|total| **total)?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If `reduce` panics; the replica is poisoned then.
    #[doc(alias("apply", "dispatch", "commit", "publish"))]
    pub fn update(&self, update: R::Update) -> Result<Receipt<R::Changes>, UpdateError> {
        let receipt = self.write(|core, wall| {
            let receipt = core.update(update, wall)?;
            Ok::<_, UpdateError>((receipt, core.log_position()))
        });
        receipt.map(|(receipt, position)| self.durable_at(receipt, position))
    }

    /// Writes several updates as one atomic step: a peer that has one of them has all of them.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let receipts = votes.update_all([1, 2, 3])?;
    /// assert_eq!(receipts.len(), 3);
    /// assert_eq!(votes.read(|votes| votes.value())?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If `reduce` panics; the replica is poisoned then.
    #[doc(alias("batch", "transaction"))]
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

    /// Makes the receipt wait until the journal holds everything up to `position`.
    fn durable_at<C>(&self, receipt: Receipt<C>, position: LogPosition) -> Receipt<C> {
        match &self.shared.log_writer {
            Some(log_writer) => receipt.with_durable(log_writer.durable(position)),
            None => receipt,
        }
    }

    /// Edits the state like plain data, as one atomic step: a peer that has a part of the edit has all of it.
    ///
    /// The closure gets an editor. It reads like the state, and has methods that write; what is written can be read
    /// at once. The replica is locked meanwhile.
    ///
    /// If the closure panics, nothing has happened. If it returns an error, the edit has happened all the same, and
    /// the error is handed on: use [`try_edit`](Self::try_edit) for edits that can fail.
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
    /// If the closure panics; the replica is unchanged. If `reduce` panics; the replica is poisoned then.
    #[doc(alias("transaction", "transact", "mutate"))]
    pub fn edit<T>(
        &self,
        edit: impl FnOnce(&mut R::Editor<DynPlace<'_, R>>) -> T,
    ) -> Result<T, UpdateError>
    where
        R: Edit,
    {
        self.write(|core, wall| core.edit(wall, edit))
    }

    /// Edits the state as [`edit`](Self::edit) does, unless the closure returns an error: then nothing has happened.
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
    /// If the closure panics; the replica is unchanged. If `reduce` panics; the replica is poisoned then.
    #[doc(alias("rollback", "abort"))]
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

    /// Calls `read` with the state. The replica is locked meanwhile, so take out what is needed.
    ///
    /// ```
    /// use repred::{GrowSet, Replica};
    ///
    /// let tags = Replica::new(GrowSet::<String>::default());
    /// tags.update("new".to_string())?;
    /// assert_eq!(tags.read(|tags| tags.len())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Unavailable`].
    #[doc(alias("state", "get", "value"))]
    pub fn read<T>(&self, read: impl FnOnce(&R) -> T) -> Result<T, Unavailable> {
        self.shared.with(|inner| Ok(read(inner.core.state()?)))?
    }

    // ---- getters ----

    /// The wall time by this replica's clock. A [`Presence`](crate::Presence) needs it to be read.
    ///
    /// ```
    /// use repred::{Counter, Replica, Time};
    ///
    /// let noon = || Time::from_micros(43_200_000_000);
    /// assert_eq!(Replica::builder(Counter::default()).clock(noon).build().now(), noon());
    /// ```
    pub fn now(&self) -> Time {
        self.shared.platform.clock.wall()
    }

    /// The id under which this replica writes now. The replica takes a new one if another replica turns out to use
    /// the same.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let stamp = votes.update(3)?.stamp().unwrap();
    /// assert_eq!(stamp.origin(), votes.id()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    #[doc(alias("actor", "site", "node_id"))]
    pub fn id(&self) -> Result<ReplicaId, Unavailable> {
        self.shared.with(|inner| inner.core.id())
    }

    /// The document that this is a replica of; see [`ReplicaBuilder::document`](crate::ReplicaBuilder::document).
    ///
    /// ```
    /// use repred::{Counter, DocumentId, Replica};
    ///
    /// assert_eq!(Replica::new(Counter::default()).document()?, DocumentId::NONE);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    pub fn document(&self) -> Result<DocumentId, Unavailable> {
        self.shared.with(|inner| inner.core.document())
    }

    /// Which updates this replica has seen. O(origins).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// votes.update_all([3, 4])?;
    /// assert_eq!(votes.version()?.seq(votes.id()?), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    #[doc(alias("vector clock", "state vector", "heads"))]
    pub fn version(&self) -> Result<VersionVector, Unavailable> {
        self.shared.with(|inner| inner.core.version())
    }

    /// What came of the last time that this replica [rejoined](crate::Connection::rejoin), if it did since it was opened.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert_eq!(votes.rejoined()?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    pub fn rejoined(&self) -> Result<Option<Rejoined>, Unavailable> {
        self.shared.with(|inner| inner.core.rejoined().cloned())
    }

    /// How many updates are deferred: the replica keeps them and passes them on, but has not reduced them, because
    /// they, or earlier updates of the same origin, were written by a newer version of the program.
    ///
    /// What others write is reduced as always, and may have been written with knowledge of a deferred update. Upgrade
    /// the program: it reduces all of it in order when it [opens](Self::open) its journal, or
    /// [loads](Self::load) it. See [`let_go`](Self::let_go) for updates that no program will ever read.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert_eq!(votes.deferred()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    pub fn deferred(&self) -> Result<u64, Unavailable> {
        self.shared.with(|inner| inner.core.deferred())
    }

    /// The origins of which updates are [deferred](Self::deferred). O(origins).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert_eq!(votes.deferred_origins()?, []);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    pub fn deferred_origins(&self) -> Result<Vec<ReplicaId>, Unavailable> {
        self.shared.with(|inner| inner.core.deferred_origins())
    }

    /// Gives up the deferred updates of an origin: they count as reduced, without any effect on the state. They are kept
    /// and passed on as before. The way out if no version of the program can read them, because a peer made them up:
    /// while anything is deferred, superseded updates are not forgotten, nothing that came later is trimmed, and
    /// states are not compared with those of peers. O(origins).
    ///
    /// If a newer program of a peer can read them after all, its state is another than this replica's from then
    /// on. A replica that opens its journal again defers them again, unless they were [trimmed](Self::trim) and the
    /// journal was [compacted](Self::compact) meanwhile.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// for origin in votes.deferred_origins()? {
    ///     votes.let_go(origin)?;
    /// }
    /// assert_eq!(votes.deferred()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    pub fn let_go(&self, origin: ReplicaId) -> Result<(), Unavailable> {
        self.shared.with(|inner| inner.core.let_go(origin))
    }

    /// How far each connection is, the oldest first. O(connections · origins).
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let (here, _there) = pipe(1024);
    /// let connection = votes.connect(here);
    /// assert_eq!(votes.peers()?.len(), 1);
    /// assert_eq!(votes.peers()?[0].id, None, "the connection was not polled yet");
    /// drop(connection);
    /// assert!(votes.peers()?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    #[doc(alias("connections", "members"))]
    pub fn peers(&self) -> Result<Vec<PeerStatus>, Unavailable> {
        self.shared.with(|inner| {
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
        })
    }

    // ---- the end ----

    /// Ends the replica on purpose: writes what is new, closes the journal, if there is one, and waits for that. All
    /// connections end, and tell their peers that nothing is wrong: both ends get
    /// [`Ended`](crate::net::Ended) and no error. What the peers have not got by then they get
    /// from the next replica that has it: wait for [`delivered`](Self::delivered) before.
    ///
    /// This replica can only be read from then on. Another one can open the journal, and writes under the same id.
    /// Dropping the last handle does the same.
    ///
    /// ```
    /// use repred::{Counter, Replica, error::UpdateError, journal::Memory};
    ///
    /// let disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?;
    /// votes.close()?;
    /// assert!(matches!(votes.update(4), Err(UpdateError::ReadOnly { .. })));
    ///
    /// let again = Replica::builder(Counter::default()).open_in(disk)?;
    /// assert_eq!(again.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`NotDurable`]. The connections end all the same.
    #[doc(alias("shutdown", "stop", "disconnect"))]
    pub fn close(&self) -> Result<(), NotDurable> {
        shutdown::close(&self.shared)
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
