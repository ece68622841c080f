//! [`Coverage`]: what a test of the laws has covered.

use std::fmt;

/// What a test of the laws has covered. Its `Display` is a few lines.
///
/// ```
/// use repred::{Counter, testing::Laws};
///
/// let coverage = Laws::of(Counter::default).run().unwrap();
/// assert!(coverage.complete >= 2, "all histories of two updates are among them");
/// assert!(coverage.conflicts_percent() >= coverage.ties_percent());
/// println!("{coverage}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// Histories that were checked, each in every order.
    pub histories: u64,
    /// All histories of up to this many updates were among them.
    pub complete: usize,
    /// Origins in them.
    pub origins: usize,
    /// Sets of entries that a replica may have seen at some moment, in all histories together.
    pub cuts: u64,
    /// Calls of `reduce`.
    pub applications: u64,
    /// Histories in which two updates that did not know of each other changed the same place.
    pub with_conflicts: u64,
    /// Histories in which two of those were written at the same time too.
    pub with_ties: u64,
}

impl Coverage {
    /// Returns in how many of a hundred histories concurrent updates changed the same place of the state.
    pub fn conflicts_percent(&self) -> u64 {
        self.percent(self.with_conflicts)
    }

    /// Returns in how many of a hundred histories those were written at the same time, too.
    pub fn ties_percent(&self) -> u64 {
        self.percent(self.with_ties)
    }

    fn percent(&self, of_histories: u64) -> u64 {
        of_histories * 100 / self.histories.max(1)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, complete, origins, cuts, applications, .. } = self;
        write!(f, "{histories} histories of up to {origins} origins, each in every order (")?;
        match complete {
            0 => write!(f, "at random")?,
            1 => write!(f, "all of one update, then at random")?,
            n => write!(f, "all of up to {n} updates, then at random")?,
        }
        write!(
            f,
            "): {cuts} cuts, {applications} calls of `reduce`; concurrent updates of the same place in \
             {} % of the histories, at the same time too in {} %",
            self.conflicts_percent(),
            self.ties_percent()
        )
    }
}
