//! Why a core did not do what it was asked to. One enum for each operation; what an error wraps is its source, which its
//! own text does not repeat.

use alloc::string::String;
use core::{error::Error, fmt, time::Duration};

use crate::{
    encoding::{DecodeError, EncodeError},
    fork::Fork,
    id::ReplicaId,
    stamp::{Dot, Stamp},
    time::Time,
    unavailable::Unavailable,
    version::VersionVector,
};

/// Why an update was not written. The replica is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateError {
    /// serde could not encode it, or it is nested too deeply to be decoded elsewhere.
    Encode(EncodeError),
    /// What was encoded cannot be decoded, so no replica could reduce it. The format has no names, which tagged and
    /// untagged enums and values of any shape, such as `serde_json::Value`, need.
    Decode(DecodeError),
    /// It is larger than an update may be. Split it, or raise
    /// [`CoreLimits::update_bytes`](crate::sans_io::CoreLimits::update_bytes) everywhere.
    TooLarge {
        /// Its encoded size in bytes.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// All updates of the edit together are larger than an edit may be.
    EditTooLarge {
        /// The encoded size in bytes up to the update that was too much.
        size: usize,
        /// What is allowed.
        limit: usize,
    },
    /// An editor has refused what it was asked to write, such as a sum that is out of range.
    Refused {
        /// Why.
        reason: String,
    },
    /// Another replica writes under our id. Take a new one with [`Core::set_id`](crate::sans_io::Core::set_id).
    IdTaken {
        /// The id.
        id: ReplicaId,
    },
    /// The update's time would be so far ahead of our wall clock that no peer takes it now: something was written when
    /// the clock was ahead, and stamps never step back. Wait until the clock has come near, or let the replica rejoin
    /// (`connect(..).rejoin()`, or [`Core::rejoin`](crate::sans_io::Core::rejoin)): it writes its updates again, with new
    /// stamps, under a new id. Before anything else, look whether the clock is right now.
    ClockAhead {
        /// How far the time would be ahead of the wall clock.
        by: Duration,
        /// How far it may be: twice [`CoreLimits::time_ahead`](crate::sans_io::CoreLimits::time_ahead). A peer whose
        /// clock is right takes what is half as far ahead at once, and lets what is further ahead wait.
        limit: Duration,
    },
    /// The journal has no room. The replica can still be read. Make room on the disk, and try again.
    Full {
        /// What the journal says.
        reason: String,
    },
    /// The replica was closed, or its journal has failed, and accepts no more updates. The replica can still be read. Open
    /// it again.
    ReadOnly {
        /// Why.
        reason: String,
    },
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why an edit was not made. The replica is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError<E> {
    /// The closure has returned this error.
    Closure(E),
    /// One of the updates cannot be written.
    Update(UpdateError),
}

/// Why a received entry or block was refused. Earlier entries and blocks stay applied; nothing of the refused one is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// An update of this origin was left out before this one: the peer's fault.
    Gap {
        /// What came.
        dot: Dot,
        /// The seq that should have come.
        expected: u64,
    },
    /// It claims to be written by us, and we have not written it: we are a restored copy, and
    /// [need a new id](crate::sans_io::Core::needs_new_id), or the peer lies.
    OwnOrigin {
        /// What it calls itself.
        dot: Dot,
    },
    /// A skip reaches further than its sender has shown to know its origin: the sender's fault. Connected again, a sender
    /// that does know it says so in its digest.
    NotShown {
        /// The last update that was skipped.
        dot: Dot,
        /// What the sender had shown to know of the origin.
        shown: u64,
    },
    /// Its time is 0, which no clock says: the fault of its origin, or of a peer that changed it on the way.
    NoTime {
        /// Its name.
        dot: Dot,
    },
    /// It is in a backup, and its time is too far ahead of our clock. (In a session it waits.) It will be accepted after the wait, or once
    /// [`CoreLimits::time_ahead`](crate::sans_io::CoreLimits::time_ahead) is raised.
    TooFarAhead {
        /// Its stamp.
        stamp: Stamp,
        /// How long until it is near enough.
        wait: Duration,
    },
    /// Its bytes do not decode to an update of this schema: the fault of its origin, or of a peer that changed it on the
    /// way.
    Decode {
        /// Its name.
        dot: Dot,
        /// What is wrong with them.
        error: DecodeError,
    },
    /// The peer claims that its author had seen an update that has not arrived before it: the peer's fault.
    MissingDependency {
        /// Its name.
        dot: Dot,
        /// What its author is said to have seen.
        dependency: Dot,
    },
    /// The peer claims that its author had newly seen an update that the author had seen earlier: the peer's fault.
    RepeatedDependency {
        /// Its name.
        dot: Dot,
        /// What its author is said to have newly seen.
        dependency: Dot,
    },
    /// Another update of this name is here: two replicas have written under one id. See
    /// [`SessionError::Forked`](crate::error::SessionError::Forked).
    Forked(Fork),
    /// The version has no room for another origin. Raise the limit, if that many replicas are to write.
    TooManyOrigins {
        /// What is allowed: [`CoreLimits::origins`](crate::sans_io::CoreLimits::origins).
        limit: usize,
    },
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why a snapshot was not adopted. The replica is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdoptError {
    /// We have trimmed updates that the snapshot has not seen, so they cannot be reduced on top of it.
    /// [`Core::discard_and_adopt`](crate::sans_io::Core::discard_and_adopt) gives ours up for theirs.
    BothTrimmed {
        /// What is trimmed here.
        floor: VersionVector,
        /// What the snapshot has seen.
        snapshot: VersionVector,
    },
    /// It has seen another update of some name than we have: two replicas have written under one id. See
    /// [`SessionError::Forked`](crate::error::SessionError::Forked).
    Forked(Fork),
    /// Its largest time is too far ahead of our clock. It will be accepted after the wait.
    TooFarAhead {
        /// Its time.
        time: Time,
        /// How long until it is near enough.
        wait: Duration,
    },
    /// The version has no room for its origins. Raise the limit, if that many replicas are to write.
    TooManyOrigins {
        /// What is allowed: [`CoreLimits::origins`](crate::sans_io::CoreLimits::origins).
        limit: usize,
    },
    /// It claims to have this update of ours, and its sender has not shown to know it: a fault of the sender, which would
    /// take away what we wrote. Connect to another peer.
    NotShown {
        /// The last of ours that it claims to have.
        dot: Dot,
    },
    /// Its bytes do not decode to a state of this schema: it is of another program, or was changed on the way.
    Decode(DecodeError),
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why a replica has not rejoined. It is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejoinError {
    /// The others lack some of our own updates that are trimmed here: they are in our state only, and nobody can write
    /// them again. Let the others rejoin with us, or give these updates up:
    /// [`Core::discard_and_adopt`](crate::sans_io::Core::discard_and_adopt).
    Trimmed {
        /// The first of them.
        first: Dot,
        /// How many there are.
        count: u64,
    },
    /// The snapshot could not be adopted.
    Adopt(AdoptError),
    /// An update that the others lack does not continue what they have of its origin.
    Receive(ReceiveError),
    /// One of our own updates cannot be decoded: another version of the program has written it. Rejoin with that.
    Decode {
        /// The update.
        dot: Dot,
        /// Why.
        error: DecodeError,
    },
    /// The other side sends nothing to us, or we take nothing from it.
    OneWay,
    /// serde cannot carry the state.
    Encode(EncodeError),
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why there is no snapshot or digest of a state. The replica is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// serde could not encode the state: a fault of the state's type.
    Encode(EncodeError),
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why nothing was trimmed. The replica is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrimError {
    /// Not all of it has been seen, or reduced in order. Trim what is covered by
    /// [`in_order`](crate::sans_io::Core::in_order).
    NotSeen {
        /// What was asked to be trimmed.
        floor: VersionVector,
        /// What has been seen.
        version: VersionVector,
    },
    /// This replica [keeps everything](crate::sans_io::Core::keep_everything).
    KeepsEverything,
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why there are no entries since a version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryError {
    /// Some of them are trimmed, and are only in the state now.
    BelowFloor {
        /// The history begins above this.
        floor: VersionVector,
    },
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why the state at a version is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtError {
    /// Not all of it has been seen.
    NotSeen {
        /// What has been seen.
        version: VersionVector,
    },
    /// It is before the beginning of the history. Call [`Core::keep_everything`](crate::sans_io::Core::keep_everything)
    /// before anything is written.
    BelowFloor {
        /// What the history begins with.
        floor: VersionVector,
    },
    /// Some of the updates up to there were forgotten, because later ones have superseded them.
    Forgotten,
    /// An update, or the snapshot that the history begins with, cannot be decoded.
    Decode(DecodeError),
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why it is not known which of two updates was written with knowledge of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderError {
    /// This replica has not seen one of the two.
    NotSeen {
        /// The one.
        dot: Dot,
    },
    /// It is not on record what the author of this one had seen. It is on record if every replica
    /// [keeps everything](crate::sans_io::Core::keep_everything) from its start.
    NotRecorded {
        /// The one.
        dot: Dot,
    },
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(_) => f.write_str("the update cannot be encoded"),
            Self::Decode(_) => f.write_str("nobody could decode the update"),
            Self::TooLarge { size, limit } => {
                write!(f, "the update has {size} bytes, but {limit} is the limit; split it")
            }
            Self::EditTooLarge { size, limit } => {
                write!(f, "the edit has over {size} bytes, but {limit} is the limit; split it")
            }
            Self::Refused { reason } => write!(f, "the edit was refused: {reason}"),
            Self::ClockAhead { by, limit } => write!(
                f,
                "stamps are {by:?} ahead of the clock, which no peer takes, because something was written when the \
                 clock was ahead; set the clock if it is wrong now, or else rejoin, or wait {:?}",
                by.saturating_sub(*limit)
            ),
            Self::Full { reason } => write!(f, "there is no room for the update: {reason}"),
            Self::ReadOnly { reason } => write!(f, "the replica can only be read: {reason}"),
            Self::IdTaken { id } => {
                write!(f, "somebody else writes under our id {id}; take a new one first")
            }
            Self::Unavailable(_) => f.write_str(UNAVAILABLE),
        }
    }
}

/// The error of an edit that cannot fail by itself.
#[derive(Debug)]
pub(crate) enum Never {}

impl EditError<Never> {
    /// What it can only be.
    pub(crate) fn without_closure(self) -> UpdateError {
        match self {
            Self::Closure(never) => match never {},
            Self::Update(error) => error,
        }
    }
}

impl<E> From<UpdateError> for EditError<E> {
    fn from(error: UpdateError) -> Self {
        Self::Update(error)
    }
}

impl<E: fmt::Display> fmt::Display for EditError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closure(error) => error.fmt(f),
            Self::Update(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for EditError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Closure(_) => None,
            // What it displays is what the inner error does.
            Self::Update(error) => error.source(),
        }
    }
}

impl From<Fork> for ReceiveError {
    fn from(fork: Fork) -> Self {
        Self::Forked(fork)
    }
}

impl From<Fork> for AdoptError {
    fn from(fork: Fork) -> Self {
        Self::Forked(fork)
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { dot, expected } => {
                write!(f, "update {dot} came where number {expected} of its origin was next")
            }
            Self::OwnOrigin { dot } => write!(f, "update {dot} claims to be written by us"),
            Self::NotShown { dot, shown } => write!(
                f,
                "everything up to {dot} was skipped, by somebody who has shown to know it up to {shown}"
            ),
            Self::NoTime { dot } => write!(f, "update {dot} has no time"),
            Self::TooFarAhead { stamp, wait } => write!(
                f,
                "update {} is too far ahead of our clock; it will be accepted in {wait:?}",
                stamp.dot
            ),
            Self::Decode { dot, .. } => write!(f, "update {dot} cannot be decoded"),
            Self::Forked(fork) => fork.fmt(f),
            Self::MissingDependency { dot, dependency } => {
                write!(
                    f,
                    "the author of {dot} is said to have seen {dependency}, which did not come before"
                )
            }
            Self::RepeatedDependency { dot, dependency } => {
                write!(
                    f,
                    "the author of {dot} is said to have newly seen {dependency}, and had before"
                )
            }
            Self::TooManyOrigins { limit } => {
                write!(f, "there are over {limit} origins; raise the limit to go on")
            }
            Self::Unavailable(_) => f.write_str(UNAVAILABLE),
        }
    }
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BothTrimmed { floor, snapshot } => write!(
                f,
                "we have trimmed {floor}, which the snapshot of {snapshot} has not seen; one of the \
                 two has to be discarded"
            ),
            Self::Forked(fork) => fork.fmt(f),
            Self::TooFarAhead { time, wait } => write!(
                f,
                "the snapshot is of {time}, too far ahead of our clock; it will be accepted in {wait:?}"
            ),
            Self::TooManyOrigins { limit } => {
                write!(f, "there are over {limit} origins; raise the limit to go on")
            }
            Self::NotShown { dot } => write!(
                f,
                "the snapshot claims to have our update {dot}, which its sender does not know; connect to another peer"
            ),
            Self::Decode(_) => f.write_str("the state in the snapshot cannot be decoded"),
            Self::Unavailable(_) => f.write_str(UNAVAILABLE),
        }
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(_) => f.write_str("the state cannot be encoded"),
            Self::Unavailable(_) => f.write_str(UNAVAILABLE),
        }
    }
}

