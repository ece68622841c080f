//! What a journal tells without the type of its state.

use std::{env, fs};

use repred::{
    Dot, Durability, GrowSet, LwwMap, Replica, ReplicaId, Schema, Time, VersionVector,
    error::JournalReadError,
    journal::{Files, Journal, JournalEvent, JournalReader, Memory, RawEntry, Storage},
    sans_io::{Core, Monotonic, Now, SessionConfig},
};

type Notes = LwwMap<u8, u32>;

const FILE: &str = "journal-00000001";
const A: u128 = 0xa;
const B: u128 = 0xb;

fn now() -> Now {
    Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO }
}

fn config() -> SessionConfig {
    SessionConfig::new(Schema::new("notes", 3).grown_from(2))
}

/// A replica that writes to a disk.
struct Author {
    core: Core<Notes>,
    journal: Journal<Memory>,
}

impl Author {
    fn open(disk: &Memory, id: u128, durability: Durability) -> Self {
        let mut core = Core::new(id.into(), Notes::default());
        let opened = Journal::open(disk.clone(), &mut core, &config(), durability, now());
        Self { core, journal: opened.unwrap() }
    }

    fn set(&mut self, key: u8, value: u32) {
        self.core.update((key, Some(value)), now().wall).unwrap();
        self.save();
    }

    fn set_all(&mut self, pairs: &[(u8, u32)]) {
        let updates = pairs.iter().map(|&(key, value)| (key, Some(value)));
        self.core.update_all(updates, now().wall).unwrap();
        self.save();
    }

    fn save(&mut self) {
        self.journal.write(&mut self.core).unwrap();
        self.journal.sync().unwrap();
    }

    fn compact(&mut self) {
        self.journal.compact(&mut self.core).unwrap();
    }

    fn close(mut self) {
        self.journal.close(&mut self.core).unwrap();
    }
}

fn strict(disk: &Memory, id: u128) -> Author {
    Author::open(disk, id, Durability::EveryUpdate)
}

fn told(disk: &Memory) -> Vec<JournalEvent> {
    JournalReader::open(disk.clone()).unwrap().collect::<Result<_, _>>().unwrap()
}

/// In a word each.
fn words(disk: &Memory) -> Vec<String> {
    told(disk).iter().map(word).collect()
}

