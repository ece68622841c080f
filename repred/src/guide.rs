//! Guides: one page a topic, from a first state to an upgrade. The library's front page has the overview.

/// Ready-made types, and what each does with concurrent writes; edits; a reducer by hand.
///
/// [testing]: crate::guide::testing
#[doc = include_str!("../docs/states.md")]
pub mod states {}

/// TCP, tokio and other executors, WebSockets; reconnecting; who has what.
///
/// [upgrades]: crate::guide::upgrades
/// [health]: crate::guide::health
#[doc = include_str!("../docs/connections.md")]
pub mod connections {}

/// What is wrong in the background, and who is told.
///
#[doc = include_str!("../docs/health.md")]
pub mod health {}

/// A stream of what has changed; earlier states.
///
#[doc = include_str!("../docs/changes.md")]
pub mod changes {}

/// Replicas that survive a crash; durability; compaction; backups; the command `repred`.
///
#[doc = include_str!("../docs/journals.md")]
pub mod journals {}

/// Two versions of a program at the same time.
///
#[doc = include_str!("../docs/upgrades.md")]
pub mod upgrades {}

/// The laws of a reducer, and a simulated network to test it in.
///
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

/// The cargo features of this package, and what each brings.
///
#[doc = include_str!("../docs/features.md")]
pub mod features {}

/// The examples of the README run as they stand.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
