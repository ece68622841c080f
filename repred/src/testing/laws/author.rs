//! [`Author`]: who writes next, and what it has seen.

use super::case::{Case, Cut, Entry, join};
use crate::testing::Chance;

/// Who writes the next update of a history, what it has seen, and how late it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) lane: usize,
    /// How much of each other origin it has seen at least. What it knows already, it knows.
    pub(crate) seen: Cut,
    /// Microseconds more than needed since all it has seen. The first of a history are often written at
    /// the same time, because all begin at zero.
    pub(crate) delay: u64,
}

/// The longest delay, unless the test says otherwise.
pub(crate) const DELAY: u64 = 1;

impl Author {
    /// Any author that a history may have next.
    pub(crate) fn decide(
        case: &Case,
        origins: usize,
        longest_delay: u64,
        chance: &mut Chance,
    ) -> Self {
        let lane = chance.below(origins as u64) as usize;
        let top = case.top();
        let mut author = Self { lane, ..Self::default() };
        for other in (0..origins).filter(|other| *other != lane) {
            let known = author.after(case)[other];
            if top[other] > known {
                author.seen[other] = known + chance.below(u64::from(top[other] - known) + 1) as u8;
            }
        }
        author.delay = chance.below(longest_delay + 1);
        author
    }

    /// All it has seen: what it says, as far as that is there, and what had to be seen with that.
    pub(crate) fn after(&self, case: &Case) -> Cut {
        let of = |lane: usize| case.entries.iter().filter(move |entry| entry.lane() == lane);
        let mut after = of(self.lane).next_back().map_or(Cut::default(), Entry::then);
        for (other, seq) in
            self.seen.into_iter().enumerate().filter(|(other, _)| *other != self.lane)
        {
            if let Some(last) = of(other).take(seq.into()).last() {
                join(&mut after, last.then());
            }
        }
        after
    }
}
