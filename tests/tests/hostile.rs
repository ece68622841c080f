//! What a replica does when the other side errs or lies: a typed error, what was good is kept, all else
//! is as before, and its other conversations go on.

use std::{
    collections::BTreeMap,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    AsyncRead, AsyncWriteExt,
    executor::block_on,
    future::{Either, pending, select},
};
use repred::{
    AdoptError, ConnectionError, Core, Counter, Dot, GrowSet, Now, OrderError, Pipe, Reason,
    ReceiveError, Replica, Schema, Sending, Session, SessionConfig, SessionError, Time,
    VersionVector, pipe,
};
use repred_tests::{
    Chance, Driven, LEFT, Network, Pair, RIGHT, now_at,
    wire::{self, Items, Open, Origin},
};

const VICTIM: u128 = 0xa;
const FRIEND: u128 = 0xf;
const FOE: u128 = 0xe;

/// A replica with a friend, with whom it converses all the time, and a foe.
struct Victim {
    core: Core<Counter>,
    friend: Core<Counter>,
    to_friend: Session,
    to_victim: Session,
    to_foe: Session,
    now: Now,
}

fn wall() -> u64 {
    now_at(Duration::ZERO).wall.as_micros()
}

fn schema() -> Schema {
    SessionConfig::for_state::<Counter>().schema
}

fn open() -> Vec<u8> {
    Open::new(FOE, wall(), &schema()).encode()
}

fn version(seqs: &[(u128, u64)]) -> VersionVector {
    seqs.iter().map(|&(id, seq)| (id.into(), seq)).collect()
}

impl Victim {
    /// It has seen 100 from itself and 20 from its friend.
    fn new() -> Self {
        Self::configured(|_| {})
    }

    fn configured(configure: impl FnOnce(&mut SessionConfig)) -> Self {
        let now = now_at(Duration::ZERO);
        let mut core = Core::new(VICTIM.into(), Counter::default());
        let mut friend = Core::new(FRIEND.into(), Counter::default());
        let config = SessionConfig::for_state::<Counter>();
        let to_friend = Session::new(config.clone(), &mut core, now);
        let to_victim = Session::new(config.clone(), &mut friend, now);
        core.update(100, now.wall).unwrap();
        friend.update(20, now.wall).unwrap();
        let mut hostile_config = config;
        configure(&mut hostile_config);
        let to_foe = Session::new(hostile_config.clone(), &mut core, now);
        let mut victim = Self { core, friend, to_friend, to_victim, to_foe, now };
        victim.talk_to_friend();
        victim.to_foe = Session::new(hostile_config, &mut victim.core, now);
        victim
    }

    /// After the opening and the digest of a foe that has seen nothing.
    fn met(mut self) -> Self {
        self.hears(&open()).unwrap();
        self.hears(&wire::digest(&[], &[])).unwrap();
        self
    }

    fn hears(&mut self, message: &[u8]) -> Result<(), SessionError> {
        self.to_foe.handle_message(&mut self.core, message, self.now)
    }

    /// What the foe is told.
    fn says(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        loop {
            let mut message = Vec::new();
            match self.to_foe.poll_message(&mut self.core, self.now, &mut message) {
                Ok(true) => messages.push(message),
                _ => return messages,
            }
        }
    }

    fn talk_to_friend(&mut self) {
        for _ in 0..1000 {
            let mut message = Vec::new();
            let (core, friend, now) = (&mut self.core, &mut self.friend, self.now);
            if self.to_friend.poll_message(core, now, &mut message).unwrap() {
                self.to_victim.handle_message(friend, &message, now).unwrap();
            } else if self.to_victim.poll_message(friend, now, &mut message).unwrap() {
                self.to_friend.handle_message(core, &message, now).unwrap();
            } else {
                return;
            }
        }
        panic!("the conversation with the friend does not come to an end");
    }

    /// Fails unless the foe has left no trace but this of what it said, and was told the reason.
    #[track_caller]
    fn assert_kept(&mut self, seen: &[(u128, u64)], sum: i128, reason: Reason) {
        let told = self.says().pop();
        assert_eq!(told, Some(wire::bye(reason as u8)), "what the foe is told");
        assert!(self.to_foe.is_closed());
        let before = [&[(VICTIM, 1), (FRIEND, 1)], seen].concat();
        assert_eq!(self.core.version(), version(&before));
        assert_eq!(self.core.state().unwrap().value(), 120 + sum);
        // Others notice nothing.
        self.friend.update(3, self.now.wall).unwrap();
        self.core.update(1000, self.now.wall).unwrap();
        self.talk_to_friend();
        assert_eq!(self.core.state().unwrap().value(), 1123 + sum);
        assert_eq!(self.friend.state().unwrap().value(), 1123 + sum);
        assert_eq!(self.friend.version(), self.core.version());
    }

    #[track_caller]
    fn assert_unhurt(&mut self, reason: Reason) {
        self.assert_kept(&[], 0, reason);
    }
}

/// Entries of the foe, counted from its first, worth 1, 2, 3, ..
fn entries(count: usize) -> Vec<(u64, Vec<u8>)> {
    (0..count).map(|i| (wall() + i as u64, wire::signed(i as i64 + 1))).collect()
}

fn borrowed(entries: &[(u64, Vec<u8>)]) -> Vec<(u64, &[u8])> {
    entries.iter().map(|(time, payload)| (*time, &**payload)).collect()
}

