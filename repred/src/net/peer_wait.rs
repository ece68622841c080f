//! [`PeerWait`]: waiting until enough peers have reached something.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use super::{
    departed::Departure,
    shared::{Inner, Key, Link, Shared},
};
use crate::{
    id::ReplicaId,
    receipt::{Durable, NotDurable},
    reduce::Replicated,
    unavailable::Unavailable,
    version::VersionVector,
};

/// What a peer has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// It has sent all that we lacked.
    Synced,
    /// It has confirmed to have everything that we had when the wait began.
    HasAll,
    /// It has confirmed to have this.
    Has(VersionVector),
}

/// Ready when enough peers have reached a goal, with their ids, in order.
pub(super) struct PeerWait<R: Replicated> {
    /// Weak, so that whoever waits does not keep a replica alive that has no handle any more.
    shared: Weak<Shared<R>>,
    goal: Goal,
    /// How many peers; `None` for all that are connected when the wait begins, and one at least.
    wanted: Option<usize>,
    /// Whether only those count that are connected when the wait begins.
    only_connected: bool,
    /// `None` if this was made inside `read` or `reduce`, and not polled since.
    waiting: Option<Waiting>,
}

/// What is waited for.
#[derive(Debug)]
struct Waiting {
    /// Under which the wakers are registered. Also says when the wait has begun.
    key: Key,
    /// The connections that there were, without those that have reached the goal, and those that cannot.
    links: Vec<Key>,
    /// The peers that have reached it.
    reached: BTreeSet<ReplicaId>,
    /// What the peers have to confirm.
    version: VersionVector,
    /// How often our state had been given up for another.
    discards: u64,
}

impl<R: Replicated> PeerWait<R> {
    pub(super) fn new(shared: &Arc<Shared<R>>, goal: Goal) -> Self {
        let waiting = begin(shared, &goal).ok();
        let shared = Arc::downgrade(shared);
        Self { shared, goal, wanted: None, only_connected: false, waiting }
    }

    /// Ready when everything that the replica has now is in its own journal.
    pub(super) fn durable(&self) -> Result<Durable, Unavailable> {
        let Some(shared) = self.shared.upgrade() else { return Ok(Durable::at_once()) };
        let position = shared.with(|inner| inner.core.log_position())?;
        let log_writer = shared.log_writer.as_ref();
        Ok(log_writer.map_or_else(Durable::at_once, |log_writer| log_writer.durable(position)))
    }

    pub(super) fn by(&mut self, peers: usize) {
        self.wanted = Some(peers);
    }

    pub(super) fn only_connected(&mut self) {
        self.only_connected = true;
    }

