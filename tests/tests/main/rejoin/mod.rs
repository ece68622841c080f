//! The way back: a replica whose history has become another than that of the others takes theirs, and writes again what
//! only it has.

mod forks;
mod replicas;

use std::time::Duration;

use repred::{
    Counter, Dot, Durability, GrowSet, LwwMap, Map, MultiRegister, Reduce, Register, ReplicaId,
    Set,
    error::{RejoinError, SessionError, UpdateError},
    journal::{Journal, Memory},
    sans_io::{Core, Now, SessionConfig},
};
use repred_tests::{LEFT, Link, RIGHT, now_at};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Card {
    text: Register<u32>,
    votes: Counter,
    tags: Set<u32>,
    color: MultiRegister<u32>,
}

#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Board {
    title: Register<u32>,
    total: Counter,
    cards: Map<u32, Card>,
    votes: Map<u32, Counter>,
    tags: Set<u32>,
    names: LwwMap<u32, u32>,
    log: GrowSet<u32>,
}

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time so many seconds after the beginning.
fn now(seconds: u32) -> Now {
    now_at(SECOND * seconds)
}

fn core(id: u128) -> Core<Board> {
    Core::new(id.into(), Board::default())
}

/// An edit at a time in seconds.
macro_rules! edit {
    ($core:expr, $at:expr, |$board:ident| $edit:expr) => {
        $core
            .edit(now($at).wall, |$board| {
                let _ = $edit;
            })
            .unwrap()
    };
}
use edit;

/// A conversation, until nobody has anything to say. What went wrong on each side. The left side may rejoin.
fn meet_at(
    left: &mut Core<Board>,
    right: &mut Core<Board>,
    rejoin: Option<u128>,
    now: Now,
) -> [Option<SessionError>; 2] {
    let mut config = SessionConfig::for_state::<Board>();
    config.check_divergence = Some(Duration::ZERO);
    let theirs = config.clone();
    config.rejoin = rejoin.map(ReplicaId::from);
    let mut link = Link::new([config, theirs], [left, right], now);
    let mut errors = [None, None];
    for _ in 0..10_000 {
        let mut is_quiet = true;
        for (side, core) in [(LEFT, &mut *left), (RIGHT, &mut *right)] {
            match link.say(side, core, now) {
                Ok(None) => {}
                Ok(Some(_)) => is_quiet = false,
                Err(error) => drop(errors[side].get_or_insert(error)),
            }
        }
        for (side, core) in [(LEFT, &mut *left), (RIGHT, &mut *right)] {
            match link.hear(side, core, now) {
                Ok(false) => {}
                Ok(true) => is_quiet = false,
                Err(error) => {
                    is_quiet = false;
                    errors[side].get_or_insert(error);
                }
            }
        }
        for core in [&mut *left, &mut *right] {
            if core.needs_new_id() {
                core.set_id((u128::from(core.id()) + 0x1000).into());
            }
        }
        if is_quiet {
            return errors;
        }
    }
    panic!("they do not come to rest");
}

#[track_caller]
fn meet(left: &mut Core<Board>, right: &mut Core<Board>) {
    assert_eq!(meet_at(left, right, None, now(1000)), [None, None]);
    assert_same(left, right);
}

/// The left side rejoins, and both are equal then.
#[track_caller]
fn rejoin(left: &mut Core<Board>, right: &mut Core<Board>, new_id: u128) {
    if std::env::var("SNAP").is_ok() {
        left.rejoin(&right.snapshot().unwrap(), new_id.into(), now(1000).wall).unwrap();
        assert_eq!(meet_at(left, right, None, now(1000)), [None, None]);
    } else {
        assert_eq!(meet_at(left, right, Some(new_id), now(1000)), [None, None]);
    }
    assert_same(left, right);
    assert_eq!(left.id(), new_id.into());
}

#[track_caller]
fn assert_same(left: &Core<Board>, right: &Core<Board>) {
    assert_eq!(left.version(), right.version());
    assert_eq!(left.state().unwrap(), right.state().unwrap());
}

fn log(core: &Core<Board>) -> Vec<u32> {
    core.state().unwrap().log.iter().copied().collect()
}

/// A copy of a replica's folder, opened.
fn copy(core: &mut Core<Board>) -> Core<Board> {
    let (disk, config) = (Memory::new(), SessionConfig::for_state::<Board>());
    let open = |core: &mut Core<Board>| {
        Journal::open(disk.clone(), core, &config, Durability::EveryUpdate, now(0)).unwrap()
    };
    open(core).close(core).unwrap();
    let mut copy = Core::new(0xc0b1.into(), Board::default());
    drop(open(&mut copy));
    assert_eq!(copy.id(), core.id());
    copy
}

/// A replica with some edits, and a copy of it.
fn copied() -> [Core<Board>; 2] {
    let mut a = core(7);
    for number in 1..=5 {
        edit!(a, number, |board| {
            board.log().insert(number);
            board.total().add(1);
            board.title().set(number);
            board.tags().insert(number);
            board.cards().entry(number).votes().add(5);
            board.cards().entry(number).text().set(number);
            board.cards().entry(number).color().set(number);
            board.votes().entry(number).add(5);
        });
    }
    let b = copy(&mut a);
    [a, b]
}

