//! Trimmed histories, snapshots, and backups.

use futures::StreamExt;
use repred::{
    Counter, GrowSet, Reducer, Register, Replica, ReplicaEvent, VersionVector,
    error::{ConnectionError, LoadError, SessionError},
    pipe, reducer,
    sans_io::Reason,
};
use repred_tests::{Chance, LinkId, Network, Pair};

fn votes(count: usize) -> Network<Counter> {
    Network::new(count, |_| Counter::default())
}

fn fold_all<R: repred::Replicated>(replica: &Replica<R>) {
    replica.trim(&replica.version().unwrap()).unwrap();
}

fn value(network: &Network<Counter>, replica: usize) -> i128 {
    network[replica].read(|votes| votes.value()).unwrap()
}

/// What an observer was told up to now: `true` for a change, `false` for a reset.
fn told<R: repred::Replicated>(changes: &mut repred::Subscription<R>) -> Vec<bool> {
    let mut told = Vec::new();
    while let Some(Some(event)) = futures::FutureExt::now_or_never(changes.next()) {
        told.push(matches!(event, ReplicaEvent::Changed { .. }));
    }
    told
}

#[test]
fn a_late_joiner_of_a_folded_history_gets_a_snapshot_and_the_rest() {
    let mut network = votes(3);
    for i in 1..=100 {
        network.update(0, i);
    }
    fold_all(&network[0]);
    network.update(0, 1000);
    let mut changes = network[1].subscribe().unwrap();
    network.connect(0, 1);
    network.run_until_quiet();
    assert_eq!(told(&mut changes), [false], "one reset, since the snapshot has it all");
    network.update(0, 10_000);
    network.run_until_quiet();
    assert_eq!(told(&mut changes), [true]);
    // And so does one who joins there.
    network.connect(1, 2);
    network.update(2, 7);
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(value(&network, 2), 5050 + 11_007);
    assert_eq!(network[0].peers().unwrap()[0].lag, Some(0));
}

#[test]
fn a_late_joiners_own_updates_are_reduced_on_top_and_its_observers_get_one_notice() {
    let mut network = votes(2);
    for i in 1..=10 {
        network.update(0, i);
    }
    fold_all(&network[0]);
    network.update(1, 100);
    network.update(1, 200);
    let mut reader = network[1].subscribe().unwrap();
    let mut sleeper = network[1].subscribe().unwrap();
    network.update(1, 300);
    assert_eq!(told(&mut reader), [true]);
    network.connect(0, 1);
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(value(&network, 0), 655);
    assert_eq!(told(&mut reader), [false]);
    assert_eq!(told(&mut sleeper), [false], "a reset stands for all before it");
    network.update(0, 1);
    network.run_until_quiet();
    assert_eq!(told(&mut reader), [true]);
    assert_eq!(told(&mut sleeper), [true]);
}

type Words = Reducer<Vec<String>, String>;

fn words() -> Words {
    reducer(Vec::new(), |words: &mut Vec<String>, word| {
        let place = words.binary_search(&word).unwrap_or_else(|place| place);
        words.insert(place, word);
        true
    })
}

#[test]
fn a_snapshot_of_many_chunks_arrives_while_both_go_on_writing() {
    for capacity in [100, 64 << 10] {
        let mut network: Network<Words> = Network::new(2, |_| words());
        network.set_capacity(capacity);
        for i in 0..300 {
            network.update(0, format!("{i:01000}"));
        }
        fold_all(&network[0]);
        network.connect(0, 1);
        for i in 0..50 {
            network.update(i % 2, format!("live {i}"));
            network.step();
        }
        network.run_until_quiet();
        network.assert_converged();
        assert_eq!(network[1].read(|words| words.len()), Ok(350));
    }
}

