//! What the shared handle promises: observers, waiting, re-entrancy, panics, one-way links, wake-ups.

use std::{sync::Arc, thread, time::Duration};

use futures::{StreamExt, executor::block_on, future::join};
use repred::{
    Counter, Reducer, Replica, ReplicaEvent,
    error::{ConnectionError, SessionError, Unavailable, UpdateError},
    net::Ended,
    pipe, reducer,
    sans_io::{CoreLimits, Reason},
};
use repred_tests::{Driven, Network};

fn sum(network: &Network<Counter>, replica: usize) -> i128 {
    network[replica].read(|votes| votes.value()).unwrap()
}

fn votes(count: usize) -> Network<Counter> {
    Network::new(count, |_| Counter::default())
}

/// What an observer was told up to now: who wrote, or `None` for a reset.
fn told<R: repred::Replicated>(
    changes: &mut repred::Subscription<R>,
) -> Vec<Option<repred::ReplicaId>> {
    let mut told = Vec::new();
    while let Some(Some(event)) = futures::FutureExt::now_or_never(changes.next()) {
        told.push(match event {
            ReplicaEvent::Changed { stamp, .. } => Some(stamp.origin()),
            _ => None,
        });
    }
    told
}

// ---- observers ----

#[test]
fn an_observer_gets_local_and_remote_updates() {
    let mut network = votes(2);
    let mut changes = network[0].subscribe().unwrap();
    network.update(0, 1);
    network.update(0, 0);
    network.connect(0, 1);
    network.update(1, 2);
    network.run_until_quiet();
    let (here, there) = (network[0].id().unwrap(), network[1].id().unwrap());
    assert_eq!(told(&mut changes), [Some(here), Some(there)]);
}

#[test]
fn an_observer_that_waits_is_woken_by_an_update_of_the_peer() {
    let mut network = votes(2);
    network.connect(0, 1);
    network.run_until_quiet();
    let mut changes = network[0].subscribe().unwrap();
    let mut next = Driven::new(async move { changes.next().await.is_some() });
    assert!(next.step() && !next.step());
    network.update(1, 2);
    network.run_until_quiet();
    assert!(next.step());
    assert_eq!(next.result(), Some(&true));
}

#[test]
fn a_slow_observer_gets_one_lag_notice_and_continues() {
    let mut limits = CoreLimits::default();
    limits.events = 10;
    let replica = Replica::builder(Counter::default()).limits(|there| *there = limits).build();
    let mut slow = replica.subscribe().unwrap();
    let mut fast = replica.subscribe().unwrap();
    for i in 1..=25 {
        replica.update(i).unwrap();
        assert_eq!(told(&mut fast).len(), 1);
    }
    let here = replica.id().unwrap();
    assert_eq!(told(&mut slow), [None]);
    replica.update(1).unwrap();
    assert_eq!(told(&mut slow), [Some(here)]);
    assert!(told(&mut slow).is_empty());
}

#[test]
fn a_reaction_to_a_change_is_an_ordinary_update() {
    let mut network = votes(2);
    let mut changes = network[0].subscribe().unwrap();
    let replica = network[0].clone();
    let mut echo = Driven::new(async move {
        while let Some(event) = changes.next().await {
            let ReplicaEvent::Changed { stamp, .. } = event else {
                continue;
            };
            if stamp.origin() != replica.id().unwrap() {
                replica.update(1000).unwrap();
            }
        }
    });
    network.connect(0, 1);
    network.update(1, 1);
    for _ in 0..10 {
        network.run_until_quiet();
        echo.step();
    }
    network.assert_converged();
    assert_eq!(sum(&network, 1), 1001);
}

#[test]
fn a_dropped_wait_leaves_nothing_behind() {
    let mut network = votes(2);
    let (io, _other_end) = pipe(1);
    let _connection = network[0].connect(io);
    network.connect(0, 1);
    network.run_until_quiet();
    let replica = network[0].clone();
    // One task that gives up again and again, as with a timeout.
    let mut task = Driven::new(futures::future::poll_fn(move |cx| {
        for _ in 0..100 {
            let mut synced = std::pin::pin!(replica.synced());
            assert!(synced.as_mut().poll(cx).is_pending());
            let mut changes = replica.subscribe().unwrap();
            assert!(changes.poll_next_unpin(cx).is_pending());
        }
        std::task::Poll::<()>::Pending
    }));
    task.step();
    assert_eq!(task.wakers(), 0);
}

// ---- waiting ----

