//! Entries that are wrong.

use super::*;

#[test]
fn a_gap_in_the_seqs_is_refused_and_what_came_before_is_kept() {
    let mut victim = Victim::new().met();
    let items = Items::new().run(Origin::New(0, FOE), 1, &[(wall(), ONE)]).run(
        Origin::At(0),
        3,
        &[(wall() + 2, ONE)],
    );
    let error = victim.hears(&items.encode()).unwrap_err();
    let SessionError::Receive(ReceiveError::Gap { dot, expected }) = error else {
        panic!("{error}");
    };
    assert_eq!((dot.origin, dot.seq, expected), (FOE.into(), 3, 2));
    victim.assert_kept(&[(FOE, 1)], 1, Reason::Refused);
}

#[test]
fn a_gap_in_a_block_refuses_the_whole_block() {
    let mut victim = Victim::new().met();
    let items = Items::new()
        .run(Origin::New(0, FOE), 1, &[(wall(), ONE)])
        .begin()
        .run(Origin::At(0), 2, &[(wall() + 1, ONE)])
        .run(Origin::At(0), 4, &[(wall() + 2, ONE)])
        .commit();
    let error = victim.hears(&items.encode()).unwrap_err();
    let is_gap = matches!(error, SessionError::Receive(ReceiveError::Gap { .. }));
    assert!(is_gap, "{error}");
    victim.assert_kept(&[(FOE, 1)], 1, Reason::Refused);
}

#[test]
fn a_block_that_ends_before_its_edit_is_refused() {
    // As when a message with the end of another block in it is said twice.
    let mut victim = Victim::new().met();
    let items = Items::new()
        .begin()
        .edit(Origin::New(0, FOE), 1, 3)
        .run(Origin::At(0), 1, &[(wall(), ONE), (wall() + 1, ONE)])
        .commit();
    let error = victim.hears(&items.encode()).unwrap_err();
    let SessionError::Receive(ReceiveError::Gap { dot, expected }) = error else {
        panic!("{error}");
    };
    assert_eq!((dot.origin, dot.seq, expected), (FOE.into(), 3, 3));
    victim.assert_kept(&[], 0, Reason::Refused);
}

#[test]
fn causes_must_come_before_their_effect() {
    let mut victim = Victim::new().met();
    let items = Items::new()
        .recorded(Origin::New(0, FOE), 1, &[(Origin::New(1, VICTIM), 1)], &[(wall(), ONE)])
        .recorded(Origin::At(0), 2, &[(Origin::New(2, FRIEND), 2)], &[(wall() + 1, ONE)]);
    let error = victim.hears(&items.encode()).unwrap_err();
    let SessionError::Receive(ReceiveError::MissingDependency { dot, dependency }) = error else {
        panic!("{error}");
    };
    assert_eq!((dot, dependency), (Dot::new(FOE.into(), 2), Dot::new(FRIEND.into(), 2)));
    victim.assert_kept(&[(FOE, 1)], 1, Reason::Refused);
}

#[test]
fn causes_may_come_earlier_in_the_same_block() {
    let block = |first: u128, second: u128, seen: u64| {
        Items::new()
            .begin()
            .recorded(Origin::New(0, first), 1, &[], &[(wall(), ONE)])
            .recorded(Origin::New(1, second), 1, &[(Origin::At(0), seen)], &[(wall() + 1, ONE)])
            .commit()
            .encode()
    };
    let mut victim = Victim::new().met();
    let error = victim.hears(&block(0xd, FOE, 2)).unwrap_err();
    let is_too_much =
        matches!(error, SessionError::Receive(ReceiveError::MissingDependency { .. }));
    assert!(is_too_much, "{error}");
    victim.assert_unhurt(Reason::Refused);
    let mut victim = Victim::new().met();
    victim.hears(&block(0xd, FOE, 1)).unwrap();
    assert_eq!(victim.core.version().seq(FOE.into()), 1);
}

