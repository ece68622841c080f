//! Two versions of one program: fields are added and renamed, variants are added, and whoever is older keeps what it
//! does not know, passes it on, and takes it in after its own upgrade.

use std::{env, error::Error as _, fs, process::Command, time::Duration};

use futures::{FutureExt, StreamExt, executor::block_on, future};
use repred::{
    Counter, Dot, Map, Reduce, Register, Replica, ReplicaBuilder, ReplicaEvent, Replicated, Schema,
    Set, VersionVector,
    error::{ConnectionError, LoadError, SessionError},
    journal::Memory,
    pipe,
};
use serde::{Deserialize, Serialize};

/// As it was.
mod old {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub(super) enum Phase {
        #[default]
        Open,
        Done,
    }

    #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) struct Card {
        pub(super) text: Register<String>,
        pub(super) phase: Register<Phase>,
    }

    #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) struct Board {
        pub(super) title: Register<String>,
        pub(super) cards: Map<u32, Card>,
        pub(super) votes: Counter,
    }

    pub(super) fn builder() -> ReplicaBuilder<Board> {
        Replica::builder(Board::default()).schema(Schema::new("board", 1))
    }

    pub(super) fn board() -> Replica<Board> {
        builder().build()
    }
}

/// As it is: a variant, a field in a nested struct and one in the outer are new, and `title` is called `name`.
mod new {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub(super) enum Phase {
        #[default]
        Open,
        Done,
        Blocked,
    }

    #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) struct Card {
        pub(super) text: Register<String>,
        pub(super) phase: Register<Phase>,
        #[serde(default)]
        pub(super) tags: Set<String>,
    }

    #[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
    pub(super) struct Board {
        #[reduce(rename = "title")]
        pub(super) name: Register<String>,
        pub(super) cards: Map<u32, Card>,
        pub(super) votes: Counter,
        #[serde(default)]
        pub(super) guests: Set<String>,
    }

    pub(super) fn builder() -> ReplicaBuilder<Board> {
        Replica::builder(Board::default()).schema(Schema::new("board", 2).grown_from(1))
    }

    pub(super) fn board() -> Replica<Board> {
        builder().build()
    }
}

/// Connects two replicas until both have what the other had.
#[track_caller]
fn meet<A: Replicated, B: Replicated>(a: &Replica<A>, b: &Replica<B>) {
    let (left, right) = pipe(1 << 16);
    let ends = future::join(a.connect(left), b.connect(right));
    let synced = future::join(a.synced(), b.synced());
    match block_on(future::select(Box::pin(ends), Box::pin(synced))) {
        future::Either::Left((ends, _)) => panic!("it ended with {ends:?}"),
        future::Either::Right(_) => {}
    }
}

fn save<R: Replicated>(replica: &Replica<R>) -> Vec<u8> {
    let mut file = Vec::new();
    replica.save(&mut file).unwrap();
    file
}

fn write_old(board: &Replica<old::Board>) {
    board
        .edit(|board| {
            board.title().set("Groceries");
            board.cards().entry(1).text().set("milk");
            board.cards().entry(1).phase().set(old::Phase::Done);
            board.votes().add(2);
        })
        .unwrap();
}

fn write_new(board: &Replica<new::Board>) {
    board
        .edit(|board| {
            board.guests().insert("jim");
            board.votes().add(10);
        })
        .unwrap();
    board.edit(|board| board.cards().entry(1).tags().insert("dairy")).unwrap();
    board.edit(|board| board.cards().entry(2).phase().set(new::Phase::Blocked)).unwrap();
    // What the older one knows may depend on what it does not.
    board.edit(|board| board.votes().add(100)).unwrap();
}

fn shown(board: &new::Board) -> String {
    let cards: Vec<_> = board
        .cards
        .iter()
        .map(|(key, card)| (key, card.text.value(), card.phase.value(), card.tags.len()))
        .collect();
    format!("{} {cards:?} {} {}", board.name.value(), board.votes.value(), board.guests.len())
}

const ALL: &str = r#"Groceries [(1, "milk", Done, 1), (2, "", Blocked, 0)] 112 1"#;

