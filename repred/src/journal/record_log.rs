//! [`RecordLog`]: records in a file, generation after generation.

use std::io;

use super::{
    error::{OpenError, WriteError},
    record::{self, HEADER, MAX_RECORD, Record},
    scan::{Scan, ScanError, Tail},
    storage::{Storage, uninterrupted, write_all},
};

/// Zeros are written ahead of what comes: a sync of what makes a file longer takes half as long again as one of what is
/// written over something. So many of them, or half as many as the file has bytes.
const MIN_PREALLOCATION: u64 = 4 << 10;
const MAX_PREALLOCATION: u64 = 1 << 20;

/// The file of the present generation, which grows, and maybe that of the next, which is being made.
#[derive(Debug)]
pub(super) struct RecordLog<S> {
    storage: S,
    file: LogFile,
    next: Option<LogFile>,
    /// Something failed in a way that leaves open what is on the disk: nothing is written any more.
    has_failed: bool,
    /// Where records are put together, kept for its memory.
    buffer: Vec<u8>,
}

/// The file of a generation.
#[derive(Clone, Debug)]
pub(super) struct LogFile {
    pub(super) generation: u64,
    pub(super) name: String,
    /// Where the next record goes.
    pub(super) size: u64,
    /// Up to here there are zeros after it.
    room: u64,
    /// The size up to which it survives a loss of power.
    synced: u64,
}

/// What becomes of the file whose place another takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    /// There is none.
    None,
    Remove,
    /// Somebody may want to look at it: it is damaged.
    Keep,
}

impl LogFile {
    /// That of the present generation; `None` if there is none yet.
    pub(super) fn find(storage: &mut impl Storage) -> io::Result<Option<Self>> {
        let names = uninterrupted(|| storage.names())?;
        let Some(latest) = names.iter().filter_map(|name| generation(name)).max() else {
            return Ok(None);
        };
        let mut file = Self::present(latest);
        file.size = uninterrupted(|| storage.size(&file.name))?;
        file.room = file.size;
        Ok(Some(file))
    }

    fn present(generation: u64) -> Self {
        Self { generation, name: format!("journal-{generation:08}"), size: 0, room: 0, synced: 0 }
    }

    fn coming(generation: u64) -> Self {
        let present = Self::present(generation);
        Self { name: present.name + ".new", ..present }
    }

    /// What it is called when it is out of use.
    fn damaged(&self) -> String {
        format!("damaged-{:08}", self.generation)
    }
}

/// The generation of a file of this name, if it is one.
fn generation(name: &str) -> Option<u64> {
    let generation = name.strip_prefix("journal-")?.parse().ok()?;
    // Anything else is somebody else's.
    (LogFile::present(generation).name == name && generation < u64::MAX).then_some(generation)
}

impl<S: Storage> RecordLog<S> {
    /// The log that is in a storage; `None` if there is none yet.
    pub(super) fn find(mut storage: S) -> Result<Result<Self, S>, OpenError> {
        match LogFile::find(&mut storage).map_err(OpenError::Io)? {
            Some(file) => Ok(Ok(Self::of(storage, file))),
            None => Ok(Err(storage)),
        }
    }

    /// The first generation of a log, which begins to exist with [`advance`](Self::advance).
    pub(super) fn new(storage: S) -> Self {
        Self::of(storage, LogFile::present(0))
    }

    fn of(storage: S, file: LogFile) -> Self {
        Self { storage, file, next: None, has_failed: false, buffer: Vec::new() }
    }

    /// Bytes of the file.
    pub(super) fn size(&self) -> u64 {
        self.file.size
    }

    // ---- reading ----

