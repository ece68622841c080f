//! [`GrowSet`]: a set that only grows.

use std::{collections::BTreeSet, ops::Deref};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{reduce::Reduce, stamp::Stamp};

/// A set to which elements are added and from which none is ever removed.
///
/// An update is the element to add. It dereferences to the [`BTreeSet`] it holds.
///
/// ```
/// use repred::{GrowSet, Reduce, Stamp, Time};
///
/// let mut guests = GrowSet::default();
/// assert!(guests.reduce("jim".to_string(), Stamp::new(Time::ZERO, 0xa.into(), 1)));
/// assert!(!guests.reduce("jim".to_string(), Stamp::new(Time::ZERO, 0xb.into(), 1)));
/// assert!(guests.contains("jim"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GrowSet<T: Ord>(BTreeSet<T>);

impl<T: Ord + Serialize + DeserializeOwned> Reduce for GrowSet<T> {
    type Update = T;
    type Changes = bool;

    fn reduce(&mut self, element: T, _stamp: Stamp) -> bool {
        self.0.insert(element)
    }
}

impl<T: Ord> Default for GrowSet<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: Ord> Deref for GrowSet<T> {
    type Target = BTreeSet<T>;

    fn deref(&self) -> &BTreeSet<T> {
        &self.0
    }
}
