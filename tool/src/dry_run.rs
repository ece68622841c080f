//! [`DryRun`]: a storage that ignores writes.

use std::io;

use repred::journal::{Files, Storage};

use crate::progress::Progress;

/// Reads a folder and ignores writes, so that a journal can be opened and compacted to see what would come of it,
/// also while a program uses it. A journal never reads what it has written itself.
pub(crate) struct DryRun {
    files: Files,
    progress: Progress,
}

impl DryRun {
    pub(crate) fn new(files: Files, progress: Progress) -> Self {
        Self { files, progress }
    }
}

impl Storage for DryRun {
    fn names(&mut self) -> io::Result<Vec<String>> {
        self.files.names()
    }

    fn full_name(&self, name: &str) -> String {
        self.files.full_name(name)
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.files.size(name)
    }

    fn read(&mut self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.progress.reach(offset);
        self.files.read(name, offset, buffer)
    }

    fn create(&mut self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, _name: &str, _offset: u64, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn truncate(&mut self, _name: &str, _size: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&mut self, _from: &str, _to: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(())
    }
}
