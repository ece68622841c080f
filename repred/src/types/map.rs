//! [`Map`]: a map of reducers, from which keys can be removed.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, btree_map},
    vec::Vec,
};
use core::{borrow::Borrow, fmt, iter::Filter};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    editor_only::{EditorOnly, editor_only},
    entries::{self, Transition, dots_of},
    map_changes::{EntryChanges, MapChanges},
};
use crate::{
    dots::Dots,
    edit::{DynPlace, Edit, Editor, IntoValue, Inverse, Keyed, KeyedPlace, Place, Rollback},
    reduce::Reduce,
    reset::{Reset, ResetDetail},
    stamp::{Dot, Stamp},
};

/// A map whose values are reducers, nested as deep as you like, and whose keys can be removed.
///
/// An update goes to the value of its key, which begins as the default. A removal *resets* the value: it takes
/// back what its author had seen of it. So somebody who edits the value at the same time brings the key back, with
/// that edit alone. A key is in the map as long as its value holds anything. (In the literature: an
/// observed-remove map; Almeida, Shoker and Baquero, *Delta State Replicated Data Types*, 2018.)
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two edit the value of one key | both edits, as the value's type has it |
/// | one edits what another one removes | the key is in the map, with that edit alone |
/// | two remove the same key | it is gone |
///
/// Values are of any type that implements [`Reset`]. When a key is removed, a value leaves some 60 bytes behind for
/// each register and each counter in it, as a tombstone, and nothing for sets, flags and multi-registers. An
/// operation costs what the value's operation costs, and O(log n); a removal costs O(value), and carries a dot for
/// each other replica whose updates its author has seen in the value.
///
/// ```
/// use repred::{Counter, Map, Reduce, Register, Replica};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Reduce, Clone, Default, Serialize, Deserialize)]
/// struct Card {
///     text: Register<String>,
///     votes: Counter,
/// }
///
/// let cards = Replica::new(Map::<u32, Card>::default());
/// cards.edit(|cards| {
///     let mut card = cards.entry(7);
///     card.text().set("milk");
///     card.votes().add(2);
/// })?;
/// assert_eq!(cards.read(|cards| cards.get(&7).map(|card| card.votes.value()))?, Some(2));
///
/// cards.edit(|cards| cards.remove(&7))?;
/// assert!(cards.read(|cards| cards.is_empty())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "or-map")]
#[doc(alias = "ormap")]
#[doc(alias = "aw-map")]
#[doc(alias = "observed-remove")]
#[doc(alias = "tombstone")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Map<K: Ord, V> {
    /// No value is the default. Some are not present: they remember what was reset.
    entries: BTreeMap<K, V>,
}

/// An update of a [`Map`]; `U` is an update of a value.
///
/// Updates are boxed, so that a derived struct may hold a map of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MapUpdate<K, U> {
    /// Updates the value of a key.
    Entry(K, Box<U>),
    /// Takes back what the dots and the detail cover of a key's value, and what the author has written itself. Made
    /// by [`Map::removal`].
    Remove(K, Dots, ResetDetail),
}

impl<K: Ord, V: Reset> Map<K, V> {
    /// The value of a key that is in the map.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?;
    /// assert_eq!(votes.read(|votes| votes.get("tea").map(|votes| votes.value()))?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).filter(|value| value.is_present())
    }

    /// Whether a key is in the map.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?;
    /// assert!(votes.read(|votes| votes.contains_key("tea") && !votes.contains_key("jam"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The keys with their values, in the order of the keys.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?;
    /// let all = votes.read(|votes| format!("{:?}", votes.iter().collect::<Vec<_>>()))?;
    /// assert_eq!(all, r#"[("tea", 3)]"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.entries.iter().filter(|(_, value)| value.is_present())
    }

    /// The keys, in their order.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?;
    /// assert_eq!(votes.read(|votes| votes.keys().cloned().collect::<Vec<_>>())?, ["tea"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?;
    /// assert_eq!(votes.read(|votes| votes.values().count())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// The number of keys. O(n).
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?;
    /// assert_eq!(votes.read(|votes| votes.len())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no key is in the map. O(n) if many were removed.
    ///
    /// ```
    /// use repred::{Counter, Map};
    ///
    /// assert!(Map::<String, Counter>::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The update that removes a key, as far as its value is seen here. In an edit, [`remove`](Editor::remove)
    /// writes it.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?;
    /// let removal = votes.read(|votes| votes.removal("tea".into()))?;
    /// votes.update(removal)?;
    /// assert!(votes.read(|votes| votes.is_empty())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn removal(&self, key: K) -> MapUpdate<K, V::Update> {
        let seen = self.entries.get(&key).map(dots_of).unwrap_or_default();
        let detail = self.entries.get(&key).map(Reset::detail).unwrap_or_default();
        MapUpdate::Remove(key, seen, detail)
    }

    editor_only!(remove(A) -> bool, retain(A));

    /// As the others, but it returns an editor, so that nothing is said of what follows.
    #[doc(hidden)]
    pub fn entry<A>(&self, _: A) -> V::Editor<KeyedPlace<'_, Self, K, DynPlace<'_, Self>>>
    where
        for<'any> Self: EditorOnly,
        Self: Keyed<K, Value = V>,
        V: Edit,
    {
        self.never()
    }
}

