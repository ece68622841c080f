//! [`SessionError`]: why a conversation failed.

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use crate::{
    core::{AdoptError, ReceiveError, RejoinError, SnapshotError},
    document::DocumentId,
    fork::Fork,
    id::ReplicaId,
    protocol::{Kind, Malformed, PROTOCOL, ProtocolError, Reason, Unreadable, Upgrade},
    schema::Schema,
    shape::ShapeDifference,
    stamp::Dot,
    unavailable::Unavailable,
    version::VersionVector,
};

/// Why a session failed. The session is over. The replica has everything that was received before, is otherwise
/// unchanged, and can be used; so can its other sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// The other side does not speak repred: something else was connected to this port, or this was
    /// connected to something else.
    NotRepred {
        /// Its first bytes, at most sixteen.
        start: Vec<u8>,
    },
    /// The other side speaks another version of the protocol. The side with the lower one has to be
    /// upgraded.
    Protocol {
        /// Ours.
        ours: u8,
        /// The peer's.
        theirs: u8,
    },
    /// What came is of a later version of repred, which says that it must not be passed over. Upgrade this side. What
    /// came before it was applied.
    Upgrade {
        /// What kind of thing it is.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// The other side replicates another document. Connect replicas of one document, and open a journal as what it is.
    Document {
        /// Ours.
        ours: DocumentId,
        /// The peer's, or the file's.
        theirs: DocumentId,
    },
    /// The other side's updates mean something else. Where only the versions differ, the side with the
    /// lower one has to be upgraded.
    Schema {
        /// Ours.
        ours: Schema,
        /// The peer's.
        theirs: Schema,
    },
    /// The other side's types are not ours, or it started with another state: what one side writes, the other would
    /// misread, or the two would differ for ever. Of a file, the other side is the program that wrote it. If the change is
    /// intended, give the program another [version](Schema::new) of its schema, and let that
    /// [grow](Schema::grown_from) from the older one if it can be read. Nothing was exchanged.
    Shape {
        /// The first place that differs.
        difference: ShapeDifference,
        /// The version of our schema.
        ours: u32,
        /// The version of the other side's schema.
        theirs: u32,
    },
    /// The other side has our id. If it is not ourselves, one is a copy of the other: restore copies
    /// under a new id.
    SameId {
        /// The id.
        id: ReplicaId,
    },
    /// Both sides were configured to give up their state for the other's. Configure only one so.
    BothDiscard,
    /// Each side has trimmed updates that the other has not seen. Connect again, and let one of the two rejoin:
    /// `connect(..).rejoin()`. If neither can, because its own updates are among those, one has to give up its state:
    /// `connect(..).discard_ours()`.
    BothTrimmed {
        /// What is trimmed here.
        ours: VersionVector,
        /// What is trimmed there.
        theirs: VersionVector,
    },
    /// The two sides have different updates of one name: two replicas have written under one id, such as a replica and
    /// a copy of its folder, or one that was restored from a backup and the one it was made of. Nothing of either half
    /// has reached the other in this session, and the other side reports the same.
    ///
    /// Both replicas can be used, but neither connects with the other again before one of the two has rejoined
    /// (`Replica::rejoin`): it takes the others' state, and writes its own updates that they lack again under a new id.
    /// If the id is ours, that is us or the other replica that writes under it. If not, it is one of the two that write
    /// under that id, and also each replica that has updates of the half that rejoins. Open copies and backups with
    /// `restored()`, so that they get an id of their own.
    Forked {
        /// Under whose id two have written.
        origin: ReplicaId,
        /// The first seq at which the two are known to differ; they may have parted earlier.
        seq: u64,
        /// Whether this replica writes under that id, or did since it was opened, so that it is one of the two.
        is_ours: bool,
    },
    /// An entry could not be applied.
    Receive(ReceiveError),
    /// A snapshot could not be adopted.
    Adopt(AdoptError),
    /// We have not rejoined. Everything here is as it was.
    Rejoin(RejoinError),
    /// More came too early by our clock than is kept until its time. What there was no room for could be received now.
    /// Connect again: it is sent again.
    LeftOut,
    /// There was no snapshot or digest to send.
    Snapshot(SnapshotError),
    /// A message is malformed. Complete entries and blocks before that place were applied; an open block, and
    /// everything after the place, were dropped.
    Malformed {
        /// What should have been there.
        expected: &'static str,
    },
    /// A message came that is not allowed at this point of the conversation.
    Unexpected {
        /// Its kind.
        message: &'static str,
    },
    /// A message is longer than our limit. Its bytes were not read.
    MessageTooLarge {
        /// The announced bytes.
        size: u64,
        /// What is allowed: [`SessionLimits::message_bytes`](crate::sans_io::SessionLimits::message_bytes).
        limit: usize,
    },
    /// A block, which must be applied as a whole, is larger than our limit.
    BlockTooLarge {
        /// What is allowed: [`SessionLimits::block_bytes`](crate::sans_io::SessionLimits::block_bytes).
        limit: usize,
    },
    /// A snapshot is larger than our limit. Its bytes were not read.
    SnapshotTooLarge {
        /// The announced bytes.
        size: u64,
        /// What is allowed:
        /// [`SessionLimits::snapshot_bytes`](crate::sans_io::SessionLimits::snapshot_bytes).
        limit: usize,
    },
    /// An entry, a digest or a block of ours is larger than the peer's limit, which has to be raised there.
    TooLargeForPeer {
        /// About how many bytes it takes.
        size: usize,
        /// What the peer allows.
        limit: usize,
    },
    /// No whole message came for this long, or the handshake was not completed in this time.
    Silent {
        /// [`SessionConfig::timeout`](crate::sans_io::SessionConfig::timeout).
        timeout: Duration,
    },
    /// The peer is another replica than the transport has [authenticated](crate::sans_io::PeerIdentity::Authenticated): it
    /// claims an id that is not its own, or the transport has another id for it.
    OtherId {
        /// Its id, as the transport knows it.
        authenticated: ReplicaId,
        /// The id that it claims to have.
        claimed: ReplicaId,
    },
    /// We listen, and the peer has not said who it is for this long. If both sides listen, let one of them
    /// [connect](crate::sans_io::Role::Connects).
    NobodyBegan {
        /// [`SessionConfig::timeout`](crate::sans_io::SessionConfig::timeout).
        timeout: Duration,
    },
    /// The peer took nothing for this long.
    Stalled {
        /// [`SessionConfig::timeout`](crate::sans_io::SessionConfig::timeout).
        timeout: Duration,
    },
    /// Both have seen the same, but the states differ: concurrent updates of this reducer do not
    /// commute, the programs differ, or equal states have different encodings, as those of a `HashMap`
    /// (use a `BTreeMap`). Test the reducer; then start all replicas anew from one of them.
    Diverged {
        /// What both have seen.
        version: VersionVector,
    },
    /// The peer ended the session and said why; the error itself is on its side.
    Peer(Reason),
    /// Our state was replaced by another while this session was open, so the peer relies on our having what we no longer
    /// have. Connect again.
    Discarded,
    /// Another peer has brought updates of a newer version of the schema, and this peer was promised that there are none.
    /// Connect again; nothing is lost.
    NewerSchema,
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

impl SessionError {
    /// What to tell the peer.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Upgrade { .. } => Reason::Upgrade,
            Self::Document { .. } => Reason::Document,
            Self::Shape { .. } => Reason::Shape,
            Self::NotRepred { .. }
            | Self::Protocol { .. }
            | Self::Schema { .. }
            | Self::SameId { .. }
            | Self::BothDiscard
            | Self::TooLargeForPeer { .. } => Reason::Incompatible,
            Self::LeftOut
            | Self::Receive(ReceiveError::TooFarAhead { .. })
            | Self::Adopt(AdoptError::TooFarAhead { .. }) => Reason::Clock,
            Self::BothTrimmed { .. } | Self::Adopt(AdoptError::BothTrimmed { .. }) => {
                Reason::Trimmed
            }
            Self::Malformed { .. }
            | Self::Unexpected { .. }
            | Self::MessageTooLarge { .. }
            | Self::BlockTooLarge { .. }
            | Self::SnapshotTooLarge { .. } => Reason::Malformed,
            Self::Receive(ReceiveError::Unavailable(_))
            | Self::Adopt(AdoptError::Unavailable(_)) => Reason::Failed,
            Self::Receive(_) | Self::Adopt(_) => Reason::Refused,
            Self::OtherId { .. } => Reason::Incompatible,
            Self::Silent { .. } | Self::NobodyBegan { .. } | Self::Stalled { .. } => {
                Reason::TimedOut
            }
            Self::Diverged { .. } => Reason::Diverged,
            &Self::Forked { origin, seq, .. } => Reason::Forked { dot: Dot::new(origin, seq) },
            // Nothing is wrong with the peer or with us: the next connection continues.
            Self::NewerSchema | Self::Discarded => Reason::Finished,
            Self::Rejoin(_) | Self::Snapshot(_) | Self::Unavailable(_) | Self::Peer(_) => {
                Reason::Failed
            }
        }
    }

    /// The fork that this reports, if it does.
    ///
    /// ```
    /// use repred::error::SessionError;
    ///
    /// let forked = SessionError::Forked { origin: 0xa.into(), seq: 6, is_ours: true };
    /// assert_eq!(forked.fork().unwrap().seq, 6);
    /// assert!(SessionError::BothDiscard.fork().is_none());
    /// ```
    pub fn fork(&self) -> Option<Fork> {
        match *self {
            Self::Forked { origin, seq, is_ours } => Some(Fork { origin, seq, is_ours }),
            _ => None,
        }
    }

    pub(crate) fn unexpected(kind: Kind) -> Self {
        Self::Unexpected { message: kind.name() }
    }
}

