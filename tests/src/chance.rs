//! [`Chance`]: the library's own, whose seed is printed when a test fails.

use std::{env, ops::Range};

/// Decisions of [`repred::testing::Chance`]. `SEED=n cargo test` runs with another seed.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    decisions: repred::testing::Chance,
}

impl Chance {
    /// The numbers that follow from a seed.
    pub fn new(seed: u64) -> Self {
        let seed = env::var("SEED").map_or(seed, |text| text.parse().expect("SEED is a number"));
        Self { seed, decisions: repred::testing::Chance::new(seed) }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.decisions.number()
    }

    /// A number in a range.
    pub fn within(&mut self, range: Range<usize>) -> usize {
        range.start + (self.number() % (range.end - range.start) as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.within(0..n) == 0
    }
}

impl Drop for Chance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to see this failure again: SEED={}", self.seed);
        }
    }
}
