//! `BTreeMap` as a reducer, and [`MapChanges`].

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    changes::Changes,
    reduce::Reduce,
    stamp::{Dot, Stamp},
};

/// A map of reducers that only grows: an update goes to the value of its key, which begins as the
/// default. A value appears with the first update that changes it.
///
/// Updates are boxed, so that a derived struct may hold a map of itself.
///
/// ```
/// use std::collections::BTreeMap;
/// use repred::{Reduce, Register, Stamp, Time};
///
/// let mut ages: BTreeMap<String, Register<u8>> = BTreeMap::new();
/// let stamp = Stamp::new(Time::ZERO, 0xa.into(), 1);
/// let changes = ages.reduce(("jim".into(), Box::new(41)), stamp);
/// assert_eq!(changes.key, "jim");
/// assert_eq!(*ages["jim"], 41);
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
            return MapChanges { key, changes: Box::new(value.reduce(*update, stamp)) };
        }
        let mut value = R::default();
        let changes = Box::new(value.reduce(*update, stamp));
        if !changes.is_empty() {
            self.insert(key.clone(), value);
        }
        MapChanges { key, changes }
    }

    fn keep_local(&mut self, before: &mut Self) {
        for (key, value) in self {
            if let Some(before) = before.get_mut(key) {
                value.keep_local(before);
            }
        }
    }
}

/// What an update changed in a map: the value of which key, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapChanges<K, C> {
    /// The key whose value the update went to.
    pub key: K,
    /// What it changed there.
    pub changes: Box<C>,
}

impl<K, C: Changes> Changes for MapChanges<K, C> {
    fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn obsolete(&self, name: &mut dyn FnMut(Dot)) {
        self.changes.obsolete(name);
    }
}
