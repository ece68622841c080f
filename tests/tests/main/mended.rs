//! What a review has found, so that it does not come back.

use std::{
    collections::BTreeSet,
    error::Error as _,
    future::Future,
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, task::noop_waker};
use repred::{
    Counter, Max, Register, Replica, Stamp, Time, VersionVector,
    error::{SessionError, UpdateError},
    pipe, reducer,
    sans_io::{Core, Session, SessionConfig},
    stamped_reducer,
};
use repred_tests::{LEFT, Pair, RIGHT, now_at, wire};
use serde::{Deserialize, Serialize};

const US: u128 = 0xa;

fn votes(replica: &Replica<Counter>) -> i128 {
    replica.read(|votes| votes.value()).unwrap()
}

fn saved(replica: &Replica<Counter>) -> Vec<u8> {
    let mut file = Vec::new();
    replica.save(&mut file).unwrap();
    file
}

/// A session with a peer `0xdead`, written by hand, that has said its open.
fn met(core: &mut Core<Counter>) -> Session {
    let now = now_at(Duration::ZERO);
    let config = SessionConfig::for_state::<Counter>();
    let open = wire::Open::new(0xdead, now.wall.as_ticks(), &config.schema);
    let mut session = Session::new(config, core, now);
    session.handle_message(core, &open.encode(), now).unwrap();
    session
}

#[test]
fn a_later_backup_brings_what_the_first_one_lacked_though_it_is_folded_since() {
    let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    here.update(1).unwrap();
    there.load(&mut &*saved(&here)).unwrap();
    here.trim(&here.version().unwrap()).unwrap();
    here.update(2).unwrap();
    there.load(&mut &*saved(&here)).unwrap();
    assert_eq!(votes(&there), 3);
}

#[test]
fn a_backup_that_cannot_be_joined_says_so() {
    let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    here.update(1).unwrap();
    there.update(10).unwrap();
    there.trim(&there.version().unwrap()).unwrap();
    here.trim(&here.version().unwrap()).unwrap();
    let error = there.load(&mut &*saved(&here)).unwrap_err();
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("cannot be joined"), "{error}: {cause}");
    assert_eq!(votes(&there), 10);
}

#[test]
fn a_session_ends_when_the_state_it_is_about_is_given_up() {
    let mut pair = Pair::new(Counter::default);
    pair.update(LEFT, 1);
    pair.connect();
    pair.run_until_quiet();
    let mut other = Core::new(0xbb.into(), Counter::default());
    let wall = pair.now().wall;
    other.update(20, wall).unwrap();
    pair.cores[LEFT].discard_and_adopt(&other.snapshot().unwrap(), wall).unwrap();
    pair.cores[LEFT].set_id(0xaa.into());
    // Written in the knowledge of what the other has given up.
    pair.update(RIGHT, 100);
    pair.run_until_quiet();
    assert_eq!(pair.errors[LEFT], Some(SessionError::Discarded));
    assert_eq!(pair.cores[LEFT].version().len(), 1);
}

#[test]
fn a_replica_that_receives_unknown_entries_of_its_own_takes_a_new_id() {
    let now = now_at(Duration::ZERO);
    let mut core = Core::new(US.into(), Counter::default());
    core.update(1, now.wall).unwrap();
    let mut session = met(&mut core);
    session.handle_message(&mut core, &wire::digest(&[(US, 1)], &[]), now).unwrap();
    let (time, five) = (now.wall.as_ticks() + 10, wire::signed(5));
    let items = wire::Items::new().run(wire::Origin::At(0), 2, &[(time, &five)]).encode();
    assert!(session.handle_message(&mut core, &items, now).is_err());
    assert!(matches!(core.update(7, now.wall), Err(UpdateError::IdTaken { .. })));
}

#[test]
fn a_version_out_of_order_is_malformed() {
    let now = now_at(Duration::ZERO);
    let ids = [9u128, 5];
    let mut digest = vec![1, 2];
    for id in ids {
        digest.extend(id.to_be_bytes());
        digest.push(1);
    }
    digest.push(0);
    let mut core = Core::new(US.into(), Counter::default());
    let error = met(&mut core).handle_message(&mut core, &digest, now).unwrap_err();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
}