#[test]
fn a_newer_version_understands_an_older_one() {
    let (old, new) = (old::board(), new::board());
    write_old(&old);
    meet(&old, &new);
    assert_eq!(new.read(shown).unwrap(), r#"Groceries [(1, "milk", Done, 0)] 2 0"#);
    assert_eq!(new.deferred(), Ok(0));
}

#[test]
fn an_older_version_keeps_unknown_updates_pending_and_relays_them() {
    let (old, new) = (old::board(), new::board());
    write_old(&old);
    meet(&old, &new);
    let mut changes = old.subscribe().unwrap();
    write_new(&new);
    meet(&old, &new);

    // It has everything, and has reduced nothing of it: not half an edit either.
    assert_eq!(old.version(), new.version());
    assert_eq!(old.deferred(), Ok(5));
    assert_eq!(old.read(|board| board.votes.value()), Ok(2));
    assert!(matches!(changes.next().now_or_never(), Some(Some(ReplicaEvent::Deferred))));
    assert!(changes.next().now_or_never().is_none(), "said once");

    // It passes it on, also by way of another old one.
    let (middle, other) = (old::board(), new::board());
    meet(&old, &middle);
    assert_eq!(middle.deferred(), Ok(5), "nothing was reduced after it");
    meet(&middle, &other);
    assert_eq!(other.read(shown).unwrap(), ALL);
}

/// The last update that a replica has written.
fn last<R: Replicated>(replica: &Replica<R>) -> Dot {
    let id = replica.id().unwrap();
    Dot::new(id, replica.version().unwrap().seq(id))
}

#[test]
fn an_update_written_meanwhile_has_not_seen_the_pending_ones() {
    let (old, new) =
        (old::builder().keep_everything().build(), new::builder().keep_everything().build());
    new.edit(|board| board.votes().add(1)).unwrap();
    let known = last(&new);
    meet(&old, &new);
    write_new(&new);
    let deferred = last(&new);
    meet(&old, &new);
    old.edit(|board| board.votes().add(1)).unwrap();
    let own = last(&old);
    meet(&old, &new);

    // Also after the upgrade.
    let upgraded = new::builder().keep_everything().build();
    upgraded.load(&mut &*save(&old)).unwrap();
    let orders = [
        (old.is_before(known, own), old.is_concurrent(deferred, own)),
        (new.is_before(known, own), new.is_concurrent(deferred, own)),
        (upgraded.is_before(known, own), upgraded.is_concurrent(deferred, own)),
    ];
    assert_eq!(orders, [(Ok(true), Ok(true)); 3]);
}

#[test]
fn a_connected_peer_learns_of_a_newer_schema_by_connecting_again() {
    let (old, middle, new) = (old::board(), old::board(), new::board());
    let (left, right) = pipe(1 << 16);
    let link = Box::pin(future::join(old.connect(left), middle.connect(right)));
    write_new(&new);
    let (left, right) = pipe(1 << 16);
    let other = Box::pin(future::join(old.connect(left), new.connect(right)));
    let future::Either::Left(((ours, theirs), _)) = block_on(future::select(link, other)) else {
        panic!("the new one is gone");
    };
    assert!(matches!(ours, Err(ConnectionError::Session(SessionError::NewerSchema))), "{ours:?}");
    assert!(theirs.is_ok() && middle.deferred() == Ok(0), "{theirs:?}");
    meet(&old, &middle);
    assert_eq!(middle.deferred(), Ok(5));
}

#[test]
fn an_older_version_keeps_writing_and_all_agree_after_its_upgrade() {
    let (old, new) = (old::board(), new::board());
    meet(&old, &new);
    write_new(&new);
    meet(&old, &new);
    // What it writes now others take as concurrent to what it holds.
    write_old(&old);
    assert_eq!(
        old.read(|board| (board.title.to_string(), board.votes.value())),
        Ok(("Groceries".into(), 2))
    );
    assert_eq!(old.deferred(), Ok(5));
    meet(&old, &new);
    assert_eq!(new.read(shown).unwrap(), ALL);

    let upgraded = new::board();
    upgraded.load(&mut &*save(&old)).unwrap();
    assert_eq!(upgraded.read(shown).unwrap(), ALL);
    assert_eq!(upgraded.deferred(), Ok(0));
    assert_eq!(upgraded.version(), new.version());
    assert_eq!(upgraded.state_digest().unwrap(), new.state_digest().unwrap());
}

#[test]
fn an_older_version_may_restart_before_its_upgrade() {
    let (old, new) = (old::board(), new::board());
    write_old(&old);
    meet(&old, &new);
    write_new(&new);
    meet(&old, &new);
    let again = old::board();
    again.load(&mut &*save(&old)).unwrap();
    assert_eq!((again.deferred(), again.version()), (Ok(5), old.version()));
    let upgraded = new::board();
    upgraded.load(&mut &*save(&again)).unwrap();
    assert_eq!(upgraded.read(shown).unwrap(), ALL);
}

#[test]
fn an_older_snapshot_is_read_with_defaults_and_its_pending_updates_follow() {
    let (old, new) = (old::board(), new::board());
    write_old(&old);
    old.trim(&old.version().unwrap()).unwrap();
    meet(&old, &new);
    assert_eq!(new.read(shown).unwrap(), r#"Groceries [(1, "milk", Done, 0)] 2 0"#);
    write_new(&new);
    meet(&old, &new);
    // What is deferred is in no snapshot, and must not be trimmed.
    assert!(old.trim(&old.version().unwrap()).is_err());
    let late = new::board();
    meet(&old, &late);
    assert_eq!(late.read(shown).unwrap(), ALL);
    assert_eq!(late.version(), new.version());
}

#[test]
fn a_log_for_older_readers_ends_before_the_pending_updates() {
    let now = repred::sans_io::Now {
        wall: repred::Time::ZERO + Duration::from_secs(1_800_000_000),
        monotonic: repred::sans_io::Monotonic::ZERO,
    };
    let core = |id: u128| repred::sans_io::Core::new(id.into(), old::Board::default());
    let config = || repred::sans_io::SessionConfig::new(Schema::new("board", 1));
    let mut core = core(1);
    let mut saving = repred::sans_io::BackupWriter::new(&config(), &mut core, now).unwrap();
    while saving.poll_message(&mut core, &mut Vec::new()).unwrap() {}

    let newer = new::board();
    write_new(&newer);
    let mut loading = repred::sans_io::BackupReader::new(config());
    for message in frames(&save(&newer)) {
        loading.handle_message(&mut core, &message, now).unwrap();
    }
    assert_eq!(core.deferred(), 5);
    let error = saving.poll_message(&mut core, &mut Vec::new()).unwrap_err();
    assert_eq!(error, SessionError::NewerSchema);
}

/// The messages of a file.
fn frames(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !file.is_empty() {
        let (mut len, mut shift) = (0, 0);
        while let Some((&byte, rest)) = file.split_first() {
            file = rest;
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let (frame, rest) = file.split_at(len);
        frames.push(frame.to_vec());
        file = rest;
    }
    frames
}

#[test]
fn a_newer_snapshot_is_refused_with_advice() {
    let (old, new) = (old::board(), new::board());
    write_new(&new);
    new.trim(&new.version().unwrap()).unwrap();
    let (left, right) = pipe(1 << 16);
    let (ours, _) = block_on(future::join(old.connect(left), new.connect(right)));
    let error = ours.unwrap_err();
    let error = error.source().map(ToString::to_string).unwrap_or_default();
    assert!(error.contains("newer version of the program"), "{error}");
    assert_eq!(old.version(), Ok(VersionVector::new()), "it is as it was");
}

#[test]
fn any_other_schema_is_refused_with_both_names() {
    let refused = |schema: Schema| {
        let other = Replica::builder(new::Board::default()).schema(schema).build();
        let old = old::board();
        let (left, right) = pipe(1 << 16);
        let (ours, theirs) = block_on(future::join(old.connect(left), other.connect(right)));
        for error in [ours, theirs] {
            let Err(ConnectionError::Session(error @ SessionError::Schema { .. })) = error else {
                panic!("{error:?}");
            };
            assert!(error.to_string().contains("\"board, version 1\""), "{error}");
        }
        let loaded = other.load(&mut &*save(&old));
        assert!(matches!(loaded, Err(LoadError::Content(SessionError::Schema { .. }))));
    };
    refused(Schema::new("board", 2));
    refused(Schema::new("board", 3).grown_from(2));
    refused(Schema::new("plank", 2).grown_from(1));
}

#[test]
fn a_program_that_has_grown_under_its_old_version_is_refused_before_anything_is_exchanged() {
    let liar = Replica::builder(new::Board::default()).schema(Schema::new("board", 1)).build();
    write_new(&liar);
    let old = old::board();
    let (left, right) = pipe(1 << 16);
    let (ours, theirs) = block_on(future::join(old.connect(left), liar.connect(right)));
    for error in [ours, theirs] {
        let Err(ConnectionError::Session(error @ SessionError::Shape { .. })) = error else {
            panic!("{error:?}");
        };
        assert!(error.to_string().contains("another version"), "{error}");
    }
    assert_eq!((old.version(), old.deferred()), (Ok(VersionVector::new()), Ok(0)));
}

/// The older one is this process; the newer one is another, and so is what the older one is upgraded to.
#[test]
fn two_versions_run_as_two_processes() {
    let board = old::board();
    write_old(&board);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut newer = child("newer", &port.to_string());
    let (stream, _) = listener.accept().unwrap();
    let stream = smol::Async::new(stream).unwrap();
    let ended = smol::block_on(board.connect(stream));
    assert!(newer.wait().unwrap().success(), "{ended:?}");
    assert_eq!(board.deferred(), Ok(5));

    let file = env::temp_dir().join(format!("repred-evolution-{}", std::process::id()));
    fs::write(&file, save(&board)).unwrap();
    let upgraded = child("upgraded", file.to_str().unwrap()).wait().unwrap();
    fs::remove_file(&file).unwrap();
    assert!(upgraded.success());
}

fn child(role: &str, argument: &str) -> std::process::Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "evolution::the_other_process", "--ignored", "--nocapture"]);
    command.env("REPRED_EVOLUTION", format!("{role} {argument}")).spawn().unwrap()
}

