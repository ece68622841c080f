//! The same with shared replicas, connections and journals.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
};

use futures::{FutureExt, StreamExt, executor::LocalPool, future::join, task::LocalSpawnExt};
use repred::{
    GrowSet, Replica, ReplicaEvent,
    error::{ConnectionError, SessionError},
    journal::{Memory, Storage},
    pipe,
};
use repred_tests::{Disk, Network, eventually};

type Numbers = GrowSet<u64>;

fn builder() -> repred::ReplicaBuilder<Numbers> {
    Replica::builder(Numbers::default()).id(7.into())
}

fn numbers(replica: &Replica<Numbers>) -> Vec<u64> {
    replica.read(|numbers| numbers.iter().copied().collect()).unwrap()
}

fn open(disk: impl Storage) -> Replica<Numbers> {
    builder().open_in(disk).unwrap()
}

/// Writes, and waits until it is acknowledged.
fn write(replica: &Replica<Numbers>, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| replica.update(number).unwrap().wait().unwrap());
}

#[test]
fn a_replica_that_rejoins_stays_connected_and_its_other_connections_end() {
    let mut network = Network::of([builder().build(), builder().build()]);
    let hub = network.add(Replica::new(Numbers::default()));
    network.update(0, 1);
    network.update(1, 2);
    let other = network.add(Replica::new(Numbers::default()));
    let to_other = network.connect(1, other);
    network.connect(0, hub);
    network.run_until_quiet();
    let mut events = network[1].subscribe().unwrap();
    let (a, b) = pipe(100);
    network.link(network[1].connect(a).rejoin(), network[0].connect(b));
    network.run_until_quiet();
    let ending = network.endings(to_other)[0];
    let is_it = matches!(ending, Some(Err(ConnectionError::Session(SessionError::Discarded))));
    assert!(is_it, "{ending:?}");
    assert!(matches!(events.next().now_or_never(), Some(Some(ReplicaEvent::Lagged))));
    assert!(matches!(events.next().now_or_never(), Some(Some(ReplicaEvent::Rejoined))));

    network.update(1, 3);
    network.update(0, 4);
    network.run_until_quiet();
    for replica in [0, 1, hub] {
        assert_eq!(numbers(&network[replica]), [1, 2, 3, 4]);
    }
    let rejoined = network[1].rejoined().unwrap().unwrap();
    assert_eq!(rejoined.old_id, 7.into());
    assert_eq!(network[1].id().unwrap(), rejoined.new_id);
}

#[test]
fn after_a_crash_at_any_moment_nothing_that_was_acknowledged_is_lost() {
    let moments = Arc::new(Mutex::new(Vec::new()));
    let disk = Disk::watched({
        let moments = Arc::clone(&moments);
        move |memory| moments.lock().unwrap().push(memory.copy())
    });
    let (here, there) = (open(disk), open(Memory::new()));
    write(&here, [1, 2, 3]);
    write(&there, [10, 20]);
    moments.lock().unwrap().clear();

    let mut pool = LocalPool::new();
    let (a, b) = pipe(1 << 16);
    let links = join(here.connect(a).rejoin(), there.connect(b));
    pool.spawner().spawn_local(links.map(drop)).unwrap();
    eventually(|| {
        pool.run_until_stalled();
        numbers(&there).len() == 5
    });
    write(&here, [4]);
    here.compact().unwrap();
    drop(pool);
    let new_id = here.id().unwrap();
    drop((here, there));

    let moments = std::mem::take(&mut *moments.lock().unwrap());
    assert!(moments.len() > 5, "{}", moments.len());
    let mut has_rejoined = Vec::new();
    for moment in moments {
        for after in [moment.crash(|_| Vec::new()), moment.crash(<[_]>::to_vec)] {
            let again = open(after);
            let there = numbers(&again);
            let all = [1, 2, 3, 10, 20];
            let is_after = there.starts_with(&[1, 2, 3, 4]) || there == all;
            assert!(is_after || there == [1, 2, 3], "{there:?}");
            assert_eq!(again.id().unwrap() == new_id, is_after);
            has_rejoined.push(is_after);
        }
    }
    assert!(has_rejoined.contains(&false) && has_rejoined.contains(&true));
}

#[test]
fn two_replicas_rejoin_over_tcp() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use tokio_util::compat::TokioAsyncReadCompatExt;
        let (here, there) = (open(Memory::new()), open(Memory::new()));
        write(&here, [1, 2, 3]);
        write(&there, [10, 20]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let a = tokio::net::TcpStream::connect(address).await.unwrap();
        let b = listener.accept().await.unwrap().0;
        let mut changes = there.subscribe().unwrap();
        tokio::spawn(here.connect(a.compat()).rejoin());
        tokio::spawn(there.connect(b.compat()));
        while numbers(&there).len() < 5 {
            changes.next().await.unwrap();
        }
        assert_eq!(numbers(&here), [1, 2, 3, 10, 20]);
        write(&here, [4]);
        while numbers(&there).len() < 6 {
            changes.next().await.unwrap();
        }
    });
}
