//! [`Scan`]: the records of a file, one after the other.

use std::io;

use super::{
    record::{self, Found, HEAD, HEADER, Header, Record},
    storage::{Storage, uninterrupted},
};

/// Bytes that are read at once.
const WINDOW: usize = 1 << 20;

/// Reads the file of a generation from its beginning, and changes nothing.
#[derive(Debug)]
pub(super) struct Scan {
    generation: u64,
    window: Window,
    /// Where the next record begins.
    at: u64,
    /// Whether the file ends in the middle of it.
    is_cut: bool,
}

/// Why a file cannot be read on.
#[derive(Debug)]
pub(super) enum ScanError {
    Io(io::Error),
    /// It is of another version of this crate.
    Format(u8),
    /// What stands here had been whole.
    Damaged {
        offset: u64,
    },
}

impl Scan {
    /// For the first `size` bytes of a file, which are no fewer than its header.
    pub(super) fn begin<S: Storage>(
        storage: &mut S,
        name: &str,
        generation: u64,
        size: u64,
    ) -> Result<Self, ScanError> {
        let mut window = Window { name: name.to_owned(), size, start: 0, bytes: Vec::new() };
        match record::header(window.get(storage, 0, HEADER as u64)?, generation) {
            Header::Ours => {}
            Header::OtherFormat(format) => return Err(ScanError::Format(format)),
            Header::Broken => return Err(ScanError::Damaged { offset: 0 }),
        }
        Ok(Self { generation, window, at: HEADER as u64, is_cut: false })
    }

    /// Where the next record begins; after the last one, where it ends.
    pub(super) fn offset(&self) -> u64 {
        self.at
    }

    /// Whether what follows the last record is a part of one, of which no more was ever written.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Shows the next record to `take`, with where it ends. `None` after the last one: what follows is nothing that
    /// anybody was told of.
    pub(super) fn next<S: Storage, T>(
        &mut self,
        storage: &mut S,
        take: impl FnOnce(Record<'_>, u64) -> T,
    ) -> Result<Option<T>, ScanError> {
        let Self { generation, window, at, is_cut } = self;
        if *at >= window.size {
            return Ok(None);
        }
        let found = record::find(window.record(storage, *generation, *at)?, *generation, *at);
        *is_cut = found == Found::Cut;
        if let Found::Record { record, size, .. } = found {
            *at += size as u64;
            return Ok(Some(take(record, *at)));
        }
        if window.was_synced(storage, *generation, *at)? {
            return Err(ScanError::Damaged { offset: *at });
        }
        Ok(None)
    }
}

/// A part of a file that is held in memory.
#[derive(Debug)]
struct Window {
    name: String,
    size: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// So many bytes from `offset` on, or fewer at the end of the file.
    fn get<S: Storage>(
        &mut self,
        storage: &mut S,
        offset: u64,
        len: u64,
    ) -> Result<&[u8], ScanError> {
        let end = self.size.min(offset + len);
        let held = self.start..self.start + self.bytes.len() as u64;
        if !(held.contains(&offset) && end <= held.end) {
            self.fill(storage, offset, end)?;
        }
        let part = (offset - self.start) as usize..(end - self.start) as usize;
        // Somebody may have cut the file since.
        Ok(self.bytes.get(part).unwrap_or_default())
    }

    fn fill<S: Storage>(
        &mut self,
        storage: &mut S,
        offset: u64,
        end: u64,
    ) -> Result<(), ScanError> {
        let asked = (end - offset) as usize;
        let end = self.size.min(end.max(offset + WINDOW as u64));
        let Self { name, bytes, .. } = self;
        self.start = offset;
        bytes.clear();
        bytes.resize((end - offset) as usize, 0);
        let mut filled = 0;
        while filled < bytes.len() {
            let at = offset + filled as u64;
            match uninterrupted(|| storage.read(name, at, &mut bytes[filled..])) {
                Ok(0) => break,
                Ok(count) => filled += count,
                // More than is needed now may be where the disk is broken.
                Err(_) if filled >= asked => break,
                Err(error) => return Err(ScanError::Io(error)),
            }
        }
        bytes.truncate(filled);
        Ok(())
    }

    /// The bytes of the record at `offset`, as far as there are any; some, if there is none.
    fn record<S: Storage>(
        &mut self,
        storage: &mut S,
        generation: u64,
        offset: u64,
    ) -> Result<&[u8], ScanError> {
        let head = self.get(storage, offset, HEAD as u64)?;
        let len = record::size(head, generation, offset).unwrap_or(HEAD as u64);
        self.get(storage, offset, len)
    }

    /// Whether a later record says that what is broken at `offset` had been written in full. It may stand at any
    /// byte, since a length is not to be trusted there.
    fn was_synced<S: Storage>(
        &mut self,
        storage: &mut S,
        generation: u64,
        offset: u64,
    ) -> Result<bool, ScanError> {
        for at in offset + 1..self.size {
            let head = self.get(storage, at, record::MAX_START as u64)?;
            // Before it is read and hashed in full, which takes long where much looks like a record.
            let may_tell =
                record::synced(head).is_some_and(|synced| offset < synced && synced <= at);
            if may_tell {
                let found = record::find(self.record(storage, generation, at)?, generation, at);
                if matches!(found, Found::Record { .. }) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
