//! Journals that are written anew.

use std::time::Duration;

use repred::{
    Register, Replica, Trimming,
    error::{JournalError, SessionError, Unavailable},
    journal::{Memory, Storage},
};

use super::{Connected, Numbers, numbers, open};

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
    assert!(again.read(|text| text.value().ends_with("29")).unwrap());
}

fn open_folding(disk: &Memory, trimming: Trimming) -> Replica<Numbers> {
    let replica = Replica::builder(Numbers::default()).trimming(trimming).trust_ids();
    replica.open_in(disk.clone()).unwrap()
}

/// How many entries there are after a compaction.
fn compacted(replica: &Replica<Numbers>) -> usize {
    replica.compact().unwrap();
    replica.history_len().unwrap()
}

#[test]
fn compaction_trims_what_all_counted_peers_have() {
    let disk = Memory::new();
    let week = Trimming::Lease(Duration::from_secs(7 * 24 * 3600));
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
fn what_a_peer_confirms_under_an_id_that_nobody_vouches_for_is_not_trimmed_by() {
    let week = Trimming::Lease(Duration::from_secs(7 * 24 * 3600));
    let here = Replica::builder(Numbers::default()).trimming(week).open_in(Memory::new()).unwrap();
    (0..10).for_each(|number| drop(here.update(number).unwrap()));
    let mut both = Connected::new(here, Replica::new(Numbers::default()));
    both.run_until(|both| Connected::lag(&both.here) == Some(0));
    assert_eq!(compacted(&both.here), 10, "it may be anybody");
    let Connected { here, there, pool } = both;
    drop(pool);
    // The transport knows who it is.
    let (one, other) = repred::pipe(1 << 16);
    let id = there.id().unwrap();
    let links = futures::future::join(here.connect(one).authenticated_as(id), there.connect(other));
    let mut links = std::pin::pin!(links);
    repred_tests::eventually(|| {
        let _ = futures::FutureExt::now_or_never(&mut links);
        Connected::lag(&here) == Some(0)
    });
    assert_eq!(compacted(&here), 0);
}

#[test]
fn a_peer_that_claims_another_id_than_the_transport_knows_is_refused() {
    let (here, there) = (Replica::new(Numbers::default()), Replica::new(Numbers::default()));
    let (one, other) = repred::pipe(1 << 16);
    let links =
        futures::future::join(here.connect(one).authenticated_as(7.into()), there.connect(other));
    let (ours, _) = futures::executor::block_on(links);
    let Err(repred::error::ConnectionError::Session(SessionError::OtherId {
        authenticated,
        claimed,
    })) = ours
    else {
        panic!("{ours:?}");
    };
    assert_eq!((authenticated, claimed), (7.into(), there.id().unwrap()));
}

#[test]
fn the_peers_that_compaction_waits_for_can_be_named() {
    let alone = open_folding(&Memory::new(), Trimming::Among(Vec::new()));
    let waiting = open_folding(&Memory::new(), Trimming::Among(vec![7.into()]));
    let never = open_folding(&Memory::new(), Trimming::Never);
    for (replica, kept) in [(alone, 0), (waiting, 10), (never, 10)] {
        (0..10).for_each(|number| drop(replica.update(number).unwrap()));
        assert_eq!(compacted(&replica), kept);
        assert_eq!(numbers(&replica).len(), 10);
    }
}

#[test]
fn a_closed_journal_is_not_compacted() {
    let replica = open(Memory::new()).unwrap();
    let inside = replica.read(|_| replica.compact()).unwrap().unwrap_err();
    assert!(matches!(inside, JournalError::Unavailable(Unavailable::Reentrant)), "{inside}");
    replica.close().unwrap();
    assert!(replica.compact().is_err());
    replica.close().unwrap();
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
