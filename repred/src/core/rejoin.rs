//! Rejoining: taking the others' state for ours, and writing again what only we have.
//!
//! ```text
//!  what was here      x.1 … x.5 │ x.6' z.4 x.7'        the two halves of x differ from x.6 on
//!  what others have   x.1 … x.5 │ x.6  x.7  w.1
//!  after it           x.1 … x.5   x.6  x.7  w.1  y.1 y.2      y.1 is x.6' again, y.2 is x.7'
//! ```

use super::{
    Core, RejoinError,
    apply::{Aside, IfEmpty, Step, Verified},
    identity::Identity,
    policy::{IfUnknown, ReceivePolicy},
};
use crate::{
    encoding::{Part, Renames},
    event::ReplicaEvent,
    history::{Cursor, Frontier, History, Missing, OriginIndex, SeqRange},
    id::ReplicaId,
    reduce::Replicated,
    snapshot::{self, Snapshot},
    stamp::{Dot, Stamp},
    time::Time,
    token::Epoch,
    version::VersionVector,
};
use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// What came of a [rejoin](Core::rejoin).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejoined {
    /// The id under which updates were written here before.
    pub old_id: ReplicaId,
    /// The id under which they are written from now on.
    pub new_id: ReplicaId,
    /// How many of our updates were written again. Those that a later one of ours had superseded, or that change
    /// nothing in the state of the others, were not.
    pub written_again: u64,
    /// How many updates that the others lacked have kept their names: they were written before anything went wrong.
    pub kept: u64,
    /// Updates of other replicas that are no longer here: a first one, and how many. They may rest on what is not
    /// here any more. Their authors still have them, and write them again when they rejoin.
    pub dropped: Vec<(Dot, u64)>,
}

/// What a core was before it began to rejoin.
pub(crate) struct Before<R: Replicated> {
    aside: Aside<R>,
    identity: Identity,
}

impl<R: Replicated> Core<R> {
    /// Takes the state of the others for ours, and writes again what only we have, under a new id: the way back for a
    /// replica whose history has become another than that of the others.
    ///
    /// That is so if an id was used twice (a copied folder, a backup that was restored), so that two updates have one
    /// name; if our clock was far ahead, so that nobody takes what was written meanwhile; or if both have trimmed what
    /// the other has not seen. In a session, [`SessionConfig::rejoin`](crate::sans_io::SessionConfig::rejoin) does
    /// this with the whole history of the peer; here the others' state is a snapshot.
    ///
    /// * Our half of a fork gets new names, which are the same whoever brings it back, and keeps its times. What rests on it
    ///   stays as it is.
    /// * What only its author can write again, because nobody takes it as it is, we write again if it is ours, with new
    ///   stamps: what was too far ahead of the clock, and a half that cannot be told by its epochs. It is concurrent to
    ///   what the others have, and later: of two writes of a register, ours wins. So it is with what we wrote after that;
    ///   what others wrote after it is [dropped](Rejoined::dropped).
    /// * Everything else that the others lack stays as it is.
    ///
    /// Each update is there once after this, in a counter as well. Dots that updates name inside are translated: the
    /// removal of what was added as `x.6` removes what is added as `y.1`. O(state, and history).
    ///
    /// ```
    /// use repred::{Set, Time, sans_io::Core};
    ///
    /// // A copy under the same id: both write an update called 7.1.
    /// let now = Time::from_micros(1);
    /// let mut here = Core::new(7.into(), Set::<char>::default());
    /// let mut there = Core::new(7.into(), Set::<char>::default());
    /// here.edit(now, |set| set.insert('h'))?;
    /// there.edit(now, |set| set.insert('t'))?;
    ///
    /// let rejoined = here.rejoin(&there.snapshot()?, 8.into(), now)?;
    /// assert_eq!(rejoined.new_id, 8.into());
    /// assert!(here.state()?.contains(&'h') && here.state()?.contains(&'t'));
    /// assert_eq!(here.version().len(), 2, "our half has another origin now");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`RejoinError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If `reduce` does; the core is poisoned then.
    pub fn rejoin(
        &mut self,
        snapshot: &Snapshot,
        new_id: ReplicaId,
        wall: Time,
    ) -> Result<Rejoined, RejoinError> {
        let before = self.begin_rejoin(new_id)?;
        let adopted = self.adopt(snapshot, wall).map_err(RejoinError::Adopt);
        match adopted {
            Ok(()) => self.finish_rejoin(before, wall),
            Err(error) => {
                self.cancel_rejoin(before);
                Err(error)
            }
        }
    }

