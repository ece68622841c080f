//! [`Alarm`]: wakes a task at a deadline.

use std::task::Context;

use super::{platform::Platform, timer::Sleep};
use crate::time::Monotonic;

/// Wakes the task at a deadline.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Sleep>,
    /// When that ends.
    armed: Option<Monotonic>,
}

impl Alarm {
    /// Whether the deadline has come; if not, the task is woken then, or earlier.
    pub(super) fn poll(
        &mut self,
        platform: &Platform,
        deadline: Monotonic,
        cx: &mut Context<'_>,
    ) -> bool {
        loop {
            let now = platform.clock.monotonic();
            if now >= deadline {
                self.armed = None;
                return true;
            }
            // A timer that is early costs one more poll; a new one at each deadline costs a lock and an allocation.
            if self.armed.is_none_or(|armed| armed > deadline || armed <= now) {
                self.sleep = Some(platform.timer.sleep(deadline.since(now)));
                self.armed = Some(deadline);
            }
            let Some(sleep) = &mut self.sleep else {
                return false;
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            self.armed = None;
        }
    }
}