const ONE: &[u8] = &[2];

// ---- the format ----

#[test]
fn messages_written_by_hand_are_taken_in() {
    let mut victim = Victim::new().met();
    let entries = entries(3);
    let items = Items::new().run(Origin::New(0, FOE), 1, &borrowed(&entries));
    victim.hears(&items.encode()).unwrap();
    let block = Items::new()
        .begin()
        .edit(Origin::At(0), 4, 2)
        .run(Origin::At(0), 4, &[(wall() + 10, ONE), (wall() + 11, ONE)])
        .skip(&[(Origin::New(1, 0xd), 1, 7)])
        .commit();
    victim.hears(&block.encode()).unwrap();
    victim.hears(&wire::SYNCED).unwrap();
    assert!(victim.to_foe.is_synced());
    assert_eq!(victim.core.state().unwrap().value(), 128);
    let seen = [(VICTIM, 1), (FRIEND, 1), (FOE, 5), (0xd, 7)];
    assert_eq!(victim.core.version(), version(&seen));
    let said = victim.says();
    assert_eq!(said[2], wire::ack(&[(0, 5), (1, 7)]));
}

#[test]
fn what_a_replica_says_is_what_is_written_by_hand() {
    let mut victim = Victim::new().met();
    let said = victim.says();
    let hash = said[0][22..38].try_into().unwrap();
    let mut expected = Open::new(VICTIM, wall(), &schema());
    expected.version_hash = u128::from_le_bytes(hash);
    assert_eq!(said[0], expected.encode());
    assert_eq!(said[1], wire::digest(&[(VICTIM, 1), (FRIEND, 1)], &[]));
    let runs = Items::new().run(Origin::At(0), 1, &[(wall(), &wire::signed(100))]).run(
        Origin::At(1),
        1,
        &[(wall(), &wire::signed(20))],
    );
    assert_eq!(said[2], runs.encode());
    assert_eq!(said[3], wire::SYNCED);
    assert_eq!(said.len(), 4);
}

#[test]
fn what_a_replica_that_keeps_everything_says_is_what_is_written_by_hand() {
    let now = now_at(Duration::ZERO);
    let mut author = Core::new(VICTIM.into(), Counter::default());
    author.keep_everything();
    author.update(1, now.wall).unwrap();
    author.set_id(FRIEND.into());
    author.update(1, now.wall).unwrap();
    author.update(1, now.wall).unwrap();
    let mut session = Session::new(SessionConfig::for_state::<Counter>(), &mut author, now);
    session.handle_message(&mut author, &open(), now).unwrap();
    session.handle_message(&mut author, &wire::digest(&[], &[]), now).unwrap();
    let mut said = vec![Vec::new(); 3];
    for message in &mut said {
        assert!(session.poll_message(&mut author, now, message).unwrap());
    }
    let runs = Items::new().recorded(Origin::At(0), 1, &[], &[(wall(), ONE)]).recorded(
        Origin::At(1),
        1,
        &[(Origin::At(0), 1)],
        &[(wall() + 1, ONE), (wall() + 2, ONE)],
    );
    // The second of one length needs no length.
    let mut runs = runs.encode();
    runs.truncate(runs.len() - 3);
    runs.extend([1, ONE[0]]);
    assert_eq!(said[2], runs);
}

// ---- openings ----

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
    assert_eq!(error, SessionError::Protocol { ours: 1, theirs: 9 });
    assert!(error.to_string().ends_with("upgrade us"), "{error}");
    victim.assert_unhurt(Reason::Incompatible);
}

