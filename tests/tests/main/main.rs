//! The tests that need nothing of their own, in one program, because a program for each takes minutes to link.
//!
//! `cargo test -p repred-tests --test main journal::` runs the tests of one module.

// The source itself.
mod layers;

// One copy of a state: what is written, and how it is reduced.
mod core;
mod derive;
mod editing;
mod own_map;
mod order;
mod evolution;
mod depth;
mod shapes;

// Two copies: sessions and connections.
mod clocks;
mod cuts;
mod messages;
mod progress;
mod documents;
mod unknown;
mod vectors;
mod snapshots;
mod rejoin;
mod hostile;

// Shared copies: handles, tasks and networks.
mod handle;
mod health;
mod waits;
mod goodbye;
mod endpoint;
mod topologies;
mod executors;
mod mended;
mod copies;

// Copies that last.
mod storage;
#[cfg(unix)]
mod folders;
mod journal;
mod floors;
mod journal_reader;
mod durable;
mod fixture;
