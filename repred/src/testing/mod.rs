//! Tests for reducers: their laws, and a network in which everything goes wrong.

mod chance;

mod diagram;

mod sample;

mod tree;

mod laws;

mod simulation;

pub use self::{
    chance::Chance,
    laws::{Coverage, Law, Laws, LawsError, Violation},
    simulation::{Faults, Guarantee, Simulation, SimulationFailure, SimulationReport},
};
