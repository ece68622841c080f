//! What `synced` and `delivered` say: who has it, and an error where nobody will.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, FutureExt, future::join};
use repred::{
    Counter, GrowSet, Pipe, Replica, ReplicaId, Time,
    error::{ConnectionError, NotDurable, Unavailable, WaitError},
    net::Clock,
    pipe, reducer,
    sans_io::Monotonic,
};
use repred_tests::{
    Disk, Driven, LinkId, Network, eventually,
    io::{Counting, CutAfter},
};

fn votes(count: usize) -> Network<Counter> {
    Network::new(count, |_| Counter::default())
}

fn id(network: &Network<Counter>, at: usize) -> ReplicaId {
    network[at].id().unwrap()
}

fn sorted(ids: impl IntoIterator<Item = ReplicaId>) -> Vec<ReplicaId> {
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort();
    ids
}

type Outcome = Result<Vec<ReplicaId>, WaitError>;

/// A wait that is polled, and what it has come to.
fn polled<T>(wait: &mut Driven<T>) -> Option<&T> {
    wait.step();
    wait.result()
}

fn peers(outcome: Option<&Outcome>) -> Vec<ReplicaId> {
    match outcome {
        Some(Ok(peers)) => peers.clone(),
        outcome => panic!("{outcome:?}"),
    }
}

#[track_caller]
fn assert_nobody_is_left(outcome: Option<&Outcome>, reached: &[ReplicaId], wanted: usize) {
    match outcome {
        Some(Err(WaitError::NoPeerLeft { reached: there, wanted: asked })) => {
            assert_eq!((&there[..], *asked), (reached, wanted));
        }
        outcome => panic!("{outcome:?}"),
    }
}

// ---- nobody ----

#[test]
fn nothing_is_delivered_or_synced_while_nobody_is_connected() {
    let mut network = votes(2);
    network.update(0, 5);
    network.update(1, 7);
    let mut delivered = Driven::new(network[0].delivered());
    let mut synced = Driven::new(network[0].synced());
    assert!(polled(&mut delivered).is_none() && polled(&mut synced).is_none());
    // A peer that comes later will do.
    network.connect(0, 1);
    network.run_until_quiet();
    assert_eq!(peers(polled(&mut delivered)), [id(&network, 1)]);
    assert_eq!(peers(polled(&mut synced)), [id(&network, 1)]);
}

#[test]
fn a_wait_for_those_that_are_connected_fails_at_once_where_nobody_is() {
    let network = votes(1);
    network.update(0, 5);
    let delivered = network[0].delivered().connected().now_or_never();
    assert_nobody_is_left(delivered.as_ref(), &[], 1);
    let synced = network[0].synced().connected().by(3).now_or_never();
    assert_nobody_is_left(synced.as_ref(), &[], 3);
    let text = synced.unwrap().unwrap_err().to_string();
    assert!(text.contains("connect again") && text.contains("None was reached"), "{text}");
}

#[test]
fn a_wait_for_nobody_is_over_at_once() {
    let network = votes(1);
    assert_eq!(peers(network[0].delivered().by(0).now_or_never().as_ref()), []);
    assert_eq!(peers(network[0].synced().by(0).connected().now_or_never().as_ref()), []);
}

// ---- links that do not work ----

/// What a link says when it is cut after so many bytes of one side.
fn cut_after(bytes: usize, side: usize) -> (Network<Counter>, LinkId) {
    let mut network = votes(2);
    network.update(0, 5);
    network.update(1, 7);
    network.set_capacity(1 + bytes % 7);
    let limit = |this: usize| if this == side { bytes } else { usize::MAX };
    let link = network.connect_through(
        0,
        1,
        |io| CutAfter::new(io, limit(0)),
        |io| CutAfter::new(io, limit(1)),
    );
    (network, link)
}

