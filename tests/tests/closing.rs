//! A replica is closed in the middle of a compaction, and its journal can be opened again.

use std::{
    fmt, io,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use repred::{GrowSet, Memory, Replica, Storage};

/// What happens in between, once.
type Between = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A disk on which something else happens when the next file of a journal is begun.
#[derive(Clone, Default)]
struct Disk {
    memory: Memory,
    between: Between,
}

impl Disk {
    fn open(&self) -> Replica<GrowSet<u64>> {
        Replica::builder(GrowSet::default()).open_in(self.clone()).unwrap()
    }

    fn at_next_file(&self, happens: impl FnOnce() + Send + 'static) {
        *self.between.lock().unwrap() = Some(Box::new(happens));
    }
}

#[test]
fn what_was_written_is_there_when_it_is_closed_in_the_middle_of_a_compaction() {
    let disk = Disk::default();
    let replica = disk.open();
    let (sender, closing) = mpsc::channel();
    let closed = replica.clone();
    disk.at_next_file(move || {
        (0..10).for_each(|value| drop(closed.update(value).unwrap()));
        let handle = closed.clone();
        sender.send(thread::spawn(move || handle.close())).unwrap();
        while closed.update(0).is_ok() {
            thread::yield_now();
        }
    });
    replica.compact().unwrap();
    closing.recv().unwrap().join().unwrap().unwrap();
    let left = disk.open();
    assert_eq!(left.id().unwrap(), replica.id().unwrap());
    assert_eq!(left.version().unwrap(), replica.version().unwrap());
    assert!(left.read(|set| set.iter().copied().eq(0..10)).unwrap());
}

impl Storage for Disk {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.memory.names()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.memory.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.memory.read(name, offset, buffer)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let happens = self.between.lock().unwrap().take();
        happens.into_iter().for_each(|happens| happens());
        self.memory.create(name)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<usize> {
        self.memory.append(name, bytes)
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.memory.truncate(name, size)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.memory.sync(name)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.memory.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.memory.remove(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.memory.sync_names()
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}
