//! A core by itself: what it refuses, and that it is unchanged then.

use std::time::Duration;

use repred::{
    Changes, Counter, Reduce, Register, ReplicaEvent, Stamp, Time, VersionVector,
    error::{AdoptError, HistoryError, TrimError, Unavailable, UpdateError},
    reducer,
    sans_io::{Core, CoreLimits},
    stamped_reducer,
};

const NOON: Time = Time::from_micros(43_200_000_000);

fn counter(id: u128) -> Core<Counter> {
    Core::new(id.into(), Counter::default())
}

/// Brings `to` up to date by a snapshot.
fn adopt(to: &mut Core<Counter>, from: &Core<Counter>) -> Result<(), AdoptError> {
    to.adopt(&from.snapshot().unwrap(), NOON)
}

#[test]
fn a_local_update_that_changes_nothing_gets_no_stamp_and_leaves_no_trace() {
    let mut votes = counter(1);
    let receipt = votes.update(0, NOON).unwrap();
    assert_eq!(receipt.stamp(), None);
    assert_eq!(votes.version(), VersionVector::new());
    assert_eq!(votes.history_len(), 0);
    assert_eq!(votes.update(1, NOON).unwrap().stamp().unwrap().dot.seq, 1);
}

#[test]
fn writing_a_register_the_value_it_has_is_a_change() {
    let mut title = Core::new(1.into(), Register::new(7));
    assert!(!title.update(7, NOON).unwrap().is_empty());
    assert!(!title.update(7, NOON).unwrap().is_empty());
    assert_eq!((title.version().seq(1.into()), title.history_len()), (2, 1));
}

#[test]
fn updates_of_an_edit_that_change_nothing_are_left_out_of_it() {
    let mut votes = counter(1);
    let receipts = votes.update_all([1, 0, 2], NOON).unwrap();
    let seqs = receipts.iter().map(|receipt| receipt.stamp().map(|stamp| stamp.dot.seq));
    assert_eq!(seqs.collect::<Vec<_>>(), [Some(1), None, Some(2)]);
}

#[test]
fn an_edit_of_which_one_update_is_too_large_does_nothing() {
    let mut limits = CoreLimits::default();
    limits.update_bytes = 10;
    let list = reducer(Vec::new(), |list: &mut Vec<String>, line: String| {
        list.push(line);
        true
    });
    let mut list = Core::with_limits(1.into(), list, limits);
    let error = list.update_all(["short".into(), "far too long".into()], NOON).unwrap_err();
    assert_eq!(error, UpdateError::TooLarge { size: 13, limit: 10 });
    assert_eq!((list.version().len(), list.state().unwrap().len()), (0, 0));
}

#[test]
fn stamps_increase_when_the_wall_clock_steps_back() {
    let mut votes = counter(1);
    let back = Time::from_micros(NOON.as_micros() - 60_000_000);
    let walls = [NOON, NOON, back, NOON + Duration::from_secs(1), back];
    let stamps: Vec<_> =
        walls.map(|wall| votes.update(1, wall).unwrap().stamp().unwrap().time).into();
    assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
}

#[test]
fn an_update_after_an_adopted_snapshot_is_later_than_the_snapshot() {
    let (mut a, mut b) = (counter(1), counter(2));
    a.update(1, NOON).unwrap();
    adopt(&mut b, &a).unwrap();
    let back = Time::from_micros(NOON.as_micros() - 60_000_000);
    let stamp = b.update(1, back).unwrap().stamp().unwrap();
    assert!(stamp.time > a.latest_time());
}

#[test]
fn a_snapshot_keeps_what_it_has_not_seen() {
    let (mut a, mut b) = (counter(1), counter(2));
    a.update_all([1, 2], NOON).unwrap();
    b.update_all([10, 20], NOON).unwrap();
    adopt(&mut b, &a).unwrap();
    assert_eq!(b.state().unwrap().value(), 33);
    assert_eq!(b.version().to_string(), "{1:2 2:2}");
    assert_eq!(b.floor().to_string(), "{1:2}");
    assert_eq!(b.entries_since(&b.floor()).unwrap().count(), 2);
}

