//! [`Subscription`]: the changes of a replica as a stream.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{
    replica::Replica,
    shared::{Key, Shared},
};
use crate::{event::ReplicaEvent, reduce::Replicated, unavailable::Unavailable};

/// The changes of a replica, as they happen; see [`Replica::subscribe`](crate::Replica::subscribe).
///
/// All observers of a replica share one bounded buffer. An observer that does not keep up costs no memory: it gets
/// [`ReplicaEvent::Lagged`], and then what happens from there on. The stream ends when the last handle of the replica
/// is dropped, and when `reduce` has panicked. Dropping the subscription ends it.
///
/// ```
/// use futures::StreamExt;
/// use repred::{Counter, Replica, ReplicaEvent};
///
/// # futures::executor::block_on(async {
/// let votes = Replica::new(Counter::default());
/// let mut changes = votes.subscribe()?;
/// votes.update(3)?;
/// let Some(ReplicaEvent::Changed { stamp, .. }) = changes.next().await else { panic!() };
/// assert_eq!(stamp.origin(), votes.id()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "a subscription is a stream, and does nothing unless it is polled"]
pub struct Subscription<R: Replicated> {
    /// Weak, so that an observer does not keep a replica alive that nobody holds any more.
    shared: Weak<Shared<R>>,
    key: Key,
    place: u64,
}

impl<R: Replicated> Replica<R> {
    /// A stream of all changes from now on, whether they come from local or from remote updates.
    ///
    /// Whoever reacts to a change writes an ordinary later update. An observer that does not keep up gets a
    /// [`ReplicaEvent::Lagged`] instead of what it missed. Dropping the stream ends the subscription.
    ///
    /// ```
    /// use futures::{FutureExt, StreamExt};
    /// use repred::{Counter, Replica, ReplicaEvent};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut changes = votes.subscribe()?;
    /// votes.update(3)?;
    /// let event = changes.next().now_or_never().flatten();
    /// assert!(matches!(event, Some(ReplicaEvent::Changed { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    #[doc(alias("observe", "watch", "listen", "events", "on_change"))]
    pub fn subscribe(&self) -> Result<Subscription<R>, Unavailable> {
        Subscription::new(self.shared())
    }
}

impl<R: Replicated> Subscription<R> {
    fn new(shared: &Arc<Shared<R>>) -> Result<Self, Unavailable> {
        let (key, place) = shared.with(|inner| (inner.key(), inner.core.events_mut().observe()))?;
        Ok(Self { shared: Arc::downgrade(shared), key, place })
    }

    /// Reads the state, and continues from there: the next event is the first change that is not in it yet. Call
    /// it at the beginning, and again after each [`ReplicaEvent::Lagged`].
    ///
    /// ```
    /// use futures::{FutureExt, StreamExt};
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut changes = votes.subscribe()?;
    /// votes.edit(|votes| votes.add(3))?;
    ///
    /// let shown = changes.read(|votes| votes.value())?;
    /// assert_eq!(shown, 3);
    /// assert!(changes.next().now_or_never().is_none(), "no event for what was read");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Unavailable`]. Also [`Unavailable::Gone`] when nobody holds the replica any more.
    pub fn read<T>(&mut self, read: impl FnOnce(&R) -> T) -> Result<T, Unavailable> {
        let shared = self.shared.upgrade().ok_or(Unavailable::Gone)?;
        shared.with(|inner| {
            let value = read(inner.core.state()?);
            self.place = inner.core.events().end();
            Ok(value)
        })?
    }
}

impl<R: Replicated> Stream for Subscription<R> {
    type Item = ReplicaEvent<R::Changes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(shared) = this.shared.upgrade() else { return Poll::Ready(None) };
        let event = shared.with(|inner| {
            let event = inner.core.events().next(&mut this.place);
            if event.is_none() && inner.core.check_health().is_err() {
                return Poll::Ready(None);
            }
            if event.is_none() {
                inner.wake_on_change(this.key, cx.waker());
            }
            event.map_or(Poll::Pending, |event| Poll::Ready(Some(event)))
        });
        match event {
            Ok(polled) => polled,
            Err(_) => {
                // Polled from inside `read` or `reduce`: ask again when that is over.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl<R: Replicated> Drop for Subscription<R> {
    fn drop(&mut self) {
        // If this thread holds the lock, the observer cannot be unregistered. The event ring then stays allocated;
        // its capacity bounds the leak.
        if let Some(shared) = self.shared.upgrade() {
            let _ = shared.with(|inner| {
                inner.core.events_mut().leave();
                inner.forget_wakers(self.key);
            });
        }
    }
}

impl<R: Replicated> fmt::Debug for Subscription<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("place", &self.place).finish_non_exhaustive()
    }
}
