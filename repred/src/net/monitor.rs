//! [`Monitor`]: keeps what is wrong with a replica, and makes a notice of each beginning and end.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use super::health::{Health, Problem, ProblemKind, Topic};
use crate::time::{Monotonic, Now};

/// The most problems that are kept, of which the one that was noticed least recently is forgotten first: there may be
/// any number of peers.
const MAX_PROBLEMS: usize = 128;

/// Notices that are kept for slow readers.
const MAX_NOTICES: usize = 128;

/// Something began to be wrong with a replica, became worse, or ended; see
/// [`Replica::notices`](crate::Replica::notices).
///
/// A problem that is noticed again and again makes a notice at the first, the tenth, the hundredth time, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// It is wrong from now on.
    Began(Problem),
    /// It was wrong before, and is worse now, or was noticed ten times as often.
    Worsened(Problem),
    /// It is not wrong any more.
    Ended(Problem),
    /// The reader was too slow, and missed this many notices. [`Replica::health`](crate::Replica::health) says what is
    /// wrong now.
    Missed(u64),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began(problem) => problem.fmt(f),
            Self::Worsened(problem) => write!(f, "still: {problem}"),
            Self::Ended(problem) => write!(f, "over: {problem}"),
            Self::Missed(count) => write!(f, "{count} notices were missed"),
        }
    }
}

#[cfg(feature = "tracing")]
impl Notice {
    /// Passes it to `tracing`, as a warning unless something is over.
    pub(super) fn trace(&self, replica: crate::id::ReplicaId) {
        match self {
            Self::Ended(_) => tracing::info!(target: "repred", %replica, "{self}"),
            _ => tracing::warn!(target: "repred", %replica, "{self}"),
        }
    }
}

/// What is wrong with a replica, and the latest notices of it.
#[derive(Debug, Default)]
pub(super) struct Monitor {
    problems: BTreeMap<Topic, Kept>,
    notices: VecDeque<Notice>,
    /// The number of the first notice that is kept.
    first: u64,
    readers: usize,
}

#[derive(Debug)]
struct Kept {
    problem: Problem,
    /// When it was noticed last, by a clock that does not step.
    last: Monotonic,
}

impl Monitor {
    /// Something went wrong, once more. Returns the notice of it, if one is due.
    pub(super) fn raise(&mut self, kind: ProblemKind, now: Now) -> Option<&Notice> {
        self.note(kind, now, 1)
    }

    /// Something is wrong, and may have been before.
    pub(super) fn hold(&mut self, kind: ProblemKind, now: Now) -> Option<&Notice> {
        self.note(kind, now, 0)
    }

    fn note(&mut self, kind: ProblemKind, now: Now, more: u64) -> Option<&Notice> {
        let topic = kind.topic();
        let Some(kept) = self.problems.get_mut(&topic) else {
            self.make_room();
            let problem = Problem { kind, since: now.wall, last: now.wall, times: 1 };
            self.problems.insert(topic, Kept { problem: problem.clone(), last: now.monotonic });
            return Some(self.push(Notice::Began(problem)));
        };
        let problem = &mut kept.problem;
        let (before, level) = (problem.times, problem.kind.level());
        problem.times = before.saturating_add(more);
        problem.last = now.wall;
        problem.kind = kind;
        kept.last = now.monotonic;
        let is_tenfold = problem.times > before && is_power_of_ten(problem.times);
        if !is_tenfold && problem.kind.level() <= level {
            return None;
        }
        let worsened = Notice::Worsened(problem.clone());
        Some(self.push(worsened))
    }

    fn make_room(&mut self) {
        if self.problems.len() < MAX_PROBLEMS {
            return;
        }
        let oldest = self.problems.iter().min_by_key(|(_, kept)| kept.last);
        if let Some(topic) = oldest.map(|(&topic, _)| topic) {
            self.problems.remove(&topic);
        }
    }

    /// Something is not wrong any more.
    pub(super) fn clear(&mut self, topic: Topic) -> Option<&Notice> {
        let kept = self.problems.remove(&topic)?;
        Some(self.push(Notice::Ended(kept.problem)))
    }

    /// Whether something is wrong.
    pub(super) fn has(&self, topic: Topic) -> bool {
        self.problems.contains_key(&topic)
    }

    /// Whether something is wrong, but was not noticed for a while.
    pub(super) fn has_settled(&self, topic: Topic, now: Monotonic) -> bool {
        let kept = self.problems.get(&topic);
        kept.is_some_and(|kept| now.since(kept.last) >= ProblemKind::SETTLED)
    }

    /// Whether nothing is wrong.
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn health(&self) -> Health {
        Health { problems: self.problems.values().map(|kept| kept.problem.clone()).collect() }
    }

