//! [`Chance`]: random decisions of a test, from a seed or recorded.

use std::ops::Range;

use crate::stamp::Stamp;

/// A generator of random decisions (SplitMix64), or a replay of recorded ones.
///
/// Every decision is a number below a bound, and is recorded. So a failure can be repeated and *shrunk*:
/// a failing case runs again with fewer and lower decisions (the idea is Hypothesis's: MacIver and Donaldson,
/// *Test-Case Reduction via Test-Case Generation*, 2020). So prefer the simpler thing at lower numbers.
///
/// ```
/// use repred::testing::Chance;
///
/// let mut chance = Chance::new(7);
/// assert!(chance.below(3) < 3);
/// assert!(["x", "y"].contains(chance.pick(&["x", "y"])));
/// assert_eq!(Chance::new(7).below(1000), Chance::new(7).below(1000));
/// ```
#[derive(Clone, Debug)]
pub struct Chance {
    source: Source,
    made: Vec<Decision>,
    /// What the author of the next update has seen.
    seen: Vec<Stamp>,
    /// How many values of a domain are made.
    focus: u64,
}

#[derive(Clone, Debug)]
enum Source {
    /// The state of a SplitMix64 (Steele and others, 2014).
    Seed(u64),
    /// Decisions made before; when they have come to an end, the lowest each time.
    Again(std::vec::IntoIter<u64>),
}

/// A number below a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) value: u64,
    pub(crate) bound: u64,
}

impl Chance {
    /// A generator with this seed. The same seed gives the same decisions.
    ///
    /// ```
    /// use repred::testing::Chance;
    ///
    /// assert_eq!(Chance::new(7).below(1000), Chance::new(7).below(1000));
    /// ```
    pub const fn new(seed: u64) -> Self {
        Self { source: Source::Seed(seed), made: Vec::new(), seen: Vec::new(), focus: u64::MAX }
    }

    /// The same decisions again. Where one is out of bounds now, the highest possible is taken.
    pub(crate) fn again(decisions: Vec<u64>) -> Self {
        Self {
            source: Source::Again(decisions.into_iter()),
            made: Vec::new(),
            seen: Vec::new(),
            focus: u64::MAX,
        }
    }

    /// Returns a number below `bound`; the lowest is the simplest.
    ///
    /// ```
    /// use repred::testing::Chance;
    ///
    /// assert!(Chance::new(7).below(3) < 3);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `bound` is zero.
    #[track_caller]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below zero");
        let value = match &mut self.source {
            Source::Seed(state) => {
                // The high half of a product is uniform enough for bounds far below 2⁶⁴.
                ((u128::from(next(state)) * u128::from(bound)) >> 64) as u64
            }
            Source::Again(decisions) => decisions.next().unwrap_or(0).min(bound - 1),
        };
        self.made.push(Decision { value, bound });
        value
    }

    /// Returns any number; zero is the simplest.
    ///
    /// ```
    /// use repred::testing::Chance;
    ///
    /// let mut chance = Chance::new(7);
    /// let bytes = chance.number().to_le_bytes();
    /// assert_eq!(Chance::new(7).number().to_le_bytes(), bytes);
    /// ```
    pub fn number(&mut self) -> u64 {
        let value = match &mut self.source {
            Source::Seed(state) => next(state),
            Source::Again(decisions) => decisions.next().unwrap_or(0),
        };
        self.made.push(Decision { value, bound: u64::MAX });
        value
    }

    /// Returns a number in a range; the lowest is the simplest.
    ///
    /// ```
    /// use repred::testing::Chance;
    ///
    /// assert!((5..8).contains(&Chance::new(7).within(5..8)));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the range is empty.
    #[track_caller]
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        assert!(range.start < range.end, "there is no number in {range:?}");
        range.start + self.below(range.end - range.start)
    }

    /// Returns one of these items; the first is the simplest.
    ///
    /// ```
    /// use repred::testing::Chance;
    ///
    /// assert!(["x", "y"].contains(Chance::new(7).pick(&["x", "y"])));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if there are none.
    #[track_caller]
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        assert!(!items.is_empty(), "there is nothing to pick from");
        &items[self.below(items.len() as u64) as usize]
    }

    /// Returns true in `percent` of a hundred cases; false is the simplest.
    ///
    /// ```
    /// use repred::testing::Chance;
    ///
    /// let mut chance = Chance::new(7);
    /// assert!(chance.percent(100) && !chance.percent(0));
    /// ```
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) >= 100 - percent.min(100)
    }

    /// Returns some of these items, in their order; none is the simplest.
    ///
    /// ```
    /// use repred::testing::Chance;
    ///
    /// assert!(Chance::new(7).some(0..9).is_sorted());
    /// ```
    pub fn some<T>(&mut self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        items.into_iter().filter(|_| self.below(2) == 1).collect()
    }

    /// Says what the author of the next update has seen.
    pub(crate) fn has_seen(&mut self, stamps: Vec<Stamp>) {
        self.seen = stamps;
    }

    /// One of what the author of the next update has seen; the latest is the simplest.
    pub(crate) fn seen(&mut self) -> Option<Stamp> {
        let last = self.seen.len().checked_sub(1)?;
        let back = self.below(last as u64 + 1);
        Some(self.seen[last - back as usize])
    }

    /// Decides how few values [`sample`](Self::sample) makes from now on: the fewer, the more they meet.
    pub(crate) fn focus(&mut self) {
        self.focus = *self.pick(&[2, 2, 3, u64::MAX]);
    }

    /// One of these, of which only the first few may be wanted.
    pub(crate) fn pick_focused<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(self.focus.min(items.len() as u64)) as usize]
    }

    /// All decisions that were made.
    pub(crate) fn made(&self) -> &[Decision] {
        &self.made
    }

    /// Forgets what was made, for runs that are never made again.
    pub(crate) fn forget(&mut self) {
        self.made.clear();
    }
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_decisions_can_be_replayed() {
        let decide = |chance: &mut Chance| {
            (chance.below(9), chance.percent(50), chance.some(0..20), chance.within(5..8))
        };
        let mut chance = Chance::new(3);
        let first = decide(&mut chance);
        let made = chance.made().iter().map(|decision| decision.value).collect();
        assert_eq!(decide(&mut Chance::again(made)), first);
        assert_eq!(decide(&mut Chance::again(Vec::new())), (0, false, Vec::new(), 5));
        assert_eq!(Chance::again(vec![7]).below(3), 2, "out of bounds is the highest possible");
    }

    #[test]
    fn every_number_below_a_bound_is_drawn() {
        let mut chance = Chance::new(1);
        let mut counts = [0; 5];
        (0..5000).for_each(|_| counts[chance.below(5) as usize] += 1);
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
