//! [`JournalReader`]: reads a journal without knowing the type of its state.

use std::{error::Error, fmt, io};

use super::{
    decoder::Decoder,
    event::JournalEvent,
    log_file::LogFile,
    record::HEADER,
    scan::{Scan, ScanError},
    storage::Storage,
};
use crate::{
    document::DocumentId, protocol::Upgrade, session::SessionError, version::VersionVector,
};

/// How often to look for the file again if a compaction replaces it between two looks.
const TRIES: usize = 10;

/// Reads a journal without knowing the type of its state, and changes nothing: for tools.
///
/// It is an iterator over [events](JournalEvent), in the order in which they happened. Left out is what a replica that
/// opens the journal would ignore, too: a torn tail, and entries that came twice. After the last event, and after an
/// error, it yields `None`.
///
/// A replica may use the journal meanwhile. Records that it appends after this was opened are not read, and a record
/// that is just being appended looks like a torn tail.
///
/// ```
/// use repred::{Counter, Replica, journal::{JournalEvent, JournalReader, Memory}};
///
/// let disk = Memory::new();
/// let votes = Replica::builder(Counter::default()).id(0xa.into()).open_in(disk.clone())?;
/// votes.update(3)?.wait()?;
///
/// let events: Vec<_> = JournalReader::open(disk)?.collect::<Result<_, _>>()?;
/// let [JournalEvent::Opened { .. }, JournalEvent::Schema { schema, .. }, JournalEvent::Entry(entry)] = &*events
/// else {
///     panic!("{events:?}");
/// };
/// assert_eq!(schema.name(), "repred::types::counter::Counter");
/// assert_eq!(format!("{:?}", entry.stamp.dot), "a.1");
/// assert_eq!(entry.decode::<i64>()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JournalReader<S> {
    storage: S,
    file: LogFile,
    /// `None` for a file that is shorter than its header.
    scan: Option<Scan>,
    decoder: Decoder,
    has_ended: bool,
}

impl<S: Storage> JournalReader<S> {
    /// Finds the journal in a storage. For a folder that a replica may use, open
    /// [`Files::read_only`](super::Files::read_only).
    ///
    /// # Errors
    ///
    /// See [`JournalReadError`].
    pub fn open(mut storage: S) -> Result<Self, JournalReadError> {
        let file = find(&mut storage)?.ok_or(JournalReadError::NoJournal)?;
        let mut reader =
            Self { storage, file, scan: None, decoder: Decoder::default(), has_ended: false };
        let LogFile { generation, name, size, .. } = &reader.file;
        match Scan::begin(&mut reader.storage, name, *generation, *size) {
            Ok(scan) => reader.scan = Some(scan),
            // It is just being created, or its creation was cut short.
            Err(ScanError::Damaged { .. }) if *size < HEADER as u64 => {}
            Err(error) => return Err(reader.error(error)),
        }
        Ok(reader)
    }

    fn error(&self, error: ScanError) -> JournalReadError {
        let file = self.storage.full_name(&self.file.name);
        match error {
            ScanError::Io(error) => JournalReadError::Io(error),
            ScanError::Format(format) => JournalReadError::Format { file, format },
            ScanError::Damaged { offset } => JournalReadError::Damaged { file, offset },
            ScanError::Upgrade(Upgrade { what, number }) => {
                JournalReadError::Upgrade { file, what, number }
            }
        }
    }

    /// The next event; `None` at the end.
    fn advance(&mut self) -> Result<Option<JournalEvent>, JournalReadError> {
        loop {
            if let Some(event) = self.decoder.next() {
                return Ok(Some(event));
            }
            let offset = self.offset();
            let Self { storage, scan: Some(scan), decoder, .. } = self else { return Ok(None) };
            match scan.next(storage, |record, _| decoder.take(record)) {
                Ok(Some(Ok(()))) => {}
                Ok(Some(Err(SessionError::Upgrade { what, number }))) => {
                    return Err(self.error(ScanError::Upgrade(Upgrade { what, number })));
                }
                Ok(Some(Err(error))) => {
                    let file = self.storage.full_name(&self.file.name);
                    return Err(JournalReadError::Content { file, offset, error });
                }
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.error(error)),
            }
        }
    }
}

/// The present file. A compaction may replace it between the two looks that this takes, at the names and at the size.
fn find(storage: &mut impl Storage) -> Result<Option<LogFile>, JournalReadError> {
    for _ in 1..TRIES {
        match LogFile::find(storage) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found.map_err(JournalReadError::Io),
        }
    }
    LogFile::find(storage).map_err(JournalReadError::Io)
}

