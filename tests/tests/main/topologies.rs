//! Replicas in lines, stars, rings and meshes, in process and over TCP.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use futures::{StreamExt, stream::select_all};
use repred::{
    Counter, Reducer, Replica, Replicated, Stamp, VersionVector, sans_io::SessionLimits,
    stamped_reducer, types::Superseded,
};
use repred_tests::{Chance, Edit, Network, ObservedSet, Pair, io::Counting};
use tokio_util::compat::TokioAsyncReadCompatExt;

const LINE: &[(usize, usize)] = &[(0, 1), (1, 2), (2, 3), (3, 4)];
const STAR: &[(usize, usize)] = &[(0, 1), (0, 2), (0, 3), (0, 4)];
const RING: &[(usize, usize)] = &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)];
const MESH: &[(usize, usize)] =
    &[(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)];

/// Writes before, during and after connecting, cuts every link once, and counts.
fn counts_exactly(links: &[(usize, usize)]) {
    let mut network = Network::new(5, |_| Counter::default());
    let mut sum = 0;
    let mut round = |network: &mut Network<Counter>, steps: usize| {
        for replica in 0..5 {
            for i in 0..20 {
                let vote = (replica as i64 + 1) * 1000 + i;
                network.update(replica, vote);
                sum += i128::from(vote);
                if i % 5 == 0 {
                    (0..steps).for_each(|_| {
                        network.step();
                    });
                }
            }
        }
        sum
    };
    round(&mut network, 0);
    let ids: Vec<_> = links.iter().map(|&(a, b)| network.connect(a, b)).collect();
    round(&mut network, 1);
    network.run_until_quiet();
    network.assert_converged();
    round(&mut network, 1);
    for (&id, &(a, b)) in ids.iter().zip(links) {
        network.disconnect(id);
        round(&mut network, 1);
        network.connect(b, a);
    }
    let sum = round(&mut network, 1);
    network.run_until_quiet();
    network.assert_converged();
    for replica in 0..5 {
        assert_eq!(network[replica].read(|votes| votes.value()), Ok(sum));
    }
}

#[test]
fn a_line_counts_each_update_once() {
    counts_exactly(LINE);
}

#[test]
fn a_star_counts_each_update_once() {
    counts_exactly(STAR);
}

#[test]
fn a_ring_counts_each_update_once() {
    counts_exactly(RING);
}

#[test]
fn a_mesh_counts_each_update_once() {
    counts_exactly(MESH);
}

// ---- over TCP ----

/// Links two replicas over a real socket.
async fn connect<R: Replicated>(a: &Replica<R>, b: &Replica<R>) -> tokio::task::JoinSet<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let left = tokio::net::TcpStream::connect(address).await.unwrap();
    let (right, _) = listener.accept().await.unwrap();
    let (left, right) = (a.connect(left.compat()), b.connect(right.compat()));
    let mut link = tokio::task::JoinSet::new();
    // How a connection ends when the other is cut is the system's business.
    link.spawn(async move { drop(left.await) });
    link.spawn(async move { drop(right.await) });
    link
}

/// Waits for changes until all have seen this many updates.
async fn seen<R: Replicated>(replicas: &[Replica<R>], count: u64) {
    let mut changes = select_all(replicas.iter().map(|replica| replica.subscribe().unwrap()));
    let is_there = |replica: &Replica<R>| {
        let version = replica.version().unwrap();
        version.iter().map(|(_, seq)| seq).sum::<u64>() == count
    };
    while !replicas.iter().all(is_there) {
        changes.next().await;
    }
}

