//! Tests for reducers: their laws, and a network in which everything goes wrong.

mod chance;

mod diagram;

mod sample;

mod tree;

mod laws;

pub use self::{
    chance::Chance,
    laws::{Coverage, Law, Laws, LawsError, Violation},
};
