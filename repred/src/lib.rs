#![doc = include_str!("lib.md")]
// docs.rs says beside each item which feature it needs; it has the nightly compiler that this takes.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(feature = "std"), no_std)]
// What only an outer layer calls is dead where that layer is left out; with all of them, nothing is.
#![cfg_attr(
    not(all(feature = "journal", feature = "net", feature = "testing")),
    allow(dead_code, unused_imports, unreachable_pub)
)]
// Bottom layer first; a module uses only those above it, and a test keeps it so.

#[macro_use]
extern crate alloc;

// Words: what an update is called, and what it did.
mod id;
mod document;
mod token;
mod epochs;
mod time;
mod stamp;
mod leaf;
mod fork;
mod small_vec;
mod dots;
mod changes;

// Meaning: what has been seen, and how updates become a state.
mod version;
mod seen;
mod encoding;
mod shape;
mod reduce;
mod reducer;
pub mod edit;
mod reset;
pub mod types;

// Memory: the entries that are kept to bring others up to date.
mod history;
mod snapshot;
mod unknowns;

// A copy: state, version and history, which move together.
mod unavailable;
mod log_position;
mod event;
mod receipt;
mod core;

// Conversation: what two copies say to each other.
mod schema;
mod protocol;
mod session;
mod endpoint;

// A copy that lasts: what is on a disk.
#[cfg(feature = "journal")]
pub mod journal;

// Outside: whatever waits, reads clocks, draws random numbers or moves bytes.
#[cfg(feature = "net")]
pub mod net;

// What the derive's expansion calls.
mod derive_support;

// What users, and we, test reducers with.
#[cfg(feature = "testing")]
pub mod testing;

// The surface by task.
pub mod sans_io;
pub mod error;

// One page a topic; nothing but documentation.
pub mod guide;

#[doc(inline)]
pub use self::{
    changes::Changes,
    core::Entry,
    document::DocumentId,
    event::ReplicaEvent,
    id::ReplicaId,
    receipt::{Durable, Receipt},
    reduce::{Reduce, Replicated},
    reducer::{Reducer, reducer, stamped_reducer},
    schema::Schema,
    snapshot::Snapshot,
    stamp::{Dot, Stamp},
    time::Time,
    types::{
        And, Counter, DisableFlag, Events, Flag, GrowCounter, GrowSet, LwwMap, Map, Max, Min,
        MultiRegister, Or, Presence, Register, Set, TwoPhaseSet,
    },
    version::VersionVector,
};

#[cfg(feature = "journal")]
#[doc(inline)]
pub use self::journal::{Durability, Trimming};

#[cfg(feature = "net")]
#[doc(inline)]
pub use self::net::{
    Connection, Health, Notice, PeerStatus, Pipe, Problem, ProblemKind, Replica, ReplicaBuilder,
    Subscription, UndoLog, Undone, pipe,
};

#[cfg(feature = "derive")]
#[doc = include_str!("../docs/derive.md")]
pub use repred_derive::Reduce;

#[doc(hidden)]
pub mod __private {
    pub use crate::{
        changes::Changes,
        derive_support::*,
        dots::Dots,
        edit::{Edit, Editor, FieldPlace, Inverse, Place, Rollback},
        reduce::Reduce,
        reset::{Reset, ResetDetail},
        shape::{Shape, StartHash},
        stamp::{Dot, Stamp},
    };
    pub use alloc::{boxed::Box, vec::Vec};
    pub use serde;
}
