//! [`Reduced`]: which of the updates that are here the state has reduced.
//!
//! An update of a newer version of the program is kept and passed on, but not reduced. Nor is anything that its origin
//! wrote after it. What others wrote is reduced as it arrives, although an author among them may have seen what is
//! deferred here: otherwise one update that nobody can decode would stop every replica for good. So the state is *out
//! of order* from there on. The state before the first deferred update is kept, and so is every entry after it:
//! whatever leaves this replica, or lasts, is made of these, and a newer program reduces them in order.

use alloc::boxed::Box;

use crate::{encoding::EncodeError, snapshot::Snapshot, stamp::Dot, version::VersionVector};

/// What the state has reduced of the version.
#[derive(Debug)]
pub(super) enum Reduced {
    All,
    /// Less than all: the rest is deferred.
    Partly(Box<Partly>),
}

/// What is reduced while something is deferred.
#[derive(Debug)]
pub(super) struct Partly {
    /// Of an origin with deferred updates, what it wrote before the first of them.
    version: VersionVector,
    /// The state before the first update that is deferred: the last that was reduced in order.
    in_order: Result<Snapshot, EncodeError>,
}

impl Reduced {
    /// From now on, some updates are deferred; what was reduced by then is this.
    pub(super) fn partly(version: VersionVector, in_order: Result<Snapshot, EncodeError>) -> Self {
        Self::Partly(Box::new(Partly { version, in_order }))
    }

    #[inline]
    pub(super) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// What is reduced, if that is less than all.
    #[inline]
    pub(super) fn version(&self) -> Option<&VersionVector> {
        match self {
            Self::All => None,
            Self::Partly(partly) => Some(&partly.version),
        }
    }

    /// The state before the first update that is deferred, if any is.
    pub(super) fn in_order(&self) -> Option<&Result<Snapshot, EncodeError>> {
        match self {
            Self::All => None,
            Self::Partly(partly) => Some(&partly.in_order),
        }
    }

    /// Whether an update that is here is reduced.
    pub(super) fn contains(&self, dot: Dot) -> bool {
        self.version().is_none_or(|version| version.seq(dot.origin) >= dot.seq)
    }

    /// Counts an update as reduced.
    #[inline]
    pub(super) fn observe(&mut self, dot: Dot) {
        if let Self::Partly(partly) = self {
            partly.version.observe(dot);
        }
    }
}
