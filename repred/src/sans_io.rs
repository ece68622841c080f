//! Replication without I/O, for programs that do their own I/O and scheduling.
//!
//! A [`Core`] is one copy of the state, a [`Session`] is one conversation with one peer, and nothing here owns a
//! socket, a task, a clock or a random source. Use it in a simulation, in a game's loop, or on a device without an
//! executor. A [`Replica`](crate::Replica) puts a core behind a lock, and a [`Connection`](crate::Connection) moves the
//! bytes of an [`Endpoint`].

// Of a method that only reducers behind a pointer write by hand.
#[doc(hidden)]
pub use crate::encoding::Renames;
pub use crate::{
    core::{Core, CoreLimits, Rejoined},
    endpoint::{Endpoint, EndpointError},
    protocol::{Framing, Reason},
    session::{
        BackupReader, BackupWriter, ClockDifference, Direction, PeerIdentity, Role, Session,
        SessionConfig, SessionLimits, WriteProgress,
    },
    time::{Monotonic, Now},
};
