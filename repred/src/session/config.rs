//! [`SessionConfig`]: how a session behaves.

use core::time::Duration;

use crate::{id::ReplicaId, reduce::Replicated, schema::Schema};

/// Which way entries flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// We receive, and send nothing of ours.
    ReceiveOnly,
    /// We send, and receive nothing.
    SendOnly,
}

/// Who says first who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "somebody has to begin")]
pub enum Role {
    /// We do, at once. Two that do both get along.
    #[default]
    Connects,
    /// The peer does. Until it has said that it speaks of the same document and a schema of the same name, nothing is
    /// said to it. Two that listen wait in vain.
    Listens,
}

/// Whether the peer is who it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is nothing between the three")]
pub enum PeerIdentity {
    /// It may be anybody, so what it confirms to have does not count when a history is
    /// [trimmed](crate::Trimming).
    #[default]
    Claimed,
    /// Whoever can connect says the truth about its id.
    Trusted,
    /// The transport has found out that this is its id. A peer that says another is refused.
    Authenticated(ReplicaId),
}

/// How a session behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    /// What our updates mean; a peer with another schema is refused.
    pub schema: Schema,
    /// Which way entries flow.
    pub direction: Direction,
    /// Whether the peer is who it says. Default [`PeerIdentity::Claimed`].
    pub identity: PeerIdentity,
    /// Who says first who it is. Default [`Role::Connects`].
    pub role: Role,
    /// How much is accepted from the peer.
    pub limits: SessionLimits,
    /// After how long without a message to the peer to send a ping. Default five seconds.
    pub keep_alive: Duration,
    /// The session fails if no whole message arrives for this long, or if nothing can be sent for this long. It has
    /// to be a few times the peer's `keep_alive`, and long enough for the link to carry the largest update. Default
    /// twenty seconds.
    pub timeout: Duration,
    /// How far the peer's wall clock may be from ours before [`Session::clock_difference`](super::Session::clock_difference)
    /// says so. While it is not that far ahead, nor further than
    /// [`CoreLimits::time_ahead`](crate::sans_io::CoreLimits::time_ahead), what the peer sends is too early only if it is
    /// too far ahead of the peer's clock as well. Default five minutes.
    pub clock_drift: Duration,
    /// Compare digests of the state whenever versions are equal, this often at most. Both sides must
    /// want it, and the state needs a canonical encoding. Default `None`: never.
    pub check_divergence: Option<Duration>,
    /// Give up our state if our history and the peer's cannot be joined; see
    /// [`Core::discard_and_adopt`](crate::sans_io::Core::discard_and_adopt). Default no.
    pub discard_ours: bool,
    /// Rejoin under this id, which nobody ever had: take the peer's history for ours, and write again what only we have;
    /// see [`Core::rejoin`](crate::sans_io::Core::rejoin). Default `None`: no.
    ///
    /// Until the peer has sent everything, it is kept in memory beside the present state:
    /// [`snapshot_bytes`](SessionLimits::snapshot_bytes) and [`block_bytes`](SessionLimits::block_bytes) together at
    /// most.
    pub rejoin: Option<ReplicaId>,
}

/// How much a session accepts from its peer, and so how much memory a peer can make it use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// Bytes of a message, which is buffered whole. Default 2 MiB, so that the largest update fits. Less than 1 KiB
    /// counts as that, and the peer is told whole KiB.
    pub message_bytes: usize,
    /// Bytes of a block, which is applied as one and staged until its end. Default 64 MiB. Less than 1 KiB counts as
    /// that, and the peer is told whole KiB.
    pub block_bytes: usize,
    /// Bytes of a snapshot, which is buffered until it is adopted. Default 256 MiB.
    pub snapshot_bytes: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self { message_bytes: 2 << 20, block_bytes: 64 << 20, snapshot_bytes: 256 << 20 }
    }
}

impl SessionLimits {
    /// The least that can be said to a peer.
    const LEAST: usize = 1 << 10;

    pub(super) fn message(&self) -> usize {
        self.message_bytes.max(Self::LEAST)
    }

    pub(super) fn block(&self) -> usize {
        self.block_bytes.max(Self::LEAST)
    }
}

impl SessionConfig {
    /// The defaults, for this schema.
    pub fn new(schema: Schema) -> Self {
        Self {
            schema,
            direction: Direction::Both,
            role: Role::Connects,
            identity: PeerIdentity::Claimed,
            limits: SessionLimits::default(),
            keep_alive: Duration::from_secs(5),
            timeout: Duration::from_secs(20),
            clock_drift: Duration::from_secs(300),
            check_divergence: None,
            discard_ours: false,
            rejoin: None,
        }
    }

    /// The defaults, for the schema that is named after the type of the state.
    pub fn for_state<R: Replicated>() -> Self {
        Self::new(Schema::of::<R>())
    }

    /// Whether our state may be given up for the peer's.
    pub(super) fn discards(&self) -> bool {
        self.discard_ours || self.rejoin.is_some()
    }

    pub(super) fn listens(&self) -> bool {
        self.role == Role::Listens
    }

    pub(super) fn sends(&self) -> bool {
        self.direction != Direction::ReceiveOnly
    }

    pub(super) fn receives(&self) -> bool {
        self.direction != Direction::SendOnly
    }
}

/// How much of what it was given the transport has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "there is nothing between the two")]
pub enum WriteProgress {
    /// All of it.
    Complete,
    /// Some of it; there is more.
    Partial,
}
