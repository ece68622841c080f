//! [`Platform`]: what a replica needs from the platform it runs on.

use std::{fmt, sync::Arc};

use super::{clock::Clock, random::Random, timer::Timer};
#[cfg(not(target_family = "wasm"))]
use super::{clock::SystemClock, random::SystemRandom, timer::SystemTimer};
use crate::id::ReplicaId;

/// What a [`Replica`](crate::Replica) needs from the platform it runs on: a clock, a timer and random numbers.
///
/// On most platforms that is the operating system's, and nobody has to say so. On WebAssembly the program
/// brings all three, and begins with [`Replica::builder_on`](crate::Replica::builder_on):
///
/// ```
/// use repred::{Counter, Replica, Time, net::{Clock, Platform}, sans_io::Monotonic};
///
/// struct Page;
///
/// impl Clock for Page {
///     fn wall(&self) -> Time {
///         # let date_now = || 1_700_000_000_000.0;
///         Time::from_micros((date_now() * 1000.0) as u64)
///     }
///
///     fn monotonic(&self) -> Monotonic {
///         # let performance_now = || 3.5;
///         Monotonic::from_micros((performance_now() * 1000.0) as u64)
///     }
/// }
///
/// # let set_timeout = futures_timer::Delay::new;
/// # let get_random_values = |bytes: &mut [u8]| bytes.fill(7);
/// let platform = Platform::new(Page, set_timeout, get_random_values);
/// let votes = Replica::builder_on(platform, Counter::default()).build();
/// votes.update(1)?;
/// # Ok::<(), repred::error::UpdateError>(())
/// ```
#[derive(Clone)]
pub struct Platform {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) timer: Arc<dyn Timer>,
    pub(super) random: Arc<dyn Random>,
}

impl Platform {
    /// The platform with this clock, this timer, and these random numbers.
    pub fn new(clock: impl Clock, timer: impl Timer, random: impl Random) -> Self {
        Self { clock: Arc::new(clock), timer: Arc::new(timer), random: Arc::new(random) }
    }

    /// The operating system's clocks and random numbers, and a thread that is the timer.
    #[cfg(not(target_family = "wasm"))]
    pub fn system() -> Self {
        Self::new(SystemClock, SystemTimer, SystemRandom)
    }

    /// 128 random bits: no two replicas that anybody will ever run draw the same.
    pub(super) fn random_id(&self) -> ReplicaId {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        ReplicaId::from_bytes(bytes)
    }

    /// 32 random bits.
    pub(super) fn random_number(&self) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}
