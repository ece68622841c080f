//! [`Storage`]: where a journal keeps its files.

use std::io;

/// A folder of files, as a [`Journal`](super::Journal) needs it: [`Files`](super::Files) is one,
/// [`Memory`](super::Memory) another.
///
/// Names are made of lower-case letters, digits, `-` and `.`. What is written may be lost in a crash of
/// the machine until it is synced: the content of a file by [`sync`](Self::sync), that it is there, or is
/// called something else, by [`sync_names`](Self::sync_names). An implementation that says so too early
/// loses updates that were acknowledged.
///
/// Operations may fail as the operating system's do. [`Interrupted`](io::ErrorKind::Interrupted) is tried
/// again; whatever else happens, the journal leaves what it has acknowledged alone.
pub trait Storage: Send + 'static {
    /// The names of all files.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn names(&mut self) -> io::Result<Vec<String>>;

    /// How many bytes a file has.
    ///
    /// # Errors
    ///
    /// Those of the operating system; [`NotFound`](io::ErrorKind::NotFound) if there is none of the name.
    fn size(&mut self, name: &str) -> io::Result<u64>;

    /// Reads from `offset` on, as much as there is and as fits. Returns how many bytes; 0 at the end.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes an empty file, in the place of one of the same name if there is one.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Writes from `offset` on, which is nowhere beyond the end of the file. Returns how many of the bytes, at
    /// least one.
    ///
    /// # Errors
    ///
    /// Those of the operating system. Some of the bytes may have been written all the same.
    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Whether a sync is faster where something is written over zeros than where it makes a file longer, as it is in
    /// file systems. The journal writes zeros ahead then, and so has fewer bytes in its file than the file is long.
    /// Default: no.
    fn prefers_preallocation(&self) -> bool {
        false
    }

    /// Cuts a file to a size.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()>;

    /// Returns when the whole content of a file will survive a loss of power.
    ///
    /// # Errors
    ///
    /// Those of the operating system. What was not synced before is in doubt then, for good: the next sync
    /// may succeed without having written it.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Gives a file another name, at once, in the place of any file that has it.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Returns when all names will survive a loss of power.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// Does what may be interrupted until it is not.
pub(super) fn uninterrupted<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes all of the bytes from `offset` on.
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