impl fmt::Display for TrimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSeen { floor, version } => {
                write!(f, "cannot trim {floor} when only {version} has been seen")
            }
            Self::KeepsEverything => {
                f.write_str("this replica keeps everything, so nothing is trimmed")
            }
            Self::Unavailable(_) => f.write_str(UNAVAILABLE),
        }
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelowFloor { floor } => {
                write!(f, "what came before {floor} is trimmed, and is only in the state")
            }
            Self::Unavailable(_) => f.write_str(UNAVAILABLE),
        }
    }
}

impl fmt::Display for AtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSeen { version } => write!(f, "only {version} has been seen"),
            Self::BelowFloor { floor } => {
                write!(f, "the history begins with {floor}; what was before is not known")
            }
            Self::Forgotten => f.write_str(
                "some of the updates up to there were forgotten; only a replica that keeps everything can tell",
            ),
            Self::Decode(_) => f.write_str("an update or the snapshot that led there cannot be decoded"),
            Self::Unavailable(_) => f.write_str(UNAVAILABLE),
        }
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSeen { dot } => write!(f, "update {dot} has not been seen"),
            Self::NotRecorded { dot } => write!(
                f,
                "it is not on record what the author of {dot} had seen; for that, every replica has to keep \
                 everything from its start"
            ),
            Self::Unavailable(_) => f.write_str(UNAVAILABLE),
        }
    }
}

