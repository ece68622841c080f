//! [`VersionVector`]: what a replica has seen.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

use crate::{id::ReplicaId, stamp::Dot};

/// What a replica has seen: for each origin, all updates up to some seq.
///
/// Versions are partially ordered: one is *before* another when it has seen less, *after* when more, and
/// two are *concurrent* when each has seen something that the other has not (Mattern, *Virtual Time and
/// Global States of Distributed Systems*, 1989; Parker and others, *Detection of Mutual Inconsistency*,
/// 1983).
///
/// ```
/// use repred::{Dot, VersionVector};
///
/// let (a, b) = (0xa.into(), 0xb.into());
/// let old = VersionVector::from_iter([(a, 3)]);
/// let new = VersionVector::from_iter([(a, 5), (b, 1)]);
/// let other = VersionVector::from_iter([(b, 2)]);
///
/// assert!(old < new && old.is_before(&new));
/// assert!(new.is_concurrent(&other) && new.partial_cmp(&other).is_none());
/// assert!(new.contains(Dot::new(a, 4)) && !old.contains(Dot::new(a, 4)));
/// assert_eq!(new.merged(&other).to_string(), "{a:5 b:2}");
/// ```
#[doc(alias = "vector clock")]
#[doc(alias = "state vector")]
#[doc(alias = "frontier")]
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionVector {
    /// Never holds a zero, so that equal versions are equal maps.
    seqs: BTreeMap<ReplicaId, u64>,
}

impl VersionVector {
    /// The version that has seen nothing.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// assert!(VersionVector::new().is_empty());
    /// ```
    pub const fn new() -> Self {
        Self { seqs: BTreeMap::new() }
    }

    /// The last seq seen of an origin; 0 if none.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let version = VersionVector::from_iter([(0xa.into(), 3)]);
    /// assert_eq!((version.seq(0xa.into()), version.seq(0xb.into())), (3, 0));
    /// ```
    pub fn seq(&self, origin: ReplicaId) -> u64 {
        self.seqs.get(&origin).copied().unwrap_or(0)
    }

    /// Whether the update of this dot has been seen.
    ///
    /// ```
    /// use repred::{Dot, VersionVector};
    ///
    /// let version = VersionVector::from_iter([(0xa.into(), 3)]);
    /// assert!(version.contains(Dot::new(0xa.into(), 3)) && !version.contains(Dot::new(0xa.into(), 4)));
    /// ```
    pub fn contains(&self, dot: Dot) -> bool {
        (1..=self.seq(dot.origin)).contains(&dot.seq)
    }