#[test]
fn a_dependency_that_was_named_before_is_refused() {
    let mut victim = Victim::new().met();
    victim.core.keep_everything();
    let items = Items::new()
        .recorded(Origin::New(0, FOE), 1, &[(Origin::New(1, VICTIM), 1)], &[(wall(), ONE)])
        .begin()
        .recorded(Origin::At(0), 2, &[(Origin::New(2, FRIEND), 1)], &[(wall() + 1, ONE)])
        .recorded(Origin::At(0), 3, &[(Origin::At(2), 1)], &[(wall() + 2, ONE)])
        .commit();
    let error = victim.hears(&items.encode()).unwrap_err();
    let SessionError::Receive(ReceiveError::RepeatedDependency { dot, dependency }) = error else {
        panic!("{error}");
    };
    assert_eq!((dot, dependency), (Dot::new(FOE.into(), 3), Dot::new(FRIEND.into(), 1)));
    victim.assert_kept(&[(FOE, 1)], 1, Reason::Refused);
}

#[test]
fn an_author_that_names_itself_or_an_origin_twice_is_malformed() {
    for seen in [&[(Origin::At(0), 1)][..], &[(Origin::At(1), 1), (Origin::At(1), 1)]] {
        let mut victim = Victim::new();
        victim.hears(&open()).unwrap();
        victim.hears(&wire::digest(&[(FOE, 2), (FRIEND, 1)], &[])).unwrap();
        let items = Items::new().recorded(Origin::At(0), 1, seen, &[(wall(), ONE)]);
        let error = victim.hears(&items.encode()).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn an_author_that_had_seen_more_than_comes_is_malformed() {
    let mut victim = Victim::new().met();
    let mut items = Items::new().encode();
    items.extend([6, 0]);
    items.extend(FOE.to_be_bytes());
    // No attributes, and one entry, the first.
    items.extend([0, 1, 2]);
    wire::number(&mut items, 1 << 40);
    items.extend([0; 64]);
    let error = victim.hears(&items).unwrap_err();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    victim.assert_unhurt(Reason::Malformed);
}

#[test]
fn causes_named_for_a_known_entry_are_ignored() {
    let mut victim = Victim::new().met();
    victim.core.keep_everything();
    let entry = [(wall(), ONE)];
    let items = Items::new().recorded(Origin::New(0, FOE), 1, &[], &entry).recorded(
        Origin::At(0),
        1,
        &[(Origin::New(1, FRIEND), 99)],
        &entry,
    );
    victim.hears(&items.encode()).unwrap();
    let (friends, foes) = (Dot::new(FRIEND.into(), 1), Dot::new(FOE.into(), 1));
    assert_eq!(victim.core.is_before(friends, foes), Ok(false));
}

#[test]
fn a_replica_that_forgets_accepts_causes_and_does_not_relay_them() {
    let mut victim = Victim::new().met();
    let seen = [(Origin::New(1, FRIEND), 1)];
    let items = Items::new().recorded(Origin::New(0, FOE), 1, &seen, &[(wall(), ONE)]);
    victim.hears(&items.encode()).unwrap();
    let (friends, foes) = (Dot::new(FRIEND.into(), 1), Dot::new(FOE.into(), 1));
    let error = victim.core.is_before(friends, foes).unwrap_err();
    assert_eq!(error, OrderError::NotRecorded { dot: foes });
}

#[test]
fn an_entry_that_comes_twice_counts_once() {
    let mut victim = Victim::new().met();
    let entries = entries(3);
    let items = Items::new().run(Origin::New(0, FOE), 1, &borrowed(&entries));
    victim.hears(&items.encode()).unwrap();
    let again = Items::new()
        .run(Origin::At(0), 2, &borrowed(&entries[1..]))
        .begin()
        .run(Origin::At(0), 1, &borrowed(&entries))
        .commit()
        .skip(&[(Origin::At(0), 1, 3)]);
    victim.hears(&again.encode()).unwrap();
    victim.to_foe.close();
    victim.assert_kept(&[(FOE, 3)], 6, Reason::Finished);
}

#[test]
fn an_entry_that_claims_to_be_ours_is_refused() {
    let begun = |items: Items| items.epoch(Origin::New(0, VICTIM), 2, 77);
    let own = |items: Items| items.run(Origin::At(0), 2, &[(wall() + 1, ONE)]);
    let runs = [own(begun(Items::new())), own(begun(Items::new().begin())).commit()];
    let skip = begun(Items::new()).skip(&[(Origin::At(0), 2, 1)]);
    for items in runs.into_iter().chain([skip]) {
        let mut victim = Victim::new().met();
        let error = victim.hears(&items.encode()).unwrap_err();
        let SessionError::Receive(ReceiveError::OwnOrigin { dot }) = error else {
            panic!("{error}");
        };
        assert_eq!((dot.origin, dot.seq), (VICTIM.into(), 2));
        // Whoever hears of its own updates that it has not written goes on under another id.
        assert!(victim.core.needs_new_id());
        victim.core.set_id(0xfe.into());
        victim.assert_unhurt(Reason::Refused);
    }
}

#[test]
fn an_entry_of_the_epoch_that_was_begun_here_is_of_a_fork() {
    let own = |items: Items| items.run(Origin::New(0, VICTIM), 2, &[(wall() + 1, ONE)]);
    let runs = [own(Items::new()), own(Items::new().begin()).commit()];
    let skip = Items::new().skip(&[(Origin::New(0, VICTIM), 2, 1)]);
    for items in runs.into_iter().chain([skip]) {
        let mut victim = Victim::new().met();
        let error = victim.hears(&items.encode()).unwrap_err();
        let dot = Dot::new(VICTIM.into(), 2);
        assert_eq!(error.fork().map(|fork| (fork.dot(), fork.is_ours)), Some((dot, true)));
        assert!(victim.core.needs_new_id());
        victim.core.set_id(0xfe.into());
        victim.assert_unhurt(Reason::Forked { dot });
    }
}

#[test]
fn an_update_that_does_not_decode_is_refused_and_what_came_before_is_kept() {
    let bad: [&[u8]; 3] = [b"", b"\x02\x02", b"\xff\xff\xff"];
    for payload in bad {
        let mut victim = Victim::new().met();
        let run = [(wall(), ONE), (wall() + 1, payload), (wall() + 2, ONE)];
        let items = Items::new().run(Origin::New(0, FOE), 1, &run);
        let error = victim.hears(&items.encode()).unwrap_err();
        let SessionError::Receive(ReceiveError::Decode { dot, .. }) = error else {
            panic!("{error}");
        };
        assert_eq!(dot.seq, 2);
        victim.assert_kept(&[(FOE, 1)], 1, Reason::Refused);
    }
}

#[test]
fn a_time_a_year_ahead_waits_and_is_nowhere_until_then() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let mut victim = Victim::new().met();
    let ahead = (Time::from_ticks(wall()) + YEAR).as_ticks();
    let items = Items::new().run(Origin::New(0, FOE), 1, &[(wall(), ONE), (ahead, ONE)]);
    victim.hears(&items.encode()).unwrap();
    victim.says();
    assert_eq!(victim.to_foe.waiting(), 1);
    assert_eq!(victim.core.version(), version(&[(VICTIM, 1), (FRIEND, 1), (FOE, 1)]));
    assert_eq!(victim.core.latest_time(), Time::from_ticks(wall()));
    victim.passes(YEAR - Duration::from_secs(301));
    assert_eq!(victim.to_foe.waiting(), 1);
    victim.passes(Duration::from_secs(1));
    assert_eq!(victim.to_foe.waiting(), 0);
    assert_eq!(victim.core.version(), version(&[(VICTIM, 1), (FRIEND, 1), (FOE, 2)]));
}

#[test]
fn the_last_of_all_times_is_refused() {
    let mut victim = Victim::new().met();
    let mut run = vec![2, 0, 0];
    run.extend(FOE.to_be_bytes());
    // No attributes, and two entries from the first on.
    run.extend([0, 1, 4]);
    wire::number(&mut run, u64::MAX);
    run.extend([0, 1, 2, 0, 1, 2]);
    let error = victim.hears(&run).unwrap_err();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    victim.assert_unhurt(Reason::Malformed);
}

#[test]
fn a_time_that_parts_two_replicas_is_no_reason_to_refuse_anywhere() {
    // Where the predecessor came as a skip, nobody knows its time. So a time before it must not be refused where the
    // predecessor itself is, or the two could never be joined.
    for (first, second) in [(5, 5), (5, 4), (5, 0), (0, 5)] {
        let entry =
            |seq, after| Items::new().run(Origin::At(0), seq, &[(wall() + after, ONE)]).encode();
        let skip = || Items::new().skip(&[(Origin::At(0), 1, 1)]).encode();
        let told = |messages: &[Vec<u8>]| {
            let mut victim = Victim::new();
            victim.hears(&open()).unwrap();
            victim.hears(&wire::digest(&[(FOE, 2)], &[])).unwrap();
            messages.iter().for_each(|message| victim.hears(message).unwrap());
            victim.core
        };
        let both = told(&[entry(1, first), entry(2, second)]);
        let mut one = told(&[entry(1, first)]);
        one.set_id(0xd.into());
        let other = told(&[skip(), entry(2, second)]);
        let nothing = Core::new(0xb.into(), Counter::default());
        let spare = || Core::new(9.into(), Counter::default());
        let mut cores = [nothing, both, one, other];
        for (from, to) in [(1, 0), (3, 2)] {
            let ends = [from, to].map(|at| std::mem::replace(&mut cores[at], spare()));
            let mut pair = Pair::of(ends);
            pair.connect();
            pair.run_until_quiet();
            assert_eq!(pair.errors, [None, None], "{first} and {second}");
            assert_eq!(pair.cores[1].version().seq(FOE.into()), 2);
            assert_eq!(pair.cores[1].state().unwrap().value(), 122, "each is reduced once");
        }
    }
}

#[test]
fn an_entry_without_a_time_is_refused() {
    let mut victim = Victim::new().met();
    let items = Items::new().run(Origin::New(0, FOE), 1, &[(0, ONE)]);
    let error = victim.hears(&items.encode()).unwrap_err();
    let dot = Dot::new(FOE.into(), 1);
    assert_eq!(error, SessionError::Receive(ReceiveError::NoTime { dot }));
    victim.assert_unhurt(Reason::Refused);
}

#[test]
fn a_run_that_announces_more_entries_than_come_is_malformed() {
    for count in [2, 1 << 40, 1 << 62] {
        let mut victim = Victim::new().met();
        let items = Items::new().run_of(Origin::New(0, FOE), 1, count, &[(wall(), ONE)]);
        let error = victim.hears(&items.encode()).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_kept(&[(FOE, 1)], 1, Reason::Malformed);
    }
}

#[test]
fn an_entry_that_announces_more_bytes_than_come_is_malformed() {
    let mut victim = Victim::new().met();
    let mut items = Items::new().run_of(Origin::New(0, FOE), 1, 1, &[]).encode();
    items.push(0);
    wire::number(&mut items, u64::MAX);
    items.extend([2; 50]);
    let error = victim.hears(&items).unwrap_err();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    victim.assert_unhurt(Reason::Malformed);
}

#[test]
fn an_origin_that_was_not_named_is_malformed() {
    for place in [1, 5, u64::MAX] {
        let mut victim = Victim::new().met();
        let items = Items::new().run(Origin::At(place), 1, &[(wall(), ONE)]);
        let error = victim.hears(&items.encode()).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn an_entry_without_a_run_and_an_unknown_item_are_malformed() {
    for tag in [6, 9, 63] {
        let mut victim = Victim::new().met();
        let error = victim.hears(&[2, tag, 0, 0]).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn an_unknown_kind_of_message_is_malformed() {
    for kind in [0, 11, 63] {
        let mut victim = Victim::new().met();
        let error = victim.hears(&[kind, 1, 2, 3]).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}