    // ---- notices ----

    fn push(&mut self, notice: Notice) -> &Notice {
        if self.readers == 0 || self.notices.len() == MAX_NOTICES {
            // Without a reader the last one is kept for the caller alone.
            let gone = if self.readers == 0 { self.notices.len() } else { 1 };
            self.notices.drain(..gone);
            self.first += gone as u64;
        }
        self.notices.push_back(notice);
        &self.notices[self.notices.len() - 1]
    }

    /// The place of a new reader, which gets what comes from now on.
    pub(super) fn read_from_here(&mut self) -> u64 {
        self.readers += 1;
        self.end()
    }

    pub(super) fn leave(&mut self) {
        self.readers = self.readers.saturating_sub(1);
    }

    /// The next notice for the reader at `place`, which moves on.
    pub(super) fn next(&self, place: &mut u64) -> Option<Notice> {
        if *place < self.first {
            let missed = self.first - *place;
            *place = self.first;
            return Some(Notice::Missed(missed));
        }
        let notice = self.notices.get((*place - self.first) as usize)?;
        *place += 1;
        Some(notice.clone())
    }

    fn end(&self) -> u64 {
        self.first + self.notices.len() as u64
    }
}

fn is_power_of_ten(mut count: u64) -> bool {
    while count > 9 && count.is_multiple_of(10) {
        count /= 10;
    }
    count == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    fn now(micros: u64) -> Now {
        Now { wall: Time::from_micros(micros), monotonic: Monotonic::from_micros(micros) }
    }

    fn refused(peer: u128) -> ProblemKind {
        ProblemKind::PeerRefused { peer: Some(peer.into()), error: "no".into() }
    }

    fn origins(origins: usize) -> ProblemKind {
        ProblemKind::OriginsNearLimit { origins, limit: 10 }
    }

    #[test]
    fn a_failure_that_repeats_makes_a_notice_each_time_it_is_ten_times_as_many() {
        let mut monitor = Monitor::default();
        let mut place = monitor.read_from_here();
        (1..=1000).for_each(|time| drop(monitor.raise(refused(1), now(time)).cloned()));
        let notices: Vec<_> = std::iter::from_fn(|| monitor.next(&mut place)).collect();
        assert!(matches!(notices[0], Notice::Began(Problem { times: 1, .. })));
        let times = notices.iter().map(|notice| match notice {
            Notice::Began(problem) | Notice::Worsened(problem) => problem.times,
            _ => 0,
        });
        let times: Vec<_> = times.collect();
        assert_eq!(times, [1, 10, 100, 1000]);
        let problem = &monitor.health().problems[0];
        assert_eq!(
            (problem.since, problem.last, problem.times),
            (now(1).wall, now(1000).wall, 1000)
        );
    }

    #[test]
    fn a_state_that_lasts_makes_a_notice_when_it_begins_when_it_is_worse_and_when_it_ends() {
        let mut monitor = Monitor::default();
        let mut place = monitor.read_from_here();
        for count in [9, 9, 10, 10, 10] {
            monitor.hold(origins(count), now(1));
        }
        monitor.clear(Topic::OriginsNearLimit);
        monitor.clear(Topic::OriginsNearLimit);
        let notices: Vec<_> = std::iter::from_fn(|| monitor.next(&mut place)).collect();
        assert!(
            matches!(&notices[..], [Notice::Began(_), Notice::Worsened(_), Notice::Ended(_)]),
            "{notices:?}"
        );
        assert!(monitor.is_good());
    }

    #[test]
    fn any_number_of_peers_takes_bounded_memory_and_the_latest_are_kept() {
        let mut monitor = Monitor::default();
        let mut place = monitor.read_from_here();
        for peer in 0..10_000 {
            monitor.raise(refused(peer), now(peer as u64));
        }
        assert_eq!(monitor.problems.len(), MAX_PROBLEMS);
        assert!(monitor.has(Topic::PeerRefused(Some(9_999.into()))));
        let missed = 10_000 - MAX_NOTICES as u64;
        assert_eq!(monitor.next(&mut place), Some(Notice::Missed(missed)));
        assert_eq!(std::iter::from_fn(|| monitor.next(&mut place)).count(), MAX_NOTICES);
    }

    #[test]
    fn without_a_reader_no_notices_are_kept() {
        let mut monitor = Monitor::default();
        (0..100).for_each(|peer| drop(monitor.raise(refused(peer), now(1)).cloned()));
        assert_eq!(monitor.notices.len(), 1);
        let mut place = monitor.read_from_here();
        assert_eq!(monitor.next(&mut place), None);
    }
}
