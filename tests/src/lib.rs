//! A small network of replicas for tests, in a handful of words: `connect`, `update`, `disconnect`,
//! `run_until_quiet`, `assert_converged`.
//!
//! [`Network`] polls the connections of shared [`Replica`](repred::Replica)s over pipes, by hand and
//! only when they were woken, so that a lost wake-up shows as a network that is quiet too early.
//! [`Pair`] moves the messages of two sans-I/O sessions over a [`Link`] one at a time. [`wire`] writes messages by hand.
//! Everything has a limit of steps: what does not come to rest fails. All chance is a [`Chance`], which
//! prints its seed when its test fails.

mod chance;
mod disk;
mod eventually;
mod forgetful;
pub mod io;
mod link;
pub mod log;
mod model;
mod network;
mod observed;
mod pair;
pub mod wire;

pub use self::{
    chance::Chance,
    disk::{Disk, Fault, Hold},
    eventually::eventually,
    forgetful::Forgetful,
    link::{LEFT, Link, RIGHT, Side},
    model::{Did, Model, Op},
    network::{Driven, Ending, LinkId, Network},
    observed::{Edit, Observed, ObservedSet},
    pair::{Pair, now_at},
};
