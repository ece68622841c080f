//! [`OpenError`] and [`JournalError`]: why a journal was not opened, or not written.

use std::{error::Error, fmt, io, sync::Arc};

use super::displaced::Displaced;
use crate::{session::SessionError, unavailable::Unavailable};

/// Why a journal was not opened. Its files are as they were, and no replica uses them.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another replica uses the journal, in this process or in another. Close that one first.
    InUse(io::Error),
    /// The journal cannot be written where it is: the file system is mounted for reading only, or this user may not
    /// write there, as the error says. A [`JournalReader`](super::JournalReader), and so the command `repred`, can read
    /// it there all the same.
    ReadOnly(io::Error),
    /// The storage failed: a fault of the disk, or a full disk. Mend that, and open the journal again. If the disk cannot read some part of a file any more, [`recover`](super::Journal::recover) opens it with
    /// what comes before that part.
    Io(io::Error),
    /// A file is not as it was written: a fault of the disk, or of a program that has changed the file. The record at
    /// `offset` was whole once. [`recover`](super::Journal::recover) keeps the records before it, under a new
    /// id, and gets from peers what they have of the rest.
    Damaged {
        /// The [full name](super::Storage::full_name) of the file.
        file: String,
        /// The offset of the first record that cannot be read.
        offset: u64,
    },
    /// A file was written in another format, by another version of repred. Open it with that version.
    Format {
        /// The [full name](super::Storage::full_name) of the file.
        file: String,
        /// The number of its format.
        format: u8,
    },
    /// Something in a file is of a later version of repred, which says that it must not be passed over. Upgrade.
    Upgrade {
        /// The [full name](super::Storage::full_name) of the file.
        file: String,
        /// What kind of thing it is.
        what: &'static str,
        /// Its number.
        number: u64,
    },
    /// The journal does not fit this program: its state has another type, another schema or another start, it is of
    /// another [document](crate::DocumentId), or the limits are lower. Open it with the program that has written it, or with a newer version of that.
    Content(SessionError),
    /// The journal was read, and could then not be written. Mend what the error says, and open it again.
    Write(JournalError),
}

/// Why something was not written to a journal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// The storage refused a write, because the disk is full, for example. The journal holds nothing of what was to be
    /// written, and all that was acknowledged. Make room, and try again.
    Refused(Arc<io::Error>),
    /// The storage failed in such a way that the journal may or may not hold what was written last: a sync failed, for
    /// example. Nothing is written any more. Open the journal again.
    Unknown(Arc<io::Error>),
    /// The folder of the journal, its lock or its file was removed, renamed or replaced while it was open. What was
    /// acknowledged before is where the folder or the file has gone. Nothing is written any more, and nothing is
    /// acknowledged that whoever opens the journal by its name would not find. Put back what was moved, if it was, and
    /// open the journal again.
    Displaced(Displaced),
    /// The journal has failed before, as an earlier error said. Nothing is written any more. Open the journal again.
    Failed,
    /// The storage refused a write, and the replica could then not be rolled back to what the journal holds, because
    /// that could not be read. Nothing is written any more. Open the journal again.
    Rollback(Arc<OpenError>),
    /// The replica cannot be used.
    Unavailable(Unavailable),
    /// The core has something that no journal can hold, such as a state that serde cannot encode: a fault of the
    /// program. Nothing is written any more.
    Content(SessionError),
}

/// Why a [`RecordLog`](super::record_log::RecordLog) did not write; see [`JournalError`].
#[derive(Debug)]
pub(super) enum WriteError {
    Refused(io::Error),
    Unknown(io::Error),
    Displaced(Displaced),
    Failed,
}

impl From<WriteError> for JournalError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(error) => Self::Refused(Arc::new(error)),
            WriteError::Unknown(error) => Self::Unknown(Arc::new(error)),
            WriteError::Displaced(displaced) => Self::Displaced(displaced),
            WriteError::Failed => Self::Failed,
        }
    }
}

impl From<Unavailable> for JournalError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<SessionError> for JournalError {
    fn from(error: SessionError) -> Self {
        Self::Content(error)
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        if let Some(displaced) = Displaced::in_error(&error) {
            return JournalError::Displaced(displaced.clone()).into();
        }
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::InUse(error),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly(error)
            }
            _ => Self::Io(error),
        }
    }
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        Self::Write(error)
    }
}

impl From<WriteError> for OpenError {
    fn from(error: WriteError) -> Self {
        Self::Write(error.into())
    }
}

impl From<SessionError> for OpenError {
    fn from(error: SessionError) -> Self {
        Self::Content(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It says who uses what.
            Self::InUse(error) => error.fmt(f),
            Self::ReadOnly(error) => {
                write!(f, "{error}; the journal cannot be written here, and can only be read")
            }
            // It says what could not be done, and where.
            Self::Io(error) => write!(f, "the storage of the journal failed: {error}"),
            Self::Damaged { file, offset } => write!(
                f,
                "{file} is damaged at byte {offset}; what comes before it can be recovered, and peers may have the rest"
            ),
            Self::Format { file, format } => write!(
                f,
                "{file} has format {format}, which another version of repred has written; use that"
            ),
            Self::Upgrade { file, what, number } => {
                write!(f, "{what} ({number}) in {file} is of a later version of repred; use that")
            }
            Self::Content(_) => f.write_str("the journal does not fit this program"),
            Self::Write(_) => f.write_str("the journal was read, and could then not be written"),
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Displaced(displaced) => {
                return write!(
                    f,
                    "{displaced}; nothing more is written; put it back if it was moved, and open the journal again"
                );
            }
            Self::Refused(_) => {
                "the storage refused what was to be written, and has nothing of it; make room and try again"
            }
            Self::Unknown(_) => {
                "the storage failed, and whether it has the last updates is unknown; open the journal again"
            }
            Self::Failed => "the journal has failed before; open it again",
            Self::Rollback(_) => {
                "the storage refused an update, and the journal could then not be read; open it again"
            }
            Self::Unavailable(_) => "the replica cannot be used",
            Self::Content(_) => "no journal can hold this",
        })
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Their own texts are a part of ours.
            Self::InUse(error) | Self::ReadOnly(error) | Self::Io(error) => error.source(),
            Self::Content(error) => Some(error),
            Self::Write(error) => Some(error),
            Self::Damaged { .. } | Self::Format { .. } | Self::Upgrade { .. } => None,
        }
    }
}

impl Error for JournalError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(error) | Self::Unknown(error) => Some(&**error),
            Self::Rollback(error) => Some(&**error),
            Self::Unavailable(error) => Some(error),
            Self::Content(error) => Some(error),
            Self::Displaced(_) | Self::Failed => None,
        }
    }
}

/// An error and its sources in one line, for a text that takes the place of a source.
pub(super) fn with_sources(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
