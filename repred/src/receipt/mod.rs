//! [`Receipt`]: what the author of an update gets back.

mod durable;

use alloc::sync::Arc;
use core::{fmt, future::IntoFuture, ops::Deref};

pub(crate) use self::durable::AwaitDurable;
pub use self::durable::{Durable, NotDurable};
use crate::stamp::Stamp;

/// What became of a local update: its changes, and the stamp it was given.
///
/// It dereferences to the changes. Where there is a [journal](crate::journal::Journal), `update` returns the receipt
/// once the update is reduced; awaiting the receipt waits until the update is durable:
///
/// ```
/// use repred::{Counter, Replica, journal::Memory};
///
/// # futures::executor::block_on(async {
/// let votes = Replica::builder(Counter::default()).open_in(Memory::new())?;
/// let receipt = votes.update(3)?;
/// assert_eq!(votes.read(|votes| votes.value())?, 3);
/// receipt.await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Receipt<C> {
    stamp: Option<Stamp>,
    changes: Kept<C>,
    durable: Durable,
}

/// Changes are shared only when somebody observes them: an update nobody watches costs no allocation.
enum Kept<C> {
    Alone(C),
    Shared(Arc<C>),
}

impl<C> Receipt<C> {
    /// For an update that changed nothing, and so was given no stamp.
    pub(crate) fn unchanged(changes: C) -> Self {
        Self { stamp: None, changes: Kept::Alone(changes), durable: Durable::at_once() }
    }

    pub(crate) fn alone(stamp: Stamp, changes: C) -> Self {
        Self { durable: Durable::at_once(), stamp: Some(stamp), changes: Kept::Alone(changes) }
    }

    pub(crate) fn shared(stamp: Stamp, changes: Arc<C>) -> Self {
        Self { durable: Durable::at_once(), stamp: Some(stamp), changes: Kept::Shared(changes) }
    }

    /// The same for an update that is durable when `durable` is ready.
    pub(crate) fn with_durable(self, durable: Durable) -> Self {
        Self { durable, ..self }
    }

    /// Waits until the update will survive, and blocks the thread meanwhile. In a task, `.await` the receipt
    /// instead.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let votes = Replica::builder(Counter::default()).open_in(Memory::new())?;
    /// votes.update(3)?.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`NotDurable`].
    pub fn wait(&self) -> Result<(), NotDurable> {
        self.durable().wait()
    }

    /// A future that is ready when the update will survive. It outlives the receipt.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::Memory};
    ///
    /// let votes = Replica::builder(Counter::default()).open_in(Memory::new())?;
    /// let durable = votes.update(3)?.durable();
    /// futures::executor::block_on(durable)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn durable(&self) -> Durable {
        self.durable.clone()
    }

    /// The stamp that the update was given; `None` if it changed nothing, in which case it is neither kept nor sent.
    ///
    /// ```
    /// use repred::{GrowSet, Replica};
    ///
    /// let numbers = Replica::new(GrowSet::<u32>::default());
    /// assert_eq!(numbers.update(7)?.stamp().unwrap().origin(), numbers.id()?);
    /// assert!(numbers.update(7)?.stamp().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// What the update changed. The receipt dereferences to it.
    ///
    /// ```
    /// use repred::{Changes, GrowSet, Replica};
    ///
    /// let numbers = Replica::new(GrowSet::<u32>::default());
    /// assert!(!numbers.update(7)?.changes().is_empty(), "the number is new");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn changes(&self) -> &C {
        match &self.changes {
            Kept::Alone(changes) => changes,
            Kept::Shared(changes) => changes,
        }
    }
}

impl<C> IntoFuture for Receipt<C> {
    type Output = Result<(), NotDurable>;
    type IntoFuture = Durable;

    fn into_future(self) -> Durable {
        self.durable
    }
}

impl<C> Deref for Receipt<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.changes()
    }
}

impl<C: fmt::Debug> fmt::Debug for Receipt<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("stamp", &self.stamp)
            .field("changes", self.changes())
            .finish()
    }
}
