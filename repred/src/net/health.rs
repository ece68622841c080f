//! [`Health`]: what is wrong in the background of a replica.

use std::{fmt, time::Duration};

use crate::{id::ReplicaId, protocol::Reason, time::Time};

/// What is wrong with a replica now that no method returns as an error; see [`Replica::health`](crate::Replica::health).
/// A value: it does not change afterwards.
///
/// Its `Display` is one line for each problem, or `good`.
///
/// ```
/// use repred::{Counter, Replica};
///
/// let votes = Replica::new(Counter::default());
/// let health = votes.health()?;
/// assert!(health.is_good());
/// assert_eq!(health.to_string(), "good");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Each thing that is wrong, by kind.
    pub problems: Vec<Problem>,
}

impl Health {
    /// Whether nothing is wrong.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// assert!(Replica::new(Counter::default()).health()?.is_good());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One thing that is wrong with a replica, and how often that was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// When it was noticed first, by this replica's wall clock.
    pub since: Time,
    /// When it was noticed last, by this replica's wall clock.
    pub last: Time,
    /// How often it was noticed: 1 for what lasts without being tried again.
    pub times: u64,
}

/// What is wrong with a replica. Each variant says what to do.
///
/// Texts of errors are shortened to [some hundred bytes](Self::MAX_TEXT).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The journal cannot be compacted, so it grows. Nothing is lost. Make room on the disk, or mend what the error says;
    /// ends with the next compaction that succeeds.
    CompactionFails {
        /// Why the last one failed.
        error: String,
    },
    /// The storage has refused a write, which was rolled back, and it refuses still. The replica takes no updates. Make
    /// room on the disk; ends when there is some.
    StorageRefuses {
        /// What the storage says.
        error: String,
    },
    /// The journal has failed, and nothing is written any more. Open the replica again.
    JournalFailed {
        /// Why.
        error: String,
    },
    /// The version has nearly as many origins as it may have, or as many; then no update of another origin is received.
    /// Raise [`CoreLimits::origins`](crate::sans_io::CoreLimits::origins) on all replicas, or let fewer of them write
    /// under new ids.
    OriginsNearLimit {
        /// The number of origins.
        origins: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Updates are kept and passed on, but not reduced, because a newer version of the program wrote them, or because they
    /// came after such updates. Upgrade this program.
    Deferred {
        /// How many.
        updates: u64,
        /// Some of the origins whose updates are deferred.
        origins: Vec<ReplicaId>,
    },
    /// What a peer sent was refused, or the peer itself. The error says what to do. Ends when a connection with the peer
    /// is fine, and the last error is a [while](Self::SETTLED) ago.
    PeerRefused {
        /// The peer, if it said who it is.
        peer: Option<ReplicaId>,
        /// The last error.
        error: String,
    },
    /// A peer has refused us, or what we sent. The error is on its side. Ends when a connection with the peer is fine, and
    /// the last refusal is a [while](Self::SETTLED) ago.
    RefusedByPeer {
        /// The peer, if it said who it is.
        peer: Option<ReplicaId>,
        /// What it says.
        reason: Reason,
    },
    /// A replica has seen the same updates and holds another state: a fault of the reducer, most likely. Test the reducer
    /// with [`Laws`](crate::testing::Laws). Does not end by itself.
    Diverged {
        /// The peer that holds another state.
        peer: Option<ReplicaId>,
    },
    /// Two different updates have the same name: two replicas have written under one id, because one is a copy of the
    /// other. Does not end by itself.
    Forked {
        /// The id that both write under.
        origin: ReplicaId,
        /// The seq of an update that is not the same on both sides.
        seq: u64,
    },
    /// The journal that was opened is a copy of another one, or was moved: the replica took a new id.
    Copied {
        /// The id that the journal was written under.
        was: ReplicaId,
    },
    /// Our clock and that of a peer differ by more than
    /// [`SessionConfig::clock_drift`](crate::sans_io::SessionConfig::clock_drift); nobody knows which of the two is
    /// right. What the one that is ahead writes waits at the other until its time has come. Set the clock that is wrong.
    /// Ends when a connection with the peer is fine that began with clocks that differ by less, and the last that
    /// did not is a [while](Self::SETTLED) ago.
    ClockAhead {
        /// Whose clock is ahead; `None` if it is ours.
        whose: Option<ReplicaId>,
        /// How far it is ahead.
        by: Duration,
    },
    /// What is written here is stamped with times far ahead of our clock, because it was set back, or because another
    /// replica's clock is ahead: see [`Core::clock_ahead`](crate::sans_io::Core::clock_ahead). Others let it wait, and if
    /// it becomes too far, nothing is written: see [`UpdateError::ClockAhead`](crate::error::UpdateError::ClockAhead),
    /// which names the way back. Ends when the clock has come near.
    StampsAhead {
        /// How far they are ahead.
        by: Duration,
    },
    /// Things of a kind that only newer versions of repred know were neither kept nor passed on, because there were too
    /// many. Upgrade this program.
    NotKept {
        /// How many.
        count: u64,
    },
    /// Connections were made and never polled, so they did nothing: spawn or await what `connect` returns. Ends when
    /// one made later is polled.
    NeverPolled {
        /// How many were dropped before they were polled.
        dropped: u64,
        /// How many exist that were made at least ten seconds ago and not polled since.
        waiting: u64,
    },
}

