//! [`ReplicaEvent`], which observers get, and the bounded ring that keeps events for slow observers.

use alloc::{collections::VecDeque, sync::Arc};

use crate::stamp::Stamp;

/// An event that an observer of a replica gets.
///
/// ```
/// use futures::{FutureExt, StreamExt};
/// use repred::{Counter, Replica, ReplicaEvent};
///
/// let votes = Replica::new(Counter::default());
/// let mut events = votes.subscribe()?;
/// votes.update(3)?;
/// match events.next().now_or_never().flatten() {
///     Some(ReplicaEvent::Changed { stamp, .. }) => assert_eq!(stamp.origin(), votes.id()?),
///     Some(ReplicaEvent::Lagged) => { /* Some events are missing: read the state again. */ }
///     event => panic!("{event:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplicaEvent<C> {
    /// An update was reduced and changed the state.
    Changed {
        /// The update's stamp; its origin tells local from remote.
        stamp: Stamp,
        /// What the reducer returned, shared by all observers.
        changes: Arc<C>,
        /// Whether an atomic step ends here. If not, the rest of the step has happened already and follows at once.
        ends_step: bool,
    },
    /// Changes were not delivered, because the observer was too slow or because a snapshot has replaced the state. Read
    /// the state again; later changes are delivered as usual.
    Lagged,
    /// The first update of a newer version of this program has arrived. It is kept and
    /// passed on, but neither it nor what its origin writes after it is reduced until this program is upgraded. What
    /// others write is reduced as always.
    Deferred,
    /// The replica has [rejoined](crate::sans_io::Core::rejoin): its state is that of the others, with what only it
    /// had on top. [`Lagged`](Self::Lagged) came before this, and what came of it is in
    /// [`Core::rejoined`](crate::sans_io::Core::rejoined).
    Rejoined,
}

impl<C> Clone for ReplicaEvent<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Changed { stamp, changes, ends_step } => {
                let (stamp, ends_step) = (*stamp, *ends_step);
                Self::Changed { stamp, changes: Arc::clone(changes), ends_step }
            }
            Self::Lagged => Self::Lagged,
            Self::Deferred => Self::Deferred,
            Self::Rejoined => Self::Rejoined,
        }
    }
}

/// The latest events, once for all observers; each observer has a place in it.
#[derive(Debug)]
pub(crate) struct EventRing<C> {
    ring: VecDeque<ReplicaEvent<C>>,
    /// The number of the first event in the ring.
    first: u64,
    capacity: usize,
    observers: usize,
}

impl<C> EventRing<C> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { ring: VecDeque::new(), first: 0, capacity: capacity.max(1), observers: 0 }
    }

    /// Whether anybody would read what is pushed.
    pub(crate) fn is_observed(&self) -> bool {
        self.observers > 0
    }

    pub(crate) fn push(&mut self, event: ReplicaEvent<C>) {
        if !self.is_observed() {
            return;
        }
        if self.ring.len() == self.capacity {
            self.ring.pop_front();
            self.first += 1;
        }
        self.ring.push_back(event);
    }

    /// Ends the atomic step that the last events are of.
    pub(crate) fn end_step(&mut self) {
        if let Some(ReplicaEvent::Changed { ends_step, .. }) = self.ring.back_mut() {
            *ends_step = true;
        }
    }

    /// Drops what observers have not received yet: each of them has lagged.
    pub(crate) fn clear(&mut self) {
        self.first = self.end();
        self.ring.clear();
        self.push(ReplicaEvent::Lagged);
    }

    /// The place of a new observer, which receives what happens from now on.
    pub(crate) fn observe(&mut self) -> u64 {
        self.observers += 1;
        self.end()
    }

    pub(crate) fn leave(&mut self) {
        self.observers -= 1;
        if self.observers == 0 {
            self.first = self.end();
            self.ring.clear();
        }
    }

    /// The next event for the observer at `place`, which moves on.
    pub(crate) fn next(&self, place: &mut u64) -> Option<ReplicaEvent<C>> {
        if *place < self.first {
            *place = self.end();
            return Some(ReplicaEvent::Lagged);
        }
        let event = self.ring.get((*place - self.first) as usize)?;
        *place += 1;
        Some(event.clone())
    }

    /// The place of an observer that has received everything.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.ring.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    fn changed(seq: u64) -> ReplicaEvent<u64> {
        let stamp = Stamp::new(Time::ZERO, 1.into(), seq);
        ReplicaEvent::Changed { stamp, changes: Arc::new(seq), ends_step: true }
    }

    fn delivered(ring: &EventRing<u64>, place: &mut u64) -> Vec<Option<u64>> {
        let events = std::iter::from_fn(|| ring.next(place));
        let changes = events.map(|event| match event {
            ReplicaEvent::Changed { changes, .. } => Some(*changes),
            ReplicaEvent::Lagged | ReplicaEvent::Deferred | ReplicaEvent::Rejoined => None,
        });
        changes.collect()
    }

    #[test]
    fn an_observer_that_lags_gets_one_notice_and_continues_from_now() {
        let mut ring = EventRing::new(3);
        let (mut fast, mut slow) = (ring.observe(), ring.observe());
        for seq in 1..=5 {
            ring.push(changed(seq));
            assert_eq!(delivered(&ring, &mut fast), [Some(seq)]);
        }
        assert_eq!(delivered(&ring, &mut slow), [None]);
        ring.push(changed(6));
        assert_eq!(delivered(&ring, &mut slow), [Some(6)]);
    }

    #[test]
    fn no_events_are_kept_without_observers() {
        let mut ring = EventRing::new(3);
        ring.push(changed(1));
        assert!(ring.ring.is_empty());
        let mut place = ring.observe();
        ring.push(changed(2));
        assert_eq!(delivered(&ring, &mut place), [Some(2)]);
        ring.leave();
        assert!(ring.ring.is_empty());
    }
}
