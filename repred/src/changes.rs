//! [`Changes`]: what a reducer reports; [`Superseded`] and [`ValueChanges`], the reports of those that replace.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    string::String,
    sync::Arc,
    vec::Vec,
};
#[cfg(feature = "std")]
use std::collections::{HashMap, HashSet};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{small_vec::SmallVec, stamp::Dot};

/// What an update did to the state it was reduced into.
///
/// Two things depend on it, so it has to be truthful:
///
/// * **Empty** means that the whole state is as it was before, stamps included. An update whose changes
///   are empty is forgotten at once; if it did change the state, that change is lost to others.
/// * **Superseded** dots name earlier updates that this one has made superfluous: every state in which
///   this update has been reduced is the same whether or not the named ones were. Their bytes are
///   dropped from the history, which is how a last-writer-wins map stays as small as its state. To name
///   too few costs memory; to name one that still matters loses it. (In the literature: causal redundancy; Baquero,
///   Almeida and Shoker, *Pure Operation-Based Replicated Data Types*, 2017.)
///
/// `Option` and `()` do not implement `Changes`, on purpose: `map.insert(key, value)` returns `None` when it *did*
/// change the map. Write `map.insert(key, value) != Some(value)` or the like.
///
/// ```
/// use repred::Changes;
///
/// assert!(false.is_empty());
/// assert!(!vec!["moved"].is_empty());
/// assert!((false, Vec::<u8>::new()).is_empty());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what an update changed",
    label = "a reducer has to return changes",
    note = "return a `bool` (did the state change?), a collection of what changed, a tuple of these, or a type of \
            your own that implements `repred::Changes`",
    note = "`Option` and `()` are no changes on purpose: `map.insert(..)` returns `None` when it did change the map, \
            and an update that is reported as empty is forgotten"
)]
#[doc(alias = "delta")]
#[doc(alias = "effects")]
pub trait Changes {
    /// Whether the update left the whole state as it was.
    ///
    /// This is the trait's method, beside a collection's own: an empty `Vec` of changes is no change.
    fn is_empty(&self) -> bool;

    /// Calls `name` with the dot of each update that this one has superseded; none, by default.
    ///
    /// ```
    /// use repred::{Changes, Reduce, Register, Stamp, Time};
    ///
    /// let mut title = Register::<String>::default();
    /// let first = Stamp::new(Time::from_micros(1), 0xa.into(), 1);
    /// title.reduce("Groceries".into(), first);
    /// let changes = title.reduce("Shopping".into(), Stamp::new(Time::from_micros(2), 0xb.into(), 1));
    /// let mut dots = Vec::new();
    /// changes.superseded(&mut |dot| dots.push(dot));
    /// assert_eq!(dots, [first.dot]);
    /// ```
    #[doc(alias = "obsolete")]
    #[doc(alias = "compaction")]
    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        let _ = name;
    }
}

/// `true`: the state has changed.
impl Changes for bool {
    fn is_empty(&self) -> bool {
        !self
    }
}

/// An update of a type without values cannot happen, and so cannot change anything.
impl Changes for core::convert::Infallible {
    fn is_empty(&self) -> bool {
        match *self {}
    }
}

macro_rules! delegate {
    ($($pointer:ident),*) => {$(
        impl<C: Changes + ?Sized> Changes for $pointer<C> {
            fn is_empty(&self) -> bool {
                (**self).is_empty()
            }

            fn superseded(&self, name: &mut dyn FnMut(Dot)) {
                (**self).superseded(name);
            }
        }
    )*};
}
delegate!(Box, Arc);

macro_rules! collection {
    ($($name:ident<$($param:ident),+>),*) => {$(
        /// Empty when it has no elements.
        impl<$($param),+> Changes for $name<$($param),+> {
            fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }
    )*};
}
collection!(Vec<T>, VecDeque<T>, BTreeSet<T>, BTreeMap<K, V>);
#[cfg(feature = "std")]
collection!(HashSet<T, S>, HashMap<K, V, S>);

