//! What the program is given by its host, and a [`Platform`] of that.

use std::{
    future::{Future, poll_fn},
    task::Poll,
    time::Duration,
};

use repred::{
    Time,
    net::{Clock, Platform},
    sans_io::Monotonic,
};

// Every function is safe to call: numbers go in and out, and the text is only read, by a host that checks the bounds.
#[allow(unsafe_code, reason = "there is no other way to declare what a host provides")]
#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Microseconds since 1970.
    safe fn wall_micros() -> u64;
    /// Microseconds since some start.
    safe fn monotonic_micros() -> u64;
    safe fn random() -> u64;
    /// Moves both clocks.
    safe fn advance(micros: u64);
    /// Prints the text at this place in memory.
    safe fn print(text: *const u8, bytes: usize);
}

struct HostClock;

impl Clock for HostClock {
    fn wall(&self) -> Time {
        Time::from_micros(wall_micros())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_micros(monotonic_micros())
    }
}

/// A timer for a driver that polls all the time, and needs no waker. Nothing is blocked by it.
fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
    let deadline = HostClock.monotonic().checked_add(duration);
    poll_fn(move |_| match deadline {
        Some(deadline) if HostClock.monotonic() >= deadline => Poll::Ready(()),
        _ => Poll::Pending,
    })
}

fn fill_random(bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random().to_le_bytes()[..chunk.len()]);
    }
}

pub(crate) fn platform() -> Platform {
    Platform::new(HostClock, sleep, fill_random)
}

/// Lets so much time go by.
pub(crate) fn wait(duration: Duration) {
    advance(duration.as_micros() as u64);
}

pub(crate) fn report(text: &str) {
    print(text.as_ptr(), text.len());
}

pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| report(&panic.to_string())));
}
