//! repred
mod id;
mod time;
mod stamp;
mod changes;
mod version;
mod encoding;
mod reduce;
mod reducer;
mod types;
mod history;
mod snapshot;
mod news;
mod receipt;
mod core;
mod message;
mod session;

pub use self::{
    changes::{Changes, Overwrote},
    core::{
        AdoptError, BelowFloor, Core, CoreLimits, Entry, FoldError, Poisoned, ReceiveError,
        SnapshotError, UpdateError,
    },
    encoding::{DecodeError, EncodeError},
    id::ReplicaId,
    message::{Reason, Schema},
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
