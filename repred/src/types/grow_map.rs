//! `BTreeMap` as a reducer: a map of reducers from which nothing is removed.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    entries,
    map_changes::{EntryChanges, MapChanges},
};
use crate::{
    changes::Changes,
    dots::Dots,
    edit::{Edit, Editor, IntoValue, Inverse, Keyed, KeyedPlace, Place, Rollback},
    reduce::Reduce,
    reset::{Reset, ResetDetail},
    stamp::{Dot, Stamp},
};

/// A map of reducers that only grows: an update goes to the value of its key, which begins as the
/// default. The key is in the map from the first update that changes its value.
///
/// To remove keys, use [`Map`](crate::Map). Updates are boxed, so that a derived struct may hold a map of
/// itself.
///
/// ```
/// use std::collections::BTreeMap;
/// use repred::{Register, Replica};
///
/// let ages = Replica::new(BTreeMap::<String, Register<u8>>::new());
/// ages.edit(|ages| ages.entry("jim").set(41))?;
/// assert_eq!(ages.read(|ages| *ages["jim"].value())?, 41);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<K, R> Reduce for BTreeMap<K, R>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    R: Reduce + Default,
{
    type Update = (K, Box<R::Update>);
    type Changes = MapChanges<K, R::Changes>;

    fn reduce(&mut self, (key, update): Self::Update, stamp: Stamp) -> Self::Changes {
        if let Some(value) = self.get_mut(&key) {
            let changes = Box::new(value.reduce(*update, stamp));
            return MapChanges::of_value(key, EntryChanges::Changed(changes));
        }
        let mut value = R::default();
        let changes = Box::new(value.reduce(*update, stamp));
        if !changes.is_empty() {
            self.insert(key.clone(), value);
        }
        MapChanges::of_value(key, EntryChanges::Added(changes))
    }

    fn keep_local(&mut self, before: &mut Self) {
        for (key, value) in self {
            if let Some(before) = before.get_mut(key) {
                value.keep_local(before);
            }
        }
    }
}

/// As a value of a [`Map`](crate::Map): removing it from there resets all its values. A key stays if its value has to
/// remember something.
impl<K, R> Reset for BTreeMap<K, R>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    R: Reset,
{
    fn reduce_resettable(&mut self, (key, update): Self::Update, stamp: Stamp) -> Self::Changes {
        let (changes, transition) =
            entries::change(self, &key, |value| value.reduce_resettable(*update, stamp));
        MapChanges::of_value(key, transition.with(changes))
    }

    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        self.values().for_each(|value| value.seen(see));
    }

    fn detail(&self) -> ResetDetail {
        entries::detail(self)
    }

    fn reset(
        &mut self,
        seen: &Dots,
        detail: &ResetDetail,
        superseded: &mut dyn FnMut(Dot),
    ) -> bool {
        entries::reset(self, seen, detail, superseded)
    }

    fn is_present(&self) -> bool {
        self.values().any(Reset::is_present)
    }

    fn is_default(&self) -> bool {
        self.is_empty()
    }
}

impl<K, R> Edit for BTreeMap<K, R>
where
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    R: Edit + Default,
{
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, (key, update): &Self::Update, stamp: Stamp) -> Rollback<Self> {
        let roll_back = self.get(key).map(|value| value.rollback(update, stamp));
        let key = key.clone();
        Box::new(move |map| match roll_back {
            // In a `Map` the update may have made it the default, and the entry was dropped.
            Some(roll_back) => roll_back(map.entry(key).or_default()),
            None => drop(map.remove(&key)),
        })
    }

    fn inverse(&self, (key, update): &Self::Update, stamp: Stamp) -> Option<Inverse<Self>> {
        let inverse = match self.get(key) {
            Some(value) => value.inverse(update, stamp)?,
            None => R::default().inverse(update, stamp)?,
        };
        let key = key.clone();
        Some(Box::new(move |map, is_ours| {
            let updates = map.get(&key).map(|value| inverse(value, is_ours)).into_iter().flatten();
            updates.map(|update| (key.clone(), Box::new(update))).collect()
        }))
    }

    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        let mut updates = Vec::new();
        for (key, value) in self {
            updates
                .extend(value.rebuild()?.into_iter().map(|update| (key.clone(), Box::new(update))));
        }
        Some(updates)
    }
}

impl<K, R, P> Editor<BTreeMap<K, R>, P>
where
    P: Place<BTreeMap<K, R>>,
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    R: Edit + Default,
{
    /// The editor of a key's value. It reads as the default while the key is not in the map; the first change adds
    /// the key.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use repred::{Register, Replica};
    ///
    /// let ages = Replica::new(BTreeMap::<String, Register<u8>>::new());
    /// ages.edit(|ages| ages.entry("jim").set(41))?;
    /// assert_eq!(ages.read(|ages| *ages["jim"].value())?, 41);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entry(
        &mut self,
        key: impl IntoValue<K>,
    ) -> R::Editor<KeyedPlace<'_, BTreeMap<K, R>, K, P>> {
        self.keyed(key.into_value())
    }
}

impl<K, R> Keyed<K> for BTreeMap<K, R>
where
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    R: Edit + Default,
{
    type Value = R;

    fn find(&self, key: &K) -> Option<&R> {
        self.get(key)
    }

    fn wrap(key: &K, update: R::Update) -> Self::Update {
        (key.clone(), Box::new(update))
    }
}
