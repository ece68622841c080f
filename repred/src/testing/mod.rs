//! Property-based tests for reducers: their laws, and a simulated network with faults.
//!
//! * [`Laws`] generates small histories of updates and checks each in every order: does the reducer commute, are its
//!   changes truthful, do updates and states survive encoding? Start here.
//! * [`Simulation`] runs replicas through cut links, partitions, crashes, wrong clocks, trimmed histories and a peer
//!   that lies (deterministic simulation testing).
//! * [`Diagram`] draws what happened, in text and as SVG.
//! * [`storage::check`] tests whether a storage of your own does what a journal relies on.
//! * [`shape::assert_golden`] keeps what a type asks of serde in a file, and says whether a changed type reads old data.
//! * [`Chance`] is the generator of random decisions that all share, and that closures which make updates are given.
//!
//! ```
//! use repred::{Register, testing::{Laws, Simulation}};
//!
//! // In a `#[test]` each.
//! Laws::of(Register::<u8>::default).check();
//! Simulation::of(Register::<u8>::default).runs(10).check();
//! ```

mod chance;
mod line;
mod diagram;
mod sample;
mod tree;
mod erased;
mod diff;
mod laws;
mod simulation;
pub mod storage;
pub mod shape;

pub use self::{
    chance::Chance,
    diagram::Diagram,
    laws::{Coverage, Law, Laws, LawsError, Violation},
    simulation::{Faults, Guarantee, Simulation, SimulationFailure, SimulationReport},
};
