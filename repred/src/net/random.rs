//! [`Random`]: where the ids of replicas come from, and what tells copies of them apart.

#[cfg(not(target_family = "wasm"))]
pub use self::system::SystemRandom;

/// Where a [`Replica`](crate::Replica) gets random numbers from: for its id, and for a new one if another replica turns out
/// to use the same, and for a mark of what it writes from each time on that it is opened, which tells it from a copy.
///
/// They must be as good as the operating system's. Two replicas with one id lose updates, because each takes the other's
/// updates for its own.
///
/// A function that fills a slice is a source.
pub trait Random: Send + Sync + 'static {
    /// Fills the slice with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}

impl<F: Fn(&mut [u8]) + Send + Sync + 'static> Random for F {
    fn fill(&self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// The operating system's random numbers. In a browser they belong to JavaScript, and a program there hands
/// them in.
#[cfg(not(target_family = "wasm"))]
mod system {
    use super::Random;

    /// The operating system's random numbers.
    ///
    /// # Panics
    ///
    /// If the operating system has none, which does not happen on a system that has finished starting.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct SystemRandom;

    impl Random for SystemRandom {
        fn fill(&self, bytes: &mut [u8]) {
            getrandom::fill(bytes).expect("the operating system has random numbers");
        }
    }
}
