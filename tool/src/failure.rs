//! [`Failure`]: why a command has not done what it was asked.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use repred::{
    Schema,
    error::{JournalError, JournalReadError, NotDurable, OpenError},
};

use crate::format::with_sources;

/// Why a command has not done what it was asked. The journal is as it was.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The folder cannot be read.
    Folder(PathBuf, io::Error),
    /// The journal in it cannot be read.
    Read(PathBuf, Box<JournalReadError>),
    /// A program uses the journal. Which one, if the system says so.
    InUse(PathBuf, Option<String>),
    /// The journal can be read, but not opened.
    Open(PathBuf, OpenError),
    /// The journal could not be compacted.
    Compact(PathBuf, JournalError),
    /// The journal was compacted, and could not be closed.
    Close(PathBuf, NotDurable),
    /// The command needs to know the type of the state. The name of that type.
    Untyped(PathBuf, String),
    /// The journal has another schema than the one that this tool knows.
    Schema(PathBuf, Schema, Schema),
    /// The output could not be written.
    Output(io::Error),
    /// A file for the result could not be written.
    File(PathBuf, io::Error),
}

impl Failure {
    /// Whether the reader of the output is gone, as when it was piped into `head`.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the journal is damaged.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Read(_, error) => {
                matches!(
                    **error,
                    JournalReadError::Damaged { .. } | JournalReadError::Content { .. }
                )
            }
            Self::Open(_, error) => {
                matches!(error, OpenError::Damaged { .. } | OpenError::Content(_))
            }
            _ => false,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder, error) => {
                // The error names the folder, and its source says what is wrong with it.
                let reason = error.source().map_or_else(|| error.to_string(), with_sources);
                write!(
                    f,
                    "{} cannot be read: {reason}; give the folder of a journal",
                    folder.display()
                )
            }
            Self::Read(folder, error) if matches!(**error, JournalReadError::NoJournal) => write!(
                f,
                "there is no journal in {}; give the folder that the replica was opened with",
                folder.display()
            ),
            // These name the file.
            Self::Read(_, error) if self.is_damage() => {
                write!(f, "{}; `check` says what comes before", with_sources(&**error))
            }
            Self::Read(_, error) => f.write_str(&with_sources(&**error)),
            Self::InUse(folder, holder) => {
                let holder = holder.as_deref().unwrap_or("the program that has it open");
                write!(f, "{} is in use: stop {holder} first", folder.display())
            }
            Self::Open(folder, error) => {
                write!(f, "{}: {}", folder.display(), with_sources(error))
            }
            Self::Compact(folder, error) => {
                write!(f, "{} is as it was: {}", folder.display(), with_sources(error))
            }
            Self::Close(folder, error) => {
                write!(
                    f,
                    "{} was compacted, but not closed: {}",
                    folder.display(),
                    with_sources(error)
                )
            }
            Self::Untyped(folder, name) => untyped(f, folder, name),
            Self::Schema(folder, theirs, ours) => write!(
                f,
                "the journal in {} is of {theirs}; this is the tool for {ours}",
                folder.display()
            ),
            Self::Output(error) => write!(f, "the output cannot be written: {error}"),
            Self::File(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
        }
    }
}

/// Which updates are superseded shows only when they are reduced, from the state that the program begins with.
fn untyped(f: &mut fmt::Formatter<'_>, folder: &Path, name: &str) -> fmt::Result {
    write!(
        f,
        "{} cannot be compacted by this command, and is as it was: which updates are superseded shows only \
         when they are reduced, with the type `{name}` and what the program begins with. The program \
         compacts it by itself as it grows, and by `Replica::compact`; or make a command that knows the \
         type: `repred_tool::run::<YourState>()`",
        folder.display()
    )
}