fn over_tcp(links: &'static [(usize, usize)]) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(async {
        let replicas: Vec<_> = (0..5).map(|_| Replica::new(Counter::default())).collect();
        let (mut count, mut sum) = (0, 0);
        let mut round = || {
            for i in 0..40 {
                for (index, replica) in replicas.iter().enumerate() {
                    let vote = 10_i64.pow(index as u32) + i;
                    replica.update(vote).unwrap();
                    (count, sum) = (count + 1, sum + i128::from(vote));
                }
            }
            (count, sum)
        };
        let work = async {
            round();
            let mut sockets = Vec::new();
            for &(a, b) in links {
                sockets.push(connect(&replicas[a], &replicas[b]).await);
                round();
            }
            for (socket, &(a, b)) in sockets.iter_mut().zip(links) {
                socket.abort_all();
                round();
                *socket = connect(&replicas[a], &replicas[b]).await;
            }
            let (count, sum) = round();
            seen(&replicas, count).await;
            for replica in &replicas {
                assert_eq!(replica.read(|votes| votes.value()), Ok(sum));
                assert_eq!(replica.version(), replicas[0].version());
            }
        };
        // Only against hanging.
        let guarded = tokio::time::timeout(Duration::from_secs(60), work).await;
        guarded.expect("the replicas do not converge");
    });
}

#[test]
fn a_line_over_tcp_counts_each_update_once() {
    over_tcp(LINE);
}

#[test]
fn a_star_over_tcp_counts_each_update_once() {
    over_tcp(STAR);
}

#[test]
fn a_ring_over_tcp_counts_each_update_once() {
    over_tcp(RING);
}

#[test]
fn a_mesh_over_tcp_counts_each_update_once() {
    over_tcp(MESH);
}

// ---- causal order ----

#[test]
fn a_removal_never_overtakes_its_addition_when_links_are_cut() {
    let mut chance = Chance::new(6);
    for run in 0..60 {
        let links = if run % 2 == 0 { RING } else { MESH };
        let mut network = Network::new(5, |_| ObservedSet::default());
        network.set_capacity(chance.within(1..200));
        let mut ids: Vec<_> = links.iter().map(|&(a, b)| network.connect(a, b)).collect();
        for _ in 0..200 {
            let replica = chance.within(0..5);
            let element = chance.within(0..5) as u32;
            let removal = network[replica].read(|set| set.removal(element)).unwrap();
            match removal {
                Edit::Remove(dots) if dots.is_empty() || chance.one_in(3) => {
                    network.update(replica, Edit::Add(element));
                }
                removal if chance.one_in(3) => {
                    let edit = [removal, Edit::Add(element), Edit::Add(element + 1)];
                    network[replica].update_all(edit).unwrap();
                }
                removal => network.update(replica, removal),
            }
            if chance.one_in(4) {
                let index = chance.within(0..ids.len());
                network.disconnect(ids[index]);
                ids[index] = network.connect(links[index].1, links[index].0);
            }
            for _ in 0..chance.within(0..5) {
                network.step();
            }
        }
        network.run_until_quiet();
        network.assert_converged();
        for replica in 0..5 {
            let violations = network[replica].read(|set| set.violations().to_vec());
            assert_eq!(violations, Ok(vec![]), "run {run}");
        }
    }
}

// ---- forgetting ----

/// A last-writer-wins map that also counts what was written to each key for the first time.
type Map = Reducer<BTreeMap<u32, (Stamp, u32)>, (u32, u32), Superseded>;

fn map() -> Map {
    stamped_reducer(
        BTreeMap::new(),
        |map: &mut BTreeMap<u32, (Stamp, u32)>, (key, value): (u32, u32), stamp| match map.get(&key)
        {
            Some((newer, _)) if *newer > stamp => Superseded::unchanged(),
            _ => Superseded::changed(map.insert(key, (stamp, value)).map(|(old, _)| old.dot)),
        },
    )
}

