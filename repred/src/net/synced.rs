//! [`Synced`]: waiting until replicas have what their peers have.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use super::{
    replica::Replica,
    shared::{Inner, Key, Shared},
};
use crate::{reduce::Replicated, unavailable::Unavailable, version::VersionVector};

impl<R: Replicated> Replica<R> {
    /// Waits until this replica has caught up with all peers that are connected now: each has sent what this replica
    /// lacked when the connection began.
    ///
    /// A connection counts from the call of [`connect`](Self::connect), even before it is polled, until it ends.
    /// Without any connection the future is ready at once; [`peers`](Self::peers) has their number. For what the
    /// peers lack, see [`delivered`](Self::delivered) and [`PeerStatus::lag`](crate::PeerStatus::lag).
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// # futures::executor::block_on(async {
    /// let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    /// there.update(3)?;
    /// let (a, b) = pipe(1024);
    /// let links = futures::future::join(here.connect(a), there.connect(b));
    /// futures::future::select(Box::pin(links), here.synced()).await;
    /// assert_eq!(here.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[doc(alias("sync", "caught_up", "flush"))]
    pub fn synced(&self) -> Synced<R> {
        Synced::new(self.shared(), Side::Ours)
    }

    /// Waits until all peers that are connected now have confirmed everything that this replica has now. If any
    /// connection counted, another replica then has everything that this one had. If that peer has a journal, it is
    /// as durable there as the peer's `Durability` promises.
    ///
    /// Connections count as for [`synced`](Self::synced), except those that send nothing.
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// # futures::executor::block_on(async {
    /// let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    /// let (a, b) = pipe(1024);
    /// let links = futures::future::join(here.connect(a), there.connect(b));
    /// here.update(3)?;
    /// futures::future::select(Box::pin(links), here.delivered()).await;
    /// assert_eq!(there.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[doc(alias("acked", "acknowledged", "replicated", "wait_for"))]
    pub fn delivered(&self) -> Synced<R> {
        Synced::new(self.shared(), Side::Theirs)
    }
}

/// Ready when one side of the connections has caught up with the other; see
/// [`Replica::synced`](crate::Replica::synced) and [`Replica::delivered`](crate::Replica::delivered). Dropping it
/// only stops the wait.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Synced<R: Replicated> {
    /// Weak, so that whoever waits does not keep a replica alive that has no handle any more.
    shared: Weak<Shared<R>>,
    side: Side,
    /// `None` if this was made inside `read` or `reduce`, and not polled since.
    waiting: Option<Waiting>,
}

/// Which side has to catch up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

/// What is waited for.
#[derive(Debug)]
struct Waiting {
    /// Under which the wakers are registered.
    key: Key,
    /// The connections that have not caught up.
    links: Vec<Key>,
    /// What the peers have to confirm.
    version: VersionVector,
}

impl<R: Replicated> Synced<R> {
    fn new(shared: &Arc<Shared<R>>, side: Side) -> Self {
        let waiting = begin(shared).ok();
        Self { shared: Arc::downgrade(shared), side, waiting }
    }
}

fn begin<R: Replicated>(shared: &Shared<R>) -> Result<Waiting, Unavailable> {
    shared.with(|inner| {
        inner.sweep();
        let links = inner.links.keys().copied().collect();
        Waiting { key: inner.key(), links, version: inner.core.version() }
    })
}

/// Whether a connection has not caught up, and may still.
fn is_behind<R: Replicated>(
    inner: &Inner<R>,
    side: Side,
    version: &VersionVector,
    link: Key,
) -> bool {
    let Some(link) = inner.links.get(&link) else { return false };
    let Some(session) = &link.session else { return true };
    match side {
        Side::Ours => !session.is_synced(),
        Side::Theirs => !session.has_confirmed(&inner.core, version),
    }
}

impl<R: Replicated> Future for Synced<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, side, waiting } = self.get_mut();
        // Without a handle there is no connection.
        let Some(shared) = shared.upgrade() else { return Poll::Ready(()) };
        let polled = poll(&shared, *side, waiting, cx);
        polled.unwrap_or_else(|_| {
            // Polled from inside `read` or `reduce`: ask again when that is over.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }
}

fn poll<R: Replicated>(
    shared: &Shared<R>,
    side: Side,
    waiting: &mut Option<Waiting>,
    cx: &Context<'_>,
) -> Result<Poll<()>, Unavailable> {
    let begun = match waiting.take() {
        Some(begun) => begun,
        None => begin(shared)?,
    };
    let Waiting { key, links, version } = waiting.insert(begun);
    shared.with(|inner| {
        inner.sweep();
        links.retain(|&link| is_behind(inner, side, version, link));
        if links.is_empty() {
            return Poll::Ready(());
        }
        inner.wake_on_change(*key, cx.waker());
        if side == Side::Theirs {
            // An ack alone is no change of the replica.
            inner.wake_on_ack(*key, cx.waker());
        }
        Poll::Pending
    })
}

impl<R: Replicated> Drop for Synced<R> {
    fn drop(&mut self) {
        // A task that waits with a timeout, gives up and asks again must not leave a waker each time.
        if let (Some(shared), Some(waiting)) = (self.shared.upgrade(), &self.waiting) {
            let _ = shared.with(|inner| inner.forget_wakers(waiting.key));
        }
    }
}

impl<R: Replicated> fmt::Debug for Synced<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synced").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}