impl<K, V> Reduce for Map<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Reset,
{
    type Update = MapUpdate<K, V::Update>;
    type Changes = MapChanges<K, V::Changes>;

    fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        match update {
            MapUpdate::Entry(key, update) => {
                let (changes, transition) = entries::change(&mut self.entries, &key, |value| {
                    value.reduce_resettable(*update, stamp)
                });
                MapChanges::of_value(key, transition.with(changes))
            }
            MapUpdate::Remove(key, mut seen, detail) => {
                seen.insert(Dot::new(stamp.origin(), stamp.dot.seq - 1));
                let mut superseded = Vec::new();
                let (has_changed, transition) = entries::change(&mut self.entries, &key, |value| {
                    value.reset(&seen, &detail, &mut |dot| superseded.push(dot))
                });
                let change = match transition {
                    _ if !has_changed => EntryChanges::Unchanged,
                    Transition { is_present: true, .. } => EntryChanges::PartlyReset,
                    Transition { is_present: false, .. } => EntryChanges::Reset,
                };
                MapChanges::of_removal(key, change, superseded)
            }
        }
    }

    fn keep_local(&mut self, before: &mut Self) {
        for (key, value) in &mut self.entries {
            if let Some(before) = before.entries.get_mut(key) {
                value.keep_local(before);
            }
        }
    }
}

/// As a value of another map: removing it from there resets all its values.
impl<K, V> Reset for Map<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Reset,
{
    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        self.entries.values().for_each(|value| value.seen(see));
    }

    fn detail(&self) -> ResetDetail {
        entries::detail(&self.entries)
    }

    fn reset(
        &mut self,
        seen: &Dots,
        detail: &ResetDetail,
        superseded: &mut dyn FnMut(Dot),
    ) -> bool {
        entries::reset(&mut self.entries, seen, detail, superseded)
    }

    fn is_present(&self) -> bool {
        !self.is_empty()
    }

    fn is_default(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K, V> Edit for Map<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    V: Reset + Edit + Clone,
{
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, update: &Self::Update, stamp: Stamp) -> Rollback<Self> {
        let (MapUpdate::Entry(key, _) | MapUpdate::Remove(key, ..)) = update;
        let (key, value) = (key.clone(), self.entries.get(key));
        match (update, value) {
            (_, None) => Box::new(move |map| drop(map.entries.remove(&key))),
            (MapUpdate::Remove(..), Some(value)) => {
                let value = value.clone();
                Box::new(move |map| drop(map.entries.insert(key, value)))
            }
            (MapUpdate::Entry(_, update), Some(value)) => {
                let roll_back = value.rollback(update, stamp);
                // The update may have made it the default, and the entry was dropped.
                Box::new(move |map| roll_back(map.entries.entry(key).or_default()))
            }
        }
    }

    fn inverse(&self, update: &Self::Update, stamp: Stamp) -> Option<Inverse<Self>> {
        let (MapUpdate::Entry(key, _) | MapUpdate::Remove(key, ..)) = update;
        let (key, value) = (key.clone(), self.get(key));
        match (update, value) {
            // The removal removes nothing.
            (MapUpdate::Remove(..), None) => Some(Box::new(|_, _| Vec::new())),
            (MapUpdate::Remove(..), Some(value)) => {
                let rebuilt = value.rebuild()?;
                Some(Box::new(move |map, _| match map.contains_key(&key) {
                    // Somebody else has written to it since then: that stands.
                    true => Vec::new(),
                    false => of_value(&key, rebuilt),
                }))
            }
            (MapUpdate::Entry(_, update), Some(value)) => {
                let inverse = value.inverse(update, stamp)?;
                Some(Box::new(move |map, is_ours| match map.get(&key) {
                    Some(value) => of_value(&key, inverse(value, is_ours)),
                    None => Vec::new(),
                }))
            }
            (MapUpdate::Entry(_, update), None) => {
                let inverse = V::default().inverse(update, stamp);
                let author = stamp.origin();
                Some(Box::new(move |map, is_ours| {
                    let Some(value) = map.get(&key) else { return Vec::new() };
                    // If nobody else has written to it, the key goes; otherwise only this update is taken back.
                    match (dots_of(value).excluding(author).is_empty(), inverse) {
                        (true, _) => vec![map.removal(key)],
                        (false, Some(inverse)) => of_value(&key, inverse(value, is_ours)),
                        (false, None) => Vec::new(),
                    }
                }))
            }
        }
    }

    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        let mut updates = Vec::new();
        for (key, value) in self.iter() {
            updates.extend(of_value(key, value.rebuild()?));
        }
        Some(updates)
    }
}

