//! Every ready-made type keeps the laws and survives the simulator.
//!
//! `cargo test --profile checked -p repred-tests --test types -- --ignored` looks at all histories of five
//! updates of three origins and at 100,000 random ones, for each type.

use std::{collections::BTreeMap, time::Duration};

use repred::{
    And, Counter, DisableFlag, Edit, Events, Flag, GrowCounter, GrowSet, LwwMap, Map, Max, Min,
    MultiRegister, Or, Presence, Reduce, Register, Replicated, Set, TwoPhaseSet,
    testing::{Laws, Simulation},
};
use serde::{Deserialize, Serialize};

/// A value of a map, as users derive them.
#[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Card {
    text: Register<u8>,
    votes: Counter,
    tags: Set<u8>,
    is_done: Flag,
}

/// Three levels deep.
#[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Board {
    title: Register<u8>,
    cards: Map<u8, Card>,
    lists: Map<u8, Map<u8, Set<u8>>>,
    high_score: Max<u8>,
    ages: BTreeMap<u8, Register<u8>>,
}

/// A struct that contains itself.
#[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Tree {
    value: Register<u8>,
    children: Map<u8, Tree>,
}

/// Tests of one type: laws, simulator, and both at length.
macro_rules! tests {
    ($($name:ident: $make:expr,)*) => {
        mod keeps_the_laws {
            use super::*;
            $(#[test] fn $name() { laws($make).check(); })*
        }

        mod survives_the_simulator {
            use super::*;
            $(#[test] fn $name() { Simulation::of($make).check(); })*
        }

        mod at_length {
            use super::*;
            $(#[test] #[ignore = "long"] fn $name() { at_length(laws($make)); })*
        }
    };
}

fn laws<R: Replicated + Edit>(make: impl Fn() -> R + 'static) -> Laws<R> {
    Laws::of(make).editable()
}

/// All histories of up to five updates, one value each, and 100,000 random ones.
#[track_caller]
fn at_length<R: Replicated>(laws: Laws<R>) {
    let coverage = laws.budget(3_000_000).histories(100_000).run();
    println!("{}", coverage.unwrap_or_else(|error| panic!("\n{error}")));
}

fn short_presence() -> Presence<u8, u8> {
    Presence::lasting(Duration::from_micros(1)).remembering(Duration::from_micros(2))
}

tests! {
    max: Max::<u8>::default,
    min: Min::<u8>::default,
    or: Or::default,
    and: And::default,
    counter: Counter::default,
    grow_counter: GrowCounter::default,
    register: Register::<u8>::default,
    multi_register: MultiRegister::<u8>::default,
    flag: Flag::default,
    disable_flag: DisableFlag::default,
    grow_set: GrowSet::<u8>::default,
    set: Set::<u8>::default,
    two_phase_set: TwoPhaseSet::<u8>::default,
    grow_map: BTreeMap::<u8, Max<u8>>::default,
    lww_map: LwwMap::<u8, u8>::default,
    events: Events::<u8>::default,
    presence: short_presence,
    map_of_registers: Map::<u8, Register<u8>>::default,
    map_of_multi_registers: Map::<u8, MultiRegister<u8>>::default,
    map_of_counters: Map::<u8, Counter>::default,
    map_of_grow_counters: Map::<u8, GrowCounter>::default,
    map_of_flags: Map::<u8, Flag>::default,
    map_of_sets: Map::<u8, Set<u8>>::default,
    map_of_maps: Map::<u8, Map<u8, Counter>>::default,
    map_of_grow_maps: Map::<u8, BTreeMap<u8, Counter>>::default,
    map_of_cards: Map::<u8, Card>::default,
    board: Board::default,
    tree: Tree::default,
}
