//! [`Durable`]: waiting until something will survive.

use alloc::sync::Arc;
use core::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{log_position::LogPosition, unavailable::Unavailable};

/// Knows how far a replica is durable; the writer of its journal implements this.
pub(crate) trait AwaitDurable: Send + Sync {
    /// What became of everything up to a position. While that is open, the task is woken when it is settled.
    fn poll(&self, position: LogPosition, cx: &Context<'_>) -> Poll<Result<(), NotDurable>>;

    /// Blocks until it is settled what became of everything up to a position.
    fn wait(&self, position: LogPosition) -> Result<(), NotDurable>;
}

/// Ready when what was written is as durable as was [chosen](crate::Durability); at once for a replica
/// without a journal. Dropping it changes nothing.
#[must_use = "a future does nothing unless it is awaited"]
#[derive(Clone)]
pub struct Durable {
    /// `None` where there is no journal.
    journal: Option<(Arc<dyn AwaitDurable>, LogPosition)>,
}

impl Durable {
    pub(crate) fn at_once() -> Self {
        Self { journal: None }
    }

    /// Waits until everything up to a position is durable.
    pub(crate) fn up_to(position: LogPosition, journal: Arc<dyn AwaitDurable>) -> Self {
        Self { journal: Some((journal, position)) }
    }

    /// Waits, and blocks the thread meanwhile. In a task, `.await` it instead. Inside of `reduce`, `read` or `edit` of the
    /// same replica this returns an error at once, where blocking on the future would wait for ever.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let votes = Replica::builder(Counter::default()).open_in(Memory::new())?;
    /// let durable = votes.update(3)?.durable();
    /// durable.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`NotDurable`].
    pub fn wait(self) -> Result<(), NotDurable> {
        match self.journal {
            Some((journal, position)) => journal.wait(position),
            None => Ok(()),
        }
    }
}

impl Future for Durable {
    type Output = Result<(), NotDurable>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.journal {
            Some((journal, position)) => journal.poll(*position, cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = self.journal.as_ref().map(|(_, position)| position);
        f.debug_struct("Durable").field("position", &position).finish()
    }
}

/// Why an update is not durable. It was not sent to any peer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotDurable {
    /// The journal has refused it, for instance because the disk is full. The update was rolled back, and the state is as
    /// it was before. Write it again when there is room.
    Refused {
        /// What the storage said.
        cause: Arc<dyn Error + Send + Sync>,
    },
    /// The journal has failed, so it is unknown whether the update survives. The replica can only be read; open it again.
    Unknown {
        /// What has happened.
        cause: Arc<dyn Error + Send + Sync>,
    },
    /// Waiting here would deadlock: the calling thread holds the replica's lock (inside `reduce`, `read` or `edit`),
    /// or it is the journal's writer thread (inside a waker). Wait after returning.
    Unavailable(Unavailable),
}

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { .. } => {
                write!(f, "the update was not written, and the state is as before")
            }
            Self::Unknown { .. } => {
                write!(f, "whether the update survives is unknown; open the replica again")
            }
            Self::Unavailable(_) => {
                f.write_str("it cannot become durable while it is waited for here; wait afterwards")
            }
        }
    }
}

impl Error for NotDurable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused { cause } | Self::Unknown { cause } => Some(&**cause),
            Self::Unavailable(error) => Some(error),
        }
    }
}