#[test]
fn synced_waits_for_a_connection_that_was_not_polled_yet() {
    let mut network = votes(2);
    network.update(1, 5);
    network.connect(0, 1);
    let (replica, values) = (network[0].clone(), network[0].clone());
    let synced = replica.synced();
    let mut synced = Driven::new(async move {
        synced.await.unwrap();
        values.read(|votes| votes.value()).unwrap()
    });
    assert!(synced.step());
    assert_eq!(synced.result(), None);
    network.run_until_quiet();
    synced.step();
    assert_eq!(synced.result(), Some(&5));
}

#[test]
fn peers_are_named_and_their_lag_goes_to_nothing() {
    let mut network = votes(2);
    for i in 1..=1000 {
        network.update(0, i);
    }
    let link = network.connect(0, 1);
    assert_eq!(network[0].peers().unwrap()[0].lag, None);
    network.run_until_quiet();
    let status = network[0].peers().unwrap()[0];
    assert_eq!(status.id, Some(network[1].id().unwrap()));
    assert_eq!((status.is_synced, status.lag), (true, Some(0)));
    network.update(0, 1);
    assert_eq!(network[0].peers().unwrap()[0].lag, Some(1));
    network.run_until_quiet();
    assert_eq!(network[0].peers().unwrap()[0].lag, Some(0));
    network.disconnect(link);
    assert_eq!(network[0].peers().unwrap(), []);
}

#[test]
fn the_lag_of_large_edits_goes_to_nothing_through_pipes_of_any_size() {
    let words = || {
        reducer(Vec::new(), |words: &mut Vec<String>, word| {
            words.push(word);
            true
        })
    };
    for capacity in [1, 1000, 33_000, 1 << 20] {
        for sizes in [[16_000, 16_800], [20_000, 20_000], [40_000, 10], [100, 70_000]] {
            let mut network: Network<Reducer<Vec<String>, String>> = Network::new(2, |_| words());
            network.set_capacity(capacity);
            network.connect(0, 1);
            network.run_until_quiet();
            let edit = sizes.map(|size| "x".repeat(size));
            network[0].update_all(edit).unwrap();
            network.run_until_quiet();
            network.assert_converged();
            let status = network[0].peers().unwrap()[0];
            assert_eq!(status.lag, Some(0), "{sizes:?} through {capacity} bytes");
        }
    }
}

// ---- re-entrancy and panics ----

#[test]
fn using_a_replica_from_inside_its_read_is_an_error() {
    let network = votes(1);
    let replica = network[0].clone();
    network[0]
        .read(|_| {
            assert_eq!(
                replica.update(1).unwrap_err(),
                UpdateError::Unavailable(Unavailable::Reentrant)
            );
            assert_eq!(replica.read(|_| ()), Err(Unavailable::Reentrant));
            assert_eq!(replica.version(), Err(Unavailable::Reentrant));
            assert_eq!(replica.subscribe().unwrap_err(), Unavailable::Reentrant);
            assert_eq!(replica.peers(), Err(Unavailable::Reentrant));
        })
        .unwrap();
    network.update(0, 1);
}

#[test]
fn updating_a_replica_from_inside_its_reduce_is_an_error() {
    type Votes = Reducer<i64, i64>;
    let handle: Arc<std::sync::OnceLock<Replica<Votes>>> = Arc::default();
    let inside = Arc::clone(&handle);
    let votes = Replica::new(reducer(0, move |sum: &mut i64, vote: i64| {
        if let Some(replica) = inside.get() {
            assert_eq!(
                replica.update(1).unwrap_err(),
                UpdateError::Unavailable(Unavailable::Reentrant)
            );
        }
        *sum += vote;
        true
    }));
    assert!(handle.set(votes.clone()).is_ok());
    votes.update(5).unwrap();
    assert_eq!(votes.read(|votes| **votes), Ok(5));
}

#[test]
fn a_connection_made_inside_of_read_works() {
    let mut network = votes(2);
    network.update(1, 3);
    let (a, b) = pipe(100);
    let inner = network[0].clone();
    let connection = network[0].read(|_| inner.connect(a)).unwrap();
    network.link(connection, network[1].connect(b));
    network.run_until_quiet();
    network.assert_converged();
}

/// It panics on the unlucky number.
fn superstitious(unlucky: i64) -> Reducer<i64, i64> {
    reducer(0, move |sum: &mut i64, vote: i64| {
        assert_ne!(vote, unlucky, "unlucky");
        *sum += vote;
        vote != 0
    })
}

