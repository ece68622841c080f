//! [`Scan`]: reads the records of a log file, one after the other.

use std::{io, ops::Range};

use super::{
    record::{self, Found, HEAD, HEADER, Header, Record},
    storage::{Storage, uninterrupted},
};
use crate::{document::DocumentId, protocol::Upgrade};

/// Bytes that are read at a time.
const WINDOW: usize = 1 << 20;

/// Reads a log file from its beginning, changes nothing, and tells a torn end from damage; see [`record`].
#[derive(Debug)]
pub(super) struct Scan {
    generation: u64,
    document: DocumentId,
    window: Window,
    /// Where the next record begins.
    at: u64,
    tail: Tail,
}

/// What follows the last record. Nothing in there was acknowledged, as far as can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Preallocated zeros, or nothing.
    Preallocated,
    /// So many bytes of a record that was never written in full.
    Torn(u64),
    /// So many bytes that may be those of a record that was whole once, and is damaged.
    Invalid(u64),
}

impl Tail {
    /// Bytes that are neither a record nor preallocated.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Preallocated => 0,
            Self::Torn(bytes) | Self::Invalid(bytes) => bytes,
        }
    }
}

/// Why a file cannot be read further.
#[derive(Debug)]
pub(super) enum ScanError {
    Io(io::Error),
    /// It has the format of another version of repred.
    Format(u8),
    /// The record at this offset was whole once.
    Damaged {
        offset: u64,
    },
    /// A record, or something in it, is of a later version of the program, and must not be passed over.
    Upgrade(Upgrade),
}

impl Scan {
    /// Reads the header of a file that has `size` bytes, at least those of the header.
    pub(super) fn begin<S: Storage>(
        storage: &mut S,
        name: &str,
        generation: u64,
        size: u64,
    ) -> Result<Self, ScanError> {
        let mut window = Window { name: name.to_owned(), size, start: 0, bytes: Vec::new() };
        let document = match record::header(window.get(storage, 0, HEADER as u64)?, generation) {
            Header::Ours(document) => document,
            Header::OtherFormat(format) => return Err(ScanError::Format(format)),
            Header::Invalid => return Err(ScanError::Damaged { offset: 0 }),
        };
        Ok(Self { generation, document, window, at: HEADER as u64, tail: Tail::Preallocated })
    }

    /// The document that the file is a log of.
    pub(super) fn document(&self) -> DocumentId {
        self.document
    }

    /// The offset of the next record, or of the end of the last one.
    pub(super) fn offset(&self) -> u64 {
        self.at
    }

    /// What follows the last record, once all were read.
    pub(super) fn tail(&self) -> Tail {
        self.tail
    }

    /// Passes the next record to `take`, with the offset of its end. `None` after the last one.
    pub(super) fn next<S: Storage, T>(
        &mut self,
        storage: &mut S,
        take: impl FnOnce(Record<'_>, u64) -> T,
    ) -> Result<Option<T>, ScanError> {
        let Self { generation, window, at, tail, .. } = self;
        if *at >= window.size {
            return Ok(None);
        }
        let found = record::find(window.record(storage, *generation, *at)?, *generation, *at);
        match found {
            Found::Record { record, size, .. } => {
                *at += size as u64;
                return Ok(Some(take(record, *at)));
            }
            Found::Upgrade(upgrade) => return Err(ScanError::Upgrade(upgrade)),
            Found::Invalid => {}
        }
        *tail = window.tail(storage, *generation, *at)?;
        let end = *at + tail.bytes();
        if window.was_synced(storage, *generation, *at..end)? {
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
        // The file may have been cut since it was opened, where a replica uses it.
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
                // The rest was read ahead. The disk may be broken there only, and nothing of it is needed yet.
                Err(_) if filled >= asked => break,
                Err(error) => return Err(ScanError::Io(error)),
            }
        }
        bytes.truncate(filled);
        Ok(())
    }

    /// The bytes of the record at `offset`, or those of a record's head if there is no valid length.
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

    /// What is at `offset`, where there is no record.
    fn tail<S: Storage>(
        &mut self,
        storage: &mut S,
        generation: u64,
        offset: u64,
    ) -> Result<Tail, ScanError> {
        let mut end = offset;
        let mut at = offset;
        while at < self.size {
            let part = self.get(storage, at, WINDOW as u64)?;
            if part.is_empty() {
                break;
            }
            if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
                end = at + last as u64 + 1;
            }
            at += part.len() as u64;
        }
        if end == offset {
            return Ok(Tail::Preallocated);
        }
        let (head, len) = (self.get(storage, offset, HEAD as u64)?, end - offset);
        let is_torn = record::is_torn(head, len, generation, offset);
        Ok(if is_torn { Tail::Torn(len) } else { Tail::Invalid(len) })
    }

    /// Whether a later valid record says that the file was synced beyond the invalid bytes, so that they were durable
    /// once. The search tries every byte, because the length of an invalid record cannot be trusted.
    fn was_synced<S: Storage>(
        &mut self,
        storage: &mut S,
        generation: u64,
        bytes: Range<u64>,
    ) -> Result<bool, ScanError> {
        let offset = bytes.start;
        for at in bytes.skip(1) {
            let head = self.get(storage, at, record::MAX_START as u64)?;
            // A record is read and hashed only if it would say so: hashing at every byte would take quadratic time.
            let may_tell =
                record::synced(head).is_some_and(|synced| offset < synced && synced <= at);
            if may_tell {
                let found = record::find(self.record(storage, generation, at)?, generation, at);
                if !matches!(found, Found::Invalid) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