    /// Sets aside everything that is here, and begins anew, under an id that nobody ever had. Then the others' history
    /// is received, and [`finish_rejoin`](Self::finish_rejoin) or [`cancel_rejoin`](Self::cancel_rejoin) is called.
    /// Nobody must see the core in between.
    pub(crate) fn begin_rejoin(&mut self, new_id: ReplicaId) -> Result<Before<R>, RejoinError> {
        self.check_health()?;
        let start = self.start.clone().map_err(RejoinError::Encode)?;
        let aside = self.applied.set_aside(&start)?;
        let identity = core::mem::replace(&mut self.identity, Identity::Ours(new_id));
        if self.applied.has_epochs() {
            self.applied.begin_epoch(0);
        }
        Ok(Before { aside, identity })
    }

    /// Everything is as it was.
    pub(crate) fn cancel_rejoin(&mut self, before: Before<R>) {
        self.identity = before.identity;
        self.applied.put_back(before.aside);
    }

    /// Writes again, on top of the others' history, what only we have. If that fails, everything is as it was.
    pub(crate) fn finish_rejoin(
        &mut self,
        before: Before<R>,
        wall: Time,
    ) -> Result<Rejoined, RejoinError> {
        match self.write_again(&before, wall) {
            Ok(rejoined) => {
                self.applied.drop_aside(before.aside);
                self.applied.events_mut().push(ReplicaEvent::Rejoined);
                self.discards += 1;
                self.rejoined = Some(rejoined.clone());
                Ok(rejoined)
            }
            Err(error) => {
                self.cancel_rejoin(before);
                Err(error)
            }
        }
    }

    fn write_again(&mut self, before: &Before<R>, wall: Time) -> Result<Rejoined, RejoinError> {
        let old = before.aside.history();
        let (old_id, new_id) = (before.identity.id(), self.id());
        let mut ours = self.own_ids.clone();
        // If it is taken, others may write under it as well, but what is here is what was here when we learned of it.
        let last = old.origin(old_id).map_or(0, |origin| old.last(origin));
        ours.entry(old_id).or_insert(last);
        let is_ahead = |time| self.too_far_ahead(time, wall).is_some();
        let plan = Plan::new(old, self.history(), &ours, is_ahead)?;

        // What becomes of a half of a fork must not depend on who writes it again, or else it would be there twice. So it
        // names by their new names only what is in such halves.
        let mut halves = Renames::default();
        for (first, parts) in &plan.halves {
            halves.split(*first, parts.clone());
        }
        let mut renames = halves.clone();
        plan.lost.iter().for_each(|&first| renames.begin(first));
        let mut new_names = BTreeMap::new();
        let (mut kept, mut written_again, mut has_skips) = (0, 0, false);
        for item in plan.items {
            match item {
                Item::Keep(stamp, payload) => {
                    self.keep_entry(stamp, &payload, wall)?;
                    self.keep_content(old, stamp.dot, 1);
                    kept += 1;
                }
                Item::KeepSkips(ranges) => {
                    self.keep_skips(&ranges);
                    ranges.iter().for_each(|&(dot, count)| self.keep_content(old, dot, count));
                    has_skips = true;
                }
                Item::Rename(stamp, new, payload) => {
                    let payload = self.renamed(stamp.dot, &payload, &halves)?;
                    self.keep_entry(Stamp { dot: new, ..stamp }, &payload, wall)?;
                    new_names.insert(stamp.dot, new);
                    written_again += 1;
                }
                Item::WriteAgain(stamp, payload) => {
                    let payload = self.renamed(stamp.dot, &payload, &renames)?;
                    if let Some(new) = self.write_entry_again(stamp.dot, &payload, wall)? {
                        renames.add(stamp.dot, new);
                        new_names.insert(stamp.dot, new.dot);
                        written_again += 1;
                    }
                }
            }
        }
        for (first, last) in plan.edits {
            self.edit_again(first, last, &new_names);
        }
        if has_skips {
            self.applied.raise_barriers();
        }
        // Where somebody else writes under an id of ours as well, what is here now is not ours.
        ours.retain(|id, _| !plan.forked.contains(id));
        self.own_ids = ours;
        Ok(Rejoined { old_id, new_id, written_again, kept, dropped: plan.dropped })
    }

