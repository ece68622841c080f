//! [`Durability`]: when an update counts as written.

use std::time::Duration;

/// When an update counts as written: before that, its receipt is not ready, and no peer hears of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// When the disk says that it has it. What was acknowledged survives a loss of power. Updates that
    /// come while the disk is busy share the next sync.
    #[default]
    EveryUpdate,
    /// The same, but the disk is asked this often at most. A crash of the system takes what came since;
    /// of the process, nothing.
    Interval(Duration),
    /// When the operating system has it, which writes it to the disk when it likes. A crash of the process
    /// takes nothing; of the system, the last half minute or so.
    System,
}
