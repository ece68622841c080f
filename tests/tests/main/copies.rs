//! Two replicas that write under one id: both sides are told of it by name the first time that any two meet who have
//! seen the two halves, and neither half reaches the other.

use std::time::Duration;

use repred::{
    Counter, LwwMap, Map, Register, Replica, ReplicaId, Replicated, Set, VersionVector,
    error::{AdoptError, ConnectionError, SessionError},
    journal::Memory,
    sans_io::{Core, Session, SessionConfig},
};
use repred_tests::{
    LEFT, LinkId, Network, Pair, RIGHT, eventually, now_at,
    wire::{self, Items, Origin},
};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

/// How there came to be two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// The folder of a closed replica was copied, and both are opened.
    Folder,
    /// The folder was copied while the replica was open, and the copy is opened.
    LiveFolder,
    /// The folder was copied twice, the first time long before.
    Backup,
    /// Both were made with one id.
    Twice,
}

const HOWS: [How; 4] = [How::Folder, How::LiveFolder, How::Backup, How::Twice];

/// How many updates each of the two writes.
const WRITES: [(u64, u64); 4] = [(1, 1), (3, 1), (1, 3), (3, 3)];

/// What becomes of the updates before somebody else hears of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    /// They are trimmed, and the journal is compacted.
    Folded,
    /// The journal is opened again some times, and something is written each time.
    Reopened,
}

const THEN: [Then; 3] = [Then::Nothing, Then::Folded, Then::Reopened];

/// Two replicas with one id.
struct Copies<R: Replicated> {
    replicas: [Replica<R>; 2],
    /// The seq of the last update that both have.
    common: u64,
    id: ReplicaId,
}

/// A type, and how a number is written into it.
struct Kind<R: Replicated> {
    start: fn() -> R,
    write: fn(&Replica<R>, u64),
}

impl<R: Replicated> Kind<R> {
    fn write(&self, replica: &Replica<R>, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| (self.write)(replica, number));
    }

    fn open(&self, disk: &Memory) -> Replica<R> {
        Replica::builder((self.start)()).open_in(disk.clone()).unwrap()
    }

    /// Two that have written so many updates each, and know nothing of one another.
    fn copies(&self, how: How, (one, other): (u64, u64), then: Then) -> Copies<R> {
        let (disk, common) = (Memory::new(), if how == How::Twice { 0 } else { 5 });
        let first = match how {
            How::Twice => {
                let builder = Replica::builder((self.start)()).id(7.into());
                builder.open_in(disk.clone()).unwrap()
            }
            _ => self.open(&disk),
        };
        self.write(&first, 1..=common);
        first.durable().unwrap().wait().unwrap();
        let id = first.id().unwrap();
        let (first, copy) = match how {
            How::Folder => {
                first.close().unwrap();
                let copy = disk.copy();
                (self.open(&disk), copy)
            }
            How::LiveFolder | How::Backup => (first, disk.copy()),
            How::Twice => (first, Memory::new()),
        };
        self.write(&first, 100..100 + one);
        let second = match how {
            How::Twice => {
                let builder = Replica::builder((self.start)()).id(7.into());
                builder.open_in(copy.clone()).unwrap()
            }
            _ => self.open(&copy),
        };
        self.write(&second, 200..200 + other);
        let replicas = [(first, disk, 300), (second, copy, 400)];
        let replicas = replicas.map(|(replica, disk, number)| match then {
            Then::Nothing => replica,
            Then::Folded => {
                replica.trim(&replica.version().unwrap()).unwrap();
                replica.compact().unwrap();
                replica
            }
            Then::Reopened => {
                let mut replica = replica;
                for round in 0..3 {
                    replica.close().unwrap();
                    drop(replica);
                    replica = self.open(&disk);
                    self.write(&replica, [number + round]);
                }
                replica
            }
        });
        assert!(replicas.iter().all(|replica| replica.id() == Ok(id)));
        Copies { replicas, common, id }
    }

    /// Calls `check` for all ways in which there come to be two.
    fn for_each(&self, check: impl Fn(&Self, Copies<R>)) {
        for how in HOWS {
            for writes in WRITES {
                for then in THEN {
                    // A failure says which of them it was.
                    println!("{how:?}, {writes:?} updates, {then:?}");
                    check(self, self.copies(how, writes, then));
                }
            }
        }
    }
}

