//! [`Causality`]: what the authors of updates had seen, as far as it is on record.
//!
//! Entries do not carry it: that every history stands in causal order is enough to reduce them. A history that keeps
//! everything records beside them what each author had *newly* seen before each of its updates, which for most is
//! nothing. That costs far less than a version vector for each update, and answers the same question in O(log updates).
//!
//! ```text
//!  updates of a     1    2    3    4    5    6
//!  newly seen      b.2            b.5  c.1        so the author of a.4 had seen b.5, and nothing of c
//!  on record       ─────────────────────▶         and of a.6 there may be more than is recorded
//! ```
//!
//! "Had not seen" can be answered only where everything is on record; a peer that forgets passes entries on without it.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{History, OriginIndex};
use crate::version::VersionVector;

/// That an author had seen an origin up to a seq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dependency {
    pub(crate) origin: OriginIndex,
    pub(crate) seq: u64,
}

/// What the authors of updates had seen. Empty where not everything is kept.
#[derive(Debug, Default)]
pub(super) struct Causality {
    /// By their places in the history's table of origins.
    authors: Vec<Author>,
    /// Who has written here last.
    writer: Option<OriginIndex>,
    /// The origins of which something has come since then.
    fresh: BTreeSet<OriginIndex>,
}

#[derive(Debug, Default)]
struct Author {
    /// Up to this seq, all that was newly seen is here. Beyond it there may be more than is here.
    recorded: u64,
    /// In the order in which they were seen; those of one origin grow.
    points: Vec<Point>,
    /// Of each other origin, where its points are.
    places: BTreeMap<OriginIndex, Vec<usize>>,
}

/// Something that was newly seen.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// Before its author's update of this seq.
    before: u64,
    dependency: Dependency,
}

impl Causality {
    /// Records what an author had newly seen before its update `seq`, which is later than all of its updates that are
    /// recorded.
    fn note(&mut self, author: OriginIndex, seq: u64, dependencies: &[Dependency]) {
        let index = author as usize;
        if self.authors.len() <= index {
            self.authors.resize_with(index + 1, Author::default);
        }
        self.authors[index].note(seq, dependencies);
    }

    /// Counts an origin among those of which something has arrived since the writer wrote last.
    #[inline]
    pub(super) fn arrived(&mut self, origin: OriginIndex) {
        if self.writer != Some(origin) {
            self.fresh.insert(origin);
        }
    }

    /// Records that `writer` writes now. Returns the origins whose updates have arrived since its previous write, or
    /// `None` if that is not known, so that all origins have to be checked.
    fn take_fresh(&mut self, writer: OriginIndex) -> Option<BTreeSet<OriginIndex>> {
        let fresh = core::mem::take(&mut self.fresh);
        (self.writer.replace(writer) == Some(writer)).then_some(fresh)
    }

    /// Clears the set of origins that have arrived since the last local write. The next write has to check all
    /// origins.
    pub(super) fn forget_writer(&mut self) {
        self.writer = None;
        self.fresh.clear();
    }

    /// Forgets what is recorded of updates after the last one there is of their author.
    fn cut(&mut self, last: impl Fn(OriginIndex) -> u64) {
        for (author, seen) in (0..).zip(&mut self.authors) {
            seen.cut(last(author));
        }
    }

    fn author(&self, author: OriginIndex) -> Option<&Author> {
        self.authors.get(author as usize)
    }

    /// Bytes held, about.
    pub(super) fn memory(&self) -> usize {
        let points = self.authors.iter().map(|author| author.points.capacity());
        // Each point has a place.
        points.sum::<usize>() * (size_of::<Point>() + size_of::<usize>())
            + self.authors.capacity() * size_of::<Author>()
    }
}

impl Author {
    fn note(&mut self, seq: u64, dependencies: &[Dependency]) {
        debug_assert!(self.points.last().is_none_or(|point| point.before < seq));
        for &dependency in dependencies {
            debug_assert!(self.latest(dependency.origin) < dependency.seq);
            self.places.entry(dependency.origin).or_default().push(self.points.len());
            self.points.push(Point { before: seq, dependency });
        }
        if seq == self.recorded + 1 {
            self.recorded = seq;
        }
    }

    fn cut(&mut self, last: u64) {
        self.recorded = self.recorded.min(last);
        let kept = self.upto(last);
        if kept < self.points.len() {
            self.points.truncate(kept);
            for places in self.places.values_mut() {
                places.truncate(places.partition_point(|&place| place < kept));
            }
        }
    }

    /// How many points there are up to an update.
    fn upto(&self, seq: u64) -> usize {
        self.points.partition_point(|point| point.before <= seq)
    }

    /// What was newly seen before an update.
    fn before(&self, seq: u64) -> &[Point] {
        &self.points[self.upto(seq - 1)..self.upto(seq)]
    }

