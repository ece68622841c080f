//! [`Redb`]: files in a redb database that an application has anyway.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::{Path, absolute},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::{
    Database, Durability, Error, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use super::{
    Storage,
    held::Held,
    location::Location,
    machine::{Inode, Machine},
};

/// From the name of a file to its number and size. The name begins with that of the journal and a slash.
const NAMES: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("repred names");

/// From the number of a file and of one of its parts to the bytes of the part.
const PARTS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("repred parts");

/// Bytes of a part. Few, because the last part is written again whenever the file grows.
const PART: u64 = 4096;

/// The journals that are open in this process, each with the address of its database. Other processes cannot open the
/// database meanwhile: redb locks its file.
static IN_USE: Mutex<BTreeSet<(usize, String)>> = Mutex::new(BTreeSet::new());

/// A journal inside a [redb](redb::Database) database. The database is one file on the disk, which may hold other
/// tables and other journals, too.
///
/// A write of the journal is a transaction that is not durable, and a sync is one that is. A journal therefore costs
/// several times as much as in [`Files`](super::Files); this is for applications that have such a database anyway.
///
/// redb runs one write transaction at a time. **Never wait for a replica, nor drop its last handle, while you hold a
/// write transaction**: the journal of the replica waits for that transaction. After you have restored a savepoint,
/// which sets the journal back, open it as [`restored`](crate::ReplicaBuilder::restored).
///
/// ```
/// use std::sync::Arc;
///
/// use redb::{Database, TableDefinition};
/// use repred::{Counter, Replica, journal::Redb};
///
/// # let path = std::env::temp_dir().join(format!("repred-redb-{}", std::process::id()));
/// let database = Arc::new(Database::create(&path)?);
/// let votes = Replica::builder(Counter::default()).open_in(Redb::new(database.clone(), "votes")?)?;
/// votes.update(3)?.wait()?;
///
/// // Your own tables are in the same file.
/// let mine = database.begin_write()?;
/// mine.open_table(TableDefinition::<&str, u64>::new("mine"))?.insert("answer", 42)?;
/// mine.commit()?;
/// # drop((votes, database));
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Redb {
    database: Arc<Database>,
    name: String,
    /// The file of the database, if it is known. Its name is looked up after each write.
    held: Option<Held>,
}

