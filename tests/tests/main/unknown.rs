//! What later versions of repred say: what is even passes through everything as it is, what is odd asks for an upgrade.

use std::time::Duration;

use repred::{
    Counter, Durability, Replica,
    error::{JournalReadError, LoadError, OpenError, SessionError},
    journal::{Journal, JournalReader, Memory},
    net::ProblemKind,
    sans_io::{Core, Now, Reason, Session, SessionConfig},
};
use repred_tests::{
    Driven, log, now_at,
    wire::{self, Items, Open, Origin},
};

const STRANGER: u128 = 0xe;

fn now() -> Now {
    now_at(Duration::ZERO)
}

fn config() -> SessionConfig {
    SessionConfig::for_state::<Counter>()
}

fn core(id: u128) -> Core<Counter> {
    Core::new(id.into(), Counter::default())
}

/// A peer of a core, written by hand, that has seen nothing.
struct Peer(Session);

impl Peer {
    fn of(core: &mut Core<Counter>) -> Self {
        let mut peer = Self(Session::new(config(), core, now()));
        let open = Open::new(STRANGER, now().wall.as_ticks(), &config().schema);
        peer.say(core, &open.encode()).unwrap();
        peer.say(core, &wire::digest(&[], &[])).unwrap();
        peer
    }

    fn say(&mut self, core: &mut Core<Counter>, message: &[u8]) -> Result<(), SessionError> {
        self.0.handle_message(core, message, now())
    }

    fn hear(&mut self, core: &mut Core<Counter>) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        loop {
            let mut message = Vec::new();
            if !self.0.poll_message(core, now(), &mut message).unwrap() {
                return heard;
            }
            heard.push(message);
        }
    }

    /// What it hears that is unknown.
    fn hear_unknown(core: &mut Core<Counter>) -> Vec<Vec<u8>> {
        let heard = Self::of(core).hear(core).into_iter();
        heard.filter(|message| is_unknown(message)).collect()
    }
}

/// Whether it is a message of a later version, or begins with an item of one.
fn is_unknown(message: &[u8]) -> bool {
    !message.starts_with(b"rpd") && (message[0] >= 64 || message[0] == 2 && message[1] >= 64)
}

/// Two cores talk until neither has anything more to say. Returns how many messages were unknown.
fn talk(left: &mut Core<Counter>, right: &mut Core<Counter>) -> usize {
    let mut to_right = Session::new(config(), left, now());
    let mut to_left = Session::new(config(), right, now());
    let mut unknown = 0;
    for _ in 0..10_000 {
        let mut message = Vec::new();
        if to_right.poll_message(left, now(), &mut message).unwrap() {
            to_left.handle_message(right, &message, now()).unwrap();
        } else if to_left.poll_message(right, now(), &mut message).unwrap() {
            to_right.handle_message(left, &message, now()).unwrap();
        } else {
            return unknown;
        }
        unknown += usize::from(is_unknown(&message));
    }
    panic!("the conversation does not come to an end");
}

/// A message and two items of a later version, one of them in a block, as a peer says them; and as they are passed on,
/// each in a message of its own.
fn sayings() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (message, long) = (b"\x40a later version".to_vec(), vec![7; 4000]);
    let run = (Origin::New(0, STRANGER), [(now().wall.as_ticks(), &b"\x02"[..])]);
    let items = Items::new().unknown(66, &long).begin().run(run.0, 1, &run.1).unknown(254, b"");
    let passed_on = [Items::new().unknown(66, &long), Items::new().unknown(254, b"")];
    let passed_on = passed_on.map(Items::encode);
    (vec![message.clone(), items.commit().encode()], [vec![message], passed_on.to_vec()].concat())
}

#[test]
fn what_is_even_passes_three_replicas_in_a_line_and_a_journal_as_it_is() {
    let [mut a, mut b, mut c] = [0xa, 0xb, 0xc].map(core);
    let disk = Memory::new();
    let strict = Durability::EveryUpdate;
    let mut journal = Journal::open(disk.clone(), &mut c, &config(), strict, now()).unwrap();
    let (said, passed_on) = sayings();
    let mut first = Peer::of(&mut a);
    said.iter().for_each(|message| first.say(&mut a, message).unwrap());
    talk(&mut a, &mut b);
    talk(&mut b, &mut c);
    assert_eq!(Peer::hear_unknown(&mut c), passed_on);
    assert_eq!(c.state().unwrap().value(), 1, "the update beside it came, too");

    journal.write(&mut c).unwrap();
    // Something that comes alone is news for the journal, too.
    Peer::of(&mut c).say(&mut c, b"\x42alone").unwrap();
    journal.write(&mut c).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let passed_on = [passed_on, vec![b"\x42alone".to_vec()]].concat();
    // Once as it was appended, and once as compaction has written it.
    for _ in 0..2 {
        let mut again = core(0xd);
        let mut journal =
            Journal::open(disk.clone(), &mut again, &config(), strict, now()).unwrap();
        assert_eq!(again.unknown_kept(), 4);
        assert_eq!(Peer::hear_unknown(&mut again), passed_on);
        journal.compact(&mut again).unwrap();
        journal.close(&mut again).unwrap();
    }
    let events = JournalReader::open(disk).unwrap();
    assert!(events.map(Result::unwrap).count() > 0, "a reader passes over it");
}