impl From<ProtocolError> for SessionError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::NotRepred { start } => Self::NotRepred { start },
            ProtocolError::OtherProtocol { theirs } => Self::Protocol { ours: PROTOCOL, theirs },
            ProtocolError::Malformed(malformed) => malformed.into(),
            ProtocolError::Upgrade(Upgrade { what, number }) => Self::Upgrade { what, number },
            ProtocolError::Unexpected(kind) => Self::unexpected(kind),
            ProtocolError::TooManyOrigins { limit } => {
                Self::Receive(ReceiveError::TooManyOrigins { limit })
            }
            ProtocolError::BlockTooLarge { limit } => Self::BlockTooLarge { limit },
            ProtocolError::SnapshotTooLarge { size, limit } => {
                Self::SnapshotTooLarge { size, limit }
            }
        }
    }
}

impl From<Malformed> for SessionError {
    fn from(Malformed(expected): Malformed) -> Self {
        Self::Malformed { expected }
    }
}

impl From<Unreadable> for SessionError {
    fn from(error: Unreadable) -> Self {
        ProtocolError::from(error).into()
    }
}

impl From<Unavailable> for SessionError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<Fork> for SessionError {
    fn from(Fork { origin, seq, is_ours }: Fork) -> Self {
        Self::Forked { origin, seq, is_ours }
    }
}

