//! [`MapChanges`]: what an update has changed in a map of reducers, and what such maps have in common.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    changes::Changes,
    dots::Dots,
    encoding,
    reset::{Reset, ResetDetail},
    stamp::Dot,
};

/// What an update has changed in a map of reducers: the value of which key, and what of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MapChanges<K, C> {
    /// The key whose value the update went to.
    pub key: K,
    /// What became of the value.
    pub change: EntryChanges<C>,
    /// What a removal has superseded.
    #[serde(skip)]
    superseded: Vec<Dot>,
}

/// What became of a value in a map.
///
/// The changes are boxed, so that a derived struct may hold a map of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum EntryChanges<C> {
    /// The key is there, and was not; with what the value has changed from its default.
    Added(Box<C>),
    /// The value has changed.
    Changed(Box<C>),
    /// The key was there, and is not.
    Removed(Box<C>),
    /// The key was removed, and is gone.
    Reset,
    /// The key was removed, but what was written meanwhile remains: read the value again.
    PartlyReset,
    /// Nothing that can be seen.
    Unchanged,
}

impl<K, C> MapChanges<K, C> {
    pub(super) fn new(key: K, change: EntryChanges<C>) -> Self {
        Self { key, change, superseded: Vec::new() }
    }

    pub(super) fn reset(key: K, change: EntryChanges<C>, superseded: Vec<Dot>) -> Self {
        Self { key, change, superseded }
    }

    /// What has changed in the value, if an update of the value has changed it.
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

/// Whether a key was there before a change, and whether it is after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition {
    was_present: bool,
    pub(super) is_present: bool,
}

impl Transition {
    /// What became of the value by these changes.
    pub(super) fn with<C>(self, changes: C) -> EntryChanges<C> {
        let changes = Box::new(changes);
        match self {
            Self { was_present: false, is_present: true } => EntryChanges::Added(changes),
            Self { was_present: true, is_present: false } => EntryChanges::Removed(changes),
            _ => EntryChanges::Changed(changes),
        }
    }
}

/// Calls `change` with the value of a key, and forgets it if it is blank then.
pub(super) fn change<K: Ord + Clone, V: Reset, T>(
    entries: &mut BTreeMap<K, V>,
    key: &K,
    change: impl FnOnce(&mut V) -> T,
) -> (T, Transition) {
    if let Some(value) = entries.get_mut(key) {
        let was_present = value.is_present();
        let changed = change(value);
        let transition = Transition { was_present, is_present: value.is_present() };
        if value.is_default() {
            entries.remove(key);
        }
        return (changed, transition);
    }
    let mut value = V::default();
    let changed = change(&mut value);
    let transition = Transition { was_present: false, is_present: value.is_present() };
    if !value.is_default() {
        entries.insert(key.clone(), value);
    }
    (changed, transition)
}

/// The latest dot of each origin that a value is due to.
pub(super) fn dots_of<V: Reset>(value: &V) -> Dots {
    let mut dots = Dots::new();
    value.seen(&mut |dot| {
        dots.insert(dot);
    });
    dots
}

/// What a removal has to say of all values.
pub(super) fn detail<K: Serialize, V: Reset>(entries: &BTreeMap<K, V>) -> ResetDetail {
    let details = entries.iter().map(|(key, value)| (key, value.detail()));
    let details = details.filter(|(_, detail)| *detail != ResetDetail::None);
    let details = details.filter_map(|(key, detail)| {
        let mut bytes = Vec::new();
        // A key that has no encoding was in no update.
        encoding::encode_into(key, &mut bytes).ok()?;
        Some((bytes, detail))
    });
    let details: Vec<_> = details.collect();
    if details.is_empty() { ResetDetail::None } else { ResetDetail::Entries(details) }
}

/// Takes back what is covered of all values.
pub(super) fn reset<K, V>(
    entries: &mut BTreeMap<K, V>,
    seen: &Dots,
    detail: &ResetDetail,
    superseded: &mut dyn FnMut(Dot),
) -> bool
where
    K: Ord + Clone + DeserializeOwned,
    V: Reset,
{
    let mut details: BTreeMap<K, &ResetDetail> = BTreeMap::new();
    if let ResetDetail::Entries(entries) = detail {
        let decoded = entries.iter().map(|(key, detail)| (encoding::decode(key), detail));
        details.extend(decoded.filter_map(|(key, detail)| Some((key.ok()?, detail))));
    }
    let mut has_changed = false;
    entries.retain(|key, value| {
        let detail = details.remove(key).unwrap_or(&ResetDetail::None);
        has_changed |= value.reset(seen, detail, superseded);
        !value.is_default()
    });
    // There may be something to remember of what is not here.
    for (key, detail) in details {
        has_changed |= change(entries, &key, |value| value.reset(seen, detail, superseded)).0;
    }
    has_changed
}