#[test]
fn a_snapshot_that_lacks_what_is_folded_is_refused_and_changes_nothing() {
    let (mut a, mut b) = (counter(1), counter(2));
    a.update(1, NOON).unwrap();
    b.update(10, NOON).unwrap();
    b.trim(&b.version()).unwrap();
    let error = adopt(&mut b, &a).unwrap_err();
    assert!(matches!(error, AdoptError::BothTrimmed { .. }), "{error}");
    assert_eq!((b.state().unwrap().value(), b.version().to_string()), (10, "{2:1}".into()));

    b.discard_and_adopt(&a.snapshot().unwrap(), NOON).unwrap();
    assert_eq!((b.state().unwrap().value(), b.version()), (1, a.version()));
    assert!(matches!(b.update(1, NOON), Err(UpdateError::IdTaken { .. })), "2.1 was another one");
    b.set_id(3.into());
    b.update(1, NOON).unwrap();
    assert_eq!(b.version().to_string(), "{1:1 3:1}");
}

#[test]
fn a_snapshot_from_the_future_is_refused_with_how_long_to_wait() {
    let (mut a, mut b) = (counter(1), counter(2));
    a.update(1, NOON + Duration::from_secs(301)).unwrap();
    let error = adopt(&mut b, &a).unwrap_err();
    let wait = Duration::from_secs(1);
    assert!(matches!(error, AdoptError::TooFarAhead { wait: w, .. } if w == wait), "{error}");
    assert!(b.version().is_empty());
    b.adopt(&a.snapshot().unwrap(), NOON + wait).unwrap();
}

#[test]
fn only_seen_updates_can_be_folded_and_folded_ones_are_gone() {
    let mut votes = counter(1);
    votes.update_all([1, 2, 3], NOON).unwrap();
    let beyond = VersionVector::from_iter([(1.into(), 4)]);
    assert!(matches!(votes.trim(&beyond), Err(TrimError::NotSeen { .. })));
    votes.trim(&VersionVector::from_iter([(1.into(), 2)])).unwrap();
    assert_eq!(votes.history_len(), 1);
    let error = votes.entries_since(&VersionVector::new()).err().unwrap();
    assert!(matches!(error, HistoryError::BelowFloor { .. }));
    assert_eq!(votes.entries_since(&votes.floor()).unwrap().count(), 1);
}

#[test]
fn a_reducer_that_panics_poisons_its_core_and_its_update_is_not_kept() {
    let mut picky = Core::new(
        1.into(),
        reducer(0, |sum: &mut u8, add: u8| {
            *sum = sum.checked_add(add).expect("it fits");
            true
        }),
    );
    picky.update(200, NOON).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| picky.update(200, NOON)));
    assert!(panic.is_err());
    assert_eq!(picky.version().to_string(), "{1:1}");
    assert!(picky.state().is_err());
    assert!(matches!(picky.update(1, NOON), Err(UpdateError::Unavailable(Unavailable::Poisoned))));
    assert!(picky.snapshot().is_err());
}

#[test]
fn nested_changes_are_empty_only_if_all_their_parts_are() {
    // A reducer may return nested changes; the replica asks the whole.
    let mut pair = Core::new(
        1.into(),
        stamped_reducer((0, 0), |pair: &mut (i32, i32), by: i32, _: Stamp| {
            pair.0 += by;
            (by != 0, Vec::<u8>::new())
        }),
    );
    assert!(Changes::is_empty(pair.update(0, NOON).unwrap().changes()));
    assert!(!Changes::is_empty(pair.update(1, NOON).unwrap().changes()));
    assert_eq!(pair.version().seq(1.into()), 1);
}

#[test]
fn a_wide_register_map_keeps_one_entry_a_key() {
    let mut map = Core::new(1.into(), std::collections::BTreeMap::<u32, Register<u32>>::new());
    for round in 0..5_000u32 {
        map.update((round % 50, Box::new(round)), NOON).unwrap();
    }
    assert_eq!(map.history_len(), 50);
    assert!(map.history_memory() < 50 * 400, "{} bytes", map.history_memory());
    let _ = ReplicaEvent::<bool>::Lagged;
    let mut again = std::collections::BTreeMap::<u32, Register<u32>>::new();
    for entry in map.entries_since(&VersionVector::new()).unwrap() {
        again.reduce(entry.update.unwrap(), entry.stamp);
    }
    assert_eq!(again, *map.state().unwrap());
}
