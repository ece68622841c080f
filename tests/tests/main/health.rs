//! What is wrong in the background of a replica is in its health, and makes notices.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use futures::{FutureExt, StreamExt, executor::block_on};
use repred::{
    Counter, GrowSet, Notice, ProblemKind, Reducer, Register, Replica, Replicated, Schema, Time,
    error::UpdateError,
    net::{Clock, Notices},
    pipe, reducer,
    sans_io::Monotonic,
};
use repred_tests::{Disk, Driven, Fault, Network, eventually};
use serde::{Deserialize, Serialize};

/// The notices up to now.
fn told<R: Replicated>(notices: &mut Notices<R>) -> Vec<Notice> {
    std::iter::from_fn(|| notices.next().now_or_never().flatten()).collect()
}

/// The kinds of what is wrong.
fn wrong<R: Replicated>(replica: &Replica<R>) -> Vec<ProblemKind> {
    let health = replica.health().unwrap();
    assert_eq!(health.is_good(), health.problems.is_empty());
    assert_eq!(health.to_string() == "good", health.is_good());
    health.problems.into_iter().map(|problem| problem.kind).collect()
}

/// A clock that goes when it is told to, on both hands.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn wall(&self) -> Time {
        Time::from_micros(1_000_000_000_000 + self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_micros(self.0.load(Ordering::Relaxed))
    }
}

// ---- connections and peers ----

#[test]
fn a_peer_that_is_refused_again_and_again_is_named_and_makes_few_notices() {
    let clock = Hand::default();
    let voters =
        |id: u128| Replica::builder(Counter::default()).id(id.into()).clock(clock.clone()).build();
    let mut network = Network::of([voters(7), voters(7), voters(8)]);
    let mut notices = network[0].notices().unwrap();
    for _ in 0..100 {
        network.connect(0, 1);
        network.run_until_quiet();
    }
    let times = |notice: &Notice| match notice {
        Notice::Began(problem) | Notice::Worsened(problem) => problem.times,
        notice => panic!("{notice}"),
    };
    let notices_of = told(&mut notices);
    assert_eq!(notices_of.iter().map(times).collect::<Vec<_>>(), [1, 10, 100]);
    assert!(
        notices_of[0].to_string().contains("give a copy an id of its own"),
        "{}",
        notices_of[0]
    );
    let problem = network[0].health().unwrap().problems.remove(0);
    assert!(
        matches!(problem.kind, ProblemKind::PeerRefused { peer, .. } if peer == Some(7.into()))
    );
    // Somebody else who is fine changes nothing about it.
    network.connect(0, 2);
    clock.forward(120);
    network.update(2, 1);
    network.run_until_quiet();
    assert_eq!(wrong(&network[0]).len(), 1);
}

#[test]
fn a_peer_whose_clock_is_set_right_is_no_problem_after_a_minute() {
    let (clock, other) = (Hand::default(), Hand::default());
    let builder = |clock: &Hand| Replica::builder(Counter::default()).clock(clock.clone()).build();
    let mut network = Network::of([builder(&clock), builder(&other)]);
    let peer = network[1].id().unwrap();
    other.forward(310);
    let link = network.connect(0, 1);
    network.run_until_quiet();
    assert!(network.endings(link).iter().all(Option::is_none), "the link stays");
    let is_ahead = |replica: &Replica<Counter>, of| {
        let is_of = |kind: &ProblemKind| matches!(kind, ProblemKind::ClockAhead { whose, .. } if *whose == of);
        wrong(replica).iter().any(is_of)
    };
    assert!(is_ahead(&network[0], Some(peer)), "{}", network[0].health().unwrap());
    assert!(is_ahead(&network[1], None), "{}", network[1].health().unwrap());
    // What it writes is also far ahead of the other's clock, which is another problem.
    let of_clocks = |notices: &mut Notices<Counter>| {
        let mut told = told(notices);
        told.retain(|notice| match notice {
            Notice::Began(problem) | Notice::Worsened(problem) | Notice::Ended(problem) => {
                matches!(problem.kind, ProblemKind::ClockAhead { .. })
            }
            _ => true,
        });
        told
    };
    let mut notices = network[0].notices().unwrap();
    let begun = of_clocks(&mut notices);
    assert!(matches!(begun[..], [Notice::Began(_)]), "what is wrong already comes first");
    // What a connection has found when it began, it keeps.
    network.disconnect(link);
    network.run_until_quiet();
    clock.forward(20);
    network.connect(0, 1);
    network.update(1, 1);
    network.run_until_quiet();
    assert_eq!(of_clocks(&mut notices), [], "a connection that is fine may be so for a moment");
    for _ in 0..7 {
        clock.forward(10);
        other.forward(10);
        network.update(1, 1);
        network.update(0, 1);
        network.run_until_quiet();
    }
    let ended = of_clocks(&mut notices);
    assert!(matches!(ended[..], [Notice::Ended(_)]), "{ended:?}");
    assert!(!is_ahead(&network[0], Some(peer)) && !is_ahead(&network[1], None));
}

