//! The command `repred`, which looks into the journals of replicas, also while they are in use; and
//! the like of it for your own types.
//!
//! ```text
//! repred log DIR                   the updates, as JSON where their type is known
//! repred stat DIR                  sizes, schema, origins, garbage
//! repred check DIR                 whole, torn at the end, or damaged, and where
//! repred graph DIR -o graph.svg    the last updates, drawn
//! repred compact DIR               written anew; only for who knows the type
//! ```
//!
//! A journal says what its type is called, but not what it is. The command knows the ready-made
//! types with parameters of the language's own, by the name that they have when no schema is given.
//! For yours, a command of your own is one line:
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
mod stat;
mod check;
mod compact;
mod graph;
mod tool;

pub use self::tool::{Tool, run, run_untyped};
