//! [`Set`]: a set of which an addition outlives a removal that did not see it.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, btree_map},
    fmt,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    changes::{Changes, Superseded},
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
/// | one adds what another one removes | the element is there |
/// | two remove the same element | it is gone |
/// | two add the same element, then one who has seen only one of them removes it | it is there |
/// | one removes the set from a [`Map`](crate::Map), another one adds to it | what was added meanwhile |
///
/// Takes 32 bytes beside each element and its place in a tree, 24 more for each further replica that added
/// it at the same time, and nothing for what was removed. A removal carries a dot, 17 bytes or more, for
/// each other replica that added the element. An operation takes O(log n). The additions of what was
/// removed leave the history, the removals stay until they are [trimmed](crate::Replica::trim).
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
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Set<T: Ord> {
    /// Each element with the latest addition of each origin that nobody has removed.
    elements: BTreeMap<T, Dots>,
}

/// What is done to a [`Set`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetUpdate<T> {
    /// Adds an element.
    Insert(T),
    /// Removes what was added by these updates, and by earlier ones of the author. See [`Set::removal`].
    Remove(T, Dots),
}

impl<T: Ord> Set<T> {
    /// Whether an element is there.
    pub fn contains<Q: Ord + ?Sized>(&self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.elements.contains_key(element)
    }

    /// The elements, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator + Clone {
        self.elements.keys()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The updates by which an element was added; `None` if it is not there.
    pub fn added<Q: Ord + ?Sized>(&self, element: &Q) -> Option<&Dots>
    where
        T: Borrow<Q>,
    {
        self.elements.get(element)
    }

    /// The update that removes an element as it is seen here.
    pub fn removal(&self, element: T) -> SetUpdate<T> {
        let seen = self.elements.get(&element).cloned().unwrap_or_default();
        SetUpdate::Remove(element, seen)
    }

    /// Takes out additions of an element that are covered.
    fn remove(&mut self, element: T, covers: impl Fn(Dot) -> bool) -> SetChanges<T> {
        let Some(dots) = self.elements.get_mut(&element) else {
            return SetChanges::nothing(element);
        };
        let removed: Vec<_> = dots.iter().filter(|dot| covers(*dot)).collect();
        if !dots.retain(|dot| !covers(dot)) {
            return SetChanges::nothing(element);
        }
        let is_gone = dots.is_empty();
        if is_gone {
            self.elements.remove(&element);
        }
        let change = if is_gone { SetChange::Removed } else { SetChange::Unchanged };
        SetChanges::new(element, change, removed)
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
                    SetChanges::new(element, SetChange::Unchanged, earlier)
                }
                None => {
                    self.elements.insert(element.clone(), Dots::from_iter([stamp.dot]));
                    SetChanges::new(element, SetChange::Added, [])
                }
            },
            SetUpdate::Remove(element, seen) => {
                let is_own = |dot: Dot| dot.origin == stamp.origin();
                self.remove(element, |dot| is_own(dot) || seen.covers(dot))
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
            // Who has added it too meanwhile keeps it.
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
    /// Adds an element. Says whether it is new; if it is not, the addition still outlives a removal that is
    /// written elsewhere meanwhile.
    pub fn insert(&mut self, element: impl IntoValue<T>) -> bool {
        let element = element.into_value();
        let is_new = !self.contains(&element);
        self.update(SetUpdate::Insert(element));
        is_new
    }

    /// Removes an element. Says whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, element: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        let Some((element, dots)) = self.elements.get_key_value(element) else { return false };
        let removal = SetUpdate::Remove(element.clone(), dots.excluding(self.origin()));
        self.update(removal)
    }

    /// Removes the elements for which `keep` says no.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let gone: Vec<_> = self.iter().filter(|element| !keep(element)).cloned().collect();
        for element in gone {
            self.remove(&element);
        }
    }

    /// Removes all elements.
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

/// What an update has changed in a set of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SetChanges<T> {
    /// The element.
    pub element: T,
    /// What became of it.
    pub change: SetChange,
    #[serde(skip)]
    superseded: Superseded,
}

/// What became of an element of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SetChange {
    /// It is there, and was not.
    Added,
    /// It was there, and is not.
    Removed,
    /// It is there or not, as it was.
    Unchanged,
}

impl<T> SetChanges<T> {
    pub(super) fn nothing(element: T) -> Self {
        Self { element, change: SetChange::Unchanged, superseded: Superseded::unchanged() }
    }

    pub(super) fn new(
        element: T,
        change: SetChange,
        superseded: impl IntoIterator<Item = Dot>,
    ) -> Self {
        Self { element, change, superseded: Superseded::changed(superseded) }
    }
}

impl<T> Changes for SetChanges<T> {
    fn is_empty(&self) -> bool {
        self.superseded.is_empty()
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.superseded(name);
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