#[test]
fn a_snapshot_that_is_cut_leaves_nothing_behind() {
    let mut network: Network<Words> = Network::new(2, |_| words());
    network.set_capacity(1000);
    for i in 0..300 {
        network.update(0, format!("{i:01000}"));
    }
    fold_all(&network[0]);
    for steps in [3, 10, 50, 100, 200] {
        let link = network.connect(0, 1);
        for _ in 0..steps {
            network.step();
        }
        network.disconnect(link);
        assert!(network[1].version().unwrap().is_empty());
    }
    network.connect(0, 1);
    network.run_until_quiet();
    network.assert_converged();
}

#[test]
fn a_peer_above_the_floor_gets_no_snapshot() {
    let mut network = votes(2);
    network.update(0, 1);
    let link = network.connect(0, 1);
    network.run_until_quiet();
    network.disconnect(link);
    fold_all(&network[0]);
    network.update(0, 2);
    network.update(1, 4);
    let mut changes = network[1].subscribe().unwrap();
    network.connect(0, 1);
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(told(&mut changes), [true]);
}

#[test]
fn histories_may_be_folded_in_the_middle_of_a_session() {
    let mut chance = Chance::new(4);
    let mut folded_apart = 0;
    for _ in 0..100 {
        let mut network = votes(3);
        network.set_capacity(chance.within(1..300));
        let links = [(0, 1), (1, 2), (2, 0)].map(|(a, b)| network.connect(a, b));
        let mut sum = 0;
        for i in 0..60 {
            let replica = chance.within(0..3);
            network.update(replica, i + 1);
            sum += i128::from(i) + 1;
            for _ in 0..chance.within(0..6) {
                network.step();
            }
            if chance.one_in(6) {
                // What all have seen, as a careful user trims.
                let versions = [0, 1, 2].map(|i| network[i].version().unwrap());
                let origins = versions[0]
                    .iter()
                    .map(|(id, seq)| (id, versions.iter().map(|v| v.seq(id)).min().unwrap_or(seq)));
                let stable: VersionVector = origins.collect();
                network[chance.within(0..3)].trim(&stable).unwrap();
            }
            if chance.one_in(10) {
                // And a careless one, at one replica only.
                fold_all(&network[0]);
            }
        }
        network.run_until_quiet();
        // Carelessness may cost: who got a snapshot has trimmed what the careless one has not seen.
        if links.iter().any(|&link| is_folded_apart(&network, link)) {
            folded_apart += 1;
            continue;
        }
        network.assert_converged();
        assert_eq!(value(&network, 0), sum);
    }
    assert!(folded_apart < 50, "{folded_apart} of 100");
}

fn is_folded_apart(network: &Network<Counter>, link: LinkId) -> bool {
    network.endings(link).iter().any(|ending| {
        matches!(
            ending,
            Some(Err(ConnectionError::Session(
                SessionError::BothTrimmed { .. } | SessionError::Peer(Reason::Trimmed)
            )))
        )
    })
}

fn folded_apart() -> Network<Counter> {
    let network = votes(2);
    network.update(0, 1);
    network.update(1, 20);
    fold_all(&network[0]);
    fold_all(&network[1]);
    network
}

#[test]
fn two_replicas_folded_beyond_each_other_get_an_error_and_stay_unchanged() {
    let mut network = folded_apart();
    network.update(0, 300);
    let link = network.connect(0, 1);
    network.run_until_quiet();
    let floors = [network[0].id().unwrap(), network[1].id().unwrap()];
    let [left, right] = network.endings(link);
    let mut sides = Vec::new();
    for ending in [left, right] {
        match ending {
            Some(Err(ConnectionError::Session(SessionError::BothTrimmed { ours, theirs }))) => {
                sides.push((ours.clone(), theirs.clone()));
            }
            other => panic!("{other:?}"),
        }
    }
    let floor = |id| VersionVector::from_iter([(id, 1)]);
    assert_eq!(sides[0], (floor(floors[0]), floor(floors[1])));
    assert_eq!(sides[1], (floor(floors[1]), floor(floors[0])));
    assert_eq!((value(&network, 0), value(&network, 1)), (301, 20));
}