impl<K, V> Keyed<K> for Map<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    V: Reset + Edit + Clone,
{
    type Value = V;

    fn find(&self, key: &K) -> Option<&V> {
        // A value that was removed reads as the default.
        self.entries.get(key)
    }

    fn wrap(key: &K, update: V::Update) -> Self::Update {
        MapUpdate::Entry(key.clone(), Box::new(update))
    }
}

/// Updates of a value as updates of the map.
fn of_value<K: Clone, U>(key: &K, updates: Vec<U>) -> Vec<MapUpdate<K, U>> {
    let entry = |update| MapUpdate::Entry(key.clone(), Box::new(update));
    updates.into_iter().map(entry).collect()
}

impl<K, V, P> Editor<Map<K, V>, P>
where
    P: Place<Map<K, V>>,
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    V: Reset + Edit + Clone,
{
    /// The editor of a key's value. It reads as the default while the key is not in the map; the first change adds
    /// the key.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?; // `&str` will do for a `String`
    /// assert_eq!(votes.read(|votes| votes.get("tea").map(|votes| votes.value()))?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entry(&mut self, key: impl IntoValue<K>) -> V::Editor<KeyedPlace<'_, Map<K, V>, K, P>> {
        self.keyed(key.into_value())
    }

    /// Removes a key. Returns whether it was in the map.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| votes.entry("tea").add(3))?;
    /// assert!(votes.edit(|votes| votes.remove("tea"))?);
    /// assert!(!votes.edit(|votes| votes.remove("tea"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let Some((key, value)) = self.entries.get_key_value(key) else { return false };
        if !value.is_present() {
            return false;
        }
        let seen = dots_of(value).excluding(self.origin());
        let removal = MapUpdate::Remove(key.clone(), seen, value.detail());
        self.update(removal);
        true
    }

    /// Keeps the keys for which `keep` returns true, and removes the others.
    ///
    /// ```
    /// use repred::{Counter, Map, Replica};
    ///
    /// let votes = Replica::new(Map::<String, Counter>::default());
    /// votes.edit(|votes| {
    ///     votes.entry("tea").add(3);
    ///     votes.entry("jam").add(1);
    ///     votes.retain(|_, votes| votes.value() > 2);
    /// })?;
    /// assert_eq!(votes.read(|votes| votes.keys().cloned().collect::<Vec<_>>())?, ["tea"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain(&mut self, keep: impl Fn(&K, &V) -> bool) {
        let gone: Vec<_> = self
            .iter()
            .filter(|(key, value)| !keep(key, value))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.remove(&key);
        }
    }
}

impl<'a, K: Ord, V: Reset> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Filter<btree_map::Iter<'a, K, V>, fn(&(&'a K, &'a V)) -> bool>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter().filter(|(_, value)| value.is_present())
    }
}

/// The keys that are in the map, with their values.
impl<K: Ord + fmt::Debug, V: Reset + fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Ord, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}
