//! [`Host`]: a replica behind a lock, as its log writer sees it.

use super::outbox::Outbox;
use crate::{core::Core, id::ReplicaId, journal::JournalError, reduce::Replicated, time::Time};

/// A replica behind a lock, for which a [`LogWriter`](super::LogWriter) writes a journal. Whoever owns the lock
/// implements this, so that the writer knows nothing of connections and observers.
pub(crate) trait Host: Send + Sync + 'static {
    type State: Replicated;

    /// Calls `act` under the lock. `None` if that cannot be: the calling thread holds the lock already, which the
    /// writer thread never does.
    fn lock<T>(&self, act: impl FnOnce(&mut Core<Self::State>, &mut Outbox) -> T) -> Option<T>;

    /// Does the same, and wakes all connections and observers afterwards.
    fn lock_and_wake<T>(
        &self,
        act: impl FnOnce(&mut Core<Self::State>, &mut Outbox) -> T,
    ) -> Option<T>;

    /// Passes to the outbox what the peers that are connected have confirmed by now.
    fn note_peers(&self);

    /// The wall time now.
    fn wall(&self) -> Time;

    /// An id that nobody ever had.
    fn new_id(&self) -> ReplicaId;

    /// Something of the writer's work begins to fail, or does not fail any more. Called without the lock.
    fn report(&self, report: WriterReport);
}

/// What of the writer's work fails, or does not fail any more. No caller waits for that work, so nobody gets its error.
#[derive(Clone, Debug)]
pub(crate) enum WriterReport {
    /// A compaction has failed; the present log is in use as before.
    NotCompacted(JournalError),
    Compacted,
    /// The storage refuses a write, which was rolled back.
    Refused(JournalError),
    /// The storage takes writes again.
    Accepted,
    /// Nothing is written any more.
    Failed(JournalError),
}
