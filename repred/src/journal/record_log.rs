//! [`RecordLog`]: an append-only file of records, which compaction replaces by another.

use std::io;

use super::{
    displaced::Displaced,
    error::{OpenError, WriteError},
    location::Location,
    log_file::{LogFile, is_of_log},
    record::{self, HEADER, MAX_RECORD, Record},
    scan::{Scan, ScanError, Tail},
    storage::{Storage, uninterrupted, write_all},
};
use crate::{document::DocumentId, protocol::Upgrade, session::SessionError};

/// The log preallocates half as many bytes as its file has, but no fewer and no more than these: a small file stays
/// small, and the writing of the zeros stays short.
const MIN_PREALLOCATION: u64 = 4 << 10;
const MAX_PREALLOCATION: u64 = 1 << 20;

/// The file of the present generation, which grows, and that of the next while compaction writes it.
///
/// Four rules keep what was acknowledged:
///
/// * **A record is there as a whole or not at all.** What a failed append may have left is truncated, and that is
///   synced, before anything else is appended; otherwise a later record could make a torn one look damaged.
/// * **After a failed sync nothing is written any more.** The system may have dropped the pages that it could not
///   write, so a later sync that succeeds proves nothing about them.
/// * **Nor when the storage is [displaced](Displaced).** What is written there would not be found.
/// * **The next generation is synced before it is renamed, and the rename before the old file is removed.** At every
///   moment one complete file has the largest generation.
#[derive(Debug)]
pub(super) struct RecordLog<S> {
    storage: S,
    file: LogFile,
    next: Option<LogFile>,
    /// Something failed in a way that leaves open what is on the disk: nothing is written any more.
    document: DocumentId,
    is_poisoned: bool,
    /// Where records are put together, kept for its memory.
    buffer: Vec<u8>,
}

/// What becomes of the file that another replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    /// There is none.
    None,
    Remove,
    /// It is damaged. It is kept under another name, to be looked at.
    Keep,
}

impl<S: Storage> RecordLog<S> {
    /// The log in a storage, or the storage if there is no log yet.
    pub(super) fn find(mut storage: S, document: DocumentId) -> Result<Result<Self, S>, OpenError> {
        match LogFile::find(&mut storage).map_err(OpenError::from)? {
            Some(file) => Ok(Ok(Self::of(storage, file, document))),
            None => Ok(Err(storage)),
        }
    }

    /// A log whose first generation is written like any next one, and begins to exist with
    /// [`install_next`](Self::install_next).
    pub(super) fn new(storage: S, document: DocumentId) -> Self {
        Self::of(storage, LogFile::new(0), document)
    }

    fn of(storage: S, file: LogFile, document: DocumentId) -> Self {
        let buffer = Vec::new();
        Self { storage, file, next: None, document, is_poisoned: false, buffer }
    }

    /// Bytes of the file, without those that are preallocated.
    pub(super) fn size(&self) -> u64 {
        self.file.size
    }

    /// Where the present file is.
    pub(super) fn location(&mut self) -> Option<Location> {
        self.storage.location(&self.file.name)
    }

    /// Where the next file is.
    pub(super) fn next_location(&mut self) -> Option<Location> {
        self.storage.location(&self.next.as_ref()?.name)
    }

    // ---- reading ----

