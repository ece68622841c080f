//! [`Contest`]: contenders that take turns, and the table of their medians.

use std::time::Duration;

/// How large to measure: in full, or just to see that it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As the documents quote it.
    Full,
    /// In seconds, with sizes that mean nothing.
    Quick,
}

impl Scale {
    /// What the command line asks for. `cargo bench` says `--bench`; whoever does not, such as
    /// `cargo test --all-targets`, wants to see that it works.
    pub fn from_args() -> Self {
        let has = |flag: &str| std::env::args().any(|arg| arg == flag);
        if has("--bench") && !has("--quick") { Self::Full } else { Self::Quick }
    }

    /// One of two sizes.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }

    /// How many rounds a contest has.
    pub fn rounds(self) -> usize {
        self.pick(7, 1)
    }
}

/// Contenders that do the same work in turns.
#[expect(missing_debug_implementations, reason = "closures have none")]
pub struct Contest<'a> {
    title: String,
    contenders: Vec<(&'a str, Round<'a>)>,
}

type Round<'a> = Box<dyn FnMut() -> f64 + 'a>;

impl<'a> Contest<'a> {
    /// A contest that nobody takes part in yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), contenders: Vec::new() }
    }

    /// One more contender, and how many updates a second it has reached in one round. The others are
    /// compared with the first. Nobody takes part whose name does not contain what the command line
    /// gives beside its flags: that leaves a profiler with one of them.
    #[must_use]
    pub fn with(mut self, name: &'a str, round: impl FnMut() -> f64 + 'a) -> Self {
        let mut wanted = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
        if wanted.all(|part| name.contains(&part)) {
            self.contenders.push((name, Box::new(round)));
        }
        self
    }

    /// Lets them run in turns and prints the medians.
    pub fn run(mut self, rounds: usize) {
        if self.contenders.is_empty() {
            return;
        }
        let mut rates = vec![Vec::new(); self.contenders.len()];
        for _ in 0..rounds {
            for ((_, round), rates) in self.contenders.iter_mut().zip(&mut rates) {
                rates.push(round());
            }
        }
        println!("\n{} (medians of {rounds})", self.title);
        let mut first = None;
        for ((name, _), rates) in self.contenders.iter().zip(&mut rates) {
            rates.sort_by(f64::total_cmp);
            let median = rates[rates.len() / 2];
            let ratio = median / *first.get_or_insert(median) * 100.0;
            let (scaled, unit) =
                if median < 1e5 { (median / 1e3, 'k') } else { (median / 1e6, 'M') };
            println!("  {name:<36} {scaled:>8.2} {unit}/s {ratio:>6.0} %");
        }
    }
}

/// Updates a second.
pub fn rate(updates: usize, took: Duration) -> f64 {
    updates as f64 / took.as_secs_f64()
}

/// Microseconds with one decimal.
pub fn micros(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e6)
}