#[test]
#[ignore = "started by another test"]
fn the_other_process() {
    let Ok(role) = env::var("REPRED_EVOLUTION") else { return };
    let board = new::board();
    match role.split_once(' ').unwrap() {
        ("newer", port) => {
            let stream =
                std::net::TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
            let stream = smol::Async::new(stream).unwrap();
            let delivered = async {
                board.synced().await.unwrap();
                write_new(&board);
                while board.peers().unwrap().first().is_none_or(|peer| peer.lag != Some(0)) {
                    smol::Timer::after(Duration::from_millis(1)).await;
                }
            };
            let connection = board.connect(stream);
            smol::block_on(future::select(Box::pin(connection), Box::pin(delivered)));
            assert_eq!(board.read(shown).unwrap(), ALL);
        }
        (_, file) => {
            board.load(&mut fs::File::open(file).unwrap()).unwrap();
            assert_eq!(board.read(shown).unwrap(), ALL);
        }
    }
}

/// What the state of an older program is that holds something.
fn votes_of(board: &Replica<old::Board>) -> i128 {
    board.read(|board| board.votes.value()).unwrap()
}

#[test]
fn pending_and_new_updates_survive_in_an_older_programs_journal() {
    holds_and_writes(false);
}

#[test]
fn pending_updates_survive_a_fold_of_an_older_program() {
    holds_and_writes(true);
}

