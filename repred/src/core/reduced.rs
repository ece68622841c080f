//! [`Reduced`]: which of the updates that are here the state has reduced.
//!
//! Updates of a newer version of the program are kept and passed on, but not reduced. Nor is anything that arrives after
//! one of them, since it may depend on it. What is written here is still reduced: its author, who is us, has not seen
//! what is deferred, so to others the two are concurrent.

use crate::{stamp::Dot, version::VersionVector};

/// What the state has reduced of the version.
#[derive(Debug)]
pub(super) enum Reduced {
    All,
    /// Less than all: the rest is deferred.
    UpTo(VersionVector),
}

impl Reduced {
    #[inline]
    pub(super) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// What is reduced, if that is less than all.
    #[inline]
    pub(super) fn version(&self) -> Option<&VersionVector> {
        match self {
            Self::All => None,
            Self::UpTo(version) => Some(version),
        }
    }

    /// Whether an update that is here is reduced.
    pub(super) fn contains(&self, dot: Dot) -> bool {
        self.version().is_none_or(|version| version.seq(dot.origin) >= dot.seq)
    }

    /// Counts an update as reduced.
    #[inline]
    pub(super) fn observe(&mut self, dot: Dot) {
        if let Self::UpTo(version) = self {
            version.observe(dot);
        }
    }
}