#[test]
fn histories_that_forget_and_fold_converge_when_links_are_cut() {
    let mut chance = Chance::new(7);
    for run in 0..120 {
        let links = [LINE, RING, MESH, STAR][run % 4];
        // Small messages, so that blocks take several.
        let mut limits = SessionLimits::default();
        if run % 2 == 1 {
            limits.message_bytes = 400;
        }
        let replica = || Replica::builder(map()).session_limits(|there| *there = limits).build();
        let mut network: Network<Map> = Network::of((0..5).map(|_| replica()));
        network.set_capacity(chance.within(1..400));
        let mut ids: Vec<_> = links.iter().map(|&(a, b)| network.connect(a, b)).collect();
        let keys = chance.within(1..20);
        for _ in 0..150 {
            let replica = chance.within(0..5);
            let mut update = || {
                let key = chance.within(0..keys) as u32;
                (key, chance.within(0..1000) as u32)
            };
            let updates = [update(), update(), update()];
            if chance.one_in(5) {
                network[replica].update_all(updates).unwrap();
            } else {
                network.update(replica, updates[0]);
            }
            if chance.one_in(5) {
                let index = chance.within(0..ids.len());
                network.disconnect(ids[index]);
                if !chance.one_in(4) {
                    ids[index] = network.connect(links[index].1, links[index].0);
                }
            }
            if run % 3 == 0 && chance.one_in(20) {
                // What all have seen.
                let versions: Vec<_> = (0..5).map(|i| network[i].version().unwrap()).collect();
                let stable: VersionVector = versions[0]
                    .iter()
                    .map(|(id, seq)| (id, versions.iter().map(|v| v.seq(id)).min().unwrap_or(seq)))
                    .collect();
                network[chance.within(0..5)].trim(&stable).unwrap();
            }
            for _ in 0..chance.within(0..5) {
                network.step();
            }
        }
        for (id, &(a, b)) in ids.iter_mut().zip(links) {
            network.disconnect(*id);
            *id = network.connect(a, b);
        }
        network.run_until_quiet();
        for &id in &ids {
            let endings = network.endings(id);
            assert!(endings.iter().all(Option::is_none), "run {run}: {endings:?}");
        }
        network.assert_converged();
        for replica in 0..5 {
            let len = network[replica].history_len().unwrap();
            let live = network[replica].read(|map| map.len()).unwrap();
            // Those that came in blocks and changed nothing are kept beside the live ones.
            assert!(len <= live + 80, "run {run}: {len} entries for {live} keys");
        }
        // Whoever comes later gets the same.
        let late = network.add(replica());
        network.connect(chance.within(0..5), late);
        network.run_until_quiet();
        network.assert_converged();
    }
}

#[test]
fn entries_after_a_block_are_sent_when_the_peer_knows_its_end() {
    let mut pair = Pair::new(map);
    pair.connect();
    pair.run_until_quiet();
    pair.update(0, (1, 1));
    pair.update(1, (1, 2));
    // The right one's write overwrites the left one's before that is on its way, so that it goes out
    // as a skip, in a block up to the write that the right one has.
    assert!(pair.say(1) && pair.hear(0));
    pair.update(0, (2, 3));
    pair.run_until_quiet();
    pair.assert_converged();
    pair.update(0, (3, 4));
    pair.run_until_quiet();
    pair.assert_converged();
}

#[test]
fn at_every_moment_each_state_is_that_of_its_version() {
    // Two replicas with equal versions hold equal states, in the middle of everything.
    let mut chance = Chance::new(8);
    for _ in 0..60 {
        let mut network: Network<Map> = Network::new(4, |_| map());
        network.set_capacity(chance.within(1..60));
        let links = [(0, 1), (1, 2), (2, 3), (3, 0)];
        let mut ids = links.map(|(a, b)| network.connect(a, b));
        let mut states: BTreeMap<String, u128> = BTreeMap::new();
        for _ in 0..150 {
            let replica = chance.within(0..4);
            let mut update = || (chance.within(0..4) as u32, chance.within(0..1000) as u32);
            let updates = [update(), update()];
            if chance.one_in(3) {
                network[replica].update_all(updates).unwrap();
            } else {
                network.update(replica, updates[0]);
            }
            if chance.one_in(3) {
                let index = chance.within(0..4);
                network.disconnect(ids[index]);
                ids[index] = network.connect(links[index].0, links[index].1);
            }
            for _ in 0..chance.within(0..4) {
                network.step();
                for replica in 0..4 {
                    let version = network[replica].version().unwrap();
                    let digest = network[replica].state_digest().unwrap();
                    let there = *states.entry(version.to_string()).or_insert(digest);
                    assert_eq!(there, digest, "at {version}");
                }
            }
        }
        network.run_until_quiet();
        network.assert_converged();
    }
}

// ---- echoes ----