    /// Receives an update that the others lack, under its own name.
    fn keep_entry(&mut self, stamp: Stamp, payload: &[u8], wall: Time) -> Result<(), RejoinError> {
        let origin = self.origin(stamp.origin()).map_err(RejoinError::Receive)?;
        let history = self.history();
        self.check_entry(history.last(origin), stamp, wall).map_err(RejoinError::Receive)?;
        let policy = ReceivePolicy::new(wall, IfUnknown::Defer { newest: self.newest_schema });
        let disposition = self.decide(stamp.dot, payload, &policy).map_err(RejoinError::Receive)?;
        let entry = Verified { origin, stamp, payload, disposition, dependencies: None };
        self.applied.remote(entry, IfEmpty::Keep, Step::End, None);
        Ok(())
    }

    /// Keeps what was known of the content of updates that have kept their names.
    fn keep_content(&mut self, old: &History, first: Dot, count: u64) {
        let last = first.seq + count - 1;
        let (Some(was), Some(origin)) =
            (old.origin(first.origin), self.history().origin(first.origin))
        else {
            return;
        };
        for &epoch in old.epochs(was).beginning_in(first.seq, last) {
            self.note_epoch(origin, epoch);
        }
        if self.history().last(origin) == last {
            self.learn_token(origin, old.token(was, last));
        }
    }

    /// Keeps the places of updates that the others lack, and that were superseded here.
    fn keep_skips(&mut self, ranges: &[(Dot, u64)]) {
        let ranges: Vec<_> =
            ranges.iter().map(|&(first, count)| self.range(first, count)).collect();
        self.applied.skip(&ranges, 0);
    }

    /// An update in which those that it names have other names.
    fn renamed(&self, old: Dot, payload: &[u8], renames: &Renames) -> Result<Vec<u8>, RejoinError> {
        let renamed = self.applied.state().rename_update(payload, old, renames);
        renamed.map_err(|error| RejoinError::Decode { dot: old, error })
    }

    /// Writes one of our updates again. `None` if it changes nothing.
    fn write_entry_again(
        &mut self,
        old: Dot,
        payload: &[u8],
        wall: Time,
    ) -> Result<Option<Stamp>, RejoinError> {
        let update = self.applied.state().decode_update(payload);
        let update = update.map_err(|error| RejoinError::Decode { dot: old, error })?;
        let own = self.applied.intern(self.id());
        let stamp = self.applied.next_stamp(self.last_stamp(own), wall);
        Ok(self.applied.local(own, stamp, update, payload, Step::End).stamp())
    }

    /// Makes one edit of what were the updates of one, as far as they are here.
    fn edit_again(&mut self, first: Dot, last: u64, new_names: &BTreeMap<Dot, Dot>) {
        let old = first..=Dot::new(first.origin, last);
        let mut again = new_names.range(old).map(|(_, &dot)| dot);
        let again =
            again.next().map(|dot| (dot, again.next_back().map_or(dot.seq, |last| last.seq)));
        let last_kept =
            self.history().origin(first.origin).map(|origin| self.history().last(origin));
        let kept = (last_kept >= Some(last)).then_some((first, last));
        if let Some((first, last)) = again.or(kept)
            && last > first.seq
        {
            let range = self.range(first, last - first.seq + 1);
            self.applied.mark_edit(range);
        }
    }

