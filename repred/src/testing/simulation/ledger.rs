//! [`Ledger`]: what was really written, by which everything that is reduced is checked.

use std::collections::{HashMap, HashSet};

use super::guarantee::Guarantee;
use crate::{
    id::ReplicaId,
    stamp::{Dot, Stamp},
    testing::line::Line,
    time::Time,
};

/// All updates of a run, and what each replica has made of them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    written: HashMap<Dot, Written>,
    /// Every id that ever wrote.
    origins: Vec<ReplicaId>,
    lives: Vec<Life>,
    /// Whose update is being written just now, and what was reduced meanwhile.
    writing: Option<Vec<(Stamp, Vec<u8>)>>,
    /// What went wrong first.
    pub(crate) broken: Option<(Guarantee, String)>,
    /// Peers may make things up.
    has_forgers: bool,
    /// Whether to look for updates that are not truthful, which takes time.
    pub(crate) is_explained: bool,
    /// The first of them.
    pub(crate) untruthful: Option<Untruthful>,
}

/// An update as its author wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) time: Time,
    pub(crate) payload: Vec<u8>,
    /// What its author had seen, by the place of each origin in the table.
    after: Vec<u64>,
}

/// An update that says of itself that it changes nothing, and changes something.
#[derive(Clone, Debug)]
pub(crate) struct Untruthful {
    pub(crate) update: String,
    /// What it did, line by line.
    pub(crate) lines: Vec<Line>,
}

/// What one replica has reduced, from its start or its last snapshot on.
#[derive(Debug, Default)]
struct Life {
    reduced: HashSet<Dot>,
    /// All that must have come before something that was reduced.
    implied: Vec<u64>,
    /// What came last.
    recent: Vec<Stamp>,
    /// It began with a snapshot, or has adopted one.
    has_snapshot: bool,
}

/// How many stamps a replica remembers for updates to name.
const RECENT: usize = 8;

impl Ledger {
    pub(crate) fn new(has_forgers: bool, is_explained: bool) -> Self {
        Self { has_forgers, is_explained, ..Self::default() }
    }

    /// A replica begins. What is returned is its name here.
    pub(crate) fn begin_life(&mut self) -> usize {
        self.lives.push(Life::default());
        self.lives.len() - 1
    }

    /// A replica has adopted a snapshot: what it had reduced may come again, on top of it.
    pub(crate) fn begin_again(&mut self, life: usize) {
        let recent = std::mem::take(&mut self.lives[life].recent);
        self.lives[life] = Life { recent, has_snapshot: true, ..Life::default() };
    }

    /// In which order a replica has reduced what it has reduced, as far as that is remembered.
    pub(crate) fn order(&self, life: usize) -> String {
        let Life { reduced, recent, has_snapshot, .. } = &self.lives[life];
        let since = recent.len().saturating_sub(reduced.len());
        let dots: Vec<_> = recent[since..].iter().map(|stamp| stamp.dot).collect();
        let has_more = reduced.len() > dots.len();
        match (has_snapshot, has_more) {
            (true, true) => format!("a snapshot, …, {}", list(&dots)),
            (true, false) if dots.is_empty() => "a snapshot".into(),
            (true, false) => format!("a snapshot, {}", list(&dots)),
            (false, true) => format!("…, {}", list(&dots)),
            (false, false) => list(&dots),
        }
    }

    /// What a replica has seen lately.
    pub(crate) fn recent(&self, life: usize) -> Vec<Stamp> {
        self.lives[life].recent.clone()
    }

    pub(crate) fn begin_writing(&mut self) {
        self.writing = Some(Vec::new());
    }

    /// What was written has got these stamps, but for what changed nothing.
    pub(crate) fn end_writing(
        &mut self,
        life: usize,
        stamps: &[Stamp],
        version: &[(ReplicaId, u64)],
    ) {
        let fresh = self.writing.take().unwrap_or_default();
        let mut after = Vec::new();
        version.iter().for_each(|(id, seq)| self.raise(&mut after, *id, *seq));
        for stamp in stamps {
            let Some((_, payload)) = fresh.iter().rfind(|(other, _)| other == stamp) else {
                continue;
            };
            let own = Written { time: stamp.time, payload: payload.clone(), after: after.clone() };
            if self.written.insert(stamp.dot, own).is_some() {
                self.fail(Guarantee::Identity, format!("{:?} was written twice", stamp.dot));
            }
            self.lives[life].take(*stamp, &after);
            self.raise(&mut after, stamp.dot.origin, stamp.dot.seq);
        }
    }

    /// An update is about to be reduced.
    pub(crate) fn reduce(&mut self, life: usize, stamp: Stamp, payload: Vec<u8>) {
        if let Some(fresh) = &mut self.writing {
            fresh.push((stamp, payload));
        } else if !self.has_forgers {
            self.check(life, stamp, &payload);
        }
    }

