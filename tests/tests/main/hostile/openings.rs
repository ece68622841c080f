//! Openings and digests that are wrong.

use super::*;

#[test]
fn a_peer_with_another_magic_number_is_not_repred() {
    let mut victim = Victim::new();
    let mut open = Open::new(FOE, wall(), &schema());
    open.magic = *b"snob";
    let error = victim.hears(&open.encode()).unwrap_err();
    let start = open.encode()[..16].to_vec();
    assert_eq!(error, SessionError::NotRepred { start });
    victim.assert_unhurt(Reason::Incompatible);
}

#[test]
fn a_peer_with_another_protocol_is_told_which_side_to_upgrade() {
    let mut victim = Victim::new();
    let mut open = Open::new(FOE, wall(), &schema());
    open.protocol = 9;
    let error = victim.hears(&open.encode()).unwrap_err();
    assert_eq!(error, SessionError::Protocol { ours: 2, theirs: 9 });
    assert!(error.to_string().ends_with("upgrade us"), "{error}");
    victim.assert_unhurt(Reason::Incompatible);
}

#[test]
fn an_opening_that_ends_early_is_malformed_at_every_byte() {
    let open = open();
    for end in 0..open.len() {
        let mut victim = Victim::new();
        let error = victim.hears(&open[..end]).unwrap_err();
        let reason = match error {
            SessionError::NotRepred { .. } if end < 5 => Reason::Incompatible,
            SessionError::Malformed { .. } if end >= 5 => Reason::Malformed,
            error => panic!("{error} after {end} bytes"),
        };
        victim.assert_unhurt(reason);
    }
}

#[test]
fn both_sides_of_different_schemas_name_both() {
    let mut pair = Pair::new(Counter::default);
    pair.configs[0].schema = Schema::new("votes", 1);
    pair.configs[1].schema = Schema::new("votes", 2);
    pair.update(0, 1);
    pair.connect();
    pair.run_until_quiet();
    let [a, b] = &pair.errors;
    let (one, two) = (Schema::new("votes", 1), Schema::new("votes", 2));
    let (ours, theirs) = (one.clone(), two.clone());
    assert_eq!(*a, Some(SessionError::Schema { ours, theirs }));
    let (ours, theirs) = (two, one);
    assert_eq!(*b, Some(SessionError::Schema { ours, theirs }));
    assert!(pair.cores[1].version().is_empty());
}

#[test]
fn both_sides_of_different_schemas_name_both_over_a_byte_stream() {
    let replica = |version| {
        let schema = Schema::new("votes", version);
        Replica::builder(Counter::default()).schema(schema).build()
    };
    let mut network = Network::of([replica(1), replica(2)]);
    let link = network.connect(0, 1);
    network.run_until_quiet();
    for ending in network.endings(link) {
        let Some(Err(ConnectionError::Session(SessionError::Schema { ours, theirs }))) = ending
        else {
            panic!("{ending:?}");
        };
        assert_eq!(ours.version() + theirs.version(), 3);
    }
}

#[test]
fn a_peer_with_our_id_is_refused_by_both() {
    let mut network = Network::new(1, |_| Counter::default());
    network.update(0, 1);
    let link = network.connect(0, 0);
    network.run_until_quiet();
    let own = network[0].id().unwrap();
    for ending in network.endings(link) {
        let Some(Err(ConnectionError::Session(SessionError::SameId { id }))) = ending else {
            panic!("{ending:?}");
        };
        assert_eq!(*id, own);
    }
    assert_eq!(network[0].peers().unwrap(), []);
}

