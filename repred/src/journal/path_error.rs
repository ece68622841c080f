//! [`PathError`]: what the operating system did not do, and to which path.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// An error of the operating system that names the path. It is inside an [`io::Error`] of the same kind.
#[derive(Debug)]
pub(super) struct PathError {
    path: PathBuf,
    /// What could not be done to it: "made", "opened".
    verb: &'static str,
    error: io::Error,
}

impl PathError {
    /// For `map_err`: says what could not be done, and to which path.
    pub(super) fn of(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
        move |error| {
            let kind = error.kind();
            io::Error::new(kind, Self { path: path.to_owned(), verb, error })
        }
    }

    /// The same for something that was found out here, and that the system did not say.
    pub(super) fn found(
        kind: io::ErrorKind,
        verb: &'static str,
        path: &Path,
        reason: &str,
    ) -> io::Error {
        Self::of(verb, path)(io::Error::new(kind, reason))
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} could not be {}", self.path.display(), self.verb)
    }
}

impl Error for PathError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