#[test]
fn a_state_that_differs_for_one_version_is_a_problem_on_both_sides() {
    let last = || reducer(0, |last: &mut i64, new: i64| std::mem::replace(last, new) != new);
    let checked = || Replica::builder(last()).check_divergence(std::time::Duration::ZERO).build();
    let mut network: Network<Reducer<i64, i64>> = Network::of([checked(), checked()]);
    network.update(0, 1);
    network.update(1, 2);
    network.connect(0, 1);
    network.run_until_quiet();
    for at in [0, 1] {
        let peer = network[1 - at].id().unwrap();
        assert_eq!(wrong(&network[at]), [ProblemKind::Diverged { peer: Some(peer) }]);
    }
}

#[test]
fn a_connection_that_is_dropped_before_it_was_polled_is_noticed() {
    let votes = Replica::new(Counter::default());
    let mut notices = votes.notices().unwrap();
    let other = votes.clone();
    let mut next = Driven::new(async move { notices.next().await });
    next.step();
    let (io, _other_end) = pipe(10);
    drop(other.connect(io));
    assert!(next.step(), "whoever waits for a notice is woken");
    let notice = next.into_result().unwrap().unwrap();
    assert!(matches!(&notice, Notice::Began(_)) && notice.to_string().contains("spawn or await"));
    // And one that is dropped where the lock cannot be taken.
    let (io, _other_end) = pipe(10);
    let connection = votes.connect(io);
    votes.read(|_| drop(connection)).unwrap();
    assert_eq!(wrong(&votes), [ProblemKind::NeverPolled { dropped: 2, waiting: 0 }]);
}

#[test]
fn connections_that_nobody_polls_are_counted_until_they_are_polled() {
    let clock = Hand::default();
    let replica = || Replica::builder(Counter::default()).clock(clock.clone()).build();
    let mut network = Network::of([replica(), replica()]);
    network.connect(0, 1);
    assert_eq!(wrong(&network[0]), [], "it was just made");
    clock.forward(11);
    assert_eq!(wrong(&network[0]), [ProblemKind::NeverPolled { dropped: 0, waiting: 1 }]);
    network.run_until_quiet();
    assert_eq!(wrong(&network[0]), []);
}

// ---- the replica ----

