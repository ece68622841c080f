//! A folder that one replica has open is refused to others, and only as long as it has.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use repred::{error::OpenError, journal::Files};

use super::{Place, displaced, found, open, scenes, text, write};

#[test]
fn a_folder_is_refused_to_a_second_replica_also_without_its_lock_file() {
    let place = Place::new("locked");
    let folder = place.join("data");
    let replica = open(&folder).unwrap();
    write(&replica, 0..20);
    scenes::play("second", &folder);
    fs::remove_file(folder.join("lock")).unwrap();
    scenes::play("second", &folder);
    // The folder has another name, and is the same.
    fs::rename(&folder, place.join("moved")).unwrap();
    scenes::play("second", &place.join("moved"));
    drop(replica);
    assert_eq!(found(&place.join("moved")), (0..20).collect::<Vec<_>>());
}

pub(super) fn second(folder: &Path) {
    let refused = open(folder).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused:?}");
    assert!(text(&refused).contains(&folder.display().to_string()), "{refused}");
}

#[test]
fn a_copy_made_of_hard_links_is_refused_while_the_original_is_open() {
    let place = Place::new("hard-links");
    let replica = open(place.join("data")).unwrap();
    write(&replica, 0..20);
    fs::create_dir(place.join("copy")).unwrap();
    let file = "journal-00000001";
    fs::hard_link(place.join("data").join(file), place.join("copy").join(file)).unwrap();
    let refused = open(place.join("copy")).unwrap_err();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused:?}");
    write(&replica, 20..21);
    replica.close().unwrap();
    assert_eq!(found(&place.join("data")), (0..21).collect::<Vec<_>>());
}

#[test]
fn a_folder_that_was_closed_is_free_while_another_thread_starts_programs() {
    let place = Place::new("closed");
    let folder = place.join("data");
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !has_ended.load(Ordering::Relaxed) {
                    assert!(Command::new("true").status().unwrap().success());
                }
            });
        }
        let opened: Vec<_> = (0..1000).map(|_| Files::open(&folder).map(drop)).collect();
        has_ended.store(true, Ordering::Relaxed);
        let refused = opened.iter().filter(|opened| opened.is_err()).count();
        assert_eq!(refused, 0, "of {}", opened.len());
    });
}

#[test]
fn a_lock_that_another_replica_has_taken_is_noticed_before_anything_is_acknowledged() {
    let place = Place::new("taken");
    let folder = place.join("data");
    let replica = open(&folder).unwrap();
    write(&replica, 0..20);
    fs::remove_file(folder.join("lock")).unwrap();
    // On a file system that cannot lock a folder, another replica would now have made a lock of its own.
    fs::write(folder.join("lock"), "").unwrap();
    assert_eq!(displaced(replica.update(20).unwrap().wait()), folder.join("lock"));
}
