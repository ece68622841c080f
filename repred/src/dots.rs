//! [`Dots`]: what an author had seen of one thing.

use alloc::vec::Vec;
use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};

use crate::{id::ReplicaId, small_vec::SmallVec, stamp::Dot};

/// The latest dot of each of some origins, in the order of the origins.
///
/// A causal context: at most one dot per origin. In a state it names the updates that produced a value. In an update
/// it says what the author had seen: delivery is causal, so whoever has seen a dot has seen all before it of the same
/// origin, and one dot for each origin says everything.
///
/// One dot takes no allocation. Lookups are O(log n) in the number of origins.
///
/// ```
/// use repred::{Dot, types::Dots};
///
/// let (a, b) = (0xa.into(), 0xb.into());
/// let seen: Dots = [Dot::new(a, 2), Dot::new(b, 7), Dot::new(a, 5)].into_iter().collect();
/// assert_eq!(seen.iter().collect::<Vec<_>>(), [Dot::new(a, 5), Dot::new(b, 7)]);
/// assert!(seen.covers(Dot::new(a, 4)) && !seen.covers(Dot::new(b, 8)));
/// ```
#[doc(alias = "causal context")]
#[doc(alias = "observed")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dots(SmallVec<Dot>);

impl Dots {
    /// No dots.
    pub const fn new() -> Self {
        Self(SmallVec::None)
    }

    /// Adds a dot, unless there is a later one of its origin. Replaces an earlier one, and returns it.
    ///
    /// ```
    /// use repred::{Dot, types::Dots};
    ///
    /// let mut seen = Dots::new();
    /// assert_eq!(seen.insert(Dot::new(0xa.into(), 2)), None);
    /// assert_eq!(seen.insert(Dot::new(0xa.into(), 5)), Some(Dot::new(0xa.into(), 2)));
    /// ```
    pub fn insert(&mut self, dot: Dot) -> Option<Dot> {
        match &mut self.0 {
            SmallVec::None => {
                self.0 = SmallVec::One([dot]);
                None
            }
            SmallVec::One([there]) if there.origin == dot.origin => replace_earlier(there, dot),
            SmallVec::One([there]) => {
                let mut both = vec![*there, dot];
                both.sort_unstable();
                self.0 = SmallVec::Many(both);
                None
            }
            SmallVec::Many(dots) => {
                match dots.binary_search_by_key(&dot.origin, |dot| dot.origin) {
                    Ok(place) => replace_earlier(&mut dots[place], dot),
                    Err(place) => {
                        dots.insert(place, dot);
                        None
                    }
                }
            }
        }
    }

    /// Whether a replica that had seen these dots had seen this one, too.
    ///
    /// ```
    /// use repred::{Dot, types::Dots};
    ///
    /// let seen = Dots::from_iter([Dot::new(0xa.into(), 5)]);
    /// assert!(seen.covers(Dot::new(0xa.into(), 4)) && !seen.covers(Dot::new(0xa.into(), 6)));
    /// ```
    pub fn covers(&self, dot: Dot) -> bool {
        self.of(dot.origin).is_some_and(|seen| seen.seq >= dot.seq)
    }

    /// The dot of an origin, if it has one here.
    ///
    /// ```
    /// use repred::{Dot, types::Dots};
    ///
    /// let seen = Dots::from_iter([Dot::new(0xa.into(), 5)]);
    /// assert_eq!((seen.of(0xa.into()), seen.of(0xb.into())), (Some(Dot::new(0xa.into(), 5)), None));
    /// ```
    pub fn of(&self, origin: ReplicaId) -> Option<Dot> {
        let dots = self.0.as_slice();
        let place = dots.binary_search_by_key(&origin, |dot| dot.origin).ok()?;
        Some(dots[place])
    }

