//! The outside: what waits, reads clocks, draws random numbers, and moves bytes.
//!
//! A [`Replica`] is a core behind a lock, and a list of who waits for it to change. A [`Connection`] is a
//! session, a transport and a timer.

mod clock;
mod random;
mod timer;
mod platform;
mod alarm;
mod pipe;
mod transport;
mod shared;
mod replica_endpoint;
mod connection;
mod subscription;
mod filtered;
mod synced;
mod replica;
mod builder;
#[cfg(feature = "journal")]
mod journaled;
#[cfg(not(feature = "journal"))]
#[path = "without_journal.rs"]
mod journaled;
mod backup;
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
