//! What becomes of a folder while a replica has it open, and who may read it.

mod access;
mod copies;
mod held;
mod locked;
mod scenes;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process,
};

use repred::{
    GrowSet, Replica,
    error::{JournalError, NotDurable, OpenError},
    journal::Displaced,
};

type Numbers = GrowSet<u64>;

/// A place in the file system that is gone when this is dropped.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let place = Self(env::temp_dir().join(format!("repred-folders-{name}-{}", process::id())));
        let _ = fs::remove_dir_all(&place.0);
        fs::create_dir_all(&place.0).unwrap();
        place
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(folder: impl AsRef<Path>) -> Result<Replica<Numbers>, OpenError> {
    Replica::builder(Numbers::default()).open(folder)
}

/// Opens a folder, writes some numbers that become durable, and closes it.
fn written(folder: &Path, numbers: impl IntoIterator<Item = u64>) {
    let replica = open(folder).unwrap();
    write(&replica, numbers);
    replica.close().unwrap();
}

fn write(replica: &Replica<Numbers>, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        replica.update(number).unwrap().wait().unwrap();
    }
}

/// What whoever opens the folder finds.
fn found(folder: &Path) -> Vec<u64> {
    numbers(&open(folder).unwrap())
}

fn numbers(replica: &Replica<Numbers>) -> Vec<u64> {
    replica.read(|numbers| numbers.iter().copied().collect()).unwrap()
}

/// Which path is said to be displaced by the error of a receipt.
#[track_caller]
fn displaced(result: Result<(), NotDurable>) -> PathBuf {
    let error = result.unwrap_err();
    let NotDurable::Unknown { cause } = &error else { panic!("{error:?}") };
    match cause.downcast_ref() {
        Some(JournalError::Displaced(displaced)) => path(displaced),
        _ => panic!("{error:?}"),
    }
}

fn path(displaced: &Displaced) -> PathBuf {
    let path = displaced.path().to_owned();
    assert!(displaced.to_string().starts_with(&path.display().to_string()), "{displaced}");
    path
}

/// An error and its sources.
fn text(error: &dyn Error) -> String {
    let source = error.source().map(|source| format!(": {}", text(source)));
    format!("{error}{}", source.unwrap_or_default())
}

/// All bytes of all files of a folder.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    files
}

/// Copies a folder, as `cp -r` does.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (path, bytes) in content(from) {
        fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
    }
}
