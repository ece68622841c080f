//! [`Notices`]: what begins to be wrong with a replica, and what ends, as a stream.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{
    health::Health,
    monitor::Notice,
    replica::Replica,
    shared::{Key, Shared},
};
use crate::{reduce::Replicated, unavailable::Unavailable};

impl<R: Replicated> Replica<R> {
    /// What is wrong now that no method returns as an error: a compaction that fails, a peer that is refused, and what
    /// else [`ProblemKind`](crate::net::ProblemKind) lists. O(connections), and O(origins) while updates are deferred.
    ///
    /// Look at it now and then, or wait for [`notices`](Self::notices).
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert!(votes.health()?.is_good());
    ///
    /// let (here, _there) = pipe(1024);
    /// drop(votes.connect(here));
    /// assert!(votes.health()?.to_string().contains("1 connections were dropped before they were polled"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    #[doc(alias("status", "diagnostics", "problems"))]
    pub fn health(&self) -> Result<Health, Unavailable> {
        let now = self.shared().now();
        self.shared().with(|inner| {
            inner.examine(now);
            inner.monitor.health()
        })
    }

    /// A stream of what begins to be wrong, and of what ends, beginning with what is wrong already.
    ///
    /// A failure that comes again and again makes few notices: the first, the tenth, the hundredth. A reader that does
    /// not keep up gets [`Notice::Missed`] instead of the oldest. The stream ends with the last handle of the replica;
    /// dropping it has no effect on anything else. With the feature `tracing`, each notice is an event of `tracing`, too.
    ///
    /// ```
    /// use futures::{FutureExt, StreamExt};
    /// use repred::{Counter, Replica, net::{Notice, ProblemKind}, pipe};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut notices = votes.notices()?;
    /// let (here, _there) = pipe(1024);
    /// drop(votes.connect(here));
    /// let Some(Some(Notice::Began(problem))) = notices.next().now_or_never() else { panic!() };
    /// assert!(matches!(problem.kind, ProblemKind::NeverPolled { dropped: 1, .. }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable::Reentrant`].
    #[doc(alias("log", "warnings", "alerts"))]
    pub fn notices(&self) -> Result<Notices<R>, Unavailable> {
        let now = self.shared().now();
        self.shared().with(|inner| {
            inner.examine(now);
            let problems = inner.monitor.health().problems;
            let begun = problems.into_iter().map(Notice::Began).collect();
            let (key, place) = (inner.key(), inner.monitor.read_from_here());
            let shared = std::sync::Arc::downgrade(self.shared());
            Notices { shared, key, begun, place }
        })
    }
}

/// What begins to be wrong with a replica, and what ends; see [`Replica::notices`](crate::Replica::notices).
#[must_use = "notices are a stream, and do nothing unless they are polled"]
pub struct Notices<R: Replicated> {
    /// Weak, so that a reader does not keep a replica alive that nobody holds any more.
    shared: Weak<Shared<R>>,
    key: Key,
    /// What was wrong already, and was not read yet.
    begun: VecDeque<Notice>,
    place: u64,
}

impl<R: Replicated> Stream for Notices<R> {
    type Item = Notice;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(notice) = this.begun.pop_front() {
            return Poll::Ready(Some(notice));
        }
        let Some(shared) = this.shared.upgrade() else { return Poll::Ready(None) };
        let polled = shared.with(|inner| {
            let notice = inner.monitor.next(&mut this.place);
            if notice.is_none() {
                inner.wake_on_notice(this.key, cx.waker());
            }
            notice.map_or(Poll::Pending, |notice| Poll::Ready(Some(notice)))
        });
        polled.unwrap_or_else(|_| {
            // Polled from inside `read` or `reduce`: ask again when that is over.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

impl<R: Replicated> Drop for Notices<R> {
    fn drop(&mut self) {
        // If this thread holds the lock, the reader stays counted, which costs the memory of the last notices.
        if let Some(shared) = self.shared.upgrade() {
            let _ = shared.with(|inner| {
                inner.monitor.leave();
                inner.forget_wakers(self.key);
            });
        }
    }
}

impl<R: Replicated> fmt::Debug for Notices<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("place", &self.place).finish_non_exhaustive()
    }
}
