#![doc = include_str!("lib.md")]
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
mod edit;
mod reset;
mod types;

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
mod message;
mod session;
mod frame;

// A copy that lasts: what is on a disk.
mod journal;

// Outside: whatever waits, reads clocks, draws random numbers or moves bytes.
mod net;

// What the derive's expansion calls.
mod derive_support;

// What users, and we, test reducers with.
pub mod testing;

pub use self::{
    changes::{Changes, Superseded, ValueChanges},
    core::{
        AdoptError, AtError, Core, CoreLimits, EditError, Entry, HistoryError, OrderError,
        Poisoned, ReceiveError, SnapshotError, TrimError, UpdateError,
    },
    dots::Dots,
    edit::{
        BoxEditor, DynPlace, Edit, Editor, FieldPlace, IntoValue, Inverse, Keyed, KeyedPlace,
        Place, Rollback,
    },
    encoding::{DecodeError, EncodeError},
    event::ReplicaEvent,
    id::ReplicaId,
    journal::{
        Durability, Files, Journal, JournalError, JournalEvent, JournalReadError, JournalReader,
        Memory, OpenError, RawEntry, Recovery, Storage, Trimming, Write,
    },
    message::Reason,
    net::{
        AsyncBytes, ByteStream, CaughtUp, Clock, Connection, ConnectionError, LoadError, Messages,
        Only, PeerStatus, Pipe, ReadError, Replica, ReplicaBuilder, SaveError, Subscription,
        SystemClock, Transport, UndoLog, Undone, pipe,
    },
    receipt::{Durable, NotDurable, Receipt},
    reduce::{Reduce, Replicated},
    reducer::{Reducer, reducer, stamped_reducer},
    reset::{Reset, ResetDetail},
    schema::Schema,
    session::{
        Direction, Loading, Now, Saving, Sending, Session, SessionConfig, SessionError,
        SessionLimits,
    },
    snapshot::Snapshot,
    stamp::{Dot, Stamp},
    time::Time,
    types::{
        And, Counter, DisableFlag, EntryChanges, Events, EventsChanges, EventsUpdate, Flag,
        GrowCounter, GrowSet, LwwMap, LwwMapChanges, Map, MapChanges, MapUpdate, Max, Min,
        MultiRegister, MultiRegisterChanges, MultiRegisterUpdate, Or, Presence, Register, Set,
        SetChange, SetChanges, SetUpdate, TwoPhaseSet, TwoPhaseSetUpdate,
    },
    version::VersionVector,
};

#[cfg(feature = "redb")]
pub use self::journal::Redb;

#[cfg(feature = "derive")]
pub use repred_derive::Reduce;

#[doc(hidden)]
pub mod __private {
    pub use crate::derive_support::*;
}

#[doc(hidden)]
pub use serde;
