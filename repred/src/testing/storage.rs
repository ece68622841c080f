//! [`check`]: whether a [`Storage`] of your own does what a journal relies on.

use std::{collections::BTreeMap, fmt, io};

use super::Chance;
use crate::journal::{Location, Storage};

/// Names as a journal gives them.
const NAMES: [&str; 3] = ["journal-00000001", "journal-00000002", "journal-00000002.new"];

/// Runs, each from a seed of its own.
const RUNS: u64 = 10;

/// Operations of a run.
const STEPS: u64 = 200;

/// Bytes of the longest write and read: more than two pages of most systems.
const MAX_BYTES: u64 = 9000;

/// Checks a storage against a model, over thousands of operations that are drawn by chance. After each operation the
/// storage must have the files that the model has, with the same names, sizes and bytes, and must refuse files that do
/// not exist with [`NotFound`](io::ErrorKind::NotFound). Every now and then the storage is dropped and opened again,
/// and must still have all that was synced. The [location](Storage::location) of a file must stay what it is, if the
/// storage knows it.
///
/// `open` opens one and the same place each time, which is empty at first; the check leaves it empty.
///
/// ```
/// use repred::{journal::Memory, testing};
///
/// // In a `#[test]`, with your storage.
/// let disk = Memory::new();
/// testing::storage::check(|| disk.clone());
/// ```
///
/// No test from within a process can find out what a loss of power leaves. Make sure of that yourself: when
/// [`sync`](Storage::sync) and [`sync_names`](Storage::sync_names) return, the medium has everything, and
/// [`rename`](Storage::rename) is atomic whenever the power fails. Nor can it find out what happens when somebody takes
/// the storage away while it is open: see [`Displaced`](crate::journal::Displaced). Run a
/// [`Simulation`](super::Simulation) to see what a journal makes of the rest.
///
/// # Panics
///
/// When the storage does something else than the model. The message has the seed, the number of the operation, and the
/// operation.
pub fn check<S: Storage>(mut open: impl FnMut() -> S) {
    for seed in 0..RUNS {
        let mut run = Run::new(seed, open());
        for _ in 0..STEPS {
            run.step();
            run.compare();
            if run.chance.below(20) == 0 {
                run = run.reopen(&mut open);
                run.compare();
            }
        }
        run.remove_all();
    }
}

/// A storage beside a model of it.
struct Run<S> {
    seed: u64,
    chance: Chance,
    storage: S,
    files: BTreeMap<&'static str, Vec<u8>>,
    /// Where the files were when they were made.
    places: BTreeMap<&'static str, Location>,
    steps: u64,
    operation: String,
}

impl<S: Storage> Run<S> {
    fn new(seed: u64, storage: S) -> Self {
        let (chance, files, places) = (Chance::new(seed), BTreeMap::new(), BTreeMap::new());
        let operation = "open".into();
        let mut run = Self { seed, chance, storage, files, places, steps: 0, operation };
        run.compare();
        run
    }

    /// Does something to the storage and to the model.
    fn step(&mut self) {
        self.steps += 1;
        let name = *self.chance.pick(&NAMES);
        if !self.files.contains_key(name) {
            self.refuse(name);
            return self.create(name);
        }
        match self.chance.below(10) {
            0 => self.create(name),
            1 => self.remove(name),
            2 => self.rename(name),
            3 | 4 => self.truncate(name),
            _ => self.write(name),
        }
    }

    fn create(&mut self, name: &'static str) {
        self.operation = format!("create {name}");
        let created = self.storage.create(name);
        self.expect_ok(created);
        self.files.insert(name, Vec::new());
        self.places.remove(name);
    }

    fn remove(&mut self, name: &'static str) {
        self.operation = format!("remove {name}");
        let removed = self.storage.remove(name);
        self.expect_ok(removed);
        self.files.remove(name);
    }

    fn rename(&mut self, from: &'static str) {
        let others: Vec<_> = NAMES.into_iter().filter(|name| *name != from).collect();
        let to = *self.chance.pick(&others);
        self.operation = format!("rename {from} to {to}");
        let renamed = self.storage.rename(from, to);
        self.expect_ok(renamed);
        let file = self.files.remove(from).unwrap_or_default();
        self.files.insert(to, file);
        self.places.remove(to);
        if let Some(place) = self.places.remove(from) {
            self.places.insert(to, place);
        }
    }

