//! Files of earlier releases can be read, for ever.
//!
//! A new release that writes otherwise adds a fixture with the ignored test here, and leaves the old ones alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use repred::{
    Counter, Durability, Events, Flag, Map, MultiRegister, Reduce, Register, Replica, Schema, Set,
    Time,
    error::{JournalReadError, OpenError},
    journal::{Files, Journal, JournalReader},
    sans_io::{Core, Monotonic, Now, SessionConfig},
};
use serde::{Deserialize, Serialize};

#[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    votes: Counter,
    cards: Map<u8, Card>,
    log: Events<String>,
    mood: MultiRegister<u8>,
}

#[derive(Reduce, Clone, Debug, Default, Serialize, Deserialize)]
struct Card {
    text: Register<String>,
    tags: Set<String>,
    is_done: Flag,
}

/// The files of format 2 had none.
const DOCUMENT: u128 = 0xd0c;

fn schema() -> Schema {
    Schema::new("fixture", 1)
}

fn config() -> SessionConfig {
    SessionConfig::new(schema())
}

fn at(second: u64) -> Now {
    Now {
        wall: Time::from_micros(1_800_000_000_000_000 + second * 1_000_000),
        monotonic: Monotonic::ZERO,
    }
}

fn folder(release: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(release)
}

fn open(folder: &Path, id: u128) -> (Core<Board>, Journal<Files>) {
    let mut core = Core::new(id.into(), Board::default());
    core.set_document(DOCUMENT.into());
    let files = Files::open(folder).unwrap();
    let level = Durability::EveryUpdate;
    let journal = Journal::open(files, &mut core, &config(), level, at(0)).unwrap();
    (core, journal)
}

fn edit(core: &mut Core<Board>, journal: &mut Journal<Files>, second: u64, number: u8) {
    core.edit(at(second).wall, |board| {
        board.title().set(format!("title {number}"));
        board.votes().add(i64::from(number));
        let mut cards = board.cards();
        let mut card = cards.entry(number % 3);
        card.text().set(format!("card {number}"));
        card.tags().insert(format!("tag {number}"));
        card.is_done().enable();
    })
    .unwrap();
    core.edit(at(second).wall, |board| board.log().push(format!("event {number}"))).unwrap();
    core.edit(at(second).wall, |board| board.mood().set(number)).unwrap();
    journal.write(core).unwrap();
    journal.sync().unwrap();
}

#[test]
#[ignore = "writes a fixture: give its name in REPRED_FIXTURE"]
fn write_a_fixture() {
    let name = std::env::var("REPRED_FIXTURE").expect("the name of a release that has no fixture");
    let folder = folder(&name);
    assert!(!folder.exists(), "a fixture is never written again");
    let (mut core, mut journal) = open(&folder, 0xa);
    (0..3).for_each(|number| edit(&mut core, &mut journal, u64::from(number), number));
    let floor = core.version();
    (3..5).for_each(|number| edit(&mut core, &mut journal, u64::from(number), number));
    // A snapshot goes first, which has also what follows it beyond the floor; then comes what came later, and
    // somebody else goes on with it.
    core.trim(&floor).unwrap();
    journal.compact(&mut core).unwrap();
    (5..8).for_each(|number| edit(&mut core, &mut journal, u64::from(number), number));
    drop(journal);
    let (mut core, mut journal) = open(&folder, 0xb);
    core.set_id(0xc.into());
    edit(&mut core, &mut journal, 8, 8);
    core.edit(at(9).wall, |board| {
        let mut cards = board.cards();
        cards.remove(&1);
    })
    .unwrap();
    journal.close(&mut core).unwrap();
    fs::remove_file(folder.join("lock")).unwrap();
}

/// A copy, since it is written to when it is opened.
fn copied(release: &str) -> PathBuf {
    let to = std::env::temp_dir().join(format!("repred-fixture-{release}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(&to).unwrap();
    for file in fs::read_dir(folder(release)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    to
}

fn check(board: &Board) {
    assert_eq!(board.title.value(), "title 8");
    assert_eq!(board.votes.value(), (0..=8).sum::<i128>());
    let card = |key| board.cards.get(&key).map(|card: &Card| card.text.to_string());
    assert_eq!([card(0), card(1), card(2)], [Some("card 6".into()), None, Some("card 8".into())]);
    let tags: Vec<_> = board.cards.get(&2).unwrap().tags.iter().cloned().collect();
    assert_eq!(tags, ["tag 2", "tag 5", "tag 8"]);
    assert!(board.cards.get(&0).unwrap().is_done.value());
    let events: Vec<_> = board.log.iter().map(|(_, event)| event.clone()).collect();
    assert_eq!(events, (0..=8).map(|number| format!("event {number}")).collect::<Vec<_>>());
    assert_eq!(board.mood.values().copied().collect::<Vec<_>>(), [8]);
}

#[test]
fn the_journal_of_release_0_1_can_be_read() {
    let folder = copied("0.1");
    let builder = || {
        let replica = Replica::builder(Board::default()).schema(schema()).clock(|| at(20).wall);
        replica.document(DOCUMENT.into())
    };
    let replica = builder().open(&folder).unwrap();
    replica.read(check).unwrap();
    // The journal knows where it was written.
    assert!(replica.recovery().copied.is_some());
    assert_eq!(replica.recovery().former_id, Some(0xc.into()));
    assert_eq!(replica.version().unwrap().to_string(), "{a:55 c:8}");
    replica.edit(|board| board.votes().add(1)).unwrap();
    replica.close().unwrap();
    let again = builder().open(&folder);
    drop(replica);
    let again = again.unwrap();
    assert_eq!(again.read(|board| board.votes.value()).unwrap(), 37);
    drop(again);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_journal_of_format_2_is_refused_by_name_and_stays_as_it_was() {
    let folder = copied("format-2");
    let file = folder.join("journal-00000002");
    let before = fs::read(&file).unwrap();
    let replica = || Replica::builder(Board::default()).schema(schema());
    for builder in [replica(), replica().recover()] {
        match builder.open(&folder) {
            Err(OpenError::Format { file, format: 2 }) => {
                assert!(file.ends_with("journal-00000002"), "{file}");
            }
            other => panic!("{other:?}"),
        }
    }
    match JournalReader::open(Files::read_only(&folder).unwrap()) {
        Err(JournalReadError::Format { format: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&file).unwrap(), before);
    fs::remove_dir_all(folder).unwrap();
}
