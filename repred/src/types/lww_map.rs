//! [`LwwMap`]: a map of plain values, of which the last write wins.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{borrow::Borrow, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::editor_only::{EditorOnly, editor_only};
use crate::{
    changes::{Changes, Superseded},
    edit::{Edit, Editor, IntoValue, Inverse, Place, Rollback},
    reduce::Reduce,
    stamp::{Dot, Stamp},
};

/// A map of plain values; of concurrent writes and removals of a key the one with the later stamp wins.
///
/// An update is a key and its new value, or `None` to remove it. A write that is overwritten is superseded, so the
/// history holds one entry for each key.
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two write to one key | the one with the later stamp |
/// | one writes what another one removes | the later of the two |
///
/// Takes 41 bytes beside key and value. A removed key takes as much, without the value, as a tombstone, because an
/// earlier write may still be on its way. A read or a write takes O(log n). A map whose values are reducers is
/// a [`Map`](crate::Map).
///
/// ```
/// use repred::{LwwMap, Replica};
///
/// let prices = Replica::new(LwwMap::<String, u32>::default());
/// prices.edit(|prices| {
///     prices.insert("tea", 3);
///     prices.insert("jam", 5);
///     prices.remove("jam");
/// })?;
/// assert_eq!(prices.read(|prices| (prices.get("tea").copied(), prices.get("jam").copied()))?, (Some(3), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "lww")]
#[doc(alias = "last-writer-wins")]
#[doc(alias = "tombstone")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LwwMap<K: Ord, V> {
    /// The latest write of each key that was ever written.
    pub(super) writes: BTreeMap<K, (Stamp, Option<V>)>,
}

impl<K: Ord, V> LwwMap<K, V> {
    /// The value of a key that is in the map.
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// assert_eq!(prices.read(|prices| prices.get("tea").copied())?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.writes.get(key)?.1.as_ref()
    }

    /// Whether a key is in the map.
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// assert!(prices.read(|prices| prices.contains_key("tea") && !prices.contains_key("jam"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The stamp of the latest write of a key, whether it wrote a value or removed the key.
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// let stamp = prices.read(|prices| prices.stamp("tea"))?;
    /// assert_eq!(stamp.map(|stamp| stamp.origin()), Some(prices.id()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stamp<Q: Ord + ?Sized>(&self, key: &Q) -> Option<Stamp>
    where
        K: Borrow<Q>,
    {
        self.writes.get(key).map(|(stamp, _)| *stamp)
    }

    /// The keys with their values, in the order of the keys.
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// let all = prices.read(|prices| format!("{:?}", prices.iter().collect::<Vec<_>>()))?;
    /// assert_eq!(all, r#"[("tea", 3)]"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.writes.iter().filter_map(|(key, (_, value))| Some((key, value.as_ref()?)))
    }

    /// The keys, in their order.
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// assert_eq!(prices.read(|prices| prices.keys().cloned().collect::<Vec<_>>())?, ["tea"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// assert_eq!(prices.read(|prices| prices.values().count())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// The number of keys. O(n).
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// assert_eq!(prices.read(|prices| prices.len())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no key is in the map. O(n) if many were removed.
    ///
    /// ```
    /// use repred::{LwwMap};
    ///
    /// assert!(LwwMap::<String, u32>::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    editor_only!(insert(A, B), remove(A) -> bool);
}

impl<K, V> Reduce for LwwMap<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Clone + Serialize + DeserializeOwned,
{
    type Update = (K, Option<V>);
    type Changes = LwwMapChanges<K, V>;

    fn reduce(&mut self, (key, value): Self::Update, stamp: Stamp) -> Self::Changes {
        let Some(latest) = self.writes.get_mut(&key) else {
            self.writes.insert(key.clone(), (stamp, value.clone()));
            return LwwMapChanges {
                key,
                before: None,
                after: value,
                superseded: Superseded::changed([]),
            };
        };
        if latest.0 > stamp {
            return LwwMapChanges::unchanged(key);
        }
        let (old, before) = core::mem::replace(latest, (stamp, value.clone()));
        LwwMapChanges { key, before, after: value, superseded: Superseded::changed([old.dot]) }
    }
}

impl<K, V> Edit for LwwMap<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned + Send + 'static,
    V: Clone + Serialize + DeserializeOwned + Send + 'static,
{
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, (key, _): &Self::Update, _stamp: Stamp) -> Rollback<Self> {
        let (key, latest) = (key.clone(), self.writes.get(key).cloned());
        Box::new(move |map| {
            match latest {
                Some(latest) => map.writes.insert(key, latest),
                None => map.writes.remove(&key),
            };
        })
    }

    fn inverse(&self, (key, _): &Self::Update, _stamp: Stamp) -> Option<Inverse<Self>> {
        let (key, before) = (key.clone(), self.get(key).cloned());
        // A write by somebody else since then stands.
        Some(Box::new(move |map, is_ours| {
            let is_ours = map.stamp(&key).is_some_and(|stamp| is_ours(stamp.dot));
            is_ours.then_some((key, before)).into_iter().collect()
        }))
    }

    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        let updates = self.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
        Some(updates.collect())
    }
}

impl<K, V, P> Editor<LwwMap<K, V>, P>
where
    P: Place<LwwMap<K, V>>,
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: Clone + Serialize + DeserializeOwned,
{
    /// Writes the value of a key.
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// assert_eq!(prices.read(|prices| prices.get("tea").copied())?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert(&mut self, key: impl IntoValue<K>, value: impl IntoValue<V>) {
        self.update((key.into_value(), Some(value.into_value())));
    }

    /// Removes a key. Returns whether it was in the map.
    ///
    /// ```
    /// use repred::{LwwMap, Replica};
    ///
    /// let prices = Replica::new(LwwMap::<String, u32>::default());
    /// prices.edit(|prices| prices.insert("tea", 3))?;
    /// assert!(prices.edit(|prices| prices.remove("tea"))?);
    /// assert!(!prices.edit(|prices| prices.remove("tea"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        let Some((key, (_, Some(_)))) = self.writes.get_key_value(key) else { return false };
        let removal = (key.clone(), None);
        self.update(removal)
    }
}

/// The keys that are in the map, with their values.
impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for LwwMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord, V> Default for LwwMap<K, V> {
    fn default() -> Self {
        Self { writes: BTreeMap::new() }
    }
}

/// What an update has changed in a [`LwwMap`], or in a [`Presence`](crate::Presence).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LwwMapChanges<K, V> {
    /// The key that was written.
    pub key: K,
    /// Its value before, if it was in the map.
    pub before: Option<V>,
    /// Its value now, if it is in the map.
    pub after: Option<V>,
    #[serde(skip)]
    superseded: Superseded,
}

impl<K, V> LwwMapChanges<K, V> {
    /// The update lost.
    pub(super) fn unchanged(key: K) -> Self {
        Self { key, before: None, after: None, superseded: Superseded::unchanged() }
    }

    /// The update has superseded these, too.
    pub(super) fn and_superseded(self, dots: impl IntoIterator<Item = Dot>) -> Self {
        let dots = self.superseded.dots().iter().copied().chain(dots);
        Self { superseded: Superseded::changed(dots), ..self }
    }
}

impl<K, V> Changes for LwwMapChanges<K, V> {
    fn is_empty(&self) -> bool {
        self.superseded.is_empty()
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.superseded(name);
    }
}