    fn range(&mut self, first: Dot, count: u64) -> SeqRange {
        let origin = self.applied.intern(first.origin);
        SeqRange { origin, first: first.seq, last: first.seq + count - 1 }
    }

    /// What came of the last rejoin, if there was one since this core was made.
    ///
    /// ```
    /// use repred::{Counter, sans_io::Core};
    ///
    /// let votes = Core::new(0xa.into(), Counter::default());
    /// assert_eq!(votes.rejoined(), None);
    /// ```
    pub fn rejoined(&self) -> Option<&Rejoined> {
        self.rejoined.as_ref()
    }
}

/// What becomes of the updates that the others lack.
struct Plan {
    items: Vec<Item>,
    /// The edits among them: the first update, and the last seq.
    edits: Vec<(Dot, u64)>,
    /// The halves of forks that become origins of their own, each from its first update on.
    halves: Vec<(Dot, Vec<Part>)>,
    /// From these on, other updates lose their names.
    lost: Vec<Dot>,
    /// Origins of which both have different updates.
    forked: BTreeSet<ReplicaId>,
    dropped: Vec<(Dot, u64)>,
}

enum Item {
    Keep(Stamp, Box<[u8]>),
    KeepSkips(Vec<(Dot, u64)>),
    /// With the time that it has, under this name, which it gets wherever it is.
    Rename(Stamp, Dot, Box<[u8]>),
    /// As something new of ours.
    WriteAgain(Stamp, Box<[u8]>),
}

impl Plan {
    fn new(
        old: &History,
        new: &History,
        ours: &BTreeMap<ReplicaId, u64>,
        is_ahead: impl Fn(Time) -> bool,
    ) -> Result<Self, RejoinError> {
        let forks = forks(old, new, &is_ahead);
        let mut walk = Walk::new(ours, forks, new.version(), moved(old, new));
        let common = walk.common(old)?;
        let mut cursor = Cursor::new(old, Frontier::new(old, &common));
        while let Some(missing) = cursor.peek(old) {
            match missing {
                Missing::Entries(entries) => {
                    cursor.took_entries(old, &entries, entries.len);
                    let id = old.id(entries.origin);
                    for (seq, (time, payload)) in (entries.first_seq..).zip(entries.iter()) {
                        walk.entry(Stamp::new(time, id, seq), payload, is_ahead(time));
                    }
                }
                Missing::Skip(skip) => {
                    cursor.took_skip(old, &skip);
                    for range in &skip.ranges {
                        walk.skip(Dot::new(old.id(range.origin), range.first), range.last);
                    }
                }
            }
        }
        let edits = old.edits_beyond(&common);
        let Walk { forks, stopped, items, dropped, .. } = walk;
        let forked = forks.keys().copied().collect();
        let halves = forks
            .into_iter()
            .filter_map(|(id, fork)| Some((Dot::new(id, fork.first), fork.parts?)));
        let lost = stopped.into_iter().map(|(origin, seq)| Dot::new(origin, seq));
        Ok(Self { items, edits, halves: halves.collect(), lost: lost.collect(), forked, dropped })
    }
}

/// From where on an origin has other updates here than there.
struct ForkPoint {
    first: u64,
    /// What our half becomes, if it is known by its epochs.
    parts: Option<Vec<Part>>,
}

/// Decides, along our history, what becomes of what the others lack.
struct Walk<'a> {
    ours: &'a BTreeMap<ReplicaId, u64>,
    forks: BTreeMap<ReplicaId, ForkPoint>,
    /// What the others have, and what was added to that.
    theirs: VersionVector,
    /// Origins that others have made of what these have under its first name, and up to which seq they have it.
    moved: BTreeMap<ReplicaId, u64>,
    /// What went wrong first was written at this time; only what was written later, or arrived after it, can rest on it.
    wrong_since: Option<Time>,
    /// From which seq on updates of an origin do not keep their names.
    stopped: BTreeMap<ReplicaId, u64>,
    items: Vec<Item>,
    dropped: Vec<(Dot, u64)>,
}

