//! What a [`Replica`] remembers: its history, earlier states, the order of updates, snapshots.

use super::replica::Replica;
use crate::{
    core::{AtError, Entry, HistoryError, OrderError, SnapshotError, TrimError},
    reduce::Replicated,
    snapshot::Snapshot,
    stamp::Dot,
    unavailable::Unavailable,
    version::VersionVector,
};

impl<R: Replicated> Replica<R> {
    /// How many entries the history keeps.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// votes.update_all([3, 4])?;
    /// assert_eq!(votes.history_len()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    #[doc(alias("oplog", "log"))]
    pub fn history_len(&self) -> Result<usize, Unavailable> {
        self.shared().with(|inner| inner.core.history_len())
    }

    /// About how many bytes of memory the history takes.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let before = votes.history_memory()?;
    /// votes.update_all(1..10_000)?;
    /// assert!(votes.history_memory()? > before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    pub fn history_memory(&self) -> Result<usize, Unavailable> {
        self.shared().with(|inner| inner.core.history_memory())
    }

    /// The entries that a replica at version `since` lacks; see [`Core::entries_since`](crate::sans_io::Core::entries_since).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// votes.update(3)?;
    /// let before = votes.version()?;
    /// votes.update(4)?;
    /// let entries = votes.entries_since(&before)?;
    /// assert_eq!(entries.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `since` is below the floor.
    pub fn entries_since(
        &self,
        since: &VersionVector,
    ) -> Result<Vec<Entry<R::Update>>, HistoryError> {
        let entries = self.shared().with(|inner| Ok(inner.core.entries_since(since)?.collect()));
        entries.unwrap_or_else(|error| Err(error.into()))
    }

    /// The state at an earlier version; see [`Core::at`](crate::sans_io::Core::at). `start` is the state that every
    /// replica began with.
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
    /// If `reduce` panics.
    #[doc(alias("time travel", "checkout", "as_of"))]
    pub fn at(&self, version: &VersionVector, start: R) -> Result<R, AtError> {
        let state = self.shared().with(|inner| inner.core.at(version, start));
        state.unwrap_or_else(|error| Err(error.into()))
    }

    /// Whether the author of `b` had seen `a` when it wrote `b`; see
    /// [`Core::is_before`](crate::sans_io::Core::is_before). O(log updates).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).keep_everything().build();
    /// let first = votes.update(3)?.stamp().unwrap().dot;
    /// let second = votes.update(4)?.stamp().unwrap().dot;
    /// assert!(votes.is_before(first, second)?);
    /// assert!(!votes.is_before(second, first)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OrderError`].
    #[doc(alias("happened before", "causality"))]
    pub fn is_before(&self, a: Dot, b: Dot) -> Result<bool, OrderError> {
        let is_before = self.shared().with(|inner| inner.core.is_before(a, b));
        is_before.unwrap_or_else(|error| Err(error.into()))
    }

    /// Whether neither of two updates was written with knowledge of the other; see
    /// [`Core::is_concurrent`](crate::sans_io::Core::is_concurrent). O(log updates).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).keep_everything().build();
    /// let first = votes.update(3)?.stamp().unwrap().dot;
    /// let second = votes.update(4)?.stamp().unwrap().dot;
    /// assert!(!votes.is_concurrent(first, second)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OrderError`].
    #[doc(alias("conflict"))]
    pub fn is_concurrent(&self, a: Dot, b: Dot) -> Result<bool, OrderError> {
        let is_concurrent = self.shared().with(|inner| inner.core.is_concurrent(a, b));
        is_concurrent.unwrap_or_else(|error| Err(error.into()))
    }

    /// The state and the version it stands for; see [`Core::snapshot`](crate::sans_io::Core::snapshot).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// votes.update(3)?;
    /// assert_eq!(*votes.snapshot()?.version(), votes.version()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked, or serde cannot carry the state.
    #[doc(alias("checkpoint"))]
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let snapshot = self.shared().with(|inner| inner.core.snapshot());
        snapshot.unwrap_or_else(|error| Err(error.into()))
    }

    /// A hash of the encoded state; see [`Core::state_digest`](crate::sans_io::Core::state_digest).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    /// assert_eq!(here.state_digest()?, there.state_digest()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked, or serde cannot carry the state.
    #[doc(alias("checksum", "hash"))]
    pub fn state_digest(&self) -> Result<u128, SnapshotError> {
        let digest = self.shared().with(|inner| inner.core.state_digest());
        digest.unwrap_or_else(|error| Err(error.into()))
    }

    /// Forgets the entries up to a version, which becomes the floor: a peer that has not seen all of it gets a
    /// snapshot instead. This keeps the history of a sum or a set small.
    ///
    /// Trim what every replica has seen that may still come back. Two replicas that have each trimmed updates
    /// unknown to the other can no longer be joined, unless one of them gives up its state.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// votes.update_all([3, 4])?;
    /// votes.trim(&votes.version()?)?;
    /// assert_eq!(votes.history_len()?, 0);
    /// assert_eq!(votes.read(|votes| votes.value())?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the version does not cover `floor`; nothing is changed.
    #[doc(alias("compact", "prune", "truncate", "garbage collect", "fold"))]
    pub fn trim(&self, floor: &VersionVector) -> Result<(), TrimError> {
        let trimmed = self.shared().with(|inner| {
            inner.notify_change();
            inner.core.trim(floor)
        });
        trimmed.unwrap_or_else(|error| Err(error.into()))
    }
}