#[test]
fn origins_near_their_limit_are_noticed_before_the_first_is_refused() {
    let hub = Replica::builder(Counter::default()).limits(|limits| limits.origins = 10).build();
    let mut notices = hub.notices().unwrap();
    let mut network = Network::of([hub]);
    let mut told_at = Vec::new();
    for writer in 1..=12 {
        let at = network.add(Replica::new(Counter::default()));
        network.update(at, 1);
        let link = network.connect(0, at);
        network.run_until_quiet();
        network.disconnect(link);
        told_at.extend(told(&mut notices).into_iter().map(|notice| (writer, notice)));
    }
    let origins = told_at.iter().filter_map(|(writer, notice)| match notice {
        Notice::Began(problem) | Notice::Worsened(problem) => match problem.kind {
            ProblemKind::OriginsNearLimit { origins, limit: 10 } => Some((*writer, origins)),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(origins.collect::<Vec<_>>(), [(9, 9), (10, 10)]);
    let refused = wrong(&network[0])
        .into_iter()
        .filter(|kind| matches!(kind, ProblemKind::PeerRefused { .. }));
    assert_eq!(refused.count(), 2);
}

#[derive(repred::Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Old {
    title: Register<String>,
}

#[derive(repred::Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct New {
    title: Register<String>,
    #[serde(default)]
    votes: Counter,
}

#[test]
fn updates_that_are_deferred_are_counted_and_their_origins_are_named() {
    let old = Replica::builder(Old::default()).schema(Schema::new("poll", 1)).build();
    let new = Replica::builder(New::default()).schema(Schema::new("poll", 2).grown_from(1)).build();
    let mut notices = old.notices().unwrap();
    (0..3).for_each(|_| new.edit(|poll| poll.votes().add(1)).unwrap());
    let (a, b) = pipe(1 << 10);
    let links = futures::future::join(old.connect(a), new.connect(b));
    block_on(futures::future::select(Box::pin(links), Box::pin(new.delivered())));
    let of = new.id().unwrap();
    assert_eq!(wrong(&old), [ProblemKind::Deferred { updates: 3, origins: vec![of] }]);
    let began = told(&mut notices);
    assert!(
        matches!(&began[..], [Notice::Began(problem)] if matches!(problem.kind, ProblemKind::Deferred { .. })),
        "{began:?}"
    );
    assert_eq!(wrong(&new), []);
}

// ---- journals ----

type Numbers = GrowSet<u64>;

fn numbers(disk: &Disk) -> Replica<Numbers> {
    Replica::builder(Numbers::default()).open_in(disk.clone()).unwrap()
}

#[test]
fn a_compaction_that_fails_is_a_problem_until_one_succeeds() {
    let disk = Disk::default();
    let replica = numbers(&disk);
    let mut notices = replica.notices().unwrap();
    replica.update(1).unwrap().wait().unwrap();
    for _ in 0..3 {
        disk.fail(disk.count(), Fault::Once(std::io::ErrorKind::PermissionDenied));
        replica.compact().unwrap_err();
        // The present log is in use as before.
        replica.update(2).unwrap().wait().unwrap();
    }
    eventually(|| {
        replica.health().unwrap().problems.first().is_some_and(|problem| problem.times == 3)
    });
    assert!(
        matches!(&wrong(&replica)[..], [ProblemKind::CompactionFails { error }] if error.contains("permission denied")),
        "{}",
        replica.health().unwrap()
    );
    replica.compact().unwrap();
    assert_eq!(wrong(&replica), []);
    assert!(matches!(told(&mut notices)[..], [Notice::Began(_), Notice::Ended(_)]));
}

#[test]
fn a_storage_that_refuses_writes_is_a_problem_until_it_takes_them() {
    let disk = Disk::default();
    let replica = numbers(&disk);
    let mut notices = replica.notices().unwrap();
    disk.fill();
    replica.update(1).unwrap().wait().unwrap_err();
    // Whoever tries again makes no more notices than one for ten.
    eventually(|| {
        assert!(matches!(replica.update(1), Err(UpdateError::Full { .. })));
        replica.health().unwrap().problems.first().is_some_and(|problem| problem.times > 12)
    });
    assert!(matches!(&wrong(&replica)[..], [ProblemKind::StorageRefuses { .. }]));
    let began = told(&mut notices);
    assert!(matches!(began[..], [Notice::Began(_), Notice::Worsened(_)]), "{began:?}");
    disk.mend();
    eventually(|| replica.update(1).is_ok());
    eventually(|| wrong(&replica).is_empty());
    assert!(matches!(told(&mut notices).last(), Some(Notice::Ended(_))));
}

#[test]
fn a_journal_that_has_failed_is_a_problem_for_good() {
    let disk = Disk::default();
    let replica = numbers(&disk);
    replica.update(1).unwrap().wait().unwrap();
    // The write is done, and the sync after it fails.
    disk.fail(disk.count() + 1, Fault::Once(std::io::ErrorKind::Other));
    replica.update(2).unwrap().wait().unwrap_err();
    eventually(|| !wrong(&replica).is_empty());
    assert!(
        matches!(&wrong(&replica)[..], [ProblemKind::JournalFailed { .. }]),
        "{:?}",
        wrong(&replica)
    );
}

// ---- tracing ----

/// Keeps the text of each event, and the fields that it has.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "repred"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!(" {field}={value:?}");
            }
        }
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn each_notice_is_an_event_of_tracing() {
    let listener = Listener::default();
    let votes = Replica::new(Counter::default());
    tracing::subscriber::with_default(listener.clone(), || {
        drop(votes.connect(pipe(10).0));
        let mut network = Network::of([votes.clone(), Replica::new(Counter::default())]);
        network.connect(0, 1);
        network.run_until_quiet();
    });
    let told = listener.0.lock().unwrap();
    let id = votes.id().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("WARN message=1 connections were dropped"), "{}", told[0]);
    assert!(told[0].ends_with(&format!(" replica={id}")), "{}", told[0]);
    assert!(told[1].starts_with("INFO message=over: "), "{}", told[1]);
}
