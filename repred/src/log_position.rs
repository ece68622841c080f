//! [`LogPosition`]: where a replica stood at some moment.

/// Where a history stood at some moment. All parts only grow, and one of them does with any change.
///
/// Of one replica, the later one is the larger one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPosition {
    /// Grows when a snapshot is adopted or something is trimmed.
    pub(crate) generation: u64,
    /// The position of the next entry.
    pub(crate) end: u64,
    /// How much is kept beside the history.
    pub(crate) beside: u64,
}

impl LogPosition {
    /// Whether everything that there was at the other position was there at this one.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.end >= other.end && self.generation >= other.generation && self.beside >= other.beside
    }
}