#[test]
fn a_record_of_a_later_version_stays_in_the_journal_through_compactions() {
    let mut disk = Memory::new();
    let strict = Durability::EveryUpdate;
    let mut a = core(0xa);
    let journal = Journal::open(disk.clone(), &mut a, &config(), strict, now()).unwrap();
    a.update(3, now().wall).unwrap();
    journal.close(&mut a).unwrap();
    log::append(&mut disk, 1, 200, b"a later version");
    for generation in 2..4 {
        let mut again = core(0xd);
        let mut journal =
            Journal::open(disk.clone(), &mut again, &config(), strict, now()).unwrap();
        assert_eq!((again.unknown_kept(), again.state().unwrap().value()), (1, 3));
        assert_eq!(Peer::hear_unknown(&mut again), Vec::<Vec<u8>>::new(), "peers get no records");
        journal.compact(&mut again).unwrap();
        journal.close(&mut again).unwrap();
        let file = log::file(&mut disk, &format!("journal-{generation:08}"));
        let record = b"a later version\xff";
        let at = file.windows(record.len()).position(|bytes| bytes == record).unwrap();
        // Before it are the kind and the size that was synced.
        assert!(file[at - 4..at].contains(&200), "{:?}", &file[at - 4..at]);
    }
}

#[test]
fn a_backup_has_what_later_versions_have_said() {
    let mut a = core(0xa);
    let (said, passed_on) = sayings();
    let mut first = Peer::of(&mut a);
    said.iter().for_each(|message| first.say(&mut a, message).unwrap());
    let mut saving = repred::sans_io::BackupWriter::new(&config(), &mut a, now()).unwrap();
    let mut loading = repred::sans_io::BackupReader::new(config());
    let mut again = core(0xb);
    let mut message = Vec::new();
    while !saving.is_complete() && saving.poll_message(&mut a, &mut message).unwrap() {
        loading.handle_message(&mut again, &message, now()).unwrap();
        message.clear();
    }
    assert_eq!(Peer::hear_unknown(&mut again), passed_on);
}

#[test]
fn what_is_odd_asks_for_an_upgrade_on_both_sides_of_a_session() {
    let opening = |change: fn(&mut Open)| {
        let mut open = Open::new(STRANGER, now().wall.as_ticks(), &config().schema);
        change(&mut open);
        open.encode()
    };
    let mut snapshot = wire::snapshot(1, 0, 0, &[]);
    // The length of its attributes is its last byte.
    *snapshot.last_mut().unwrap() = 2;
    snapshot.extend([3, 0]);
    let cases = [
        (true, opening(|open| open.features = 0b10), "a feature", 1),
        (true, opening(|open| open.attributes = vec![9, 0]), "an attribute", 9),
        (false, vec![65, 1, 2], "a message", 65),
        (false, Items::new().unknown(255, b"later").encode(), "an item", 255),
        (false, vec![2, 8], "an item", 8),
        (false, snapshot, "an attribute", 3),
    ];
    for (is_open, message, what, number) in cases {
        let [mut a, mut b] = [0xa, 0xb].map(core);
        let mut peer =
            if is_open { Peer(Session::new(config(), &mut a, now())) } else { Peer::of(&mut a) };
        let error = peer.say(&mut a, &message).unwrap_err();
        assert_eq!(error, SessionError::Upgrade { what, number });
        assert_eq!(peer.hear(&mut a).pop(), Some(wire::bye(Reason::Upgrade)));

        let mut told = Peer::of(&mut b);
        let error = told.say(&mut b, &wire::bye(Reason::Upgrade)).unwrap_err();
        assert_eq!(error, SessionError::Peer(Reason::Upgrade));
    }
}

#[test]
fn what_is_even_in_an_open_or_beside_an_origin_is_ignored() {
    let mut a = core(0xa);
    let mut peer = Peer(Session::new(config(), &mut a, now()));
    let mut open = Open::new(STRANGER, now().wall.as_ticks(), &config().schema);
    (open.features, open.attributes) = (0b101, vec![8, 1, 7]);
    peer.say(&mut a, &open.encode()).unwrap();
    // One origin, with an attribute, and nothing trimmed.
    let mut digest = wire::digest(&[(STRANGER, 1)], &[]);
    let attributes = digest.len() - 2;
    digest.splice(attributes..=attributes, [3, 100, 1, 9]);
    peer.say(&mut a, &digest).unwrap();
    let items = Items::new().run(Origin::At(0), 1, &[(now().wall.as_ticks(), b"\x02")]);
    peer.say(&mut a, &items.encode()).unwrap();
    assert_eq!(a.state().unwrap().value(), 1);
}