fn holds_and_writes(trims: bool) {
    let disk = Memory::new();
    let mut old = old::builder().open_in(disk.clone()).unwrap();
    let id = old.id().unwrap();
    write_old(&old);
    if trims {
        old.trim(&old.version().unwrap()).unwrap();
    }
    let newer = new::board();
    write_new(&newer);
    meet(&old, &newer);
    assert!(old.deferred().unwrap() > 0);
    // What is written while something is deferred is reduced here, and is so after a restart, however often.
    for votes in [102, 202, 302] {
        old.edit(|board| board.votes().add(100)).unwrap();
        if votes == 202 {
            old.compact().unwrap();
        }
        let told = |old: &Replica<old::Board>| (old.version(), old.deferred(), old.history_len());
        let before = told(&old);
        drop(old);
        old = old::builder().open_in(disk.clone()).unwrap();
        assert_eq!((votes_of(&old), old.id().unwrap()), (votes, id));
        assert!(old.deferred().unwrap() > 0);
        if votes >= 202 {
            assert_eq!(told(&old), before, "compacted");
        }
    }
    drop(old);
    let upgraded = new::builder().open_in(disk).unwrap();
    meet(&upgraded, &newer);
    assert_eq!(upgraded.deferred().unwrap(), 0);
    assert_eq!(upgraded.read(|board| board.votes.value()).unwrap(), 412);
    assert_eq!(newer.state_digest().unwrap(), upgraded.state_digest().unwrap());
}

