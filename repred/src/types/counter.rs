//! [`Counter`]: a sum.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::editor_only::{EditorOnly, editor_only};
use crate::{
    changes::ValueChanges,
    dots::Dots,
    edit::{Edit, Editor, Inverse, Place, Rollback},
    id::ReplicaId,
    reduce::Reduce,
    reset::{Reset, ResetDetail},
    stamp::{Dot, Stamp},
};

/// A sum of increments and decrements, each of which counts exactly once everywhere.
///
/// An update is the amount to add, an `i64`. The sum is wider, so it is exact: 2⁶⁴ updates of the largest
/// amount do not overflow it, and an edit that would overflow it is refused.
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | one adds 3, another one 4 | 7 more |
/// | one removes it from a [`Map`](crate::Map), another one adds 3 | 3: a removal takes back what its author had seen |
/// | two remove it when it is 5 | 0: what both had seen is taken back once |
///
/// Takes 48 bytes. Every replica reduces every update exactly once, so the counter needs no table of replicas,
/// unlike the state-based PN-counter (Shapiro and others, *A Comprehensive Study of Convergent and Commutative
/// Replicated Data Types*, 2011). Inside a `Map`, where it can be reset, it does keep 96 bytes for each origin
/// (Baquero, Almeida and Lerche, *The Problem with Embedded CRDT Counters and a Solution*, 2016). Adding takes
/// constant time, or O(log origins) inside a `Map`.
///
/// ```
/// use repred::{Counter, Replica};
///
/// let votes = Replica::new(Counter::default());
/// votes.edit(|votes| votes.add(5))?;
/// votes.edit(|votes| votes.add(-2))?;
/// assert_eq!(votes.read(|votes| votes.value())?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "pn-counter")]
#[doc(alias = "pncounter")]
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    value: i128,
    /// What each origin has added, where a reset may take it back; in the order of the origins. There are hardly
    /// ever more than a few.
    origins: Vec<(ReplicaId, OriginSum)>,
}

/// What one origin has added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct OriginSum {
    /// The seq of its last addition.
    last: u64,
    /// The sum of all its additions, including those that were taken back.
    total: i128,
    /// Its additions up to this seq were taken back.
    reset: u64,
    /// The sum of those that were taken back. If two removals disagree about it, the larger sum counts, so that a
    /// removal that lies has the same outcome everywhere.
    taken: i128,
}

impl OriginSum {
    fn is_present(&self) -> bool {
        self.last > self.reset
    }
}

impl Counter {
    /// The sum of all updates.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// votes.update(5)?; // the same as `votes.edit(|votes| votes.add(5))`
    /// assert_eq!(votes.read(|votes| votes.value())?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn value(&self) -> i128 {
        self.value
    }

    editor_only!(add(A));

    /// Adds to the sum.
    pub(super) fn add_to_sum(&mut self, amount: i128) -> ValueChanges<i128> {
        if amount == 0 {
            return ValueChanges::unchanged();
        }
        let before = self.value;
        // Wrapping commutes; a snapshot from a peer may hold any number, so it must not panic.
        self.value = before.wrapping_add(amount);
        ValueChanges::changed(before, self.value, None)
    }

    /// Adds to the sum, and to that of the origin.
    pub(super) fn add_resettable(&mut self, amount: i128, stamp: Stamp) -> ValueChanges<i128> {
        let changes = self.add_to_sum(amount);
        if amount != 0 {
            let sum = self.origin_mut(stamp.origin());
            sum.last = stamp.dot.seq;
            sum.total = sum.total.wrapping_add(amount);
        }
        changes
    }

    /// Where an origin is in the table, or would be.
    fn search(&self, origin: ReplicaId) -> Result<usize, usize> {
        self.origins.binary_search_by_key(&origin, |(origin, _)| *origin)
    }

    /// What an origin has added, to be changed.
    fn origin_mut(&mut self, origin: ReplicaId) -> &mut OriginSum {
        let index = self.search(origin).unwrap_or_else(|index| {
            self.origins.reserve_exact(1);
            self.origins.insert(index, (origin, OriginSum::default()));
            index
        });
        &mut self.origins[index].1
    }

    /// Up to which seq an origin's additions were taken back, and their sum.
    fn taken(&self, origin: ReplicaId) -> (u64, i128) {
        let sum = self.search(origin).map(|index| &self.origins[index].1);
        sum.map_or((0, 0), |sum| (sum.reset, sum.taken))
    }

    /// For each origin that has added something that nobody has taken back: its last dot, and its total.
    fn sums(&self) -> impl Iterator<Item = (Dot, i128)> + '_ {
        let present = self.origins.iter().filter(|(_, sum)| sum.is_present());
        present.map(|(origin, sum)| (Dot::new(*origin, sum.last), sum.total))
    }

    /// Restores the sum, and what one origin has added.
    pub(super) fn restore(&self, origin: ReplicaId) -> impl FnOnce(&mut Self) + 'static {
        let value = self.value;
        let index = self.search(origin);
        let sum = index.map(|index| self.origins[index].1.clone());
        move |counter| {
            counter.value = value;
            match (sum, index) {
                (Ok(sum), Ok(index)) => counter.origins[index].1 = sum,
                (_, Err(index))
                    if counter.origins.get(index).is_some_and(|(it, _)| *it == origin) =>
                {
                    counter.origins.remove(index);
                }
                _ => {}
            }
        }
    }

    /// Whether the sum would be out of range after this addition.
    pub(super) fn would_overflow(&self, amount: i128) -> bool {
        self.value.checked_add(amount).is_none()
    }
}

