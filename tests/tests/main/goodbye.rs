//! How connections end: on purpose, which is no error at either end, or by a cut, which is one.

use futures::future::join;
use repred::{
    Counter, Replica, Time,
    error::{ConnectionError, SessionError},
    journal::Memory,
    net::{Clock, Ended},
    pipe, reducer,
    sans_io::Monotonic,
};
use repred_tests::{Driven, Ending, Network, eventually};

fn in_memory() -> Replica<Counter> {
    Replica::new(Counter::default())
}

fn journaled() -> Replica<Counter> {
    Replica::builder(Counter::default()).open_in(Memory::new()).unwrap()
}

#[track_caller]
fn assert_ended([ours, theirs]: [Option<&Ending>; 2], context: &str) {
    assert!(matches!(ours, Some(Ok(Ended::ByUs))), "{context}: {ours:?}");
    assert!(matches!(theirs, Some(Ok(Ended::ByPeer))), "{context}: {theirs:?}");
}

#[test]
fn a_replica_that_is_closed_at_any_moment_is_no_error_at_the_other_end() {
    for (kind, make) in [("memory", in_memory as fn() -> _), ("a journal", journaled)] {
        for capacity in [1, 50, 1 << 16] {
            for steps in 0..40 {
                let mut network = Network::of([make(), make()]);
                network.set_capacity(capacity);
                for i in 1..=20 {
                    network.update(0, i);
                    network.update(1, -i);
                }
                let link = network.connect(0, 1);
                for _ in 0..steps {
                    network.step();
                }
                network[0].close().unwrap();
                let context = format!("{kind}, {capacity} bytes, {steps} steps");
                eventually(|| {
                    network.run_until_quiet();
                    network.endings(link).iter().all(Option::is_some)
                });
                assert_ended(network.endings(link), &context);
                assert_eq!(network[1].peers().unwrap(), []);
                network.update(1, 1);
            }
        }
    }
}

#[test]
fn a_replica_whose_last_handle_is_dropped_says_so() {
    for (kind, make) in [("memory", in_memory as fn() -> _), ("a journal", journaled)] {
        let mut network = Network::of([in_memory()]);
        let other = make();
        let (a, b) = pipe(100);
        let link = network.link(other.connect(a), network[0].connect(b));
        eventually(|| {
            network.run_until_quiet();
            network[0].peers().unwrap()[0].is_synced
        });
        drop(other);
        network.run_until_quiet();
        assert_ended(network.endings(link), kind);
    }
}

#[test]
fn a_connection_that_is_cut_is_an_error_at_the_other_end() {
    let mut network = Network::new(2, |_| Counter::default());
    let (ours, theirs) = pipe(1 << 10);
    let link = network.link(network[0].connect(ours), std::future::pending());
    let mut other = Driven::new(network[1].connect(theirs));
    while network.step() | other.step() {}
    other.cut();
    network.run_until_quiet();
    let [ending, _] = network.endings(link);
    let Some(Err(error @ ConnectionError::Io(_))) = ending else { panic!("{ending:?}") };
    assert!(error.to_string().contains("was cut"), "{error}");
}

#[test]
fn a_peer_whose_state_was_given_up_says_that_the_next_connection_continues() {
    // Each has trimmed what the other has not seen, so one gives its state up for the other's.
    let replicas: [_; 3] = std::array::from_fn(|_| in_memory());
    let mut network = Network::of(replicas);
    for at in [0, 1] {
        network.update(at, 5);
        network[at].trim(&network[at].version().unwrap()).unwrap();
    }
    let third = network.connect(0, 2);
    network.run_until_quiet();
    let (a, b) = pipe(1 << 10);
    network.link(network[0].connect(a).discard_ours(), network[1].connect(b));
    network.run_until_quiet();
    let [ours, theirs] = network.endings(third);
    assert!(
        matches!(ours, Some(Err(ConnectionError::Session(SessionError::Discarded)))),
        "{ours:?}"
    );
    assert!(matches!(theirs, Some(Ok(Ended::ByPeer))), "{theirs:?}");
}

/// A clock by which nothing takes any time.
struct StandsStill;

impl Clock for StandsStill {
    fn wall(&self) -> Time {
        Time::from_micros(1_000_000)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::ZERO
    }
}

#[test]
fn over_tcp_a_replica_that_is_closed_while_much_is_on_its_way_is_no_error() {
    let texts = || {
        reducer(Vec::new(), |texts: &mut Vec<String>, text: String| {
            texts.push(text);
            true
        })
    };
    // It waits for its peer to close as long as that takes.
    let patient = Replica::builder(texts()).clock(StandsStill).timer(|_| std::future::pending());
    let here = patient.build();
    let there = Replica::builder(texts()).clock(StandsStill).build();
    for _ in 0..200 {
        there.update("x".repeat(50_000)).unwrap();
        here.update("y".repeat(50_000)).unwrap();
    }
    smol::block_on(async {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dial = smol::net::TcpStream::connect(listener.local_addr().unwrap());
        let (ours, theirs) = join(dial, listener.accept()).await;
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap().0);
        let mut some = Box::pin({
            let here = here.clone();
            async move {
                while here.read(|texts| texts.len()).unwrap() < 250 {
                    smol::future::yield_now().await;
                }
                here.close().unwrap();
            }
        });
        let links = join(here.connect(ours), there.connect(theirs));
        let ((ours, theirs), ()) = join(links, &mut some).await;
        assert_ended([Some(&ours), Some(&theirs)], "tcp");
    });
}

#[test]
fn a_closed_replica_takes_no_updates_and_can_be_read() {
    let votes = in_memory();
    votes.update(5).unwrap();
    votes.close().unwrap();
    votes.close().unwrap();
    assert!(votes.update(1).unwrap_err().to_string().contains("closed"));
    assert_eq!(votes.read(|votes| votes.value()), Ok(5));
    // A connection that is made now ends at once.
    let mut network = Network::of([votes, in_memory()]);
    let link = network.connect(0, 1);
    network.run_until_quiet();
    assert_ended(network.endings(link), "made after the end");
}
