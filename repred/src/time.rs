//! [`Time`] and the hybrid logical clock that hands it out.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A point in time as stamps carry it: microseconds since 1970, from a hybrid logical clock.
///
/// It is close to the wall clock, but never behind anything its replica has seen, and it strictly
/// increases from one update of a replica to the next: when the wall clock stands still or steps back,
/// the next microsecond is used instead.
///
/// ```
/// use std::time::Duration;
/// use repred::Time;
///
/// let noon = Time::from_micros(43_200_000_000);
/// assert_eq!(noon + Duration::from_micros(5), Time::from_micros(43_200_000_005));
/// assert_eq!(noon.since(Time::ZERO), Duration::from_secs(12 * 3600));
/// assert_eq!(Time::ZERO.since(noon), Duration::ZERO);
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(u64);

/// A wall clock beyond this is wrong, and stamps after it would come to the end of numbers.
pub(crate) const MAX_WALL: Time = Time::from_micros(1 << 61);

impl Time {
    /// The beginning of 1970; no stamp is earlier.
    pub const ZERO: Self = Self(0);

    /// The time this many microseconds after the beginning of 1970.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the beginning of 1970.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;

    /// Saturates at the end of time, some 584,000 years from now.
    #[inline]
    fn add(self, duration: Duration) -> Self {
        // In 64 bits, because every update asks the clock.
        let seconds = duration.as_secs().saturating_mul(1_000_000);
        let micros = seconds.saturating_add(duration.subsec_micros().into());
        Self(self.0.saturating_add(micros))
    }
}

/// Seconds since 1970, with all six decimals.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A hybrid logical clock (Kulkarni and others, *Logical Physical Clocks*, 2014), with the logical part
/// folded into the microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HybridClock {
    /// The largest time handed out or seen.
    latest: Time,
}

impl HybridClock {
    /// The time of the next local update: after everything seen, and not before `wall`.
    #[inline]
    pub(crate) fn next(&self, wall: Time) -> Time {
        wall.max(Time(self.latest.0.saturating_add(1)))
    }

    /// Takes note of a time that was used, here or elsewhere.
    #[inline]
    pub(crate) fn observe(&mut self, time: Time) {
        self.latest = self.latest.max(time);
    }

    /// The largest time handed out or seen.
    pub(crate) fn latest(&self) -> Time {
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hybrid_clock_does_not_follow_a_wall_clock_that_steps_back() {
        let mut clock = HybridClock::default();
        clock.observe(clock.next(Time(100)));
        assert_eq!(clock.next(Time(40)), Time(101));
        clock.observe(Time(500));
        assert_eq!(clock.next(Time(40)), Time(501));
        assert_eq!(clock.next(Time(900)), Time(900));
    }
}