/// Calls a function for each of some types that forget in different ways.
macro_rules! for_each_type {
    ($check:expr) => {{
        let counter: Kind<Counter> = Kind {
            start: Counter::default,
            write: |votes, number| drop(votes.update(number as i64).unwrap()),
        };
        counter.for_each($check);
        // Each update supersedes the one before.
        let register: Kind<Register<u64>> = Kind {
            start: || Register::new(0),
            write: |title, number| title.edit(|title| title.set(number)).unwrap(),
        };
        register.for_each($check);
        let map: Kind<Map<u64, Register<u64>>> = Kind {
            start: Map::default,
            write: |map, number| {
                map.edit(|map| {
                    map.entry(number % 3).set(number);
                    map.entry(number).set(number);
                })
                .unwrap();
            },
        };
        map.for_each($check);
        let set: Kind<Set<u64>> = Kind {
            start: Set::default,
            write: |set, number| {
                set.edit(|set| {
                    set.insert(number);
                    set.remove(&(number - 1));
                })
                .unwrap();
            },
        };
        set.for_each($check);
        let map: Kind<LwwMap<u64, u64>> = Kind {
            start: LwwMap::default,
            write: |map, number| drop(map.update((number % 2, Some(number))).unwrap()),
        };
        map.for_each($check);
    }};
}

/// The origin and the seq of a fork that both ends of a link report.
#[track_caller]
fn forked<R: Replicated>(network: &Network<R>, link: LinkId) -> (ReplicaId, u64) {
    let forks = network.endings(link).map(|ending| match ending {
        Some(Err(ConnectionError::Session(SessionError::Forked { origin, seq, .. }))) => {
            (*origin, *seq)
        }
        other => panic!("an end of the link has come to {other:?}"),
    });
    assert_eq!(forks[0], forks[1], "both sides report the same");
    forks[0]
}

/// Goes on until both ends of a link have come to an end. A journal's thread has a part in it.
fn run_until_over<R: Replicated>(network: &mut Network<R>, link: LinkId) {
    eventually(|| {
        network.run_until_quiet();
        network.endings(link).iter().all(Option::is_some)
    });
}

/// Goes on until a replica has all that another has.
fn run_until_caught_up<R: Replicated>(network: &mut Network<R>, behind: usize, ahead: usize) {
    let version = network[ahead].version().unwrap();
    eventually(|| {
        network.run_until_quiet();
        network[behind].version().unwrap().covers(&version)
    });
}

/// What can be told of a replica.
fn told<R: Replicated>(replica: &Replica<R>) -> (VersionVector, u128) {
    (replica.version().unwrap(), replica.state_digest().unwrap())
}

#[test]
fn a_hub_that_has_one_half_refuses_the_other_by_name() {
    fn check<R: Replicated>(kind: &Kind<R>, copies: Copies<R>) {
        let Copies { replicas: [a, b], common, id } = copies;
        for [first, second] in [[&a, &b], [&b, &a]] {
            let hub = Replica::new((kind.start)());
            let mut network = Network::of([first.clone(), second.clone(), hub]);
            let link = network.connect(0, 2);
            run_until_caught_up(&mut network, 2, 0);
            network.disconnect(link);
            let before = [0, 1, 2].map(|at| told(&network[at]));
            assert_eq!(before[2], before[0]);
            let link = network.connect(1, 2);
            run_until_over(&mut network, link);
            let (origin, seq) = forked(&network, link);
            assert_eq!(origin, id);
            assert!(seq > common, "{seq}");
            assert_eq!([0, 1, 2].map(|at| told(&network[at])), before, "nothing is mixed");
            // And not only the first time.
            let link = network.connect(2, 1);
            run_until_over(&mut network, link);
            assert_eq!(forked(&network, link), (origin, seq));
        }
    }
    for_each_type!(check);
}

