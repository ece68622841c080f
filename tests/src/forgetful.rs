//! [`Forgetful`]: files that lose in a kill what a loss of power would take.

use std::{collections::BTreeMap, io, thread, time::Duration};

use repred::journal::{Files, Storage};

/// Files whose bytes stay in the process until they are synced.
///
/// A kill takes nothing that the operating system has, so it does not show what was not synced in time. Here
/// it does.
#[derive(Debug)]
pub struct Forgetful {
    files: Files,
    /// What is not synced yet, by file.
    unsynced: BTreeMap<String, Tail>,
}

/// A part of a file, in the place of what the file has there.
#[derive(Debug)]
struct Tail {
    offset: u64,
    bytes: Vec<u8>,
}

impl Tail {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// How long a disk is busy with a sync before it has anything.
const BUSY: Duration = Duration::from_millis(1);

impl Forgetful {
    /// The same files, of which a kill takes more.
    pub fn new(files: Files) -> Self {
        Self { files, unsynced: BTreeMap::new() }
    }

    /// Hands the bytes of a file to the operating system.
    fn flush(&mut self, name: &str) -> io::Result<()> {
        let Some(mut tail) = self.unsynced.remove(name) else { return Ok(()) };
        while !tail.bytes.is_empty() {
            let count = self.files.write(name, tail.offset, &tail.bytes)?;
            tail.bytes.drain(..count);
            tail.offset += count as u64;
        }
        Ok(())
    }
}

impl Storage for Forgetful {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.files.names()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        Ok(self.files.size(name)?.max(self.unsynced.get(name).map_or(0, Tail::end)))
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.flush(name)?;
        self.files.read(name, offset, buffer)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.unsynced.remove(name);
        self.files.create(name)
    }

    fn write(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let takes = |tail: &Tail| (tail.offset..=tail.end()).contains(&offset);
        if self.unsynced.get(name).is_some_and(|tail| !takes(tail)) {
            self.flush(name)?;
        }
        let tail = Tail { offset, bytes: Vec::new() };
        let tail = self.unsynced.entry(name.to_owned()).or_insert(tail);
        let start = (offset - tail.offset) as usize;
        tail.bytes.resize(tail.bytes.len().max(start + bytes.len()), 0);
        tail.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn prefers_preallocation(&self) -> bool {
        self.files.prefers_preallocation()
    }

    fn truncate(&mut self, name: &str, size: u64) -> io::Result<()> {
        self.flush(name)?;
        self.files.truncate(name, size)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        thread::sleep(BUSY);
        self.flush(name)?;
        self.files.sync(name)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.unsynced.remove(to);
        if let Some(bytes) = self.unsynced.remove(from) {
            self.unsynced.insert(to.to_owned(), bytes);
        }
        self.files.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.unsynced.remove(name);
        self.files.remove(name)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.files.sync_names()
    }
}
