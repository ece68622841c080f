//! The outside: what waits, reads clocks, draws random numbers, and moves bytes.
//!
//! A [`Replica`] is a core behind a lock, and a list of who waits for it to change. A [`Connection`] is a
//! session, a transport and a timer.

mod backup;
mod builder;
mod caught_up;
mod clock;
mod connection;
mod log_writer;
mod only;
mod pipe;
mod replica;
mod shared;
mod shutdown;
mod subscription;
mod transport;
mod undo_log;

pub use self::{
    backup::{LoadError, SaveError},
    builder::ReplicaBuilder,
    caught_up::CaughtUp,
    clock::{Clock, SystemClock},
    connection::{Connection, ConnectionError},
    only::Only,
    pipe::{Pipe, pipe},
    replica::{PeerStatus, ReadError, Replica},
    subscription::Subscription,
    transport::{AsyncBytes, ByteStream, Messages, Transport},
    undo_log::{UndoLog, Undone},
};
