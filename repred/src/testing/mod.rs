//! Tests for reducers: their laws, and a network in which everything goes wrong.

mod chance;

mod diagram;

mod sample;

mod tree;

pub use self::chance::Chance;