#[test]
fn an_older_program_that_opens_a_newer_journal_writes_under_another_id() {
    let disk = Memory::new();
    let newer = new::builder().open_in(disk.clone()).unwrap();
    let id = newer.id().unwrap();
    write_new(&newer);
    drop(newer);
    let old = old::builder().open_in(disk.clone()).unwrap();
    assert!(old.deferred().unwrap() > 0);
    assert_ne!(old.id().unwrap(), id, "there would be a gap in what is reduced");
    old.edit(|board| board.votes().add(100)).unwrap();
    assert_eq!(votes_of(&old), 100);
    drop(old);
    let newer = new::builder().open_in(disk).unwrap();
    assert_eq!(newer.read(|board| board.votes.value()).unwrap(), 210);
}

/// An older program writes something while it holds something else.
fn writes_while_it_holds(trims: bool, overwrites: bool) -> (Memory, Replica<old::Board>) {
    let disk = Memory::new();
    let old = old::builder().open_in(disk.clone()).unwrap();
    write_old(&old);
    let newer = new::board();
    meet(&old, &newer);
    if trims {
        old.trim(&old.version().unwrap()).unwrap();
    }
    if overwrites {
        old.edit(|board| board.title().set("Shopping")).unwrap();
    }
    write_new(&newer);
    newer.edit(|board| board.name().set("Errands")).unwrap();
    meet(&old, &newer);
    assert!(old.deferred().unwrap() > 0);
    old.edit(|board| board.title().set("Chores")).unwrap();
    old.compact().unwrap();
    old.close().unwrap();
    (disk, old)
}

#[test]
fn updates_overwritten_while_others_are_pending_survive_a_compaction() {
    for trims in [false, true] {
        let (disk, old) = writes_while_it_holds(trims, true);
        let again = old::builder().open_in(disk).unwrap();
        assert_eq!(
            again.read(|board| board.title.to_string()).unwrap(),
            "Chores",
            "trimmed: {trims}"
        );
        assert_eq!((again.id(), again.deferred()), (old.id(), old.deferred()));
        assert_eq!(again.version(), old.version());
    }
}

/// The reason for its changing nothing comes later, for whoever gets it from here.
#[test]
fn a_pending_update_is_not_empty_because_of_a_later_write() {
    for (trims, overwrites) in [(false, false), (false, true), (true, false), (true, true)] {
        let (disk, old) = writes_while_it_holds(trims, overwrites);
        let upgraded = new::builder().open_in(disk).unwrap();
        assert_eq!(upgraded.deferred().unwrap(), 0);
        assert_eq!(upgraded.read(|board| board.name.to_string()).unwrap(), "Chores");
        assert_eq!(upgraded.version(), old.version());
    }
}

/// Two newer programs write by turns, and an older one gets all of it: the second has seen what is deferred here.
fn effect_without_its_cause(
    prepare: impl FnOnce(&Replica<old::Board>),
) -> (Memory, [Replica<new::Board>; 2]) {
    let disk = Memory::new();
    let old = old::builder().open_in(disk.clone()).unwrap();
    write_old(&old);
    old.edit(|board| board.votes().add(1)).unwrap();
    let (cause, effect) = (new::board(), new::board());
    meet(&old, &cause);
    cause.edit(|board| board.guests().insert("jim")).unwrap();
    cause.edit(|board| board.cards().entry(7).text().set("beer")).unwrap();
    meet(&cause, &effect);
    effect.edit(|board| board.cards().remove(&7)).unwrap();
    effect.edit(|board| board.name().set("Errands")).unwrap();
    meet(&old, &effect);
    prepare(&old);
    // What the older one knows of is reduced, of whoever did not write what it does not know.
    let id = cause.id().unwrap();
    assert_eq!((old.deferred(), old.deferred_origins()), (Ok(2), Ok(vec![id])));
    assert_eq!(old.read(|board| board.title.to_string()).unwrap(), "Errands");
    old.close().unwrap();
    (disk, [cause, effect])
}

