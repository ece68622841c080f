//! [`Timer`]: what wakes a connection when a time has come.

use std::{future::Future, pin::Pin, time::Duration};

#[cfg(not(target_family = "wasm"))]
pub use self::system::SystemTimer;

/// A future that is ready when some time has gone by; see [`Timer`]. Dropping it cancels it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What wakes a [`Connection`](crate::Connection) when it has to send a ping, or to give up a silent peer.
///
/// A function that takes a duration and returns a future is a timer, so that the one of an executor can be
/// used: `.timer(tokio::time::sleep)`.
///
/// ```
/// use repred::{Counter, Replica};
///
/// let votes = Replica::builder(Counter::default()).timer(futures_timer::Delay::new).build();
/// # let _ = votes;
/// ```
pub trait Timer: Send + Sync + 'static {
    /// A future that is ready when so much time has gone by. It may be late; a connection then is, too.
    fn sleep(&self, duration: Duration) -> Sleep;
}

impl<F, S> Timer for F
where
    F: Fn(Duration) -> S + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(self(duration))
    }
}

/// A thread that sleeps: a program in a browser has none, and brings its own timer.
#[cfg(not(target_family = "wasm"))]
mod system {
    use futures_timer::Delay;

    use super::{Duration, Sleep, Timer};

    /// One thread for all timers of the process, started by the first. It needs no executor.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct SystemTimer;

    impl Timer for SystemTimer {
        fn sleep(&self, duration: Duration) -> Sleep {
            Box::pin(Delay::new(duration))
        }
    }
}