/// How many bytes were written by each end of a link on which each side writes so many updates.
fn bytes_each_way(updates: [i64; 2], is_live: bool) -> [u64; 2] {
    let mut network = Network::new(2, |_| Counter::default());
    let mut counts = [None, None];
    let [left, right] = &mut counts;
    let write = |network: &mut Network<Counter>| {
        for (replica, &count) in updates.iter().enumerate() {
            for _ in 0..count {
                network.update(replica, i64::MAX);
            }
        }
    };
    if !is_live {
        write(&mut network);
    }
    network.connect_through(
        0,
        1,
        |io| {
            let (io, count) = Counting::new(io);
            *left = Some(count);
            io
        },
        |io| {
            let (io, count) = Counting::new(io);
            *right = Some(count);
            io
        },
    );
    if is_live {
        network.run_until_quiet();
        write(&mut network);
    }
    network.run_until_quiet();
    network.assert_converged();
    counts.map(|count| count.expect("connected").load(Ordering::Relaxed))
}

/// An opening, a digest, an end of catching up, and a few acks.
const AROUND: u64 = 400;
/// Ten of the payload, and at most six of stamp.
const EACH: u64 = 16;

#[test]
fn a_replica_that_writes_nothing_sends_only_acks() {
    for is_live in [false, true] {
        let [there, back] = bytes_each_way([1000, 0], is_live);
        assert!((10_000..EACH * 1000 + AROUND).contains(&there), "{there}");
        assert!(back < AROUND, "{back} bytes came back");
    }
}

#[test]
fn two_writers_send_only_their_own_updates() {
    for is_live in [false, true] {
        for bytes in bytes_each_way([1000, 1000], is_live) {
            assert!((10_000..EACH * 1000 + AROUND).contains(&bytes), "{bytes}");
        }
    }
}

#[test]
fn a_line_sends_no_update_back() {
    let mut network = Network::new(3, |_| Counter::default());
    let mut back = None;
    network.connect_through(
        0,
        1,
        |io| io,
        |io| {
            let (io, count) = Counting::new(io);
            back = Some(count);
            io
        },
    );
    network.connect(1, 2);
    for i in 1..=1000 {
        network.update(0, i);
        if i % 50 == 0 {
            network.run_until_quiet();
        }
    }
    network.run_until_quiet();
    network.assert_converged();
    // An ack for each batch, of a few bytes.
    let back = back.expect("connected").load(Ordering::Relaxed);
    assert!(back < AROUND + 20 * 10, "{back} bytes came back");
}

#[test]
fn a_reconnect_with_nothing_new_costs_the_same_for_any_history() {
    let costs = [10, 10_000].map(|updates| {
        let mut pair = Pair::new(Counter::default);
        for i in 0..updates {
            pair.update(0, i + 1);
            pair.update(1, i + 1);
        }
        pair.connect();
        pair.run_until_quiet();
        pair.connect();
        pair.run_until_quiet();
        pair.assert_converged();
        assert_eq!(pair.said.len(), 2, "two openings and no more");
        pair.said.iter().map(|(_, message)| message.len()).sum::<usize>()
    });
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0] < 250, "{} bytes", costs[0]);
}

#[test]
fn each_entry_crosses_a_link_once() {
    // By the messages themselves: every seq of every origin is said by one side only.
    let mut chance = Chance::new(9);
    for _ in 0..50 {
        let mut pair = Pair::new(Counter::default);
        pair.connect();
        let mut written = [0_usize; 2];
        for _ in 0..300 {
            match chance.within(0..6) {
                0 | 1 => {
                    let side = chance.within(0..2);
                    written[side] += 1;
                    pair.update(side, i64::MAX);
                }
                2 => _ = pair.say(0),
                3 => _ = pair.say(1),
                4 => _ = pair.hear(0),
                _ => _ = pair.hear(1),
            }
        }
        pair.run_until_quiet();
        pair.assert_converged();
        for side in [0, 1] {
            let items = pair.said.iter().filter(|(who, m)| *who == side && m[0] == 2);
            // The payload is ten bytes that look like nothing else.
            let payload = repred_tests::wire::signed(i64::MAX);
            let entries: usize =
                items.map(|(_, m)| m.windows(10).filter(|bytes| *bytes == payload).count()).sum();
            assert_eq!(entries, written[side]);
        }
    }
}