impl Redb {
    /// Opens a database, or creates it, for the journal in it that is called `journal`.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Redb};
    ///
    /// # let path = std::env::temp_dir().join(format!("repred-redb-open-{}", std::process::id()));
    /// let votes = Replica::builder(Counter::default()).open_in(Redb::open(&path)?)?;
    /// votes.update(3)?.wait()?;
    /// # drop(votes);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the database is open already, or damaged; those of the operating system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = absolute(path)?;
        let database = Database::create(&path).map_err(io_error)?;
        let mut storage = Self::new(database, "journal")?;
        storage.held = Held::follow(path)?;
        Ok(storage)
    }

    /// Uses a database that is open, for the journal in it that is called `name`. Begins one if there is none. See
    /// [`Redb`] for an example.
    ///
    /// Where the file of the database is cannot be known. So a copy of it is not noticed when it is opened, nor that
    /// somebody removes the file while it is open.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if a replica uses this journal; those of the database.
    pub fn new(database: impl Into<Arc<Database>>, name: &str) -> io::Result<Self> {
        let (database, name) = (database.into(), name.to_owned());
        if !in_use().insert((address(&database), name.clone())) {
            let error =
                format!("the journal \"{name}\" in this database is open already; close it first");
            return Err(io::Error::new(io::ErrorKind::WouldBlock, error));
        }
        let storage = Self { database, name, held: None };
        // Reading from a table that was never created is an error.
        storage.commit(Durability::Immediate, |transaction| {
            transaction.open_table(NAMES)?;
            transaction.open_table(PARTS)?;
            Ok(())
        })?;
        Ok(storage)
    }

    /// The name of a file in the database.
    fn full(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    fn commit<T>(
        &self,
        durability: Durability,
        act: impl FnOnce(&WriteTransaction) -> Result<T, Error>,
    ) -> io::Result<T> {
        let done = || {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(durability)?;
            let done = act(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        let done = done().map_err(io_error::<Error>)?;
        self.held.as_ref().map_or(Ok(()), Held::check)?;
        Ok(done)
    }

    /// The number and the size of a file.
    fn file(&self, name: &str) -> io::Result<(u64, u64)> {
        let found = || {
            let names = self.database.begin_read()?.open_table(NAMES)?;
            Ok(names.get(&*self.full(name))?.map(|file| file.value()))
        };
        found().map_err(io_error::<Error>)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The error of the operating system that an error of the database stands for, or else the latter.
fn io_error<E: Into<Error>>(error: E) -> io::Error {
    match error.into() {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// Removes the parts of a file from the part `from` on.
fn remove_parts(transaction: &WriteTransaction, file: u64, from: u64) -> Result<(), Error> {
    let mut parts = transaction.open_table(PARTS)?;
    parts.retain_in((file, from)..=(file, u64::MAX), |_, _| false)?;
    Ok(())
}

impl Storage for Redb {
    fn names(&mut self) -> io::Result<Vec<String>> {
        let names = || -> Result<Vec<_>, Error> {
            let names = self.database.begin_read()?.open_table(NAMES)?;
            names.iter()?.map(|entry| Ok(entry?.0.value().to_owned())).collect()
        };
        let (all, prefix) = (names().map_err(io_error)?, self.full(""));
        Ok(all.iter().filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect())
    }

    fn full_name(&self, name: &str) -> String {
        format!("{name} of the journal \"{}\" in the database", self.name)
    }

    fn location(&mut self, _name: &str) -> Option<Location> {
        let held = self.held.as_ref()?;
        let (path, metadata) = (held.path().to_string_lossy(), held.metadata().ok()?);
        // The folder around a database may change as it likes.
        let (folder, file) = (Inode::default(), Inode::of(&metadata));
        Some(Location::of_file(&path, Machine::of(&metadata), folder, file))
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        Ok(self.file(name)?.1)
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let (file, size) = self.file(name)?;
        let end = size.min(offset.saturating_add(buffer.len() as u64));
        let mut read = || {
            let parts = self.database.begin_read()?.open_table(PARTS)?;
            let mut at = offset;
            while at < end {
                let Some(part) = parts.get((file, at / PART))? else { break };
                let bytes = part.value().get((at % PART) as usize..).unwrap_or_default();
                let count = bytes.len().min((end - at) as usize);
                if count == 0 {
                    break;
                }
                let start = (at - offset) as usize;
                buffer[start..start + count].copy_from_slice(&bytes[..count]);
                at += count as u64;
            }
            Ok((at - offset.min(at)) as usize)
        };
        read().map_err(io_error::<Error>)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let name = &*self.full(name);
        self.commit(Durability::None, |transaction| {
            let mut names = transaction.open_table(NAMES)?;
            let before = names.get(name)?.map(|file| file.value().0);
            let mut last = 0;
            for file in names.iter()? {
                last = last.max(file?.1.value().0);
            }
            names.insert(name, (last + 1, 0))?;
            before.map_or(Ok(()), |file| remove_parts(transaction, file, 0))
        })
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let (file, size) = self.file(name)?;
        self.commit(Durability::None, |transaction| {
            let mut parts = transaction.open_table(PARTS)?;
            let (mut at, mut rest) = (offset, bytes);
            while !rest.is_empty() {
                let (part, start) = (at / PART, (at % PART) as usize);
                let mut content = match parts.get((file, part))? {
                    Some(content) => content.value().to_vec(),
                    None => Vec::new(),
                };
                let (now, later) = rest.split_at(rest.len().min(PART as usize - start));
                content.resize(content.len().max(start + now.len()), 0);
                content[start..start + now.len()].copy_from_slice(now);
                parts.insert((file, part), &*content)?;
                at += now.len() as u64;
                rest = later;
            }
            let mut names = transaction.open_table(NAMES)?;
            names.insert(&*self.full(name), (file, size.max(at)))?;
            Ok(bytes.len())
        })
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        let (file, before) = self.file(name)?;
        self.commit(Durability::None, |transaction| {
            remove_parts(transaction, file, size.div_ceil(PART))?;
            let mut parts = transaction.open_table(PARTS)?;
            let last = parts.get((file, size / PART))?.map(|content| content.value().to_vec());
            if let Some(mut content) = last.filter(|_| !size.is_multiple_of(PART)) {
                content.truncate((size % PART) as usize);
                parts.insert((file, size / PART), &*content)?;
            }
            let mut names = transaction.open_table(NAMES)?;
            names.insert(&*self.full(name), (file, size.min(before)))?;
            Ok(())
        })
    }

    fn sync(&mut self, _name: &str) -> io::Result<()> {
        self.sync_names()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.file(from)?;
        self.commit(Durability::None, |transaction| {
            let mut names = transaction.open_table(NAMES)?;
            names.remove(&*self.full(from))?;
            let before = names.insert(&*self.full(to), file)?.map(|file| file.value().0);
            before.map_or(Ok(()), |file| remove_parts(transaction, file, 0))
        })
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let (file, _) = self.file(name)?;
        self.commit(Durability::None, |transaction| {
            transaction.open_table(NAMES)?.remove(&*self.full(name))?;
            remove_parts(transaction, file, 0)
        })
    }

    /// A durable transaction makes all those before it durable.
    fn sync_names(&mut self) -> io::Result<()> {
        self.commit(Durability::Immediate, |_| Ok(()))
    }
}

impl Drop for Redb {
    fn drop(&mut self) {
        in_use().remove(&(address(&self.database), std::mem::take(&mut self.name)));
    }
}

fn in_use() -> MutexGuard<'static, BTreeSet<(usize, String)>> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn address(database: &Arc<Database>) -> usize {
    Arc::as_ptr(database).addr()
}

impl fmt::Debug for Redb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redb").field("name", &self.name).finish_non_exhaustive()
    }
}