impl Reduce for Counter {
    type Update = i64;
    type Changes = ValueChanges<i128>;

    fn reduce(&mut self, amount: i64, _stamp: Stamp) -> Self::Changes {
        self.add_to_sum(amount.into())
    }
}

impl Reset for Counter {
    fn reduce_resettable(&mut self, amount: i64, stamp: Stamp) -> Self::Changes {
        self.add_resettable(amount.into(), stamp)
    }

    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        self.sums().map(|(dot, _)| dot).for_each(see);
    }

    /// The sum of each origin's additions, up to its last one: the dots do not say it.
    fn detail(&self) -> ResetDetail {
        let sums: Vec<_> = self.sums().collect();
        if sums.is_empty() { ResetDetail::None } else { ResetDetail::Sums(sums) }
    }

    fn reset(
        &mut self,
        _seen: &Dots,
        detail: &ResetDetail,
        _obsolete: &mut dyn FnMut(Dot),
    ) -> bool {
        let ResetDetail::Sums(sums) = detail else { return false };
        let mut has_changed = false;
        for (dot, total) in sums {
            let (reset, taken) = self.taken(dot.origin);
            if (dot.seq, *total) > (reset, taken) {
                self.value = self.value.wrapping_sub(total.wrapping_sub(taken));
                let sum = self.origin_mut(dot.origin);
                (sum.reset, sum.taken) = (dot.seq, *total);
                has_changed = true;
            }
        }
        has_changed
    }

    fn is_present(&self) -> bool {
        self.sums().next().is_some()
    }

    fn is_default(&self) -> bool {
        self.value == 0 && self.origins.is_empty()
    }
}

impl Edit for Counter {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _amount: &i64, stamp: Stamp) -> Rollback<Self> {
        Box::new(self.restore(stamp.origin()))
    }

    fn inverse(&self, amount: &i64, _stamp: Stamp) -> Option<Inverse<Self>> {
        let amount = -i128::from(*amount);
        Some(Box::new(move |_, _| amounts(amount)))
    }

    fn rebuild(&self) -> Option<Vec<i64>> {
        // A sum that takes more than a million updates to write is not brought back.
        let is_small = self.value.unsigned_abs() < 1_000_000 << 63;
        is_small.then(|| amounts(self.value))
    }
}

/// An amount in as many updates as it takes.
fn amounts(mut amount: i128) -> Vec<i64> {
    let mut amounts = Vec::new();
    while amount != 0 {
        let part = amount.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        amounts.push(part);
        amount -= i128::from(part);
    }
    amounts
}

impl<P: Place<Counter>> Editor<Counter, P> {
    /// Adds an amount, which may be negative. The edit fails if the sum would be out of range.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// votes.edit(|votes| votes.add(5))?;
    /// votes.edit(|votes| votes.add(-2))?;
    /// assert_eq!(votes.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "increment")]
    #[doc(alias = "decrement")]
    pub fn add(&mut self, amount: i64) {
        match self.would_overflow(amount.into()) {
            true => self.refuse(format!("adding {amount} to {} is out of range", self.value())),
            false => drop(self.update(amount)),
        }
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// The sum.
impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing::Laws, time::Time, types::Map};

    fn stamp(origin: u128, seq: u64) -> Stamp {
        Stamp::new(Time::from_micros(seq), origin.into(), seq)
    }

    #[test]
    fn two_removals_that_saw_the_same_additions_undo_them_once() {
        let mut votes = Counter::default();
        votes.reduce_resettable(5, stamp(1, 1));
        let seen = votes.detail();
        assert!(votes.reset(&Dots::new(), &seen, &mut |_| {}));
        assert!(!votes.reset(&Dots::new(), &seen, &mut |_| {}));
        assert_eq!(votes.value(), 0);
    }

    #[test]
    fn a_removal_undoes_what_it_saw_in_any_order() {
        let mut seen = Counter::default();
        seen.reduce_resettable(5, stamp(1, 1));
        let removal = seen.detail();
        let (mut first, mut second) = (seen.clone(), seen);
        first.reset(&Dots::new(), &removal, &mut |_| {});
        first.reduce_resettable(3, stamp(1, 2));
        second.reduce_resettable(3, stamp(1, 2));
        second.reset(&Dots::new(), &removal, &mut |_| {});
        assert_eq!(first, second);
        assert_eq!(first.value(), 3);
        assert!(first.is_present() && !first.is_default());
    }

    #[test]
    fn a_failed_edit_of_one_in_a_map_leaves_it_as_it_was() {
        let mut votes = Counter::default();
        votes.reduce_resettable(5, stamp(1, 1));
        let before = votes.clone();
        let roll_back = votes.rollback(&2, stamp(1, 2));
        votes.reduce_resettable(2, stamp(1, 2));
        roll_back(&mut votes);
        assert_eq!(votes, before);
    }

    #[test]
    fn a_removal_that_saw_nothing_leaves_nothing_behind() {
        let mut votes = Counter::default();
        let nothing = ResetDetail::Sums(vec![(Dot::new(1.into(), 0), 0)]);
        assert!(!votes.reset(&Dots::new(), &nothing, &mut |_| {}));
        assert!(votes.is_default());
    }

    #[test]
    fn removals_and_additions_commute() {
        Laws::of(Map::<u8, Counter>::default).budget(3_000).check();
    }

    #[test]
    fn an_amount_that_no_update_can_hold_is_taken_back_in_two() {
        assert_eq!(amounts(-i128::from(i64::MIN)), [i64::MAX, 1]);
        assert_eq!(amounts(0), []);
    }
}