    /// Keeps the dots for which `keep` returns true. Returns whether any was removed.
    ///
    /// ```
    /// use repred::{Dot, types::Dots};
    ///
    /// let mut seen = Dots::from_iter([Dot::new(0xa.into(), 5), Dot::new(0xb.into(), 1)]);
    /// assert!(seen.retain(|dot| dot.seq > 1));
    /// assert_eq!(seen.len(), 1);
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(Dot) -> bool) -> bool {
        let kept: Vec<_> = self.iter().filter(|dot| keep(*dot)).collect();
        let are_fewer = kept.len() < self.len();
        if are_fewer {
            self.0 = kept.into_iter().collect();
        }
        are_fewer
    }

    /// The same without the dot of `author`. That is what an update has to say of what its author had seen: an author
    /// has always seen its own updates.
    ///
    /// ```
    /// use repred::{Dot, types::Dots};
    ///
    /// let seen = Dots::from_iter([Dot::new(0xa.into(), 5), Dot::new(0xb.into(), 1)]);
    /// assert_eq!(seen.excluding(0xa.into()), Dots::from_iter([Dot::new(0xb.into(), 1)]));
    /// ```
    #[must_use]
    pub fn excluding(&self, author: ReplicaId) -> Self {
        self.iter().filter(|dot| dot.origin != author).collect()
    }

    /// The dots, by their origins.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Dot> + Clone {
        self.0.as_slice().iter().copied()
    }

    /// The number of dots, which is that of origins.
    pub fn len(&self) -> usize {
        self.0.as_slice().len()
    }

    /// Whether there are no dots.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, SmallVec::None)
    }
}

fn replace_earlier(there: &mut Dot, dot: Dot) -> Option<Dot> {
    (there.seq < dot.seq).then(|| core::mem::replace(there, dot))
}

// What is in a `SmallVec` of these is in the order of the origins, no two of one.
impl FromIterator<Dot> for Dots {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut dots: Vec<_> = dots.into_iter().collect();
        // The latest of each origin comes first, and is the one that is kept.
        dots.sort_unstable_by_key(|dot| (dot.origin, core::cmp::Reverse(dot.seq)));
        dots.dedup_by_key(|dot| dot.origin);
        Self(dots.into_iter().collect())
    }
}

impl Serialize for Dots {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct("Dots", self.0.as_slice())
    }
}

impl<'de> Deserialize<'de> for Dots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Under this name the reader of encoded updates finds them. It takes no bytes.
        deserializer.deserialize_newtype_struct("Dots", DotsVisitor)
    }
}

struct DotsVisitor;

impl<'de> Visitor<'de> for DotsVisitor {
    type Value = Dots;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dots")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, dots: D) -> Result<Dots, D::Error> {
        // From a peer, which may send them in any order.
        Ok(Vec::<Dot>::deserialize(dots)?.into_iter().collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut dots: A) -> Result<Dots, A::Error> {
        let mut all = Vec::new();
        while let Some(dot) = dots.next_element()? {
            all.push(dot);
        }
        Ok(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(origin: u128, seq: u64) -> Dot {
        Dot::new(origin.into(), seq)
    }

    #[test]
    fn the_same_dots_are_equal_in_any_order_of_insertion() {
        let all = [dot(2, 5), dot(1, 1), dot(2, 9), dot(3, 4)];
        let collected: Dots = all.into_iter().collect();
        let mut inserted = Dots::new();
        for dot in all.into_iter().rev() {
            inserted.insert(dot);
        }
        assert_eq!(collected, inserted);
        assert!(inserted.retain(|dot| dot.origin == 2.into()));
        assert_eq!(inserted, [dot(2, 9)].into_iter().collect());
        assert!(!inserted.retain(|_| true));
        assert!(inserted.retain(|_| false));
        assert_eq!(inserted, Dots::new());
    }

    #[test]
    fn a_later_dot_takes_the_place_of_an_earlier_one_of_its_origin() {
        let mut dots: Dots = [dot(1, 3)].into_iter().collect();
        assert_eq!(dots.insert(dot(1, 5)), Some(dot(1, 3)));
        assert_eq!(dots.insert(dot(1, 4)), None);
        assert_eq!(dots.insert(dot(2, 1)), None);
        assert_eq!(dots.iter().collect::<Vec<_>>(), [dot(1, 5), dot(2, 1)]);
        assert!(dots.covers(dot(1, 5)) && !dots.covers(dot(1, 6)) && !dots.covers(dot(3, 1)));
    }
}
