//! [`TwoPhaseSet`]: a set of which what was removed never comes back.

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

/// A set from which an element is removed for good: it can never be added again.
///
/// It is the difference of two sets that only grow. (In the literature: a 2P-set.)
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | one adds what another one removes | the element is gone, and stays so |
/// | one removes what has not been added yet | it can never be added |
///
/// Use it where a name is never used again, such as the number of a finished task. It takes nothing beside the
/// elements and their tree, but every element that was ever removed remains as a tombstone. An operation takes
/// O(log n).
///
/// ```
/// use repred::{Replica, TwoPhaseSet};
///
/// let tasks = Replica::new(TwoPhaseSet::default());
/// tasks.edit(|tasks| {
///     tasks.insert(7);
///     tasks.remove(7);
///     assert!(!tasks.insert(7), "done is done");
/// })?;
/// assert!(tasks.read(|tasks| tasks.is_empty() && tasks.was_removed(&7))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "2p-set")]
#[doc(alias = "2pset")]
#[doc(alias = "tombstone")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TwoPhaseSet<T: Ord> {
    elements: BTreeSet<T>,
    removed: BTreeSet<T>,
}

/// An update of a [`TwoPhaseSet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TwoPhaseSetUpdate<T> {
    /// Adds an element, unless it was removed.
    Insert(T),
    /// Removes an element for good, whether it is in the set or not.
    Remove(T),
}

impl<T: Ord> TwoPhaseSet<T> {
    /// Whether an element is in the set.
    ///
    /// ```
    /// use repred::{TwoPhaseSet, Replica};
    ///
    /// let guests = Replica::new(TwoPhaseSet::<String>::default());
    /// guests.edit(|guests| guests.insert("jim"))?;
    /// assert!(guests.read(|guests| guests.contains("jim"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.elements.contains(element)
    }

    /// The elements, in their order.
    ///
    /// ```
    /// use repred::{TwoPhaseSet, Replica};
    ///
    /// let guests = Replica::new(TwoPhaseSet::<String>::default());
    /// guests.edit(|guests| {
    ///     guests.insert("sue");
    ///     guests.insert("jim");
    /// })?;
    /// assert_eq!(guests.read(|guests| guests.iter().cloned().collect::<Vec<_>>())?, ["jim", "sue"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator + Clone {
        self.elements.iter()
    }

    /// The number of elements.
    ///
    /// ```
    /// use repred::{TwoPhaseSet, Replica};
    ///
    /// let guests = Replica::new(TwoPhaseSet::<String>::default());
    /// guests.edit(|guests| guests.insert("jim"))?;
    /// assert_eq!(guests.read(|guests| guests.len())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether the set has no elements.
    ///
    /// ```
    /// assert!(repred::TwoPhaseSet::<String>::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Whether an element was removed, and so can never be added again.
    ///
    /// ```
    /// use repred::{Replica, TwoPhaseSet};
    ///
    /// let tasks = Replica::new(TwoPhaseSet::<u32>::default());
    /// tasks.edit(|tasks| tasks.remove(7))?;
    /// assert!(tasks.read(|tasks| tasks.was_removed(&7))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn was_removed<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.removed.contains(element)
    }

    editor_only!(insert(A) -> bool, remove(A) -> bool);
}

impl<T: Ord + Clone + Serialize + DeserializeOwned> Reduce for TwoPhaseSet<T> {
    type Update = TwoPhaseSetUpdate<T>;
    type Changes = SetChanges<T>;

    fn reduce(&mut self, update: Self::Update, _stamp: Stamp) -> Self::Changes {
        match update {
            TwoPhaseSetUpdate::Insert(element) => {
                if self.removed.contains(&element) || !self.elements.insert(element.clone()) {
                    return SetChanges::unchanged(element);
                }
                SetChanges::changed(element, SetChange::Added, [])
            }
            TwoPhaseSetUpdate::Remove(element) => {
                if !self.removed.insert(element.clone()) {
                    return SetChanges::unchanged(element);
                }
                let was_present = self.elements.remove(&element);
                let change = if was_present { SetChange::Removed } else { SetChange::Unchanged };
                SetChanges::changed(element, change, [])
            }
        }
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned + Send + 'static> Edit for TwoPhaseSet<T> {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, update: &Self::Update, _stamp: Stamp) -> Rollback<Self> {
        let (TwoPhaseSetUpdate::Insert(element) | TwoPhaseSetUpdate::Remove(element)) = update;
        let (was_present, was_removed) = (self.contains(element), self.was_removed(element));
        let element = element.clone();
        Box::new(move |set| {
            if !was_removed {
                set.removed.remove(&element);
            }
            match was_present {
                true => set.elements.insert(element),
                false => set.elements.remove(&element),
            };
        })
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned, P: Place<TwoPhaseSet<T>>>
    Editor<TwoPhaseSet<T>, P>
{
    /// Adds an element, unless it was removed. Returns whether it was added.
    ///
    /// ```
    /// use repred::{Replica, TwoPhaseSet};
    ///
    /// let tasks = Replica::new(TwoPhaseSet::<u32>::default());
    /// assert!(tasks.edit(|tasks| tasks.insert(7))?);
    /// tasks.edit(|tasks| tasks.remove(7))?;
    /// assert!(!tasks.edit(|tasks| tasks.insert(7))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert(&mut self, element: impl IntoValue<T>) -> bool {
        let element = element.into_value();
        let is_new = !self.contains(&element) && !self.was_removed(&element);
        is_new && self.update(TwoPhaseSetUpdate::Insert(element))
    }

    /// Removes an element for good. Returns whether it was in the set.
    ///
    /// ```
    /// use repred::{Replica, TwoPhaseSet};
    ///
    /// let tasks = Replica::new(TwoPhaseSet::<u32>::default());
    /// tasks.edit(|tasks| tasks.insert(7))?;
    /// assert!(tasks.edit(|tasks| tasks.remove(7))?);
    /// assert!(tasks.read(|tasks| tasks.is_empty())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&mut self, element: impl IntoValue<T>) -> bool {
        let element = element.into_value();
        let was_present = self.contains(&element);
        self.update(TwoPhaseSetUpdate::Remove(element));
        was_present
    }
}

impl<T: Ord> Default for TwoPhaseSet<T> {
    fn default() -> Self {
        Self { elements: BTreeSet::new(), removed: BTreeSet::new() }
    }
}

impl<'a, T: Ord> IntoIterator for &'a TwoPhaseSet<T> {
    type Item = &'a T;
    type IntoIter = btree_set::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.iter()
    }
}

/// The elements.
impl<T: Ord + fmt::Debug> fmt::Debug for TwoPhaseSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}
