//! [`Synced`]: waiting until this replica has what its peers have.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    peer_wait::{Goal, PeerWait, WaitError},
    replica::Replica,
};
use crate::{id::ReplicaId, reduce::Replicated};

impl<R: Replicated> Replica<R> {
    /// Waits until this replica has caught up with all peers that are connected now, and with one at least: each has
    /// sent what this replica lacked when the connection began. Returns who they are.
    ///
    /// A connection counts from the call of [`connect`](Self::connect), even before it is polled, until it ends. Where
    /// none is left, and no peer was reached, the wait goes on until a peer comes. [`Synced::connected`] fails instead,
    /// and [`Synced::by`] waits for so many peers, whoever they are. Connections that receive nothing do not count.
    ///
    /// For what the peers lack, see [`delivered`](Self::delivered) and [`PeerStatus::lag`](crate::PeerStatus::lag).
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// # futures::executor::block_on(async {
    /// let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    /// there.update(3)?;
    /// let (a, b) = pipe(1024);
    /// let links = futures::future::join(here.connect(a), there.connect(b));
    /// let talk = async {
    ///     let peers = here.synced().await?;
    ///     assert_eq!(peers, [there.id()?]);
    ///     assert_eq!(here.read(|votes| votes.value())?, 3);
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// };
    /// futures::future::select(Box::pin(links), Box::pin(talk)).await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[doc(alias("sync", "caught_up", "flush"))]
    pub fn synced(&self) -> Synced<R> {
        Synced(PeerWait::new(self.shared(), Goal::Synced))
    }
}

/// Ready when this replica has caught up with its peers; see [`Replica::synced`](crate::Replica::synced). Dropping it only
/// stops the wait.
///
/// It resolves to the peers' ids in order, or to a [`WaitError`].
#[must_use = "a future does nothing unless it is awaited"]
pub struct Synced<R: Replicated>(PeerWait<R>);

impl<R: Replicated> Synced<R> {
    /// Waits for so many different peers, instead of all that are connected now. Peers that connect later count.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// # futures::executor::block_on(async {
    /// let votes = Replica::new(Counter::default());
    /// assert!(votes.synced().by(0).await.unwrap().is_empty());
    /// # });
    /// ```
    pub fn by(mut self, peers: usize) -> Self {
        self.0.by(peers);
        self
    }

    /// Waits only for peers that are connected now, and fails when too few of them are left: at once if there is none.
    ///
    /// ```
    /// use repred::{Counter, Replica, error::WaitError};
    ///
    /// # futures::executor::block_on(async {
    /// let votes = Replica::new(Counter::default());
    /// let alone = votes.synced().connected().await;
    /// assert!(matches!(alone, Err(WaitError::NoPeerLeft { .. })));
    /// # });
    /// ```
    pub fn connected(mut self) -> Self {
        self.0.only_connected();
        self
    }
}

impl<R: Replicated> Future for Synced<R> {
    type Output = Result<Vec<ReplicaId>, WaitError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll(cx)
    }
}

impl<R: Replicated> fmt::Debug for Synced<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Synced").field(&self.0).finish()
    }
}