/// What tells problems apart: two of one topic are the same problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    CompactionFails,
    StorageRefuses,
    JournalFailed,
    OriginsNearLimit,
    Deferred,
    PeerRefused(Option<ReplicaId>),
    RefusedByPeer(Option<ReplicaId>),
    Diverged(Option<ReplicaId>),
    Forked(ReplicaId),
    Copied,
    ClockAhead(Option<ReplicaId>),
    StampsAhead,
    NotKept,
    NeverPolled,
}

impl ProblemKind {
    /// The most bytes of the text of an error. The text of a version can have megabytes.
    pub const MAX_TEXT: usize = 400;

    /// How long ago the last error has to be until a problem with a peer counts as over.
    pub const SETTLED: Duration = Duration::from_secs(60);

    pub(super) fn topic(&self) -> Topic {
        match self {
            Self::CompactionFails { .. } => Topic::CompactionFails,
            Self::StorageRefuses { .. } => Topic::StorageRefuses,
            Self::JournalFailed { .. } => Topic::JournalFailed,
            Self::OriginsNearLimit { .. } => Topic::OriginsNearLimit,
            Self::Deferred { .. } => Topic::Deferred,
            Self::PeerRefused { peer, .. } => Topic::PeerRefused(*peer),
            Self::RefusedByPeer { peer, .. } => Topic::RefusedByPeer(*peer),
            Self::Diverged { peer } => Topic::Diverged(*peer),
            Self::Forked { origin, .. } => Topic::Forked(*origin),
            Self::Copied { .. } => Topic::Copied,
            Self::ClockAhead { whose, .. } => Topic::ClockAhead(*whose),
            Self::StampsAhead { .. } => Topic::StampsAhead,
            Self::NotKept { .. } => Topic::NotKept,
            Self::NeverPolled { .. } => Topic::NeverPolled,
        }
    }

    /// How bad it is, for a problem that can become worse.
    pub(super) fn level(&self) -> u8 {
        match self {
            Self::OriginsNearLimit { origins, limit } => u8::from(origins >= limit),
            _ => 0,
        }
    }
}

/// The text of an error with its sources, shortened.
pub(super) fn text_of(error: &dyn std::error::Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    if text.len() > ProblemKind::MAX_TEXT {
        let end = (0..=ProblemKind::MAX_TEXT).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_good() {
            return f.write_str("good");
        }
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// What is wrong, and, if it was noticed more than once, how often and for how long.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if self.times > 1 {
            let seconds = self.last.since(self.since).as_secs();
            write!(f, " ({} times in {seconds} s)", self.times)?;
        }
        Ok(())
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CompactionFails { error } => {
                write!(f, "the journal cannot be compacted, so it grows: {error}")
            }
            Self::StorageRefuses { error } => write!(f, "the journal takes no updates: {error}"),
            Self::JournalFailed { error } => {
                write!(f, "the journal has failed; open the replica again: {error}")
            }
            Self::OriginsNearLimit { origins, limit } => write!(
                f,
                "{origins} origins have written, and {limit} is the limit: raise it on all replicas"
            ),
            Self::Deferred { updates, origins } => {
                write!(f, "{updates} updates are not reduced; upgrade this program. They are of")?;
                origins.iter().try_for_each(|origin| write!(f, " {origin}"))
            }
            Self::PeerRefused { peer, error } => {
                write!(f, "{} is refused: {error}", Name("peer", *peer))
            }
            Self::RefusedByPeer { peer, reason } => {
                write!(f, "{} refuses us: {reason}", Name("peer", *peer))
            }
            Self::Diverged { peer } => write!(
                f,
                "{} has seen the same updates and holds another state: test the reducer",
                Name("peer", *peer)
            ),
            Self::Forked { origin, seq } => write!(
                f,
                "two replicas write as {origin}: there are two updates {origin}.{seq}; one replica is a \
                 copy of the other, and needs an id of its own"
            ),
            Self::Copied { was } => write!(
                f,
                "the journal is a copy of one that {was} wrote; this replica writes under a new id"
            ),
            Self::ClockAhead { whose: None, by } => {
                write!(
                    f,
                    "our clock is {by:?} ahead of another replica's; set the one that is wrong"
                )
            }
            Self::ClockAhead { whose: Some(whose), by } => {
                write!(
                    f,
                    "the clock of replica {whose} is {by:?} ahead of ours; set the one that is wrong"
                )
            }
            Self::StampsAhead { by } => write!(
                f,
                "our stamps are {by:?} ahead of our clock, which was set back, or another replica's clock is ahead; \
                 others may let what is written wait"
            ),
            Self::NotKept { count } => write!(
                f,
                "{count} things of a kind that is not known here were not kept; upgrade this program"
            ),
            Self::NeverPolled { dropped, waiting } => write!(
                f,
                "{dropped} connections were dropped before they were polled, and {waiting} wait to be \
                 polled; spawn or await what `connect` returns"
            ),
        }
    }
}

/// A replica, if it said who it is.
struct Name(&'static str, Option<ReplicaId>);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(id) => write!(f, "{} {id}", self.0),
            None => write!(f, "a {} that did not say who it is", self.0),
        }
    }
}