    /// What the peers have to confirm, instead of everything.
    pub(super) fn set_version(&mut self, version: VersionVector) {
        if let Some(waiting) = &mut self.waiting {
            waiting.version = version.clone();
        }
        self.goal = Goal::Has(version);
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Vec<ReplicaId>, WaitError>> {
        let Some(shared) = self.shared.upgrade() else {
            let reached = self.waiting.as_ref().map(Waiting::ids).unwrap_or_default();
            return Poll::Ready(Err(WaitError::Closed { reached }));
        };
        self.poll_in(&shared, cx).unwrap_or_else(|_| {
            // Polled from inside `read` or `reduce`: ask again when that is over.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    fn poll_in(
        &mut self,
        shared: &Shared<R>,
        cx: &Context<'_>,
    ) -> Result<Poll<Result<Vec<ReplicaId>, WaitError>>, Unavailable> {
        let begun = match self.waiting.take() {
            Some(begun) => begun,
            None => begin(shared, &self.goal)?,
        };
        let waiting = self.waiting.insert(begun);
        let (wanted, only_connected) = (self.wanted, self.only_connected);
        let goal = &self.goal;
        shared.with(|inner| {
            inner.sweep();
            waiting.look(inner, goal);
            let is_enough = match wanted {
                Some(wanted) => waiting.reached.len() >= wanted,
                None => !waiting.reached.is_empty() && waiting.links.is_empty(),
            };
            if is_enough {
                return Poll::Ready(Ok(waiting.ids()));
            }
            if let Err(error) = inner.core.check_health() {
                return Poll::Ready(Err(WaitError::Unavailable(error)));
            }
            let reached = waiting.ids();
            if *goal != Goal::Synced && inner.core.discards() != waiting.discards {
                return Poll::Ready(Err(WaitError::GivenUp { reached }));
            }
            if inner.is_closing {
                return Poll::Ready(Err(WaitError::Closed { reached }));
            }
            let wanted = wanted.unwrap_or(1);
            if only_connected && reached.len() + waiting.links.len() < wanted {
                return Poll::Ready(Err(WaitError::NoPeerLeft { reached, wanted }));
            }
            inner.wake_on_change(waiting.key, cx.waker());
            if *goal != Goal::Synced {
                // An ack alone is no change of the replica.
                inner.wake_on_ack(waiting.key, cx.waker());
            }
            Poll::Pending
        })
    }
}

fn begin<R: Replicated>(shared: &Shared<R>, goal: &Goal) -> Result<Waiting, Unavailable> {
    shared.with(|inner| {
        inner.sweep();
        let links = inner.links.keys().copied().collect();
        let version = match goal {
            Goal::Synced => VersionVector::new(),
            Goal::HasAll => inner.core.version(),
            Goal::Has(version) => version.clone(),
        };
        let discards = inner.core.discards();
        Waiting { key: inner.key(), links, reached: BTreeSet::new(), version, discards }
    })
}

impl Waiting {
    fn ids(&self) -> Vec<ReplicaId> {
        self.reached.iter().copied().collect()
    }

    /// Looks who has reached the goal by now.
    fn look<R: Replicated>(&mut self, inner: &Inner<R>, goal: &Goal) {
        let has_reached = |link: &Link| {
            let session = link.session.as_ref()?;
            let has = match goal {
                Goal::Synced => session.has_received_all(),
                Goal::HasAll | Goal::Has(_) => session.has_confirmed(&inner.core, &self.version),
            };
            session.peer().filter(|_| has)
        };
        let reached: BTreeSet<_> = inner.links.values().filter_map(has_reached).collect();
        self.reached.extend(reached);
        // And those that are gone. What a peer says now is newer than what it said then.
        let says = |link: &Link| {
            let session = link.session.as_ref()?;
            session.peer().filter(|_| session.has_said(&inner.core))
        };
        let saying: BTreeSet<_> = inner.links.values().filter_map(says).collect();
        let has_reached = |departure: &&Departure| match goal {
            Goal::Synced => departure.has_synced && departure.at > self.key,
            Goal::HasAll | Goal::Has(_) => {
                let confirmed = departure.confirmed.as_ref();
                !saying.contains(&departure.peer)
                    && confirmed.is_some_and(|confirmed| confirmed.covers(&self.version))
            }
        };
        let departed = inner.departed.iter().filter(has_reached).map(|departure| departure.peer);
        let departed: Vec<_> = departed.collect();
        self.reached.extend(departed);
        self.links.retain(|key| {
            let Some(link) = inner.links.get(key) else { return false };
            let Some(session) = &link.session else { return true };
            let may_reach = match goal {
                Goal::Synced => session.may_receive(),
                Goal::HasAll | Goal::Has(_) => session.may_send(),
            };
            may_reach && session.peer().is_none_or(|peer| !self.reached.contains(&peer))
        });
    }
}

impl<R: Replicated> Drop for PeerWait<R> {
    fn drop(&mut self) {
        // A task that waits with a timeout, gives up and asks again must not leave a waker each time.
        if let (Some(shared), Some(waiting)) = (self.shared.upgrade(), &self.waiting) {
            let _ = shared.with(|inner| inner.forget_wakers(waiting.key));
        }
    }
}

impl<R: Replicated> fmt::Debug for PeerWait<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerWait")
            .field("goal", &self.goal)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

/// Why a wait for peers ended before enough of them had reached what it waits for. The replica is unchanged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WaitError {
    /// Of the peers that were connected when the wait began, not enough are left that could still reach it. Connect
    /// again, and wait again.
    NoPeerLeft {
        /// Those that have reached it.
        reached: Vec<ReplicaId>,
        /// How many were waited for.
        wanted: usize,
    },
    /// The replica was closed, or its last handle dropped, so no peer reaches anything any more.
    Closed {
        /// Those that have reached it.
        reached: Vec<ReplicaId>,
    },
    /// Our state was given up for another meanwhile, so what was to be delivered is not here any more.
    GivenUp {
        /// Those that have it.
        reached: Vec<ReplicaId>,
    },
    /// What was to be delivered is not in our own journal, so it was not sent to anybody.
    NotDurable(NotDurable),
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

impl WaitError {
    /// The peers that have reached what was waited for.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// # futures::executor::block_on(async {
    /// let votes = Replica::new(Counter::default());
    /// votes.update(3).unwrap();
    /// let error = votes.delivered().connected().await.unwrap_err();
    /// assert!(error.reached().is_empty());
    /// # });
    /// ```
    pub fn reached(&self) -> &[ReplicaId] {
        match self {
            Self::NoPeerLeft { reached, .. }
            | Self::Closed { reached }
            | Self::GivenUp { reached } => reached,
            Self::NotDurable(_) | Self::Unavailable(_) => &[],
        }
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reached = match self {
            Self::NoPeerLeft { reached, wanted } => {
                write!(
                    f,
                    "no other peer is connected, and {wanted} were waited for; connect again"
                )?;
                reached
            }
            Self::Closed { reached } => {
                f.write_str("the replica was closed while peers were waited for")?;
                reached
            }
            Self::GivenUp { reached } => {
                f.write_str("our state was given up for another while it was being delivered")?;
                reached
            }
            Self::NotDurable(error) => return error.fmt(f),
            Self::Unavailable(_) => return f.write_str("the replica cannot be used"),
        };
        if reached.is_empty() {
            return f.write_str(". None was reached");
        }
        f.write_str(". These were reached:")?;
        reached.iter().try_for_each(|peer| write!(f, " {peer}"))
    }
}

impl std::error::Error for WaitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoPeerLeft { .. } | Self::Closed { .. } | Self::GivenUp { .. } => None,
            // What it displays is what this does.
            Self::NotDurable(error) => error.source(),
            Self::Unavailable(error) => Some(error),
        }
    }
}