impl<S> JournalReader<S> {
    /// The generation of the file, which each compaction raises by one. It begins with 1.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::{JournalReader, Memory}};
    ///
    /// let disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.compact()?;
    ///
    /// let reader = JournalReader::open(disk)?;
    /// assert_eq!((reader.generation(), reader.file()), (2, "journal-00000002"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn generation(&self) -> u64 {
        self.file.generation
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.file.name
    }

    /// Bytes of the file when this was opened. Zeros at its end may be preallocated.
    pub fn size(&self) -> u64 {
        self.file.size
    }

    /// How many of the bytes were read. At the end, what follows is torn or preallocated.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::{JournalReader, Memory}};
    ///
    /// let disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?.wait()?;
    ///
    /// let mut reader = JournalReader::open(disk)?;
    /// reader.by_ref().try_for_each(|event| event.map(drop))?;
    /// assert_eq!(reader.version(), &votes.version()?);
    /// assert!(reader.offset() < reader.size(), "some bytes are preallocated");
    /// assert_eq!(reader.torn_bytes(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn offset(&self) -> u64 {
        self.scan.as_ref().map_or(0, Scan::offset)
    }

    /// The document that the journal is of.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::{JournalReader, Memory}};
    ///
    /// let disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).document(0x9011.into()).open_in(disk.clone())?;
    /// assert_eq!(JournalReader::open(disk)?.document(), votes.document()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn document(&self) -> DocumentId {
        self.scan.as_ref().map_or(DocumentId::NONE, Scan::document)
    }

    /// The updates in all that was read, be it as entries, as skips or in a snapshot.
    pub fn version(&self) -> &VersionVector {
        self.decoder.version()
    }

    /// Bytes after the last record that are not preallocated zeros, once all was read: what a crash has left of a
    /// write, which is cut off when the journal is opened; or a record that is just being appended.
    pub fn torn_bytes(&self) -> u64 {
        match &self.scan {
            Some(scan) => scan.tail().bytes(),
            None => self.size(),
        }
    }
}

impl<S: Storage> Iterator for JournalReader<S> {
    type Item = Result<JournalEvent, JournalReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let next = self.advance().transpose();
        self.has_ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<S> fmt::Debug for JournalReader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalReader")
            .field("file", &self.file)
            .field("offset", &self.offset())
            .finish_non_exhaustive()
    }
}

/// Why a journal cannot be read, or not further. The events that came before are sound.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalReadError {
    /// There is no journal in the storage. Look elsewhere.
    NoJournal,
    /// The storage failed. Try again, and check the disk if it fails again.
    Io(io::Error),
    /// The file is not as it was written: a fault of the disk, or of a program that has changed the file.
    /// [`recover`](super::Journal::recover) keeps what comes before.
    Damaged {
        /// The [full name](Storage::full_name) of the file.
        file: String,
        /// The offset of the first record that cannot be read.
        offset: u64,
    },
    /// The file was written in another format, by another version of this crate: use that.
    Format {
        /// The [full name](Storage::full_name) of the file.
        file: String,
        /// The number of its format.
        format: u8,
    },
    /// Something in the file is of a later version of repred, which says that it must not be passed over: use that.
    Upgrade {
        /// The [full name](Storage::full_name) of the file.
        file: String,
        /// What kind of thing it is.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// The file is as it was written, but a record says what cannot be: it was written by a version of repred with a
    /// fault, or one that this version cannot read. Use the version that has written it.
    Content {
        /// The [full name](Storage::full_name) of the file.
        file: String,
        /// The offset of the record.
        offset: u64,
        /// What is wrong with the record.
        error: SessionError,
    },
}

impl fmt::Display for JournalReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJournal => f.write_str("there is no journal here"),
            // It says what could not be done, and where.
            Self::Io(error) => write!(f, "the journal cannot be read: {error}"),
            Self::Damaged { file, offset } => write!(f, "{file} is damaged at byte {offset}"),
            Self::Format { file, format } => {
                write!(
                    f,
                    "{file} has format {format}, which another version of repred has written; use that"
                )
            }
            Self::Upgrade { file, what, number } => {
                write!(f, "{what} ({number}) in {file} is of a later version of repred; use that")
            }
            Self::Content { file, offset, .. } => write!(
                f,
                "the record at byte {offset} of {file} was not written by this version of repred"
            ),
        }
    }
}

impl Error for JournalReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Content { error, .. } => Some(error),
            Self::NoJournal | Self::Damaged { .. } | Self::Format { .. } | Self::Upgrade { .. } => {
                None
            }
        }
    }
}
