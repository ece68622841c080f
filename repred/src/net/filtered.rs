//! [`Filtered`]: some of the changes of a replica.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::subscription::Subscription;
use crate::{event::ReplicaEvent, reduce::Replicated, stamp::Stamp, unavailable::Unavailable};

/// Some of the changes of a replica; see [`Subscription::filtered`]. Dropping it ends the subscription.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Filtered<R: Replicated, T, F> {
    subscription: Subscription<R>,
    pick: F,
    /// The last one that was picked, until it is known whether another one of its step follows.
    pending: Option<Pending<T>>,
}

struct Pending<T> {
    stamp: Stamp,
    picked: T,
    ends_step: bool,
}

impl<R: Replicated> Subscription<R> {
    /// Only the changes for which `pick` returns something, such as those of one field or one key.
    ///
    /// The last one that is picked in an atomic step has `ends_step` set.
    ///
    /// ```
    /// use futures::{FutureExt, StreamExt};
    /// use repred::{Counter, Reduce, Register, Replica, ReplicaEvent};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Reduce, Default, Serialize, Deserialize)]
    /// struct Poll {
    ///     question: Register<String>,
    ///     votes: Counter,
    /// }
    ///
    /// let poll = Replica::new(Poll::default());
    /// let mut votes = poll.subscribe()?.filtered(|changes| match changes {
    ///     PollChanges::Votes(votes) => votes.after().copied(),
    ///     _ => None,
    /// });
    /// poll.edit(|poll| {
    ///     poll.votes().add(3);
    ///     poll.question().set("tea?");
    /// })?;
    /// let event = votes.next().now_or_never().flatten();
    /// assert!(matches!(event, Some(ReplicaEvent::Changed { changes, ends_step: true, .. }) if *changes == 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("filter", "filter_map", "select"))]
    pub fn filtered<T, F>(self, pick: F) -> Filtered<R, T, F>
    where
        F: FnMut(&R::Changes) -> Option<T> + Unpin,
    {
        Filtered { subscription: self, pick, pending: None }
    }
}

impl<R: Replicated, T, F> Filtered<R, T, F> {
    /// Reads the state, and continues from there; see [`Subscription::read`].
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut large = votes.subscribe()?.filtered(|votes| votes.after().copied().filter(|&n| n > 9));
    /// assert_eq!(large.read(|votes| votes.value())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Unavailable`].
    pub fn read<V>(&mut self, read: impl FnOnce(&R) -> V) -> Result<V, Unavailable> {
        let value = self.subscription.read(read)?;
        self.pending = None;
        Ok(value)
    }
}

impl<R: Replicated, T, F> Filtered<R, T, F>
where
    F: FnMut(&R::Changes) -> Option<T>,
{
    /// Receives an event, and returns the one before it, if that is complete now.
    fn on_event(&mut self, event: ReplicaEvent<R::Changes>) -> Option<ReplicaEvent<T>> {
        let (stamp, changes, ends_step) = match event {
            ReplicaEvent::Changed { stamp, changes, ends_step } => (stamp, changes, ends_step),
            ReplicaEvent::Deferred => return Some(ReplicaEvent::Deferred),
            ReplicaEvent::Rejoined => return Some(ReplicaEvent::Rejoined),
            ReplicaEvent::Lagged => {
                self.pending = None;
                return Some(ReplicaEvent::Lagged);
            }
        };
        match (self.pick)(&changes) {
            Some(picked) => {
                let before = self.pending.replace(Pending { stamp, picked, ends_step });
                before.map(Pending::into_event)
            }
            None => {
                if let Some(pending) = &mut self.pending {
                    pending.ends_step = ends_step;
                }
                None
            }
        }
    }

    /// The pending one, if it is the last of its step.
    fn complete(&mut self) -> Option<ReplicaEvent<T>> {
        self.pending.take_if(|pending| pending.ends_step).map(Pending::into_event)
    }
}

impl<T> Pending<T> {
    fn into_event(self) -> ReplicaEvent<T> {
        let Self { stamp, picked, ends_step } = self;
        ReplicaEvent::Changed { stamp, changes: Arc::new(picked), ends_step }
    }
}

impl<R: Replicated, T: Unpin, F> Stream for Filtered<R, T, F>
where
    F: FnMut(&R::Changes) -> Option<T> + Unpin,
{
    type Item = ReplicaEvent<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        // A step's events are all there when the first is, so this never waits in the middle of one.
        loop {
            if let Some(event) = this.complete() {
                return Poll::Ready(Some(event));
            }
            let Some(event) = std::task::ready!(Pin::new(&mut this.subscription).poll_next(cx))
            else {
                return Poll::Ready(None);
            };
            if let Some(event) = this.on_event(event) {
                return Poll::Ready(Some(event));
            }
        }
    }
}

impl<R: Replicated, T, F> fmt::Debug for Filtered<R, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filtered").field(&self.subscription).finish()
    }
}
