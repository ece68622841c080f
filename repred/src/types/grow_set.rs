//! [`GrowSet`]: a set that only grows.

use alloc::{
    boxed::Box,
    collections::{BTreeSet, btree_set},
};
use core::{borrow::Borrow, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    editor_only::{EditorOnly, editor_only},
    set_changes::{SetChange, SetChanges},
};
use crate::{
    edit::{Edit, Editor, IntoValue, Place, Rollback},
    reduce::Reduce,
    stamp::Stamp,
};

/// A set to which elements are added and from which none is ever removed.
///
/// An update is the element to add. (In the literature: a G-set.)
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two add different elements | both |
/// | two add the same element | the element; one of the two updates is forgotten |
///
/// Takes nothing beside the elements and their tree. Adding takes O(log n).
///
/// ```
/// use repred::{GrowSet, Replica};
///
/// let guests = Replica::new(GrowSet::default());
/// assert!(guests.edit(|guests| guests.insert("jim"))?);
/// assert!(!guests.edit(|guests| guests.insert("jim"))?);
/// assert!(guests.read(|guests: &GrowSet<String>| guests.contains("jim"))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "g-set")]
#[doc(alias = "gset")]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GrowSet<T: Ord>(BTreeSet<T>);

impl<T: Ord> GrowSet<T> {
    /// Whether an element is in the set.
    ///
    /// ```
    /// use repred::{GrowSet, Replica};
    ///
    /// let guests = Replica::new(GrowSet::<String>::default());
    /// guests.edit(|guests| guests.insert("jim"))?;
    /// assert!(guests.read(|guests| guests.contains("jim"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains(element)
    }

    /// The elements, in their order.
    ///
    /// ```
    /// use repred::{GrowSet, Replica};
    ///
    /// let guests = Replica::new(GrowSet::<String>::default());
    /// guests.edit(|guests| {
    ///     guests.insert("sue");
    ///     guests.insert("jim");
    /// })?;
    /// assert_eq!(guests.read(|guests| guests.iter().cloned().collect::<Vec<_>>())?, ["jim", "sue"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator + Clone {
        self.0.iter()
    }

    /// The number of elements.
    ///
    /// ```
    /// use repred::{GrowSet, Replica};
    ///
    /// let guests = Replica::new(GrowSet::<String>::default());
    /// guests.edit(|guests| guests.insert("jim"))?;
    /// assert_eq!(guests.read(|guests| guests.len())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set has no elements.
    ///
    /// ```
    /// assert!(repred::GrowSet::<String>::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    editor_only!(insert(A) -> bool);
}

impl<T: Ord + Clone + Serialize + DeserializeOwned> Reduce for GrowSet<T> {
    type Update = T;
    type Changes = SetChanges<T>;

    fn reduce(&mut self, element: T, _stamp: Stamp) -> Self::Changes {
        if self.0.contains(&element) {
            return SetChanges::unchanged(element);
        }
        self.0.insert(element.clone());
        SetChanges::changed(element, SetChange::Added, [])
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned + Send + 'static> Edit for GrowSet<T> {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, element: &T, _stamp: Stamp) -> Rollback<Self> {
        let new = (!self.0.contains(element)).then(|| element.clone());
        Box::new(move |set| {
            if let Some(new) = new {
                set.0.remove(&new);
            }
        })
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned, P: Place<GrowSet<T>>> Editor<GrowSet<T>, P> {
    /// Adds an element. Returns whether it is new.
    ///
    /// ```
    /// use repred::{GrowSet, Replica};
    ///
    /// let guests = Replica::new(GrowSet::<String>::default());
    /// assert!(guests.edit(|guests| guests.insert("jim"))?);
    /// assert!(!guests.edit(|guests| guests.insert("jim"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert(&mut self, element: impl IntoValue<T>) -> bool {
        let element = element.into_value();
        !self.contains(&element) && self.update(element)
    }
}

impl<T: Ord> Default for GrowSet<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<'a, T: Ord> IntoIterator for &'a GrowSet<T> {
    type Item = &'a T;
    type IntoIter = btree_set::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The elements.
impl<T: Ord + fmt::Debug> fmt::Debug for GrowSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}