#[test]
fn a_journal_with_something_odd_asks_for_an_upgrade_and_stays_as_it_was() {
    let strict = Durability::EveryUpdate;
    // A record by itself, an attribute of a batch, and a message in one, behind its length.
    let odd = [
        (65, vec![1, 2], "a record", 65),
        (3, vec![9, 2, 5, 0], "an attribute", 5),
        (3, vec![9, 0, 2, 67, 1], "a message", 67),
    ];
    for (kind, content, what, number) in odd {
        let mut disk = Memory::new();
        let mut a = core(0xa);
        let journal = Journal::open(disk.clone(), &mut a, &config(), strict, now()).unwrap();
        a.update(3, now().wall).unwrap();
        journal.close(&mut a).unwrap();
        log::append(&mut disk, 1, kind, &content);
        let before = log::file(&mut disk, "journal-00000001");

        let replica = || Replica::builder(Counter::default());
        for builder in [replica(), replica().recover()] {
            match builder.open_in(disk.clone()) {
                Err(OpenError::Upgrade { file, what: found, number: which }) => {
                    assert_eq!((&*file, found, which), ("journal-00000001", what, number));
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        match JournalReader::open(disk.clone()).unwrap().find_map(Result::err) {
            Some(JournalReadError::Upgrade { what: found, number: which, .. }) => {
                assert_eq!((found, which), (what, number));
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(log::file(&mut disk, "journal-00000001"), before);
    }
}

#[test]
fn a_backup_with_something_odd_asks_for_an_upgrade() {
    let votes = Replica::new(Counter::default());
    votes.update(3).unwrap();
    let mut file = Vec::new();
    votes.save(&mut file).unwrap();
    // Before its last message, which says that all has come.
    let end = file.len() - wire::frame(&wire::SYNCED).len();
    file.splice(end..end, wire::frame(&[67, 1, 2]));
    match Replica::new(Counter::default()).load(&mut &*file) {
        Err(LoadError::Content(SessionError::Upgrade { what: "a message", number: 67 })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_goes_round_in_a_ring_comes_to_rest() {
    let mut ring = [0xa, 0xb, 0xc, 0xd].map(core);
    let (said, passed_on) = sayings();
    let mut first = Peer::of(&mut ring[0]);
    said.iter().for_each(|message| first.say(&mut ring[0], message).unwrap());
    let mut messages = Vec::new();
    for _ in 0..3 {
        for at in 0..ring.len() {
            let other = (at + 1) % ring.len();
            let [left, right] = ring.get_disjoint_mut([at, other]).unwrap();
            messages.push(talk(left, right));
        }
    }
    for core in &mut ring {
        assert_eq!(Peer::hear_unknown(core), passed_on);
    }
    // A new session does not know what the other has, so each says it once; nothing grows.
    assert!(messages.iter().all(|&count| count <= 2 * passed_on.len()), "{messages:?}");
}

#[test]
fn nothing_is_said_back_to_whom_it_came_from() {
    let mut a = core(0xa);
    let (said, _) = sayings();
    let mut first = Peer::of(&mut a);
    first.hear(&mut a);
    said.iter().for_each(|message| first.say(&mut a, message).unwrap());
    // What it says for the second time is where it was.
    first.say(&mut a, &said[0]).unwrap();
    let heard = first.hear(&mut a);
    let check = u16::from_le_bytes([heard[0][3], heard[0][4]]);
    let ack = wire::ack_with_checks(&[(0, 1, check)]);
    assert_eq!(heard, [ack], "only the update is acknowledged");
}

#[test]
fn beyond_the_bound_nothing_more_is_kept_and_that_is_told() {
    let mut a = core(0xa);
    let mut peer = Peer::of(&mut a);
    let mut kept = 0;
    for number in 0..100_u8 {
        peer.say(&mut a, &[&[64, number][..], &[0; 1000]].concat()).unwrap();
        kept += usize::from(a.unknown_not_kept() == 0);
    }
    assert!((50..70).contains(&kept), "{kept} of about 1 KiB each");
    assert_eq!((a.unknown_kept(), a.unknown_not_kept()), (kept, 100 - kept as u64));
    peer.say(&mut a, &[64; 5000]).unwrap();
    assert_eq!(a.unknown_not_kept(), 101 - kept as u64, "one by itself is too long");
    assert_eq!(Peer::hear_unknown(&mut a).len(), kept);

    let votes = Replica::new(Counter::default());
    let (ours, mut theirs) = repred::pipe(1 << 20);
    let open = Open::new(STRANGER, votes.now().as_ticks(), &config().schema);
    let mut stream = wire::frame(&open.encode());
    stream.extend(wire::frame(&wire::digest(&[], &[])));
    (0..100_u8)
        .for_each(|number| stream.extend(wire::frame(&[&[64, number][..], &[0; 1000]].concat())));
    futures::executor::block_on(futures::AsyncWriteExt::write_all(&mut theirs, &stream)).unwrap();
    let mut connection = Driven::new(votes.connect(ours));
    while connection.step() {}
    let problems = votes.health().unwrap().problems;
    let is_told = problems
        .iter()
        .any(|problem| matches!(problem.kind, ProblemKind::NotKept { count } if count >= 30));
    assert!(is_told, "{problems:?}");
}
