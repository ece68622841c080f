#![doc = include_str!("lib.md")]
// What only an outer layer calls is dead where that layer is left out; with all of them, nothing is.
#![cfg_attr(
    not(all(feature = "journal", feature = "net", feature = "testing")),
    allow(dead_code, unused_imports, unreachable_pub)
)]
// Bottom layer first; a module uses only those above it, and a test keeps it so.

// Words: what an update is called, and what it did.
mod id;
mod time;
mod stamp;
mod small_vec;
mod dots;
mod changes;

// Meaning: what has been seen, and how updates become a state.
mod version;
mod encoding;
mod reduce;
mod reducer;
pub mod edit;
mod reset;
pub mod types;

// Memory: the entries that are kept to bring others up to date.
mod history;
mod snapshot;

// A copy: state, version and history, which move together.
mod log_position;
mod event;
mod receipt;
mod core;

// Conversation: what two copies say to each other.
mod schema;
mod protocol;
mod session;

// A copy that lasts: what is on a disk.
#[cfg(feature = "journal")]
mod journal;

// Outside: whatever waits, reads clocks, draws random numbers or moves bytes.
#[cfg(feature = "net")]
mod net;

// What the derive's expansion calls.
mod derive_support;

// What users, and we, test reducers with.
#[cfg(feature = "testing")]
pub mod testing;

// One page a topic; nothing but documentation.
pub mod guide;

pub use self::{
    changes::Changes,
    core::{
        AdoptError, AtError, Core, CoreLimits, EditError, Entry, HistoryError, OrderError,
        Poisoned, ReceiveError, SnapshotError, TrimError, UpdateError,
    },
    event::ReplicaEvent,
    id::ReplicaId,
    protocol::Reason,
    receipt::{Durable, NotDurable, Receipt},
    reduce::{Reduce, Replicated},
    reducer::{Reducer, reducer, stamped_reducer},
    schema::Schema,
    session::{
        Direction, Loading, Saving, Sending, Session, SessionConfig, SessionError, SessionLimits,
    },
    snapshot::Snapshot,
    stamp::{Dot, Stamp},
    time::{Monotonic, Now, Time},
    types::{
        And, Counter, DisableFlag, Events, Flag, GrowCounter, GrowSet, LwwMap, Map, Max, Min,
        MultiRegister, Or, Presence, Register, Set, TwoPhaseSet,
    },
    version::VersionVector,
};

#[cfg(feature = "journal")]
pub use self::journal::{
    Durability, Files, Journal, JournalError, JournalEvent, JournalReadError, JournalReader,
    Memory, OpenError, RawEntry, Recovery, Storage, Trimming, Write,
};

#[cfg(feature = "net")]
pub use self::net::{
    AsyncBytes, ByteStream, Clock, Connection, ConnectionError, Filtered, LoadError, Messages,
    PeerStatus, Pipe, Platform, Random, ReadError, Replica, ReplicaBuilder, SaveError, Sleep,
    Subscription, Synced, Timer, Transport, UndoLog, Undone, pipe,
};

#[cfg(all(feature = "net", not(target_family = "wasm")))]
pub use self::net::{SystemClock, SystemRandom, SystemTimer};

#[cfg(feature = "redb")]
pub use self::journal::Redb;

#[cfg(feature = "derive")]
#[doc = include_str!("../docs/derive.md")]
pub use repred_derive::Reduce;

/// The errors of all operations.
pub mod error {
    pub use crate::encoding::{DecodeError, EncodeError};
}

#[doc(hidden)]
pub mod __private {
    pub use crate::{
        changes::Changes,
        derive_support::*,
        dots::Dots,
        edit::{Edit, Editor, FieldPlace, Inverse, Place, Rollback},
        reduce::Reduce,
        reset::{Reset, ResetDetail},
        stamp::{Dot, Stamp},
    };
    pub use serde;
}
