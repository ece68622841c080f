//! [`Notice`]: what an observer is told, and the bounded ring that keeps it for slow ones.

use std::{collections::VecDeque, sync::Arc};

use crate::stamp::Stamp;

/// What an observer of a replica is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<C> {
    /// An update was reduced and changed the state.
    Changed {
        /// The update's stamp; its origin tells local from remote.
        stamp: Stamp,
        /// What the reducer said has changed, shared by all observers.
        changes: Arc<C>,
        /// Whether an atomic step ends here. If not, more of it has happened already and follows at once.
        ends_step: bool,
    },
    /// More has changed than can be told: the observer was too slow, or the state was replaced by a
    /// snapshot. Read the state again; what changes after this comes as usual.
    Reset,
    /// An update of a newer version of this program has come. It is kept and passed on, but not reduced, nor
    /// is what comes after it: the state stands still, but for what is written here, until this program is
    /// upgraded.
    Held,
}

impl<C> Clone for Notice<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Changed { stamp, changes, ends_step } => {
                let (stamp, ends_step) = (*stamp, *ends_step);
                Self::Changed { stamp, changes: Arc::clone(changes), ends_step }
            }
            Self::Reset => Self::Reset,
            Self::Held => Self::Held,
        }
    }
}

/// The latest notices, once for all observers; each observer holds its place.
#[derive(Debug)]
pub(crate) struct News<C> {
    ring: VecDeque<Notice<C>>,
    /// The number of the first notice in the ring.
    first: u64,
    capacity: usize,
    observers: usize,
}

impl<C> News<C> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { ring: VecDeque::new(), first: 0, capacity: capacity.max(1), observers: 0 }
    }

    /// Whether anybody would read what is pushed.
    pub(crate) fn is_observed(&self) -> bool {
        self.observers > 0
    }

    pub(crate) fn push(&mut self, notice: Notice<C>) {
        if !self.is_observed() {
            return;
        }
        if self.ring.len() == self.capacity {
            self.ring.pop_front();
            self.first += 1;
        }
        self.ring.push_back(notice);
    }

    /// Ends the atomic step that the last notices are of.
    pub(crate) fn end_step(&mut self) {
        if let Some(Notice::Changed { ends_step, .. }) = self.ring.back_mut() {
            *ends_step = true;
        }
    }

    /// Tells every observer to read the state again, instead of whatever it has not been told yet.
    pub(crate) fn reset(&mut self) {
        self.first = self.end();
        self.ring.clear();
        self.push(Notice::Reset);
    }

    /// The place of a new observer, who is told what comes from now on.
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

    /// The next notice for the observer at `place`, which moves on.
    pub(crate) fn next(&self, place: &mut u64) -> Option<Notice<C>> {
        if *place < self.first {
            *place = self.end();
            return Some(Notice::Reset);
        }
        let notice = self.ring.get((*place - self.first) as usize)?;
        *place += 1;
        Some(notice.clone())
    }

    /// The place of who has been told everything.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.ring.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    fn changed(seq: u64) -> Notice<u64> {
        let stamp = Stamp::new(Time::ZERO, 1.into(), seq);
        Notice::Changed { stamp, changes: Arc::new(seq), ends_step: true }
    }

    fn told(news: &News<u64>, place: &mut u64) -> Vec<Option<u64>> {
        let notices = std::iter::from_fn(|| news.next(place));
        let changes = notices.map(|notice| match notice {
            Notice::Changed { changes, .. } => Some(*changes),
            Notice::Reset | Notice::Held => None,
        });
        changes.collect()
    }

    #[test]
    fn an_observer_that_is_too_slow_gets_one_reset_and_goes_on_from_now() {
        let mut news = News::new(3);
        let (mut fast, mut slow) = (news.observe(), news.observe());
        for seq in 1..=5 {
            news.push(changed(seq));
            assert_eq!(told(&news, &mut fast), [Some(seq)]);
        }
        assert_eq!(told(&news, &mut slow), [None]);
        news.push(changed(6));
        assert_eq!(told(&news, &mut slow), [Some(6)]);
    }

    #[test]
    fn nothing_is_kept_when_nobody_looks() {
        let mut news = News::new(3);
        news.push(changed(1));
        assert!(news.ring.is_empty());
        let mut place = news.observe();
        news.push(changed(2));
        assert_eq!(told(&news, &mut place), [Some(2)]);
        news.leave();
        assert!(news.ring.is_empty());
    }
}
