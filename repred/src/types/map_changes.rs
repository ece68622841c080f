//! [`MapChanges`]: what an update has changed in a map of reducers.

use alloc::{boxed::Box, vec::Vec};

use serde::Serialize;

use crate::{changes::Changes, stamp::Dot};

/// What an update has changed in a map of reducers: which key, and what became of its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MapChanges<K, C> {
    /// The key whose value the update went to.
    pub key: K,
    /// What became of the value.
    pub change: EntryChanges<C>,
    /// The updates that a removal has superseded.
    #[serde(skip)]
    superseded: Vec<Dot>,
}

/// What became of a value in a map.
///
/// The changes are boxed, so that a derived struct may hold a map of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum EntryChanges<C> {
    /// The key is in the map, and was not; the value has changed from its default by this.
    Added(Box<C>),
    /// The value has changed.
    Changed(Box<C>),
    /// An update of the value has emptied it, so the key is not in the map any more.
    Removed(Box<C>),
    /// A removal took the key out of the map.
    Reset,
    /// A removal took back a part of the value; what others have written meanwhile stays. Read the value again.
    PartlyReset,
    /// Nothing that can be seen.
    Unchanged,
}

impl<K, C> MapChanges<K, C> {
    /// An update of a value.
    pub(super) fn of_value(key: K, change: EntryChanges<C>) -> Self {
        Self { key, change, superseded: Vec::new() }
    }

    /// A removal.
    pub(super) fn of_removal(key: K, change: EntryChanges<C>, superseded: Vec<Dot>) -> Self {
        Self { key, change, superseded }
    }

    /// What an update of the value has changed in it. `None` if the update was a removal.
    pub fn value(&self) -> Option<&C> {
        match &self.change {
            EntryChanges::Added(changes)
            | EntryChanges::Changed(changes)
            | EntryChanges::Removed(changes) => Some(changes),
            EntryChanges::Reset | EntryChanges::PartlyReset | EntryChanges::Unchanged => None,
        }
    }
}

impl<K, C: Changes> Changes for MapChanges<K, C> {
    fn is_empty(&self) -> bool {
        match &self.change {
            EntryChanges::Reset | EntryChanges::PartlyReset => false,
            EntryChanges::Unchanged => true,
            _ => self.value().is_none_or(Changes::is_empty),
        }
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.iter().copied().for_each(&mut *name);
        if let Some(changes) = self.value() {
            changes.superseded(name);
        }
    }
}
