//! [`Epochs`]: when the replica that writes under an id was opened anew, as far as that is known.

use alloc::vec::Vec;

use crate::token::Epoch;

/// The epochs of an origin, up to its last update that was seen.
///
/// They tell two halves of a fork apart at any seq beyond the one at which they parted, whatever was forgotten since,
/// because each half begins an epoch with its first update after the copy was opened. A list of a few numbers does what
/// would else take a hash for each update.
///
/// The newest are kept. What is before them is *unknown*, which an epoch without a mark at the beginning says. Without
/// that, what is before the first epoch is in none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    /// By ascending seq. One with the mark 0 says that what follows is unknown.
    list: Vec<Epoch>,
}

/// What is unknown of the beginning of an origin.
const UNKNOWN: Epoch = Epoch { first: 1, mark: 0 };

impl Epochs {
    /// How many epochs of an origin are kept: as many as a replica begins in weeks, if it is opened ten times a day and
    /// always writes. They take sixteen bytes each.
    pub(crate) const MOST: usize = 256;

    /// The mark of the epoch of an update: 0 if it is in none, `None` if that is unknown.
    pub(crate) fn at(&self, seq: u64) -> Option<u32> {
        match self.list[..self.count_upto(seq)].last() {
            None => Some(0),
            Some(epoch) => Some(epoch.mark).filter(|&mark| mark != 0),
        }
    }

    /// Begins an epoch, after all others. One without a mark is unknown.
    pub(crate) fn begin(&mut self, epoch: Epoch) {
        debug_assert!(self.list.last().is_none_or(|last| last.first < epoch.first));
        self.list.push(epoch);
        self.keep_newest(Self::MOST);
    }

    /// Those that begin in a range of seqs, in order.
    pub(crate) fn beginning_in(&self, first: u64, last: u64) -> &[Epoch] {
        let (from, upto) = (self.count_upto(first.saturating_sub(1)), self.count_upto(last));
        &self.list[from..upto.max(from)]
    }

    /// What remains if nothing after a seq had been seen.
    pub(crate) fn upto(&self, seq: u64) -> Self {
        Self { list: self.list[..self.count_upto(seq)].to_vec() }
    }

    /// The newest of them, at most so many, of which there has to be one.
    pub(crate) fn newest(mut self, most: usize) -> Self {
        self.keep_newest(most);
        self
    }

    /// Whether there is none, nor anything unknown.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[Epoch] {
        &self.list
    }

    /// The first seq up to `last` at which the two are known to differ.
    pub(crate) fn difference(&self, other: &Self, last: u64) -> Option<u64> {
        let differs = |&seq: &u64| {
            let marks = self.at(seq).zip(other.at(seq));
            marks.is_some_and(|(ours, theirs)| ours != theirs)
        };
        self.borders(other).into_iter().take_while(|&seq| seq <= last).find(differs)
    }

    /// Takes over what `other` knows, which has seen up to `theirs`, and is not known here, where `ours` is the last
    /// update that was seen.
    pub(crate) fn merge(&mut self, other: &Self, ours: u64, theirs: u64) {
        let mut borders = self.borders(other);
        borders.extend([ours + 1, theirs + 1]);
        borders.sort_unstable();
        let known = |seq| {
            let here = self.at(seq).filter(|_| seq <= ours);
            here.or_else(|| other.at(seq).filter(|_| seq <= theirs))
        };
        let mut merged = Self::default();
        for seq in borders.into_iter().take_while(|&seq| seq <= ours.max(theirs)) {
            let mark = known(seq);
            if merged.at(seq) != mark {
                merged.list.push(Epoch { first: seq, mark: mark.unwrap_or(0) });
            }
        }
        merged.keep_newest(Self::MOST);
        *self = merged;
    }

    /// Where the mark can change in either, ascending.
    fn borders(&self, other: &Self) -> Vec<u64> {
        let firsts = self.list.iter().chain(&other.list).map(|epoch| epoch.first);
        let mut borders: Vec<_> = core::iter::once(1).chain(firsts).collect();
        borders.sort_unstable();
        borders.dedup();
        borders
    }

    fn keep_newest(&mut self, most: usize) {
        let surplus = self.list.len().saturating_sub(most.max(1));
        if surplus > 0 {
            // One more, for what says that something was left out.
            let from = (surplus + 1).min(self.list.len() - 1);
            self.list.splice(..from, [UNKNOWN]);
        }
    }

    /// How many begin at or before a seq.
    fn count_upto(&self, seq: u64) -> usize {
        // Most ask for the newest.
        match self.list.last() {
            Some(last) if last.first <= seq => self.list.len(),
            _ => self.list.partition_point(|epoch| epoch.first <= seq),
        }
    }
}

