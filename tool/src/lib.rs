//! The command `repred`, which inspects the journals of replicas, also while programs use them; and a function
//! that makes the same command for a type of your own.
//!
//! ```text
//! repred log DIR                   lists the updates, as JSON where their type is known
//! repred stat DIR                  prints sizes, schema, origins and garbage
//! repred check DIR                 says whether it is whole, torn at the end, or damaged, and where
//! repred graph DIR -o graph.svg    draws the last updates
//! repred compact DIR               compacts it, where the type is known
//! ```
//!
//! A journal holds the name of its schema, but not the type. The command knows the ready-made types with
//! primitive parameters, such as `LwwMap<String, u64>`, by the schema that they have when none is given. For a type
//! of your own, a command of your own is one line:
//!
//! ```no_run
//! # type Board = repred::Counter;
//! fn main() -> std::process::ExitCode {
//!     repred_tool::run::<Board>()
//! }
//! ```

mod format;
mod utc;
mod failure;
mod progress;
mod reader;
mod dry_run;
mod lock_holder;
mod show;
mod ready_made;
mod state_type;
mod view;
mod line;
mod log;
mod summary;
mod problems;
mod stat;
mod check;
mod compact;
mod graph;
mod tool;

pub use self::tool::{Tool, run, run_untyped};
