//! [`Files`]: a folder of the file system.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::Storage;

/// The file whose lock says that a replica uses the folder.
const LOCK: &str = "lock";

/// A folder of the file system. One replica at a time can open it; others may [only read](Self::read_only) it.
///
/// ```
/// use repred::{Counter, Replica, journal::Files};
///
/// # let folder = std::env::temp_dir().join(format!("repred-files-{}", std::process::id()));
/// let files = Files::open(&folder)?;
/// let votes = Replica::builder(Counter::default()).open_in(files)?;
/// votes.update(3)?.wait()?;
///
/// let second = Files::open(&folder).unwrap_err();
/// assert_eq!(second.kind(), std::io::ErrorKind::WouldBlock);
/// # drop(votes);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    open: BTreeMap<String, File>,
    /// The operating system releases the lock however the process ends. `None` if the folder is only read.
    lock: Option<File>,
}

impl Files {
    /// Opens a folder, and creates it if there is none.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it is open already, in this process or another; those of the
    /// operating system.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = folder.as_ref().to_owned();
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            // The entry of the new folder is in its parent, so the parent is synced. `..` also serves for a relative
            // path without a parent.
            sync_folder(&folder.join(".."))?;
        }
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, open: BTreeMap::new(), lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => {
                let folder = folder.display();
                let text = format!("{folder} is in use by another replica; close that one first");
                Err(io::Error::new(io::ErrorKind::WouldBlock, text))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Opens a folder for a [`JournalReader`](super::JournalReader), also while a replica uses it. Nothing is locked,
    /// created or changed; every operation that would write fails with
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied).
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::{Files, JournalReader}};
    ///
    /// # let folder = std::env::temp_dir().join(format!("repred-read-only-{}", std::process::id()));
    /// let votes = Replica::open(&folder, Counter::default())?;
    /// votes.update(3)?.wait()?;
    ///
    /// let events = JournalReader::open(Files::read_only(&folder)?)?;
    /// assert_eq!(events.count(), 3);
    /// # drop(votes);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such folder; those of the operating system.
    pub fn read_only(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = folder.as_ref().to_owned();
        fs::read_dir(&folder)?;
        Ok(Self { folder, open: BTreeMap::new(), lock: None })
    }

    /// An error if the folder was opened for reading.
    fn check_lock(&self) -> io::Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{} was opened for reading", self.folder.display()),
            )),
        }
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        if !self.open.contains_key(name) {
            let path = self.folder.join(name);
            let may_write = self.lock.is_some();
            let file = OpenOptions::new().read(true).write(may_write).open(path)?;
            self.open.insert(name.to_owned(), file);
        }
        self.open.get_mut(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for Files {
    fn names(&mut self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.folder)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let names: io::Result<Vec<_>> = names.collect();
        Ok(names?.into_iter().flatten().filter(|name| name != LOCK).collect())
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        Ok(self.file(name)?.metadata()?.len())
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.file(name)?;
        file.seek(SeekFrom::Start(offset))?;
        file.read(buffer)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.check_lock()?;
        self.open.remove(name);
        File::create(self.folder.join(name)).map(drop)
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.check_lock()?;
        let file = self.file(name)?;
        file.seek(SeekFrom::Start(offset))?;
        file.write(bytes)
    }

    fn prefers_preallocation(&self) -> bool {
        true
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.check_lock()?;
        self.file(name)?.set_len(size)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.check_lock()?;
        self.file(name)?.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.check_lock()?;
        // Windows does not rename or replace a file that is open.
        self.open.remove(from);
        self.open.remove(to);
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.check_lock()?;
        self.open.remove(name);
        fs::remove_file(self.folder.join(name))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.check_lock()?;
        sync_folder(&self.folder)
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be synced. NTFS and the like log changes of names themselves.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