impl<'a> Walk<'a> {
    fn new(
        ours: &'a BTreeMap<ReplicaId, u64>,
        forks: BTreeMap<ReplicaId, ForkPoint>,
        theirs: VersionVector,
        moved: BTreeMap<ReplicaId, u64>,
    ) -> Self {
        let (stopped, items, dropped) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { ours, forks, theirs, moved, wrong_since: None, stopped, items, dropped }
    }

    /// What both have, as far as it is the same. If something is trimmed here that the others lack, everything may rest
    /// on it.
    fn common(&mut self, old: &History) -> Result<VersionVector, RejoinError> {
        let mut common = VersionVector::new();
        let floor = old.floor();
        for (id, last) in old.seqs() {
            let fork = self.forks.get(&id).map_or(u64::MAX, |fork| fork.first - 1);
            let (both, floor) = (last.min(self.theirs.seq(id)).min(fork), floor.seq(id));
            if floor > both && !self.have_moved(id, floor) {
                let (first, count) = (Dot::new(id, both + 1), floor - both);
                if self.is_ours(first) {
                    return Err(RejoinError::Trimmed { first, count });
                }
                self.wrong_since = Some(Time::ZERO);
                self.stop(first);
                self.drop(first, count);
                // What follows it has no place to follow.
                if let Some(fork) = self.forks.get_mut(&id) {
                    fork.parts = None;
                }
            }
            common.observe(Dot::new(id, both.max(floor)));
        }
        Ok(common)
    }

    /// Whether the others have our half of a fork up to this seq, as what it becomes.
    fn have_moved(&self, id: ReplicaId, seq: u64) -> bool {
        let parts = self.forks.get(&id).and_then(|fork| fork.parts.as_ref());
        parts.is_some_and(|parts| {
            let mut upto = parts.iter().take_while(|part| part.first <= seq);
            upto.all(|part| self.theirs.contains(part.name(seq)))
        })
    }

    fn is_ours(&self, dot: Dot) -> bool {
        self.ours.get(&dot.origin).is_some_and(|&last| dot.seq <= last)
    }

    fn is_fork(&self, dot: Dot) -> bool {
        self.forks.get(&dot.origin).is_some_and(|fork| dot.seq >= fork.first)
    }

    /// What an update in our half of a fork becomes.
    fn part(&self, dot: Dot) -> Option<Part> {
        let fork = self.forks.get(&dot.origin).filter(|fork| dot.seq >= fork.first)?;
        fork.parts.as_ref()?.iter().find(|part| part.contains(dot.seq)).copied()
    }

    fn stop(&mut self, first: Dot) {
        self.stopped.entry(first.origin).or_insert(first.seq);
    }

    /// Since this time something is wrong, or since an earlier one.
    fn note_wrong(&mut self, time: Time) {
        self.wrong_since = Some(self.wrong_since.map_or(time, |since| since.min(time)));
    }

    fn entry(&mut self, stamp: Stamp, payload: &[u8], is_ahead: bool) {
        let dot = stamp.dot;
        // What rests on a half that gets new names stays as it is: the half is there before it, wherever it is.
        if let Some(part) = self.part(dot) {
            let new = part.name(dot.seq);
            self.fill(part, dot.seq);
            if !self.theirs.contains(new) {
                self.theirs.observe(new);
                self.items.push(Item::Rename(stamp, new, payload.into()));
            }
            return;
        }
        if self.moved.get(&dot.origin).is_some_and(|&upto| dot.seq <= upto) {
            return self.keep_skips(dot, 1);
        }
        if is_ahead || self.is_fork(dot) {
            self.note_wrong(stamp.time);
        }
        // It has come already, as what a half of a fork becomes.
        if !self.is_fork(dot) && self.theirs.contains(dot) {
            return;
        }
        let is_ours = self.is_ours(dot);
        // We had seen everything that was here before. Whoever else had seen it has written at a later time.
        let may_rest_on_it = self.wrong_since.is_some_and(|since| is_ours || stamp.time > since);
        let is_next = self.theirs.seq(dot.origin) + 1 == dot.seq;
        let is_wrong = may_rest_on_it || is_ahead || self.is_fork(dot);
        if !is_wrong && is_next && !self.stopped.contains_key(&dot.origin) {
            self.theirs.observe(dot);
            self.items.push(Item::Keep(stamp, payload.into()));
            return;
        }
        self.stop(dot);
        match is_ours {
            true => self.items.push(Item::WriteAgain(stamp, payload.into())),
            false => self.drop(dot, 1),
        }
    }