#[test]
fn a_removal_that_is_written_again_removes_what_its_author_had_seen_and_nothing_else() {
    let [mut a, mut b] = copied();
    // The others write to the same keys, without knowledge of what the copy does.
    edit!(a, 10, |board| {
        board.tags().insert(1);
        board.cards().entry(1).votes().add(100);
        board.votes().entry(1).add(100);
    });
    edit!(b, 10, |board| {
        board.tags().insert(20);
        board.cards().entry(1).votes().add(2);
        board.cards().entry(20).votes().add(3);
        board.votes().entry(1).add(2);
        board.votes().entry(20).add(3);
    });
    edit!(b, 11, |board| {
        // Both what is older than the copy, and what is not.
        for key in [1, 2, 20] {
            board.tags().remove(&key);
            board.cards().remove(&key);
            board.votes().remove(&key);
        }
        board.cards().entry(3).color().set(33);
    });
    rejoin(&mut b, &mut a, 8);
    let board = a.state().unwrap();
    assert_eq!(board.tags.iter().copied().collect::<Vec<_>>(), [1, 3, 4, 5]);
    assert_eq!(board.cards.get(&1).unwrap().votes.value(), 100);
    assert_eq!(board.votes.get(&1).unwrap().value(), 100);
    for key in [2, 20] {
        assert!(board.cards.get(&key).is_none() && board.votes.get(&key).is_none(), "{key}");
    }
    let colors: Vec<_> = board.cards.get(&3).unwrap().color.values().copied().collect();
    assert_eq!(colors, [33]);
}

#[test]
fn a_counter_that_both_halves_remove_is_gone_once() {
    let [mut a, mut b] = copied();
    edit!(b, 10, |board| {
        board.votes().entry(1).add(2);
        board.cards().entry(1).votes().add(2);
    });
    for core in [&mut a, &mut b] {
        edit!(core, 11, |board| {
            board.votes().remove(&1);
            board.cards().remove(&1)
        });
    }
    rejoin(&mut b, &mut a, 8);
    edit!(a, 20, |board| {
        board.votes().entry(1).add(1);
        board.cards().entry(1).votes().add(1);
    });
    let board = a.state().unwrap();
    assert_eq!(board.votes.get(&1).unwrap().value(), 1);
    assert_eq!(board.cards.get(&1).unwrap().votes.value(), 1);
}

#[test]
fn an_edit_of_several_updates_stays_one() {
    let [mut a, mut b] = copied();
    edit!(a, 10, |board| board.log().insert(100));
    edit!(b, 10, |board| {
        board.log().insert(200);
        board.cards().entry(30).votes().add(1);
        board.cards().entry(30).text().set(9);
    });
    rejoin(&mut b, &mut a, 8);
    // One message of a block, or nothing of it.
    let mut other = core(9);
    let config = SessionConfig::for_state::<Board>();
    let mut link = Link::new([config.clone(), config], [&mut other, &mut b], now(1000));
    let mut seen = Vec::new();
    for _ in 0..100 {
        link.say(LEFT, &mut other, now(1000)).unwrap();
        link.say(RIGHT, &mut b, now(1000)).unwrap();
        link.hear(LEFT, &mut other, now(1000)).unwrap();
        link.hear(RIGHT, &mut b, now(1000)).unwrap();
        seen.push((log(&other).contains(&200), other.state().unwrap().cards.contains_key(&30)));
    }
    assert!(seen.iter().all(|(log, cards)| log == cards), "{seen:?}");
    assert_eq!(seen.last(), Some(&(true, true)));
}

#[test]
fn two_under_one_id_that_never_met_are_joined() {
    let [mut a, mut b] = [core(7), core(7)];
    for number in 1..=3 {
        edit!(a, number, |board| board.log().insert(number));
    }
    edit!(b, 1, |board| board.log().insert(10));
    rejoin(&mut b, &mut a, 8);
    assert_eq!(log(&a), [1, 2, 3, 10]);
}

#[test]
fn what_was_written_with_a_clock_a_year_ahead_is_written_again_with_the_right_time() {
    let [mut a, mut b] = [core(0xa), core(0xb)];
    let mut c = core(0xc);
    edit!(a, 1, |board| board.log().insert(1));
    meet(&mut a, &mut b);
    edit!(b, 2, |board| board.log().insert(2));
    // What others have written, and the rest lacks, stays as it is.
    edit!(c, 2, |board| board.log().insert(30));
    meet(&mut b, &mut c);
    let ahead = now_at(YEAR).wall;
    b.edit(ahead, |board| board.log().insert(3)).unwrap();
    // The clock is right again, but no stamp is before the last one.
    let refused = b.edit(now(3).wall, |board| board.log().insert(4));
    assert!(matches!(refused, Err(UpdateError::ClockAhead { .. })), "{refused:?}");
    assert_eq!(meet_at(&mut a, &mut b, None, now(10)), [None, None]);
    assert_eq!(log(&a), [1, 2, 30], "what was written a year ahead waits");

    rejoin(&mut b, &mut a, 8);
    assert_eq!(log(&a), [1, 2, 3, 30]);
    assert!(b.latest_time() < now(2000).wall);
    let rejoined = b.rejoined().unwrap();
    assert_eq!((rejoined.written_again, &*rejoined.dropped), (1, &[][..]));
    meet(&mut c, &mut a);
    edit!(b, 1001, |board| board.log().insert(5));
    meet(&mut b, &mut a);
    meet(&mut c, &mut a);
}

