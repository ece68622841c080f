//! The law kit, tested by what it finds: broken reducers, each within 256 random histories, and sound ones
//! without a false alarm.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    env, fs,
    sync::atomic::{AtomicU64, Ordering},
};

use repred::{
    Changes, Counter, Dot, GrowSet, Max, Reduce, Reducer, Register, Replicated, Stamp, Time,
    reducer, stamped_reducer,
    testing::{Chance, Law, Laws, LawsError, Violation},
    types::Superseded,
};
use repred_tests::{Edit, Model, ObservedSet};
use serde::{Deserialize, Serialize};

/// A reducer is found to break this law: as a user would test it, and by random histories alone.
#[track_caller]
fn assert_broken<R: Replicated>(make: fn() -> R, law: Law, updates: usize) -> Violation {
    for seed in 1..4 {
        let violation = broken(Laws::of(make).budget(0).seed(seed));
        assert_eq!(violation.law(), law, "seed {seed}: {violation}");
    }
    let violation = broken(Laws::of(make));
    println!("{violation}");
    assert_eq!(violation.law(), law, "{violation}");
    let entries = violation.case().iter().filter(|line| !line.starts_with("wild")).count();
    assert_eq!(entries, updates, "the case is not as small as it could be: {violation}");
    assert_fails_again(make, &violation);
    violation
}

#[track_caller]
fn broken<R: Replicated>(laws: Laws<R>) -> Violation {
    match laws.run() {
        Err(LawsError::Broken(violation)) => *violation,
        other => panic!("not found: {other:?}"),
    }
}

/// The case that a report tells of fails as a test of its own.
fn assert_fails_again<R: Replicated>(make: fn() -> R, violation: &Violation) {
    let lines = violation.case().to_vec();
    let again = std::panic::catch_unwind(move || {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        Laws::of(make).replay(&lines);
    });
    let message = *again.expect_err("it fails again").downcast::<String>().unwrap();
    assert!(message.contains(&format!("\"{}\"", violation.law())), "{message}");
    assert!(
        message.contains("Found again.") && !message.contains("To keep this case"),
        "{message}"
    );
}

type Set = BTreeSet<u8>;

/// Puts an element into a set or takes it out.
type Change = (bool, u8);

/// Broken reducers: which law, and how many updates it takes to see that.
mod broken {
    use super::*;

    #[test]
    fn the_last_to_arrive_wins() {
        let violation = assert_broken(
            || reducer(0, |value: &mut u8, new: u8| std::mem::replace(value, new) != new),
            Law::Order,
            2,
        );
        assert!(violation.svg().contains("a.1") && violation.svg().contains("b.1"));
    }

    #[test]
    fn the_last_write_wins_but_ties_are_won_by_the_last_to_arrive() {
        assert_broken(
            || {
                stamped_reducer((Time::ZERO, 0), |state: &mut (Time, u8), new: u8, stamp| {
                    let before = *state;
                    if stamp.time >= state.0 {
                        *state = (stamp.time, new);
                    }
                    *state != before
                })
            },
            Law::Order,
            2,
        );
    }

    #[test]
    fn the_first_write_wins_but_ties_are_won_by_the_first_to_arrive() {
        assert_broken(
            || {
                stamped_reducer(None, |state: &mut Option<(Time, u8)>, new: u8, stamp| {
                    let wins = state.is_none_or(|(time, _)| stamp.time < time);
                    if wins {
                        *state = Some((stamp.time, new));
                    }
                    wins
                })
            },
            Law::Order,
            2,
        );
    }

    #[test]
    fn a_removal_from_a_plain_set() {
        assert_broken(
            || {
                reducer(
                    Set::new(),
                    |set: &mut Set, (adds, element): Change| {
                        if adds { set.insert(element) } else { set.remove(&element) }
                    },
                )
            },
            Law::Order,
            3,
        );
    }

    #[test]
    fn a_two_phase_set_whose_tombstones_an_addition_takes_away() {
        assert_broken(
            || {
                type Sets = (Set, Set);
                reducer(Sets::default(), |(here, gone): &mut Sets, (adds, element): Change| {
                    if adds {
                        gone.remove(&element) | here.insert(element)
                    } else {
                        here.remove(&element) && gone.insert(element)
                    }
                })
            },
            Law::Order,
            3,
        );
    }

    #[test]
    fn a_sum_that_stops_at_zero() {
        assert_broken(
            || {
                reducer(0, |sum: &mut u8, n: i8| {
                    let before = *sum;
                    *sum = sum.saturating_add_signed(n);
                    *sum != before
                })
            },
            Law::Order,
            3,
        );
    }