    /// Places of superseded updates, whose times are not known. Those of ours that are not kept need not be written again:
    /// what has superseded them is.
    fn skip(&mut self, first: Dot, last: u64) {
        let fork = self.forks.get(&first.origin).map_or(u64::MAX, |fork| fork.first);
        let stays = self.wrong_since.is_none() && !self.stopped.contains_key(&first.origin);
        let mut next = first;
        if let Some(&upto) = self.moved.get(&first.origin)
            && first.seq <= upto
        {
            let count = last.min(upto) - first.seq + 1;
            self.keep_skips(first, count);
            next.seq += count;
        } else if stays && first.seq < fork {
            let count = last.min(fork - 1) - first.seq + 1;
            self.keep_skips(first, count);
            next.seq += count;
        }
        while next.seq <= last {
            let Some(part) = self.part(next) else {
                if next.seq >= fork {
                    self.note_wrong(Time::ZERO);
                }
                self.stop(next);
                if !self.is_ours(next) {
                    self.drop(next, last - next.seq + 1);
                }
                return;
            };
            let end = last.min(part.last);
            self.fill(part, next.seq);
            let (new, upto) = (part.name(next.seq), part.name(end).seq);
            let known = self.theirs.seq(new.origin).max(new.seq - 1);
            if upto > known {
                self.keep_skips(Dot { seq: known + 1, ..new }, upto - known);
            }
            next.seq = end + 1;
        }
    }

    /// Skips what a new origin would have of updates before the fork, so that its seqs do not depend on where that is.
    fn fill(&mut self, part: Part, seq: u64) {
        let (before, known) = (part.name(seq).seq - 1, self.theirs.seq(part.origin));
        if known < before {
            self.keep_skips(Dot::new(part.origin, known + 1), before - known);
        }
    }

    /// Skips some updates, as far as the others lack them.
    fn keep_skips(&mut self, first: Dot, count: u64) {
        let (next, last) = (self.theirs.seq(first.origin) + 1, first.seq + count - 1);
        if next > last {
            return;
        }
        self.theirs.observe(Dot { seq: last, ..first });
        self.items.push(Item::KeepSkips(vec![(Dot { seq: next, ..first }, last - next + 1)]));
    }

    fn drop(&mut self, first: Dot, count: u64) {
        match self.dropped.iter_mut().find(|(dot, _)| dot.origin == first.origin) {
            Some((dot, there)) => *there = first.seq + count - dot.seq,
            None => self.dropped.push((first, count)),
        }
    }
}