#[test]
fn a_panic_of_reduce_on_a_remote_update_poisons_only_that_replica() {
    // Replica 1 panics at 13; 0 and 2 do not.
    let mut network = Network::new(3, |i| superstitious(if i == 1 { 13 } else { 0 }));
    let link = network.connect(0, 1);
    let other = network.connect(1, 2);
    let third = network.connect(0, 2);
    network.update(0, 1);
    network.run_until_quiet();
    network.assert_converged();
    network.update(0, 13);
    network.run_until_quiet();
    let [at_0, at_1] = network.endings(link);
    let failed = SessionError::Peer(Reason::Failed);
    assert!(
        matches!(
            at_1,
            Some(Err(ConnectionError::Session(SessionError::Unavailable(Unavailable::Poisoned))))
        ),
        "{at_1:?}"
    );
    assert!(
        matches!(at_0, Some(Err(ConnectionError::Session(error))) if *error == failed),
        "{at_0:?}"
    );
    let [at_1, at_2] = network.endings(other);
    assert!(
        matches!(
            at_1,
            Some(Err(ConnectionError::Session(SessionError::Unavailable(Unavailable::Poisoned))))
        ),
        "{at_1:?}"
    );
    assert!(at_2.is_some());
    assert_eq!(network[1].update(1).unwrap_err(), UpdateError::Unavailable(Unavailable::Poisoned));
    assert_eq!(network[1].read(|_| ()), Err(Unavailable::Poisoned));
    // The others go on.
    network.update(2, 5);
    network.run_until_quiet();
    assert!(network.endings(third).iter().all(Option::is_none));
    for replica in [0, 2] {
        assert_eq!(network[replica].read(|sum| **sum), Ok(19));
    }
}

#[test]
fn a_panic_of_reduce_on_a_local_update_ends_the_connections_at_once() {
    let mut network = Network::new(2, |_| superstitious(13));
    let link = network.connect(0, 1);
    network.run_until_quiet();
    let replica = network[0].clone();
    let panicked = thread::spawn(move || replica.update(13)).join();
    assert!(panicked.is_err());
    network.run_until_quiet();
    let [at_0, at_1] = network.endings(link);
    assert!(
        matches!(
            at_0,
            Some(Err(ConnectionError::Session(SessionError::Unavailable(Unavailable::Poisoned))))
        ),
        "{at_0:?}"
    );
    assert!(at_1.is_some());
    assert_eq!(network[0].read(|_| ()), Err(Unavailable::Poisoned));
    network.update(1, 1);
}

#[test]
fn a_panic_inside_of_read_poisons_nothing() {
    let mut network = votes(2);
    network.connect(0, 1);
    let replica = network[0].clone();
    let panicked = thread::spawn(move || replica.read(|_| panic!("oh"))).join();
    assert!(panicked.is_err());
    network.update(0, 1);
    network.run_until_quiet();
    network.assert_converged();
}

// ---- one way ----

#[test]
fn one_way_links_pass_entries_one_way_in_all_combinations() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Way {
        Both,
        In,
        Out,
    }
    let all = [Way::Both, Way::In, Way::Out];
    for (left, right) in all.iter().flat_map(|&l| all.map(|r| (l, r))) {
        let mut network = votes(2);
        network.update(0, 1);
        network.update(1, 10);
        let (a, b) = pipe(1000);
        let turn = |connection: repred::Connection<_, _>, way| match way {
            Way::Both => connection,
            Way::In => connection.receive_only(),
            Way::Out => connection.send_only(),
        };
        let (a, b) = (network[0].connect(a), network[1].connect(b));
        let link = network.link(turn(a, left), turn(b, right));
        let synced = [0, 1].map(|i| network[i].synced());
        network.run_until_quiet();
        network.update(0, 100);
        network.update(1, 1000);
        network.run_until_quiet();
        let endings = network.endings(link);
        assert!(endings.iter().all(Option::is_none), "{endings:?}");
        let to_right = left != Way::In && right != Way::Out;
        let to_left = right != Way::In && left != Way::Out;
        // A connection over which nothing is received catches up with nobody.
        for (synced, may) in synced.into_iter().zip([to_left, to_right]) {
            let done = futures::FutureExt::now_or_never(synced);
            assert_eq!(matches!(done, Some(Ok(_))), may, "{left:?} and {right:?}: {done:?}");
        }
        let here = 101 + if to_left { 1010 } else { 0 };
        let there = 1010 + if to_right { 101 } else { 0 };
        assert_eq!(sum(&network, 0), here, "{left:?} and {right:?}");
        assert_eq!(sum(&network, 1), there, "{left:?} and {right:?}");
        let lags = [0, 1].map(|i| network[i].peers().unwrap()[0].lag);
        assert_eq!(lags[0], to_right.then_some(0), "{left:?} and {right:?}");
        assert_eq!(lags[1], to_left.then_some(0), "{left:?} and {right:?}");
    }
}