    #[test]
    fn a_sum_that_saturates() {
        assert_broken(
            || {
                reducer(0, |sum: &mut i8, n: i8| {
                    let before = *sum;
                    *sum = sum.saturating_add(n);
                    *sum != before
                })
            },
            Law::Order,
            3,
        );
    }

    #[test]
    fn a_sum_that_overflows() {
        assert_broken(
            || {
                reducer(0, |sum: &mut i64, n: i64| {
                    *sum += n;
                    n != 0
                })
            },
            Law::Total,
            2,
        );
    }

    #[test]
    fn a_sum_of_floats() {
        assert_broken(
            || {
                reducer(0.0, |sum: &mut f64, n: f64| {
                    let before = sum.to_bits();
                    *sum += n;
                    sum.to_bits() != before
                })
            },
            Law::Order,
            3,
        );
    }

    #[test]
    fn the_best_two_with_ties_by_arrival() {
        assert_broken(
            || {
                reducer(Vec::new(), |best: &mut Vec<(u8, bool)>, (points, who): (u8, bool)| {
                    let before = best.clone();
                    best.push((points, who));
                    best.sort_by_key(|(points, _)| std::cmp::Reverse(*points));
                    best.truncate(2);
                    *best != before
                })
            },
            Law::Order,
            2,
        );
    }

    #[test]
    fn the_smallest_hash_wins_and_a_tie_stays() {
        assert_broken(
            || {
                reducer(None, |state: &mut Option<(u8, u8)>, (value, salt): (u8, u8)| {
                    let hash = value % 2;
                    let wins = state.is_none_or(|(value, _)| hash < value % 2);
                    if wins {
                        *state = Some((value, salt));
                    }
                    wins
                })
            },
            Law::Order,
            2,
        );
    }

    #[test]
    fn a_list_in_the_order_of_arrival() {
        assert_broken(
            || {
                reducer(Vec::new(), |list: &mut Vec<u8>, item: u8| {
                    list.push(item);
                    true
                })
            },
            Law::Order,
            2,
        );
    }

    #[test]
    fn an_insertion_by_index() {
        assert_broken(
            || {
                reducer(Vec::new(), |list: &mut Vec<u8>, (at, item): (u8, u8)| {
                    list.insert(usize::from(at).min(list.len()), item);
                    true
                })
            },
            Law::Order,
            2,
        );
    }

    #[test]
    fn an_index_out_of_bounds() {
        assert_broken(
            || {
                reducer(vec![0, 0], |list: &mut Vec<u32>, at: u8| {
                    list[usize::from(at)] += 1;
                    true
                })
            },
            Law::Total,
            1,
        );
    }

    #[test]
    fn a_counter_that_can_be_set() {
        assert_broken(
            || {
                reducer(0, |sum: &mut i32, update: Result<i8, ()>| {
                    let before = *sum;
                    match update {
                        Ok(n) => *sum = sum.wrapping_add(n.into()),
                        Err(()) => *sum = 0,
                    }
                    *sum != before
                })
            },
            Law::Order,
            3,
        );
    }

    #[test]
    fn a_name_for_who_comes_first() {
        assert_broken(
            || {
                stamped_reducer(
                    BTreeMap::new(),
                    |names: &mut BTreeMap<u8, Dot>, name: u8, stamp: Stamp| {
                        let is_free = !names.contains_key(&name);
                        names.entry(name).or_insert(stamp.dot);
                        is_free
                    },
                )
            },
            Law::Order,
            2,
        );
    }

    #[test]
    fn a_removal_by_key_from_a_map() {
        type Map = BTreeMap<u8, i64>;
        assert_broken(
            || {
                reducer(Map::new(), |map: &mut Map, (key, add): (u8, Option<i8>)| match add {
                    Some(n) => {
                        let is_new = !map.contains_key(&key);
                        *map.entry(key).or_default() += i64::from(n);
                        is_new || n != 0
                    }
                    None => map.remove(&key).is_some(),
                })
            },
            Law::Order,
            3,
        );
    }

