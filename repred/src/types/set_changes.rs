//! [`SetChanges`]: what an update has changed in a set of any kind.

use serde::Serialize;

use crate::{
    changes::{Changes, Superseded},
    stamp::Dot,
};

/// What an update has changed in a set of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SetChanges<T> {
    /// The element.
    pub element: T,
    /// What became of it.
    pub change: SetChange,
    #[serde(skip)]
    superseded: Superseded,
}

/// What became of an element of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SetChange {
    /// It is in the set, and was not.
    Added,
    /// It was in the set, and is not.
    Removed,
    /// It is in the set if it was before.
    Unchanged,
}

impl<T> SetChanges<T> {
    /// The update changed nothing at all.
    pub(super) fn unchanged(element: T) -> Self {
        Self { element, change: SetChange::Unchanged, superseded: Superseded::unchanged() }
    }

    /// The update changed the state, though perhaps nothing that is seen of the element.
    pub(super) fn changed(
        element: T,
        change: SetChange,
        superseded: impl IntoIterator<Item = Dot>,
    ) -> Self {
        Self { element, change, superseded: Superseded::changed(superseded) }
    }
}

impl<T> Changes for SetChanges<T> {
    fn is_empty(&self) -> bool {
        self.superseded.is_empty()
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.superseded(name);
    }
}
