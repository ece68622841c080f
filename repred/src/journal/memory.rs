//! [`Memory`]: files in memory, and what a crash would leave of them.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Displaced, Storage, location::Location};

/// A simulated disk, for tests and for journals that need not last: a clone is the same disk, and
/// [`crash`](Self::crash) returns what a loss of power would leave of it.
///
/// ```
/// use repred::journal::{Memory, Storage};
///
/// let mut disk = Memory::new();
/// disk.create("a")?;
/// disk.write("a", 0, b"one")?;
/// disk.sync("a")?;
/// disk.sync_names()?;
/// disk.write("a", 3, b"two")?;
///
/// // What was not synced is lost.
/// let mut after = disk.crash(|_| Vec::new());
/// assert_eq!(after.size("a")?, 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    disk: Arc<Mutex<Disk>>,
    place: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Disk {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    /// The names at the last `sync_names`.
    synced_names: BTreeMap<String, usize>,
    is_displaced: bool,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// The bytes at the last sync.
    synced: Vec<u8>,
    /// What was done to the file since.
    writes: Vec<Write>,
}

/// A change of a file, which a crash may lose unless it was synced; see [`Memory::crash`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Write {
    /// Bytes were written.
    Bytes {
        /// Where the first of them is.
        offset: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The file was cut.
    Truncate {
        /// The size that is left.
        size: usize,
    },
}

impl Memory {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same disk at a [location](Storage::location) with a number, so that journals notice whether they were copied: a
    /// [`copy`](Self::copy) at another place is what `cp -r` leaves. A disk has no place at first.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let disk = Memory::new().at(1);
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?.wait()?;
    ///
    /// let copy = Replica::builder(Counter::default()).open_in(disk.copy().at(2))?;
    /// assert_eq!(copy.recovery().former_id, Some(votes.id()?));
    /// assert!(copy.recovery().copied.is_some());
    /// assert_ne!(copy.id()?, votes.id()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(self, place: u64) -> Self {
        Self { place: Some(place), ..self }
    }

    /// From now on, everything that changes this disk fails with [`Displaced`], as it does in a folder that somebody has
    /// renamed. What is written reaches the disk all the same. A [`copy`](Self::copy) is the folder under its new
    /// name.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?.wait()?;
    /// disk.displace();
    /// assert!(votes.update(4)?.wait().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn displace(&self) {
        self.lock().is_displaced = true;
    }

    /// The disk that a new process finds after a loss of power. This disk stays as it is.
    ///
    /// For each file, `kept` gets the changes that were not synced, in their order. It returns those that reached the
    /// disk all the same, in the order in which they did: none of them, some, or parts of them. Changes of names that
    /// were not synced are lost.
    ///
    /// ```
    /// use repred::journal::{Memory, Storage};
    ///
    /// let mut disk = Memory::new();
    /// disk.create("a")?;
    /// disk.sync_names()?;
    /// disk.write("a", 0, b"one")?;
    /// disk.write("a", 3, b"two")?;
    ///
    /// // The second write got to the disk, and the first did not: its bytes read as zeros.
    /// let mut after = disk.crash(|writes| vec![writes[1].clone()]);
    /// let mut bytes = [0xff; 6];
    /// assert_eq!(after.read("a", 0, &mut bytes)?, 6);
    /// assert_eq!(&bytes, b"\0\0\0two");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn crash(&self, mut kept: impl FnMut(&[Write]) -> Vec<Write>) -> Self {
        let disk = self.lock();
        let files = disk.files.iter().map(|file| {
            let mut bytes = file.synced.clone();
            kept(&file.writes).iter().for_each(|write| write.make(&mut bytes));
            Content { synced: bytes.clone(), bytes, writes: Vec::new() }
        });
        let names = disk.synced_names.clone();
        let files = files.collect();
        let disk = Disk { files, synced_names: names.clone(), names, is_displaced: false };
        Self { disk: Arc::new(Mutex::new(disk)), ..*self }
    }

    /// The disk that a new process finds after this one was killed while the operating system kept running: nothing is
    /// lost. Later changes of the one do not show on the other.
    ///
    /// ```
    /// use repred::journal::{Memory, Storage};
    ///
    /// let mut disk = Memory::new();
    /// disk.create("a")?;
    /// let mut copy = disk.copy();
    /// disk.remove("a")?;
    /// assert_eq!(copy.names()?, ["a"]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn copy(&self) -> Self {
        let disk = Disk { is_displaced: false, ..self.lock().clone() };
        Self { disk: Arc::new(Mutex::new(disk)), ..*self }
    }

    /// Changes the bytes of a file as a broken disk would, and syncs it.
    ///
    /// ```
    /// use repred::{Counter, Replica, error::OpenError, journal::Memory};
    ///
    /// let mut disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?.wait()?;
    /// votes.close()?;
    ///
    /// disk.damage("journal-00000001", |bytes| bytes[40] ^= 1)?;
    /// let opened = Replica::builder(Counter::default()).open_in(disk);
    /// assert!(matches!(opened, Err(OpenError::Damaged { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no file of this name.
    pub fn damage(&mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        self.with(name, |file| {
            change(&mut file.bytes);
            file.synced.clone_from(&file.bytes);
            file.writes.clear();
        })
    }

    /// An error if this was displaced.
    fn check(&self) -> io::Result<()> {
        if self.lock().is_displaced { Err(Displaced::missing("memory").into()) } else { Ok(()) }
    }

    /// Changes a file, also if this was displaced, which is an error.
    fn change<T>(&self, name: &str, act: impl FnOnce(&mut Content) -> T) -> io::Result<T> {
        let done = self.with(name, act)?;
        self.check()?;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Content) -> T) -> io::Result<T> {
        let mut disk = self.lock();
        let file = disk.names.get(name).copied().ok_or(io::ErrorKind::NotFound)?;
        Ok(act(&mut disk.files[file]))
    }
}

impl Content {
    fn write(&mut self, write: Write) {
        write.make(&mut self.bytes);
        self.writes.push(write);
    }

    fn sync(&mut self) {
        // Only the changes are copied: a test may sync a long file thousands of times.
        self.writes.drain(..).for_each(|write| write.make(&mut self.synced));
    }
}

impl Write {
    fn make(&self, file: &mut Vec<u8>) {
        match self {
            Self::Bytes { offset, bytes } => {
                let end = offset + bytes.len();
                // If earlier bytes were lost, the hole before this write reads as zeros.
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate { size } => file.truncate(*size),
        }
    }
}

impl Storage for Memory {
    fn names(&mut self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn location(&mut self, _name: &str) -> Option<Location> {
        self.place.map(Location::numbered)
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.with(name, |file| file.bytes.len() as u64)
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(name, |file| {
            let start = file.bytes.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
            let count = buffer.len().min(file.bytes.len() - start);
            buffer[..count].copy_from_slice(&file.bytes[start..start + count]);
            count
        })
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.check()?;
        let mut disk = self.lock();
        let file = disk.files.len();
        disk.files.push(Content::default());
        disk.names.insert(name.to_owned(), file);
        Ok(())
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.change(name, |file| {
            file.write(Write::Bytes { offset, bytes: bytes.to_vec() });
            bytes.len()
        })
    }

    fn prefers_preallocation(&self) -> bool {
        true
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        self.change(name, |file| file.write(Write::Truncate { size }))
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.change(name, Content::sync)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.check()?;
        let mut disk = self.lock();
        let file = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.check()?;
        let removed = self.lock().names.remove(name);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.check()?;
        let mut disk = self.lock();
        disk.synced_names = disk.names.clone();
        Ok(())
    }
}