    fn truncate(&mut self, name: &'static str) {
        let len = self.files[name].len() as u64;
        let size = self.chance.within(0..len + 1);
        self.operation = format!("truncate {name} from {len} to {size} bytes");
        let truncated = self.storage.truncate(name, size);
        self.expect_ok(truncated);
        self.file(name).truncate(size as usize);
    }

    /// Writes at the end, or over the last bytes, as a journal does after a write that was refused.
    fn write(&mut self, name: &'static str) {
        let (len, count) = (self.files[name].len() as u64, self.chance.within(1..MAX_BYTES));
        let offset = len - self.chance.within(0..len.min(100) + 1);
        let first = self.chance.below(256);
        let bytes: Vec<_> = (0..count).map(|at| (first + at * 31) as u8).collect();
        self.operation = format!("write {count} bytes at {offset} of {name}, which has {len}");
        let written = self.storage.write(name, offset, &bytes);
        let written = self.expect_ok(written);
        self.expect(1..=bytes.len(), &written, "bytes written");
        let (offset, end) = (offset as usize, offset as usize + written);
        let file = self.file(name);
        file.resize(file.len().max(end), 0);
        file[offset..end].copy_from_slice(&bytes[..written]);
    }

    /// Nothing can be done to a file that does not exist.
    fn refuse(&mut self, name: &'static str) {
        let to = NAMES[0];
        let storage = &mut self.storage;
        for (operation, result) in [
            ("size of", storage.size(name).map(drop)),
            ("read", storage.read(name, 0, &mut [0; 8]).map(drop)),
            ("write", storage.write(name, 0, &[0; 8]).map(drop)),
            ("truncate", storage.truncate(name, 0)),
            (
                "rename",
                if name == to { storage.size(name).map(drop) } else { storage.rename(name, to) },
            ),
            ("remove", storage.remove(name)),
        ] {
            self.operation = format!("{operation} {name}, which does not exist");
            let kind = result.as_ref().map_err(io::Error::kind);
            if kind != Err(io::ErrorKind::NotFound) {
                self.fail(format_args!("expected the error NotFound, got {result:?}"));
            }
            self.compare();
        }
    }

    /// Syncs everything, and opens the storage again.
    fn reopen(mut self, open: &mut impl FnMut() -> S) -> Self {
        self.operation = "sync and open again".into();
        for name in self.files.keys() {
            let synced = self.storage.sync(name);
            self.expect_ok(synced);
        }
        let synced = self.storage.sync_names();
        self.expect_ok(synced);
        let Self { storage, .. } = self;
        drop(storage);
        Self { storage: open(), ..self }
    }

    fn remove_all(mut self) {
        let names: Vec<_> = self.files.keys().copied().collect();
        names.into_iter().for_each(|name| self.remove(name));
        self.compare();
        let synced = self.storage.sync_names();
        self.expect_ok(synced);
    }

    /// Reads everything that the storage has.
    fn compare(&mut self) {
        let names = self.storage.names();
        let mut names = self.expect_ok(names);
        names.sort();
        let expected: Vec<_> = self.files.keys().map(|name| (*name).to_owned()).collect();
        self.expect_eq(&expected, &names, "names");
        for name in self.files.keys().copied().collect::<Vec<_>>() {
            self.compare_place(name);
            let size = self.storage.size(name);
            let (size, expected) = (self.expect_ok(size), self.files[name].len() as u64);
            self.expect_eq(&expected, &size, "size");
            let start = self.chance.within(0..expected + 1);
            let len = self.chance.below(MAX_BYTES);
            let bytes = self.read(name, start, len as usize);
            let range = start as usize..expected.min(start + len) as usize;
            if bytes != self.files[name][range] {
                self.fail(format_args!(
                    "the bytes from {start} on of {name} are not those that were written"
                ));
            }
        }
    }

    /// Whether a file is where it was when it was made.
    fn compare_place(&mut self, name: &'static str) {
        let Some(is) = self.storage.location(name) else { return };
        let was = self.places.entry(name).or_insert_with(|| is.clone());
        if is.is_copy_of(was) {
            self.fail(format_args!("{name} is at another place than before, as a copy would be"));
        }
    }