#[test]
fn an_opening_that_ends_early_is_malformed_at_every_byte() {
    let open = open();
    let numbers_end = open.len() - schema().name().len();
    for end in 0..numbers_end {
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
fn both_sides_of_a_large_clock_drift_name_it() {
    let mut pair = Pair::new(Counter::default);
    pair.connect();
    pair.pass(Duration::from_secs(301));
    let now = pair.now();
    let config = pair.configs[1].clone();
    let late = Session::new(config, &mut pair.cores[1], now);
    pair.sessions.as_mut().unwrap()[1] = late;
    // The left one's clock stands five minutes back.
    let opening = |session: &mut Session, core: &mut Core<Counter>, now| {
        let mut message = Vec::new();
        assert!(session.poll_message(core, now, &mut message).unwrap());
        message
    };
    let early = now_at(Duration::ZERO);
    let [left, right] = pair.sessions.as_mut().unwrap();
    let [a, b] = &mut pair.cores;
    let (from_a, from_b) = (opening(left, a, early), opening(right, b, now));
    let at_a = left.handle_message(a, &from_b, early).unwrap_err();
    let at_b = right.handle_message(b, &from_a, now).unwrap_err();
    let (ours, theirs) = (early.wall, now.wall);
    assert_eq!(at_a, SessionError::ClockDrift { ours, theirs });
    let (ours, theirs) = (now.wall, early.wall);
    assert_eq!(at_b, SessionError::ClockDrift { ours, theirs });
    assert!(at_a.to_string().contains("301"), "{at_a}");
    assert!(at_b.to_string().contains("301"), "{at_b}");
}

#[test]
fn messages_before_the_opening_are_no_repred() {
    let runs = Items::new().run(Origin::New(0, FOE), 1, &[(wall(), ONE)]);
    let messages = [
        runs.encode(),
        wire::digest(&[], &[]),
        wire::ack(&[(0, 1)]),
        wire::PING.to_vec(),
        wire::chunk(b"x"),
        wire::bye(0),
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

// ---- digests ----

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
fn who_hears_of_updates_under_its_own_id_writes_no_more_under_it() {
    let mut victim = Victim::new();
    victim.hears(&open()).unwrap();
    victim.hears(&wire::digest(&[(VICTIM, 1 << 62)], &[])).unwrap();
    assert!(victim.core.needs_new_id());
    let error = victim.core.update(1, victim.now.wall).unwrap_err();
    assert!(matches!(error, repred::UpdateError::IdTaken { id } if id == VICTIM.into()));
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

// ---- entries ----

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
fn what_an_author_had_seen_has_to_come_before() {
    let mut victim = Victim::new().met();
    let items = Items::new()
        .recorded(Origin::New(0, FOE), 1, &[(Origin::New(1, VICTIM), 1)], &[(wall(), ONE)])
        .recorded(Origin::At(0), 2, &[(Origin::New(2, FRIEND), 2)], &[(wall() + 1, ONE)]);
    let error = victim.hears(&items.encode()).unwrap_err();
    let SessionError::Receive(ReceiveError::SeenTooMuch { dot, seen }) = error else {
        panic!("{error}");
    };
    assert_eq!((dot, seen), (Dot::new(FOE.into(), 2), Dot::new(FRIEND.into(), 2)));
    victim.assert_kept(&[(FOE, 1)], 1, Reason::Refused);
}

#[test]
fn what_an_author_had_seen_may_come_before_in_the_same_block() {
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
    let is_too_much = matches!(error, SessionError::Receive(ReceiveError::SeenTooMuch { .. }));
    assert!(is_too_much, "{error}");
    victim.assert_unhurt(Reason::Refused);
    let mut victim = Victim::new().met();
    victim.hears(&block(0xd, FOE, 1)).unwrap();
    assert_eq!(victim.core.version().seq(FOE.into()), 1);
}

#[test]
fn what_an_author_had_seen_is_new_once() {
    let mut victim = Victim::new().met();
    victim.core.keep_everything();
    let items = Items::new()
        .recorded(Origin::New(0, FOE), 1, &[(Origin::New(1, VICTIM), 1)], &[(wall(), ONE)])
        .begin()
        .recorded(Origin::At(0), 2, &[(Origin::New(2, FRIEND), 1)], &[(wall() + 1, ONE)])
        .recorded(Origin::At(0), 3, &[(Origin::At(2), 1)], &[(wall() + 2, ONE)])
        .commit();
    let error = victim.hears(&items.encode()).unwrap_err();
    let SessionError::Receive(ReceiveError::SeenBefore { dot, seen }) = error else {
        panic!("{error}");
    };
    assert_eq!((dot, seen), (Dot::new(FOE.into(), 3), Dot::new(FRIEND.into(), 1)));
    victim.assert_kept(&[(FOE, 1)], 1, Reason::Refused);
}

#[test]
fn an_author_that_names_itself_or_another_twice_is_malformed() {
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
    items.extend([1, 1]);
    wire::number(&mut items, 1 << 40);
    items.extend([0; 64]);
    let error = victim.hears(&items).unwrap_err();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    victim.assert_unhurt(Reason::Malformed);
}

#[test]
fn what_is_told_of_an_entry_that_is_known_does_not_count() {
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
fn who_forgets_takes_in_what_was_recorded_and_does_not_tell() {
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
    let own = |items: Items| items.run(Origin::New(0, VICTIM), 2, &[(wall() + 1, ONE)]);
    let runs = [own(Items::new()), own(Items::new().begin()).commit()];
    let skip = Items::new().skip(&[(Origin::New(0, VICTIM), 2, 1)]);
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
fn a_time_a_year_ahead_is_refused_with_how_long_to_wait() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let mut victim = Victim::new().met();
    let ahead = wall() + YEAR.as_micros() as u64;
    let items = Items::new().run(Origin::New(0, FOE), 1, &[(wall(), ONE), (ahead, ONE)]);
    let error = victim.hears(&items.encode()).unwrap_err();
    let SessionError::Receive(ReceiveError::TooFarAhead { stamp, wait }) = &error else {
        panic!("{error}");
    };
    assert_eq!(stamp.dot.seq, 2);
    assert_eq!(*wait, YEAR - Duration::from_secs(300));
    assert!(error.to_string().contains(&format!("{wait:?}")), "{error}");
    victim.assert_kept(&[(FOE, 1)], 1, Reason::Clock);
}

#[test]
fn the_last_of_all_times_is_refused() {
    let mut victim = Victim::new().met();
    let mut run = vec![2, 0, 0];
    run.extend(FOE.to_be_bytes());
    run.extend([1, 2]);
    wire::number(&mut run, u64::MAX);
    run.extend([0, 1, 2, 0, 1, 2]);
    let error = victim.hears(&run).unwrap_err();
    let is_it = matches!(
        error,
        SessionError::Receive(ReceiveError::TooFarAhead { .. }) | SessionError::Malformed { .. }
    );
    assert!(is_it, "{error}");
    let reason = match error {
        SessionError::Malformed { .. } => Reason::Malformed,
        _ => Reason::Clock,
    };
    victim.assert_unhurt(reason);
}

#[test]
fn a_time_that_does_not_increase_is_refused() {
    let mut victim = Victim::new().met();
    let items = Items::new().run(Origin::New(0, FOE), 1, &[(wall() + 5, ONE)]).run(
        Origin::At(0),
        2,
        &[(wall() + 5, ONE)],
    );
    let error = victim.hears(&items.encode()).unwrap_err();
    let SessionError::Receive(ReceiveError::TimeNotLater { stamp, before }) = error else {
        panic!("{error}");
    };
    assert_eq!(stamp.time, before);
    victim.assert_kept(&[(FOE, 1)], 1, Reason::Refused);
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
    for tag in [6, 77, 255] {
        let mut victim = Victim::new().met();
        let error = victim.hears(&[2, tag, 0, 0]).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn an_unknown_kind_of_message_is_malformed() {
    for kind in [0, 11, 255] {
        let mut victim = Victim::new().met();
        let error = victim.hears(&[kind, 1, 2, 3]).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

// ---- skips and blocks ----

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
fn a_skip_of_as_many_seqs_as_there_can_be_is_passed_on() {
    let mut victim = Victim::new().met();
    let items = Items::new().skip(&[(Origin::New(0, FOE), 1, 1 << 62)]);
    victim.hears(&items.encode()).unwrap();
    let beyond = Items::new().run(Origin::At(0), (1 << 62) + 1, &[(wall(), ONE)]);
    let error = victim.hears(&beyond.encode()).unwrap_err();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    victim.assert_kept(&[(FOE, 1 << 62)], 0, Reason::Malformed);
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
fn a_block_that_is_abandoned_or_never_ends_is_nowhere() {
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
fn a_block_over_the_limit_is_refused_whatever_it_is_made_of() {
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
fn naming_very_many_origins_at_once_takes_no_time_at_all() {
    // Tens of thousands of skips in one message; quadratic work would take minutes.
    let mut victim = Victim::new().met();
    let ids = 0..39_000_u64;
    let ranges: Vec<_> = ids.map(|i| (Origin::New(i, u128::from(i) + 1000), 1, 1)).collect();
    let items = Items::new().begin().skip(&ranges).abandon();
    victim.hears(&items.encode()).unwrap();
    victim.to_foe.close();
    victim.assert_unhurt(Reason::Finished);
}

#[test]
fn acknowledging_again_and_again_takes_no_time_at_all() {
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
    // The last place of the table, half a million times.
    let acks = vec![(20_001, 1); 500_000];
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
fn acknowledging_more_than_there_is_hurts_only_the_liar() {
    let mut victim = Victim::new().met();
    victim.says();
    victim.hears(&wire::ack(&[(0, 1 << 62), (1, 1 << 62)])).unwrap();
    assert_eq!(victim.to_foe.lag(&victim.core), Some(0));
    victim.to_foe.close();
    victim.assert_unhurt(Reason::Finished);
}

// ---- snapshots ----

fn snapshot_of(value: i64) -> (Vec<u8>, u128) {
    let mut core = Core::new(0xd.into(), Counter::default());
    core.update(value, Time::from_micros(wall())).unwrap();
    let snapshot = core.snapshot().unwrap();
    (snapshot.state().to_vec(), core.state_digest().unwrap())
}

#[test]
fn a_snapshot_written_by_hand_is_adopted() {
    let mut victim = Victim::new().met();
    let (state, digest) = snapshot_of(77);
    let seen = [(FOE, 9), (VICTIM, 1), (FRIEND, 1)];
    let head = wire::snapshot(state.len() as u64, digest, wall(), &seen);
    victim.hears(&head).unwrap();
    let (front, back) = state.split_at(state.len() / 2);
    for part in [front, back].into_iter().filter(|part| !part.is_empty()) {
        victim.hears(&wire::chunk(part)).unwrap();
    }
    assert_eq!(victim.core.state().unwrap().value(), 77);
    assert_eq!(victim.core.version(), version(&seen));
}

#[test]
fn a_snapshot_that_is_not_what_was_announced_is_refused() {
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
fn a_snapshot_over_the_limit_is_refused_by_its_head_alone() {
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
    let now = Time::from_micros(wall());
    for word in ["to", "be", "or", "not", "to be, that is the question"] {
        set.update(word.to_string(), now).unwrap();
    }
    let (state, digest) = (set.snapshot().unwrap(), set.state_digest().unwrap());
    let state = state.state();
    let mut victim = Victim::new().met();
    let seen = [(FOE, 9), (VICTIM, 5)];
    let head = wire::snapshot(state.len() as u64, digest, wall(), &seen);
    victim.hears(&head).unwrap();
    let error = victim.hears(&wire::chunk(state)).unwrap_err();
    let is_it = matches!(error, SessionError::Adopt(AdoptError::Decode(_)));
    assert!(is_it, "{error}");
    victim.assert_unhurt(Reason::Refused);
}

#[test]
fn a_snapshot_from_the_future_is_refused() {
    let mut victim = Victim::new().met();
    let (state, digest) = snapshot_of(77);
    let hour = Duration::from_secs(3600);
    let ahead = wall() + hour.as_micros() as u64;
    let head = wire::snapshot(state.len() as u64, digest, ahead, &[(FOE, 9)]);
    victim.hears(&head).unwrap();
    let error = victim.hears(&wire::chunk(&state)).unwrap_err();
    let SessionError::Adopt(AdoptError::TooFarAhead { wait, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(wait, hour - Duration::from_secs(300));
    victim.assert_unhurt(Reason::Clock);
}

#[test]
fn claiming_to_have_adopted_what_was_never_sent_is_unexpected() {
    // It would be a way to make us remember any number of made-up origins.
    let mut victim = Victim::new().met();
    let error = victim.hears(&wire::adopted(&[(0xd, 5)])).unwrap_err();
    assert_eq!(error, SessionError::Unexpected { message: "adopted" });
    victim.assert_unhurt(Reason::Malformed);
}

// ---- one way ----

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
    let mut victim = Victim::configured(|config| config.limits.message_bytes = 1000).met();
    let error = victim.hears(&vec![5; 1001]).unwrap_err();
    let (size, limit) = (1001, 1000);
    assert_eq!(error, SessionError::MessageTooLarge { size, limit });
    victim.assert_unhurt(Reason::Malformed);
}

// ---- byte streams ----

/// A replica with a friend over one pipe, and a raw end of another pipe.
struct Port {
    network: Network<Counter>,
    connection: Driven<Result<(), ConnectionError>>,
    raw: Option<Pipe>,
}

impl Port {
    fn new() -> Self {
        let victim = Replica::builder(Counter::default())
            .id(VICTIM.into())
            .clock(|| Time::from_micros(wall()))
            .build();
        let friend =
            Replica::builder(Counter::default()).clock(|| Time::from_micros(wall())).build();
        let mut network = Network::of([victim, friend]);
        network.update(0, 100);
        network.connect(0, 1);
        network.run_until_quiet();
        let (ours, raw) = pipe(1 << 20);
        let connection = Driven::new(network[0].connect(ours));
        Self { network, connection, raw: Some(raw) }
    }

    fn send(&mut self, bytes: &[u8]) {
        let raw = self.raw.as_mut().expect("not hung up");
        block_on(raw.write_all(bytes)).expect("the pipe is large");
        self.run();
    }

    fn run(&mut self) {
        while self.connection.step() {}
    }

    /// Hangs up, and says how the connection ended and what it had to say.
    fn hang_up(&mut self) -> (SessionError, Vec<u8>) {
        let mut raw = self.raw.take().expect("not hung up");
        let mut told = vec![0; 1 << 20];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let len = match Pin::new(&mut raw).poll_read(&mut cx, &mut told) {
            Poll::Ready(count) => count.unwrap(),
            Poll::Pending => 0,
        };
        told.truncate(len);
        drop(raw);
        self.run();
        match self.connection.result() {
            Some(Err(ConnectionError::Session(error))) => (error.clone(), told),
            other => panic!("{other:?}"),
        }
    }

    fn assert_unhurt(&mut self) {
        assert_eq!(self.network[0].peers().unwrap().len(), 1);
        self.network.update(0, 1);
        self.network.update(1, 10);
        self.network.run_until_quiet();
        self.network.assert_converged();
        assert_eq!(self.network[0].read(|votes| votes.value()), Ok(111));
    }
}

#[test]
fn an_http_request_is_told_apart_by_its_first_bytes() {
    for request in ["GET / HTTP/1.1\r\n\r\n", "POST /a"] {
        for padding in [0, 200, 5000] {
            let mut port = Port::new();
            port.send(format!("{request}{}", "x".repeat(padding)).as_bytes());
            let (error, _) = port.hang_up();
            let SessionError::NotRepred { start } = error else {
                panic!("{error}");
            };
            let expected = &request.as_bytes()[..4];
            assert_eq!(&start[..4], expected, "with {padding} bytes more");
            port.assert_unhurt();
        }
    }
}

#[test]
fn random_bytes_end_in_an_error_and_nothing_else() {
    let mut chance = Chance::new(1);
    for _ in 0..200 {
        let mut port = Port::new();
        let mut bytes: Vec<u8> =
            (0..chance.within(1..600)).map(|_| chance.number() as u8).collect();
        if chance.one_in(2) {
            // Past the door.
            let mut hello = wire::frame(&open());
            hello.extend(wire::frame(&wire::digest(&[], &[])));
            hello.extend(bytes);
            bytes = hello;
        }
        port.send(&bytes);
        port.raw = None;
        port.run();
        assert!(port.connection.result().is_some());
        assert_eq!(port.network[0].version().unwrap(), version(&[(VICTIM, 1)]));
        port.assert_unhurt();
    }
}

#[test]
fn a_message_that_announces_too_many_bytes_is_refused_before_they_come() {
    let mut port = Port::new();
    port.send(&wire::frame(&open()));
    let mut header = Vec::new();
    wire::number(&mut header, (2 << 20) + 1);
    port.send(&header);
    let (error, told) = port.hang_up();
    let (size, limit) = ((2 << 20) + 1, 2 << 20);
    assert_eq!(error, SessionError::MessageTooLarge { size, limit });
    assert!(told.ends_with(&wire::frame(&wire::bye(Reason::Malformed as u8))));
    port.assert_unhurt();
}

#[test]
fn a_first_message_that_announces_too_many_bytes_is_no_repred() {
    let mut port = Port::new();
    port.send(&[0xff, 0xff, 0x7f]);
    let (error, _) = port.hang_up();
    let start = vec![0xff, 0xff, 0x7f];
    assert_eq!(error, SessionError::NotRepred { start });
    port.assert_unhurt();
}

#[test]
fn a_message_of_no_bytes_is_malformed() {
    let mut port = Port::new();
    port.send(&wire::frame(&open()));
    port.send(&[0]);
    let (error, _) = port.hang_up();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    port.assert_unhurt();
}

#[test]
fn a_length_that_is_no_number_is_malformed() {
    let mut port = Port::new();
    port.send(&wire::frame(&open()));
    port.send(&[0xff; 11]);
    let (error, _) = port.hang_up();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    port.assert_unhurt();
}

#[test]
fn a_stream_that_ends_in_a_message_or_before_the_opening_has_failed() {
    for bytes in [vec![], vec![77], [wire::frame(&open()), vec![5, 1]].concat()] {
        let mut port = Port::new();
        port.send(&bytes);
        port.raw = None;
        port.run();
        let ending = port.connection.result();
        let Some(Err(ConnectionError::Io(error))) = ending else {
            panic!("{ending:?}");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        port.assert_unhurt();
    }
}

#[test]
fn a_restored_copy_that_meets_its_own_updates_goes_on_under_a_new_id() {
    let replica = |id: u128| Replica::builder(Counter::default()).id(id.into()).build();
    let mut network = Network::of([replica(0xa), replica(0xb)]);
    for _ in 0..3 {
        network.update(0, 5);
    }
    network.connect(0, 1);
    network.run_until_quiet();
    // The same id again, with nothing: a backup from before.
    let again = network.add(replica(0xa));
    let mut copy = Network::of([network[1].clone(), network[again].clone()]);
    let link = copy.connect(0, 1);
    copy.run_until_quiet();
    assert!(copy.endings(link).iter().all(Option::is_none), "{:?}", copy.endings(link));
    copy.update(1, 100);
    copy.run_until_quiet();
    network.run_until_quiet();
    network.assert_converged();
    assert_ne!(network[again].id().unwrap(), 0xa.into());
    assert_eq!(network[0].read(|votes| votes.value()), Ok(115));
}

// ---- silence ----

#[test]
fn a_peer_that_never_speaks_is_silent_after_the_timeout() {
    let mut victim = Victim::new();
    victim.says();
    let timeout = Duration::from_secs(20);
    let at = |secs| now_at(Duration::from_secs(secs));
    victim.to_foe.handle_timeout(at(19)).unwrap();
    let error = victim.to_foe.handle_timeout(at(20)).unwrap_err();
    assert_eq!(error, SessionError::Silent { timeout });
    victim.assert_unhurt(Reason::TimedOut);
}

#[test]
fn a_peer_that_never_says_what_it_has_is_silent_whatever_it_says_instead() {
    let mut victim = Victim::new();
    victim.hears(&open()).unwrap();
    for second in 1..20 {
        victim.now = now_at(Duration::from_secs(second));
        victim.hears(&wire::PING).unwrap();
    }
    let error = victim.to_foe.handle_timeout(now_at(Duration::from_secs(20)));
    assert!(matches!(error, Err(SessionError::Silent { .. })), "{error:?}");
    victim.assert_unhurt(Reason::TimedOut);
}

#[test]
fn a_peer_that_pings_is_alive_and_is_pinged() {
    let mut victim = Victim::new().met();
    victim.says();
    for second in 1..100 {
        victim.now = now_at(Duration::from_secs(second));
        victim.hears(&wire::PING).unwrap();
        victim.to_foe.handle_sent(Sending::Done, victim.now);
        victim.to_foe.handle_timeout(victim.now).unwrap();
        let due = victim.to_foe.poll_timeout().unwrap();
        assert!(due > victim.now.instant || second % 5 == 0);
        let said = victim.says();
        if second % 5 == 0 {
            assert_eq!(said, [wire::PING], "after {second} seconds");
        } else {
            assert!(said.is_empty(), "after {second} seconds");
        }
    }
    victim.to_foe.close();
    victim.assert_unhurt(Reason::Finished);
}

#[test]
fn a_peer_that_takes_nothing_is_stalled_after_the_timeout() {
    let mut victim = Victim::new().met();
    victim.to_foe.handle_sent(Sending::Done, victim.now);
    victim.core.update(1, victim.now.wall).unwrap();
    victim.says();
    // It speaks, but does not read.
    for second in 1..20 {
        victim.now = now_at(Duration::from_secs(second));
        victim.hears(&wire::PING).unwrap();
        victim.to_foe.handle_timeout(victim.now).unwrap();
    }
    let timeout = Duration::from_secs(20);
    let error = victim.to_foe.handle_timeout(now_at(timeout)).unwrap_err();
    assert_eq!(error, SessionError::Stalled { timeout });
}

#[test]
fn a_session_whose_messages_are_stuck_does_not_ask_to_be_called_at_once() {
    let mut victim = Victim::new().met();
    victim.to_foe.handle_sent(Sending::Done, victim.now);
    victim.says();
    victim.now = now_at(Duration::from_secs(7));
    victim.hears(&wire::PING).unwrap();
    victim.to_foe.handle_timeout(victim.now).unwrap();
    // The ping is overdue, but there is no room for it: asking at once would go round and round.
    let due = victim.to_foe.poll_timeout().unwrap();
    assert!(due > victim.now.instant);
}

/// Runs a connection to a raw end until it is over, and counts how often it was polled.
fn run_to_its_end(
    victim: &Replica<Counter>,
    io: Pipe,
    alongside: impl Future<Output = ()>,
) -> (SessionError, usize) {
    let mut polls = 0;
    let mut connection = Box::pin(victim.connect(io));
    let counted = futures::future::poll_fn(|cx| {
        polls += 1;
        connection.as_mut().poll(cx)
    });
    // What goes on alongside has no end of its own.
    let alongside = async {
        alongside.await;
        pending::<()>().await;
    };
    let ending = match block_on(select(counted, pin!(alongside))) {
        Either::Left((ending, _)) => ending,
        Either::Right(_) => unreachable!("it has no end"),
    };
    match ending {
        Err(ConnectionError::Session(error)) => (error, polls),
        other => panic!("{other:?}"),
    }
}

fn impatient() -> Replica<Counter> {
    Replica::builder(Counter::default())
        .clock(|| Time::from_micros(wall()))
        .keep_alive(Duration::from_millis(20))
        .timeout(Duration::from_millis(200))
        .build()
}

#[test]
fn a_peer_that_never_reads_costs_bounded_memory_and_no_work() {
    let victim = impatient();
    for _ in 0..100_000 {
        victim.update(i64::MAX).unwrap();
    }
    let (ours, mut raw) = pipe(10);
    let write = async {
        // It opens and goes on living, so that it is not silent, but reads just enough to be met.
        let mut hello = wire::frame(&open());
        hello.extend(wire::frame(&wire::digest(&[], &[])));
        raw.write_all(&hello).await.unwrap();
        while raw.write_all(&wire::frame(&wire::PING)).await.is_ok() {
            pause().await;
        }
    };
    let (error, polls) = run_to_its_end(&victim, ours, write);
    assert!(matches!(error, SessionError::Stalled { .. }), "{error}");
    assert!(polls < 5_000, "{polls} polls are a busy loop");
}

/// Lets a few milliseconds pass without a timer of any executor.
async fn pause() {
    smol::Timer::after(Duration::from_millis(5)).await;
}

#[test]
fn a_peer_that_never_writes_is_silent() {
    let victim = impatient();
    let (ours, raw) = pipe(1 << 20);
    let (error, polls) = run_to_its_end(&victim, ours, async {});
    drop(raw);
    assert!(matches!(error, SessionError::Silent { .. }), "{error}");
    assert!(polls < 1_000, "{polls} polls are a busy loop");
}

#[test]
fn a_peer_that_sends_a_byte_at_a_time_is_silent() {
    let victim = impatient();
    let (ours, mut raw) = pipe(1 << 20);
    let drip = async {
        raw.write_all(&wire::frame(&open())).await.unwrap();
        let slow = wire::frame(&wire::digest(&[(FOE, 1); 1000], &[]));
        for byte in slow {
            if raw.write_all(&[byte]).await.is_err() {
                return;
            }
            pause().await;
        }
    };
    let (error, _) = run_to_its_end(&victim, ours, drip);
    assert!(matches!(error, SessionError::Silent { .. }), "{error}");
}

// ---- mutations of valid conversations ----

/// A conversation with everything in it, as what each side said.
fn conversation(pair: &mut Pair<Counter>) -> Vec<(usize, Vec<u8>)> {
    for i in 0..5 {
        pair.update(0, i + 1);
        pair.update(1, 100 * (i + 1));
    }
    let wall = pair.now().wall;
    pair.cores[0].update_all([7, 8, 9], wall).unwrap();
    pair.connect();
    pair.run_until_quiet();
    pair.update(0, 1000);
    pair.run_until_quiet();
    pair.said.clone()
}

/// What the right one has of the left one's, by the left one's seq.
fn prefixes() -> BTreeMap<u64, i128> {
    let values = [1, 2, 3, 4, 5, 7, 8, 9, 1000];
    let own = 1500;
    let mut sums = BTreeMap::from([(0, own)]);
    for (index, value) in values.iter().enumerate() {
        let before = sums[&(index as u64)];
        sums.insert(index as u64 + 1, before + value);
    }
    sums
}

#[test]
fn mutated_conversations_change_nothing_beyond_valid_prefixes() {
    let mut chance = Chance::new(2);
    let mut recorded = Pair::new(Counter::default);
    let said: Vec<_> = conversation(&mut recorded)
        .into_iter()
        .filter(|(side, _)| *side == 0)
        .map(|(_, message)| message)
        .collect();
    assert!(said.len() > 4);
    let prefixes = prefixes();
    let mut refused = 0;
    for case in 0..10_000 {
        let mut pair = Pair::new(Counter::default);
        for i in 0..5 {
            pair.update(0, i + 1);
            pair.update(1, 100 * (i + 1));
        }
        let wall = pair.now().wall;
        pair.cores[0].update_all([7, 8, 9], wall).unwrap();
        let mut messages = said.clone();
        let mut has_changed_bytes = false;
        for _ in 0..chance.within(1..3) {
            let at = chance.within(0..messages.len());
            match chance.within(0..5) {
                0 => {
                    let byte = chance.within(0..messages[at].len().max(1));
                    if let Some(byte) = messages[at].get_mut(byte) {
                        *byte ^= 1 << chance.within(0..8);
                        has_changed_bytes = true;
                    }
                }
                1 => {
                    let len = chance.within(0..messages[at].len().max(1));
                    messages[at].truncate(len);
                    has_changed_bytes = true;
                }
                2 => messages.insert(at, messages[at].clone()),
                3 => {
                    let other = chance.within(0..messages.len());
                    messages.swap(at, other);
                }
                _ => {
                    messages[at].push(chance.number() as u8);
                    has_changed_bytes = true;
                }
            }
        }
        pair.connect();
        for message in &messages {
            pair.hear_this(1, message);
            while pair.say(1) {}
        }
        refused += usize::from(pair.errors[1].is_some());
        let victim = &pair.cores[1];
        assert!(victim.state().is_ok(), "case {case}");
        if has_changed_bytes {
            // A flipped bit in a payload is a valid update; nobody can tell.
            continue;
        }
        let seq = victim.version().seq(0xa.into());
        let value = victim.state().unwrap().value();
        assert_eq!(value, prefixes[&seq], "case {case} at seq {seq}");
        assert!(!(6..8).contains(&seq), "case {case} splits an edit");
        pair.update(0, 1000);
        pair.connect();
        pair.run_until_quiet();
        pair.assert_converged();
    }
    assert!(refused > 4_000, "only {refused} were refused");
}

fn keeper(id: u128) -> Core<Counter> {
    let mut core = Core::new(id.into(), Counter::default());
    core.keep_everything();
    core
}

/// Two that keep everything, each of which has seen the other's in between.
fn keepers() -> Pair<Counter> {
    let mut pair = Pair::of([keeper(0xa), keeper(0xb)]);
    for amount in 1..5 {
        pair.update(LEFT, amount);
        pair.connect();
        pair.run_until_quiet();
        pair.update(RIGHT, 10 * amount);
        pair.connect();
        pair.run_until_quiet();
        let wall = pair.now().wall;
        pair.cores[LEFT].update_all([7, 8], wall).unwrap();
    }
    pair
}

/// What a third is told by the left one, with errors in it, still makes sense: of two updates at most one
/// was written with knowledge of the other, and a fourth can take in all of it.
#[test]
fn mutated_records_of_what_was_seen_make_no_contradiction() {
    let mut chance = Chance::new(4);
    let [left, _] = keepers().cores;
    let mut first = Pair::of([left, keeper(0xc)]);
    first.connect();
    first.run_until_quiet();
    let said = first.said.iter().filter(|(side, _)| *side == LEFT);
    let said: Vec<_> = said.map(|(_, message)| message.clone()).collect();
    let (mut refused, mut told) = (0, 0);
    for _ in 0..3_000 {
        let mut messages = said.clone();
        for _ in 0..chance.within(1..3) {
            // The opening, the digest and the end stay as they are.
            let at = chance.within(2..messages.len() - 1);
            let byte = chance.within(0..messages[at].len());
            match chance.within(0..3) {
                0 => messages[at][byte] ^= 1 << chance.within(0..8),
                1 => messages[at].insert(byte, chance.within(0..4) as u8),
                _ => drop(messages[at].remove(byte)),
            }
        }
        let mut pair = Pair::of([keeper(0xe), keeper(0xc)]);
        pair.connect();
        messages.iter().for_each(|message| pair.hear_this(RIGHT, message));
        refused += usize::from(pair.errors[RIGHT].is_some());
        let [_, victim] = pair.cores;
        let dots = victim.version();
        let dots = dots.iter().flat_map(|(id, last)| (1..=last.min(20)).map(move |seq| (id, seq)));
        let dots: Vec<_> = dots.map(|(id, seq)| Dot::new(id, seq)).collect();
        for &a in &dots {
            for &b in &dots {
                let orders = [victim.is_before(a, b), victim.is_before(b, a)];
                assert_ne!(orders, [Ok(true), Ok(true)], "{a} and {b}");
                told += usize::from(orders[0] == Ok(true));
            }
        }
        let mut pair = Pair::of([victim, keeper(0xd)]);
        pair.connect();
        pair.run_until_quiet();
        pair.assert_converged();
    }
    assert!(refused > 1000 && told > 1000, "{refused} were refused, {told} told");
}

#[test]
fn mutated_byte_streams_never_panic() {
    let mut chance = Chance::new(3);
    let mut recorded = Pair::new(Counter::default);
    let mut stream = Vec::new();
    for (side, message) in conversation(&mut recorded) {
        if side == 0 {
            stream.extend(wire::frame(&message));
        }
    }
    for _ in 0..500 {
        let mut bytes = stream.clone();
        for _ in 0..chance.within(1..4) {
            let at = chance.within(0..bytes.len());
            match chance.within(0..3) {
                0 => bytes[at] = chance.number() as u8,
                1 => bytes.truncate(at + 1),
                _ => bytes.insert(at, chance.number() as u8),
            }
        }
        let mut port = Port::new();
        port.send(&bytes);
        port.raw = None;
        port.run();
        assert!(port.connection.result().is_some());
        assert!(port.network[0].read(|_| ()).is_ok());
        port.network.run_until_quiet();
        port.network.assert_converged();
    }
}