#[test]
fn what_others_write_is_reduced_while_one_origin_is_deferred_and_an_upgrade_puts_all_in_order() {
    let compacts = |old: &Replica<old::Board>| old.compact().unwrap();
    let trims = |old: &Replica<old::Board>| {
        assert!(old.trim(&old.version().unwrap()).is_err(), "an effect has no place in a snapshot");
        let own = old.id().unwrap();
        old.trim(&[(own, 1)].into_iter().collect()).unwrap();
        old.compact().unwrap();
    };
    let restarts = |_: &Replica<old::Board>| {};
    type Step<'s> = &'s dyn Fn(&Replica<old::Board>);
    let all: [Step<'_>; 3] = [&restarts, &compacts, &trims];
    for prepare in all {
        let (disk, [cause, effect]) = effect_without_its_cause(prepare);
        // Twice by the older program, and then by the newer.
        let again = old::builder().open_in(disk.clone()).unwrap();
        assert_eq!(again.deferred(), Ok(2));
        again.edit(|board| board.votes().add(10)).unwrap();
        again.compact().unwrap();
        again.close().unwrap();
        let upgraded = new::builder().open_in(disk).unwrap();
        assert_eq!(upgraded.deferred(), Ok(0));
        assert!(
            upgraded.read(|board| board.cards.get(&7).is_none()).unwrap(),
            "removed after it was there"
        );
        meet(&upgraded, &effect);
        meet(&upgraded, &cause);
        for other in [&cause, &effect] {
            assert_eq!(other.read(|board| board.votes.value()), Ok(13));
        }
        assert_eq!(upgraded.state_digest().unwrap(), cause.state_digest().unwrap());
    }
}

#[test]
fn a_late_joiner_gets_what_is_in_order_and_then_the_rest() {
    let (disk, [cause, _]) = effect_without_its_cause(|old| {
        let own = old.id().unwrap();
        old.trim(&[(own, 1)].into_iter().collect()).unwrap();
    });
    let old = old::builder().open_in(disk).unwrap();
    old.trim(&[(old.id().unwrap(), 1)].into_iter().collect()).unwrap();
    let late = new::board();
    meet(&old, &late);
    meet(&cause, &old);
    meet(&cause, &late);
    assert_eq!(late.version(), old.version());
    assert!(late.read(|board| board.cards.get(&7).is_none()).unwrap());
    meet(&late, &cause);
    assert_eq!(late.state_digest().unwrap(), cause.state_digest().unwrap());
}

#[test]
fn what_is_let_go_is_passed_on_and_changes_nothing_here() {
    let (old, new) = (old::board(), new::board());
    write_old(&old);
    meet(&old, &new);
    write_new(&new);
    meet(&old, &new);
    let before = old.read(votes_in).unwrap();
    assert_eq!(old.deferred(), Ok(5));
    old.let_go(new.id().unwrap()).unwrap();
    assert_eq!((old.deferred(), old.read(votes_in)), (Ok(0), Ok(before)));
    old.trim(&old.version().unwrap()).expect("nothing is deferred");
    new.edit(|board| board.votes().add(1)).unwrap();
    meet(&old, &new);
    assert_eq!(old.read(votes_in), Ok(before + 1), "what can be read is reduced again");
}

fn votes_in(board: &old::Board) -> i128 {
    board.votes.value()
}

#[test]
fn nothing_is_forgotten_while_something_is_deferred() {
    let (old, new) = (old::board(), new::board());
    meet(&old, &new);
    write_new(&new);
    meet(&old, &new);
    let before = old.history_len().unwrap();
    for title in ["Groceries", "Errands", "Chores"] {
        old.edit(|board| board.title().set(title)).unwrap();
    }
    assert_eq!(old.history_len(), Ok(before + 3), "the state that says so lacks a cause");
}