    #[test]
    fn a_register_that_takes_the_same_value_for_no_change() {
        // The stamp has changed, and decides who wins later.
        #[derive(Debug, Default, Serialize, Deserialize)]
        struct Title(Register<u8>);
        impl Reduce for Title {
            type Update = u8;
            type Changes = bool;
            fn reduce(&mut self, new: u8, stamp: Stamp) -> bool {
                let is_same = *self.0.value() == new;
                !self.0.reduce(new, stamp).is_empty() && !is_same
            }
        }
        let report = assert_broken(Title::default, Law::Truthful, 1).to_string();
        assert!(report.contains("Found among all histories of one update."), "{report}");
        assert!(report.contains("check again, for other laws may be broken too"), "{report}");
    }

    #[test]
    fn changes_by_what_insert_returns() {
        assert_broken(
            || {
                reducer(BTreeMap::new(), |map: &mut BTreeMap<u8, u8>, (key, new): (u8, u8)| {
                    let old = map.get(&key).copied().unwrap_or(0);
                    map.insert(key, old.max(new)).is_some()
                })
            },
            Law::Truthful,
            1,
        );
    }

    #[test]
    fn a_maximum_that_names_the_loser_obsolete() {
        // Which of two equal values is kept depends on the order, and so does what is named.
        #[derive(Debug, Default, Serialize, Deserialize)]
        struct Best(Option<(u8, Dot)>);
        impl Reduce for Best {
            type Update = u8;
            type Changes = Superseded;
            fn reduce(&mut self, new: u8, stamp: Stamp) -> Superseded {
                match self.0 {
                    Some((best, dot)) if best > new || best == new && dot < stamp.dot => {
                        Superseded::unchanged()
                    }
                    _ => {
                        self.0 = Some((new, stamp.dot));
                        // Itself.
                        Superseded::changed([stamp.dot])
                    }
                }
            }
        }
        assert_broken(Best::default, Law::Superseded, 1);
    }

    #[test]
    fn a_map_that_names_an_update_with_other_effects_obsolete() {
        /// An add-wins set whose additions replace others, and are named all the same.
        #[derive(Debug, Default, Serialize, Deserialize)]
        struct Adds(BTreeSet<Dot>);
        #[derive(Debug)]
        struct Replaced(Vec<Dot>);
        impl Changes for Replaced {
            fn is_empty(&self) -> bool {
                false
            }
            fn superseded(&self, name: &mut dyn FnMut(Dot)) {
                self.0.iter().copied().for_each(name);
            }
        }
        impl Reduce for Adds {
            type Update = BTreeSet<Dot>;
            type Changes = Replaced;
            fn reduce(&mut self, observed: BTreeSet<Dot>, stamp: Stamp) -> Replaced {
                let gone: Vec<_> = observed.into_iter().filter(|dot| self.0.remove(dot)).collect();
                self.0.insert(stamp.dot);
                Replaced(gone)
            }
        }
        assert_broken(Adds::default, Law::Superseded, 3);
    }

    #[test]
    fn a_number_from_outside() {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let make = || {
            reducer(BTreeSet::new(), |set: &mut BTreeSet<u64>, _: bool| {
                set.insert(CALLS.fetch_add(1, Ordering::Relaxed))
            })
        };
        // It has told its author something else already.
        assert_eq!(broken(Laws::of(make)).law(), Law::Codec);
    }

    #[test]
    fn a_field_that_does_not_travel() {
        #[derive(Debug, Default, Serialize, Deserialize)]
        struct Sum {
            sum: i64,
            #[serde(skip)]
            factor: i64,
        }
        impl Reduce for Sum {
            type Update = bool;
            type Changes = bool;
            fn reduce(&mut self, up: bool, _: Stamp) -> bool {
                self.factor += 1;
                self.sum = self.sum.wrapping_add(self.factor * if up { 1 } else { 2 });
                true
            }
        }
        assert_eq!(broken(Laws::of(Sum::default)).law(), Law::Codec);
    }