    /// Reads so many bytes, or fewer at the end of the file.
    fn read(&mut self, name: &str, start: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            let count = self.storage.read(name, start + filled as u64, &mut bytes[filled..]);
            match self.expect_ok(count) {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        bytes
    }

    fn file(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.files.entry(name).or_default()
    }

    fn expect_ok<T>(&self, result: io::Result<T>) -> T {
        result.unwrap_or_else(|error| self.fail(format_args!("got the error {error}")))
    }

    fn expect_eq<T: fmt::Debug + PartialEq>(&self, expected: &T, found: &T, what: &str) {
        if expected != found {
            self.fail(format_args!("{what}: expected {expected:?}, found {found:?}"));
        }
    }

    fn expect(&self, expected: std::ops::RangeInclusive<usize>, found: &usize, what: &str) {
        if !expected.contains(found) {
            self.fail(format_args!("{what}: expected {expected:?}, found {found}"));
        }
    }

    fn fail(&self, problem: fmt::Arguments<'_>) -> ! {
        let Self { seed, steps, operation, .. } = self;
        panic!("the storage is wrong: seed {seed}, step {steps}, {operation}: {problem}")
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::journal::Memory;

    /// A disk with a fault in one operation.
    struct Faulty {
        memory: Memory,
        fault: Fault,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fault {
        None,
        CreateKeeps,
        NameStays,
        WriteAppends,
        TruncateDoesNothing,
        ReadsNothing,
        EmptyWhereNone,
        RenameRefusesToReplace,
        PlaceChanges,
    }

    impl Storage for Faulty {
        fn names(&mut self) -> io::Result<Vec<String>> {
            self.memory.names()
        }

        fn location(&mut self, name: &str) -> Option<Location> {
            let size = self.memory.size(name).ok()?;
            Some(Location::numbered(if self.fault == Fault::PlaceChanges { size + 1 } else { 1 }))
        }

        fn size(&mut self, name: &str) -> io::Result<u64> {
            match self.memory.size(name) {
                Err(_) if self.fault == Fault::EmptyWhereNone => Ok(0),
                size => size,
            }
        }

        fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.memory.read(name, offset, buffer)?;
            Ok(if self.fault == Fault::ReadsNothing { 0 } else { count })
        }

        fn create(&mut self, name: &str) -> io::Result<()> {
            if self.fault == Fault::CreateKeeps && self.memory.size(name).is_ok() {
                return Ok(());
            }
            self.memory.create(name)
        }

        fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
            let end = self.memory.size(name)?;
            let offset = if self.fault == Fault::WriteAppends { end } else { offset };
            self.memory.write(name, offset, bytes)
        }

        fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
            let size = if self.fault == Fault::TruncateDoesNothing { u64::MAX } else { size };
            self.memory.truncate(name, size)
        }

        fn sync(&mut self, name: &str) -> io::Result<()> {
            self.memory.sync(name)
        }

        fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
            if self.fault == Fault::RenameRefusesToReplace && self.memory.size(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            self.memory.rename(from, to)?;
            if self.fault == Fault::NameStays { self.memory.create(from) } else { Ok(()) }
        }

        fn remove(&mut self, name: &str) -> io::Result<()> {
            self.memory.remove(name)
        }

        fn sync_names(&mut self) -> io::Result<()> {
            self.memory.sync_names()
        }
    }

    #[test]
    fn a_storage_with_any_fault_fails_the_check() {
        let passes = |fault| {
            let memory = Memory::new();
            let open = || Faulty { memory: memory.clone(), fault };
            catch_unwind(AssertUnwindSafe(|| check(open))).is_ok()
        };
        assert!(passes(Fault::None));
        for fault in [
            Fault::CreateKeeps,
            Fault::NameStays,
            Fault::WriteAppends,
            Fault::TruncateDoesNothing,
            Fault::ReadsNothing,
            Fault::EmptyWhereNone,
            Fault::RenameRefusesToReplace,
            Fault::PlaceChanges,
        ] {
            assert!(!passes(fault), "{fault:?} was not found");
        }
    }
}
