//! [`Durability`]: when an update counts as written.

use std::time::Duration;

/// When an update counts as written: before that, its [receipt](crate::Receipt) is not ready, and no peer
/// hears of it.
///
/// What is left after what, of updates that were acknowledged:
///
/// | | [`EveryUpdate`](Self::EveryUpdate) | [`Interval`](Self::Interval) | [`System`](Self::System) |
/// |---|---|---|---|
/// | the process crashes, or is killed | all | all | all |
/// | the operating system crashes, or power is lost | all | all but those of the last interval | all but those of some half a minute (Linux) |
/// | the disk is full | all; what is refused has not happened | all; the same | all; the same |
/// | a sync fails | all; of what waits for it, nobody knows | those before the last sync that did not | nobody can tell |
/// | bytes on the disk are damaged | found when it is opened, and told where; what comes before can be recovered. What was written last may look as if it had never been written in full, and is cut off | the same, but for all that came since the last sync | the same, but for all that came since it was opened or compacted |
/// | under which id it goes on after that | the one it had, unless what was written last, or before it, is damaged | a new one, unless it was closed | a new one, unless it was closed |
/// | what an update costs | a sync, shared by all that come meanwhile | a write | a write |
///
/// Updates that were not acknowledged may be there, or not; nobody else has heard of them. What a peer has
/// sent is confirmed to it only when it is as durable as our own, so what is lost here comes again from there.
///
/// A copy of a journal, such as a restored backup, is to be opened as [`restored`](crate::ReplicaBuilder::restored).
///
/// A disk that says that it has what it has not, as some do unless they are told otherwise, makes
/// `EveryUpdate` the same as `System`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// When the disk says that it has it.
    #[default]
    EveryUpdate,
    /// When the operating system has it, and the disk is told to have it this much later at most.
    Interval(Duration),
    /// When the operating system has it, which writes it to the disk when it likes.
    System,
}
