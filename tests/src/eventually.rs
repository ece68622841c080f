//! [`eventually`]: waiting for what other threads do.

use std::{
    thread,
    time::{Duration, Instant},
};

/// So long nothing takes, on however busy a machine: who waits longer waits for ever.
const FOR_EVER: Duration = Duration::from_secs(120);

/// Lets other threads go on until something is so.
///
/// # Panics
///
/// If it never is.
#[track_caller]
pub fn eventually(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < FOR_EVER, "it never comes to be so");
        thread::yield_now();
    }
}
