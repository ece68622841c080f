//! [`Receipt`]: what the author of an update gets back.

use std::{fmt, ops::Deref, sync::Arc};

use crate::stamp::Stamp;

/// What became of a local update: its changes, and the stamp it was given.
///
/// It dereferences to the changes.
pub struct Receipt<C> {
    stamp: Option<Stamp>,
    changes: Kept<C>,
}

/// Changes are shared only when somebody observes them: an update nobody watches costs no allocation.
enum Kept<C> {
    Alone(C),
    Shared(Arc<C>),
}

impl<C> Receipt<C> {
    /// For an update that changed nothing, and so was given no stamp.
    pub(crate) fn unchanged(changes: C) -> Self {
        Self { stamp: None, changes: Kept::Alone(changes) }
    }

    pub(crate) fn alone(stamp: Stamp, changes: C) -> Self {
        Self { stamp: Some(stamp), changes: Kept::Alone(changes) }
    }

    pub(crate) fn shared(stamp: Stamp, changes: Arc<C>) -> Self {
        Self { stamp: Some(stamp), changes: Kept::Shared(changes) }
    }

    /// The stamp that the update was given; `None` if it changed nothing, in which case it is not kept
    /// and nobody will hear of it.
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// What the update changed.
    pub fn changes(&self) -> &C {
        match &self.changes {
            Kept::Alone(changes) => changes,
            Kept::Shared(changes) => changes,
        }
    }
}

impl<C> Deref for Receipt<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.changes()
    }
}

impl<C: fmt::Debug> fmt::Debug for Receipt<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("stamp", &self.stamp)
            .field("changes", self.changes())
            .finish()
    }
}