impl From<ReceiveError> for SessionError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Forked(fork) => fork.into(),
            ReceiveError::Unavailable(error) => Self::Unavailable(error),
            error => Self::Receive(error),
        }
    }
}

impl From<AdoptError> for SessionError {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Forked(fork) => fork.into(),
            AdoptError::Unavailable(error) => Self::Unavailable(error),
            error => Self::Adopt(error),
        }
    }
}

impl From<RejoinError> for SessionError {
    fn from(error: RejoinError) -> Self {
        match error {
            RejoinError::Adopt(error) => error.into(),
            RejoinError::Receive(error) => error.into(),
            RejoinError::Unavailable(error) => Self::Unavailable(error),
            error => Self::Rejoin(error),
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRepred { start } => {
                let start = start.escape_ascii();
                write!(f, "the other side does not speak repred; it began with \"{start}\"")
            }
            Self::Protocol { ours, theirs } => {
                let side = if ours < theirs { "us" } else { "the other side" };
                write!(f, "we speak protocol {ours}, the other side {theirs}; upgrade {side}")
            }
            Self::Upgrade { what, number } => {
                write!(f, "{what} ({number}) is of a later version of repred; upgrade us")
            }
            Self::Document { ours, theirs } => write!(
                f,
                "we replicate document {ours}, the other side {theirs}; connect replicas of one document"
            ),
            Self::Shape { difference, ours, theirs } if ours == theirs => write!(
                f,
                "both are of version {ours} of the schema, but {difference}; start both with the same types and the same state, \
                 or give the changed program another version"
            ),
            Self::Shape { difference, ours, theirs } => write!(
                f,
                "version {} of the schema cannot read what version {} writes: {difference}",
                ours.max(theirs),
                ours.min(theirs)
            ),
            Self::Schema { ours, theirs } if ours.name() != theirs.name() => write!(
                f,
                "we replicate \"{ours}\", the other side \"{theirs}\"; connect like to like, or \
                 give both the same schema"
            ),
            Self::Schema { ours, theirs } => {
                let side = if ours.version() < theirs.version() { "us" } else { "the other side" };
                write!(f, "we replicate \"{ours}\", the other side \"{theirs}\"; upgrade {side}")
            }
            Self::SameId { id } => {
                write!(f, "the other side is replica {id} too; give a copy an id of its own")
            }
            Self::BothDiscard => {
                f.write_str("both sides are to discard their state; tell only one")
            }
            Self::BothTrimmed { ours, theirs } => write!(
                f,
                "we have trimmed {ours} and the other side {theirs}, which cannot be joined; one of \
                 the two has to rejoin(), or to discard its state"
            ),
            &Self::Forked { origin, seq, is_ours } => Fork { origin, seq, is_ours }.fmt(f),
            Self::Receive(error) => error.fmt(f),
            Self::Adopt(error) => error.fmt(f),
            Self::Rejoin(error) => error.fmt(f),
            Self::LeftOut => f.write_str(
                "more came too early by our clock than is kept; connect again, and it is sent again",
            ),
            Self::Snapshot(error) => error.fmt(f),
            Self::Malformed { expected } => {
                write!(f, "a message is malformed where {expected} should be")
            }
            Self::Unexpected { message } => write!(f, "a message ({message}) has no place here"),
            Self::MessageTooLarge { size, limit } => {
                write!(f, "a message of {size} bytes was announced, but {limit} is the limit")
            }
            Self::BlockTooLarge { limit } => {
                write!(f, "a block has over {limit} bytes; raise the limit to take it")
            }
            Self::SnapshotTooLarge { size, limit } => {
                write!(f, "a snapshot of {size} bytes was announced, but {limit} is the limit")
            }
            Self::TooLargeForPeer { size, limit } => {
                write!(f, "a message takes {size} bytes, but the other side takes {limit} at most")
            }
            Self::Silent { timeout } => write!(f, "the other side sent nothing for {timeout:?}"),
            Self::OtherId { authenticated, claimed } => {
                write!(f, "the other side claims to be {claimed}, but the transport knows it as {authenticated}")
            }
            Self::NobodyBegan { timeout } => write!(
                f,
                "we listen, and the other side has not said who it is for {timeout:?}; if it listens too, let one of \
                 the two connect"
            ),
            Self::Stalled { timeout } => write!(f, "the other side took nothing for {timeout:?}"),
            Self::Diverged { version } => write!(
                f,
                "both sides have seen {version}, but their states differ: concurrent updates do not \
                 commute, or equal states have different encodings, as a HashMap's"
            ),
            Self::Peer(reason) => write!(f, "the other side ended the session: {reason}"),
            Self::NewerSchema => f.write_str(
                "a newer version of the schema has come from elsewhere, which the other side has to be \
                 told of; connect again",
            ),
            Self::Discarded => f.write_str("our state was given up for another; connect again"),
            Self::Unavailable(_) => f.write_str("the replica cannot be used"),
        }
    }
}

impl core::error::Error for SessionError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            // What it displays is what these do.
            Self::Receive(error) => error.source(),
            Self::Adopt(error) => error.source(),
            Self::Rejoin(error) => error.source(),
            Self::Snapshot(error) => error.source(),
            Self::Unavailable(error) => Some(error),
            _ => None,
        }
    }
}