// ---- wake-ups and endings ----

#[test]
fn updates_from_two_threads_wake_the_connections_every_time() {
    let here = Replica::new(Counter::default());
    let there = Replica::new(Counter::default());
    let (a, b) = pipe(64);
    let links = [
        thread::spawn({
            let link = here.connect(a);
            move || block_on(link)
        }),
        thread::spawn({
            let link = there.connect(b);
            move || block_on(link)
        }),
    ];
    let writers = [here.clone(), there.clone()].map(|replica| {
        thread::spawn(move || {
            for i in 0..2000 {
                replica.update(1).unwrap();
                if i % 100 == 0 {
                    thread::yield_now();
                }
            }
        })
    });
    // Only events are waited for, so a lost wake-up would show as a test that never ends.
    let arrived = |replica: &Replica<Counter>| {
        let replica = replica.clone();
        async move {
            let mut changes = replica.subscribe().unwrap();
            while replica.read(|votes| votes.value()).unwrap() < 4000 {
                changes.next().await;
            }
        }
    };
    block_on(join(arrived(&here), arrived(&there)));
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(here.version(), there.version());
    drop((here, there));
    for link in links {
        link.join().unwrap().unwrap();
    }
}

#[test]
fn dropping_all_handles_ends_the_connections_at_once_and_says_so_to_the_peers() {
    let mut network = votes(2);
    let lonely = Replica::new(Counter::default());
    let (a, b) = pipe(100);
    let link = network.link(lonely.connect(a), network[0].connect(b));
    network.run_until_quiet();
    drop(lonely);
    network.run_until_quiet();
    let [ours, theirs] = network.endings(link);
    assert!(matches!(ours, Some(Ok(Ended::ByUs))), "{ours:?}");
    assert!(matches!(theirs, Some(Ok(Ended::ByPeer))), "{theirs:?}");
    assert_eq!(network[0].peers().unwrap(), []);
}

#[test]
fn a_connection_ends_when_its_replica_is_gone_before_the_first_poll() {
    let replica = Replica::new(Counter::default());
    let (io, _other) = pipe(10);
    let connection = replica.connect(io);
    drop(replica);
    drop(_other);
    block_on(connection).unwrap();
}

// ---- divergence ----

fn alarmed(factor: i64) -> Replica<Reducer<i64, i64>> {
    let state = reducer(0, move |sum: &mut i64, vote: i64| {
        *sum += vote * factor;
        true
    });
    Replica::builder(state).check_divergence(Duration::from_millis(1)).build()
}

#[test]
fn programs_that_reduce_differently_are_detected_on_both_sides() {
    let mut network = Network::of([alarmed(1), alarmed(2)]);
    network.update(0, 5);
    let link = network.connect(0, 1);
    network.run_until_quiet();
    let mut endings = network.endings(link).map(|ending| match ending {
        Some(Err(ConnectionError::Session(error))) => error.clone(),
        other => panic!("{other:?}"),
    });
    let version = network[0].version().unwrap();
    for error in &mut endings {
        let is_it = *error == SessionError::Diverged { version: version.clone() }
            || *error == SessionError::Peer(Reason::Diverged);
        assert!(is_it, "{error}");
    }
    assert!(endings.iter().any(|error| matches!(error, SessionError::Diverged { .. })));
}

#[test]
fn programs_that_agree_raise_no_alarm() {
    let mut network = Network::of([alarmed(2), alarmed(2), alarmed(2)]);
    let links = [network.connect(0, 1), network.connect(1, 2), network.connect(2, 0)];
    for i in 0..100 {
        network.update(i % 3, i as i64);
        network.step();
    }
    network.run_until_quiet();
    network.assert_converged();
    for link in links {
        assert!(network.endings(link).iter().all(Option::is_none));
    }
}

#[test]
fn divergence_is_checked_only_if_both_sides_ask() {
    let plain = Replica::new(reducer(0, |sum: &mut i64, vote: i64| {
        *sum += vote;
        true
    }));
    let mut network = Network::of([plain, alarmed(2)]);
    network.update(0, 5);
    let link = network.connect(0, 1);
    network.run_until_quiet();
    assert!(network.endings(link).iter().all(Option::is_none));
    assert_eq!(network[0].version(), network[1].version());
    assert_ne!(network[0].state_digest(), network[1].state_digest());
}
