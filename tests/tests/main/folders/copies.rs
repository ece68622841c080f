//! A folder that was copied, and what is none although it has changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use futures::{FutureExt, executor::LocalPool, future::join, task::LocalSpawnExt};
use repred::{
    Durability, GrowSet, ProblemKind, Replica, ReplicaId, Time,
    error::OpenError,
    journal::{Files, Journal, Memory},
    pipe,
    sans_io::{Core, Monotonic, Now, SessionConfig},
};
use repred_tests::eventually;

use super::{Numbers, Place, content, copy, found, numbers, open, write, written};

const FILE: &str = "journal-00000001";

fn id(replica: &Replica<Numbers>) -> ReplicaId {
    replica.id().unwrap()
}

/// Whether a replica that was just opened says that it is a copy, everywhere where it says so.
#[track_caller]
fn is_copy(replica: &Replica<Numbers>, was: ReplicaId) -> bool {
    let recovery = replica.recovery();
    let health = replica.health().unwrap();
    let is_said = health.problems.iter().any(|problem| problem.kind == ProblemKind::Copied { was });
    assert_eq!(is_said, recovery.copied.is_some(), "{health}");
    assert_eq!(recovery.former_id, is_said.then_some(was));
    assert_eq!(id(replica) != was, is_said);
    is_said
}

/// Connects two replicas until both have seen the same.
fn meet(one: &Replica<Numbers>, other: &Replica<Numbers>) {
    let (left, right) = pipe(1 << 16);
    let mut pool = LocalPool::new();
    let both = join(one.connect(left), other.connect(right)).map(|(one, other)| {
        one.unwrap();
        other.unwrap();
    });
    pool.spawner().spawn_local(both).unwrap();
    eventually(|| {
        pool.run_until_stalled();
        one.version().unwrap() == other.version().unwrap()
    });
}

#[test]
fn a_copied_folder_and_its_original_write_under_two_ids_and_nothing_is_lost() {
    for (ours, theirs) in [(1, 1), (3, 1), (1, 3)] {
        let place = Place::new("copied");
        let (f, g) = (place.join("f"), place.join("g"));
        written(&f, 0..5);
        copy(&f, &g);
        let (a, b) = (open(&f).unwrap(), open(&g).unwrap());
        assert!(!is_copy(&a, id(&a)));
        assert!(is_copy(&b, id(&a)));
        write(&a, 100..100 + ours);
        write(&b, 200..200 + theirs);
        let hub = Replica::new(Numbers::default());
        for _ in 0..2 {
            meet(&hub, &a);
            meet(&hub, &b);
        }
        meet(&hub, &a);
        let all: Vec<_> = (0..5).chain(100..100 + ours).chain(200..200 + theirs).collect();
        for replica in [&a, &b, &hub] {
            assert_eq!(numbers(replica), all);
        }
    }
}

#[test]
fn both_places_are_told() {
    let place = Place::new("told");
    let (f, g) = (place.join("f"), place.join("g"));
    written(&f, 0..5);
    copy(&f, &g);
    let copied = open(&g).unwrap().recovery().copied.unwrap();
    let said = copied.to_string();
    let expected =
        format!("{} is a copy of {}: it goes on under a new id", g.display(), f.display());
    assert_eq!(said, expected);
    assert_eq!((copied.was.path(), copied.is.path()), (f.to_str().unwrap(), g.to_str().unwrap()));
}

#[test]
fn a_copy_is_noticed_once_and_a_copy_of_the_copy_again() {
    let place = Place::new("chain");
    let (f, g, h) = (place.join("f"), place.join("g"), place.join("h"));
    written(&f, 0..5);
    copy(&f, &g);
    let first = {
        let replica = open(&g).unwrap();
        id(&replica)
    };
    // Also if it ends at once, before anything is written under the new id.
    let again = open(&g).unwrap();
    assert!(!is_copy(&again, first));
    drop(again);
    copy(&g, &h);
    assert!(is_copy(&open(&h).unwrap(), first));
}

