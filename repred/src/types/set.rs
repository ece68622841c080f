//! [`Set`]: a set of which an addition outlives a removal that did not see it.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, btree_map},
    vec::Vec,
};
use core::{borrow::Borrow, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    editor_only::{EditorOnly, editor_only},
    set_changes::{SetChange, SetChanges},
};
use crate::{
    dots::Dots,
    edit::{Edit, Editor, IntoValue, Inverse, Place, Rollback},
    reduce::Reduce,
    reset::{Reset, ResetDetail},
    stamp::{Dot, Stamp},
};

/// A set whose elements can be removed and added again. An addition outlives a removal whose author had not
/// seen it: an *observed-remove* set (Shapiro and others, *Conflict-free Replicated Data Types*, 2011), without
/// tombstones (Bieniusa and others, *An optimized conflict-free replicated set*, 2012).
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | one adds what another one removes | the element is in the set |
/// | two remove the same element | it is gone |
/// | two add the same element, then one who has seen only one of them removes it | it is in the set |
/// | one removes the set from a [`Map`](crate::Map), another one adds to it | what was added meanwhile |
///
/// Takes 32 bytes beside each element and its place in a tree, 24 more for each further replica that added
/// it at the same time, and nothing for what was removed. A removal carries a dot, 17 bytes or more, for
/// each other replica that added the element. An operation takes O(log n). A removal supersedes the additions
/// that it takes back; the removals stay in the history until they are [trimmed](crate::Replica::trim).
///
/// ```
/// use repred::{Replica, Set};
///
/// let tags = Replica::new(Set::<String>::default());
/// tags.edit(|tags| {
///     tags.insert("drinks");
///     tags.insert("food");
///     tags.remove("drinks");
///     assert!(!tags.contains("drinks"));
/// })?;
/// assert_eq!(tags.read(|tags| tags.iter().cloned().collect::<Vec<_>>())?, ["food"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "or-set")]
#[doc(alias = "orset")]
#[doc(alias = "aw-set")]
#[doc(alias = "add-wins")]
#[doc(alias = "observed-remove")]
#[doc(alias = "tombstone")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Set<T: Ord> {
    /// Each element with the latest addition of each origin that nobody has removed.
    elements: BTreeMap<T, Dots>,
}

/// An update of a [`Set`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetUpdate<T> {
    /// Adds an element.
    Insert(T),
    /// Takes back the additions of an element that the dots cover, and those of the author itself. Made by
    /// [`Set::removal`].
    Remove(T, Dots),
}

