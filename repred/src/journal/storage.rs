//! [`Storage`]: where a journal keeps its files.

use std::io;

use super::location::Location;

/// A folder of files, as a [`Journal`](super::Journal) needs it. [`Files`](super::Files) and
/// [`Memory`](super::Memory) implement it; implement it for a place of your own, such as a browser's storage or a raw
/// flash device, and run [`testing::storage::check`](crate::testing::storage::check) on it.
///
/// Names are made of lower-case letters, digits, `-` and `.`. The journal appends to a file, overwrites zeros that it
/// wrote ahead, and truncates. Compaction writes a new file, and renames it to the name of the next generation.
///
/// **Durability is the point.** What is written may be lost in a crash of the machine until it is synced: the content
/// of a file by [`sync`](Self::sync) (`fdatasync`), and that it exists under its name by
/// [`sync_names`](Self::sync_names) (`fsync` of the folder). An implementation that returns from either too early
/// loses updates that were acknowledged. Before that, parts of what was written may survive, in any order.
///
/// **A storage is held, not named.** Where a place can be renamed, replaced or removed while it is open, as a folder can,
/// an implementation finds it once, and later makes sure that its name still leads there: after each write and each
/// sync, before they return, and before a file is renamed or removed. If not, the operation fails with an error that is made
/// from a [`Displaced`](super::Displaced). Otherwise updates would be acknowledged that nobody finds again, or the files of
/// another replica that has got the name would be replaced.
///
/// **Errors** are those of the operating system. The journal tries an operation again at once after
/// [`Interrupted`](io::ErrorKind::Interrupted). After a write that was refused it removes the partial bytes, and may
/// try again later. After a sync that failed, and after a [`Displaced`](super::Displaced), it writes nothing more. An
/// error should name the file, and what could not be done to it.
///
/// ```
/// use repred::journal::{Memory, Storage};
///
/// /// Counts the syncs of another storage.
/// struct Counting<S> {
///     storage: S,
///     syncs: usize,
/// }
///
/// impl<S: Storage> Storage for Counting<S> {
///     fn names(&mut self) -> std::io::Result<Vec<String>> {
///         self.storage.names()
///     }
///     fn size(&mut self, name: &str) -> std::io::Result<u64> {
///         self.storage.size(name)
///     }
///     fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
///         self.storage.read(name, offset, buffer)
///     }
///     fn create(&mut self, name: &str) -> std::io::Result<()> {
///         self.storage.create(name)
///     }
///     fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> std::io::Result<usize> {
///         self.storage.write(name, offset, bytes)
///     }
///     fn truncate(&mut self, name: &str, size: u64) -> std::io::Result<()> {
///         self.storage.truncate(name, size)
///     }
///     fn sync(&mut self, name: &str) -> std::io::Result<()> {
///         self.syncs += 1;
///         self.storage.sync(name)
///     }
///     fn rename(&mut self, from: &str, to: &str) -> std::io::Result<()> {
///         self.storage.rename(from, to)
///     }
///     fn remove(&mut self, name: &str) -> std::io::Result<()> {
///         self.storage.remove(name)
///     }
///     fn sync_names(&mut self) -> std::io::Result<()> {
///         self.storage.sync_names()
///     }
/// }
///
/// let mut storage = Counting { storage: Memory::new(), syncs: 0 };
/// storage.create("a")?;
/// storage.write("a", 0, b"one")?;
/// storage.sync("a")?;
/// assert_eq!((storage.size("a")?, storage.syncs), (3, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Storage: Send + 'static {
    /// The names of all files, in any order.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn names(&mut self) -> io::Result<Vec<String>>;

    /// What errors call a file, so that its reader finds it: in a folder, its full path. Default: its name.
    fn full_name(&self, name: &str) -> String {
        name.to_owned()
    }

    /// Where a file is, so that a copy of a journal is noticed when it is opened; see [`Location`]. It stays the same when
    /// the file is renamed, and as long as nobody copies the storage. Default: unknown, so no copy is noticed.
    fn location(&mut self, name: &str) -> Option<Location> {
        let _ = name;
        None
    }

    /// The size of a file in bytes.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no file of this name; those of the operating system.
    fn size(&mut self, name: &str) -> io::Result<u64>;

    /// Reads from `offset` on, and returns how many bytes were read: at least one, unless the file ends there or
    /// `buffer` is empty. May read fewer bytes than there are.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no file of this name; those of the operating system.
    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Creates an empty file. Replaces a file of the same name.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Writes from `offset` on, which is not beyond the end of the file, over what is there. Returns how many of the
    /// bytes were written, at least one.
    ///
    /// # Errors
    ///
    /// Those of the operating system. Some of the bytes may have been written all the same.
    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Whether a sync is faster after writing over zeros than after making the file longer, as it is in most file
    /// systems: they need not sync the length. The journal then preallocates: it writes zeros ahead of its records, so
    /// its file is longer than what it holds. Default: no.
    fn prefers_preallocation(&self) -> bool {
        false
    }

    /// Cuts a file to a size that is at most its own.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no file of this name; those of the operating system.
    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()>;

    /// Returns when the whole content of a file will survive a loss of power.
    ///
    /// # Errors
    ///
    /// Those of the operating system. What was not synced before is then in doubt for good: many systems drop what
    /// they could not write, so that the next sync succeeds without having written it. The journal fails, and writes
    /// nothing any more.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, atomically. Replaces a file of that name.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no file `from`; those of the operating system.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no file of this name; those of the operating system.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Returns when all creations, renamings and removals will survive a loss of power.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// Calls `act` until it is not interrupted.
pub(super) fn uninterrupted<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes all of the bytes, from `offset` on.
pub(super) fn write_all(
    storage: &mut impl Storage,
    name: &str,
    mut offset: u64,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = uninterrupted(|| storage.write(name, offset, bytes))?.min(bytes.len());
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        offset += count as u64;
        bytes = &bytes[count..];
    }
    Ok(())
}
