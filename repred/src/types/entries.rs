//! What maps of reducers have in common: a `BTreeMap` that holds no value which is the default.

use alloc::{boxed::Box, collections::BTreeMap};

use serde::{Serialize, de::DeserializeOwned};

use super::map_changes::EntryChanges;
use crate::{
    dots::Dots,
    reset::{Reset, ResetDetail},
    stamp::Dot,
};

/// Whether a value was present before a change, and whether it is after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition {
    was_present: bool,
    pub(super) is_present: bool,
}

impl Transition {
    /// What became of a value in which an update has changed this.
    pub(super) fn with<C>(self, changes: C) -> EntryChanges<C> {
        let changes = Box::new(changes);
        match self {
            Self { was_present: false, is_present: true } => EntryChanges::Added(changes),
            Self { was_present: true, is_present: false } => EntryChanges::Removed(changes),
            _ => EntryChanges::Changed(changes),
        }
    }
}

/// Calls `change` with the value of a key, and drops the entry if the value is the default after that.
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

/// The dots of the updates behind a value: the latest of each origin.
pub(super) fn dots_of<V: Reset>(value: &V) -> Dots {
    let mut dots = Dots::new();
    value.seen(&mut |dot| {
        dots.insert(dot);
    });
    dots
}

/// The details of all values.
pub(super) fn detail<K: Serialize, V: Reset>(entries: &BTreeMap<K, V>) -> ResetDetail {
    ResetDetail::entries(entries.iter().map(|(key, value)| (key, value.detail())))
}

/// Resets all values.
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
    let mut details: BTreeMap<K, _> = detail.to_map();
    let mut has_changed = false;
    entries.retain(|key, value| {
        let detail = details.remove(key).unwrap_or(&ResetDetail::None);
        has_changed |= value.reset(seen, detail, superseded);
        !value.is_default()
    });
    // A value that is not here may have to remember that it was reset, for updates that come later.
    for (key, detail) in details {
        has_changed |= change(entries, &key, |value| value.reset(seen, detail, superseded)).0;
    }
    has_changed
}
