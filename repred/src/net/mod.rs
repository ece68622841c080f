//! The outside: what waits, reads clocks, draws random numbers, and moves bytes.
//!
//! A [`Replica`] is a core behind a lock, and a list of who waits for it to change. A [`Connection`] is a
//! session, a transport and a timer.

mod backup;
mod builder;
mod synced;
mod clock;
mod platform;
mod random;
mod timer;
mod alarm;
mod filtered;
mod pipe;
mod replica;
mod shared;
mod transport;
mod replica_endpoint;
mod connection;
#[cfg(feature = "journal")]
mod journaled;
#[cfg(not(feature = "journal"))]
#[path = "without_journal.rs"]
mod journaled;
mod subscription;
mod undo_log;

pub use self::{
    backup::{LoadError, SaveError},
    builder::ReplicaBuilder,
    clock::Clock,
    connection::{Connection, ConnectionError},
    filtered::Filtered,
    pipe::{Pipe, pipe},
    platform::Platform,
    random::Random,
    replica::{PeerStatus, Replica},
    replica_endpoint::ReplicaEndpoint,
    subscription::Subscription,
    synced::Synced,
    timer::{Sleep, Timer},
    transport::{AsyncBytes, ByteStream, Messages, Transport},
    undo_log::{UndoLog, Undone},
};

#[cfg(not(target_family = "wasm"))]
pub use self::{clock::SystemClock, random::SystemRandom, timer::SystemTimer};
