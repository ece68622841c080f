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

pub use self::{
    changes::{Changes, Overwrote},
    id::ReplicaId,
    reduce::{Reduce, Replicated},
    reducer::{Reducer, reducer, stamped_reducer},
    stamp::{Dot, Stamp},
    time::Time,
    types::{Counter, GrowSet, Max, Register},
    version::VersionVector,
};
#[doc(hidden)]
pub use serde;
