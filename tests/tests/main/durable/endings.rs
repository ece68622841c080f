//! Replicas that end, in all the ways they can.

use std::{
    collections::BTreeSet,
    future::Future,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
    thread::{self, JoinHandle},
    time::Duration,
};

use repred::{
    Counter, Durability, Replica,
    error::{NotDurable, OpenError, Unavailable, UpdateError},
    journal::{Memory, Storage},
};
use repred_tests::{Chance, Disk, eventually};

use super::{Numbers, numbers, open, survived, writing};

#[test]
fn a_replica_that_is_closed_can_be_read_and_another_opens_the_journal() {
    let disk = Memory::new();
    for (level, count) in [(Durability::System, 1), (Durability::EveryUpdate, 2)] {
        let votes = Replica::builder(Counter::default()).durability(level);
        let votes = votes.open_in(disk.clone()).unwrap();
        votes.update(1).unwrap();
        votes.close().unwrap();
        assert_eq!(votes.read(|votes| votes.value()).unwrap(), count);
        let refused = votes.update(1).unwrap_err();
        assert!(matches!(refused, UpdateError::ReadOnly { .. }), "{refused}");
        let again = Replica::builder(Counter::default()).open_in(disk.copy()).unwrap();
        assert_eq!(again.read(|votes| votes.value()).unwrap(), count);
        assert_eq!(again.id().unwrap(), votes.id().unwrap());
    }
}

#[test]
fn the_last_handle_that_is_dropped_writes_what_is_left() {
    for level in [
        Durability::EveryUpdate,
        Durability::Interval(Duration::from_secs(3600)),
        Durability::System,
    ] {
        let disk = Memory::new();
        let votes = Replica::builder(Counter::default()).durability(level);
        let votes = votes.open_in(disk.clone()).unwrap();
        let id = votes.id().unwrap();
        for _ in 0..100 {
            votes.update(1).unwrap();
        }
        drop(votes);
        // It was closed, so the disk was synced too.
        let again =
            Replica::builder(Counter::default()).open_in(disk.crash(|_| Vec::new())).unwrap();
        assert_eq!(again.read(|votes| votes.value()).unwrap(), 100, "{level:?}");
        assert_eq!(again.id().unwrap(), id, "{level:?}");
    }
}

/// What was acknowledged, by writers in their threads.
type Acknowledged = Arc<Mutex<BTreeSet<u64>>>;

/// A thread that writes numbers, and afterwards waits for all receipts.
fn writer(replica: &Replica<Numbers>, numbers: Range<u64>, told: &Acknowledged) -> JoinHandle<()> {
    let (replica, told) = (replica.clone(), Arc::clone(told));
    thread::spawn(move || {
        let written = numbers.map(|number| (number, replica.update(number)));
        let receipts: Vec<_> =
            written.map_while(|(number, receipt)| Some((number, receipt.ok()?))).collect();
        for (number, receipt) in receipts {
            if receipt.wait().is_ok() {
                told.lock().unwrap().insert(number);
            }
        }
    })
}