/// What an operation says where the reason, which is its source, is not its own.
const UNAVAILABLE: &str = "the replica cannot be used";

impl Error for UpdateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Encode(error) => Some(error),
            Self::Decode(error) => Some(error),
            Self::Unavailable(error) => Some(error),
            _ => None,
        }
    }
}

impl Error for ReceiveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Decode { error, .. } => Some(error),
            Self::Unavailable(error) => Some(error),
            _ => None,
        }
    }
}

impl Error for AdoptError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Unavailable(error) => Some(error),
            _ => None,
        }
    }
}

impl Error for SnapshotError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Encode(error) => Some(error),
            Self::Unavailable(error) => Some(error),
        }
    }
}

impl Error for TrimError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(error) => Some(error),
            _ => None,
        }
    }
}

impl Error for HistoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(error) => Some(error),
            Self::BelowFloor { .. } => None,
        }
    }
}

impl Error for AtError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Unavailable(error) => Some(error),
            _ => None,
        }
    }
}

impl Error for OrderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(error) => Some(error),
            _ => None,
        }
    }
}

/// Lets `?` turn an [`Unavailable`] into the error of an operation.
macro_rules! from_unavailable {
    ($($error:ident)*) => {$(
        impl From<Unavailable> for $error {
            fn from(error: Unavailable) -> Self {
                Self::Unavailable(error)
            }
        }
    )*};
}