    /// Reads all records, in order, each with the offset of its end. Returns the offset of the end of the last one, and
    /// what follows it.
    pub(super) fn read(
        &mut self,
        mut take: impl FnMut(Record<'_>, u64) -> Result<(), OpenError>,
    ) -> Result<(u64, Tail), OpenError> {
        let LogFile { generation, name, size, .. } = self.file.clone();
        let file = self.storage.full_name(&name);
        let to_open_error = |error| match error {
            ScanError::Io(error) => error.into(),
            ScanError::Format(format) => OpenError::Format { file: file.clone(), format },
            ScanError::Damaged { .. } if size < HEADER as u64 => {
                OpenError::Damaged { file: file.clone(), offset: size }
            }
            ScanError::Damaged { offset } => OpenError::Damaged { file: file.clone(), offset },
            ScanError::Upgrade(Upgrade { what, number }) => {
                OpenError::Upgrade { file: file.clone(), what, number }
            }
        };
        let storage = &mut self.storage;
        let mut scan = Scan::begin(storage, &name, generation, size).map_err(to_open_error)?;
        let (ours, theirs) = (self.document, scan.document());
        if theirs != ours {
            return Err(SessionError::Document { ours, theirs }.into());
        }
        while let Some(taken) = scan.next(storage, &mut take).map_err(to_open_error)? {
            taken.map_err(|error| match error {
                OpenError::Content(SessionError::Upgrade { what, number }) => {
                    OpenError::Upgrade { file: name.clone(), what, number }
                }
                error => error,
            })?;
        }
        Ok((scan.offset(), scan.tail()))
    }

    /// The error for a file that ends before everything that it began with. It got its name when all of that was
    /// synced, so no crash can have cut it.
    pub(super) fn cut_short(&self) -> OpenError {
        let file = self.storage.full_name(&self.file.name);
        OpenError::Damaged { file, offset: self.file.size }
    }

    /// Prepares a log that was read up to `size` for appending: cuts off a torn tail, and syncs what is left.
    pub(super) fn cut(&mut self, size: u64, tail: Tail) -> Result<(), OpenError> {
        let Self { storage, file, .. } = self;
        if tail != Tail::Preallocated {
            uninterrupted(|| storage.truncate(&file.name, size)).map_err(OpenError::from)?;
            file.allocated = size;
        }
        // An earlier process may have ended before it synced the records, or the name, that were read here. They were
        // only seen in the memory of the operating system so far, and everything from now on builds on them.
        uninterrupted(|| storage.sync(&file.name)).map_err(OpenError::from)?;
        uninterrupted(|| storage.sync_names()).map_err(OpenError::from)?;
        (file.size, file.synced) = (size, size);
        self.remove_leftovers()
    }

    /// Removes what earlier processes have left: generations that were replaced, and one that was not finished.
    fn remove_leftovers(&mut self) -> Result<(), OpenError> {
        let Self { storage, file, .. } = self;
        let names = uninterrupted(|| storage.names()).map_err(OpenError::from)?;
        for name in names.iter().filter(|name| is_of_log(name) && **name != file.name) {
            uninterrupted(|| storage.remove(name)).map_err(OpenError::from)?;
        }
        Ok(())
    }

    // ---- appending ----

    /// Appends records: all of them, or none.
    pub(super) fn append(&mut self, records: &[Record<'_>]) -> Result<(), WriteError> {
        self.check()?;
        encode(&mut self.buffer, &self.file, records).map_err(WriteError::Refused)?;
        let zeros = self.preallocation();
        let mut written = self.write_buffer(zeros);
        if zeros > 0 && matches!(&written, Err(error) if is_full(error)) {
            // The records alone may fit.
            self.roll_back()?;
            written = self.write_buffer(0);
        }
        if let Err(error) = written {
            let refused = self.refuse(error)?;
            self.roll_back()?;
            return Err(refused);
        }
        Ok(())
    }

    /// How many zeros to write behind the buffer. A sync after writing over them takes two thirds of the time of one
    /// after making the file longer, because the length need not be written.
    fn preallocation(&self) -> u64 {
        let Self { storage, file, buffer, .. } = self;
        let zeros = (file.size / 2).clamp(MIN_PREALLOCATION, MAX_PREALLOCATION);
        let len = buffer.len() as u64;
        // Large appends are rare, and gain little: writing them takes longer than syncing the length.
        let is_needed = file.size + len > file.allocated && len < zeros / 4;
        if is_needed && storage.prefers_preallocation() { zeros } else { 0 }
    }

    /// Writes the buffer to where the next record goes, and zeros behind it.
    fn write_buffer(&mut self, zeros: u64) -> io::Result<()> {
        let Self { storage, file, buffer, .. } = self;
        let len = buffer.len();
        buffer.resize(len + zeros as usize, 0);
        let written = write_all(storage, &file.name, file.size, buffer);
        buffer.truncate(len);
        written?;
        file.size += len as u64;
        file.allocated = file.allocated.max(file.size + zeros);
        Ok(())
    }

    /// Cuts off what is preallocated, because nothing more will be appended.
    pub(super) fn trim(&mut self) {
        let Self { storage, file, .. } = self;
        // Where that fails, the zeros do no harm.
        if file.allocated > file.size
            && uninterrupted(|| storage.truncate(&file.name, file.size)).is_ok()
        {
            file.allocated = file.size;
        }
    }

    /// Makes sure that no part of a failed append will ever be read.
    fn roll_back(&mut self) -> Result<(), WriteError> {
        let Self { storage, file, .. } = self;
        let rolled_back = uninterrupted(|| storage.truncate(&file.name, file.size))
            .and_then(|()| uninterrupted(|| storage.sync(&file.name)));
        rolled_back.map_err(|error| self.fail(error))?;
        (self.file.synced, self.file.allocated) = (self.file.size, self.file.size);
        Ok(())
    }

    /// Tries whether the storage would take so many bytes now. It writes zeros, so a crash meanwhile leaves nothing that
    /// could be taken for a record.
    pub(super) fn probe(&mut self, size: usize) -> Result<(), WriteError> {
        self.check()?;
        let probed = write_all(&mut self.storage, &self.file.name, self.file.size, &vec![0; size]);
        let refused = probed.err().map(|error| self.refuse(error)).transpose()?;
        self.roll_back()?;
        refused.map_or(Ok(()), Err)
    }

    /// Returns when all records that were appended will survive a loss of power.
    pub(super) fn sync(&mut self) -> Result<(), WriteError> {
        self.check()?;
        let Self { storage, file, .. } = self;
        if file.synced == file.size {
            return Ok(());
        }
        match uninterrupted(|| storage.sync(&file.name)) {
            Ok(()) => {
                file.synced = file.size;
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: io::Error) -> WriteError {
        self.is_poisoned = true;
        match Displaced::in_error(&error) {
            Some(displaced) => WriteError::Displaced(displaced.clone()),
            None => WriteError::Unknown(error),
        }
    }

    /// What to say of a write that the storage has refused. An error if nothing is written any more: the file may be
    /// one that nobody will find, or another that has got its name.
    fn refuse(&mut self, error: io::Error) -> Result<WriteError, WriteError> {
        match Displaced::in_error(&error) {
            Some(_) => Err(self.fail(error)),
            None => Ok(WriteError::Refused(error)),
        }
    }

    /// Lets nothing be written any more.
    pub(super) fn poison(&mut self) {
        self.is_poisoned = true;
    }

    fn check(&self) -> Result<(), WriteError> {
        if self.is_poisoned { Err(WriteError::Failed) } else { Ok(()) }
    }

    // ---- the next generation ----

    /// Begins the file that is to replace the present one.
    pub(super) fn begin_next(&mut self) -> Result<(), WriteError> {
        self.check()?;
        let mut next = LogFile::unfinished(self.file.generation + 1);
        let mut header = Vec::with_capacity(HEADER);
        record::put_header(&mut header, next.generation, self.document);
        let storage = &mut self.storage;
        let begun = uninterrupted(|| storage.create(&next.name))
            .and_then(|()| write_all(storage, &next.name, 0, &header));
        next.size = HEADER as u64;
        self.next = Some(next);
        begun.map_err(|error| self.abandon_next(error))
    }

    /// Appends records to the next file.
    pub(super) fn append_next(&mut self, records: &[Record<'_>]) -> Result<(), WriteError> {
        self.check()?;
        let Some(next) = &mut self.next else { return Err(WriteError::Failed) };
        let Self { storage, buffer, .. } = self;
        let written = encode(buffer, next, records)
            .and_then(|()| write_all(storage, &next.name, next.size, buffer));
        next.size += buffer.len() as u64;
        written.map_err(|error| self.abandon_next(error))
    }

    /// Replaces the present file by the next one, which must hold everything that the present one does. Everything in
    /// it is durable then.
    pub(super) fn install_next(&mut self, old: Old) -> Result<(), WriteError> {
        self.check()?;
        let Some(next) = self.next.clone() else { return Err(WriteError::Failed) };
        let storage = &mut self.storage;
        // Before the rename: a crash between the two must not leave a file that is the journal and is not whole.
        if let Err(error) = uninterrupted(|| storage.sync(&next.name)) {
            return Err(self.abandon_next(error));
        }
        let installed = LogFile {
            size: next.size,
            allocated: next.size,
            synced: next.size,
            ..LogFile::new(next.generation)
        };
        self.rename_next(&next.name, &installed.name)?;
        self.next = None;
        let before = std::mem::replace(&mut self.file, installed);
        let storage = &mut self.storage;
        // If this fails, the old file is in nobody's way. It is removed when the log is opened.
        let _ = match old {
            Old::None => Ok(()),
            Old::Remove => uninterrupted(|| storage.remove(&before.name)),
            Old::Keep => uninterrupted(|| storage.rename(&before.name, &before.damaged_name()))
                .and_then(|()| uninterrupted(|| storage.sync_names())),
        };
        Ok(())
    }

    /// Renames the next file, durably.
    fn rename_next(&mut self, from: &str, to: &str) -> Result<(), WriteError> {
        let storage = &mut self.storage;
        if let Err(error) = uninterrupted(|| storage.rename(from, to)) {
            // An operation that failed may have been done all the same. If the next file has its name, it is the
            // journal, and nobody would read what is appended to the present one from now on.
            if Displaced::in_error(&error).is_some() {
                return Err(self.fail(error));
            }
            return match uninterrupted(|| storage.names()) {
                Ok(names) if !names.iter().any(|name| name == to) => Err(self.abandon_next(error)),
                Ok(_) => Err(self.fail(error)),
                Err(error) => Err(self.fail(error)),
            };
        }
        // Until the folder is synced, a crash may undo the renaming. If the sync fails, nobody can know which file
        // survives.
        uninterrupted(|| storage.sync_names()).map_err(|error| self.fail(error))
    }

    fn abandon_next(&mut self, error: io::Error) -> WriteError {
        let next = self.next.take();
        let refused = match self.refuse(error) {
            Ok(refused) => refused,
            // Whatever has its name now, it may be somebody else's.
            Err(failed) => return failed,
        };
        if let Some(next) = next {
            // If this fails, the file is a leftover, and no journal is read from it.
            let _ = uninterrupted(|| self.storage.remove(&next.name));
        }
        refused
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Puts records into the buffer, as they are to stand at the end of a file.
fn encode(buffer: &mut Vec<u8>, file: &LogFile, records: &[Record<'_>]) -> io::Result<()> {
    buffer.clear();
    for record in records {
        let start = buffer.len();
        record.put(buffer, file.generation, file.size + start as u64, file.synced);
        if (buffer.len() - start) as u64 > MAX_RECORD {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    Ok(())
}