impl<T: Ord> Set<T> {
    /// Whether an element is in the set.
    ///
    /// ```
    /// use repred::{Set, Replica};
    ///
    /// let guests = Replica::new(Set::<String>::default());
    /// guests.edit(|guests| guests.insert("jim"))?;
    /// assert!(guests.read(|guests| guests.contains("jim"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.elements.contains_key(element)
    }

    /// The elements, in their order.
    ///
    /// ```
    /// use repred::{Set, Replica};
    ///
    /// let guests = Replica::new(Set::<String>::default());
    /// guests.edit(|guests| {
    ///     guests.insert("sue");
    ///     guests.insert("jim");
    /// })?;
    /// assert_eq!(guests.read(|guests| guests.iter().cloned().collect::<Vec<_>>())?, ["jim", "sue"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator + Clone {
        self.elements.keys()
    }

    /// The number of elements.
    ///
    /// ```
    /// use repred::{Set, Replica};
    ///
    /// let guests = Replica::new(Set::<String>::default());
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
    /// assert!(repred::Set::<String>::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The updates by which an element was added: the latest of each origin. `None` if the element is not in the
    /// set.
    ///
    /// ```
    /// use repred::{Replica, Set};
    ///
    /// let tags = Replica::new(Set::<String>::default());
    /// tags.edit(|tags| tags.insert("food"))?;
    /// let author = tags.read(|tags| tags.added("food").and_then(|dots| dots.iter().next()))?;
    /// assert_eq!(author.map(|dot| dot.origin), Some(tags.id()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn added<Q: Ord + ?Sized>(&self, element: &Q) -> Option<&Dots>
    where
        T: Borrow<Q>,
    {
        self.elements.get(element)
    }

    /// The update that removes an element, as far as it is seen here. In an edit, [`remove`](Editor::remove) writes
    /// it.
    ///
    /// ```
    /// use repred::{Replica, Set};
    ///
    /// let tags = Replica::new(Set::<String>::default());
    /// tags.edit(|tags| tags.insert("food"))?;
    /// let removal = tags.read(|tags| tags.removal("food".into()))?;
    /// tags.update(removal)?;
    /// assert!(tags.read(|tags| tags.is_empty())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn removal(&self, element: T) -> SetUpdate<T> {
        let seen = self.elements.get(&element).cloned().unwrap_or_default();
        SetUpdate::Remove(element, seen)
    }

    editor_only!(insert(A) -> bool, remove(A) -> bool, retain(A), clear());

    /// Takes back the additions of an element that are covered.
    fn take_back(&mut self, element: T, covers: impl Fn(Dot) -> bool) -> SetChanges<T> {
        let Some(dots) = self.elements.get_mut(&element) else {
            return SetChanges::unchanged(element);
        };
        let removed: Vec<_> = dots.iter().filter(|dot| covers(*dot)).collect();
        if !dots.retain(|dot| !covers(dot)) {
            return SetChanges::unchanged(element);
        }
        let is_gone = dots.is_empty();
        if is_gone {
            self.elements.remove(&element);
        }
        let change = if is_gone { SetChange::Removed } else { SetChange::Unchanged };
        SetChanges::changed(element, change, removed)
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned> Reduce for Set<T> {
    type Update = SetUpdate<T>;
    type Changes = SetChanges<T>;

    fn reduce(&mut self, update: SetUpdate<T>, stamp: Stamp) -> Self::Changes {
        match update {
            SetUpdate::Insert(element) => match self.elements.get_mut(&element) {
                Some(dots) => {
                    let earlier = dots.insert(stamp.dot);
                    SetChanges::changed(element, SetChange::Unchanged, earlier)
                }
                None => {
                    self.elements.insert(element.clone(), Dots::from_iter([stamp.dot]));
                    SetChanges::changed(element, SetChange::Added, [])
                }
            },
            SetUpdate::Remove(element, seen) => {
                let is_own = |dot: Dot| dot.origin == stamp.origin();
                self.take_back(element, |dot| is_own(dot) || seen.covers(dot))
            }
        }
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned> Reset for Set<T> {
    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        self.elements.values().flat_map(Dots::iter).for_each(see);
    }

    fn reset(
        &mut self,
        seen: &Dots,
        _detail: &ResetDetail,
        superseded: &mut dyn FnMut(Dot),
    ) -> bool {
        let mut has_changed = false;
        self.elements.retain(|_, dots| {
            dots.iter().filter(|dot| seen.covers(*dot)).for_each(&mut *superseded);
            has_changed |= dots.retain(|dot| !seen.covers(dot));
            !dots.is_empty()
        });
        has_changed
    }

    fn is_present(&self) -> bool {
        !self.is_empty()
    }

    fn is_default(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned + Send + 'static> Edit for Set<T> {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, update: &SetUpdate<T>, _stamp: Stamp) -> Rollback<Self> {
        let (SetUpdate::Insert(element) | SetUpdate::Remove(element, _)) = update;
        let (element, dots) = (element.clone(), self.elements.get(element).cloned());
        Box::new(move |set| {
            match dots {
                Some(dots) => set.elements.insert(element, dots),
                None => set.elements.remove(&element),
            };
        })
    }

    fn inverse(&self, update: &SetUpdate<T>, _stamp: Stamp) -> Option<Inverse<Self>> {
        let (SetUpdate::Insert(element) | SetUpdate::Remove(element, _)) = update;
        let (element, was_present) = (element.clone(), self.contains(element));
        Some(match update {
            // If somebody else has added it meanwhile, it stays.
            SetUpdate::Insert(_) => Box::new(move |set, is_ours| {
                let dots = set.added(&element).into_iter().flat_map(Dots::iter);
                let ours: Dots = dots.filter(|dot| is_ours(*dot)).collect();
                let is_new = !was_present && !ours.is_empty();
                is_new.then_some(SetUpdate::Remove(element, ours)).into_iter().collect()
            }),
            SetUpdate::Remove(..) => Box::new(move |set, _| {
                let is_lost = was_present && !set.contains(&element);
                is_lost.then_some(SetUpdate::Insert(element)).into_iter().collect()
            }),
        })
    }

    fn rebuild(&self) -> Option<Vec<SetUpdate<T>>> {
        Some(self.iter().cloned().map(SetUpdate::Insert).collect())
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned, P: Place<Set<T>>> Editor<Set<T>, P> {
    /// Adds an element. Returns whether it is new. Even if it is not, this addition outlives a concurrent removal.
    ///
    /// ```
    /// use repred::{Replica, Set};
    ///
    /// let tags = Replica::new(Set::<String>::default());
    /// assert!(tags.edit(|tags| tags.insert("food"))?);
    /// assert!(!tags.edit(|tags| tags.insert("food"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn insert(&mut self, element: impl IntoValue<T>) -> bool {
        let element = element.into_value();
        let is_new = !self.contains(&element);
        self.update(SetUpdate::Insert(element));
        is_new
    }

    /// Removes an element. Returns whether it was in the set.
    ///
    /// ```
    /// use repred::{Replica, Set};
    ///
    /// let tags = Replica::new(Set::<String>::default());
    /// tags.edit(|tags| tags.insert("food"))?;
    /// assert!(tags.edit(|tags| tags.remove("food"))?);
    /// assert!(!tags.edit(|tags| tags.remove("food"))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove<Q: Ord + ?Sized>(&mut self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        let Some((element, dots)) = self.elements.get_key_value(element) else { return false };
        let removal = SetUpdate::Remove(element.clone(), dots.excluding(self.origin()));
        self.update(removal)
    }

    /// Keeps the elements for which `keep` returns true, and removes the others.
    ///
    /// ```
    /// use repred::{Replica, Set};
    ///
    /// let tags = Replica::new(Set::<String>::default());
    /// tags.edit(|tags| {
    ///     tags.insert("food");
    ///     tags.insert("drinks");
    ///     tags.retain(|tag| tag.len() > 4);
    /// })?;
    /// assert_eq!(tags.read(|tags| tags.iter().cloned().collect::<Vec<_>>())?, ["drinks"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let gone: Vec<_> = self.iter().filter(|element| !keep(element)).cloned().collect();
        for element in gone {
            self.remove(&element);
        }
    }

    /// Removes all elements that are seen here. Those that others add meanwhile stay.
    ///
    /// ```
    /// use repred::{Replica, Set};
    ///
    /// let tags = Replica::new(Set::<String>::default());
    /// tags.edit(|tags| tags.insert("food"))?;
    /// tags.edit(|tags| tags.clear())?;
    /// assert!(tags.read(|tags| tags.is_empty())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&mut self) {
        self.retain(|_| false);
    }
}

impl<'a, T: Ord> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = btree_map::Keys<'a, T, Dots>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.keys()
    }
}

/// The elements.
impl<T: Ord + fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<T: Ord> Default for Set<T> {
    fn default() -> Self {
        Self { elements: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Laws;

    #[test]
    fn an_addition_outlives_a_removal_that_did_not_see_it() {
        Laws::of(Set::<u8>::default).budget(3_000).check();
    }
}
