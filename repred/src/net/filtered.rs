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

/// Some of the changes of a replica; see [`Subscription::filtered`].
#[must_use = "a stream does nothing unless it is polled"]
pub struct Filtered<R: Replicated, T, F> {
    subscription: Subscription<R>,
    pick: F,
    /// The last that was picked, until it is known whether it is the last of its step.
    pending: Option<Pending<T>>,
}

struct Pending<T> {
    stamp: Stamp,
    picked: T,
    ends_step: bool,
}

impl<R: Replicated, T, F> Filtered<R, T, F> {
    pub(super) fn new(subscription: Subscription<R>, pick: F) -> Self {
        Self { subscription, pick, pending: None }
    }

    /// Reads the state, and moves the stream to that moment; see [`Subscription::read`].
    ///
    /// # Errors
    ///
    /// See [`Subscription::read`].
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
    /// Takes an event, and returns what can be passed on now.
    fn on_event(&mut self, event: ReplicaEvent<R::Changes>) -> Option<ReplicaEvent<T>> {
        let (stamp, changes, ends_step) = match event {
            ReplicaEvent::Changed { stamp, changes, ends_step } => (stamp, changes, ends_step),
            ReplicaEvent::Deferred => return Some(ReplicaEvent::Deferred),
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

    /// What is pending, if it is the last of its step.
    fn last(&mut self) -> Option<ReplicaEvent<T>> {
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
            if let Some(last) = this.last() {
                return Poll::Ready(Some(last));
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