#[test]
fn updates_of_ours_that_are_trimmed_and_that_the_others_lack_are_not_given_up() {
    let [mut a, mut b] = [core(0xa), core(0xb)];
    for (core, number) in [(&mut a, 1), (&mut b, 2)] {
        edit!(core, number, |board| board.log().insert(number));
        core.trim(&core.version()).unwrap();
    }
    let errors = meet_at(&mut b, &mut a, Some(8), now(5));
    let Some(SessionError::Rejoin(RejoinError::Trimmed { first, count })) = errors[0] else {
        panic!("{errors:?}");
    };
    assert_eq!((first, count), (Dot::new(0xb.into(), 1), 1));
    assert_eq!((log(&a), log(&b)), (vec![1], vec![2]));
    assert_eq!(b.id(), 0xb.into());
    edit!(b, 6, |board| board.log().insert(6));
}

#[test]
fn a_replica_that_has_nothing_wrong_changes_its_id_alone() {
    let [mut a, mut b] = [core(0xa), core(0xb)];
    edit!(a, 1, |board| board.log().insert(1));
    meet(&mut a, &mut b);
    edit!(b, 2, |board| board.log().insert(2));
    edit!(b, 3, |board| board.title().set(3));
    edit!(b, 4, |board| board.title().set(4));
    rejoin(&mut b, &mut a, 8);
    assert_eq!(a.version().to_string(), "{a:1 b:3}");
    let rejoined = b.rejoined().unwrap();
    assert_eq!((rejoined.kept, rejoined.written_again), (2, 0));
}

#[test]
fn two_that_rejoin_with_each_other_are_told_so() {
    let [mut a, mut b] = copied();
    edit!(a, 10, |board| board.log().insert(100));
    let mut config = SessionConfig::for_state::<Board>();
    config.rejoin = Some(8.into());
    let mut theirs = config.clone();
    theirs.rejoin = Some(9.into());
    let mut link = Link::new([config, theirs], [&mut a, &mut b], now(20));
    link.say(LEFT, &mut a, now(20)).unwrap();
    link.say(RIGHT, &mut b, now(20)).unwrap();
    for (side, core) in [(LEFT, &mut a), (RIGHT, &mut b)] {
        assert_eq!(link.hear(side, core, now(20)), Err(SessionError::BothDiscard));
    }
    assert_eq!(log(&a), [1, 2, 3, 4, 5, 100]);
}

#[test]
fn what_is_written_while_a_replica_rejoins_is_written_again_too() {
    let [mut a, mut b] = copied();
    edit!(a, 10, |board| board.log().insert(100));
    let mut config = SessionConfig::for_state::<Board>();
    let theirs = config.clone();
    config.rejoin = Some(8.into());
    let mut link = Link::new([config, theirs], [&mut b, &mut a], now(20));
    let mut number = 200;
    for _ in 0..40 {
        number += 1;
        edit!(b, 20, |board| board.log().insert(number));
        link.say(LEFT, &mut b, now(20)).unwrap();
        link.say(RIGHT, &mut a, now(20)).unwrap();
        link.hear(LEFT, &mut b, now(20)).unwrap();
        link.hear(RIGHT, &mut a, now(20)).unwrap();
    }
    assert!(b.rejoined().is_some());
    while link.say(LEFT, &mut b, now(20)).unwrap().is_some() {
        link.hear(RIGHT, &mut a, now(20)).unwrap();
    }
    assert_same(&a, &b);
    assert_eq!(log(&a), (1..=5).chain([100]).chain(201..=number).collect::<Vec<_>>());
}

#[test]
fn what_was_written_under_a_former_id_is_ours_after_a_restart_as_well() {
    let [mut a, mut b] = copied();
    edit!(a, 10, |board| board.log().insert(100));
    for (number, id) in [(200, 0x70), (201, 0x71), (202, 0x72)] {
        edit!(b, 10, |board| board.log().insert(number));
        b.set_id(id.into());
    }
    let mut b = copy(&mut copy(&mut b));
    rejoin(&mut b, &mut a, 8);
    assert_eq!(log(&a), [1, 2, 3, 4, 5, 100, 200, 201, 202]);
    assert_eq!(b.rejoined().unwrap().dropped[..], []);
}
