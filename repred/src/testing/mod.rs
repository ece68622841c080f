//! Tests for reducers: their laws, and a network in which everything goes wrong.
//!
//! * [`Laws`] checks, in every order, small histories of made-up updates: does the reducer commute, are its
//!   changes truthful, does what travels arrive? Start here.
//! * [`Simulation`] runs replicas of it through cuts, partitions, crashes, wrong clocks, trims and lies.
//! * [`Diagram`] is how both draw what happened.
//! * [`storage::check`] says whether a storage of your own does what a journal relies on.
//! * [`Chance`] is where all get their decisions from, and what a closure that makes updates is given.
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

pub use self::{
    chance::Chance,
    diagram::Diagram,
    laws::{Coverage, Law, Laws, LawsError, Violation},
    simulation::{Faults, Guarantee, Simulation, SimulationFailure, SimulationReport},
};
