//! [`Chance`]: random numbers from one seed, which is printed when a test fails.

use std::{env, ops::Range};

/// Random numbers (SplitMix64). `SEED=n cargo test` runs with another seed.
#[derive(Debug)]
pub struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// The numbers that follow from a seed.
    pub fn new(seed: u64) -> Self {
        let seed = env::var("SEED").map_or(seed, |text| text.parse().expect("SEED is a number"));
        Self { seed, state: seed }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
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
