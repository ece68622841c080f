//! What the benchmarks share: the workload, the hand-written fold that is the limit, and the tables.
//!
//! ```text
//! cargo bench -p repred-bench                       all of them
//! cargo bench -p repred-bench --bench process       one of them
//! cargo bench -p repred-bench -- --quick            small sizes, to see that they work
//! ```
//!
//! Absolute figures belong to one machine at one moment; only what stands in one table, measured in
//! alternating rounds, is compared.

mod arena;
mod loopback;
mod maps;
mod pump;
mod slow;
mod table;
mod workload;

pub use self::{
    arena::Arena,
    loopback::{Host, loopback},
    maps::{LastWriter, Plain, last_writer, plain},
    pump::{Traffic, catch_up, feed, reconnect},
    slow::Slow,
    table::{Contest, Scale, micros, rate},
    workload::{Update, Workload},
};
