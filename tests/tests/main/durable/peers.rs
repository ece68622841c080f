//! What an author and its peers hear, and when.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use futures::{FutureExt, executor::block_on, future::join};
use repred::{
    Counter, Durability, Replica, Schema,
    error::{ConnectionError, SessionError},
    journal::Memory,
    pipe,
};
use repred_tests::{Disk, eventually};

use super::{Connected, Numbers, Outcome, numbers, open, survived, write, writing};

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
fn each_durability_level_acknowledges_when_it_promises() {
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
            let former = (!keeps_id).then(|| votes.id().unwrap());
            assert_eq!(again.recovery().former_id, former, "{level:?}");
        }
        drop(held);
    }
}

#[test]
fn an_interval_journal_syncs_in_time() {
    let disk = Disk::default();
    let level = Durability::Interval(Duration::from_millis(1));
    let votes = Replica::builder(Counter::default()).durability(level);
    let votes = votes.open_in(disk.clone()).unwrap();
    votes.update(1).unwrap().wait().unwrap();
    eventually(|| {
        let crashed = disk.memory().crash(|_| Vec::new());
        let crashed = Replica::builder(Counter::default()).open_in(crashed).unwrap();
        crashed.read(|votes| votes.value()).unwrap() == 1
    });
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

#[test]
fn an_old_copy_of_a_journal_takes_a_new_id_when_a_peer_knows_more() {
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
fn a_delivered_update_is_durable_at_the_peer() {
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
    let peers = both.pool.run_until(delivered).unwrap();
    assert_eq!(peers, [both.there.id().unwrap()]);
    assert!(survived(&disk).contains(&7));
}

#[test]
fn a_restored_copy_writes_under_another_id() {
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

/// A reason would be the first that it hears of us.
#[test]
fn a_peer_that_has_not_seen_our_opening_gets_no_reason() {
    let disk = Disk::default();
    let (here, durable, held) = writing(&disk);
    let other = Replica::builder(Numbers::default()).schema(Schema::new("other", 1)).build();
    let (a, b) = pipe(1 << 16);
    let (ours, theirs) = block_on(join(here.connect(a), other.connect(b)));
    assert!(matches!(ours, Err(ConnectionError::Session(SessionError::Schema { .. }))), "{ours:?}");
    assert!(matches!(theirs, Err(ConnectionError::Io(_))), "{theirs:?}");
    drop(held);
    durable.wait().unwrap();
}

#[test]
fn a_peer_that_could_not_get_our_opening_gets_nothing() {
    let disk = Disk::default();
    let (here, first, held) = writing(&disk);
    // What the opening tells of is refused, and so is the opening.
    let second = here.update(2).unwrap();
    let there = Replica::new(Numbers::default());
    let (a, b) = pipe(1 << 16);
    let mut ends = join(here.connect(a), there.connect(b));
    assert!((&mut ends).now_or_never().is_none());
    disk.fill();
    drop(held);
    first.wait().unwrap();
    assert!(second.wait().is_err());
    let (ours, theirs) = block_on(ends);
    assert!(ours.is_err(), "{ours:?}");
    assert!(matches!(theirs, Err(ConnectionError::Io(_))), "{theirs:?}");
}

#[test]
fn a_restored_copy_keeps_its_new_id_though_it_closed_before_writing() {
    let disk = Memory::new();
    let original = open(disk.clone()).unwrap();
    assert_eq!(write(&original, 1), Outcome::Durable);
    let copy = disk.copy();
    let restored = Replica::builder(Numbers::default()).restored().open_in(copy.clone()).unwrap();
    let again = open(copy.crash(|_| Vec::new())).unwrap();
    assert_eq!(again.id(), restored.id());
    assert_ne!(again.id(), original.id());
}