    #[test]
    fn an_update_that_is_rounded_on_its_way() {
        fn rounded<S: serde::Serializer>(n: &i16, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_i16(n / 10 * 10)
        }
        #[derive(Debug, Serialize, Deserialize)]
        struct Step(#[serde(serialize_with = "rounded")] i16);
        let make = || {
            reducer(0, |sum: &mut i64, step: Step| {
                *sum += i64::from(step.0);
                step.0 != 0
            })
        };
        // What a peer gets was rounded before: there is nothing to see any more when the case is replayed.
        assert_eq!(broken(Laws::of(make)).law(), Law::Codec);
    }

    #[test]
    fn a_state_with_a_hash_map_in_it() {
        type Map = HashMap<u8, u8>;
        let make = || {
            reducer(Map::new(), |map: &mut Map, (key, new): (u8, u8)| {
                let is_more = map.get(&key).is_none_or(|old| new > *old);
                is_more && map.insert(key, new) != Some(new)
            })
        };
        assert_eq!(broken(Laws::of(make)).law(), Law::Digest);
        let make = || reducer(HashSet::new(), |set: &mut HashSet<u8>, new: u8| set.insert(new));
        assert_eq!(broken(Laws::of(make)).law(), Law::Digest);
        Laws::of(make).equal(|one, other| **one == **other).check();
    }
}

/// Sound reducers: no false alarm, with another seed than the default, too.
mod sound {
    use super::*;

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Board {
        title: Register<String>,
        votes: Counter,
        tags: GrowSet<char>,
        columns: BTreeMap<u8, Column>,
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Column {
        best: Max<u8>,
        cards: BTreeMap<bool, Card<u8>>,
    }

    #[derive(Reduce, Default, Serialize, Deserialize)]
    struct Card<T> {
        text: Register<T>,
        #[reduce(with = raise)]
        points: u8,
    }

    fn raise(points: &mut u8, new: u8) -> bool {
        let is_more = new > *points;
        *points = new.max(*points);
        is_more
    }

    fn check<R: Replicated>(make: fn() -> R) {
        Laws::of(make).check();
        Laws::of(make).budget(0).histories(300).seed(7).check();
    }

    #[test]
    fn ready_made_types() {
        check(Counter::default);
        check(Register::<u8>::default);
        check(Register::<Option<String>>::default);
        check(GrowSet::<String>::default);
        check(Max::<i16>::default);
        check(BTreeMap::<u8, Register<bool>>::default);
        check(BTreeMap::<char, Counter>::default);
    }

    #[test]
    fn an_idempotent_reducer_may_claim_it() {
        Laws::of(GrowSet::<u8>::default).idempotent().check();
        Laws::of(Max::<u8>::default).idempotent().check();
        let law = broken(Laws::of(Counter::default).idempotent()).law();
        assert_eq!(law, Law::Idempotent);
    }

    #[test]
    fn derived_structs_three_levels_deep() {
        Laws::of(Board::default).budget(2000).check();
        Laws::of(Column::default).budget(2000).check();
        check(Card::<bool>::default);
    }

    #[test]
    fn closures() {
        check(|| reducer(BTreeSet::new(), |set: &mut BTreeSet<char>, new: char| set.insert(new)));
        check(|| {
            reducer(0, |most: &mut u8, new: u8| new > std::mem::replace(most, new.max(*most)))
        });
        check(|| {
            reducer(0, |bits: &mut u8, new: u8| {
                let before = *bits;
                *bits ^= new;
                *bits != before
            })
        });
    }

    #[test]
    fn a_log_in_the_order_of_stamps() {
        check(|| {
            stamped_reducer(BTreeMap::new(), |log: &mut BTreeMap<Stamp, u8>, line: u8, stamp| {
                log.insert(stamp, line).is_none()
            })
        });
    }

    #[test]
    fn a_two_phase_set() {
        check(|| {
            reducer(
                (Set::new(), Set::new()),
                |(born, gone): &mut (Set, Set), (adds, element): Change| {
                    if adds { born.insert(element) } else { gone.insert(element) }
                },
            )
        });
    }

    #[test]
    fn a_set_that_removes_what_was_observed() {
        let edit = |set: &ObservedSet, chance: &mut Chance| {
            let element = chance.below(2) as u32;
            match set.elements().values().any(|there| *there == element) {
                true if chance.percent(50) => set.removal(element),
                _ => Edit::Add(element),
            }
        };
        Laws::of(ObservedSet::default).update_with(edit).may_report_more().check();
    }

    #[test]
    fn an_add_wins_set_with_made_up_updates() {
        #[derive(Debug, Serialize, Deserialize)]
        enum Op {
            Add(bool),
            Remove(BTreeSet<Dot>),
        }
        check(|| {
            stamped_reducer(
                BTreeMap::new(),
                |adds: &mut BTreeMap<Dot, bool>, op: Op, stamp: Stamp| match op {
                    Op::Add(element) => adds.insert(stamp.dot, element).is_none(),
                    Op::Remove(dots) => {
                        let before = adds.len();
                        adds.retain(|dot, _| !dots.contains(dot));
                        adds.len() != before
                    }
                },
            )
        });
    }

    #[test]
    fn types_that_forget() {
        let laws = || {
            Laws::of(Model::default)
                .update_with(|model, chance| model.op(|n| chance.below(n as u64) as usize))
        };
        laws().check();
        laws().budget(0).histories(1000).seed(5).check();
    }

    #[test]
    fn updates_from_a_list() {
        Laws::of(Counter::default).updates([1, -1, 5]).check();
        Laws::of(Counter::default)
            .updates([1, 2])
            .invariant("positive", |sum| sum.value() >= 0)
            .check();
        let laws = Laws::of(Counter::default).updates([1, -1]);
        let violation = broken(laws.invariant("positive", |sum| sum.value() >= 0));
        assert_eq!((violation.law(), violation.case().len()), (Law::Invariant, 1));
    }
}

#[test]
fn updates_that_never_meet_prove_nothing() {
    let next = AtomicU64::new(0);
    let unique =
        move |_: &Reducer<BTreeSet<u64>, u64>, _: &mut Chance| next.fetch_add(1, Ordering::Relaxed);
    let set = || reducer(BTreeSet::new(), |set: &mut BTreeSet<u64>, new: u64| set.insert(new));
    let error = Laws::of(set).update_with(unique).run().unwrap_err();
    assert!(matches!(error, LawsError::Unproven(_)), "{error}");
    assert!(error.to_string().contains("choose keys from two or three"), "{error}");
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let make = || {
        reducer(Vec::new(), |list: &mut Vec<u8>, item: u8| {
            list.push(item);
            true
        })
    };
    let report = |seed| broken(Laws::of(make).budget(0).seed(seed)).to_string();
    assert_eq!(report(3), report(3));
    let coverage = |seed| Laws::of(Counter::default).seed(seed).run().unwrap();
    assert_eq!(coverage(3), coverage(3));
    assert!(coverage(3).complete >= 2 && coverage(3).with_ties > 256);
}

#[test]
fn a_report_is_complete() {
    let points = || {
        reducer(0, |points: &mut u8, n: i8| {
            let before = *points;
            *points = points.saturating_add_signed(n);
            *points != before
        })
    };
    let path = env::temp_dir().join(format!("repred-laws-{}.svg", std::process::id()));
    let violation = broken(Laws::of(points).updates([1, -1]).draw(&path));
    let report = violation.to_string();
    assert_eq!(fs::read_to_string(&path).unwrap(), violation.svg());
    fs::remove_file(&path).unwrap();
    let expected = "\
`Reducer` breaks the law \"order\": updates that did not know of each other give two states, depending on which comes first

    a.1, b.1, b.2, a.2  →  0
    a.1, b.1, a.2, b.2  →  1
    the state: 0 or 1

    a ─●a.1─┬───────────●a.2─
    b ──────┴▶●b.1─●b.2──────

    a.1@1 writes 1
    b.1@2 after a.1 writes -1
    b.2@3 after a.1 writes 1
    a.2@2 writes -1

What to do: add up exactly and clamp when reading; decide ties by the stamp; remove by the dots that were observed.

Found in history ";
    assert!(report.starts_with(expected), "{report}");
    assert!(report.contains("#[test]") && report.contains(".replay(&["), "{report}");
    assert!(report.contains("A picture of it is in"), "{report}");
    for told in
        ["breaks the law \"order\"", ">b.2</text>", ">-1</text>", "<tspan", "a.1, b.1, b.2, a.2"]
    {
        assert!(violation.svg().contains(told), "{told} is not in {}", violation.svg());
    }
}

#[test]
fn the_guide_shows_the_printed_report() {
    #[derive(Default, Serialize, Deserialize)]
    struct Points(u8);
    impl Reduce for Points {
        type Update = i8;
        type Changes = bool;
        fn reduce(&mut self, n: i8, _stamp: Stamp) -> bool {
            let before = self.0;
            self.0 = self.0.saturating_add_signed(n);
            self.0 != before
        }
    }
    let report = broken(Laws::of(Points::default)).to_string();
    let guide = include_str!("../../../docs/testing.md");
    assert!(guide.contains(report.trim_end()), "the guide does not show this:\n{report}");
}

#[test]
fn the_repaired_reducer_of_the_guide_keeps_the_laws() {
    #[derive(Default, Serialize, Deserialize)]
    struct Points(i64);
    impl Reduce for Points {
        type Update = i8;
        type Changes = bool;
        fn reduce(&mut self, n: i8, _stamp: Stamp) -> bool {
            self.0 += i64::from(n);
            n != 0
        }
    }
    assert!(include_str!("../../../docs/testing.md").contains("`self.0 += i64::from(n); n != 0`"));
    Laws::of(Points::default).check();
}