#[test]
fn folding_what_a_peer_has_does_not_delay_a_block() {
    let list = || {
        stamped_reducer(Vec::new(), |list: &mut Vec<Stamp>, _: Vec<u8>, stamp| {
            list.push(stamp);
            true
        })
    };
    let mut pair = Pair::new(list);
    let wall = pair.now().wall;
    pair.cores[LEFT].update(vec![1], wall).unwrap();
    pair.connect();
    pair.run_until_quiet();
    pair.cores[LEFT].update_all((0..200).map(|_| vec![7; 1000]), wall).unwrap();
    let has = VersionVector::from_iter([(pair.cores[LEFT].id(), 1)]);
    for round in 0..100 {
        pair.say(LEFT);
        pair.say(RIGHT);
        while pair.hear(LEFT) || pair.hear(RIGHT) {}
        let floor = if round == 1 { has.clone() } else { VersionVector::new() };
        pair.cores[LEFT].trim(&floor).unwrap();
    }
    assert_eq!(pair.cores[RIGHT].version(), pair.cores[LEFT].version());
}

#[test]
fn two_peers_that_fold_while_their_snapshots_cross_get_an_error() {
    let mut pair = Pair::new(|| Register::new(String::new()));
    for side in [LEFT, RIGHT] {
        pair.update(side, "short".to_owned());
        pair.update(side, "long".repeat(1000));
        // So little that everything goes as a snapshot.
        pair.configs[side].limits.block_bytes = 1024;
    }
    pair.connect();
    for _ in 0..2 {
        pair.say(LEFT);
        pair.say(RIGHT);
        while pair.hear(LEFT) || pair.hear(RIGHT) {}
    }
    for _ in 0..6 {
        pair.say(LEFT);
        pair.say(RIGHT);
    }
    for core in &mut pair.cores {
        let version = core.version();
        core.trim(&version).unwrap();
    }
    pair.run_until_quiet();
    assert!(
        pair.errors.iter().any(|error| matches!(error, Some(SessionError::BothTrimmed { .. })))
    );
}

#[test]
fn states_of_different_types_do_not_connect_though_their_updates_are_alike() {
    let (sum, max) =
        (SessionConfig::for_state::<Counter>(), SessionConfig::for_state::<Max<i64>>());
    assert_ne!(sum.schema, max.schema);
}

#[test]
fn an_update_that_nobody_could_decode_is_refused_when_it_is_written() {
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Phase {
        Play { round: u8 },
    }
    let phases = reducer(0, |rounds: &mut u32, Phase::Play { round }: Phase| {
        *rounds += u32::from(round);
        true
    });
    let phases = Replica::new(phases);
    let error = phases.update(Phase::Play { round: 1 }).unwrap_err();
    assert!(matches!(error, UpdateError::Decode(_)), "{error}");
    assert_eq!((phases.read(|rounds| **rounds), phases.history_len()), (Ok(0), Ok(0)));
}

#[test]
fn a_replica_that_was_poisoned_in_an_edit_saves_nothing() {
    let list = reducer(BTreeSet::new(), |set: &mut BTreeSet<i64>, n: i64| {
        assert!(n != 13, "unlucky");
        set.insert(n)
    });
    let list = Replica::new(list);
    let edit = std::panic::AssertUnwindSafe(|| list.update_all([1, 2, 13]));
    assert!(std::panic::catch_unwind(edit).is_err());
    assert!(list.save(&mut Vec::new()).is_err());
}

#[test]
fn timeouts_may_be_for_ever_and_clocks_at_their_end() {
    let votes = Replica::builder(Counter::default())
        .timeout(Duration::MAX)
        .keep_alive(Duration::MAX)
        .check_divergence(Duration::MAX)
        .clock(|| Time::from_micros(u64::MAX))
        .build();
    let (a, _b) = pipe(100);
    let mut connection = Box::pin(votes.connect(a));
    assert!(connection.as_mut().poll(&mut Context::from_waker(&noop_waker())).is_pending());
    let stamps = [1, 2].map(|vote| votes.update(vote).unwrap().stamp().unwrap());
    assert!(stamps[0] < stamps[1]);
}

#[test]
fn a_connection_dropped_inside_read_is_closed() {
    let votes = Replica::new(Counter::default());
    let (a, _b) = pipe(10);
    let connection = votes.connect(a);
    votes.read(|_| drop(connection)).unwrap();
    assert_eq!(votes.peers().unwrap(), []);
}

#[test]
fn observers_end_with_their_replica() {
    let votes = Replica::new(Counter::default());
    let mut changes = Box::pin(votes.subscribe().unwrap());
    drop(votes);
    let polled = changes.as_mut().poll_next(&mut Context::from_waker(&noop_waker()));
    assert!(matches!(polled, Poll::Ready(None)));
}
