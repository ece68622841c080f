//! [`Delivered`]: waiting until peers have what this replica has.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{
    peer_wait::{Goal, PeerWait, WaitError},
    replica::Replica,
};
use crate::{
    id::ReplicaId,
    receipt::{Durable, Receipt},
    reduce::Replicated,
};

impl<R: Replicated> Replica<R> {
    /// Waits until all peers that are connected now, and one at least, have confirmed everything that this replica has
    /// now. Returns who they are. Where a peer has a journal, it is as durable there as the peer's `Durability` promises.
    ///
    /// Where there is a journal here, it waits for that first: nothing is sent before. Connections count as for
    /// [`synced`](Self::synced), except those that send nothing; a confirmation that came before a connection ended counts
    /// as well. Where nobody is connected and nobody has confirmed, the wait goes on until a peer comes.
    /// [`Delivered::connected`] fails instead, [`Delivered::by`] waits for so many peers, and [`Delivered::of`] for one
    /// update.
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// # futures::executor::block_on(async {
    /// let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    /// let (a, b) = pipe(1024);
    /// let links = futures::future::join(here.connect(a), there.connect(b));
    /// let talk = async {
    ///     here.update(3)?;
    ///     let peers = here.delivered().await?;
    ///     assert_eq!(peers, [there.id()?]);
    ///     assert_eq!(there.read(|votes| votes.value())?, 3);
    ///     Ok::<(), Box<dyn std::error::Error>>(())
    /// };
    /// futures::future::select(Box::pin(links), Box::pin(talk)).await;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[doc(alias("acked", "acknowledged", "replicated", "wait_for", "quorum"))]
    pub fn delivered(&self) -> Delivered<R> {
        let wait = PeerWait::new(self.shared(), Goal::HasAll);
        let durable = wait.durable().ok();
        Delivered { wait, durable }
    }
}

/// Ready when peers have what this replica had; see [`Replica::delivered`](crate::Replica::delivered). Dropping it only
/// stops the wait.
///
/// It resolves to the peers' ids in order, or to a [`WaitError`].
#[must_use = "a future does nothing unless it is awaited"]
pub struct Delivered<R: Replicated> {
    wait: PeerWait<R>,
    /// `None` if this was made inside `read` or `reduce`, and not polled since.
    durable: Option<Durable>,
}

impl<R: Replicated> Delivered<R> {
    /// Waits for so many different peers, instead of all that are connected now. Peers that connect later count.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// # async fn example(votes: Replica<Counter>) -> Result<(), Box<dyn std::error::Error>> {
    /// votes.edit(|votes| votes.add(1))?;
    /// let peers = votes.delivered().by(2).await?; // two others have it, whatever happens to this machine
    /// assert!(peers.len() >= 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn by(mut self, peers: usize) -> Self {
        self.wait.by(peers);
        self
    }

    /// Waits only for peers that are connected now, and fails when too few of them are left: at once if there is none,
    /// and none has confirmed before.
    ///
    /// ```
    /// use repred::{Counter, Replica, error::WaitError};
    ///
    /// # futures::executor::block_on(async {
    /// let votes = Replica::new(Counter::default());
    /// votes.update(3).unwrap();
    /// let alone = votes.delivered().connected().await;
    /// assert!(matches!(alone, Err(WaitError::NoPeerLeft { .. })));
    /// # });
    /// ```
    pub fn connected(mut self) -> Self {
        self.wait.only_connected();
        self
    }

    /// Waits for one update of this replica, instead of everything that it has.
    ///
    /// An update that changed nothing is neither kept nor sent, so every peer has it that has said what it has.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// # async fn example(votes: Replica<Counter>) -> Result<(), Box<dyn std::error::Error>> {
    /// let receipt = votes.update(3)?;
    /// votes.delivered().of(&receipt).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn of<C>(mut self, receipt: &Receipt<C>) -> Self {
        let dot = receipt.stamp().map(|stamp| (stamp.dot.origin, stamp.dot.seq));
        self.wait.set_version(dot.into_iter().collect());
        self.durable = Some(receipt.durable());
        self
    }
}

impl<R: Replicated> Future for Delivered<R> {
    type Output = Result<Vec<ReplicaId>, WaitError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let begun = match this.durable.take() {
            Some(durable) => Ok(durable),
            None => this.wait.durable(),
        };
        let Ok(durable) = begun else {
            // Polled from inside `read` or `reduce`: ask again when that is over.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        if let Err(error) = ready!(Pin::new(this.durable.insert(durable)).poll(cx)) {
            return Poll::Ready(Err(WaitError::NotDurable(error)));
        }
        this.wait.poll(cx)
    }
}

impl<R: Replicated> fmt::Debug for Delivered<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Delivered").field(&self.wait).finish()
    }
}
