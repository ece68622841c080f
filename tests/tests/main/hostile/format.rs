//! What is written by hand is what replicas say.

use super::*;

#[test]
fn messages_written_by_hand_are_accepted() {
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
    // What is known of a skip does not say which updates those were.
    let check = u16::from_le_bytes([said[2][3], said[2][4]]);
    assert_ne!(check, 0);
    assert_eq!(said[2], wire::ack_with_checks(&[(0, 5, check), (1, 7, 0)]));
}

/// The tokens of the first two origins of a digest.
fn tokens(digest: &[u8]) -> [wire::Token; 2] {
    [19, 45].map(|at| digest[at..at + 8].try_into().unwrap())
}

/// The mark of the epoch that a token has.
fn epoch(token: wire::Token) -> u32 {
    u32::from_le_bytes([token[0], token[1], token[2], token[3]])
}

#[test]
fn a_replica_sends_the_bytes_written_by_hand() {
    let mut victim = Victim::new().met();
    let said = victim.says();
    let hash = |at| u64::from_le_bytes(said[0][at..at + 8].try_into().unwrap());
    let mut expected = Open::new(VICTIM, wall(), &schema());
    (expected.sequence_hash, expected.content_hash) = (hash(23), hash(31));
    expected.fingerprint = hash(39);
    assert_eq!(said[0], expected.encode());
    let [ours, theirs] = tokens(&said[1]);
    let seen = [(VICTIM, 1, ours), (FRIEND, 1, theirs)];
    assert_eq!(said[1], wire::digest_with_tokens(&seen, &[]));
    let runs = Items::new()
        .epoch(Origin::At(0), 1, epoch(ours))
        .run(Origin::At(0), 1, &[(wall(), &wire::signed(100))])
        .epoch(Origin::At(1), 1, epoch(theirs))
        .run(Origin::At(1), 1, &[(wall(), &wire::signed(20))]);
    assert_eq!(said[2], runs.encode());
    assert_eq!(said[3], wire::SYNCED);
    assert_eq!(said.len(), 4);
}

#[test]
fn a_replica_that_keeps_everything_sends_the_bytes_written_by_hand() {
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
    let [first, second] = tokens(&said[1]).map(epoch);
    let runs = Items::new()
        .epoch(Origin::At(0), 1, first)
        .recorded(Origin::At(0), 1, &[], &[(wall(), ONE)])
        .epoch(Origin::At(1), 1, second)
        .recorded(Origin::At(1), 1, &[(Origin::At(0), 1)], &[(wall() + 1, ONE), (wall() + 2, ONE)]);
    // The second of one length needs no length.
    let mut runs = runs.encode();
    runs.truncate(runs.len() - 3);
    runs.extend([1, ONE[0]]);
    assert_eq!(said[2], runs);
}
