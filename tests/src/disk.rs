//! [`Disk`]: a disk that is watched, and fails when it is told to.

use std::{
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

use repred::journal::{Memory, Storage};

/// A disk in memory of which every operation that changes something is seen, and of which one can fail. A clone is
/// the same disk.
#[derive(Clone, Default)]
pub struct Disk {
    memory: Memory,
    plan: Arc<Mutex<Plan>>,
    released: Arc<Condvar>,
}

#[derive(Default)]
struct Plan {
    /// How many operations there were.
    count: usize,
    fault: Option<(usize, Fault)>,
    is_held: bool,
    /// Syncs that do not return.
    waiting: usize,
    /// From this place on, no file can be read.
    unreadable_from: Option<u64>,
    /// Called after each.
    watcher: Option<Watcher>,
}

/// Is shown the disk after each operation.
type Watcher = Box<dyn FnMut(&Memory) + Send>;

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: from then on no write is done.
    Full,
    /// Nothing is done, this once.
    Once(io::ErrorKind),
    /// Half of it is done, and this is the error.
    Half(io::ErrorKind),
    /// A write writes one byte, and says so.
    Short,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Sync,
    Other,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl Disk {
    /// A disk whose state is shown to `watcher` after each operation.
    pub fn watched(watcher: impl FnMut(&Memory) + Send + 'static) -> Self {
        let disk = Self::default();
        disk.plan().watcher = Some(Box::new(watcher));
        disk
    }

    /// A disk that has what is there.
    pub fn of(memory: Memory) -> Self {
        Self { memory, ..Self::default() }
    }

    /// A disk of which the operation of this number, from 0, fails.
    pub fn failing(at: usize, fault: Fault) -> Self {
        let disk = Self::default();
        disk.fail(at, fault);
        disk
    }

    /// The operation of this number, from 0, fails.
    pub fn fail(&self, at: usize, fault: Fault) {
        self.plan().fault = Some((at, fault));
    }

    /// From now on it is full.
    pub fn fill(&self) {
        let mut plan = self.plan();
        plan.fault = Some((plan.count, Fault::Full));
    }

    /// Syncs do not return as long as what this returns is not dropped. Drop it before a replica, which waits for
    /// its journal.
    pub fn hold(&self) -> Hold {
        self.plan().is_held = true;
        Hold(self.clone())
    }

    /// From this place on, no file can be read.
    pub fn break_from(&self, offset: u64) {
        self.plan().unreadable_from = Some(offset);
    }

    /// How many of them there are.
    pub fn waiting(&self) -> usize {
        self.plan().waiting
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        self.plan().fault = None;
    }

    /// How many operations there were that change something.
    pub fn count(&self) -> usize {
        self.plan().count
    }

    /// What is on it.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }

    /// Does something that may fail. `half` does half of it.
    fn act<T>(
        &mut self,
        kind: Kind,
        whole: impl FnOnce(&mut Memory) -> io::Result<T>,
        half: impl FnOnce(&mut Memory) -> io::Result<T>,
    ) -> io::Result<T> {
        let number = self.plan().count;
        self.plan().count += 1;
        let fault = self.plan().fault;
        let fault = fault.filter(|(at, fault)| match fault {
            Fault::Full => number >= *at && kind == Kind::Write,
            _ => number == *at,
        });
        let result = match fault.map(|(_, fault)| fault) {
            Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Once(error)) => Err(error.into()),
            Some(Fault::Half(error)) if kind == Kind::Write => {
                half(&mut self.memory)?;
                Err(error.into())
            }
            Some(Fault::Half(error)) => Err(error.into()),
            Some(Fault::Short) if kind == Kind::Write => half(&mut self.memory),
            Some(Fault::Short) | None => whole(&mut self.memory),
        };
        // Out of the plan, so that it may look at the disk.
        let watcher = self.plan().watcher.take();
        if let Some(mut watcher) = watcher {
            watcher(&self.memory);
            self.plan().watcher = Some(watcher);
        }
        result
    }

    fn all_or_nothing<T>(
        &mut self,
        kind: Kind,
        act: impl Fn(&mut Memory) -> io::Result<T>,
    ) -> io::Result<T> {
        self.act(kind, &act, &act)
    }
}

/// As long as this is not dropped, a disk does not sync.
#[must_use = "it lasts as long as this"]
#[derive(Debug)]
pub struct Hold(Disk);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.plan().is_held = false;
        self.0.released.notify_all();
    }
}

impl Storage for Disk {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.memory.names()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.memory.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = self.plan().unreadable_from.map(|limit| limit.saturating_sub(offset));
        let room = match limit {
            Some(0) => return Err(io::Error::other("a broken sector")),
            Some(limit) => buffer.len().min(usize::try_from(limit).unwrap_or(usize::MAX)),
            None => buffer.len(),
        };
        self.memory.read(name, offset, &mut buffer[..room])
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.all_or_nothing(Kind::Other, |memory| memory.create(name))
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let some = &bytes[..(bytes.len() / 2).max(1)];
        self.act(
            Kind::Write,
            |memory| memory.write(name, offset, bytes),
            |memory| memory.write(name, offset, some),
        )
    }

    fn prefers_preallocation(&self) -> bool {
        self.memory.prefers_preallocation()
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.all_or_nothing(Kind::Other, |memory| memory.truncate(name, size))
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut plan = self.plan.lock().unwrap();
        plan.waiting += 1;
        let mut plan = self.released.wait_while(plan, |plan| plan.is_held).unwrap();
        plan.waiting -= 1;
        drop(plan);
        self.all_or_nothing(Kind::Sync, |memory| memory.sync(name))
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.all_or_nothing(Kind::Other, |memory| memory.rename(from, to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.all_or_nothing(Kind::Other, |memory| memory.remove(name))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.all_or_nothing(Kind::Sync, Storage::sync_names)
    }
}