    /// Reads all records, in order, each with where it ends. Returns where the last one ends, and what follows it.
    pub(super) fn read(
        &mut self,
        mut take: impl FnMut(Record<'_>, u64) -> Result<(), OpenError>,
    ) -> Result<(u64, Tail), OpenError> {
        let LogFile { generation, name, size, .. } = self.file.clone();
        if size < HEADER as u64 {
            return Err(self.cut_short());
        }
        let damaged = |error| match error {
            ScanError::Io(error) => OpenError::Io(error),
            ScanError::Format(format) => OpenError::Format { file: name.clone(), format },
            ScanError::Damaged { offset } => OpenError::Damaged { file: name.clone(), offset },
        };
        let storage = &mut self.storage;
        let mut scan = Scan::begin(storage, &name, generation, size).map_err(damaged)?;
        while let Some(taken) = scan.next(storage, &mut take).map_err(damaged)? {
            taken?;
        }
        Ok((scan.offset(), scan.tail()))
    }

    /// The error of a file that was cut before all was in it that it began with.
    pub(super) fn cut_short(&self) -> OpenError {
        OpenError::Damaged { file: self.file.name.clone(), offset: self.file.size }
    }

    /// Cuts off what follows, unless it is room for more. What is left is there to stay: it, and the name of the file,
    /// were only seen in the system's memory so far.
    pub(super) fn cut(&mut self, size: u64, tail: Tail) -> Result<(), OpenError> {
        let Self { storage, file, .. } = self;
        if tail != Tail::Preallocated {
            uninterrupted(|| storage.truncate(&file.name, size)).map_err(OpenError::Io)?;
            file.room = size;
        }
        uninterrupted(|| storage.sync(&file.name)).map_err(OpenError::Io)?;
        // Its name, too: whoever gave it that may have ended before it was there to stay.
        uninterrupted(|| storage.sync_names()).map_err(OpenError::Io)?;
        (file.size, file.synced) = (size, size);
        self.remove_leftovers()
    }

    /// Removes what an earlier process has left over.
    fn remove_leftovers(&mut self) -> Result<(), OpenError> {
        let Self { storage, file, .. } = self;
        let names = uninterrupted(|| storage.names()).map_err(OpenError::Io)?;
        let is_ours = |name: &&String| {
            let name = name.strip_suffix(".new").unwrap_or(name);
            generation(name).is_some()
        };
        for name in names.iter().filter(is_ours).filter(|name| **name != file.name) {
            uninterrupted(|| storage.remove(name)).map_err(OpenError::Io)?;
        }
        Ok(())
    }

    // ---- writing ----

    /// Appends records: all of them, or none.
    pub(super) fn append(&mut self, records: &[Record<'_>]) -> Result<(), WriteError> {
        self.check()?;
        put_all(&mut self.buffer, &self.file, records).map_err(WriteError::Refused)?;
        let room = self.preallocation();
        let mut written = self.write_end(room);
        if room > 0 && matches!(&written, Err(error) if is_full(error)) {
            // Without room it may be little enough.
            self.roll_back()?;
            written = self.write_end(0);
        }
        if let Err(error) = written {
            self.roll_back()?;
            return Err(WriteError::Refused(error));
        }
        Ok(())
    }

    /// How many zeros are to be written behind the buffer.
    fn preallocation(&self) -> u64 {
        let Self { storage, file, buffer, .. } = self;
        let room = (file.size / 2).clamp(MIN_PREALLOCATION, MAX_PREALLOCATION);
        let len = buffer.len() as u64;
        // A large one is rare, and makes the file longer by itself.
        let is_needed = file.size + len > file.room && len < room / 4;
        if is_needed && storage.prefers_preallocation() { room } else { 0 }
    }

    /// Writes the buffer to where the next record goes, and zeros behind it.
    fn write_end(&mut self, zeros: u64) -> io::Result<()> {
        let Self { storage, file, buffer, .. } = self;
        let len = buffer.len();
        buffer.resize(len + zeros as usize, 0);
        let written = write_all(storage, &file.name, file.size, buffer);
        buffer.truncate(len);
        written?;
        file.size += len as u64;
        file.room = file.room.max(file.size + zeros);
        Ok(())
    }

    /// Gives back the room for more, because there will not be more.
    pub(super) fn trim(&mut self) {
        let Self { storage, file, .. } = self;
        // It is in nobody's way.
        if file.room > file.size
            && uninterrupted(|| storage.truncate(&file.name, file.size)).is_ok()
        {
            file.room = file.size;
        }
    }

    /// Makes sure that nothing of what was not appended will ever be read.
    fn roll_back(&mut self) -> Result<(), WriteError> {
        let Self { storage, file, .. } = self;
        let rolled_back = uninterrupted(|| storage.truncate(&file.name, file.size))
            .and_then(|()| uninterrupted(|| storage.sync(&file.name)));
        rolled_back.map_err(|error| self.fail(error))?;
        (self.file.synced, self.file.room) = (self.file.size, self.file.size);
        Ok(())
    }

    /// Whether the storage would take so many bytes now. Zeros are no record, so a crash leaves nothing.
    pub(super) fn probe(&mut self, size: usize) -> Result<(), WriteError> {
        self.check()?;
        let probed = write_all(&mut self.storage, &self.file.name, self.file.size, &vec![0; size]);
        self.roll_back()?;
        probed.map_err(WriteError::Refused)
    }

    /// Returns when all that was appended survives a loss of power.
    pub(super) fn sync(&mut self) -> Result<(), WriteError> {
        self.check()?;
        let Self { storage, file, .. } = self;
        if file.synced == file.size {
            return Ok(());
        }
        // A later sync that succeeds would prove nothing: the system may have dropped what it could not write.
        match uninterrupted(|| storage.sync(&file.name)) {
            Ok(()) => {
                file.synced = file.size;
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn fail(&mut self, error: io::Error) -> WriteError {
        self.has_failed = true;
        WriteError::Unknown(error)
    }

    /// Nothing is written any more.
    pub(super) fn poison(&mut self) {
        self.has_failed = true;
    }

    fn check(&self) -> Result<(), WriteError> {
        if self.has_failed { Err(WriteError::Failed) } else { Ok(()) }
    }

    // ---- the next generation ----

    /// Begins a file that will take the place of the present one.
    pub(super) fn begin_next(&mut self) -> Result<(), WriteError> {
        self.check()?;
        let mut next = LogFile::coming(self.file.generation + 1);
        let mut header = Vec::with_capacity(HEADER);
        record::put_header(&mut header, next.generation);
        let storage = &mut self.storage;
        let begun = uninterrupted(|| storage.create(&next.name))
            .and_then(|()| write_all(storage, &next.name, 0, &header));
        next.size = HEADER as u64;
        self.next = Some(next);
        begun.map_err(|error| self.abandon_next(error))
    }

    /// Appends records to the file that is being made.
    pub(super) fn append_next(&mut self, records: &[Record<'_>]) -> Result<(), WriteError> {
        self.check()?;
        let Some(next) = &mut self.next else { return Err(WriteError::Failed) };
        let Self { storage, buffer, .. } = self;
        let written = put_all(buffer, next, records)
            .and_then(|()| write_all(storage, &next.name, next.size, buffer));
        next.size += buffer.len() as u64;
        written.map_err(|error| self.abandon_next(error))
    }

    /// Puts the file that was made in the place of the present one. It must hold all that the present one
    /// does.
    pub(super) fn advance(&mut self, old: Old) -> Result<(), WriteError> {
        self.check()?;
        let Some(next) = self.next.clone() else { return Err(WriteError::Failed) };
        let storage = &mut self.storage;
        if let Err(error) = uninterrupted(|| storage.sync(&next.name)) {
            return Err(self.abandon_next(error));
        }
        let present = LogFile::present(next.generation);
        let renamed = uninterrupted(|| storage.rename(&next.name, &present.name));
        // If it was renamed all the same, what is written to the old one from now on would not be read.
        let is_there = renamed.is_ok()
            || match uninterrupted(|| storage.names()) {
                Ok(names) => names.contains(&present.name),
                Err(error) => return Err(self.fail(error)),
            };
        match (renamed, is_there) {
            (Err(error), false) => return Err(self.abandon_next(error)),
            (Err(error), true) => return Err(self.fail(error)),
            (Ok(()), _) => {}
        }
        if let Err(error) = uninterrupted(|| storage.sync_names()) {
            return Err(self.fail(error));
        }
        self.next = None;
        let LogFile { size, .. } = next;
        let present = LogFile { size, room: size, synced: size, ..present };
        let before = std::mem::replace(&mut self.file, present);
        let storage = &mut self.storage;
        // Where that fails it is in nobody's way, and is tried again when the log is opened.
        let _ = match old {
            Old::None => Ok(()),
            Old::Remove => uninterrupted(|| storage.remove(&before.name)),
            Old::Keep => uninterrupted(|| storage.rename(&before.name, &before.damaged()))
                .and_then(|()| uninterrupted(|| storage.sync_names())),
        };
        Ok(())
    }

    fn abandon_next(&mut self, error: io::Error) -> WriteError {
        if let Some(next) = self.next.take() {
            // It has no name that anybody would read.
            let _ = uninterrupted(|| self.storage.remove(&next.name));
        }
        WriteError::Refused(error)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Puts records together for the end of a file.
fn put_all(buffer: &mut Vec<u8>, file: &LogFile, records: &[Record<'_>]) -> io::Result<()> {
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