#[test]
fn a_link_that_is_cut_at_any_byte_delivers_only_what_arrived() {
    let mut network = votes(2);
    network.update(0, 5);
    network.update(1, 7);
    let mut counts = Vec::new();
    network.connect_through(
        0,
        1,
        |io| {
            let (io, count) = Counting::new(io);
            counts.push(count);
            io
        },
        |io| io,
    );
    network.run_until_quiet();
    let said = counts[0].load(Ordering::Relaxed) as usize;
    let (mut delivered_count, mut failed_count) = (0, 0);
    for side in [0, 1] {
        for bytes in 0..=said + 50 {
            let (mut network, _) = cut_after(bytes, side);
            let mut delivered = Driven::new(network[0].delivered());
            let mut connected = Driven::new(network[0].delivered().connected());
            let mut synced = Driven::new(network[0].synced().connected());
            network.run_until_quiet();
            let there = id(&network, 1);
            let has = |at: usize, other: usize| {
                let seq = network[at].version().unwrap().seq(id(&network, other));
                seq == 1
            };
            let place = format!("{side} cut after {bytes} bytes");
            match polled(&mut delivered) {
                Some(Ok(peers)) => {
                    assert!(has(1, 0) && peers[..] == [there], "{place}");
                    delivered_count += 1;
                }
                Some(Err(error)) => panic!("{place}: {error}"),
                None => failed_count += 1,
            }
            let was_delivered = delivered.result().is_some();
            match polled(&mut connected) {
                Some(Ok(peers)) => assert!(was_delivered && peers[..] == [there], "{place}"),
                Some(Err(WaitError::NoPeerLeft { .. })) => assert!(!was_delivered, "{place}"),
                outcome => assert!(bytes > said && outcome.is_none(), "{place}: {outcome:?}"),
            }
            match polled(&mut synced) {
                Some(Ok(peers)) => assert!(has(0, 1) && peers[..] == [there], "{place}"),
                Some(Err(WaitError::NoPeerLeft { .. })) => {}
                outcome => panic!("{place}: {outcome:?}"),
            }
        }
    }
    assert!(delivered_count > 10 && failed_count > 10, "{delivered_count} and {failed_count}");
}

/// A clock that goes when it is told to.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn wall(&self) -> Time {
        Time::ZERO + Duration::from_secs(1_000_000 + self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Monotonic {
        let now = Monotonic::ZERO.checked_add(Duration::from_secs(self.0.load(Ordering::Relaxed)));
        now.unwrap()
    }
}

/// A replica by such a clock, whose connections look at it when they are polled.
fn slow(clock: &Hand) -> Replica<Counter> {
    let builder = Replica::builder(Counter::default()).clock(clock.clone());
    builder.timer(|_| std::future::pending()).build()
}

/// A byte stream that takes everything, and never says anything.
struct Silent(Pipe);

impl AsyncRead for Silent {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
}

