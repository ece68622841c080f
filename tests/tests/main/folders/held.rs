//! A folder that is renamed, removed or replaced while it is open.

use std::{
    env, fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use repred::{
    Durability, Replica,
    error::{JournalError, NotDurable, UpdateError},
    journal::{Files, Storage},
};

use super::{Numbers, Place, content, copy, displaced, found, open, path, scenes, write, written};

const FILE: &str = "journal-00000001";

/// Things that happen to the folder `data` while it is open, and what is displaced then.
type Accident = (&'static str, fn(&Place), &'static str);

const ACCIDENTS: &[Accident] = &[
    ("rm -rf data", |place| fs::remove_dir_all(place.join("data")).unwrap(), "data"),
    ("mv data gone", |place| mv(place, "data", "gone"), "data"),
    (
        "mv data gone; mkdir data",
        |place| {
            mv(place, "data", "gone");
            fs::create_dir(place.join("data")).unwrap();
        },
        "data",
    ),
    (
        "mv data gone; cp -r gone data",
        |place| {
            mv(place, "data", "gone");
            copy(&place.join("gone"), &place.join("data"));
        },
        "data",
    ),
    (
        "mv data gone; mv another data",
        |place| {
            written(&place.join("another"), 100..120);
            mv(place, "data", "gone");
            mv(place, "another", "data");
        },
        "data",
    ),
    (
        "mv data gone; ln -s another data",
        |place| {
            written(&place.join("another"), 100..120);
            mv(place, "data", "gone");
            symlink(place.join("another"), place.join("data")).unwrap();
        },
        "data",
    ),
    ("rm data/lock", |place| fs::remove_file(place.join("data/lock")).unwrap(), "data/lock"),
    (
        "rm data/lock; touch data/lock",
        |place| {
            fs::rename(place.join("data/lock"), place.join("old")).unwrap();
            fs::write(place.join("data/lock"), "").unwrap();
        },
        "data/lock",
    ),
    ("rm data/journal-*", |place| fs::remove_file(place.join("data").join(FILE)).unwrap(), FILE),
    (
        "mv data/journal-* gone",
        |place| fs::rename(place.join("data").join(FILE), place.join("gone")).unwrap(),
        FILE,
    ),
    (
        "mv data/journal-* old; cp old data/journal-*",
        |place| {
            let file = place.join("data").join(FILE);
            fs::rename(&file, place.join("old")).unwrap();
            fs::copy(place.join("old"), &file).unwrap();
        },
        FILE,
    ),
    (
        "mv data/journal-* old; ln -s ../old data/journal-*",
        |place| {
            let file = place.join("data").join(FILE);
            fs::rename(&file, place.join("old")).unwrap();
            symlink("../old", &file).unwrap();
        },
        FILE,
    ),
];

fn mv(place: &Place, from: &str, to: &str) {
    fs::rename(place.join(from), place.join(to)).unwrap();
}

fn levels() -> [Durability; 3] {
    [Durability::EveryUpdate, Durability::Interval(Duration::from_secs(3600)), Durability::System]
}

/// Whether a path ends as the accident says.
fn is_at(path: &Path, place: &Place, end: &str) -> bool {
    let base = if end == FILE { place.join("data") } else { place.0.clone() };
    path == base.join(end)
}

#[test]
fn nothing_is_acknowledged_in_a_folder_that_has_lost_its_name() {
    for (name, happen, what) in ACCIDENTS {
        for durability in levels() {
            let place = Place::new("displaced");
            let builder = Replica::builder(Numbers::default()).durability(durability);
            let replica = builder.open(place.join("data")).unwrap();
            write(&replica, 0..20);
            happen(&place);
            let path = displaced(replica.update(20).unwrap().wait());
            assert!(is_at(&path, &place, what), "{name}, {durability:?}: {}", path.display());
            // Nothing is taken any more, and the reason is given.
            let refused = replica.update(21).unwrap_err();
            assert!(matches!(refused, UpdateError::ReadOnly { .. }), "{name}: {refused:?}");
            let path = path.display().to_string();
            assert!(refused.to_string().contains(&path), "{name}: {refused}");
            assert!(is_at(&displaced(replica.close()), &place, what), "{name}");
        }
    }
}

#[test]
fn closing_says_that_what_was_acknowledged_has_gone() {
    for (name, happen, what) in ACCIDENTS {
        let place = Place::new("closed-late");
        let replica = open(place.join("data")).unwrap();
        write(&replica, 0..20);
        happen(&place);
        assert!(is_at(&displaced(replica.close()), &place, what), "{name}");
    }
}

#[test]
fn a_thousand_updates_into_a_removed_folder_are_a_thousand_errors() {
    let place = Place::new("thousand");
    let replica = open(place.join("data")).unwrap();
    fs::remove_file(place.join("data").join(FILE)).unwrap();
    let receipts: Vec<_> = (0..1000).map(|number| replica.update(number)).collect();
    let durable = receipts.into_iter().flatten().filter(|receipt| receipt.wait().is_ok());
    assert_eq!(durable.count(), 0);
    assert!(replica.close().is_err());
}

#[test]
fn a_compaction_replaces_nothing_in_a_folder_that_has_lost_its_name() {
    for (name, happen, what) in ACCIDENTS {
        let place = Place::new("compacted");
        let replica = open(place.join("data")).unwrap();
        write(&replica, 0..20);
        happen(&place);
        let data = place.join("data");
        let before = data.exists().then(|| content(&data));
        match replica.compact().unwrap_err() {
            JournalError::Displaced(displaced) => {
                let path = path(&displaced);
                assert!(is_at(&path, &place, what), "{name}: {}", path.display());
            }
            error => panic!("{name}: {error:?}"),
        }
        assert!(
            replica.update(20).is_err() || replica.durable().unwrap().wait().is_err(),
            "{name}"
        );
        drop(replica);
        // What is whole under the names of a journal is as it was.
        let is_whole = |(path, _): &(PathBuf, Vec<u8>)| path.extension().is_none();
        let journals = |content: Vec<(PathBuf, Vec<u8>)>| -> Vec<_> {
            content.into_iter().filter(is_whole).collect()
        };
        let after = data.exists().then(|| content(&data));
        assert_eq!(after.map(journals), before.map(journals), "{name}");
    }
}

#[test]
fn an_accident_at_any_moment_of_a_compaction_is_noticed_and_spares_the_other_folder() {
    let mut moments = 0;
    let is_over = |moment| {
        let place = Place::new("moment");
        let (data, other) = (place.join("data"), place.join("other"));
        // The other one has been killed while it was compacted.
        written(&other, 100..120);
        fs::copy(other.join(FILE), other.join("journal-00000002.new")).unwrap();
        let before: Vec<_> = content(&other).into_iter().map(|(_, bytes)| bytes).collect();
        let swap = Arc::new(Mutex::new(Swap { left: None, data: data.clone(), other }));
        let storage = Swapping { files: Files::open(&data).unwrap(), swap: Arc::clone(&swap) };
        let replica = Replica::builder(Numbers::default()).open_in(storage).unwrap();
        write(&replica, 0..20);
        swap.lock().unwrap().left = Some(moment);
        let compacted = replica.compact();
        let is_over = swap.lock().unwrap().left.is_some();
        if !is_over && let Err(error) = compacted {
            let JournalError::Displaced(displaced) = error else { panic!("{moment}: {error:?}") };
            assert_eq!(path(&displaced), data, "{moment}");
        }
        if !is_over {
            assert_eq!(displaced(update(&replica, 20)), data, "{moment}");
            drop(replica);
            let after: Vec<_> = content(&data).into_iter().map(|(_, bytes)| bytes).collect();
            assert_eq!(after, before, "{moment}");
        }
        is_over
    };
    while !is_over(moments) {
        moments += 1;
    }
    assert!(moments > 5, "{moments}");
}

/// Files of a folder that changes places with another one before some operation.
struct Swapping {
    files: Files,
    swap: Arc<Mutex<Swap>>,
}

struct Swap {
    /// So many operations before that one.
    left: Option<usize>,
    data: PathBuf,
    other: PathBuf,
}

impl Swapping {
    fn tick(&mut self) -> &mut Files {
        let mut swap = self.swap.lock().unwrap();
        match swap.left {
            Some(0) => {
                swap.left = None;
                fs::rename(&swap.data, swap.data.with_extension("gone")).unwrap();
                fs::rename(&swap.other, &swap.data).unwrap();
            }
            left => swap.left = left.map(|left| left - 1),
        }
        drop(swap);
        &mut self.files
    }
}

impl Storage for Swapping {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.files.names()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.files.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.files.read(name, offset, buffer)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.tick().create(name)
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.tick().write(name, offset, bytes)
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.tick().truncate(name, size)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.tick().sync(name)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.tick().rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.tick().remove(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.tick().sync_names()
    }
}

#[test]
fn a_folder_that_was_renamed_while_it_was_open_has_all_that_was_acknowledged() {
    let place = Place::new("renamed");
    let replica = open(place.join("data")).unwrap();
    let id = replica.id().unwrap();
    write(&replica, 0..20);
    mv(&place, "data", "gone");
    displaced(replica.update(20).unwrap().wait());
    drop(replica);
    mv(&place, "gone", "data");
    let again = open(place.join("data")).unwrap();
    assert!(found_all(&super::numbers(&again), 20));
    assert_eq!(again.id().unwrap(), id);
    write(&again, 21..22);
}

/// What becomes of an update, or of those before it if none is taken any more.
fn update(replica: &Replica<Numbers>, number: u64) -> Result<(), NotDurable> {
    match replica.update(number) {
        Ok(receipt) => receipt.wait(),
        Err(_) => replica.close(),
    }
}

/// Whether all numbers below `end` are there. One more may be: it was written, and was not acknowledged.
fn found_all(numbers: &[u64], end: u64) -> bool {
    numbers.starts_with(&(0..end).collect::<Vec<_>>()) && numbers.len() as u64 <= end + 1
}

#[test]
fn a_link_to_the_folder_is_followed_and_must_go_on_leading_there() {
    let place = Place::new("link");
    fs::create_dir(place.join("one")).unwrap();
    symlink("one", place.join("data")).unwrap();
    let replica = open(place.join("data")).unwrap();
    write(&replica, 0..3);
    replica.compact().unwrap();
    fs::create_dir(place.join("two")).unwrap();
    fs::remove_file(place.join("data")).unwrap();
    symlink("two", place.join("data")).unwrap();
    assert_eq!(displaced(replica.update(3).unwrap().wait()), place.join("data"));
    drop(replica);
    assert_eq!(fs::read_dir(place.join("two")).unwrap().count(), 0);
    assert!(found_all(&found(&place.join("one")), 3));
}

#[test]
fn a_folder_that_is_opened_again_after_it_was_removed_is_another_one() {
    let place = Place::new("again");
    let first = open(place.join("data")).unwrap();
    write(&first, 0..20);
    fs::remove_dir_all(place.join("data")).unwrap();
    let second = open(place.join("data")).unwrap();
    assert_ne!(first.id().unwrap(), second.id().unwrap());
    write(&second, 100..103);
    let before = content(&place.join("data"));
    displaced(first.update(20).unwrap().wait());
    assert!(first.compact().is_err());
    drop(first);
    assert_eq!(content(&place.join("data")), before);
    second.close().unwrap();
    assert_eq!(found(&place.join("data")), [100, 101, 102]);
}

#[test]
fn a_working_directory_that_changes_later_changes_nothing() {
    let place = Place::new("chdir");
    scenes::play("another working directory", &place.0);
    assert_eq!(found(&place.join("one/data")), (0..11).collect::<Vec<_>>());
    assert_eq!(found(&place.join("two/data")), (100..121).collect::<Vec<_>>());
}

/// A replica is open in `two/data`; another one opens `data` in `one`, and is compacted in `two`.
pub(super) fn in_another_working_directory(place: &Path) {
    fs::create_dir_all(place.join("one")).unwrap();
    let other = open(place.join("two/data")).unwrap();
    write(&other, 100..120);
    env::set_current_dir(place.join("one")).unwrap();
    let replica = open("data").unwrap();
    write(&replica, 0..10);
    env::set_current_dir("../two").unwrap();
    replica.compact().unwrap();
    write(&replica, 10..11);
    write(&other, 120..121);
    other.compact().unwrap();
    replica.close().unwrap();
    other.close().unwrap();
}