    /// The last of an origin that was seen before an update, as far as it is recorded; 0 if none.
    fn had_seen(&self, seq: u64, other: OriginIndex) -> u64 {
        let places = self.places.get(&other).map_or(&[][..], |places| places);
        let upto = places.partition_point(|&place| self.points[place].before <= seq);
        upto.checked_sub(1).map_or(0, |last| self.points[places[last]].dependency.seq)
    }

    /// The same, before the next of its updates.
    fn latest(&self, other: OriginIndex) -> u64 {
        self.had_seen(u64::MAX, other)
    }
}

impl History {
    /// Records what the author of the update that was just pushed had newly seen before it, if the peer knows, and if
    /// everything is kept.
    pub(crate) fn record_dependencies(
        &mut self,
        author: OriginIndex,
        known: Option<&[Dependency]>,
    ) {
        if let Some(dependencies) = known.filter(|_| self.keeps_everything) {
            self.causality.note(author, self.last(author), dependencies);
        }
    }

    /// The same for an update that was written here: what had come by then, and was reduced. O(1) if
    /// nothing has come since `own` was written last, else O(origins of which something has).
    pub(crate) fn record_own_dependencies(
        &mut self,
        own: OriginIndex,
        reduced: Option<&VersionVector>,
    ) {
        if !self.keeps_everything {
            return;
        }
        let fresh = self.causality.take_fresh(own);
        let reduced = |origin| reduced.map_or(self.last(origin), |seen| seen.seq(self.id(origin)));
        let dependency = |origin| Dependency { origin, seq: reduced(origin) };
        let is_new = |&Dependency { origin, seq }: &Dependency| {
            origin != own && seq > self.latest_seen(own, origin)
        };
        let dependencies: Vec<_> = match fresh {
            Some(fresh) => fresh.into_iter().map(dependency).filter(is_new).collect(),
            None => (0..self.origins() as OriginIndex).map(dependency).filter(is_new).collect(),
        };
        self.causality.note(own, self.last(own), &dependencies);
    }

    /// Forgets what is recorded of updates that are not here any more.
    pub(crate) fn cut_dependencies(&mut self) {
        let origins = &self.origins;
        self.causality.cut(|author| origins.get(author as usize).map_or(0, |origin| origin.last));
    }

    /// The latest update of an origin that an author is recorded to have seen before it wrote its update `seq`; 0 if
    /// there is none. O(log updates).
    pub(crate) fn had_seen(&self, author: OriginIndex, seq: u64, other: OriginIndex) -> u64 {
        self.causality.author(author).map_or(0, |seen| seen.had_seen(seq, other))
    }

    /// The same, before the next update of the author.
    pub(crate) fn latest_seen(&self, author: OriginIndex, other: OriginIndex) -> u64 {
        self.causality.author(author).map_or(0, |seen| seen.latest(other))
    }

    /// Whether all that an author had seen before its update `seq` is on record.
    pub(crate) fn is_recorded(&self, author: OriginIndex, seq: u64) -> bool {
        self.causality.author(author).is_some_and(|seen| seq <= seen.recorded)
    }

    /// What the author of an update had newly seen before it; `None` if not all of it is on record.
    pub(crate) fn dependencies(
        &self,
        author: OriginIndex,
        seq: u64,
    ) -> Option<impl ExactSizeIterator<Item = Dependency>> {
        let seen = self.causality.author(author).filter(|seen| seq <= seen.recorded)?;
        Some(seen.before(seq).iter().map(|point| point.dependency))
    }