fn word(event: &JournalEvent) -> String {
    match event {
        JournalEvent::Opened { id, is_strict: true } => format!("opened by {id:?}"),
        JournalEvent::Opened { id, .. } => format!("opened by {id:?}, not strict"),
        JournalEvent::Schema { schema, newest, .. } => format!("{schema} of {newest}"),
        JournalEvent::Named { id } => format!("named {id:?}"),
        JournalEvent::Snapshot { snapshot, floor } => {
            format!("snapshot {}, {floor} trimmed", snapshot.version())
        }
        JournalEvent::Entry(entry) => entry_word(entry),
        JournalEvent::Skip(ranges) => format!("skip {ranges:?}"),
        JournalEvent::Closed => "closed".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn entry_word(entry: &RawEntry) -> String {
    let (key, value): (u8, Option<u32>) = entry.decode().unwrap();
    let edit = entry.edit.as_ref().map(|seqs| format!(" of {seqs:?}")).unwrap_or_default();
    format!("{:?}{edit} sets {key} to {}", entry.stamp.dot, value.unwrap())
}

#[test]
fn a_journal_is_read_in_the_order_of_writing() {
    let disk = Memory::new();
    let mut author = strict(&disk, A);
    author.set(1, 10);
    author.set_all(&[(2, 20), (3, 30)]);
    author.set(1, 11);
    assert_eq!(
        words(&disk),
        [
            "opened by a",
            "notes, version 3 of 3",
            "a.1 sets 1 to 10",
            "a.2 of 2..=3 sets 2 to 20",
            "a.3 of 2..=3 sets 3 to 30",
            "a.4 sets 1 to 11"
        ]
    );
    author.close();
    assert_eq!(words(&disk).last().unwrap(), "closed");
}

#[test]
fn a_reader_reports_the_id_of_each_writer() {
    let disk = Memory::new();
    let mut first = Author::open(&disk, A, Durability::System);
    first.set(1, 10);
    drop(first);
    // Somebody may have heard more of `a` than is here.
    let mut second = strict(&disk, B);
    second.set(2, 20);
    second.core.set_id(ReplicaId::from(0xc));
    second.set(3, 30);
    assert_eq!(
        words(&disk),
        [
            "opened by a, not strict",
            "notes, version 3 of 3",
            "a.1 sets 1 to 10",
            "opened by b",
            "notes, version 3 of 3",
            "b.1 sets 2 to 20",
            "named c",
            "c.1 sets 3 to 30"
        ]
    );
}

#[test]
fn compaction_turns_superseded_entries_into_skips_and_trimmed_ones_into_a_snapshot() {
    let disk = Memory::new();
    let mut author = strict(&disk, A);
    author.set(1, 10);
    author.set(2, 20);
    author.set(1, 11);
    author.compact();
    assert_eq!(words(&disk)[2..], ["skip [(a, 1..=1)]", "a.2 sets 2 to 20", "a.3 sets 1 to 11"]);

    author.core.trim(&[(A.into(), 2)].into_iter().collect()).unwrap();
    author.compact();
    author.set(3, 30);
    assert_eq!(
        words(&disk)[2..],
        ["snapshot {a:3}, {a:2} trimmed", "a.3 sets 1 to 11", "a.4 sets 3 to 30"]
    );
    let mut reader = JournalReader::open(disk).unwrap();
    assert_eq!((reader.generation(), reader.file()), (3, "journal-00000003"));
    assert_eq!(*reader.version(), VersionVector::new(), "nothing is read yet");
    assert_eq!(reader.by_ref().count(), 5);
    assert_eq!(*reader.version(), author.core.version());
}

/// A journal of so many updates, and where it begins and each ends.
fn written(updates: u32) -> (Memory, Vec<u64>) {
    let disk = Memory::new();
    let mut author = strict(&disk, A);
    let mut ends = vec![author.journal.size()];
    for number in 0..updates {
        author.set(number as u8, number);
        ends.push(author.journal.size());
    }
    (disk, ends)
}

#[test]
fn the_torn_end_of_a_log_is_reported_by_size_and_left_alone() {
    let (disk, ends) = written(10);
    let size = *ends.last().unwrap();
    for cut in 0..=size {
        let mut disk = disk.copy();
        disk.damage(FILE, |bytes| bytes.truncate(cut as usize)).unwrap();
        let mut reader = JournalReader::open(disk.clone()).unwrap();
        let events: Vec<_> = reader.by_ref().collect::<Result<_, _>>().unwrap();
        let entries = events.iter().filter(|one| matches!(one, JournalEvent::Entry(_))).count();
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        assert_eq!(entries, whole, "cut at {cut}");
        // Zeros at the end are no different from nothing.
        let end = reader.offset() + reader.torn_bytes();
        let mut zeros = vec![1; (cut - end) as usize];
        disk.read(FILE, end, &mut zeros).unwrap();
        assert!(zeros.iter().all(|byte| *byte == 0), "cut at {cut}, told to end at {end}");
        assert_eq!(disk.size(FILE).unwrap(), cut);
    }
}

#[test]
fn an_edit_without_its_end_is_not_reported() {
    type Texts = GrowSet<String>;
    let (mut disk, config) = (Memory::new(), SessionConfig::for_state::<Texts>());
    let mut core = Core::new(A.into(), Texts::default());
    let level = Durability::EveryUpdate;
    let mut journal = Journal::open(disk.clone(), &mut core, &config, level, now()).unwrap();
    // More than is written as one record.
    core.update_all(["a", "b", "c"].map(|text| text.repeat(600_000)), now().wall).unwrap();
    journal.write(&mut core).unwrap();
    journal.sync().unwrap();
    let count = |disk: &Memory| {
        let entries = told(disk).into_iter().filter(|one| matches!(one, JournalEvent::Entry(_)));
        entries.count()
    };
    assert_eq!(count(&disk), 3);
    disk.damage(FILE, |bytes| bytes.truncate(bytes.len() - 1)).unwrap();
    assert_eq!(count(&disk), 0);
    let mut again = Core::new(B.into(), Texts::default());
    Journal::open(disk, &mut again, &config, level, now()).unwrap();
    assert!(again.version().is_empty(), "so does who opens it");
}

#[test]
fn damage_is_reported_after_the_records_before_it() {
    let (disk, ends) = written(10);
    let (size, last) = (*ends.last().unwrap() as usize, ends[ends.len() - 2] as usize);
    for bit in 0..size * 8 {
        let mut disk = disk.copy();
        disk.damage(FILE, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
        let whole = ends.iter().skip(1).filter(|end| **end as usize <= bit / 8).count();
        let (mut entries, mut damaged) = (0, None);
        match JournalReader::open(disk) {
            Err(JournalReadError::Damaged { offset, .. }) => damaged = Some(offset),
            Err(error) => panic!("bit {bit}: {error}"),
            Ok(reader) => {
                for event in reader {
                    match event {
                        Ok(JournalEvent::Entry(_)) => entries += 1,
                        Ok(_) => {}
                        Err(JournalReadError::Damaged { offset, .. }) => damaged = Some(offset),
                        Err(error) => panic!("bit {bit}: {error}"),
                    }
                }
            }
        }
        assert_eq!(entries, whole, "bit {bit}");
        assert_eq!(damaged.is_some(), bit / 8 < last, "bit {bit}");
        assert!(damaged.is_none_or(|offset| offset <= bit as u64 / 8), "bit {bit}");
    }
}

#[test]
fn a_folder_without_a_journal_is_reported() {
    let nothing = JournalReader::open(Memory::new());
    assert!(matches!(nothing, Err(JournalReadError::NoJournal)));
    let mut disk = Memory::new();
    disk.create(FILE).unwrap();
    disk.write(FILE, 0, b"#!/bin/sh\necho this is no journal at all\n").unwrap();
    let foreign = JournalReader::open(disk);
    assert!(matches!(foreign, Err(JournalReadError::Damaged { offset: 0, .. })));
}

#[test]
fn a_folder_in_use_can_be_read_and_is_not_changed() {
    let folder = env::temp_dir().join(format!("repred-reader-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    assert!(Files::read_only(&folder).is_err(), "there is none");
    assert!(!folder.exists(), "and none was made");

    let notes = Replica::builder(Notes::default()).id(A.into()).open(&folder).unwrap();
    notes.update((1, Some(10))).unwrap().wait().unwrap();
    let mut files = Files::read_only(&folder).unwrap();
    let names = files.names().unwrap();
    assert!(files.create("journal-00000009").is_err());
    assert!(files.write(FILE, 0, b"no").is_err());
    assert!(files.truncate(FILE, 0).is_err());
    assert!(files.sync(FILE).is_err());
    assert!(files.rename(FILE, "journal-00000009").is_err());
    assert!(files.remove(FILE).is_err());
    assert!(files.sync_names().is_err());

    let mut reader = JournalReader::open(files).unwrap();
    assert!(reader.by_ref().all(|event| event.is_ok()));
    assert!(reader.version().contains(Dot::new(A.into(), 1)));
    // The replica goes on, and what was read goes on to be what it was.
    notes.update((2, Some(20))).unwrap().wait().unwrap();
    notes.compact().unwrap();
    assert!(reader.next().is_none());
    assert_eq!(Files::read_only(&folder).unwrap().names().unwrap().len(), names.len());
    drop(notes);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_journal_that_is_written_and_compacted_meanwhile_is_whole_whenever_it_is_read() {
    let folder = env::temp_dir().join(format!("repred-meanwhile-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let builder = Replica::builder(Notes::default()).durability(Durability::System);
    let notes = builder.open(&folder).unwrap();
    let writer = std::thread::spawn(move || {
        for number in 0..30_000 {
            notes.update((number as u8, Some(number))).unwrap();
            if number % 1000 == 0 {
                notes.compact().unwrap();
            }
        }
        notes.close().unwrap();
    });
    let (mut seen, mut generations) = (VersionVector::new(), 0);
    while !writer.is_finished() {
        let mut reader = JournalReader::open(Files::read_only(&folder).unwrap()).unwrap();
        reader.by_ref().try_for_each(|event| event.map(drop)).unwrap();
        assert!(reader.version().covers(&seen), "nothing is gone");
        (seen, generations) = (reader.version().clone(), reader.generation());
    }
    writer.join().unwrap();
    assert!(generations > 1);
    fs::remove_dir_all(folder).unwrap();
}
