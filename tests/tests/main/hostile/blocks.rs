//! Skips and blocks that are wrong.

use super::*;

#[test]
fn a_skip_of_too_many_seqs_is_malformed() {
    for (first, count) in [(1, 1 << 63), (1, (1 << 62) + 1), (2, 1 << 62), (1, 0), (0, 5)] {
        let mut victim = Victim::new().met();
        let items = Items::new().skip(&[(Origin::New(0, FOE), first, count)]);
        let error = victim.hears(&items.encode()).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn a_skip_of_what_its_sender_has_not_shown_to_know_is_refused() {
    let skips = [
        Items::new().skip(&[(Origin::New(0, 0xd), 1, 1 << 62)]),
        Items::new().skip(&[(Origin::New(0, FRIEND), 2, 1 << 40)]),
        Items::new().begin().skip(&[(Origin::New(0, 0xd), 1, 1 << 30)]).commit(),
        // An entry after it shows no more than itself.
        Items::new()
            .begin()
            .run(Origin::New(0, 0xd), 1, &[(wall(), ONE)])
            .skip(&[(Origin::At(0), 2, 1 << 30)])
            .commit(),
    ];
    for items in skips {
        let mut victim = Victim::new().met();
        let error = victim.hears(&items.encode()).unwrap_err();
        let is_it = matches!(error, SessionError::Receive(ReceiveError::NotShown { .. }));
        assert!(is_it, "{error}");
        // What the friend writes next is not taken for known.
        victim.assert_unhurt(Reason::Refused);
    }
}

#[test]
fn a_skip_of_what_an_entry_behind_it_in_its_block_shows_is_accepted() {
    let mut victim = Victim::new().met();
    let items = Items::new()
        .begin()
        .skip(&[(Origin::New(0, 0xd), 1, 1 << 30)])
        .run(Origin::At(0), (1 << 30) + 1, &[(wall(), ONE)])
        .commit();
    victim.hears(&items.encode()).unwrap();
    victim.to_foe.close();
    victim.assert_kept(&[(0xd, (1 << 30) + 1)], 1, Reason::Finished);
}

#[test]
fn a_skip_of_as_many_seqs_as_there_can_be_is_passed_on_where_it_is_shown() {
    let mut victim = Victim::new();
    victim.hears(&open()).unwrap();
    victim.hears(&wire::digest(&[(FOE, 1 << 62)], &[])).unwrap();
    let items = Items::new().skip(&[(Origin::At(0), 1, 1 << 62)]);
    victim.hears(&items.encode()).unwrap();
    let beyond = Items::new().run(Origin::At(0), (1 << 62) + 1, &[(wall(), ONE)]);
    let error = victim.hears(&beyond.encode()).unwrap_err();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    // The friend had not heard of it when the two met. When they meet again, it does.
    let mut pair = Pair::of([victim.core, victim.friend]);
    pair.connect();
    pair.run_until_quiet();
    pair.assert_converged();
    assert_eq!(pair.cores[1].version(), version(&[(VICTIM, 1), (FRIEND, 1), (FOE, 1 << 62)]));
}

#[test]
fn a_skip_of_one_origin_in_many_parts_is_one_skip() {
    let mut victim = Victim::new().met();
    let parts: Vec<_> = (0..40).map(|i| (Origin::At(0), i * 5 + 1, 5)).collect();
    let mut ranges = vec![(Origin::New(0, FOE), 1, 5)];
    ranges.extend(&parts[1..]);
    ranges.push((Origin::New(1, 0xd), 1, 9));
    victim.hears(&Items::new().skip(&ranges).encode()).unwrap();
    let more = Items::new().skip(&[(Origin::At(0), 190, 21), (Origin::At(1), 10, 1)]);
    victim.hears(&more.encode()).unwrap();
    // And an entry after them, which must be found by those who have the skips.
    let entry = Items::new().run(Origin::At(0), 211, &[(wall(), ONE)]);
    victim.hears(&entry.encode()).unwrap();
    victim.to_foe.close();
    victim.assert_kept(&[(FOE, 211), (0xd, 10)], 1, Reason::Finished);
    // Whoever stands anywhere in the middle is brought up to date too.
    for (foe, other) in [(0, 0), (3, 0), (5, 9), (100, 10), (199, 3), (200, 10), (210, 9)] {
        let mut reader = Core::new(0xb.into(), Counter::default());
        let mut pieces = Vec::new();
        if foe > 0 {
            pieces.push((Origin::New(0, FOE), 1, foe));
        }
        if other > 0 {
            let place = u64::from(foe > 0);
            pieces.push((Origin::New(place, 0xd), 1, other));
        }
        let now = victim.now;
        let config = SessionConfig::for_state::<Counter>();
        if !pieces.is_empty() {
            let mut session = Session::new(config.clone(), &mut reader, now);
            for message in [open(), wire::digest(&[], &[]), Items::new().skip(&pieces).encode()] {
                session.handle_message(&mut reader, &message, now).unwrap();
            }
        }
        let mut pair = Pair::of([
            std::mem::replace(&mut victim.core, Core::new(9.into(), Counter::default())),
            reader,
        ]);
        pair.connect();
        pair.run_until_quiet();
        assert_eq!(pair.errors, [None, None], "from {foe} and {other}");
        assert_eq!(pair.cores[0].version(), pair.cores[1].version());
        let [core, _] = pair.cores;
        victim.core = core;
    }
}

#[test]
fn a_skip_that_overlaps_what_is_known_is_taken_from_where_it_is_new() {
    let mut victim = Victim::new().met();
    let items = Items::new()
        .run(Origin::New(0, FOE), 1, &[(wall(), ONE)])
        .skip(&[(Origin::At(0), 1, 3), (Origin::At(0), 2, 6)]);
    victim.hears(&items.encode()).unwrap();
    victim.to_foe.close();
    victim.assert_kept(&[(FOE, 7)], 1, Reason::Finished);
}

#[test]
fn a_skip_with_a_gap_is_refused_whole() {
    let mut victim = Victim::new().met();
    let ranges = [(Origin::New(0, FOE), 1, 3), (Origin::New(1, 0xd), 2, 3)];
    let error = victim.hears(&Items::new().skip(&ranges).encode()).unwrap_err();
    let is_gap = matches!(error, SessionError::Receive(ReceiveError::Gap { .. }));
    assert!(is_gap, "{error}");
    victim.assert_unhurt(Reason::Refused);
}

#[test]
fn blocks_that_do_not_nest_are_malformed() {
    let wrong = [
        Items::new().commit(),
        Items::new().abandon(),
        Items::new().begin().begin(),
        Items::new().begin().commit().commit(),
        Items::new().edit(Origin::New(0, FOE), 1, 2),
    ];
    for items in wrong {
        let mut victim = Victim::new().met();
        let error = victim.hears(&items.encode()).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn an_abandoned_or_unfinished_block_changes_nothing() {
    for is_abandoned in [false, true] {
        let mut victim = Victim::new().met();
        let mut items =
            Items::new().begin().run(Origin::New(0, FOE), 1, &[(wall(), ONE), (wall() + 1, ONE)]);
        if is_abandoned {
            items = items.abandon();
        }
        victim.hears(&items.encode()).unwrap();
        victim.to_foe.close();
        victim.assert_unhurt(Reason::Finished);
    }
}

#[test]
fn a_block_over_the_limit_is_refused_for_any_kind_of_content() {
    let limit = 64 << 10;
    let payload = vec![0; 1000];
    let large = Items::new().begin().run(Origin::New(0, FOE), 1, &[(wall(), &payload)]);
    let many: Vec<_> = (0..2000).map(|_| (Origin::At(0), 1, 1)).collect();
    let mut skips = Items::new().begin().skip(&[(Origin::New(0, FOE), 1, 1)]);
    for _ in 0..70 {
        skips = skips.skip(&many[..1]);
    }
    let edits = (0..4000).fold(Items::new().begin().edit(Origin::New(0, FOE), 1, 1), |items, _| {
        items.edit(Origin::At(0), 1, 1)
    });
    let repeat = Items::new().run(Origin::At(0), 2, &[(wall() + 1, &payload)]);
    for (first, again) in [
        (large, repeat),
        (skips, Items::new().skip(&many)),
        (edits, Items::new().edit(Origin::At(0), 1, 1)),
    ] {
        let mut victim = Victim::configured(|config| config.limits.block_bytes = limit).met();
        let mut heard = victim.hears(&first.encode());
        let again = again.encode();
        for _ in 0..100 {
            heard = heard.and_then(|()| victim.hears(&again));
        }
        let error = heard.expect_err("a hundred messages of a block are too much");
        assert_eq!(error, SessionError::BlockTooLarge { limit });
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn naming_very_many_origins_costs_little() {
    // Tens of thousands of skips in one message; quadratic work would take minutes.
    let mut victim = Victim::new().met();
    let ids = 0..34_000_u64;
    let ranges: Vec<_> = ids.map(|i| (Origin::New(i, u128::from(i) + 1000), 1, 1)).collect();
    let items = Items::new().begin().skip(&ranges).abandon();
    victim.hears(&items.encode()).unwrap();
    victim.to_foe.close();
    victim.assert_unhurt(Reason::Finished);
}

#[test]
fn repeated_acknowledgements_cost_little() {
    let mut victim = Victim::new();
    let ranges: Vec<_> =
        (0..20_000_u64).map(|i| (Origin::New(i, u128::from(i) + 1000), 1, 1)).collect();
    let config = SessionConfig::for_state::<Counter>();
    let mut teacher = Session::new(config.clone(), &mut victim.core, victim.now);
    for message in [open(), wire::digest(&[], &[]), Items::new().skip(&ranges).encode()] {
        let heard = teacher.handle_message(&mut victim.core, &message, victim.now);
        heard.unwrap();
    }
    victim.to_foe = Session::new(config, &mut victim.core, victim.now);
    let mut victim = victim.met();
    victim.says();
    // The last place of the table, hundreds of thousands of times.
    let acks = vec![(20_001, 1); 300_000];
    victim.hears(&wire::ack(&acks)).unwrap();
}

#[test]
fn an_acknowledgement_of_an_origin_we_have_not_named_is_malformed() {
    for place in [2, 100, u64::from(u32::MAX), u64::MAX] {
        let mut victim = Victim::new().met();
        victim.says();
        let error = victim.hears(&wire::ack(&[(place, 1)])).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn acknowledging_too_much_harms_only_the_liar() {
    let mut victim = Victim::new().met();
    victim.says();
    victim.hears(&wire::ack(&[(0, 1 << 62), (1, 1 << 62)])).unwrap();
    assert_eq!(victim.to_foe.lag(&victim.core), Some(0));
    victim.to_foe.close();
    victim.assert_unhurt(Reason::Finished);
}

#[test]
fn what_may_depend_on_a_part_of_a_block_that_waits_for_its_time_waits_too() {
    const OTHER: u128 = 0xd;
    let mut victim = Victim::new().met();
    let second = 1_000_000 * Time::TICKS_PER_MICRO;
    let (near, far) = (wall() + 290 * second, wall() + 310 * second);
    let block = Items::new().begin().run(Origin::New(0, FOE), 1, &[(near, ONE), (far, ONE)]);
    victim.hears(&block.commit().encode()).unwrap();
    let later = Items::new().run(Origin::New(1, OTHER), 1, &[(near + 1, ONE)]);
    victim.hears(&later.encode()).unwrap();
    victim.says();
    assert_eq!(victim.to_foe.waiting(), 2);
    assert_eq!(victim.core.version(), version(&[(VICTIM, 1), (FRIEND, 1)]));
    victim.passes(Duration::from_secs(10));
    assert_eq!(victim.to_foe.waiting(), 0);
    assert_eq!(victim.core.version(), version(&[(VICTIM, 1), (FRIEND, 1), (FOE, 2), (OTHER, 1)]));
}
