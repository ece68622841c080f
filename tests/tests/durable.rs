//! A replica with a journal: receipts, what peers hear and when, and disks that fail.

use std::{
    collections::BTreeSet,
    future::Future,
    io,
    ops::Range,
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
    thread::{self, JoinHandle},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    executor::{LocalPool, block_on},
    future::join,
    task::LocalSpawnExt,
};
use repred::{
    Counter, Durability, Folding, GrowSet, JournalError, Memory, NotDurable, Notice, OpenError,
    Register, Replica, Storage, UpdateError, pipe, reducer,
};
use repred_tests::{Chance, Disk, Fault};

type Numbers = GrowSet<u64>;

fn open(disk: impl Storage) -> Result<Replica<Numbers>, OpenError> {
    Replica::builder(Numbers::default()).open_in(disk)
}

fn numbers(replica: &Replica<Numbers>) -> Vec<u64> {
    replica.read(|numbers| numbers.iter().copied().collect()).unwrap()
}

/// How many updates a script writes.
const UPDATES: u64 = 20;

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Durable,
    /// It is not there, and never will be.
    Refused,
    Unknown,
    /// Nothing is taken any more.
    ReadOnly,
}

fn write(replica: &Replica<Numbers>, number: u64) -> Outcome {
    // A replica whose disk was full takes updates again as soon as it has seen that there is room.
    for _ in 0..10_000 {
        match replica.update(number) {
            Ok(receipt) => {
                return match receipt.wait() {
                    Ok(()) => Outcome::Durable,
                    Err(NotDurable::Refused { .. }) => Outcome::Refused,
                    Err(_) => Outcome::Unknown,
                };
            }
            Err(UpdateError::ReadOnly { reason }) if reason.contains("open it again") => break,
            Err(UpdateError::ReadOnly { reason }) if reason.contains("until it is opened") => break,
            Err(UpdateError::ReadOnly { .. }) => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
    Outcome::ReadOnly
}

/// Writes the numbers, with a compaction in the middle, on a disk that fails once.
fn outcomes(disk: &Disk) -> Option<Vec<Outcome>> {
    let replica = match open(disk.clone()) {
        Ok(replica) => replica,
        Err(OpenError::Io(_) | OpenError::Write(_)) => return None,
        Err(error) => panic!("{error}"),
    };
    let outcomes = (0..UPDATES).map(|number| {
        if number == UPDATES / 2 {
            // Whatever becomes of it, nothing is lost by it.
            let _ = replica.compact();
        }
        let before = numbers(&replica);
        let outcome = write(&replica, number);
        if outcome == Outcome::Refused {
            assert_eq!(numbers(&replica), before, "the state is as it was");
        }
        outcome
    });
    Some(outcomes.collect())
}

/// What the disk has after a loss of power.
fn survived(disk: &Disk) -> Vec<u64> {
    numbers(&open(disk.memory().crash(|_| Vec::new())).unwrap())
}

/// What was acknowledged is there, what was refused is not, and of the rest nobody knows.
fn check(disk: &Disk, outcomes: &[Outcome], context: &str) {
    let survived = survived(disk);
    for (number, outcome) in (0..).zip(outcomes) {
        let is_there = survived.contains(&number);
        match outcome {
            Outcome::Durable => assert!(is_there, "{context}: {number} is lost"),
            Outcome::Refused | Outcome::ReadOnly => {
                assert!(!is_there, "{context}: {number} was refused and is there");
            }
            Outcome::Unknown => {}
        }
    }
}

/// How many operations on the disk the script takes.
fn operations() -> usize {
    let disk = Disk::default();
    let all = outcomes(&disk).unwrap();
    assert_eq!(all, [Outcome::Durable; UPDATES as usize]);
    disk.count()
}

#[test]
fn an_interrupted_or_short_operation_is_done_again() {
    let kind = io::ErrorKind::Interrupted;
    for at in 0..operations() {
        for fault in [Fault::Once(kind), Fault::Half(kind), Fault::Short] {
            let disk = Disk::failing(at, fault);
            let outcomes = outcomes(&disk).unwrap();
            assert_eq!(outcomes, [Outcome::Durable; UPDATES as usize], "{fault:?} at {at}");
            check(&disk, &outcomes, "interrupted");
        }
    }
}

#[test]
fn an_update_that_the_disk_refuses_has_not_happened_and_the_next_one_can() {
    let mut refused = 0;
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        for at in 0..operations() {
            for fault in [Fault::Once(kind), Fault::Half(kind)] {
                let disk = Disk::failing(at, fault);
                let Some(outcomes) = outcomes(&disk) else {
                    // It was never opened, and is when the disk is well.
                    disk.mend();
                    assert_eq!(numbers(&open(disk.clone()).unwrap()), [0; 0]);
                    continue;
                };
                check(&disk, &outcomes, &format!("{fault:?} at {at}"));
                let is_bad = |outcome: &&Outcome| **outcome != Outcome::Durable;
                let first = outcomes.iter().find(is_bad);
                match first {
                    None => {}
                    // It has not happened, and all others have.
                    Some(Outcome::Refused) => {
                        refused += 1;
                        assert_eq!(outcomes.iter().filter(is_bad).count(), 1, "at {at}");
                    }
                    // A sync has failed: nothing is believed any more.
                    Some(Outcome::Unknown) => {
                        let rest = outcomes.iter().skip_while(|o| **o == Outcome::Durable).skip(1);
                        assert!(
                            rest.clone().all(|o| *o == Outcome::ReadOnly),
                            "{fault:?} at {at}: {outcomes:?}"
                        );
                    }
                    // The compaction's.
                    Some(_) => assert_eq!(outcomes[UPDATES as usize / 2], Outcome::ReadOnly),
                }
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn while_the_disk_is_full_the_state_can_be_read_and_after_it_everything_goes_on() {
    let disk = Disk::default();
    let replica = open(disk.clone()).unwrap();
    assert_eq!(write(&replica, 1), Outcome::Durable);
    disk.fill();
    let mut observer = replica.subscribe().unwrap();
    assert_eq!(write(&replica, 2), Outcome::Refused);
    let refused = replica.update(3).unwrap_err();
    assert!(matches!(refused, UpdateError::ReadOnly { .. }), "{refused}");
    assert_eq!(numbers(&replica), [1]);
    assert!(matches!(block_on(observer.next()), Some(Notice::Reset)));
    disk.mend();
    assert_eq!(write(&replica, 4), Outcome::Durable);
    assert_eq!(numbers(&replica), [1, 4]);
    let id = replica.id().unwrap();
    assert_eq!(replica.version().unwrap().seq(id), 2, "no seq was used in vain");
    drop(replica);
    assert_eq!(survived(&disk), [1, 4]);
}

/// Two replicas with a connection, which run until nothing moves.
struct Connected {
    pool: LocalPool,
    here: Replica<Numbers>,
    there: Replica<Numbers>,
}

impl Connected {
    fn new(here: Replica<Numbers>, there: Replica<Numbers>) -> Self {
        let pool = LocalPool::new();
        let (a, b) = pipe(1 << 16);
        let links = join(here.connect(a), there.connect(b));
        pool.spawner().spawn_local(links.map(drop)).unwrap();
        Self { pool, here, there }
    }

    /// Runs until something is so; other threads may be needed for that.
    fn run_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..10_000 {
            self.pool.run_until_stalled();
            if is_so(self) {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("it never comes to be so");
    }

    fn lag(replica: &Replica<Numbers>) -> Option<u64> {
        replica.peers().unwrap()[0].lag
    }
}

#[test]
fn no_peer_hears_of_an_update_before_it_is_durable() {
    let disk = Disk::default();
    let mut both = Connected::new(open(disk.clone()).unwrap(), Replica::new(Numbers::default()));
    both.run_until(|both| Connected::lag(&both.there) == Some(0));
    let held = disk.hold();
    let mut receipt = both.here.update(7).unwrap().durable();
    for _ in 0..100 {
        both.pool.run_until_stalled();
    }
    assert_eq!(numbers(&both.there), [0; 0]);
    let waiting = Pin::new(&mut receipt).poll(&mut Context::from_waker(Waker::noop()));
    assert!(waiting.is_pending());
    drop(held);
    receipt.wait().unwrap();
    both.run_until(|both| numbers(&both.there) == [7]);
}

#[test]
fn an_update_is_confirmed_to_its_sender_only_when_it_is_durable() {
    let disk = Disk::default();
    let mut both = Connected::new(open(disk.clone()).unwrap(), Replica::new(Numbers::default()));
    both.run_until(|both| Connected::lag(&both.there) == Some(0));
    let held = disk.hold();
    both.there.update(7).unwrap().wait().unwrap();
    both.run_until(|both| numbers(&both.here) == [7]);
    for _ in 0..100 {
        both.pool.run_until_stalled();
    }
    assert_eq!(Connected::lag(&both.there), Some(1));
    drop(held);
    both.run_until(|both| Connected::lag(&both.there) == Some(0));
}

#[test]
fn what_a_peer_has_sent_is_taken_back_too_and_comes_again() {
    let disk = Disk::default();
    let here = open(disk.clone()).unwrap();
    assert_eq!(write(&here, 1), Outcome::Durable);
    let there = Replica::new(Numbers::default());
    there.update(7).unwrap();
    disk.fill();
    let mut both = Connected::new(here, there);
    both.run_until(|both| both.here.peers().unwrap().is_empty());
    assert_eq!(numbers(&both.here), [1]);
    disk.mend();
    assert_eq!(write(&both.here, 2), Outcome::Durable);
    let mut both = Connected::new(both.here, both.there);
    both.run_until(|both| numbers(&both.here) == [1, 2, 7] && numbers(&both.there) == [1, 2, 7]);
    drop(both);
    assert_eq!(survived(&disk), [1, 2, 7]);
}

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

#[test]
fn what_each_level_promises_when_it_acknowledges() {
    let hour = Duration::from_secs(3600);
    for (level, after_power) in
        [(Durability::EveryUpdate, 1), (Durability::Interval(hour), 0), (Durability::System, 0)]
    {
        let disk = Disk::default();
        let votes = Replica::builder(Counter::default()).durability(level);
        let votes = votes.open_in(disk.clone()).unwrap();
        let held = (level != Durability::EveryUpdate).then(|| disk.hold());
        votes.update(1).unwrap().wait().unwrap();
        let killed = Replica::builder(Counter::default()).open_in(disk.memory().copy()).unwrap();
        assert_eq!(killed.read(|votes| votes.value()).unwrap(), 1, "{level:?}");
        let crashed = disk.memory().crash(|_| Vec::new());
        let crashed = Replica::builder(Counter::default()).open_in(crashed).unwrap();
        assert_eq!(crashed.read(|votes| votes.value()).unwrap(), after_power, "{level:?}");
        for again in [killed, crashed] {
            let keeps_id = again.id().unwrap() == votes.id().unwrap();
            assert_eq!(keeps_id, level == Durability::EveryUpdate, "{level:?}");
        }
        drop(held);
    }
}

#[test]
fn a_disk_that_is_to_sync_in_time_does() {
    let disk = Disk::default();
    let level = Durability::Interval(Duration::from_millis(1));
    let votes = Replica::builder(Counter::default()).durability(level);
    let votes = votes.open_in(disk.clone()).unwrap();
    votes.update(1).unwrap().wait().unwrap();
    for _ in 0..10_000 {
        let crashed = disk.memory().crash(|_| Vec::new());
        let crashed = Replica::builder(Counter::default()).open_in(crashed).unwrap();
        if crashed.read(|votes| votes.value()).unwrap() == 1 {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("it was never synced");
}

#[test]
fn a_journal_that_has_doubled_is_compacted_by_itself() {
    let disk = Memory::new();
    let text = Replica::builder(Register::new(String::new())).open_in(disk.clone()).unwrap();
    for number in 10..30_u32 {
        text.update(number.to_string().repeat(400_000)).unwrap().wait().unwrap();
    }
    text.close().unwrap();
    let mut disk = disk;
    let names = disk.names().unwrap();
    let size: u64 = names.iter().map(|name| disk.size(name).unwrap()).sum();
    assert!(size < 12 << 20, "{size} bytes in {names:?}");
    let again = Replica::builder(Register::new(String::new())).open_in(disk).unwrap();
    assert!(again.read(|text| text.ends_with("29")).unwrap());
}

#[test]
fn many_writers_share_one_sync() {
    let disk = Disk::default();
    let replica = open(disk.clone()).unwrap();
    let held = disk.hold();
    let receipts: Vec<_> = (0..1000).map(|number| replica.update(number).unwrap()).collect();
    let before = disk.count();
    drop(held);
    receipts.iter().for_each(|receipt| receipt.wait().unwrap());
    assert!(disk.count() - before < 20, "{} operations", disk.count() - before);
}

fn open_folding(disk: &Memory, folding: Folding) -> Replica<Numbers> {
    let replica = Replica::builder(Numbers::default()).folding(folding);
    replica.open_in(disk.clone()).unwrap()
}

/// How many entries there are after a compaction.
fn compacted(replica: &Replica<Numbers>) -> usize {
    replica.compact().unwrap();
    replica.history_len().unwrap()
}

#[test]
fn compaction_folds_what_everybody_has_who_counts() {
    let disk = Memory::new();
    let week = Folding::Lease(Duration::from_secs(7 * 24 * 3600));
    let here = open_folding(&disk, week.clone());
    (0..10).for_each(|number| drop(here.update(number).unwrap()));
    assert_eq!(compacted(&here), 10, "nobody is known who could have it");
    let mut both = Connected::new(here, Replica::new(Numbers::default()));
    both.run_until(|both| Connected::lag(&both.here) == Some(0));
    assert_eq!(compacted(&both.here), 0);
    let Connected { here, there, pool } = both;
    drop(pool);
    // It is remembered who has what, over a restart too.
    here.update(10).unwrap();
    here.close().unwrap();
    let here = open_folding(&disk.copy(), week);
    assert_eq!(numbers(&here), (0..=10).collect::<Vec<_>>());
    here.update(11).unwrap();
    assert_eq!(compacted(&here), 2);
    let mut both = Connected::new(here, there);
    both.run_until(|both| numbers(&both.there).len() == 12);
    // Who has nothing gets the snapshot.
    let mut late = Connected::new(both.here, Replica::new(Numbers::default()));
    late.run_until(|late| numbers(&late.there).len() == 12);
}

#[test]
fn who_counts_can_be_named() {
    let alone = open_folding(&Memory::new(), Folding::Among(Vec::new()));
    let waiting = open_folding(&Memory::new(), Folding::Among(vec![7.into()]));
    let never = open_folding(&Memory::new(), Folding::Never);
    for (replica, kept) in [(alone, 0), (waiting, 10), (never, 10)] {
        (0..10).for_each(|number| drop(replica.update(number).unwrap()));
        assert_eq!(compacted(&replica), kept);
        assert_eq!(numbers(&replica).len(), 10);
    }
}

#[test]
fn an_old_copy_of_a_journal_takes_a_new_id_when_it_meets_who_knows_more() {
    let disk = Memory::new();
    let here = open(disk.clone()).unwrap();
    assert_eq!(write(&here, 1), Outcome::Durable);
    let old = disk.copy();
    assert_eq!(write(&here, 2), Outcome::Durable);
    let mut both = Connected::new(here, Replica::new(Numbers::default()));
    both.run_until(|both| numbers(&both.there) == [1, 2]);
    let Connected { here, there, .. } = both;
    let id = here.id().unwrap();
    here.close().unwrap();

    let restored = open(old.clone()).unwrap();
    assert_eq!(restored.id().unwrap(), id, "it cannot know");
    let mut both = Connected::new(restored, there);
    both.run_until(|both| numbers(&both.here) == [1, 2]);
    assert_eq!(write(&both.here, 3), Outcome::Durable);
    assert_ne!(both.here.id().unwrap(), id);
    both.run_until(|both| numbers(&both.there) == [1, 2, 3]);
    // The journal knows under which id it goes on.
    let new = both.here.id().unwrap();
    let again = open(old.crash(|_| Vec::new())).unwrap();
    assert_eq!((numbers(&again), again.id().unwrap()), (vec![1, 2, 3], new));
}

#[test]
fn a_reduce_that_panics_does_no_harm_to_the_journal() {
    let unlucky = || {
        reducer(Vec::new(), |state: &mut Vec<u8>, number: u8| {
            state.push(number);
            assert_ne!(number, 13, "bad luck");
            true
        })
    };
    let disk = Memory::new();
    let replica = Replica::builder(unlucky()).open_in(disk.clone()).unwrap();
    replica.update(12).unwrap().wait().unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| replica.update(13)));
    assert!(panic.is_err());
    assert!(replica.update(14).is_err());
    drop(replica);
    let again = Replica::builder(unlucky()).open_in(disk).unwrap();
    again.read(|state| assert_eq!(**state, [12])).unwrap();
    again.update(14).unwrap().wait().unwrap();
}

#[test]
fn a_closed_journal_is_not_compacted() {
    let replica = open(Memory::new()).unwrap();
    let inside = replica.read(|_| replica.compact()).unwrap().unwrap_err();
    assert!(matches!(inside, JournalError::Reentrant), "{inside}");
    replica.close().unwrap();
    assert!(replica.compact().is_err());
    replica.close().unwrap();
}

#[test]
fn what_is_delivered_is_durable_at_the_other_end() {
    let disk = Disk::default();
    let mut both = Connected::new(Replica::new(Numbers::default()), open(disk.clone()).unwrap());
    both.run_until(|both| Connected::lag(&both.here) == Some(0));
    let held = disk.hold();
    both.here.update(7).unwrap();
    let mut delivered = Box::pin(both.here.delivered());
    both.run_until(|both| numbers(&both.there) == [7]);
    for _ in 0..100 {
        both.pool.run_until_stalled();
    }
    assert!((&mut delivered).now_or_never().is_none());
    // What comes later is not waited for.
    both.here.update(8).unwrap();
    drop(held);
    both.pool.run_until(delivered);
    assert!(survived(&disk).contains(&7));
}

#[test]
fn an_update_that_is_refused_while_a_compaction_waits_has_not_happened() {
    let disk = Disk::default();
    let replica = open(disk.clone()).unwrap();
    assert_eq!(write(&replica, 0), Outcome::Durable);
    let held = disk.hold();
    let first = replica.update(1).unwrap();
    // The journal is busy with the first; the compaction is next, and has to write the second before.
    while disk.waiting() == 0 {
        thread::yield_now();
    }
    let second = replica.update(2).unwrap();
    let compaction = thread::spawn({
        let replica = replica.clone();
        move || replica.compact()
    });
    thread::sleep(Duration::from_millis(20));
    disk.fill();
    drop(held);
    first.wait().unwrap();
    assert!(matches!(second.wait(), Err(NotDurable::Refused { .. })));
    assert!(compaction.join().unwrap().is_err());
    assert_eq!(numbers(&replica), [0, 1]);
    disk.mend();
    assert_eq!(write(&replica, 3), Outcome::Durable);
    drop(replica);
    assert_eq!(survived(&disk), [0, 1, 3]);
}

#[test]
fn a_journal_that_is_opened_again_and_again_does_not_grow_for_ever() {
    let disk = Memory::new();
    let size = |disk: &Memory| {
        let mut disk = disk.clone();
        let names = disk.names().unwrap();
        names.iter().map(|name| disk.size(name).unwrap()).sum::<u64>()
    };
    for day in 10..60_u32 {
        let text = Replica::builder(Register::new(String::new())).open_in(disk.clone()).unwrap();
        for _ in 0..3 {
            text.update(day.to_string().repeat(200_000)).unwrap();
        }
        text.close().unwrap();
        assert!(size(&disk) < 16 << 20, "{} bytes on day {day}", size(&disk));
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
        if chance.one_in(2) {
            thread::sleep(Duration::from_micros(chance.within(0..300) as u64));
        }
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
fn what_was_written_is_there_when_a_replica_is_closed_in_the_middle_of_a_compaction() {
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
fn what_a_journal_wakes_can_end_it() {
    type Act = fn(Replica<Numbers>);
    let acts: [Act; 3] = [drop, |replica| drop(replica.close()), |replica| drop(replica.compact())];
    for act in acts {
        let disk = Disk::default();
        let replica = open(disk.clone()).unwrap();
        let held = disk.hold();
        let mut receipt = replica.update(1).unwrap().durable();
        while disk.waiting() == 0 {
            thread::yield_now();
        }
        // The thread has more to do, which whoever waits for it would wait for.
        drop(replica.update(2).unwrap());
        let (sender, woken) = mpsc::channel();
        let act = Mutex::new(Some(Box::new(move || act(replica)) as Box<dyn FnOnce() + Send>));
        let waker = Waker::from(Arc::new(Acts(act, sender)));
        assert!(Pin::new(&mut receipt).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(held);
        woken.recv_timeout(Duration::from_secs(60)).expect("the thread waits for itself");
        receipt.wait().unwrap();
    }
}

#[test]
fn what_was_folded_while_the_disk_was_full_is_durable_when_it_is_not() {
    let disk = Disk::default();
    let replica = open(disk.clone()).unwrap();
    assert_eq!(write(&replica, 1), Outcome::Durable);
    disk.fill();
    assert_eq!(write(&replica, 2), Outcome::Refused);
    replica.fold(&replica.version().unwrap()).unwrap();
    disk.mend();
    // Somebody tries, and finds that there is room.
    while replica.update(1).is_err() {
        thread::yield_now();
    }
    replica.durable().unwrap().wait().unwrap();
}

#[test]
fn whoever_closes_a_replica_waits_for_its_end() {
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
                    Err(OpenError::Io(error)) => {
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    }
                    Err(error) => panic!("{error}"),
                }
            })
        });
        closers.into_iter().for_each(|closer| closer.join().unwrap());
        drop(Replica::open(&folder, Numbers::default()).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_restored_copy_goes_on_under_another_id() {
    let disk = Memory::new();
    let here = open(disk.clone()).unwrap();
    assert_eq!(write(&here, 1), Outcome::Durable);
    let old = disk.copy();
    let restored = Replica::builder(Numbers::default()).restored().open_in(old.clone()).unwrap();
    assert_ne!(restored.id().unwrap(), here.id().unwrap());
    assert_eq!(write(&restored, 2), Outcome::Durable);
    let id = restored.id().unwrap();
    drop(restored);
    assert_eq!(open(old).unwrap().id().unwrap(), id);
}