#[test]
fn two_that_have_the_halves_from_others_tell_each_other() {
    fn check<R: Replicated>(kind: &Kind<R>, copies: Copies<R>) {
        let Copies { replicas: [a, b], id, .. } = copies;
        let others = [0, 1, 2].map(|_| Replica::new((kind.start)()));
        let [c, d, e] = others;
        let mut network = Network::of([a, b, c, d, e]);
        // In a line: a to c to d, and b to e.
        for (one, other) in [(0, 2), (2, 3), (1, 4)] {
            let link = network.connect(one, other);
            run_until_caught_up(&mut network, other, one);
            network.disconnect(link);
        }
        // What they forget is of no help to either half.
        for at in 2..5 {
            network[at].trim(&network[at].version().unwrap()).unwrap();
        }
        let before = [0, 1, 2, 3, 4].map(|at| told(&network[at]));
        let link = network.connect(3, 4);
        run_until_over(&mut network, link);
        assert_eq!(forked(&network, link).0, id);
        assert_eq!([0, 1, 2, 3, 4].map(|at| told(&network[at])), before);
    }
    for_each_type!(check);
}

#[test]
fn of_two_copies_that_are_connected_while_they_write_the_second_is_refused() {
    let disk = Memory::new();
    let open = |disk: &Memory| Replica::builder(Counter::default()).open_in(disk.clone()).unwrap();
    let first = open(&disk);
    first.update(1).unwrap().wait().unwrap();
    first.close().unwrap();
    let copy = disk.copy();
    let [a, b] = [open(&disk), open(&copy)];
    let id = a.id().unwrap();
    let mut network = Network::of([a, b, Replica::new(Counter::default())]);
    let links = [network.connect(0, 2), network.connect(1, 2)];
    let is_synced = |network: &Network<Counter>| network[2].version().unwrap().len() == 1;
    eventually(|| {
        network.run_until_quiet();
        is_synced(&network)
    });
    // Neither hears of the other's before it writes.
    network.update(0, 10);
    network.update(1, 100);
    let refused = |network: &Network<Counter>| {
        links.into_iter().find(|&link| network.endings(link).iter().all(Option::is_some))
    };
    eventually(|| {
        network.run_until_quiet();
        refused(&network).is_some()
    });
    assert_eq!(refused(&network).map(|link| forked(&network, link)), Some((id, 2)));
    let sum = network[2].read(|votes| votes.value()).unwrap();
    assert!([11, 101].contains(&sum), "{sum}");
}

#[test]
fn a_copy_that_has_not_written_goes_on_under_another_id() {
    let disk = Memory::new();
    let open = |disk: &Memory| Replica::builder(Counter::default()).open_in(disk.clone()).unwrap();
    let first = open(&disk);
    first.update(1).unwrap().wait().unwrap();
    let copy = disk.copy();
    first.update(10).unwrap();
    let id = first.id().unwrap();
    let mut network = Network::of([first, open(&copy)]);
    assert_eq!(network[1].id(), Ok(id));
    let hub = network.add(Replica::new(Counter::default()));
    network.connect(0, hub);
    run_until_caught_up(&mut network, hub, 0);
    network.connect(1, hub);
    run_until_caught_up(&mut network, 1, hub);
    assert_ne!(network[1].id(), Ok(id), "somebody else goes on under it");
    network.update(1, 100);
    run_until_caught_up(&mut network, 0, 1);
    network.assert_converged();
    assert_eq!(network[0].read(|votes| votes.value()), Ok(111));
}

#[test]
fn a_replica_whose_backup_is_loaded_under_its_id_is_no_fork() {
    let build = || Replica::builder(Counter::default()).id(7.into()).build();
    let original = build();
    original.update(1).unwrap();
    let mut file = Vec::new();
    original.save(&mut file).unwrap();
    let restored = build();
    restored.load(&mut &*file).unwrap();
    original.update(10).unwrap();
    restored.update(100).unwrap();
    let mut network = Network::of([original, restored]);
    network.connect(0, 1);
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(network[0].read(|votes| votes.value()), Ok(111));
}

