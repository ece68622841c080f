//! repred
mod changes;
mod core;
mod encoding;
mod frame;
mod history;
mod id;
mod message;
mod net;
mod news;
mod receipt;
mod reduce;
mod reducer;
mod session;
mod snapshot;
mod stamp;
mod time;
mod types;
mod version;

pub use self::{
    changes::{Changes, Overwrote},
    core::{
        AdoptError, Core, CoreLimits, Entry, FoldError, HistoryError, Poisoned, ReceiveError,
        SnapshotError, UpdateError,
    },
    encoding::{DecodeError, EncodeError},
    id::ReplicaId,
    message::{Reason, Schema},
    net::{
        ByteStream, Clock, Connection, ConnectionError, LoadError, Messages, PeerStatus, Pipe,
        ReadError, Replica, ReplicaBuilder, SaveError, Subscription, Synced, SystemClock,
        Transport, pipe,
    },
    news::Notice,
    receipt::Receipt,
    reduce::{Reduce, Replicated},
    reducer::{Reducer, reducer, stamped_reducer},
    session::{Direction, Now, Sending, Session, SessionConfig, SessionError, SessionLimits},
    snapshot::Snapshot,
    stamp::{Dot, Stamp},
    time::Time,
    types::{Counter, GrowSet, Max, Register},
    version::VersionVector,
};
#[doc(hidden)]
pub use serde;
#[doc(hidden)]
#[path = "derive_support.rs"]
pub mod __private;
#[cfg(feature = "derive")]
pub use repred_derive::Reduce;