#[test]
fn discarding_ones_own_state_joins_two_folded_replicas() {
    let mut network = folded_apart();
    let before = network[0].id().unwrap();
    network.update(0, 300);
    let mut changes = network[0].subscribe().unwrap();
    let (a, b) = pipe(100);
    let discarding = network[0].connect(a).discard_ours();
    network.link(discarding, network[1].connect(b));
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(value(&network, 0), 20);
    assert_eq!(told(&mut changes), [false]);
    assert_ne!(network[0].id().unwrap(), before, "what it writes now has new names");
    network.update(0, 4000);
    network.update(1, 50_000);
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(value(&network, 1), 54_020);
}

#[test]
fn two_replicas_that_both_discard_get_an_error() {
    let mut network = folded_apart();
    let (a, b) = pipe(100);
    let (a, b) = (network[0].connect(a), network[1].connect(b));
    let link = network.link(a.discard_ours(), b.discard_ours());
    network.run_until_quiet();
    for ending in network.endings(link) {
        let is_it =
            matches!(ending, Some(Err(ConnectionError::Session(SessionError::BothDiscard))));
        assert!(is_it, "{ending:?}");
    }
    assert_eq!((value(&network, 0), value(&network, 1)), (1, 20));
}

#[test]
fn nothing_is_discarded_where_histories_can_be_joined() {
    let mut network = votes(2);
    network.update(0, 1);
    network.update(1, 20);
    fold_all(&network[1]);
    let (a, b) = pipe(100);
    network.link(network[0].connect(a).discard_ours(), network[1].connect(b));
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(value(&network, 0), 21);
}

#[test]
fn discarded_updates_come_back_from_others_before_their_effects() {
    // The third knows what the first is going to give up, and the second does not.
    let mut network = votes(3);
    let link = network.connect(0, 2);
    network.update(0, 1);
    network.update(0, 2);
    network.run_until_quiet();
    network.disconnect(link);
    network.update(2, 100);
    network.update(1, 20);
    fold_all(&network[0]);
    fold_all(&network[1]);
    let (a, b) = pipe(100);
    network.link(network[0].connect(a).discard_ours(), network[1].connect(b));
    network.run_until_quiet();
    assert_eq!((value(&network, 0), value(&network, 1)), (20, 20));
    network.connect(1, 2);
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(value(&network, 0), 123);
}

#[test]
fn a_replica_that_has_folded_everything_still_converges() {
    let mut network = Network::new(4, |_| Register::new(0));
    for round in 0..20 {
        let links: Vec<_> = (0..4).map(|i| network.connect(i, (i + 1) % 4)).collect();
        network.update(round % 4, round);
        network.run_until_quiet();
        network.assert_converged();
        fold_all(&network[(round + 1) % 4]);
        links.into_iter().for_each(|link| network.disconnect(link));
    }
    assert_eq!(network[2].read(|register| *register.value()), Ok(19));
}

// ---- backups ----

fn library() -> Replica<GrowSet<String>> {
    Replica::new(GrowSet::default())
}

/// Two origins, an edit, and a trim or not.
fn backup(is_folded: bool) -> (Replica<GrowSet<String>>, Vec<u8>) {
    let (a, b) = (library(), library());
    let mut network = Network::of([a.clone(), b]);
    network.connect(0, 1);
    for i in 0..6 {
        network.update(i % 2, format!("book {i}"));
    }
    network.run_until_quiet();
    if is_folded {
        fold_all(&a);
    }
    let edit = ["part 1", "part 2", "part 3"].map(String::from);
    a.update_all(edit).unwrap();
    a.update("last".to_string()).unwrap();
    let mut file = Vec::new();
    a.save(&mut file).unwrap();
    (a, file)
}

