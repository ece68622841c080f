//! [`Held`]: an open file or folder, and the name that it was opened by.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{displaced::Displaced, path_error::PathError};

/// Who may use a new file: its owner may read and write it.
#[cfg(unix)]
const FILE_MODE: u32 = 0o600;

/// An open file or folder, and the name that it was opened by, which may lead to something else later.
///
/// A lock on it is released explicitly when this is dropped. Closing the descriptor would not be enough: a program that
/// another thread is just starting has a copy of it, between `fork` and `exec`, and would keep the lock for so long.
#[derive(Debug)]
pub(super) struct Held {
    path: PathBuf,
    file: File,
    number: Number,
    is_locked: bool,
    /// Whether the name may be a link to it, as that of a folder may.
    may_be_link: bool,
}

/// The numbers of the device and the inode, by which a file system tells files apart.
#[cfg(unix)]
type Number = (u64, u64);

/// Elsewhere std does not say them, and anything of the same name must do.
#[cfg(not(unix))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number;

impl Held {
    /// Makes a file that only its owner can read. Replaces nothing, and follows no link.
    pub(super) fn make(path: PathBuf) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, FILE_MODE);
        let file = options.open(&path).map_err(PathError::of("made", &path))?;
        // The umask may have taken something from the owner as well. If this fails, the next one to open it is told.
        #[cfg(unix)]
        let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(FILE_MODE));
        Self::of(path, file, false)
    }

    /// Opens a file. Makes none, and follows no link.
    pub(super) fn open(path: PathBuf, may_write: bool) -> io::Result<Self> {
        let failed = PathError::of("opened", &path);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => return Err(failed(error)),
        };
        // Whoever planted a link could have us overwrite what it leads to. Opening a pipe could wait for ever.
        if !metadata.is_file() {
            let kind = io::ErrorKind::InvalidInput;
            let what = if metadata.is_symlink() { "a symbolic link" } else { "not a file" };
            let reason = format!("it is {what}, which a journal does not follow; remove it");
            return Err(PathError::found(kind, "opened", &path, &reason));
        }
        let opened = OpenOptions::new().read(true).write(may_write).open(&path);
        let held = Self::of(path.clone(), opened.map_err(failed)?, false)?;
        // It may have become a link since.
        held.check()?;
        Ok(held)
    }

    /// Opens a folder, if the system can open one, or a file; follows links.
    #[cfg(unix)]
    pub(super) fn follow(path: PathBuf) -> io::Result<Option<Self>> {
        let file = File::open(&path).map_err(PathError::of("opened", &path))?;
        Self::of(path, file, true).map(Some)
    }

    /// Elsewhere a folder is no file.
    #[cfg(not(unix))]
    pub(super) fn follow(_path: PathBuf) -> io::Result<Option<Self>> {
        Ok(None)
    }

    fn of(path: PathBuf, file: File, may_be_link: bool) -> io::Result<Self> {
        let metadata = file.metadata().map_err(PathError::of("examined", &path))?;
        Ok(Self { path, file, number: number(&metadata), is_locked: false, may_be_link })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata().map_err(PathError::of("examined", &self.path))
    }

    /// It was renamed.
    pub(super) fn rename(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Locks it, as long as this lives.
    pub(super) fn lock(&mut self) -> Result<(), TryLockError> {
        self.file.try_lock()?;
        self.is_locked = true;
        Ok(())
    }

    /// An error if the name does not lead to it any more.
    pub(super) fn check(&self) -> io::Result<()> {
        let found = if self.may_be_link {
            fs::metadata(&self.path)
        } else {
            fs::symlink_metadata(&self.path)
        };
        match found {
            Ok(found) if number(&found) == self.number => Ok(()),
            Ok(_) => Err(Displaced::replaced(&self.path).into()),
            Err(error) if is_missing(&error) => Err(Displaced::missing(&self.path).into()),
            Err(error) => Err(PathError::of("examined", &self.path)(error)),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_locked {
            // If this fails, closing the file releases the lock a little later.
            let _ = self.file.unlock();
        }
    }
}

/// Whether nothing has this name.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> Number {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn number(_metadata: &Metadata) -> Number {
    Number
}
