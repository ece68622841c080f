//! [`Synced`]: waiting to have caught up.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use super::replica::{Inner, Key, Reentrant, Shared};
use crate::{reduce::Replicated, session::Session};

/// Ready when the connections there were at the call have caught up or ended; see
/// [`Replica::synced`](crate::Replica::synced).
#[must_use = "a future does nothing unless it is awaited"]
pub struct Synced<R: Replicated> {
    shared: Weak<Shared<R>>,
    key: Key,
    /// The connections that are waited for; `None` until they are known.
    waiting: Option<Vec<Key>>,
}

impl<R: Replicated> Synced<R> {
    pub(super) fn new(shared: &Arc<Shared<R>>) -> Self {
        let mut synced = Self { shared: Arc::downgrade(shared), key: 0, waiting: None };
        let _ = synced.begin(shared);
        synced
    }

    fn begin(&mut self, shared: &Shared<R>) -> Result<(), Reentrant> {
        let (key, waiting) = shared.with(|inner| {
            inner.sweep();
            (inner.key(), inner.links.keys().copied().collect())
        })?;
        (self.key, self.waiting) = (key, Some(waiting));
        Ok(())
    }
}

fn is_waited_for<R: Replicated>(inner: &Inner<R>, key: Key) -> bool {
    let link = inner.links.get(&key);
    link.is_some_and(|link| !link.session.as_ref().is_some_and(Session::is_synced))
}

impl<R: Replicated> Future for Synced<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // Nobody holds the replica any more, and so nobody can be connected to it.
        let Some(shared) = this.shared.upgrade() else { return Poll::Ready(()) };
        if this.waiting.is_none() && this.begin(&shared).is_err() {
            // Called from inside `read` or `reduce`: ask again when that is over.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (key, waiting) = (this.key, &mut this.waiting);
        let polled = shared.with(|inner| {
            let Some(waiting) = waiting else {
                return Poll::Pending;
            };
            inner.sweep();
            waiting.retain(|&link| is_waited_for(inner, link));
            if waiting.is_empty() {
                return Poll::Ready(());
            }
            inner.sleep(key, cx.waker());
            Poll::Pending
        });
        polled.unwrap_or_else(|Reentrant| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

impl<R: Replicated> Drop for Synced<R> {
    fn drop(&mut self) {
        // Somebody who waits a little, gives up, and asks again must not leave a waker each time.
        if let Some(shared) = self.shared.upgrade() {
            let _ = shared.with(|inner| inner.forget(self.key));
        }
    }
}

impl<R: Replicated> fmt::Debug for Synced<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synced").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
