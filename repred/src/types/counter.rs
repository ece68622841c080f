//! [`Counter`]: a sum.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{reduce::Reduce, stamp::Stamp};

/// A sum of increments and decrements, each counted exactly once everywhere.
///
/// An update is the amount to add. Every update is reduced once on each replica, so no table per replica
/// is needed, unlike in a state-based counter. The sum is exact: 2⁶⁴ updates of the largest amount do not
/// overflow it.
///
/// ```
/// use repred::{Counter, Reduce, Stamp, Time};
///
/// let mut votes = Counter::default();
/// votes.reduce(5, Stamp::new(Time::ZERO, 0xa.into(), 1));
/// votes.reduce(-2, Stamp::new(Time::ZERO, 0xb.into(), 1));
/// assert_eq!(votes.value(), 3);
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Counter(i128);

impl Counter {
    /// The sum of all updates.
    pub const fn value(&self) -> i128 {
        self.0
    }
}

impl Reduce for Counter {
    type Update = i64;
    type Changes = bool;

    fn reduce(&mut self, amount: i64, _stamp: Stamp) -> bool {
        // Wrapping commutes; a snapshot from a peer may hold any number, so it must not panic.
        self.0 = self.0.wrapping_add(amount.into());
        amount != 0
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
