//! [`Time`], the hybrid logical clock that hands it out, and the two clocks of a [`Now`].

use core::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A point in time as stamps carry it: since 1970, in ticks of 1/32 µs, from a hybrid logical clock.
///
/// It is close to the wall clock, but never behind anything its replica has seen, and it strictly
/// increases from one update of a replica to the next: when the wall clock stands still or steps back,
/// the next tick is used instead.
///
/// A tick is this short so that a replica may write 32 million updates a second before its times run
/// ahead of the wall clock, and no shorter, so that a time takes eight bytes as a varint until 2041, as
/// microseconds would.
///
/// ```
/// use std::time::Duration;
/// use repred::Time;
///
/// let noon = Time::from_micros(43_200_000_000);
/// assert_eq!(noon + Duration::from_micros(5), Time::from_micros(43_200_000_005));
/// assert_eq!(noon.since(Time::ZERO), Duration::from_secs(12 * 3600));
/// assert_eq!(Time::ZERO.since(noon), Duration::ZERO);
///
/// let next = Time::from_ticks(noon.as_ticks() + 1);
/// assert!(next > noon && next.as_micros() == noon.as_micros());
/// assert_eq!(next.to_string(), "43200.000000031s");
/// ```
#[doc(alias = "hlc")]
#[doc(alias = "hybrid logical clock")]
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(u64);

/// The upper bound for readings of a wall clock, in the year 4253. A later reading is wrong, and stamps derived from
/// it could overflow.
pub(crate) const MAX_WALL: Time = Time::from_ticks(1 << 61);

const TICKS_PER_SECOND: u64 = 1_000_000 * Time::TICKS_PER_MICRO;

impl Time {
    /// The beginning of 1970; no stamp is earlier.
    pub const ZERO: Self = Self(0);

    /// How many ticks a microsecond has.
    pub const TICKS_PER_MICRO: u64 = 32;

    /// The time this many microseconds after the beginning of 1970; the end of time, some 18,000 years from now, if it
    /// is later than that.
    ///
    /// ```
    /// use repred::Time;
    ///
    /// assert_eq!(Time::from_micros(7).as_micros(), 7);
    /// ```
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(Self::TICKS_PER_MICRO))
    }

    /// Microseconds since the beginning of 1970, rounded down: several times may have the same.
    ///
    /// ```
    /// use repred::Time;
    ///
    /// assert_eq!(Time::ZERO.as_micros(), 0);
    /// ```
    pub const fn as_micros(self) -> u64 {
        self.0 / Self::TICKS_PER_MICRO
    }

    /// The time this many ticks after the beginning of 1970.
    ///
    /// ```
    /// use repred::Time;
    ///
    /// assert_eq!(Time::from_ticks(64), Time::from_micros(2));
    /// ```
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    /// Ticks of 1/32 µs since the beginning of 1970. This is exact, and what is encoded.
    ///
    /// ```
    /// use repred::Time;
    ///
    /// assert_eq!(Time::from_micros(2).as_ticks(), 64);
    /// ```
    pub const fn as_ticks(self) -> u64 {
        self.0
    }

    /// How much later this is than `earlier`, rounded down to a nanosecond; zero if it is not.
    ///
    /// ```
    /// use repred::Time;
    ///
    /// let (early, late) = (Time::from_micros(2), Time::from_micros(5));
    /// assert_eq!(late.since(early).as_micros(), 3);
    /// assert_eq!(early.since(late).as_micros(), 0);
    /// ```
    pub const fn since(self, earlier: Self) -> Duration {
        let ticks = self.0.saturating_sub(earlier.0);
        let nanos = ticks % TICKS_PER_SECOND * 1_000 / Self::TICKS_PER_MICRO;
        Duration::new(ticks / TICKS_PER_SECOND, nanos as u32)
    }
}

impl core::ops::Add<Duration> for Time {
    type Output = Self;

    /// Rounds to the nearest tick, so that `early + late.since(early)` is `late`. Saturates at the end of time, some
    /// 18,000 years from now.
    #[inline]
    fn add(self, duration: Duration) -> Self {
        // In 64 bits, because every update asks the clock.
        let seconds = duration.as_secs().saturating_mul(TICKS_PER_SECOND);
        let rest = (u64::from(duration.subsec_nanos()) * Self::TICKS_PER_MICRO + 500) / 1_000;
        Self(self.0.saturating_add(seconds.saturating_add(rest)))
    }
}

/// Seconds since 1970, with nine decimals: no two times look the same.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since(Self::ZERO);
        write!(f, "{}.{:09}s", since.as_secs(), since.subsec_nanos())
    }
}

/// `Time(7)` is 7 µs after the beginning of 1970, and `Time(7+3)` three ticks later.
impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Time({})", Short(*self))
    }
}