#[test]
fn both_sides_of_a_large_clock_difference_can_tell_and_go_on() {
    let mut pair = Pair::new(Counter::default);
    pair.connect();
    pair.pass(Duration::from_secs(301));
    let now = pair.now();
    let config = pair.configs[1].clone();
    let late = Session::new(config, &mut pair.cores[1], now);
    pair.link.as_mut().unwrap().sessions[1] = late;
    // The left one's clock stands five minutes back.
    let opening = |session: &mut Session, core: &mut Core<Counter>, now| {
        let mut message = Vec::new();
        assert!(session.poll_message(core, now, &mut message).unwrap());
        message
    };
    let early = now_at(Duration::ZERO);
    let [left, right] = &mut pair.link.as_mut().unwrap().sessions;
    let [a, b] = &mut pair.cores;
    let (from_a, from_b) = (opening(left, a, early), opening(right, b, now));
    left.handle_message(a, &from_b, early).unwrap();
    right.handle_message(b, &from_a, now).unwrap();
    let (at_a, at_b) = (left.clock_difference().unwrap(), right.clock_difference().unwrap());
    assert_eq!(at_a, ClockDifference { ours: early.wall, theirs: now.wall });
    assert_eq!(at_b, ClockDifference { ours: now.wall, theirs: early.wall });
    assert_eq!(at_a.to_string(), "our clock is 301s behind the other side's");
    assert_eq!(at_b.to_string(), "our clock is 301s ahead of the other side's");
}

#[test]
fn messages_before_the_opening_are_not_repred() {
    let runs = Items::new().run(Origin::New(0, FOE), 1, &[(wall(), ONE)]);
    let messages = [
        runs.encode(),
        wire::digest(&[], &[]),
        wire::ack(&[(0, 1)]),
        wire::PING.to_vec(),
        wire::chunk(b"x"),
        wire::bye(Reason::Finished),
    ];
    for message in messages {
        let mut victim = Victim::new();
        let error = victim.hears(&message).unwrap_err();
        assert!(matches!(error, SessionError::NotRepred { .. }), "{error}");
        victim.assert_unhurt(Reason::Incompatible);
    }
}

