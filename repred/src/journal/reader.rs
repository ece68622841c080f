//! [`JournalReader`]: what a journal tells, whatever the type of its state.

use std::{fmt, io, ops::RangeInclusive};

use serde::de::DeserializeOwned;

use super::{
    decoder::Decoder,
    record::HEADER,
    record_log::LogFile,
    scan::{Scan, ScanError},
    storage::Storage,
};
use crate::{
    encoding::{self, DecodeError},
    id::ReplicaId,
    schema::Schema,
    session::SessionError,
    snapshot::Snapshot,
    stamp::Stamp,
    time::Time,
    version::VersionVector,
};

/// How often a journal that is compacted meanwhile is looked for.
const TRIES: usize = 10;

/// Reads a journal without knowing the type of its state, and changes nothing: for tools.
///
/// It is an iterator over what the journal tells, in the order in which that was taken in. What a
/// replica would leave alone when it opens the journal is left out: what a crash has cut off, and
/// what was told twice. After the last event, or an error, it stays at the end.
///
/// The journal may be in use meanwhile. What is written after this was opened is not read, and what
/// is just being written looks like what a crash has left.
///
/// ```
/// use repred::{Counter, Memory, JournalEvent, Replica, JournalReader};
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
    /// `None` for a file that is so short that nothing is in it.
    scan: Option<Scan>,
    decoder: Decoder,
    has_ended: bool,
}

/// Something that a journal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalEvent {
    /// Somebody goes on with the journal.
    Opened {
        /// Under whose id updates are written from now on.
        id: ReplicaId,
        /// Whether nobody hears of an update before it is durable; see
        /// [`Durability`](super::Durability).
        is_strict: bool,
    },
    /// What the updates mean that follow.
    Schema {
        /// The schema of the program that writes.
        schema: Schema,
        /// The newest version of it of which there may be updates, of other replicas.
        newest: u32,
        /// When this was written, by the writer's wall clock.
        wall: Time,
    },
    /// Updates are written under another id from now on.
    Named {
        /// The id.
        id: ReplicaId,
    },
    /// A state that stands for all in its version.
    Snapshot {
        /// The state.
        snapshot: Snapshot,
        /// What of it is trimmed: the rest follows, and is in the state already.
        floor: VersionVector,
    },
    /// An update.
    Entry(RawEntry),
    /// Updates that were forgotten before they were written here, because they were superseded or had
    /// changed nothing: the seqs of each origin.
    Skip(Vec<(ReplicaId, RangeInclusive<u64>)>),
    /// The journal was closed, and nothing is missing.
    Closed,
}

/// An update as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawEntry {
    /// Its stamp.
    pub stamp: Stamp,
    /// Its encoding.
    pub payload: Vec<u8>,
    /// The seqs of the edit of which it is a part, if it is one.
    pub edit: Option<RangeInclusive<u64>>,
}

impl RawEntry {
    /// What was written, for who knows the type of it.
    ///
    /// # Errors
    ///
    /// Where it is of another type, or of a newer version of it.
    pub fn decode<U: DeserializeOwned>(&self) -> Result<U, DecodeError> {
        encoding::decode(&self.payload)
    }
}

impl<S: Storage> JournalReader<S> {
    /// Looks for the journal in a storage; see [`Files::read_only`](super::Files::read_only).
    ///
    /// # Errors
    ///
    /// See [`JournalReadError`].
    pub fn open(mut storage: S) -> Result<Self, JournalReadError> {
        let file = find(&mut storage)?.ok_or(JournalReadError::NoJournal)?;
        let mut reader =
            Self { storage, file, scan: None, decoder: Decoder::default(), has_ended: false };
        let LogFile { generation, name, size, .. } = &reader.file;
        if *size >= HEADER as u64 {
            let scan = Scan::begin(&mut reader.storage, name, *generation, *size);
            reader.scan = Some(scan.map_err(|error| reader.error(error))?);
        }
        Ok(reader)
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
                Ok(Some(Err(error))) => {
                    let file = self.file.name.clone();
                    return Err(JournalReadError::Content { file, offset, error });
                }
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.error(error)),
            }
        }
    }
}

/// The present file. Between the two looks that this takes, another may have taken its place.
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
    /// How often the journal was written anew, and once.
    pub fn generation(&self) -> u64 {
        self.file.generation
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.file.name
    }

    /// Bytes of the file when this was opened. Some at its end may be room for what comes.
    pub fn size(&self) -> u64 {
        self.file.size
    }

    /// How many of the bytes were read.
    pub fn offset(&self) -> u64 {
        self.scan.as_ref().map_or(0, Scan::offset)
    }

    /// What is in all that was read, be it as an entry, as a skip or in a snapshot.
    pub fn version(&self) -> &VersionVector {
        self.decoder.version()
    }

    /// Bytes at the end that are nothing whole, nor room for more, once all was read: what a crash has left of an
    /// attempt to write, and is cut off when the journal is opened; or what is just being written.
    pub fn torn_bytes(&self) -> u64 {
        match &self.scan {
            Some(scan) => scan.tail().bytes(),
            None => self.size(),
        }
    }

    fn error(&self, error: ScanError) -> JournalReadError {
        match error {
            ScanError::Io(error) => JournalReadError::Io(error),
            ScanError::Format(format) => {
                JournalReadError::Format { file: self.file.name.clone(), format }
            }
            ScanError::Damaged { offset } => {
                JournalReadError::Damaged { file: self.file.name.clone(), offset }
            }
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

/// Why a journal cannot be read, or not further. What was told before is so.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalReadError {
    /// There is none in the storage. Look elsewhere.
    NoJournal,
    /// The storage failed. Try again.
    Io(io::Error),
    /// The file is not as it was written; [`Journal::recover`](super::Journal::recover) goes on
    /// with what comes before.
    Damaged {
        /// The name of the file.
        file: String,
        /// Where the first thing stands that cannot be read.
        offset: u64,
    },
    /// The file was written in another format, by another version of this crate: use that.
    Format {
        /// The name of the file.
        file: String,
        /// The number of its format.
        format: u8,
    },
    /// The file is as it was written, but not by this version of the library.
    Content {
        /// The name of the file.
        file: String,
        /// Where the record stands that says what cannot be.
        offset: u64,
        /// What is wrong with it.
        error: SessionError,
    },
}

impl fmt::Display for JournalReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJournal => f.write_str("there is no journal here"),
            Self::Io(error) => write!(f, "the journal cannot be read: {error}"),
            Self::Damaged { file, offset } => write!(f, "{file} is damaged at byte {offset}"),
            Self::Format { file, format } => {
                write!(
                    f,
                    "{file} has format {format}, which another version of repred has written; use that"
                )
            }
            Self::Content { file, offset, error } => write!(
                f,
                "{file} was not written by this version of repred: at byte {offset}, {error}"
            ),
        }
    }
}

impl std::error::Error for JournalReadError {}