/// By ascending seq; those that are not are left out.
impl FromIterator<Epoch> for Epochs {
    fn from_iter<T: IntoIterator<Item = Epoch>>(epochs: T) -> Self {
        let mut list: Vec<Epoch> = Vec::new();
        for epoch in epochs {
            if list.last().is_none_or(|last| last.first < epoch.first) {
                list.push(epoch);
            }
        }
        let mut epochs = Self { list };
        epochs.keep_newest(Self::MOST);
        epochs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(list: &[(u64, u32)]) -> Epochs {
        list.iter().map(|&(first, mark)| Epoch { first, mark }).collect()
    }

    #[test]
    fn an_update_is_in_the_epoch_that_began_last_before_it() {
        let epochs = epochs(&[(3, 30), (6, 60)]);
        let marks: Vec<_> = (1..=7).map(|seq| epochs.at(seq).unwrap()).collect();
        assert_eq!(marks, [0, 0, 30, 30, 30, 60, 60]);
        assert_eq!(epochs.beginning_in(3, 5), [Epoch { first: 3, mark: 30 }]);
        assert_eq!(epochs.beginning_in(4, 5), []);
        assert_eq!(epochs.upto(5).as_slice().len(), 1);
    }

    #[test]
    fn of_many_the_newest_are_kept_and_the_others_are_unknown() {
        let mut many = Epochs::default();
        for seq in 1..=Epochs::MOST as u64 + 10 {
            many.begin(Epoch { first: 10 * seq, mark: seq as u32 });
        }
        assert_eq!(many.as_slice().len(), Epochs::MOST);
        assert_eq!(many.at(1), None);
        assert_eq!(many.at(110), None);
        assert_eq!(many.at(120), Some(12));
        let one = many.clone().newest(1);
        assert_eq!(one.at(1), None);
        assert_eq!(one.at(10 * (Epochs::MOST as u64 + 10)), Some(Epochs::MOST as u32 + 10));
    }

    #[test]
    fn lists_differ_where_both_are_known_and_are_not_the_same() {
        let ours = epochs(&[(3, 30), (6, 60)]);
        assert_eq!(ours.difference(&epochs(&[(3, 30), (6, 61)]), 9), Some(6));
        assert_eq!(ours.difference(&epochs(&[(3, 30), (6, 61)]), 5), None);
        assert_eq!(ours.difference(&epochs(&[(3, 30), (5, 60)]), 9), Some(5));
        assert_eq!(ours.difference(&epochs(&[(3, 30)]), 9), Some(6));
        assert_eq!(ours.difference(&Epochs::default(), 9), Some(3));
        assert_eq!(ours.difference(&epochs(&[(1, 0), (6, 60)]), 9), None);
    }

    #[test]
    fn merged_lists_know_what_either_knew() {
        let ours = epochs(&[(3, 30), (6, 60)]);
        let later = epochs(&[(1, 0), (6, 60), (9, 90)]);
        for (seen, by_them, expected) in [
            (7, 10, &[(3, 30), (6, 60), (9, 90)][..]),
            (5, 10, &[(3, 30), (6, 60), (9, 90)]),
            (3, 10, &[(3, 30), (4, 0), (6, 60), (9, 90)]),
        ] {
            let mut merged = ours.upto(seen);
            merged.merge(&later, seen, by_them);
            let expected: Vec<_> =
                expected.iter().map(|&(first, mark)| Epoch { first, mark }).collect();
            assert_eq!(merged.as_slice(), expected);
        }
        let mut merged = later;
        merged.merge(&ours, 10, 7);
        assert_eq!(merged.as_slice().len(), 3);
    }
}
