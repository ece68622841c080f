//! [`Slow`]: a disk that takes its time.

use std::{io, thread, time::Duration};

use repred::journal::{Files, Storage};

/// Files in a folder, on a disk of which each sync takes so long and no less.
#[derive(Debug)]
pub struct Slow {
    files: Files,
    sync: Duration,
}

impl Slow {
    /// The same files, slower.
    pub fn new(files: Files, sync: Duration) -> Self {
        Self { files, sync }
    }
}

impl Storage for Slow {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.files.names()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.files.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.files.read(name, offset, buffer)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.files.create(name)
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.files.write(name, offset, bytes)
    }

    fn prefers_preallocation(&self) -> bool {
        self.files.prefers_preallocation()
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.files.truncate(name, size)
    }

    fn sync(&mut self, _: &str) -> io::Result<()> {
        // Instead of the disk's own, which it would only make less even.
        thread::sleep(self.sync);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.files.remove(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.files.sync_names()
    }
}
