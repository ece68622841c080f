//! [`Files`]: a folder of the file system.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf, absolute},
};

use super::{
    Storage,
    held::Held,
    location::Location,
    machine::{Inode, Machine},
    path_error::PathError,
};

/// The file whose lock says that a replica uses the folder.
const LOCK: &str = "lock";

/// Who may use a new folder: only its owner.
#[cfg(unix)]
const FOLDER_MODE: u32 = 0o700;

/// A folder of the file system. One replica at a time can open it; others may [only read](Self::read_only) it.
///
/// The folder is *held*, not named: it is found once, when it is opened, and stays open. After each write and each sync,
/// and before a file is renamed or removed, the names of the folder, of the lock and of the files are looked up
/// again. If one does not lead to what is open, because somebody has removed, renamed or replaced it, the operation
/// fails with [`Displaced`](super::Displaced), and the journal acknowledges nothing any more. A changed working
/// directory has no effect. The path may contain symbolic links, which must go on leading to the same folder.
///
/// The folder is made with the mode 0700 and its files with 0600, whatever the umask is. The mode of a folder that
/// exists is left as it is; a compaction makes a new file. No link inside the folder is followed, and one in the place
/// of the lock or of a journal's file is an error.
///
/// Where std has no inodes (on Windows), only the names are checked, not what they lead to.
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
    /// Where the folder is, without a symbolic link.
    folder: PathBuf,
    /// The folder by the name that it was opened by, with its lock; `None` where the system cannot open a folder.
    held: Option<Held>,
    open: BTreeMap<String, OpenFile>,
    /// The operating system releases the lock however the process ends. `None` if the folder is only read.
    lock: Option<Held>,
}

/// A file of the folder.
#[derive(Debug)]
struct OpenFile {
    held: Held,
    /// Whether something in it was written here, so that its name must go on leading to it.
    is_written: bool,
}

impl Files {
    /// Opens a folder, and makes it if there is none. An error names the path.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if it is open already, in this process or another;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a symbolic link is in the place of the lock; those of the
    /// operating system.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let path = found(folder.as_ref())?;
        if !path.is_dir() {
            make_folder(&path)?;
        }
        let folder = resolved(&path)?;
        // The folder itself is locked as well, so that a lock which somebody has removed excludes others all the same.
        let mut held = Held::follow(path.clone())?;
        held.iter_mut().try_for_each(lock_if_possible)?;
        let mut lock = open_or_make(folder.join(LOCK))?;
        match lock.lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&path)),
            Err(TryLockError::Error(error)) => {
                return Err(PathError::of("locked", lock.path())(error));
            }
        }
        let files = Self { folder, held, open: BTreeMap::new(), lock: Some(lock) };
        // What was locked may have lost its name before it was locked, and another replica may have the new one.
        files.check()?;
        Ok(files)
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
        let folder = found(folder.as_ref())?;
        fs::read_dir(&folder).map_err(PathError::of("opened", &folder))?;
        let folder = resolved(&folder)?;
        Ok(Self { folder, held: None, open: BTreeMap::new(), lock: None })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// An error if the folder was opened for reading.
    fn check_lock(&self) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let kind = io::ErrorKind::PermissionDenied;
        Err(PathError::found(kind, "changed", &self.folder, "it was opened for reading"))
    }

    /// An error if the folder was opened for reading, or if it, its lock or a file that was written does not have its
    /// name any more.
    fn check(&self) -> io::Result<()> {
        self.check_lock()?;
        self.held.iter().chain(&self.lock).try_for_each(Held::check)?;
        self.open.values().filter(|open| open.is_written).try_for_each(|open| open.held.check())
    }

    fn open_file(&mut self, name: &str) -> io::Result<&mut OpenFile> {
        if !self.open.contains_key(name) {
            let held = Held::open(self.path(name), self.lock.is_some())?;
            self.add(name, held)?;
        }
        self.open.get_mut(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn add(&mut self, name: &str, mut held: Held) -> io::Result<()> {
        // A copy of the folder that is made of hard links has the same files. On Windows, a lock would keep readers out.
        if cfg!(unix) && self.lock.is_some() {
            lock_if_possible(&mut held)?;
        }
        self.open.insert(name.to_owned(), OpenFile { held, is_written: false });
        Ok(())
    }

    fn read_with<T>(
        &mut self,
        name: &str,
        act: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> io::Result<T> {
        let held = &mut self.open_file(name)?.held;
        act(held.file()).map_err(|error| PathError::of("read", held.path())(error))
    }

    /// Changes a file, and then makes sure that all names lead to what is open: what has happened to a file that had
    /// lost its name meanwhile must not count.
    fn change_with<T>(
        &mut self,
        name: &str,
        verb: &'static str,
        act: impl FnOnce(&mut File) -> io::Result<T>,
    ) -> io::Result<T> {
        self.check_lock()?;
        let OpenFile { held, is_written } = self.open_file(name)?;
        *is_written = true;
        let done = act(held.file()).map_err(|error| PathError::of(verb, held.path())(error))?;
        self.check()?;
        Ok(done)
    }
}

impl Storage for Files {
    fn names(&mut self) -> io::Result<Vec<String>> {
        let failed = |error| PathError::of("listed", &self.folder)(error);
        let entries = fs::read_dir(&self.folder).map_err(failed)?;
        let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name().into_string().ok()));
        let names: io::Result<Vec<_>> = names.collect();
        Ok(names?.into_iter().flatten().filter(|name| name != LOCK).collect())
    }

    fn full_name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn location(&mut self, name: &str) -> Option<Location> {
        let folder = match &self.held {
            Some(held) => held.metadata().ok()?,
            None => fs::metadata(&self.folder).ok()?,
        };
        let file = self.open_file(name).ok()?.held.metadata().ok()?;
        let path = self.folder.to_string_lossy();
        Some(Location::of_file(&path, Machine::of(&file), Inode::of(&folder), Inode::of(&file)))
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.read_with(name, |file| Ok(file.metadata()?.len()))
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_with(name, |file| {
            file.seek(SeekFrom::Start(offset))?;
            file.read(buffer)
        })
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.check()?;
        self.open.remove(name);
        let path = self.path(name);
        // A link of this name is removed, and not what it leads to.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(PathError::of("removed", &path)(error));
            }
            _ => {}
        }
        self.add(name, Held::make(path)?)?;
        self.open_file(name)?.is_written = true;
        self.check()
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.change_with(name, "written", |file| {
            file.seek(SeekFrom::Start(offset))?;
            file.write(bytes)
        })
    }

    fn prefers_preallocation(&self) -> bool {
        true
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.change_with(name, "cut", |file| file.set_len(size))
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.change_with(name, "synced", |file| file.sync_data())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.check()?;
        let (source, target) = (self.path(from), self.path(to));
        // Windows does not rename or replace a file that is open.
        let held = self.open.remove(from).filter(|_| cfg!(unix));
        self.open.remove(to);
        let renamed = fs::rename(&source, &target).map_err(PathError::of("renamed", &source));
        if let Some(mut file) = held {
            let name = if renamed.is_ok() { to } else { from };
            file.held.rename(self.path(name));
            self.open.insert(name.to_owned(), file);
        }
        renamed.and_then(|()| self.check())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        // Also in this order: in another folder that has got our name, it would be the file of another replica.
        self.check()?;
        self.open.remove(name);
        let path = self.path(name);
        fs::remove_file(&path).map_err(PathError::of("removed", &path))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.check_lock()?;
        if let Some(held) = &mut self.held {
            let synced = held.file().sync_all();
            synced.map_err(|error| PathError::of("synced", held.path())(error))?;
        }
        self.check()
    }
}