#[test]
fn a_backup_of_the_other_half_is_not_loaded() {
    let build = || Replica::builder(Counter::default()).id(7.into()).build();
    let [one, other] = [build(), build()];
    one.update(1).unwrap();
    other.update(10).unwrap();
    other.update(100).unwrap();
    let mut file = Vec::new();
    other.save(&mut file).unwrap();
    let error = one.load(&mut &*file).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("7.1 than ours"), "{error}: {cause}");
    assert!(cause.contains("rejoin()") && cause.contains("restored()"), "{cause}");
    assert_eq!(one.read(|votes| votes.value()), Ok(1));
    let saved = {
        let mut file = Vec::new();
        one.save(&mut file).unwrap();
        file
    };
    let hub = Replica::new(Counter::default());
    hub.load(&mut &*file).unwrap();
    assert!(hub.load(&mut &*saved).is_err(), "nor by anybody else who has the first");
    assert_eq!(hub.read(|votes| votes.value()), Ok(110));
}

#[test]
fn a_snapshot_of_the_other_half_is_not_adopted() {
    let now = now_at(Duration::ZERO).wall;
    for (ours, theirs) in WRITES {
        let mut cores = [0, 1].map(|_| Core::new(7.into(), Register::new(0)));
        for (core, (first, count)) in cores.iter_mut().zip([(100, ours), (200, theirs)]) {
            for number in first..first + count {
                // Only what they write tells the two apart.
                core.edit(now, |title| title.set(number)).unwrap();
            }
        }
        let [mut one, mut other] = cores;
        other.edit(now, |title| title.set(1000)).unwrap();
        let before = one.version();
        let error = one.adopt(&other.snapshot().unwrap(), now).unwrap_err();
        assert!(matches!(error, AdoptError::Forked(fork) if fork.seq == 1 && fork.is_ours));
        assert_eq!(one.version(), before);
    }
}

#[test]
fn sessions_of_the_two_halves_end_with_the_same_error_on_both_sides() {
    for (ours, theirs) in WRITES {
        let mut pair = Pair::of([
            Core::new(7.into(), Register::new(0)),
            Core::new(8.into(), Register::new(0)),
        ]);
        let mut copy = Core::new(7.into(), Register::new(0));
        let now = pair.now().wall;
        for number in 0..theirs {
            copy.edit(now, |title| title.set(number)).unwrap();
        }
        pair.cores[RIGHT].adopt(&copy.snapshot().unwrap(), now).unwrap();
        for number in 0..ours {
            pair.cores[LEFT].edit(now, |title| title.set(100 + number)).unwrap();
        }
        pair.connect();
        pair.run_until_quiet();
        let errors = pair.errors.clone().map(|error| error.and_then(|error| error.fork()).unwrap());
        assert_eq!(errors[LEFT].dot(), errors[RIGHT].dot());
        assert!(errors[LEFT].is_ours && !errors[RIGHT].is_ours);
    }
}

#[test]
fn copies_that_meet_a_hub_over_tcp_are_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let disk = Memory::new();
        let open =
            |disk: &Memory| Replica::builder(Counter::default()).open_in(disk.clone()).unwrap();
        let first = open(&disk);
        first.update(1).unwrap().wait().unwrap();
        let copies = [open(&disk.copy()), open(&disk.copy())];
        let hub = Replica::new(Counter::default());
        let mut endings = Vec::new();
        for (number, copy) in (10..).zip(&copies) {
            copy.update(number).unwrap().wait().unwrap();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await;
            let (other, _) = listener.accept().await.unwrap();
            let ours = copy.connect(stream.unwrap().compat());
            let theirs = hub.connect(other.compat());
            let version = copy.version().unwrap();
            let mut news = hub.subscribe().unwrap();
            let link = futures::future::join(ours, theirs);
            let synced = async {
                while !hub.version().unwrap().covers(&version) {
                    futures::StreamExt::next(&mut news).await;
                }
                // The first ends here, the second in an error, since the versions are the same.
                if number > 10 {
                    futures::future::pending::<()>().await;
                }
            };
            futures::pin_mut!(link, synced);
            match futures::future::select(link, synced).await {
                futures::future::Either::Left((ending, _)) => endings.push(ending),
                futures::future::Either::Right(_) => {}
            }
        }
        assert_eq!(endings.len(), 1);
        let (ours, theirs) = endings.remove(0);
        for ending in [ours, theirs] {
            let error = ending.unwrap_err().to_string();
            assert!(error.contains("two replicas write under"), "{error}");
        }
        assert_eq!(hub.read(|votes| votes.value()), Ok(11));
    });
}

