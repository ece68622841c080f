//! The outside: what waits, reads clocks, draws random numbers, and moves bytes.
//!
//! A [`Replica`] is a core behind a lock, and a list of who waits for it to change. A [`Connection`] is a
//! session, a transport and a timer.

mod backup;
mod builder;
mod synced;
mod clock;
mod connection;
mod filtered;
mod pipe;
mod replica;
mod shared;
mod journaled;
mod subscription;
mod transport;
mod undo_log;

pub use self::{
    backup::{LoadError, SaveError},
    builder::ReplicaBuilder,
    clock::{Clock, SystemClock},
    connection::{Connection, ConnectionError},
    filtered::Filtered,
    pipe::{Pipe, pipe},
    replica::{PeerStatus, ReadError, Replica},
    subscription::Subscription,
    synced::Synced,
    transport::{AsyncBytes, ByteStream, Messages, Transport},
    undo_log::{UndoLog, Undone},
};
