//! [`Clock`]: where a replica gets the wall time from.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Time;

/// Where a [`Replica`](crate::Replica) gets the wall time from.
///
/// It may stand still or step; stamps do not. A closure is a clock:
///
/// ```
/// use repred::{Counter, Replica, Time};
///
/// let votes = Replica::builder(Counter::default()).clock(|| Time::from_micros(1_000)).build();
/// let receipt = votes.update(1)?;
/// assert_eq!(receipt.stamp().unwrap().time, Time::from_micros(1_000));
/// # Ok::<(), repred::UpdateError>(())
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The wall time now.
    fn now(&self) -> Time;
}

impl<F: Fn() -> Time + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Time {
        self()
    }
}

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        // A clock before 1970 is wrong, and the hybrid clock copes with that as with any wrong clock.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::ZERO + since
    }
}
