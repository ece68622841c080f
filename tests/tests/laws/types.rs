//! Every ready-made type keeps the laws and survives the simulator.
//!
//! `cargo test --profile checked -p repred-tests --test laws types -- --ignored` looks at all histories of up to five
//! updates of three origins, and at 100,000 random ones, for each type; of structs with many fields, at all of
//! three, and at all of five for every two fields.

use std::{collections::BTreeMap, time::Duration};

use repred::{
    And, Counter, DisableFlag, Events, Flag, GrowCounter, GrowSet, LwwMap, Map, Max, Min,
    MultiRegister, Or, Presence, Reduce, Register, Replicated, Set, TwoPhaseSet,
    edit::Edit,
    testing::{Chance, Laws, Simulation},
    types::{EventsUpdate, MapUpdate, MultiRegisterUpdate, Reset, SetUpdate, TwoPhaseSetUpdate},
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

/// Tests of one type: laws, simulator, and the laws at length. An author writes one of a few updates of one key
/// there, so that there are few enough to try all.
macro_rules! tests {
    ($($name:ident: $make:expr, $author:expr, all of $most:literal;)*) => {
        mod keeps_the_laws {
            use super::*;
            $(#[test] fn $name() { laws($make).check(); })*
        }

        mod survives_the_simulator {
            use super::*;
            $(#[test] fn $name() { Simulation::of($make).check(); })*
        }

        mod all_of_three {
            use super::*;
            $(#[test] fn $name() { all_of(3, laws($make).update_with($author)); })*
        }

        mod at_length {
            use super::*;
            $(#[test] #[ignore = "long"] fn $name() {
                all_of($most, laws($make).update_with($author));
                many(laws($make));
            })*
        }
    };
}

fn laws<R: Replicated + Edit>(make: impl Fn() -> R + 'static) -> Laws<R> {
    Laws::of(make).editable()
}

/// All histories of up to so many updates of three origins.
#[track_caller]
fn all_of<R: Replicated>(updates: usize, laws: Laws<R>) {
    let laws = laws.updates_per_history(updates).longest_delay(1).budget(u64::MAX).histories(0);
    let coverage = laws.run().unwrap_or_else(|error| panic!("\n{error}"));
    assert_eq!(coverage.complete, updates);
    println!("{coverage}");
}

/// 100,000 random histories, of any updates.
#[track_caller]
fn many<R: Replicated>(laws: Laws<R>) {
    let coverage = laws.budget(0).histories(100_000).run();
    println!("{}", coverage.unwrap_or_else(|error| panic!("\n{error}")));
}

type Cards = Map<u8, Card>;

fn short_presence() -> Presence<u8, u8> {
    Presence::with_lifetime(Duration::from_micros(1)).with_retention(Duration::from_micros(2))
}

fn edit_card(cards: &Cards, chance: &mut Chance) -> <Cards as Reduce>::Update {
    edit_fields(&[0, 1, 2, 3])(cards, chance)
}

/// An edit of one of these fields of the card 0, or its removal.
fn edit_fields(fields: &[u8]) -> impl Fn(&Cards, &mut Chance) -> <Cards as Reduce>::Update + use<> {
    let fields = fields.to_vec();
    move |cards, chance| {
        let edit = match fields.get(chance.below(fields.len() as u64 + 1) as usize) {
            None => return cards.removal(0),
            Some(0) => CardUpdate::Text(1),
            Some(1) => CardUpdate::Votes(1),
            Some(2) => CardUpdate::Tags(SetUpdate::Insert(0)),
            Some(_) => CardUpdate::IsDone(Flag::default().write(true)),
        };
        MapUpdate::Entry(0, Box::new(edit))
    }
}

/// An entry of the key 0, or its removal.
fn entry<V: Reset>(
    update: impl Fn(&V, &mut Chance) -> V::Update,
) -> impl Fn(&Map<u8, V>, &mut Chance) -> MapUpdate<u8, V::Update> {
    move |map, chance| match chance.below(2) == 0 {
        true => map.removal(0),
        false => {
            let absent = V::default();
            let value = map.get(&0).unwrap_or(&absent);
            MapUpdate::Entry(0, Box::new(update(value, chance)))
        }
    }
}

fn any<S, U: Clone + 'static>(updates: &'static [U]) -> impl Fn(&S, &mut Chance) -> U {
    move |_, chance| chance.pick(updates).clone()
}

fn insert_or_remove(set: &Set<u8>, chance: &mut Chance) -> SetUpdate<u8> {
    if chance.below(2) == 0 { SetUpdate::Insert(0) } else { set.removal(0) }
}

fn flip<S>(
    write: impl Fn(&S, bool) -> MultiRegisterUpdate<bool>,
) -> impl Fn(&S, &mut Chance) -> MultiRegisterUpdate<bool> {
    move |flag, chance| write(flag, chance.below(2) == 0)
}

fn push_or_forget(events: &Events<u8>, chance: &mut Chance) -> EventsUpdate<u8> {
    match events.iter().next_back() {
        Some((stamp, _)) if chance.below(2) == 0 => EventsUpdate::ForgetBefore(stamp.time),
        _ => EventsUpdate::Event(0),
    }
}

fn edit_board(board: &Board, chance: &mut Chance) -> BoardUpdate {
    match chance.below(4) {
        0 => BoardUpdate::Title(1),
        1 => BoardUpdate::HighScore(1),
        2 => BoardUpdate::Lists(entry(entry(insert_or_remove))(&board.lists, chance)),
        _ => BoardUpdate::Cards(edit_card(&board.cards, chance)),
    }
}

/// An edit of one of these fields of a board, of which some have two.
fn edit_board_fields(fields: [u8; 2]) -> impl Fn(&Board, &mut Chance) -> BoardUpdate {
    move |board, chance| match chance.pick(&fields) {
        0 => BoardUpdate::Title(1),
        1 => BoardUpdate::HighScore(1),
        2 => BoardUpdate::Cards(edit_fields(&[0])(&board.cards, chance)),
        _ => {
            let insert = |_: &Map<u8, Set<u8>>, _: &mut Chance| {
                MapUpdate::Entry(0, Box::new(SetUpdate::Insert(0)))
            };
            BoardUpdate::Lists(entry(insert)(&board.lists, chance))
        }
    }
}

/// Every two of four fields.
fn twos() -> impl Iterator<Item = [u8; 2]> {
    (0..4).flat_map(|one| (0..one).map(move |other| [other, one]))
}

#[test]
#[ignore = "long"]
fn two_fields_of_a_card_at_length() {
    twos().for_each(|two| all_of(5, laws(Cards::default).update_with(edit_fields(&two))));
}

#[test]
#[ignore = "long"]
fn two_fields_of_a_board_at_length() {
    twos().for_each(|two| all_of(5, laws(Board::default).update_with(edit_board_fields(two))));
}

fn edit_tree(tree: &Tree, chance: &mut Chance) -> TreeUpdate {
    match chance.below(3) {
        0 => TreeUpdate::Value(1),
        1 => TreeUpdate::Children(tree.children.removal(0)),
        _ => TreeUpdate::Children(MapUpdate::Entry(0, Box::new(TreeUpdate::Value(1)))),
    }
}

tests! {
    max: Max::<u8>::default, any(&[0, 1]), all of 5;
    min: Min::<u8>::default, any(&[0, 1]), all of 5;
    or: Or::default, any(&[true, false]), all of 5;
    and: And::default, any(&[true, false]), all of 5;
    counter: Counter::default, any(&[1, -1]), all of 5;
    grow_counter: GrowCounter::default, any(&[1, 2]), all of 5;
    register: Register::<u8>::default, any(&[0, 1]), all of 5;
    multi_register: MultiRegister::<u8>::default, |register, chance| register.write(*chance.pick(&[0, 1])), all of 5;
    flag: Flag::default, flip(Flag::write), all of 5;
    disable_flag: DisableFlag::default, flip(DisableFlag::write), all of 5;
    grow_set: GrowSet::<u8>::default, any(&[0, 1]), all of 5;
    set: Set::<u8>::default, insert_or_remove, all of 5;
    two_phase_set: TwoPhaseSet::<u8>::default, any(&[TwoPhaseSetUpdate::Insert(0), TwoPhaseSetUpdate::Remove(0)]), all of 5;
    grow_map: BTreeMap::<u8, Max<u8>>::default, |_, chance| (0, Box::new(*chance.pick(&[0, 1]))), all of 5;
    lww_map: LwwMap::<u8, u8>::default, any(&[(0, Some(0)), (0, None)]), all of 5;
    events: Events::<u8>::default, push_or_forget, all of 5;
    presence: short_presence, any(&[(0, Some(0)), (0, None)]), all of 5;
    map_of_registers: Map::<u8, Register<u8>>::default, entry(any(&[0, 1])), all of 5;
    map_of_multi_registers: Map::<u8, MultiRegister<u8>>::default, entry(|register: &MultiRegister<u8>, _| register.write(0)), all of 5;
    map_of_counters: Map::<u8, Counter>::default, entry(any(&[1, -1])), all of 5;
    map_of_grow_counters: Map::<u8, GrowCounter>::default, entry(any(&[1])), all of 5;
    map_of_flags: Map::<u8, Flag>::default, entry(flip(Flag::write)), all of 5;
    map_of_sets: Map::<u8, Set<u8>>::default, entry(insert_or_remove), all of 5;
    map_of_maps: Map::<u8, Map<u8, Counter>>::default, entry(entry(any(&[1]))), all of 5;
    map_of_grow_maps: Map::<u8, BTreeMap<u8, Counter>>::default, entry(|_, _| (0, Box::new(1))), all of 5;
    map_of_grow_maps_of_sets: Map::<u8, BTreeMap<u8, Set<u8>>>::default, entry(|lists: &BTreeMap<u8, Set<u8>>, chance| {
        let absent = Set::default();
        (0, Box::new(insert_or_remove(lists.get(&0).unwrap_or(&absent), chance)))
    }), all of 5;
    map_of_cards: Cards::default, edit_card, all of 3;
    board: Board::default, edit_board, all of 3;
    tree: Tree::default, edit_tree, all of 5;
}
