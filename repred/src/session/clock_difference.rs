//! [`ClockDifference`]: how far the clocks of two replicas differ.

use core::{fmt, time::Duration};

use crate::time::Time;

/// How far the clocks of two replicas differ. At least one of the two is wrong; neither side can know which.
///
/// ```
/// use std::time::Duration;
///
/// use repred::{Time, sans_io::ClockDifference};
///
/// let noon = Time::from_micros(43_200_000_000);
/// let clocks = ClockDifference { ours: noon + Duration::from_secs(600), theirs: noon };
/// assert_eq!(clocks.by(), Duration::from_secs(600));
/// assert!(!clocks.is_ours_behind());
/// assert_eq!(clocks.to_string(), "our clock is 600s ahead of the other side's");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "two clocks are all there is to compare")]
pub struct ClockDifference {
    /// What our wall clock said.
    pub ours: Time,
    /// What the peer's said.
    pub theirs: Time,
}

impl ClockDifference {
    /// By how much they differ, whichever is ahead.
    pub fn by(&self) -> Duration {
        self.ours.since(self.theirs).max(self.theirs.since(self.ours))
    }

    /// Whether the peer's clock is ahead of ours.
    pub fn is_ours_behind(&self) -> bool {
        self.ours < self.theirs
    }
}

impl fmt::Display for ClockDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.is_ours_behind() { "behind" } else { "ahead of" };
        write!(f, "our clock is {:?} {side} the other side's", self.by())
    }
}
