//! [`Redb`]: files in a database that users may have anyway.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::{
    Database, Durability, Error, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use super::Storage;

/// From names to the number and the size of a file. A name is that of the journal, a slash, and that of the file.
const NAMES: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("repred names");

/// From numbers of files and of their parts to bytes.
const PARTS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("repred parts");

/// Bytes of a part: little, since the last one is written again whenever the file grows.
const PART: u64 = 4096;

/// The journals that are in use in this process, each with the address of its database. Of other processes the
/// database keeps itself.
static IN_USE: Mutex<BTreeSet<(usize, String)>> = Mutex::new(BTreeSet::new());

/// A journal inside a [redb](redb::Database) database: one file on the disk, which may hold tables of the user's and
/// other journals, too.
///
/// What is written is a transaction that is not durable, and what is synced one that is. So a journal costs some
/// times what it costs in [`Files`](super::Files); it is for who has such a database anyway.
///
/// A database has one transaction that writes at a time. So never wait for a replica, nor drop its last handle, while
/// you hold one: its journal waits for that. And after a savepoint was restored, which takes a journal back, open that
/// as [`restored`](crate::ReplicaBuilder::restored).
///
/// ```
/// use std::sync::Arc;
///
/// use redb::{Database, TableDefinition};
/// use repred::{Counter, Redb, Replica};
///
/// # let path = std::env::temp_dir().join(format!("repred-redb-{}", std::process::id()));
/// let database = Arc::new(Database::create(&path)?);
/// let votes = Replica::builder(Counter::default()).open_in(Redb::new(database.clone(), "votes")?)?;
/// votes.update(3)?.wait()?;
///
/// // The user's own tables are in the same file.
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
}

impl Redb {
    /// Opens a database, which is made if there is none, for the journal in it that is called `journal`.
    ///
    /// # Errors
    ///
    /// If it is open already, or damaged; and those of the operating system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::new(Database::create(path).map_err(io_error)?, "journal")
    }

    /// Uses a database that is open, for the journal in it that is called so. Begins one if there is none.
    ///
    /// # Errors
    ///
    /// If the journal is in use; and those of the database.
    pub fn new(database: impl Into<Arc<Database>>, name: &str) -> io::Result<Self> {
        let (database, name) = (database.into(), name.to_owned());
        if !in_use().insert((address(&database), name.clone())) {
            let error =
                format!("the journal \"{name}\" in this database is open already; close it first");
            return Err(io::Error::new(io::ErrorKind::WouldBlock, error));
        }
        let storage = Self { database, name };
        // So that there are tables to read from.
        storage.commit(Durability::Immediate, |transaction| {
            transaction.open_table(NAMES)?;
            transaction.open_table(PARTS)?;
            Ok(())
        })?;
        Ok(storage)
    }

    /// What a file is called in the database.
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
        done().map_err(io_error::<Error>)
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

/// What the database was asked to do failed because the operating system did, or by itself.
fn io_error<E: Into<Error>>(error: E) -> io::Error {
    match error.into() {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// Takes out the parts of a file from one on.
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
