//! [`Displaced`]: what is open is not what its name leads to any more.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// A folder or a file that is open is not what its name leads to any more: somebody has removed, renamed or replaced it.
///
/// What is written to it would not be found by whoever opens the journal next, so nothing more is acknowledged.
/// [`Files`](super::Files) says so in the error of an operation; a [`Storage`](super::Storage) of your own can do the
/// same.
///
/// ```
/// use std::io;
/// use repred::journal::Displaced;
///
/// let error = io::Error::from(Displaced::missing("/data/votes/lock"));
/// assert!(error.to_string().starts_with("/data/votes/lock was removed or renamed"));
/// let displaced = Displaced::in_error(&error).unwrap();
/// assert_eq!(displaced.path().to_str(), Some("/data/votes/lock"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Displaced {
    path: PathBuf,
    found: Found,
}

/// What the name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Another,
}

impl Displaced {
    /// The name leads to nothing.
    pub fn missing(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), found: Found::Nothing }
    }

    /// The name leads to another folder or file.
    pub fn replaced(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), found: Found::Another }
    }

    /// The path that does not lead to what is open.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What an error of a storage was made from, if that was this.
    pub fn in_error(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Displaced> for io::Error {
    fn from(displaced: Displaced) -> Self {
        // Not `NotFound`, which says that a file never was there.
        Self::other(displaced)
    }
}

impl fmt::Display for Displaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.found {
            Found::Nothing => write!(f, "{path} was removed or renamed while it was open"),
            Found::Another => write!(f, "{path} was replaced by another while it was open"),
        }
    }
}

impl Error for Displaced {}