    /// The length of the longest run from `first`, of `len` at most, in which only the first entry has dependencies
    /// and that does not extend past the last recorded seq.
    pub(super) fn uniform(&self, author: OriginIndex, first: u64, len: usize) -> usize {
        let seen = self.causality.author(author).filter(|seen| first <= seen.recorded);
        let Some(seen) = seen else { return len };
        let next = seen.points.get(seen.upto(first)).map_or(u64::MAX, |point| point.before);
        (next.min(seen.recorded + 1) - first).min(len as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::{Cursor, Frontier, Missing},
        time::Time,
    };

    const A: OriginIndex = 0;
    const B: OriginIndex = 1;
    const C: OriginIndex = 2;

    fn dependencies(seqs: &[(OriginIndex, u64)]) -> Vec<Dependency> {
        seqs.iter().map(|&(origin, seq)| Dependency { origin, seq }).collect()
    }

    /// A history of `a`, `b` and `c` that keeps everything.
    struct Kept(History);

    impl Kept {
        fn new() -> Self {
            let mut history = History::new();
            history.keep_everything();
            for id in [0xa, 0xb, 0xc] {
                history.intern(id.into());
            }
            Self(history)
        }

        fn push(&mut self, origin: OriginIndex) {
            let time = Time::from_micros(self.0.end());
            self.0.push(origin, time, b"");
        }

        fn write(&mut self, own: OriginIndex) {
            self.push(own);
            self.0.record_own_dependencies(own, None);
        }

        fn receive(&mut self, origin: OriginIndex, seen: &[(OriginIndex, u64)]) {
            self.push(origin);
            self.0.record_dependencies(origin, Some(&dependencies(seen)));
        }

        fn recorded(&self, author: OriginIndex, seq: u64) -> Option<Vec<Dependency>> {
            self.0.dependencies(author, seq).map(Iterator::collect)
        }
    }

    #[test]
    fn updates_received_between_two_writes_count_as_newly_seen() {
        let mut kept = Kept::new();
        kept.receive(B, &[]);
        kept.write(A);
        kept.write(A);
        kept.receive(B, &[(A, 1)]);
        kept.receive(C, &[(B, 2)]);
        kept.write(A);
        assert_eq!(kept.recorded(A, 1), Some(dependencies(&[(B, 1)])));
        assert_eq!(kept.recorded(A, 2), Some(dependencies(&[])));
        assert_eq!(kept.recorded(A, 3), Some(dependencies(&[(B, 2), (C, 1)])));
        let seen: Vec<_> = (1..=3).map(|seq| kept.0.had_seen(A, seq, B)).collect();
        assert_eq!(seen, [1, 1, 2]);
        assert_eq!(kept.0.had_seen(B, 1, A), 0);
        assert_eq!(kept.0.had_seen(B, 2, A), 1);
    }

    #[test]
    fn the_first_write_under_a_new_id_has_seen_everything_new_to_it() {
        let mut kept = Kept::new();
        kept.write(A);
        kept.receive(B, &[]);
        kept.write(C);
        kept.receive(B, &[]);
        kept.write(A);
        assert_eq!(kept.recorded(C, 1), Some(dependencies(&[(A, 1), (B, 1)])));
        assert_eq!(kept.recorded(A, 2), Some(dependencies(&[(B, 2), (C, 1)])));
    }

    #[test]
    fn pending_updates_do_not_count_as_seen() {
        let mut kept = Kept::new();
        kept.receive(B, &[]);
        let reduced = kept.0.version();
        kept.receive(B, &[]);
        kept.push(A);
        kept.0.record_own_dependencies(A, Some(&reduced));
        assert_eq!(kept.recorded(A, 1), Some(dependencies(&[(B, 1)])));
    }

    #[test]
    fn a_record_is_complete_up_to_the_first_update_without_one() {
        let mut kept = Kept::new();
        kept.receive(A, &[]);
        kept.receive(B, &[(A, 1)]);
        kept.push(B);
        kept.receive(A, &[]);
        kept.receive(B, &[(A, 2)]);
        assert!(kept.0.is_recorded(B, 1) && !kept.0.is_recorded(B, 2));
        assert_eq!(kept.recorded(B, 3), None);
        // What is recorded of later updates is true all the same.
        assert_eq!([2, 3].map(|seq| kept.0.had_seen(B, seq, A)), [1, 2]);
    }

    #[test]
    fn forgotten_updates_have_no_record() {
        let mut seen = Causality::default();
        seen.note(A, 1, &dependencies(&[(B, 1), (C, 4)]));
        seen.note(A, 2, &[]);
        seen.note(A, 3, &dependencies(&[(B, 2)]));
        seen.cut(|_| 2);
        let author = seen.author(A).unwrap();
        assert_eq!((author.recorded, author.latest(B), author.latest(C)), (2, 1, 4));
        seen.note(A, 3, &dependencies(&[(B, 7)]));
        assert_eq!(seen.author(A).unwrap().latest(B), 7);
    }

    #[test]
    fn a_run_ends_where_its_author_had_seen_more() {
        let mut kept = Kept::new();
        for _ in 0..3 {
            kept.write(A);
        }
        // b.9 was applied elsewhere, and stands in between nowhere here.
        kept.receive(A, &[(B, 9)]);
        kept.receive(A, &[]);
        kept.push(A);
        kept.push(A);
        let mut cursor = Cursor::new(&kept.0, Frontier::new(&kept.0, &VersionVector::new()));
        let mut runs = Vec::new();
        while let Some(Missing::Entries(entries)) = cursor.peek(&kept.0) {
            cursor.took_entries(&kept.0, &entries, entries.len);
            runs.push((entries.first_seq, entries.len));
        }
        assert_eq!(runs, [(1, 3), (4, 2), (6, 2)]);
    }

    #[test]
    fn a_history_that_forgets_records_nothing() {
        let mut history = History::new();
        let (a, b) = (history.intern(0xa.into()), history.intern(0xb.into()));
        history.push(b, Time::from_micros(1), b"");
        history.push(a, Time::from_micros(2), b"");
        history.record_own_dependencies(a, None);
        history.push(b, Time::from_micros(3), b"");
        history.record_dependencies(b, Some(&[Dependency { origin: a, seq: 1 }]));
        assert_eq!(history.causality.memory(), 0);
        assert!(!history.is_recorded(a, 1) && history.had_seen(a, 1, b) == 0);
    }
}