/// From which seq on two histories have different updates of an origin: where they know different epochs of it, or,
/// as far as both still have them, different entries.
fn forks(
    old: &History,
    new: &History,
    is_ahead: impl Fn(Time) -> bool,
) -> BTreeMap<ReplicaId, ForkPoint> {
    let known = old.seqs().filter_map(|(id, _)| Some((id, old.fork_with(new, id)?)));
    let mut forks: BTreeMap<_, _> = known.collect();
    let mut entries = BTreeMap::new();
    let mut are_ahead = BTreeSet::new();
    for_each_entry(old, |dot, time, payload| {
        entries.insert(dot, (time, payload));
        if is_ahead(time) {
            are_ahead.insert(dot.origin);
        }
    });
    let mut same = Vec::new();
    for_each_entry(new, |dot, time, payload| match entries.get(&dot) {
        Some(there) if *there == (time, payload) => same.push(dot),
        Some(_) => {
            let first = forks.entry(dot.origin).or_insert(dot.seq);
            *first = dot.seq.min(*first);
        }
        None => {}
    });
    let mut points = BTreeMap::new();
    for (id, first) in forks {
        let is_in_other_epoch = epoch_at(old, id, first) != epoch_at(new, id, first);
        let point = if is_in_other_epoch {
            // Nobody takes what is ahead, whatever its name. Only its author can write it again at another time.
            let parts = if are_ahead.contains(&id) { None } else { parts(old, id, first) };
            ForkPoint { first, parts }
        } else {
            // Both have gone on from one memory, and nothing says where they parted: after what is the same.
            let same = same.iter().filter(|dot| dot.origin == id && dot.seq < first);
            let same = same.map(|dot| dot.seq).max().unwrap_or(0);
            let floors = old.floor().seq(id).max(new.floor().seq(id));
            ForkPoint { first: first.min(same.max(floors) + 1), parts: None }
        };
        points.insert(id, point);
    }
    points
}

/// The epoch that an update of an origin is in, if it is known.
fn epoch_at(history: &History, id: ReplicaId, seq: u64) -> Option<u32> {
    history.epochs(history.origin(id)?).at(seq)
}

/// What the updates of an origin become from a seq on, if the epochs of all of them are known.
fn parts(history: &History, id: ReplicaId, first: u64) -> Option<Vec<Part>> {
    let origin = history.origin(id)?;
    let parts = all_parts(history, id, origin);
    let parts: Vec<_> = parts.into_iter().filter(|part| part.last >= first).collect();
    let is_complete = parts.first().is_some_and(|part| part.first <= first)
        && parts.windows(2).all(|pair| pair[0].last + 1 == pair[1].first);
    is_complete.then_some(parts)
}

/// What the updates of an origin become in each epoch that is known.
fn all_parts(history: &History, id: ReplicaId, origin: OriginIndex) -> Vec<Part> {
    let epochs = history.epochs(origin).as_slice();
    let ends = epochs.iter().skip(1).map(|next| next.first - 1);
    let ends = ends.chain([history.last(origin)]);
    let parts =
        epochs.iter().zip(ends).filter(|(epoch, last)| epoch.mark != 0 && epoch.first <= *last);
    parts
        .map(|(&epoch, last)| Part { first: epoch.first, last, origin: id_of(id, epoch) })
        .collect()
}

/// The origin that an epoch of another one becomes. Whoever has a half of a fork makes the same of it, so that it does
/// not come twice.
fn id_of(origin: ReplicaId, epoch: Epoch) -> ReplicaId {
    let (first, mark) = (epoch.first.to_le_bytes(), epoch.mark.to_le_bytes());
    snapshot::digest([&b"repred half 1"[..], &origin.to_bytes(), &first, &mark]).into()
}

/// Origins that somebody has made of epochs that the others have under their first names, and up to which seq.
fn moved(old: &History, new: &History) -> BTreeMap<ReplicaId, u64> {
    if old.seqs().all(|(id, _)| new.origin(id).is_some()) {
        return BTreeMap::new();
    }
    let theirs = new.seqs().filter_map(|(id, _)| Some((id, new.origin(id)?)));
    let parts = theirs.flat_map(|(id, origin)| all_parts(new, id, origin));
    parts.map(|part| (part.origin, part.last - part.first + 1)).collect()
}

fn for_each_entry<'h>(history: &'h History, mut see: impl FnMut(Dot, Time, &'h [u8])) {
    let mut cursor = Cursor::new(history, Frontier::new(history, &history.floor()));
    while let Some(missing) = cursor.peek(history) {
        match missing {
            Missing::Skip(skip) => cursor.took_skip(history, &skip),
            Missing::Entries(entries) => {
                cursor.took_entries(history, &entries, entries.len);
                let id = history.id(entries.origin);
                for (seq, (time, payload)) in (entries.first_seq..).zip(entries.iter()) {
                    see(Dot::new(id, seq), time, payload);
                }
            }
        }
    }
}