/// Copies of the folder `f`, each made in another way, and where they are.
type Way = (&'static str, fn(&Place) -> PathBuf);

const COPIES: &[Way] = &[
    ("cp -r f g", |place| {
        copy(&place.join("f"), &place.join("g"));
        place.join("g")
    }),
    ("cp -al f g", |place| {
        fs::create_dir(place.join("g")).unwrap();
        for (path, _) in content(&place.join("f")) {
            let name = path.file_name().unwrap();
            fs::hard_link(&path, place.join("g").join(name)).unwrap();
        }
        place.join("g")
    }),
    ("mkdir g; mv f/journal-* g", |place| {
        fs::create_dir(place.join("g")).unwrap();
        fs::rename(place.join("f").join(FILE), place.join("g").join(FILE)).unwrap();
        place.join("g")
    }),
    ("cp -r f backup; rm -rf f; cp -r backup f", |place| {
        copy(&place.join("f"), &place.join("backup"));
        fs::remove_dir_all(place.join("f")).unwrap();
        copy(&place.join("backup"), &place.join("f"));
        place.join("f")
    }),
    ("mv f old; cp -r old f", |place| {
        fs::rename(place.join("f"), place.join("old")).unwrap();
        copy(&place.join("old"), &place.join("f"));
        place.join("f")
    }),
    ("tar x, which replaces the file inside f", |place| {
        let file = place.join("f").join(FILE);
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        fs::write(&file, bytes).unwrap();
        place.join("f")
    }),
    ("rsync, which renames a new file over the one in f", |place| {
        let file = place.join("f").join(FILE);
        fs::copy(&file, place.join("f/.temporary")).unwrap();
        fs::rename(place.join("f/.temporary"), &file).unwrap();
        place.join("f")
    }),
];

/// What changes a folder, or the path to it, and copies nothing.
const CHANGES: &[Way] = &[
    ("nothing", |place| place.join("f")),
    ("mv f g", |place| {
        fs::rename(place.join("f"), place.join("g")).unwrap();
        place.join("g")
    }),
    ("mkdir in; mv f in", |place| {
        fs::create_dir(place.join("in")).unwrap();
        fs::rename(place.join("f"), place.join("in/f")).unwrap();
        place.join("in/f")
    }),
    ("ln -s f g", |place| {
        std::os::unix::fs::symlink("f", place.join("g")).unwrap();
        place.join("g")
    }),
    ("cp -r f g, and open f", |place| {
        copy(&place.join("f"), &place.join("g"));
        place.join("f")
    }),
    ("rm f/lock", |place| {
        fs::remove_file(place.join("f/lock")).unwrap();
        place.join("f")
    }),
    ("a compaction", |place| {
        open(place.join("f")).unwrap().compact().unwrap();
        place.join("f")
    }),
];

fn levels() -> [Durability; 2] {
    [Durability::EveryUpdate, Durability::System]
}

#[test]
fn every_way_to_copy_a_folder_is_noticed() {
    for (way, copy) in COPIES {
        for durability in levels() {
            let place = Place::new("ways");
            let builder = || Replica::builder(Numbers::default()).durability(durability);
            let original = builder().open(place.join("f")).unwrap();
            write(&original, 0..5);
            let was = id(&original);
            original.close().unwrap();
            let copy = builder().open(copy(&place)).unwrap();
            assert!(is_copy(&copy, was), "{way}, {durability:?}");
            assert_eq!(numbers(&copy), [0, 1, 2, 3, 4], "{way}");
            write(&copy, 5..6);
        }
    }
}

#[test]
fn what_copies_nothing_keeps_the_id() {
    for (way, change) in CHANGES {
        for durability in levels() {
            let place = Place::new("changes");
            let builder = || Replica::builder(Numbers::default()).durability(durability);
            let original = builder().open(place.join("f")).unwrap();
            write(&original, 0..5);
            let was = id(&original);
            original.close().unwrap();
            let folder = change(&place);
            for number in 5..8 {
                let again = builder().open(&folder).unwrap();
                assert!(!is_copy(&again, was), "{way}, {durability:?}");
                write(&again, number..number + 1);
                if number == 6 {
                    again.compact().unwrap();
                }
                again.close().unwrap();
            }
            assert_eq!(found(&folder), (0..8).collect::<Vec<_>>(), "{way}");
        }
    }
}

#[test]
fn hard_links_that_are_opened_by_turns_lose_nothing() {
    let place = Place::new("turns");
    let (f, g) = (place.join("f"), place.join("g"));
    written(&f, 0..3);
    fs::create_dir(&g).unwrap();
    fs::hard_link(f.join(FILE), g.join(FILE)).unwrap();
    let mut ids = Vec::new();
    for (number, folder) in [(3, &g), (4, &f), (5, &g), (6, &f)] {
        let replica = open(folder).unwrap();
        ids.push(id(&replica));
        write(&replica, number..number + 1);
        assert_eq!(numbers(&replica), (0..=number).collect::<Vec<_>>());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each is a copy of what the other has written");
}

#[test]
fn a_copy_takes_another_id_than_the_one_that_its_program_chooses() {
    let place = Place::new("chosen");
    let (f, g) = (place.join("f"), place.join("g"));
    let open = |folder| Replica::builder(Numbers::default()).id(7.into()).open(folder).unwrap();
    // Nothing was written under it yet, so nobody could find out later.
    open(&f).close().unwrap();
    copy(&f, &g);
    let (a, b) = (open(&f), open(&g));
    assert_eq!(id(&a), 7.into());
    assert!(is_copy(&b, 7.into()));
    write(&a, 0..1);
    write(&b, 1..2);
    meet(&a, &b);
    assert_eq!((numbers(&a), numbers(&b)), (vec![0, 1], vec![0, 1]));
}

#[test]
fn a_copy_that_is_made_while_the_original_is_open_is_noticed_or_damaged() {
    let place = Place::new("live");
    let (f, g) = (place.join("f"), place.join("g"));
    let original = open(&f).unwrap();
    write(&original, 0..20);
    let whole = fs::read(f.join(FILE)).unwrap();
    copy(&f, &g);
    let b = open(&g).unwrap();
    assert!(is_copy(&b, id(&original)));
    write(&original, 20..21);
    write(&b, 100..101);
    meet(&original, &b);
    assert_eq!(numbers(&b), (0..21).chain(100..101).collect::<Vec<_>>());
    drop(b);

    // What was read before it was written is zeros in the copy, and what was written later may be there.
    let size = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut outcomes = [0; 2];
    for from in (40..size).step_by(7) {
        for to in [from + 30, from + 90, size] {
            let mut torn = whole.clone();
            torn[from..to.min(size)].fill(0);
            let g = place.join("torn");
            let _ = fs::remove_dir_all(&g);
            copy(&f, &g);
            fs::write(g.join(FILE), torn).unwrap();
            match open(&g) {
                Ok(copy) => {
                    assert_ne!(id(&copy), id(&original), "zeros from {from} to {to}");
                    let has = numbers(&copy);
                    assert_eq!(has, (0..has.len() as u64).collect::<Vec<_>>());
                    outcomes[0] += 1;
                }
                Err(OpenError::Damaged { file, .. }) => {
                    assert_eq!(Path::new(&file), g.join(FILE));
                    outcomes[1] += 1;
                }
                Err(error) => panic!("zeros from {from} to {to}: {error:?}"),
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

#[test]
fn a_core_that_is_driven_by_hand_keeps_its_new_id_in_a_copy() {
    let place = Place::new("hand");
    let (f, g) = (place.join("f"), place.join("g"));
    let open = |folder: &Path, id: u128| {
        let mut core = Core::new(id.into(), Numbers::default());
        let config = SessionConfig::for_state::<Numbers>();
        let now =
            Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO };
        let files = Files::open(folder).unwrap();
        let level = Durability::EveryUpdate;
        let journal = Journal::open(files, &mut core, &config, level, now).unwrap();
        (core, journal)
    };
    let (mut core, journal) = open(&f, 0xa);
    journal.close(&mut core).unwrap();
    copy(&f, &g);
    for (folder, new, expected) in [(&f, 0xb, 0xa), (&g, 0xc, 0xc), (&g, 0xd, 0xc)] {
        let (core, journal) = open(folder, new);
        assert_eq!(core.id(), ReplicaId::from(expected));
        assert_eq!(journal.recovery().copied.is_some(), new == 0xc);
    }
}

#[test]
fn a_disk_in_memory_is_copied_if_it_is_said_to_be_elsewhere() {
    let disk = Memory::new().at(1);
    let open = |disk: Memory| Replica::builder(GrowSet::default()).open_in(disk).unwrap();
    let original = open(disk.clone());
    write(&original, 0..5);
    assert!(!is_copy(&open(disk.copy()), id(&original)));
    assert!(!is_copy(&open(disk.crash(|_| Vec::new())), id(&original)));
    assert!(is_copy(&open(disk.copy().at(2)), id(&original)));
}
