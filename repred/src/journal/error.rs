//! Why a journal was not opened, or not written.

use std::{fmt, io, sync::Arc};

use crate::{session::SessionError, unavailable::Unavailable};

/// Why a journal was not opened. What is on the disk is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The storage failed, or another process uses it. Where the disk cannot read some place any more, what comes
    /// before that can be recovered as if it were [damaged](Self::Damaged).
    Io(io::Error),
    /// A file is not as it was written: what stands at `offset` had been whole, and is not any more. What
    /// comes before it can be read. [`recover`](super::Journal::recover) goes on with that, under a new
    /// id, and gets from peers what they have of the rest.
    Damaged {
        /// The name of the file.
        file: String,
        /// Where the first thing stands that cannot be read.
        offset: u64,
    },
    /// A file was written in another format, by another version of this crate: use that.
    Format {
        /// The name of the file.
        file: String,
        /// The number of its format.
        format: u8,
    },
    /// What the journal tells does not fit this replica: another schema, smaller limits, another beginning.
    /// It was not written by this program, or this version of it.
    Content(SessionError),
    /// What is new could not be written when it was opened.
    Write(JournalError),
}

/// Why something was not written to a journal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// The storage has refused it, because it is full, say. What was to be written is not there and never
    /// will be; what was acknowledged is. Make room, and try again.
    Refused(Arc<io::Error>),
    /// The storage failed in a way that leaves open what of it is there. Nothing is written any more: open
    /// the journal again.
    Unknown(Arc<io::Error>),
    /// It has failed before. Open the journal again.
    Failed,
    /// It refused what was new, and then could not be read again. Open it again.
    Rollback(Arc<OpenError>),
    /// The replica cannot be used.
    Unavailable(Unavailable),
    /// There is something that cannot be written: see [`SessionError`]. Nothing is written any more.
    Content(SessionError),
}

/// What a log says when it cannot write.
#[derive(Debug)]
pub(super) enum WriteError {
    Refused(io::Error),
    Unknown(io::Error),
    Failed,
}

impl From<WriteError> for JournalError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Refused(error) => Self::Refused(Arc::new(error)),
            WriteError::Unknown(error) => Self::Unknown(Arc::new(error)),
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
            // It says who has it, and what to do.
            Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock => error.fmt(f),
            Self::Io(error) => write!(f, "the journal cannot be read: {error}"),
            Self::Damaged { file, offset } => write!(
                f,
                "{file} is damaged at byte {offset}; what comes before it can be recovered, and peers may have the rest"
            ),
            Self::Format { file, format } => {
                write!(
                    f,
                    "{file} has format {format}, which another version of repred has written; use that"
                )
            }
            Self::Content(error) => write!(f, "the journal does not fit this program: {error}"),
            Self::Write(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => {
                write!(
                    f,
                    "the journal could not be written: {error}; nothing of it was, so make room and try again"
                )
            }
            Self::Unknown(error) => write!(
                f,
                "the journal failed: {error}; whether the last updates are in it is unknown until it is opened again"
            ),
            Self::Failed => f.write_str("the journal has failed before; open it again"),
            Self::Rollback(error) => write!(f, "the journal refused an update, and then: {error}"),
            Self::Unavailable(_) => f.write_str("the replica cannot be used"),
            Self::Content(error) => write!(f, "the journal cannot hold this: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl std::error::Error for JournalError {}