/// The path of a folder, whatever the working directory will be.
fn found(folder: &Path) -> io::Result<PathBuf> {
    absolute(folder).map_err(PathError::of("found", folder))
}

/// Where a folder is, without a symbolic link.
#[cfg(unix)]
fn resolved(folder: &Path) -> io::Result<PathBuf> {
    folder.canonicalize().map_err(PathError::of("found", folder))
}

/// Elsewhere the path without links is one that users would not recognize.
#[cfg(not(unix))]
fn resolved(folder: &Path) -> io::Result<PathBuf> {
    Ok(folder.to_owned())
}

#[cfg(unix)]
fn closed_to_others() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(FOLDER_MODE);
    builder
}

#[cfg(not(unix))]
fn closed_to_others() -> DirBuilder {
    DirBuilder::new()
}

/// Makes a folder and those above it, durably. Only the folder itself is closed to others.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    for path in missing.iter().rev() {
        let builder = if *path == folder { closed_to_others() } else { DirBuilder::new() };
        match builder.create(path) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made.map_err(PathError::of("made", path))?,
        }
        #[cfg(unix)]
        if *path == folder {
            use std::os::unix::fs::PermissionsExt;
            // The umask may have taken something from the owner as well. If this fails, the next operation does.
            let _ = fs::set_permissions(path, PermissionsExt::from_mode(FOLDER_MODE));
        }
        // The entry of a new folder is in the one above it.
        path.parent().map_or(Ok(()), sync_folder)?;
    }
    Ok(())
}

/// Opens a file, and makes it if there is none.
fn open_or_make(path: PathBuf) -> io::Result<Held> {
    match Held::make(path.clone()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Held::open(path, true),
        made => made,
    }
}

/// Locks a folder or a file, beside the file that is there for it. Network file systems may lock only some things.
fn lock_if_possible(held: &mut Held) -> io::Result<()> {
    match held.lock() {
        Err(TryLockError::WouldBlock) => Err(in_use(held.path())),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn in_use(path: &Path) -> io::Error {
    let path = path.display();
    let text = format!("{path} is in use by another replica; close that one first");
    io::Error::new(io::ErrorKind::WouldBlock, text)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(PathError::of("synced", folder))
}

/// Elsewhere a folder cannot be synced. NTFS and the like log changes of names themselves.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
