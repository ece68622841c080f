//! The law kit, tested by what it finds: broken reducers, each within 256 histories, and sound ones
//! without a false alarm.

use std::collections::{BTreeMap, BTreeSet};

use repred::{
    Counter, GrowSet, Max, Register, Replicated, reducer,
    testing::{Law, Laws, LawsError},
};

/// Checks that a reducer is found to break one of these laws, within 256 histories.
#[track_caller]
fn assert_broken<R: Replicated>(laws: Laws<R>, expected: &[Law]) -> String {
    match laws.run() {
        Err(LawsError::Broken(violation)) => {
            println!("{violation}\n");
            assert!(expected.contains(&violation.law()), "{}: {violation}", violation.law());
            violation.to_string()
        }
        Err(LawsError::Unproven(coverage)) => panic!("nothing was proved: {coverage}"),
        other => panic!("not found: {other:?}"),
    }
}

/// Puts an element into a set or takes it out.
type Change<T> = (bool, T);

#[test]
fn the_last_to_arrive_wins() {
    let broken = || {
        reducer(0, |state: &mut u8, new: u8| {
            let has_changed = *state != new;
            *state = new;
            has_changed
        })
    };
    assert_broken(Laws::of(broken), &[Law::Order]);
}

#[test]
fn a_clamped_sum() {
    let broken = || {
        reducer(0, |state: &mut i8, n: i8| {
            let before = *state;
            *state = state.saturating_add(n);
            *state != before
        })
    };
    assert_broken(Laws::of(broken), &[Law::Order]);
}

#[test]
fn a_sum_that_overflows() {
    let broken = || {
        reducer(0, |state: &mut i64, n: i64| {
            *state += n;
            n != 0
        })
    };
    assert_broken(Laws::of(broken), &[Law::Total]);
}

#[test]
fn a_naive_removal() {
    let broken = || {
        reducer(
            BTreeSet::new(),
            |set: &mut BTreeSet<u8>, (adds, element): Change<u8>| {
                if adds { set.insert(element) } else { set.remove(&element) }
            },
        )
    };
    assert_broken(Laws::of(broken), &[Law::Order]);
}

#[test]
fn sound_types() {
    Laws::of(Counter::default).check();
    Laws::of(Register::<u8>::default).check();
    Laws::of(GrowSet::<u8>::default).check();
    Laws::of(Max::<u8>::default).check();
    Laws::of(BTreeMap::<u8, Register<bool>>::default).check();
}
