//! [`Synced`]: waiting for us, or for the peers, to have caught up.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use super::shared::{Inner, Key, Shared};
use crate::{reduce::Replicated, unavailable::Unavailable, version::VersionVector};

/// Ready when one side of each connection that was open at the call has caught up, or the connection has ended; see
/// [`Replica::synced`](crate::Replica::synced) and [`Replica::delivered`](crate::Replica::delivered).
#[must_use = "a future does nothing unless it is awaited"]
pub struct Synced<R: Replicated> {
    shared: Weak<Shared<R>>,
    key: Key,
    side: Side,
    /// What is waited for; `None` until it is known.
    waiting: Option<Waiting>,
}

/// Who is to have caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Theirs,
}

#[derive(Debug)]
struct Waiting {
    /// The connections.
    links: Vec<Key>,
    /// What the peers are to have.
    version: VersionVector,
}

impl<R: Replicated> Synced<R> {
    pub(super) fn new(shared: &Arc<Shared<R>>, side: Side) -> Self {
        let mut synced = Self { shared: Arc::downgrade(shared), key: 0, side, waiting: None };
        let _ = synced.begin(shared);
        synced
    }

    fn begin(&mut self, shared: &Shared<R>) -> Result<(), Unavailable> {
        let (key, waiting) = shared.with(|inner| {
            inner.sweep();
            let links = inner.links.keys().copied().collect();
            (inner.key(), Waiting { links, version: inner.core.version() })
        })?;
        (self.key, self.waiting) = (key, Some(waiting));
        Ok(())
    }
}

fn is_waited_for<R: Replicated>(
    inner: &Inner<R>,
    side: Side,
    version: &VersionVector,
    key: Key,
) -> bool {
    let Some(link) = inner.links.get(&key) else { return false };
    let Some(session) = &link.session else { return true };
    match side {
        Side::Ours => !session.is_synced(),
        Side::Theirs => !session.has_confirmed(&inner.core, version),
    }
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
        let (key, side, waiting) = (this.key, this.side, &mut this.waiting);
        let polled = shared.with(|inner| {
            let Some(Waiting { links, version }) = waiting else {
                return Poll::Pending;
            };
            inner.sweep();
            links.retain(|&link| is_waited_for(inner, side, version, link));
            if links.is_empty() {
                return Poll::Ready(());
            }
            inner.wake_on_change(key, cx.waker());
            if side == Side::Theirs {
                inner.wake_on_ack(key, cx.waker());
            }
            Poll::Pending
        });
        polled.unwrap_or_else(|_| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

impl<R: Replicated> Drop for Synced<R> {
    fn drop(&mut self) {
        // Somebody who waits a little, gives up, and asks again must not leave a waker each time.
        if let Some(shared) = self.shared.upgrade() {
            let _ = shared.with(|inner| inner.forget_wakers(self.key));
        }
    }
}

impl<R: Replicated> fmt::Debug for Synced<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synced").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
