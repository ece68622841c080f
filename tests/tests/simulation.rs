//! The simulator, on the reducers that people begin with.

use std::collections::BTreeMap;

use repred::{Counter, GrowSet, Register, testing::Simulation};

#[test]
fn counters_survive() {
    Simulation::of(Counter::default).check();
}

#[test]
fn registers_survive() {
    Simulation::of(Register::<u8>::default).check();
}

#[test]
fn sets_survive() {
    Simulation::of(GrowSet::<u8>::default).check();
}

#[test]
fn maps_survive() {
    Simulation::of(BTreeMap::<u8, Register<u8>>::default).check();
}