/// Writes from two threads, while a third compacts, and the replica ends in some way; and opens it again, and again.
fn threads_and_endings(rounds: u64, seed: u64) {
    let mut chance = Chance::new(seed);
    let mut disk = Memory::new();
    let told = Acknowledged::default();
    for round in 0..rounds {
        let replica = open(disk.clone()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let there: BTreeSet<_> = numbers(&replica).into_iter().collect();
        let lost: Vec<_> = told.lock().unwrap().difference(&there).copied().collect();
        assert!(lost.is_empty(), "round {round} has lost {lost:?}");
        let count = chance.within(1..40) as u64;
        let mut threads: Vec<_> = [2 * round * 1000, (2 * round + 1) * 1000]
            .map(|first| writer(&replica, first..first + count, &told))
            .into();
        if chance.one_in(2) {
            let replica = replica.clone();
            threads.push(thread::spawn(move || drop(replica.compact())));
        }
        (0..chance.within(0..100)).for_each(|_| thread::yield_now());
        let mut before_crash = None;
        match chance.within(0..3) {
            0 => drop(replica),
            1 => drop(replica.close()),
            _ => {
                // What is told from now on is of a disk that is gone.
                before_crash = Some(told.lock().unwrap().clone());
                disk = disk.crash(|writes| writes[..writes.len() / 2].to_vec());
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        if let Some(before) = before_crash {
            *told.lock().unwrap() = before;
        }
    }
    assert!(told.lock().unwrap().len() > rounds as usize);
}

#[test]
fn threads_that_write_and_compact_while_a_replica_ends_lose_nothing() {
    threads_and_endings(300, 1);
}

#[test]
fn closing_in_the_middle_of_a_compaction_loses_nothing() {
    let closing: Arc<Mutex<Option<Replica<Numbers>>>> = Arc::default();
    let (sender, closed) = mpsc::channel();
    let disk = Disk::watched({
        let closing = Arc::clone(&closing);
        move |memory| {
            let names = memory.clone().names().unwrap();
            let Some(replica) = closing.lock().unwrap().take_if(|_| names.len() == 2) else {
                return;
            };
            (0..10).for_each(|number| drop(replica.update(number).unwrap()));
            let handle = replica.clone();
            sender.send(thread::spawn(move || handle.close())).unwrap();
            while replica.update(0).is_ok() {
                thread::yield_now();
            }
        }
    });
    let replica = open(disk.clone()).unwrap();
    *closing.lock().unwrap() = Some(replica.clone());
    replica.compact().unwrap();
    closed.recv().unwrap().join().unwrap().unwrap();
    let again = open(disk.memory().copy()).unwrap();
    assert_eq!(numbers(&again), (0..10).collect::<Vec<_>>());
    assert_eq!(again.id().unwrap(), replica.id().unwrap());
}

/// A waker that does something with a replica, on the thread that wakes it.
struct Acts(Mutex<Option<Box<dyn FnOnce() + Send>>>, mpsc::Sender<()>);

impl Wake for Acts {
    fn wake(self: Arc<Self>) {
        if let Some(act) = self.0.lock().unwrap().take() {
            act();
        }
        let _ = self.1.send(());
    }
}

#[test]
fn a_waiter_woken_by_a_journal_may_close_it() {
    type Act = fn(Replica<Numbers>);
    let acts: [Act; 3] = [drop, |replica| drop(replica.close()), |replica| drop(replica.compact())];
    for act in acts {
        let disk = Disk::default();
        let replica = open(disk.clone()).unwrap();
        let held = disk.hold();
        let mut receipt = replica.update(1).unwrap().durable();
        eventually(|| disk.waiting() > 0);
        // The thread has more to do, which whoever waits for it would wait for.
        let second = replica.update(2).unwrap().durable();
        let (sender, woken) = mpsc::channel();
        let act = Mutex::new(Some(Box::new(move || act(replica)) as Box<dyn FnOnce() + Send>));
        let waker = Waker::from(Arc::new(Acts(act, sender)));
        assert!(Pin::new(&mut receipt).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(held);
        woken.recv_timeout(Duration::from_secs(60)).expect("the thread waits for itself");
        receipt.wait().unwrap();
        second.wait().unwrap();
        assert_eq!(survived(&disk), [1, 2]);
    }
}

#[test]
fn closing_a_replica_waits_for_its_journal() {
    for _ in 0..50 {
        let folder = std::env::temp_dir().join(format!("repred-closes-{}", std::process::id()));
        let replica = Replica::open(&folder, Numbers::default()).unwrap();
        replica.update(1).unwrap();
        let closers = [(); 2].map(|()| {
            let (replica, folder) = (replica.clone(), folder.clone());
            thread::spawn(move || {
                replica.close().unwrap();
                match Replica::open(folder, Numbers::default()) {
                    Ok(again) => drop(again),
                    // The other one of the two has it.
                    Err(OpenError::InUse(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            })
        });
        closers.into_iter().for_each(|closer| closer.join().unwrap());
        drop(Replica::open(&folder, Numbers::default()).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// Writes something when it is woken, and waits for it.
struct Waits {
    replica: Replica<Numbers>,
    told: mpsc::Sender<Result<(), NotDurable>>,
}

impl Wake for Waits {
    fn wake(self: Arc<Self>) {
        let receipt = self.replica.update(2).unwrap();
        self.told.send(receipt.wait()).unwrap();
    }
}

#[test]
fn waiting_for_durability_fails_where_nothing_can_become_durable() {
    let disk = Disk::default();
    let (replica, durable, held) = writing(&disk);
    let inside = replica.read(|_| durable.clone().wait()).unwrap();
    assert!(matches!(inside, Err(NotDurable::Unavailable(Unavailable::Reentrant))), "{inside:?}");
    // The journal wakes who waits for it, and can write nothing before that returns.
    let (told, woken) = mpsc::channel();
    let waker = Waker::from(Arc::new(Waits { replica: replica.clone(), told }));
    let mut polled = durable.clone();
    assert!(Pin::new(&mut polled).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(held);
    let woken = woken.recv().unwrap();
    assert!(matches!(woken, Err(NotDurable::Unavailable(Unavailable::Reentrant))), "{woken:?}");
    durable.clone().wait().unwrap();
    assert!(replica.read(|_| durable.wait()).unwrap().is_ok(), "it is known");
    replica.close().unwrap();
    assert_eq!(survived(&disk), [1, 2]);
}