#[test]
fn a_saved_backup_can_be_loaded() {
    for is_folded in [false, true] {
        let (saved, file) = backup(is_folded);
        let loaded = library();
        loaded.load(&mut &*file).unwrap();
        let network = Network::of([saved, loaded]);
        network.assert_converged();
        // Again, and on top of something of its own.
        network[1].load(&mut &*file).unwrap();
        network.assert_converged();
        let other = library();
        other.update("mine".to_string()).unwrap();
        other.load(&mut &*file).unwrap();
        assert_eq!(other.read(|books| books.len()), Ok(11));
    }
}

#[test]
fn an_empty_replica_has_a_backup() {
    let mut file = Vec::new();
    library().save(&mut file).unwrap();
    let loaded = library();
    loaded.load(&mut &*file).unwrap();
    assert!(loaded.version().unwrap().is_empty());
}

#[test]
fn a_backup_that_was_cut_gives_a_prefix_and_the_whole_gives_the_rest() {
    for is_folded in [false, true] {
        let (saved, file) = backup(is_folded);
        for cut in 0..file.len() {
            let loaded = library();
            let error = loaded.load(&mut &file[..cut]).unwrap_err();
            assert!(matches!(error, LoadError::Truncated), "{error} at {cut}");
            let parts = loaded.read(|books| books.iter().filter(|b| b.starts_with("part")).count());
            assert!([Ok(0), Ok(3)].contains(&parts), "an edit is split at {cut}");
            let version = loaded.version().unwrap();
            assert!(saved.version().unwrap().covers(&version));
            loaded.load(&mut &*file).unwrap();
            let network = Network::of([saved.clone(), loaded]);
            network.assert_converged();
        }
    }
}

#[test]
fn a_backup_with_flipped_bits_never_panics() {
    let mut chance = Chance::new(5);
    for is_folded in [false, true] {
        let (_, file) = backup(is_folded);
        for place in 0..file.len() {
            for _ in 0..4 {
                let mut broken = file.clone();
                broken[place] ^= 1 << chance.within(0..8);
                if chance.one_in(3) {
                    let other = chance.within(0..broken.len());
                    broken[other] = chance.number() as u8;
                }
                let loaded = library();
                let _ = loaded.load(&mut &*broken);
                loaded.update("still here".to_string()).unwrap();
                let _ = loaded.load(&mut &*file);
                let mut again = Vec::new();
                loaded.save(&mut again).unwrap();
            }
        }
    }
}

#[test]
fn other_bytes_are_not_a_backup() {
    let error = library().load(&mut &b"PK\x03\x04 and so on, a zip file"[..]);
    let Err(LoadError::Content(error)) = error else {
        panic!("{error:?}");
    };
    let is_it = matches!(error, SessionError::NotRepred { .. });
    assert!(is_it, "{error}");
    let mut file = Vec::new();
    Replica::new(Counter::default()).save(&mut file).unwrap();
    let error = library().load(&mut &*file);
    let is_it = matches!(error, Err(LoadError::Content(SessionError::Schema { .. })));
    assert!(is_it, "{error:?}");
}

#[test]
fn a_backup_keeps_observers_and_connections_up_to_date() {
    let (saved, file) = backup(false);
    let mut network = Network::of([library(), library()]);
    network.connect(0, 1);
    network.run_until_quiet();
    network[0].load(&mut &*file).unwrap();
    network.run_until_quiet();
    network.assert_converged();
    assert_eq!(network[1].version(), saved.version());
}

#[test]
fn a_core_without_a_replica_folds_and_adopts() {
    let mut pair = Pair::new(Counter::default);
    for i in 1..=10 {
        pair.update(0, i);
    }
    let version = pair.cores[0].version();
    pair.cores[0].trim(&version).unwrap();
    assert_eq!(pair.cores[0].history_len(), 0);
    assert!(pair.cores[0].entries_since(&VersionVector::new()).is_err());
    pair.update(1, 100);
    pair.connect();
    pair.run_until_quiet();
    pair.assert_converged();
    assert_eq!(pair.cores[1].floor(), version);
    assert_eq!(pair.cores[1].state().unwrap().value(), 155);
}