    fn check(&mut self, life: usize, stamp: Stamp, payload: &[u8]) {
        let dot = stamp.dot;
        let Some(written) = self.written.get(&dot) else {
            return self.fail(Guarantee::NothingInvented, format!("nobody has written {dot:?}"));
        };
        if written.time != stamp.time || written.payload != payload {
            let what = format!("{dot:?} is not what its author wrote");
            return self.fail(Guarantee::NothingInvented, what);
        }
        let place = self.origins.iter().position(|id| *id == dot.origin);
        let implied = place.and_then(|place| self.lives[life].implied.get(place));
        if self.lives[life].reduced.contains(&dot) {
            self.fail(Guarantee::ExactlyOnce, format!("{dot:?} is reduced again"));
        } else if implied.is_some_and(|seq| *seq >= dot.seq) {
            let what = format!("{dot:?} is reduced after something whose author had seen it");
            self.fail(Guarantee::Causal, what);
        } else {
            let after = self.written[&dot].after.clone();
            self.lives[life].take(stamp, &after);
        }
    }

    /// A replica has come back without its last updates, which it will write anew.
    pub(crate) fn forget_beyond(&mut self, id: ReplicaId, seq: u64) {
        self.written.retain(|dot, _| dot.origin != id || dot.seq <= seq);
    }

    /// Whether everything in a version has its causes in it.
    pub(crate) fn is_closed(&self, version: &[(ReplicaId, u64)]) -> bool {
        let seq = |place: usize| {
            let id = self.origins[place];
            version.iter().find(|(other, _)| *other == id).map_or(0, |(_, seq)| *seq)
        };
        // The last of each origin has seen all that those before it had.
        version.iter().all(|(id, last)| {
            self.written.get(&Dot::new(*id, *last)).is_some_and(|written| {
                written.after.iter().enumerate().all(|(place, needed)| seq(place) >= *needed)
            })
        })
    }

    /// Whether the author of one update had seen another when it wrote it.
    pub(crate) fn had_seen(&self, one: Dot, other: Dot) -> bool {
        let place = self.origins.iter().position(|id| *id == other.origin);
        let seen = place.and_then(|place| self.written.get(&one)?.after.get(place));
        seen.is_some_and(|seq| *seq >= other.seq)
    }

    /// Whether any replica has ever adopted a snapshot.
    pub(crate) fn has_snapshots(&self) -> bool {
        self.lives.iter().any(|life| life.has_snapshot)
    }

    /// The updates of a version, in an order that causality allows: later stamps are never of causes.
    pub(crate) fn within(&self, version: &[(ReplicaId, u64)]) -> Vec<(Stamp, &[u8])> {
        let mut entries: Vec<_> = version
            .iter()
            .flat_map(|(id, last)| (1..=*last).map(|seq| Dot::new(*id, seq)))
            .filter_map(|dot| {
                let written = self.written.get(&dot)?;
                Some((Stamp { time: written.time, dot }, &*written.payload))
            })
            .collect();
        entries.sort_by_key(|(stamp, _)| *stamp);
        entries
    }

    /// What may be the reason for a state that is not as it should be.
    pub(crate) fn reason(&self) -> impl Iterator<Item = Line> {
        self.untruthful.iter().flat_map(|untruthful| untruthful.lines.iter().cloned())
    }

    pub(crate) fn fail(&mut self, guarantee: Guarantee, what: String) {
        self.broken.get_or_insert((guarantee, what));
    }

    fn raise(&mut self, seqs: &mut Vec<u64>, id: ReplicaId, seq: u64) {
        let place = self.origins.iter().position(|other| *other == id).unwrap_or_else(|| {
            self.origins.push(id);
            self.origins.len() - 1
        });
        seqs.resize(seqs.len().max(place + 1), 0);
        seqs[place] = seq.max(seqs[place]);
    }
}

/// How much of an origin a version has.
pub(crate) fn seq(version: &[(ReplicaId, u64)], id: ReplicaId) -> u64 {
    version.iter().find(|(other, _)| *other == id).map_or(0, |(_, seq)| *seq)
}

/// Dots one after the other, those of one author that follow each other as a range.
pub(crate) fn list(dots: &[Dot]) -> String {
    let runs = dots.chunk_by(|one, next| one.origin == next.origin && one.seq + 1 == next.seq);
    let runs: Vec<_> = runs
        .map(|run| match run {
            [one, .., last] if run.len() > 2 => format!("{one:?}..{last:?}"),
            _ => run.iter().map(|dot| format!("{dot:?}")).collect::<Vec<_>>().join(", "),
        })
        .collect();
    if runs.is_empty() { "nothing".into() } else { runs.join(", ") }
}

impl Life {
    fn take(&mut self, stamp: Stamp, after: &[u64]) {
        self.reduced.insert(stamp.dot);
        if self.recent.len() == RECENT {
            self.recent.remove(0);
        }
        self.recent.push(stamp);
        self.implied.resize(self.implied.len().max(after.len()), 0);
        self.implied.iter_mut().zip(after).for_each(|(seq, after)| *seq = (*after).max(*seq));
    }
}