#[test]
fn messages_between_the_opening_and_the_digest_are_unexpected() {
    let messages = [
        Items::new().begin().encode(),
        wire::ack(&[(0, 1)]),
        wire::SYNCED.to_vec(),
        wire::snapshot(1, 0, 0, &[]),
        wire::chunk(b"x"),
        wire::adopted(&[]),
        wire::state_digest(0, 0),
        open(),
    ];
    for message in messages {
        let mut victim = Victim::new();
        victim.hears(&open()).unwrap();
        let error = victim.hears(&message).unwrap_err();
        let is_it =
            matches!(error, SessionError::Unexpected { .. } | SessionError::Malformed { .. });
        assert!(is_it, "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn a_second_digest_is_unexpected() {
    let mut victim = Victim::new().met();
    let error = victim.hears(&wire::digest(&[], &[])).unwrap_err();
    assert_eq!(error, SessionError::Unexpected { message: "digest" });
    victim.assert_unhurt(Reason::Malformed);
}

#[test]
fn a_digest_that_claims_too_high_a_seq_is_malformed() {
    for seq in [u64::MAX, (1 << 62) + 1, 1 << 63, 0] {
        let mut victim = Victim::new();
        victim.hears(&open()).unwrap();
        let error = victim.hears(&wire::digest(&[(FOE, seq)], &[]));
        let error = error.unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn a_digest_that_claims_the_highest_seqs_does_no_harm() {
    let mut victim = Victim::new();
    victim.hears(&open()).unwrap();
    let claimed = [(FOE, 1 << 62), (FRIEND, 1 << 62), (0xd, 1 << 62)];
    victim.hears(&wire::digest(&claimed, &[])).unwrap();
    victim.to_foe.close();
    victim.assert_unhurt(Reason::Finished);
}

#[test]
fn a_replica_that_hears_of_unknown_updates_of_its_own_takes_a_new_id() {
    let mut victim = Victim::new();
    victim.hears(&open()).unwrap();
    victim.hears(&wire::digest(&[(VICTIM, 1 << 62)], &[])).unwrap();
    assert!(victim.core.needs_new_id());
    let error = victim.core.update(1, victim.now.wall).unwrap_err();
    assert!(matches!(error, repred::error::UpdateError::IdTaken { id } if id == VICTIM.into()));
    victim.core.set_id(0xaa.into());
    victim.core.update(1, victim.now.wall).unwrap();
    victim.talk_to_friend();
    assert_eq!(victim.friend.state().unwrap().value(), 121);
}

#[test]
fn a_digest_with_more_entries_announced_than_there_are_bytes_is_malformed() {
    let mut victim = Victim::new();
    victim.hears(&open()).unwrap();
    let mut digest = vec![1];
    wire::number(&mut digest, 1 << 40);
    digest.extend([7; 100]);
    let error = victim.hears(&digest).unwrap_err();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    victim.assert_unhurt(Reason::Malformed);
}

/// A victim that listens: whoever connects says first who it is.
fn listener() -> Victim {
    Victim::configured(|config| config.role = Role::Listens)
}

#[test]
fn nothing_is_said_about_us_to_who_has_said_nothing() {
    let mut victim = listener();
    assert_eq!(victim.says(), Vec::<Vec<u8>>::new());
    // Not even that we are there, or why we leave.
    let keep_alive = SessionConfig::for_state::<Counter>().keep_alive;
    victim.now.monotonic = victim.now.monotonic.checked_add(keep_alive * 2).unwrap();
    assert_eq!(victim.says(), Vec::<Vec<u8>>::new());
    let mut other = Open::new(FOE, wall(), &schema());
    other.protocol = 9;
    for noise in
        [&b"GET / HTTP/1.1"[..], &[5], &wire::bye(Reason::Finished), &open()[..20], &other.encode()]
    {
        let mut victim = listener();
        let _ = victim.hears(noise);
        assert_eq!(victim.says(), Vec::<Vec<u8>>::new(), "after {noise:?}");
        assert!(victim.to_foe.is_closed());
    }
    let mut closes = listener();
    closes.to_foe.close();
    assert!(closes.to_foe.is_closed() && closes.says().is_empty());
}

#[test]
fn whoever_names_another_schema_to_a_listener_is_told_only_that_it_will_not_do() {
    let mut victim = listener();
    let error = victim.hears(&Open::new(FOE, wall(), &Schema::new("guess", 0)).encode());
    assert!(matches!(error, Err(SessionError::Schema { .. })), "{error:?}");
    assert_eq!(victim.says(), [wire::bye(Reason::Incompatible)]);
    // Another version of the same is told both versions, as ever.
    let mut victim = listener();
    let other = Schema::new(schema().name(), 7);
    assert!(victim.hears(&Open::new(FOE, wall(), &other).encode()).is_err());
    assert_eq!(victim.says().len(), 2);
}

#[test]
fn a_listener_answers_whoever_says_first_and_two_that_listen_are_told() {
    let mut pair = Pair::new(Counter::default);
    pair.configs[LEFT].role = Role::Listens;
    pair.update(LEFT, 1);
    pair.update(RIGHT, 2);
    pair.connect();
    pair.run_until_quiet();
    pair.assert_converged();

    let mut victim = listener();
    let timeout = SessionConfig::for_state::<Counter>().timeout;
    let next = victim.to_foe.poll_timeout().unwrap();
    assert_eq!(Some(next), victim.now.monotonic.checked_add(timeout), "no ping is due before");
    victim.now.monotonic = next;
    let error = victim.to_foe.handle_timeout(victim.now).unwrap_err();
    assert_eq!(error, SessionError::NobodyBegan { timeout });
    assert!(error.to_string().contains("let one of the two connect"), "{error}");
}

#[test]
fn a_refusal_by_a_listener_is_told_by_its_reason() {
    let mut victim = Victim::new();
    let error = victim.hears(&wire::bye(Reason::Incompatible)).unwrap_err();
    assert_eq!(error, SessionError::Peer(Reason::Incompatible));
}
