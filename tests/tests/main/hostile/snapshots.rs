//! Snapshots that are wrong, and what goes the wrong way.

use super::*;

fn snapshot_of(value: i64) -> (Vec<u8>, u128) {
    let mut core = Core::new(0xd.into(), Counter::default());
    core.update(value, Time::from_ticks(wall())).unwrap();
    let snapshot = core.snapshot().unwrap();
    (snapshot.state().to_vec(), core.state_digest().unwrap())
}

#[test]
fn a_snapshot_cannot_take_away_what_we_wrote_ourselves_and_sent_to_nobody() {
    let (state, digest) = snapshot_of(77);
    for own in [1, 2, 1 << 62] {
        let mut victim = Victim::new().met();
        let head = wire::snapshot(state.len() as u64, digest, wall(), &[(FOE, 1), (VICTIM, own)]);
        victim.hears(&head).unwrap();
        let error = victim.hears(&wire::chunk(&state)).unwrap_err();
        let dot = Dot::new(VICTIM.into(), 1);
        assert_eq!(error, SessionError::Adopt(AdoptError::NotShown { dot }), "up to {own}");
        victim.assert_unhurt(Reason::Refused);
    }
}

#[test]
fn a_snapshot_that_has_not_seen_what_we_wrote_leaves_it_on_top() {
    let mut victim = Victim::new().met();
    let (state, digest) = snapshot_of(77);
    let head = wire::snapshot(state.len() as u64, digest, wall(), &[(FOE, 1)]);
    victim.hears(&head).unwrap();
    victim.hears(&wire::chunk(&state)).unwrap();
    assert_eq!(victim.core.state().unwrap().value(), 197);
}

#[test]
fn a_snapshot_written_by_hand_is_adopted() {
    let mut victim = Victim::new().met();
    let (state, digest) = snapshot_of(77);
    let seen = [(FOE, 9), (FRIEND, 1)];
    let head = wire::snapshot(state.len() as u64, digest, wall(), &seen);
    victim.hears(&head).unwrap();
    let (front, back) = state.split_at(state.len() / 2);
    for part in [front, back].into_iter().filter(|part| !part.is_empty()) {
        victim.hears(&wire::chunk(part)).unwrap();
    }
    assert_eq!(victim.core.state().unwrap().value(), 177, "and what we wrote, on top");
    assert_eq!(victim.core.version(), version(&[(FOE, 9), (FRIEND, 1), (VICTIM, 1)]));
}

#[test]
fn a_snapshot_other_than_announced_is_refused() {
    let (state, digest) = snapshot_of(77);
    let head = |size, digest| wire::snapshot(size, digest, wall(), &[(FOE, 9)]);
    let len = state.len() as u64;
    let mut longer = state.clone();
    longer.push(0);
    let wrong = [
        vec![head(len, digest ^ 1), wire::chunk(&state)],
        vec![head(len, digest), wire::chunk(&longer)],
        vec![head(len + 9, digest), wire::chunk(b"")],
        vec![head(len + 9, digest), head(len, digest)],
        vec![head(len + 9, digest), Items::new().begin().encode()],
        vec![wire::chunk(&state)],
        vec![Items::new().begin().encode(), head(len, digest)],
    ];
    for (index, messages) in wrong.into_iter().enumerate() {
        let mut victim = Victim::new().met();
        let (last, first) = messages.split_last().unwrap();
        for message in first {
            victim.hears(message).unwrap();
        }
        let error = victim.hears(last).unwrap_err();
        let is_it = matches!(error, SessionError::Malformed { .. });
        assert!(is_it, "{error}, in case {index}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn a_snapshot_over_the_limit_is_refused_at_its_header() {
    for size in [1001, u64::MAX] {
        let mut victim = Victim::configured(|config| config.limits.snapshot_bytes = 1000).met();
        let error = victim.hears(&wire::snapshot(size, 0, wall(), &[(FOE, 1)]));
        let (error, limit) = (error.unwrap_err(), 1000);
        assert_eq!(error, SessionError::SnapshotTooLarge { size, limit });
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn a_snapshot_whose_state_does_not_decode_is_refused() {
    // The digest of these bytes, which are no counter: a set of that many strings.
    let mut set = Core::new(1.into(), GrowSet::default());
    let now = Time::from_ticks(wall());
    for word in ["to", "be", "or", "not", "to be, that is the question"] {
        set.update(word.to_string(), now).unwrap();
    }
    let (state, digest) = (set.snapshot().unwrap(), set.state_digest().unwrap());
    let state = state.state();
    let mut victim = Victim::new().met();
    let seen = [(FOE, 9)];
    let head = wire::snapshot(state.len() as u64, digest, wall(), &seen);
    victim.hears(&head).unwrap();
    let error = victim.hears(&wire::chunk(state)).unwrap_err();
    let is_it = matches!(error, SessionError::Adopt(AdoptError::Decode(_)));
    assert!(is_it, "{error}");
    victim.assert_unhurt(Reason::Refused);
}

#[test]
fn a_snapshot_from_the_future_waits_for_its_time() {
    let mut victim = Victim::new().met();
    let (state, digest) = snapshot_of(77);
    let hour = Duration::from_secs(3600);
    let ahead = (Time::from_ticks(wall()) + hour).as_ticks();
    let head = wire::snapshot(state.len() as u64, digest, ahead, &[(FOE, 9)]);
    victim.hears(&head).unwrap();
    victim.hears(&wire::chunk(&state)).unwrap();
    assert_eq!(victim.to_foe.waiting(), 1);
    assert!(victim.core.floor().is_empty());
    let wait = hour - Duration::from_secs(300);
    victim.passes(wait - Duration::from_secs(1));
    assert_eq!(victim.to_foe.waiting(), 1);
    victim.passes(Duration::from_secs(1));
    assert_eq!(victim.to_foe.waiting(), 0);
    assert_eq!(victim.core.floor(), version(&[(FOE, 9)]));
    // Its own update and that of its friend are on top.
    assert_eq!(victim.core.state().unwrap().value(), 77 + 120);
}

#[test]
fn adopting_a_snapshot_that_was_never_sent_is_unexpected() {
    // It would be a way to make us remember any number of made-up origins.
    let mut victim = Victim::new().met();
    let error = victim.hears(&wire::adopted(&[(0xd, 5)])).unwrap_err();
    assert_eq!(error, SessionError::Unexpected { message: "adopted" });
    victim.assert_unhurt(Reason::Malformed);
}

#[test]
fn entries_from_a_peer_that_said_it_sends_none_are_unexpected() {
    let mut victim = Victim::new();
    let mut open = Open::new(FOE, wall(), &schema());
    open.flags = 0b10;
    victim.hears(&open.encode()).unwrap();
    victim.hears(&wire::digest(&[], &[])).unwrap();
    let items = Items::new().run(Origin::New(0, FOE), 1, &[(wall(), ONE)]);
    let error = victim.hears(&items.encode()).unwrap_err();
    assert_eq!(error, SessionError::Unexpected { message: "items" });
    victim.assert_unhurt(Reason::Malformed);
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let mut victim = Victim::configured(|config| config.limits.message_bytes = 2000).met();
    let error = victim.hears(&vec![5; 2001]).unwrap_err();
    let (size, limit) = (2001, 2000);
    assert_eq!(error, SessionError::MessageTooLarge { size, limit });
    victim.assert_unhurt(Reason::Malformed);
}
