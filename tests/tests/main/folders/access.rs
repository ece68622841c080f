//! Who may read a folder, where it may be, and what the errors say.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use repred::{
    error::OpenError,
    journal::{Files, JournalReader},
};

use super::{Place, found, numbers, open, scenes, text, write, written};

const FILE: &str = "journal-00000001";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn only_the_owner_may_read_a_folder_whatever_the_umask_is() {
    for umask in ["000", "022", "077", "0777"] {
        let place = Place::new("modes");
        scenes::play_with_umask(umask, "modes", &place.0);
    }
}

pub(super) fn modes(place: &Path) {
    let folder = place.join("data");
    let replica = open(&folder).unwrap();
    write(&replica, 0..3);
    let expect = |names: &[&str]| {
        assert_eq!(mode(&folder), 0o700);
        let mut found: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        assert_eq!(found, names.iter().map(|name| folder.join(name)).collect::<Vec<_>>());
        found.iter().for_each(|path| assert_eq!(mode(path), 0o600, "{}", path.display()));
    };
    expect(&[FILE, "lock"]);
    replica.compact().unwrap();
    expect(&["journal-00000002", "lock"]);
}

#[test]
fn the_mode_of_a_folder_that_exists_is_left_as_it_is() {
    let place = Place::new("mode");
    let folder = place.join("data");
    fs::create_dir(&folder).unwrap();
    set_mode(&folder, 0o750);
    written(&folder, 0..3);
    assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o750, 0o600));
}

#[test]
fn a_link_in_the_place_of_the_next_file_is_not_followed() {
    let place = Place::new("next");
    let (folder, victim) = (place.join("data"), place.join("victim"));
    fs::write(&victim, "precious").unwrap();
    fs::create_dir(&folder).unwrap();
    symlink(&victim, folder.join("journal-00000001.new")).unwrap();
    let replica = open(&folder).unwrap();
    write(&replica, 0..3);
    symlink(&victim, folder.join("journal-00000002.new")).unwrap();
    symlink(&victim, folder.join("journal-00000002")).unwrap();
    replica.compact().unwrap();
    replica.close().unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(found(&folder), [0, 1, 2]);
}

#[test]
fn a_link_in_the_place_of_the_lock_or_of_the_journal_is_refused_by_name() {
    for name in ["lock", FILE, "journal-00000009"] {
        for target in ["victim", "nothing"] {
            let place = Place::new("planted");
            let (folder, victim) = (place.join("data"), place.join("victim"));
            written(&folder, 0..3);
            fs::copy(folder.join(FILE), &victim).unwrap();
            let before = fs::read(&victim).unwrap();
            let _ = fs::remove_file(folder.join(name));
            symlink(place.join(target), folder.join(name)).unwrap();
            let refused = open(&folder).unwrap_err();
            let said = text(&refused);
            assert!(matches!(refused, OpenError::Io(_)), "{refused:?}");
            let path = folder.join(name).display().to_string();
            assert!(said.contains(&path) && said.contains("symbolic link"), "{said}");
            assert_eq!(fs::read(&victim).unwrap(), before, "{name}");
            assert!(!place.join("nothing").exists(), "{name}");
        }
    }
}

#[test]
fn a_folder_that_may_not_be_written_can_be_read() {
    let place = Place::new("reading");
    set_mode(&place.0, 0o755);
    let folder = place.join("data");
    written(&folder, 0..3);
    set_mode(&folder, 0o555);
    set_mode(&folder.join(FILE), 0o444);
    set_mode(&folder.join("lock"), 0o444);
    scenes::play_as_user("reading", &place);
    set_mode(&folder, 0o755);
}

pub(super) fn reading(place: &Path) {
    let folder = place.join("data");
    let events = JournalReader::open(Files::read_only(&folder).unwrap()).unwrap();
    assert!(events.map(Result::unwrap).count() > 3);
    let refuse = |folder: &Path, path: &Path, verb: &str| {
        let refused = open(folder).unwrap_err();
        assert!(matches!(refused, OpenError::ReadOnly(_)), "{refused:?}");
        let expected = format!("{} could not be {verb}", path.display());
        assert!(text(&refused).contains(&expected), "{refused}");
        assert!(text(&refused).contains("denied"), "{}", text(&refused));
    };
    refuse(&folder, &folder.join("lock"), "opened");
    refuse(&folder.join("new"), &folder.join("new"), "made");
}

#[test]
fn an_error_of_a_folder_names_the_path_and_what_could_not_be_done() {
    let place = Place::new("errors");
    let file = place.join("file");
    fs::write(&file, "").unwrap();
    let said = |folder: &Path| text(&open(folder).unwrap_err());
    let expect = |said: String, path: &Path, verb: &str| {
        assert!(said.contains(&format!("{} could not be {verb}", path.display())), "{said}");
    };
    expect(said(&file.join("data")), &file.join("data"), "made");
    expect(said(&file), &file.join("lock"), "made");
    let missing = Files::read_only(place.join("none")).unwrap_err();
    expect(text(&missing), &place.join("none"), "opened");

    let folder = place.join("data");
    written(&folder, 0..3);
    fs::create_dir(folder.join("journal-00000007")).unwrap();
    expect(said(&folder), &folder.join("journal-00000007"), "opened");
    fs::remove_dir(folder.join("journal-00000007")).unwrap();
    fs::create_dir_all(folder.join("journal-00000002.new/in")).unwrap();
    let replica = open(place.join("other")).unwrap();
    fs::create_dir_all(place.join("other/journal-00000002.new/in")).unwrap();
    let refused = replica.compact().unwrap_err();
    expect(text(&refused), &place.join("other/journal-00000002.new"), "removed");
    write(&replica, 0..3);
    assert_eq!(numbers(&replica), [0, 1, 2]);

    let journal = folder.join(FILE);
    let mut bytes = fs::read(&journal).unwrap();
    bytes[40] ^= 1;
    fs::write(&journal, bytes).unwrap();
    fs::remove_dir_all(folder.join("journal-00000002.new")).unwrap();
    let damaged = said(&folder);
    assert!(damaged.contains(&format!("{} is damaged", journal.display())), "{damaged}");
}

#[test]
fn a_folder_that_was_opened_for_reading_is_not_changed() {
    let place = Place::new("untouched");
    let folder = place.join("data");
    written(&folder, 0..3);
    fs::remove_file(folder.join("lock")).unwrap();
    let before = super::content(&folder);
    let events = JournalReader::open(Files::read_only(&folder).unwrap()).unwrap();
    assert!(events.map(Result::unwrap).count() > 3);
    assert_eq!(super::content(&folder), before);
}
