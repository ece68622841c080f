//! [`Subscription`]: the changes of a replica as a stream.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use futures_core::Stream;

use super::replica::{Key, Reentrant, Shared};
use crate::{news::Notice, reduce::Replicated};

/// The changes of a replica, as they happen; see [`Replica::subscribe`](crate::Replica::subscribe).
///
/// All observers share what is kept for the slow ones, so one that does not keep up costs no memory: it
/// is told [`Notice::Reset`] and goes on from there. The stream ends when nobody holds the replica any
/// more, and when `reduce` has panicked.
///
/// ```
/// use futures::StreamExt;
/// use repred::{Counter, Notice, Replica};
///
/// # futures::executor::block_on(async {
/// let votes = Replica::new(Counter::default());
/// let mut changes = votes.subscribe()?;
/// votes.update(3)?;
/// let Some(Notice::Changed { stamp, .. }) = changes.next().await else { panic!() };
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

impl<R: Replicated> Subscription<R> {
    pub(super) fn new(shared: &Arc<Shared<R>>) -> Result<Self, Reentrant> {
        let (key, place) = shared.with(|inner| (inner.key(), inner.core.news_mut().observe()))?;
        Ok(Self { shared: Arc::downgrade(shared), key, place })
    }
}

impl<R: Replicated> Stream for Subscription<R> {
    type Item = Notice<R::Changes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(shared) = this.shared.upgrade() else { return Poll::Ready(None) };
        let notice = shared.with(|inner| {
            let notice = inner.core.news().next(&mut this.place);
            if notice.is_none() && inner.core.check_health().is_err() {
                return Poll::Ready(None);
            }
            if notice.is_none() {
                inner.sleep(this.key, cx.waker());
            }
            notice.map_or(Poll::Pending, |notice| Poll::Ready(Some(notice)))
        });
        match notice {
            Ok(polled) => polled,
            Err(Reentrant) => {
                // Polled from inside `read` or `reduce`: ask again when that is over.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl<R: Replicated> Drop for Subscription<R> {
    fn drop(&mut self) {
        // From inside `read` or `reduce` the place cannot be given back; then a bounded ring stays.
        if let Some(shared) = self.shared.upgrade() {
            let _ = shared.with(|inner| {
                inner.core.news_mut().leave();
                inner.forget(self.key);
            });
        }
    }
}

impl<R: Replicated> fmt::Debug for Subscription<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("place", &self.place).finish_non_exhaustive()
    }
}
