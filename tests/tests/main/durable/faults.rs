//! Disks that fail.

use std::{io, thread};

use futures::{StreamExt, executor::block_on};
use repred::{
    Replica, ReplicaEvent,
    error::{NotDurable, OpenError, UpdateError},
    journal::Memory,
    reducer,
};
use repred_tests::{Disk, Fault, eventually};

use super::{Connected, Numbers, Outcome, numbers, open, survived, write};

/// How many updates a script writes.
const UPDATES: u64 = 20;

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
fn a_full_disk_leaves_the_state_readable_and_writing_resumes_after_it() {
    let disk = Disk::default();
    let replica = open(disk.clone()).unwrap();
    assert_eq!(write(&replica, 1), Outcome::Durable);
    disk.fill();
    let mut observer = replica.subscribe().unwrap();
    assert_eq!(write(&replica, 2), Outcome::Refused);
    let refused = replica.update(3).unwrap_err();
    assert!(matches!(refused, UpdateError::Full { .. }), "{refused}");
    assert_eq!(numbers(&replica), [1]);
    assert!(matches!(block_on(observer.next()), Some(ReplicaEvent::Lagged)));
    disk.mend();
    assert_eq!(write(&replica, 4), Outcome::Durable);
    assert_eq!(numbers(&replica), [1, 4]);
    let id = replica.id().unwrap();
    assert_eq!(replica.version().unwrap().seq(id), 2, "no seq was used in vain");
    drop(replica);
    assert_eq!(survived(&disk), [1, 4]);
}

#[test]
fn received_updates_that_the_disk_refuses_are_rolled_back_and_sent_again() {
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
fn a_reduce_that_panics_leaves_the_journal_whole() {
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
fn an_update_that_is_refused_while_a_compaction_waits_has_not_happened() {
    // Which of the two the journal comes to first is chance.
    for _ in 0..30 {
        let disk = Disk::default();
        let replica = open(disk.clone()).unwrap();
        assert_eq!(write(&replica, 0), Outcome::Durable);
        let held = disk.hold();
        let first = replica.update(1).unwrap();
        eventually(|| disk.waiting() > 0);
        let second = replica.update(2).unwrap();
        let handle = replica.clone();
        let compaction = thread::spawn(move || handle.compact());
        thread::yield_now();
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
}

#[test]
fn a_trim_made_while_the_disk_was_full_becomes_durable_later() {
    let disk = Disk::default();
    let replica = open(disk.clone()).unwrap();
    assert_eq!(write(&replica, 1), Outcome::Durable);
    disk.fill();
    assert_eq!(write(&replica, 2), Outcome::Refused);
    replica.trim(&replica.version().unwrap()).unwrap();
    disk.mend();
    // Somebody tries, and finds that there is room.
    eventually(|| replica.update(1).is_ok());
    replica.durable().unwrap().wait().unwrap();
}