    /// Whether everything in `other` has been seen here too.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let old = VersionVector::from_iter([(0xa.into(), 3)]);
    /// let new = VersionVector::from_iter([(0xa.into(), 5), (0xb.into(), 1)]);
    /// assert!(new.covers(&old) && new.covers(&new) && !old.covers(&new));
    /// ```
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(origin, seq)| seq <= self.seq(origin))
    }

    /// Whether this has seen less than `other`, and nothing that `other` has not.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let old = VersionVector::from_iter([(0xa.into(), 3)]);
    /// let new = VersionVector::from_iter([(0xa.into(), 5)]);
    /// assert!(old.is_before(&new) && !old.is_before(&old));
    /// ```
    pub fn is_before(&self, other: &Self) -> bool {
        self != other && other.covers(self)
    }

    /// Whether this has seen everything in `other`, and more.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let old = VersionVector::from_iter([(0xa.into(), 3)]);
    /// let new = VersionVector::from_iter([(0xa.into(), 5)]);
    /// assert!(new.is_after(&old) && !new.is_after(&new));
    /// ```
    pub fn is_after(&self, other: &Self) -> bool {
        other.is_before(self)
    }

    /// Whether each has seen something that the other has not.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let ours = VersionVector::from_iter([(0xa.into(), 3)]);
    /// let theirs = VersionVector::from_iter([(0xb.into(), 1)]);
    /// assert!(ours.is_concurrent(&theirs));
    /// ```
    pub fn is_concurrent(&self, other: &Self) -> bool {
        !self.covers(other) && !other.covers(self)
    }

    /// Records that all updates of the dot's origin up to the dot have been seen.
    ///
    /// ```
    /// use repred::{Dot, VersionVector};
    ///
    /// let mut version = VersionVector::new();
    /// version.observe(Dot::new(0xa.into(), 3));
    /// version.observe(Dot::new(0xa.into(), 2));
    /// assert_eq!(version.seq(0xa.into()), 3);
    /// ```
    pub fn observe(&mut self, dot: Dot) {
        if dot.seq > 0 {
            let seq = self.seqs.entry(dot.origin).or_default();
            *seq = dot.seq.max(*seq);
        }
    }

    /// The version that has seen what either has.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let ours = VersionVector::from_iter([(0xa.into(), 3)]);
    /// let theirs = VersionVector::from_iter([(0xa.into(), 1), (0xb.into(), 1)]);
    /// assert_eq!(ours.merged(&theirs).to_string(), "{a:3 b:1}");
    /// ```
    #[doc(alias = "join")]
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let mut merged = self.clone();
        other.iter().for_each(|(origin, seq)| merged.observe(Dot::new(origin, seq)));
        merged
    }

    /// The version that has seen what both have.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let ours = VersionVector::from_iter([(0xa.into(), 3)]);
    /// let theirs = VersionVector::from_iter([(0xa.into(), 1), (0xb.into(), 1)]);
    /// assert_eq!(ours.common(&theirs).to_string(), "{a:1}");
    /// ```
    #[doc(alias = "meet")]
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        self.iter().map(|(origin, seq)| (origin, seq.min(other.seq(origin)))).collect()
    }

    /// How many updates this has seen that `other` has not.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let ours = VersionVector::from_iter([(0xa.into(), 3)]);
    /// let theirs = VersionVector::from_iter([(0xa.into(), 1), (0xb.into(), 1)]);
    /// assert_eq!((ours.ahead_of(&theirs), theirs.ahead_of(&ours)), (2, 1));
    /// ```
    pub fn ahead_of(&self, other: &Self) -> u64 {
        self.iter().fold(0, |sum: u64, (origin, seq)| {
            sum.saturating_add(seq.saturating_sub(other.seq(origin)))
        })
    }

    /// Whether nothing has been seen.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// assert!(!VersionVector::from_iter([(0xa.into(), 3)]).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.seqs.is_empty()
    }

    /// The number of origins of which something has been seen.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// assert_eq!(VersionVector::from_iter([(0xa.into(), 3)]).len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.seqs.len()
    }

    /// The origins of which something has been seen, in their order, each with its last seq.
    ///
    /// ```
    /// use repred::VersionVector;
    ///
    /// let version = VersionVector::from_iter([(0xb.into(), 1), (0xa.into(), 3)]);
    /// let seqs: Vec<_> = version.iter().collect();
    /// assert_eq!(seqs, [(0xa.into(), 3), (0xb.into(), 1)]);
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ReplicaId, u64)> + Clone {
        self.seqs.iter().map(|(&origin, &seq)| (origin, seq))
    }
}

impl FromIterator<(ReplicaId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(seqs: I) -> Self {
        let seen = seqs.into_iter().filter(|&(_, seq)| seq > 0);
        let mut seqs: Vec<_> = seen.collect();
        // Made in order, the map is made in one go; of equal keys it keeps the last, the largest seq.
        seqs.sort_unstable();
        Self { seqs: seqs.into_iter().collect() }
    }
}

/// `Less` is before, `Greater` is after, `None` is concurrent.
impl PartialOrd for VersionVector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.covers(other), other.covers(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }
}

impl fmt::Display for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (origin, seq)) in self.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{origin:?}:{seq}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(a: u64, b: u64) -> VersionVector {
        VersionVector::from_iter([(0xa.into(), a), (0xb.into(), b)])
    }

    #[test]
    fn versions_are_ordered_by_inclusion() {
        for (left, right, order) in [
            (version(1, 2), version(1, 2), Some(Ordering::Equal)),
            (version(0, 2), version(1, 2), Some(Ordering::Less)),
            (version(1, 2), version(1, 0), Some(Ordering::Greater)),
            (version(1, 2), version(2, 1), None),
        ] {
            assert_eq!(left.partial_cmp(&right), order, "{left} and {right}");
            assert_eq!(left.is_before(&right), order == Some(Ordering::Less));
            assert_eq!(left.is_after(&right), order == Some(Ordering::Greater));
            assert_eq!(left.is_concurrent(&right), order.is_none());
        }
    }

    #[test]
    fn a_seq_of_zero_is_no_different_from_none() {
        assert_eq!(version(0, 0), VersionVector::new());
        assert!(!version(1, 0).contains(Dot::new(0xa.into(), 0)));
    }
}
