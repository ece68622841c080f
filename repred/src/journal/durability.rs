//! [`Durability`]: when an update counts as written.

use std::time::Duration;

/// When an update counts as written. Before that, its [receipt](crate::Receipt) is not ready, and no peer gets it.
///
/// What becomes of updates that were acknowledged:
///
/// | | [`EveryUpdate`](Self::EveryUpdate) | [`Interval`](Self::Interval) | [`System`](Self::System) |
/// |---|---|---|---|
/// | the process crashes or is killed | all survive | all survive | all survive |
/// | the operating system crashes, or power fails | all survive | those of the last interval may be lost | those of the last half minute or so may be lost (Linux) |
/// | the disk is full | all survive; an update that is refused has not happened | the same | the same |
/// | a sync fails | what was acknowledged survives; what waited for this sync may or may not | those before the last successful sync survive | unknown |
/// | bytes on the disk change later | the journal [says where](crate::error::OpenError::Damaged) when it is opened; what comes before can be recovered. The last record may look as if it had never been written in full, and is cut off | the same, for all that was written since the last sync | the same, for all that was written since the journal was opened or compacted |
/// | the replica's id afterwards | the same, unless the last record or one before it is damaged | a new one, unless the journal was closed | a new one, unless the journal was closed |
/// | the cost of an update | a share of a sync: all updates that come during one share the next | a write | a write |
///
/// An update that was not acknowledged may or may not survive; no other replica has it. The replica confirms updates
/// of peers only when they are as durable as its own, so what is lost here comes again from there.
///
/// Open a copy of a journal, such as a restored backup, as [`restored`](crate::ReplicaBuilder::restored).
///
/// A disk that reports a sync as done before it is makes `EveryUpdate` no better than `System`.
///
/// ```
/// use std::time::Duration;
///
/// use repred::{Counter, Durability, Replica, journal::Memory};
///
/// let votes = Replica::builder(Counter::default())
///     .durability(Durability::Interval(Duration::from_millis(100)))
///     .open_in(Memory::new())?;
/// votes.update(3)?.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// When the disk has it (`fdatasync`). The default.
    #[default]
    EveryUpdate,
    /// When the operating system has it. The journal syncs this much later at the latest.
    Interval(Duration),
    /// When the operating system has it. The journal syncs only when it is opened or compacted.
    System,
}
