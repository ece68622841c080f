//! [`Unavailable`]: why a replica cannot be used at all.

use core::{error::Error, fmt};

/// Why a replica cannot be used, whatever it is asked to do. Nothing was done.
///
/// ```
/// use repred::{Counter, Replica, error::Unavailable};
///
/// let votes = Replica::new(Counter::default());
/// let inside = votes.read(|_| votes.read(|votes| votes.value()))?;
/// assert_eq!(inside, Err(Unavailable::Reentrant));
/// # Ok::<(), Unavailable>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unavailable {
    /// `reduce` has panicked before, so the state may be half changed: a fault of the reducer. Start again with a
    /// new replica, or open the journal again.
    Poisoned,
    /// The replica was used from inside its own `reduce`, `read` or `edit`, where it would wait for itself: a fault
    /// of the caller. Do it afterwards.
    Reentrant,
    /// Every handle of the replica was dropped.
    Gone,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poisoned => {
                "reduce has panicked, so the state may be half changed; start a new replica"
            }
            Self::Reentrant => {
                "the replica was used from inside its own reduce, read or edit; do it afterwards"
            }
            Self::Gone => "nobody holds the replica any more",
        })
    }
}

impl Error for Unavailable {}