/// A time as debugging output shows it: microseconds, and the ticks beyond them if there are any.
pub(crate) struct Short(pub(crate) Time);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_micros())?;
        match self.0.0 % Time::TICKS_PER_MICRO {
            0 => Ok(()),
            ticks => write!(f, "+{ticks}"),
        }
    }
}

/// A reading of a clock that never steps: microseconds since an arbitrary start, such as that of the program.
///
/// It measures how much time has passed. The wall clock cannot, because somebody may set it meanwhile. Only readings of
/// one clock can be compared.
///
/// ```
/// use std::time::Duration;
/// use repred::sans_io::Monotonic;
///
/// let begun = Monotonic::from_micros(100);
/// let deadline = begun.checked_add(Duration::from_millis(1)).unwrap();
/// assert_eq!(deadline, Monotonic::from_micros(1_100));
/// assert_eq!(deadline.since(begun), Duration::from_millis(1));
/// assert_eq!(begun.since(deadline), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The start of the clock.
    pub const ZERO: Self = Self(0);

    /// The reading this many microseconds after the start.
    ///
    /// ```
    /// use repred::sans_io::Monotonic;
    ///
    /// assert_eq!(Monotonic::from_micros(7).as_micros(), 7);
    /// ```
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start.
    ///
    /// ```
    /// use repred::sans_io::Monotonic;
    ///
    /// assert_eq!(Monotonic::ZERO.as_micros(), 0);
    /// ```
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How much time has gone by since `earlier`; zero if that is later.
    ///
    /// ```
    /// use repred::sans_io::Monotonic;
    ///
    /// let (early, late) = (Monotonic::from_micros(2), Monotonic::from_micros(5));
    /// assert_eq!(late.since(early).as_micros(), 3);
    /// ```
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The reading after so much time, rounded up to a microsecond: a deadline is never early. `None` if no
    /// reading is that late.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use repred::sans_io::Monotonic;
    ///
    /// let deadline = Monotonic::from_micros(2).checked_add(Duration::from_nanos(1));
    /// assert_eq!(deadline, Some(Monotonic::from_micros(3)));
    /// assert_eq!(Monotonic::ZERO.checked_add(Duration::MAX), None);
    /// ```
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let micros = u64::try_from(duration.as_nanos().div_ceil(1000)).ok()?;
        self.0.checked_add(micros).map(Self)
    }
}

/// The time by the two clocks that a session needs. The driver of the session reads both.
///
/// ```
/// use repred::{Time, sans_io::{Monotonic, Now}};
///
/// let now = Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by every driver")]
pub struct Now {
    /// The wall clock, for stamps. It may step.
    pub wall: Time,
    /// A clock that does not step, for timeouts.
    pub monotonic: Monotonic,
}

/// A hybrid logical clock (Kulkarni and others, *Logical Physical Clocks*, 2014), with the logical part
/// folded into the ticks: 32 of them fit into a microsecond, which is as fine as most clocks are read.
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

    /// Records a time that was used, here or elsewhere.
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
    fn a_deadline_is_rounded_up_and_one_that_cannot_be_expressed_is_none() {
        let start = Monotonic::from_micros(7);
        let after = |duration| start.checked_add(duration);
        assert_eq!(after(Duration::from_nanos(1)), Some(Monotonic::from_micros(8)));
        assert_eq!(after(Duration::from_micros(1)), Some(Monotonic::from_micros(8)));
        assert_eq!(
            after(Duration::from_micros(u64::MAX - 7)),
            Some(Monotonic::from_micros(u64::MAX))
        );
        assert_eq!(after(Duration::from_micros(u64::MAX - 6)), None);
        assert_eq!(after(Duration::MAX), None);
    }

    #[test]
    fn a_time_survives_the_way_through_a_duration_and_no_two_look_the_same() {
        let noon = Time::from_micros(1_700_000_000_000_000);
        let mut before = String::new();
        for ticks in 0..3 * Time::TICKS_PER_MICRO {
            let time = Time::from_ticks(noon.as_ticks() + ticks);
            assert_eq!(noon + time.since(noon), time);
            assert_eq!(Time::ZERO + time.since(Time::ZERO), time);
            assert!(time.to_string() > before);
            before = time.to_string();
        }
        assert_eq!(Time::from_micros(u64::MAX), Time::from_ticks(u64::MAX));
        assert_eq!(Time::ZERO + Duration::MAX, Time::from_ticks(u64::MAX));
        assert_eq!(format!("{:?}", Time::from_ticks(7 * 32)), "Time(7)");
        assert_eq!(format!("{:?}", Time::from_ticks(7 * 32 + 3)), "Time(7+3)");
    }

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