#[test]
fn two_that_share_a_memory_differ_by_what_they_write() {
    // They go on from the same update, and so in the same epoch.
    let copy = |number| {
        let now = now_at(Duration::ZERO).wall;
        let mut core = Core::new(7.into(), Register::new(0));
        core.edit(now, |title| title.set(1)).unwrap();
        core.edit(now, |title| title.set(number)).unwrap();
        core
    };
    let mut pair = Pair::of([copy(10), Core::new(8.into(), Register::new(0))]);
    pair.connect();
    pair.run_until_quiet();
    // The hub forgets what it has of the first.
    let wall = pair.now().wall;
    pair.cores[RIGHT].edit(wall, |title| title.set(99)).unwrap();
    pair.cores[LEFT] = copy(20);
    pair.connect();
    pair.run_until_quiet();
    for side in [LEFT, RIGHT] {
        let fork = pair.errors[side].as_ref().and_then(SessionError::fork).unwrap();
        assert_eq!((fork.origin, fork.seq), (7.into(), 2));
    }
    assert_eq!(*pair.cores[RIGHT].state().unwrap().value(), 99);
    // Somebody who is ahead in the epoch that was begun here.
    let mut ahead = copy(20);
    ahead.edit(pair.now().wall, |title| title.set(30)).unwrap();
    ahead.edit(pair.now().wall, |title| title.set(40)).unwrap();
    pair.cores[LEFT] = copy(10);
    let error = pair.cores[LEFT].adopt(&ahead.snapshot().unwrap(), pair.now().wall).unwrap_err();
    assert!(matches!(error, AdoptError::Forked(fork) if fork.is_ours), "{error}");
}

#[test]
fn whatever_is_said_of_another_update_than_ours_is_a_fork() {
    const US: u128 = 0xa;
    let now = now_at(Duration::ZERO);
    let time = now.wall.as_ticks();
    let (five, token) = (wire::signed(5), [9; 8]);
    let ours = || Items::new();
    let run = |items: Items| items.run(Origin::At(0), 1, &[(time, &five)]);
    for message in [
        wire::ack_with_checks(&[(0, 1, 0x1234)]),
        run(ours()).encode(),
        run(ours().begin()).commit().encode(),
        run(ours().epoch(Origin::At(0), 1, 77)).encode(),
        ours().skip_with_tokens(&[(Origin::At(0), 1, 1, Some(token))]).encode(),
        ours().begin().skip_with_tokens(&[(Origin::At(0), 1, 1, Some(token))]).commit().encode(),
    ] {
        let mut core = Core::new(US.into(), Counter::default());
        core.update(1, now.wall).unwrap();
        let config = SessionConfig::for_state::<Counter>();
        let open = wire::Open::new(0xdead, time, &config.schema).encode();
        let mut session = Session::new(config, &mut core, now);
        session.handle_message(&mut core, &open, now).unwrap();
        session.handle_message(&mut core, &wire::digest(&[(US, 1)], &[]), now).unwrap();
        let error = session.handle_message(&mut core, &message, now).unwrap_err();
        let fork = SessionError::Forked { origin: US.into(), seq: 1, is_ours: true };
        assert_eq!(error, fork, "{message:?}");
        assert_eq!(core.state().unwrap().value(), 1);
        let mut bye = Vec::new();
        while !session.is_closed() {
            bye.clear();
            session.poll_message(&mut core, now, &mut bye).unwrap();
        }
        assert_eq!(bye[..2], [10, 9], "the other side is told");
    }
    // And of a digest.
    let mut core = Core::new(US.into(), Counter::default());
    core.update(1, now.wall).unwrap();
    let config = SessionConfig::for_state::<Counter>();
    let open = wire::Open::new(0xdead, time, &config.schema).encode();
    let mut session = Session::new(config, &mut core, now);
    session.handle_message(&mut core, &open, now).unwrap();
    let digest = wire::digest_with_tokens(&[(US, 1, token)], &[]);
    let error = session.handle_message(&mut core, &digest, now).unwrap_err();
    assert!(error.fork().is_some(), "{error}");
}
