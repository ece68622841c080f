//! [`Clock`]: where a replica gets the time from.

#[cfg(not(target_family = "wasm"))]
pub use self::system::SystemClock;
use crate::time::{Monotonic, Now, Time};

/// Where a [`Replica`](crate::Replica) gets the time from.
///
/// The wall clock may stand still or step; stamps do not. The monotonic clock measures timeouts, and must
/// neither stand still nor step back.
///
/// A closure that returns a [`Time`] is a clock, too: the wall clock is the closure, and the monotonic
/// clock the operating system's. (Not on WebAssembly, where there is none.)
///
/// ```
/// use repred::{Counter, Replica, Time};
///
/// let votes = Replica::builder(Counter::default()).clock(|| Time::from_micros(1_000)).build();
/// let receipt = votes.update(1)?;
/// assert_eq!(receipt.stamp().unwrap().time, Time::from_micros(1_000));
/// # Ok::<(), repred::error::UpdateError>(())
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The wall time now.
    fn wall(&self) -> Time;

    /// How much time has passed since a start, which is the same for all calls.
    fn monotonic(&self) -> Monotonic;

    /// What both clocks show.
    fn now(&self) -> Now {
        Now { wall: self.wall(), monotonic: self.monotonic() }
    }
}

/// The operating system's clocks. The standard library has none for a browser, so that a program there
/// brings its own.
#[cfg(not(target_family = "wasm"))]
mod system {
    use std::{
        sync::OnceLock,
        time::{Instant, SystemTime, UNIX_EPOCH},
    };

    use super::{Clock, Monotonic, Time};

    /// The operating system's clocks.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct SystemClock;

    impl Clock for SystemClock {
        fn wall(&self) -> Time {
            // A clock before 1970 is wrong, and the hybrid clock copes with that as with any wrong clock.
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            // What is finer than a microsecond is left to the hybrid clock: it would make every update a byte longer.
            Time::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
        }

        fn monotonic(&self) -> Monotonic {
            // One start for all, so that the readings of any two of these clocks can be compared.
            static START: OnceLock<Instant> = OnceLock::new();
            let micros = START.get_or_init(Instant::now).elapsed().as_micros();
            Monotonic::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
        }
    }

    impl<F: Fn() -> Time + Send + Sync + 'static> Clock for F {
        fn wall(&self) -> Time {
            self()
        }

        fn monotonic(&self) -> Monotonic {
            SystemClock.monotonic()
        }
    }
}
