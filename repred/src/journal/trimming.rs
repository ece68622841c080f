//! [`Trimming`]: what a compaction removes from the history.

use std::time::Duration;

use crate::id::ReplicaId;

/// What is trimmed when a journal is compacted: the entries that all peers have that *count*. A trimmed entry is only
/// in the state from then on, so the journal gets shorter and opens faster. A peer that does not count, and lacks such
/// entries, gets a snapshot instead of them.
///
/// **Trimming can separate replicas.** If two replicas have each trimmed entries that the other lacks, neither can
/// adopt the snapshot of the other: connections between them end with
/// [`SessionError::BothTrimmed`](crate::error::SessionError::BothTrimmed), and one of them has to
/// [discard its state](crate::Connection::discard_ours). A replica cannot know of replicas that it never met, so
/// nothing is trimmed by default. Trim where all replicas have met, or keep meeting in one place: a server, a hub, a
/// fleet that is set up together.
///
/// **A peer counts only under an id that it is known to have**: say who it is for each connection, with
/// [`authenticated_as`](crate::Connection::authenticated_as), or that all peers are trusted, with
/// [`trust_ids`](crate::ReplicaBuilder::trust_ids). While neither is said, no peer counts, and nothing is trimmed
/// that one would have to confirm.
///
/// ```
/// use std::time::Duration;
///
/// use repred::{LwwMap, Replica, Trimming, journal::Memory};
///
/// // Phones that were away for more than a month get a snapshot.
/// let month = Duration::from_secs(30 * 24 * 3600);
/// let settings = Replica::builder(LwwMap::<String, u32>::default())
///     .trimming(Trimming::Lease(month))
///     .trust_ids()
///     .open_in(Memory::new())?;
/// # drop(settings);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trimming {
    /// Nothing is trimmed. The default.
    #[default]
    Never,
    /// A peer counts if it was connected to this replica itself within this time, and is among the last 1,024 that
    /// were. While no peer was, nothing is trimmed.
    ///
    /// Two groups of replicas that were not connected within this time, and both trim, may be separated for good. A peer
    /// without a journal has a new id after each restart; its last id counts until its lease ends.
    Lease(Duration),
    /// These peers count, and no others. One that was never connected to this replica is taken to have nothing, so
    /// nothing is trimmed until all of them were.
    Among(Vec<ReplicaId>),
}