impl AsyncWrite for Silent {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

#[test]
fn a_half_open_link_delivers_nothing_and_fails_when_it_is_given_up() {
    let clock = Hand::default();
    let replica = slow(&clock);
    replica.update(5).unwrap();
    for is_read in [false, true] {
        let (ours, theirs) = pipe(10);
        let mut link: Pin<Box<dyn Future<Output = _> + Send>> = if is_read {
            Box::pin(replica.connect(Silent(ours)).map(drop))
        } else {
            // Nobody reads: after ten bytes nothing is taken any more.
            Box::pin(replica.connect(ours).map(drop))
        };
        let mut delivered = Driven::new(replica.delivered());
        let mut connected = Driven::new(replica.delivered().connected());
        let mut synced = Driven::new(replica.synced().connected());
        assert!(link.as_mut().now_or_never().is_none());
        assert!(polled(&mut delivered).is_none());
        assert!(polled(&mut connected).is_none() && polled(&mut synced).is_none());
        clock.0.fetch_add(21, Ordering::Relaxed);
        // It is given up, tries to say why for a second, and is over.
        let _ = link.as_mut().now_or_never();
        clock.0.fetch_add(2, Ordering::Relaxed);
        let _ = link.as_mut().now_or_never();
        assert_nobody_is_left(polled(&mut connected), &[], 1);
        assert_nobody_is_left(polled(&mut synced), &[], 1);
        assert!(polled(&mut delivered).is_none(), "somebody may come");
        drop(theirs);
    }
}

#[test]
fn a_connection_that_is_dropped_before_it_was_polled_delivers_nothing() {
    let replica = Replica::new(Counter::default());
    replica.update(5).unwrap();
    let (io, _other) = pipe(10);
    let connection = replica.connect(io);
    let mut waits =
        [Driven::new(replica.delivered()), Driven::new(replica.delivered().connected())];
    let mut synced = Driven::new(replica.synced().connected());
    assert!(waits.iter_mut().all(|wait| polled(wait).is_none()) && polled(&mut synced).is_none());
    drop(connection);
    assert!(polled(&mut waits[0]).is_none());
    assert_nobody_is_left(polled(&mut waits[1]), &[], 1);
    assert_nobody_is_left(polled(&mut synced), &[], 1);
}

// ---- as many as asked ----

#[test]
fn a_wait_for_two_peers_takes_two_different_ones() {
    let mut network = votes(4);
    network.update(0, 5);
    let mut delivered = Driven::new(network[0].delivered().by(2));
    let mut synced = Driven::new(network[0].synced().by(2));
    // Twice the same counts once.
    network.connect(0, 1);
    network.connect(1, 0);
    network.run_until_quiet();
    assert!(polled(&mut delivered).is_none() && polled(&mut synced).is_none());
    network.connect(0, 3);
    network.run_until_quiet();
    let both = sorted([id(&network, 1), id(&network, 3)]);
    assert_eq!(peers(polled(&mut delivered)), both);
    assert_eq!(peers(polled(&mut synced)), both);
}

#[test]
fn without_a_number_all_that_are_connected_are_waited_for() {
    let mut network = votes(3);
    network.update(0, 5);
    let (io, _silent) = pipe(10);
    let slow = network[0].connect(io);
    network.connect(0, 1);
    network.connect(0, 2);
    let mut delivered = Driven::new(network[0].delivered());
    let mut by_one = Driven::new(network[0].delivered().by(1));
    network.run_until_quiet();
    assert!(polled(&mut delivered).is_none());
    let both = sorted([id(&network, 1), id(&network, 2)]);
    assert_eq!(peers(polled(&mut by_one)), both);
    drop(slow);
    assert_eq!(peers(polled(&mut delivered)), both);
}

#[test]
fn connections_that_are_made_later_are_not_waited_for() {
    let mut network = votes(2);
    network.update(0, 5);
    network.connect(0, 1);
    let mut delivered = Driven::new(network[0].delivered());
    let mut synced = Driven::new(network[0].synced());
    let (io, _other) = pipe(10);
    let _later = network[0].connect(io);
    network.run_until_quiet();
    assert_eq!(peers(polled(&mut synced)), [id(&network, 1)]);
    assert_eq!(peers(polled(&mut delivered)), [id(&network, 1)]);
}

#[test]
fn one_update_can_be_waited_for_by_its_receipt() {
    let mut network = votes(2);
    network.connect(0, 1);
    let first = network[0].update(5).unwrap();
    network.run_until_quiet();
    let second = network[0].update(7).unwrap();
    assert_eq!(peers(network[0].delivered().of(&first).now_or_never().as_ref()), [id(&network, 1)]);
    assert!(network[0].delivered().of(&second).now_or_never().is_none());
    assert!(network[0].delivered().now_or_never().is_none());
    let nothing = network[0].update(0).unwrap();
    assert!(network[0].delivered().of(&nothing).now_or_never().is_some());
}

// ---- peers that go ----

#[test]
fn a_confirmation_that_came_before_the_cut_counts() {
    let mut network = votes(2);
    network.update(0, 5);
    let link = network.connect(0, 1);
    let mut before = Driven::new(network[0].delivered());
    let mut synced = Driven::new(network[0].synced());
    assert!(polled(&mut before).is_none());
    network.run_until_quiet();
    network.disconnect(link);
    // Nobody has looked since the link was made.
    assert_eq!(peers(polled(&mut before)), [id(&network, 1)]);
    assert_eq!(peers(polled(&mut synced)), [id(&network, 1)]);
    // Whoever asks only now is told as well, of what was delivered; with whom we were synced is long ago.
    let after = network[0].delivered().connected().now_or_never();
    assert_eq!(peers(after.as_ref()), [id(&network, 1)]);
    assert_nobody_is_left(network[0].synced().connected().now_or_never().as_ref(), &[], 1);
    network.update(0, 1);
    assert!(network[0].delivered().now_or_never().is_none(), "this one is new");
}

#[test]
fn a_confirmation_counts_also_if_the_link_ends_with_an_error() {
    let clock = Hand::default();
    let (here, there) = (slow(&clock), slow(&clock));
    here.update(5).unwrap();
    let (ours, theirs) = pipe(1000);
    let (mut ours, mut theirs) = (Box::pin(here.connect(ours)), Box::pin(there.connect(theirs)));
    for _ in 0..20 {
        assert!(ours.as_mut().now_or_never().is_none());
        assert!(theirs.as_mut().now_or_never().is_none());
    }
    let mut delivered = Driven::new(here.delivered());
    // The peer is silent from now on, until it is given up; and then for the second in which it could read why.
    clock.0.fetch_add(21, Ordering::Relaxed);
    assert!(ours.as_mut().now_or_never().is_none());
    clock.0.fetch_add(2, Ordering::Relaxed);
    let ended = ours.as_mut().now_or_never();
    assert!(matches!(ended, Some(Err(ConnectionError::Session(_)))), "{ended:?}");
    assert_eq!(peers(polled(&mut delivered)), [there.id().unwrap()]);
}

#[test]
fn a_wait_names_those_that_have_it_when_too_few_are_left() {
    let mut network = votes(3);
    network.update(0, 5);
    network.connect(0, 1);
    network.run_until_quiet();
    let link = network.connect(0, 2);
    let mut both = Driven::new(network[0].delivered().by(2).connected());
    let mut any = Driven::new(network[0].delivered().connected());
    assert!(polled(&mut both).is_none() && polled(&mut any).is_none());
    network.disconnect(link);
    assert_nobody_is_left(polled(&mut both), &[id(&network, 1)], 2);
    assert_eq!(peers(polled(&mut any)), [id(&network, 1)]);
}

#[test]
fn a_peer_that_comes_back_without_what_it_had_confirmed_does_not_have_it() {
    let mut network = votes(1);
    let fixed = || Replica::builder(Counter::default()).id(0xb.into()).build();
    let first = network.add(fixed());
    network.update(0, 5);
    let link = network.connect(0, first);
    network.run_until_quiet();
    network.disconnect(link);
    assert!(network[0].delivered().now_or_never().is_some());
    let again = network.add(fixed());
    network.connect(0, again);
    // It says what it has, and nothing of ours was sent to it yet.
    while network[0].peers().unwrap()[0].lag.is_none() {
        assert!(network.step());
    }
    assert!(network[0].delivered().now_or_never().is_none());
    network.run_until_quiet();
    assert!(network[0].delivered().now_or_never().is_some());
}

// ---- replicas that end ----

#[test]
fn a_wait_fails_when_the_replica_is_closed_or_gone() {
    for is_closed in [true, false] {
        let replica = Replica::new(Counter::default());
        replica.update(5).unwrap();
        let mut delivered = Driven::new(replica.delivered());
        let mut synced = Driven::new(replica.synced());
        assert!(polled(&mut delivered).is_none() && polled(&mut synced).is_none());
        if is_closed {
            replica.close().unwrap();
        } else {
            drop(replica);
        }
        for outcome in [polled(&mut delivered), polled(&mut synced)] {
            assert!(
                matches!(outcome, Some(Err(WaitError::Closed { reached })) if reached.is_empty()),
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn a_wait_fails_when_what_is_to_be_delivered_is_given_up() {
    let mut network = votes(2);
    for at in [0, 1] {
        network.update(at, 5);
        network[at].trim(&network[at].version().unwrap()).unwrap();
    }
    let mut delivered = Driven::new(network[0].delivered());
    assert!(polled(&mut delivered).is_none());
    let (a, b) = pipe(1 << 10);
    network.link(network[0].connect(a).discard_ours(), network[1].connect(b));
    network.run_until_quiet();
    let outcome = polled(&mut delivered);
    assert!(
        matches!(outcome, Some(Err(WaitError::GivenUp { reached })) if reached.is_empty()),
        "{outcome:?}"
    );
    // What it has now is the other's.
    assert_eq!(peers(network[0].delivered().now_or_never().as_ref()), [id(&network, 1)]);
}

#[test]
fn a_wait_that_is_begun_inside_of_read_is_for_what_there_is_when_it_is_polled() {
    let mut network = votes(2);
    network.update(0, 5);
    let mut delivered = network[0].read(|_| Driven::new(network[0].delivered())).unwrap();
    network.connect(0, 1);
    network.run_until_quiet();
    assert_eq!(peers(polled(&mut delivered)), [id(&network, 1)]);
}

#[test]
fn a_wait_fails_when_reduce_has_panicked() {
    let replica = Replica::new(reducer(0, |_: &mut i64, _: i64| -> bool { panic!("unlucky") }));
    let mut delivered = Driven::new(replica.delivered());
    assert!(polled(&mut delivered).is_none());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replica.update(1))).unwrap_err();
    let outcome = polled(&mut delivered);
    assert!(
        matches!(outcome, Some(Err(WaitError::Unavailable(Unavailable::Poisoned)))),
        "{outcome:?}"
    );
}

#[test]
fn an_update_that_our_own_journal_refuses_is_not_delivered() {
    let disk = Disk::default();
    let replica = Replica::builder(GrowSet::<u64>::default()).open_in(disk.clone()).unwrap();
    disk.fill();
    let receipt = replica.update(1).unwrap();
    let mut all = Driven::new(replica.delivered());
    let mut one = Driven::new(replica.delivered().of(&receipt));
    receipt.wait().unwrap_err();
    for outcome in [polled(&mut all), polled(&mut one)] {
        assert!(
            matches!(outcome, Some(Err(WaitError::NotDurable(NotDurable::Refused { .. })))),
            "{outcome:?}"
        );
    }
}

#[test]
fn what_is_not_durable_here_is_not_delivered_anywhere() {
    let disk = Disk::default();
    let here = Replica::builder(Counter::default()).open_in(disk.clone()).unwrap();
    let mut network = Network::of([here, Replica::new(Counter::default())]);
    network.connect(0, 1);
    eventually(|| {
        network.run_until_quiet();
        network[0].peers().unwrap()[0].lag == Some(0)
    });
    let held = disk.hold();
    network.update(0, 5);
    let mut delivered = Driven::new(network[0].delivered());
    eventually(|| disk.waiting() > 0);
    network.run_until_quiet();
    assert!(polled(&mut delivered).is_none());
    assert_eq!(network[1].read(|votes| votes.value()), Ok(0));
    drop(held);
    eventually(|| {
        network.run_until_quiet();
        polled(&mut delivered).is_some()
    });
    assert_eq!(peers(delivered.result()), [id(&network, 1)]);
    assert_eq!(network[1].read(|votes| votes.value()), Ok(5));
}

// ---- over TCP ----

#[test]
fn over_tcp_a_peer_that_accepts_and_never_answers_has_nothing() {
    let votes = [Replica::new(Counter::default()), Replica::new(Counter::default())];
    votes[0].update(5).unwrap();
    smol::block_on(async {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dial = || async { smol::net::TcpStream::connect(address).await.unwrap() };
        // Half open: somebody accepts, reads everything, and says nothing.
        let (ours, theirs) = join(dial(), listener.accept()).await;
        let mut theirs = theirs.unwrap().0;
        let half_open = smol::spawn(votes[0].connect(ours));
        let mut delivered = Box::pin(votes[0].delivered());
        let mut open = [0; 40];
        theirs.read_exact(&mut open).await.unwrap();
        assert!(delivered.as_mut().now_or_never().is_none(), "a byte that went is no update");
        let mut connected = Box::pin(votes[0].delivered().connected());
        assert!(connected.as_mut().now_or_never().is_none());
        drop(theirs);
        assert!(half_open.await.is_err());
        assert_nobody_is_left(connected.now_or_never().as_ref(), &[], 1);
        // One that works.
        let (ours, theirs) = join(dial(), listener.accept()).await;
        let links = [votes[0].connect(ours), votes[1].connect(theirs.unwrap().0)].map(smol::spawn);
        assert_eq!(delivered.await.unwrap(), [votes[1].id().unwrap()]);
        assert_eq!(votes[1].read(|votes| votes.value()), Ok(5));
        for link in links {
            link.cancel().await;
        }
    });
}
