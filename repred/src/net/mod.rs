//! Replicas that threads and tasks share, and their connections: whatever waits, reads clocks, draws random numbers
//! or moves bytes.
//!
//! A [`Replica`] is a [`Core`](crate::sans_io::Core) behind a lock, with a list of tasks that wait for it to change.
//! A [`Connection`] is a future: it moves bytes between a transport and an
//! [`Endpoint`](crate::sans_io::Endpoint). Nothing here needs a particular executor.
//!
//! What the operating system provides elsewhere is behind three traits, [`Clock`], [`Timer`] and [`Random`]; a
//! [`Platform`] is one of each.

// The platform.
mod clock;
mod timer;
mod random;
mod platform;
mod alarm;

// What carries bytes.
mod pipe;
mod transport;

// What is wrong in the background.
mod health;
mod monitor;

// The replica, and what is behind its lock.
#[cfg(feature = "journal")]
mod journal_parts;
#[cfg(not(feature = "journal"))]
#[path = "without_journal.rs"]
mod journal_parts;
mod departed;
mod shared;
mod shutdown;
mod replica;
mod builder;

// What else a replica can do: each file adds methods to it.
mod past;
mod replica_endpoint;
mod connection;
mod peer_wait;
mod synced;
mod delivered;
mod subscription;
mod filtered;
mod notices;
mod backup;
mod undo_log;
#[cfg(feature = "journal")]
mod journaled;

pub use self::{
    backup::{LoadError, SaveError},
    builder::ReplicaBuilder,
    clock::Clock,
    connection::{Connection, ConnectionError, Ended},
    delivered::Delivered,
    filtered::Filtered,
    health::{Health, Problem, ProblemKind},
    monitor::Notice,
    notices::Notices,
    peer_wait::WaitError,
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