from_unavailable! {
    UpdateError ReceiveError AdoptError SnapshotError TrimError HistoryError AtError OrderError
}

impl<E> From<Unavailable> for EditError<E> {
    fn from(error: Unavailable) -> Self {
        Self::Update(error.into())
    }
}

impl From<Unavailable> for RejoinError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl fmt::Display for RejoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trimmed { first, count } => write!(
                f,
                "the others lack {count} of our own updates from {first:?} on, which are trimmed here; let the others \
                 rejoin with us, or discard ours"
            ),
            Self::Adopt(error) => error.fmt(f),
            Self::Receive(error) => error.fmt(f),
            Self::Decode { dot, .. } => {
                write!(f, "our own update {dot:?} cannot be decoded; rejoin with a newer program")
            }
            Self::OneWay => f.write_str(
                "the other side sends nothing to us; rejoin over a connection that goes both ways",
            ),
            Self::Encode(_) => f.write_str("the state cannot be encoded"),
            Self::Unavailable(_) => f.write_str("the replica cannot be used"),
        }
    }
}

impl Error for RejoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Trimmed { .. } | Self::OneWay => None,
            // What it displays is what these do.
            Self::Adopt(error) => error.source(),
            Self::Receive(error) => error.source(),
            Self::Decode { error, .. } => Some(error),
            Self::Encode(error) => Some(error),
            Self::Unavailable(error) => Some(error),
        }
    }
}