/// Empty when it has no characters.
impl Changes for String {
    fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

macro_rules! tuple {
    ($($part:ident $index:tt),+) => {
        /// Empty when every part is.
        impl<$($part: Changes),+> Changes for ($($part,)+) {
            fn is_empty(&self) -> bool {
                $(self.$index.is_empty())&&+
            }

            fn superseded(&self, name: &mut dyn FnMut(Dot)) {
                $(self.$index.superseded(name);)+
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

/// The changes of a reducer that replaces what was there: whether it changed anything, and which
/// earlier updates it superseded by that.
///
/// A last-writer-wins map as a closure; its history holds one entry a key:
///
/// ```
/// use std::collections::BTreeMap;
/// use repred::{Reduce, Stamp, Time, stamped_reducer, types::Superseded};
///
/// let mut prices = stamped_reducer(
///     BTreeMap::new(),
///     |prices: &mut BTreeMap<String, (Stamp, u32)>, (item, price): (String, u32), stamp| {
///         match prices.get(&item) {
///             Some((newer, _)) if *newer > stamp => Superseded::unchanged(),
///             _ => Superseded::changed(prices.insert(item, (stamp, price)).map(|(old, _)| old.dot)),
///         }
///     },
/// );
/// let first = Stamp::new(Time::from_micros(1), 0xa.into(), 1);
/// let second = Stamp::new(Time::from_micros(2), 0xb.into(), 1);
/// assert!(prices.reduce(("tea".into(), 3), first).has_changed());
/// assert_eq!(prices.reduce(("tea".into(), 4), second).dots(), [first.dot]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Superseded {
    changed: bool,
    dots: SmallVec<Dot>,
}

impl Superseded {
    /// Nothing changed: the update lost.
    ///
    /// ```
    /// assert!(!repred::types::Superseded::unchanged().has_changed());
    /// ```
    pub const fn unchanged() -> Self {
        Self { changed: false, dots: SmallVec::None }
    }

    /// The state changed, and that superseded these earlier updates: an `Option<Dot>`, a list of dots, or none at all
    /// for a first value.
    ///
    /// ```
    /// use repred::{Dot, types::Superseded};
    ///
    /// let old = Dot::new(0xa.into(), 1);
    /// assert!(Superseded::changed(Some(old)).has_changed());
    /// assert!(Superseded::changed([]).dots().is_empty());
    /// ```
    pub fn changed(dots: impl IntoIterator<Item = Dot>) -> Self {
        Self { changed: true, dots: dots.into_iter().collect() }
    }

    /// Whether the state changed.
    pub const fn has_changed(&self) -> bool {
        self.changed
    }

    /// The dots of the superseded updates.
    pub fn dots(&self) -> &[Dot] {
        self.dots.as_slice()
    }
}

impl Changes for Superseded {
    fn is_empty(&self) -> bool {
        !self.changed
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.dots().iter().copied().for_each(name);
    }
}

/// The changes of a reducer that holds one value: what it was and what it is, or nothing if the update lost.
///
/// ```
/// use repred::{Changes, Reduce, Register, Stamp, Time};
///
/// let mut title = Register::new("untitled".to_string());
/// let changes = title.reduce("Groceries".into(), Stamp::new(Time::from_micros(2), 0xa.into(), 1));
/// assert_eq!(changes.values(), Some((&"untitled".to_string(), &"Groceries".to_string())));
///
/// let changes = title.reduce("Shopping".into(), Stamp::new(Time::from_micros(1), 0xb.into(), 1));
/// assert!(changes.is_empty() && changes.after().is_none());
/// ```
///
/// It is serialized as `{"before": .., "after": ..}`, or as nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueChanges<T> {
    values: Option<(T, T)>,
    superseded: SmallVec<Dot>,
}

impl<T> ValueChanges<T> {
    /// Nothing was replaced: the update lost.
    pub const fn unchanged() -> Self {
        Self { values: None, superseded: SmallVec::None }
    }

    /// One value was replaced by another. The state has changed even if the two are equal, because the author of the value
    /// has. `superseded` are the updates that can be forgotten now, such as the one that wrote the value before.
    pub fn changed(before: T, after: T, superseded: impl IntoIterator<Item = Dot>) -> Self {
        Self { values: Some((before, after)), superseded: superseded.into_iter().collect() }
    }

    /// Applies a function to both values.
    ///
    /// ```
    /// use repred::types::ValueChanges;
    ///
    /// let changes = ValueChanges::changed(1, 2, None).map(|value| value * 10);
    /// assert_eq!(changes.values(), Some((&10, &20)));
    /// ```
    pub fn map<U>(self, make: impl Fn(T) -> U) -> ValueChanges<U> {
        let values = self.values.map(|(before, after)| (make(before), make(after)));
        ValueChanges { values, superseded: self.superseded }
    }

    /// The values before and after; `None` if nothing changed.
    pub fn values(&self) -> Option<(&T, &T)> {
        self.values.as_ref().map(|(before, after)| (before, after))
    }

    /// The value before; `None` if nothing changed.
    ///
    /// ```
    /// assert_eq!(repred::types::ValueChanges::changed(1, 2, None).before(), Some(&1));
    /// ```
    pub fn before(&self) -> Option<&T> {
        self.values.as_ref().map(|(before, _)| before)
    }

    /// The value after; `None` if nothing changed.
    ///
    /// ```
    /// assert_eq!(repred::types::ValueChanges::changed(1, 2, None).after(), Some(&2));
    /// ```
    pub fn after(&self) -> Option<&T> {
        self.values.as_ref().map(|(_, after)| after)
    }
}

impl<T> Changes for ValueChanges<T> {
    fn is_empty(&self) -> bool {
        self.values.is_none()
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.as_slice().iter().copied().for_each(name);
    }
}

impl<T: Serialize> Serialize for ValueChanges<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((before, after)) = &self.values else { return serializer.serialize_none() };
        let mut both = serializer.serialize_struct("ValueChanges", 2)?;
        both.serialize_field("before", before)?;
        both.serialize_field("after", after)?;
        both.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_changes_report_the_dots_of_their_parts() {
        let a = Dot::new(1.into(), 1);
        let b = Dot::new(2.into(), 5);
        let changes = (true, Box::new((Superseded::changed([a]), Superseded::changed([b, a]))));
        let mut named = Vec::new();
        changes.superseded(&mut |dot| named.push(dot));
        assert_eq!(named, [a, b, a]);
    }
}
