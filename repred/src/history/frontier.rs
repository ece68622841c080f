//! [`Frontier`]: how far a peer has seen each origin of a history.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{History, OriginIndex};
use crate::{id::ReplicaId, version::VersionVector};

/// What a peer has or will have, by this history's table of origins. It is a version vector, but for the price: an
/// entry that is sent or received raises one number in an array, where a version vector would search a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frontier {
    seqs: Vec<u64>,
    /// Claims about origins that this history has never heard of; they stay out of its table, which
    /// would otherwise grow with whatever a peer makes up.
    unknown: BTreeMap<ReplicaId, u64>,
}

impl Frontier {
    pub(crate) fn new(history: &History, version: &VersionVector) -> Self {
        let mut frontier = Self { seqs: vec![0; history.origins()], unknown: BTreeMap::new() };
        for (id, seq) in version.iter() {
            match history.origin(id) {
                Some(origin) => frontier.seqs[origin as usize] = seq,
                None => drop(frontier.unknown.insert(id, seq)),
            }
        }
        frontier
    }

    /// Everything there is. O(origins).
    pub(crate) fn all_of(history: &History) -> Self {
        let origins = 0..history.origins() as OriginIndex;
        Self {
            seqs: origins.map(|origin| history.last(origin)).collect(),
            unknown: BTreeMap::new(),
        }
    }

    pub(crate) fn seq(&self, history: &History, origin: OriginIndex) -> u64 {
        match self.seqs.get(origin as usize) {
            Some(&seq) => seq,
            None if self.unknown.is_empty() => 0,
            None => self.unknown.get(&history.id(origin)).copied().unwrap_or(0),
        }
    }

    pub(crate) fn raise(&mut self, history: &History, origin: OriginIndex, seq: u64) {
        if self.seqs.len() <= origin as usize {
            self.align(history);
        }
        let there = &mut self.seqs[origin as usize];
        *there = seq.max(*there);
    }

    /// Takes over what `other` has beyond this.
    pub(crate) fn merge(&mut self, history: &History, other: &Self) {
        for origin in 0..history.origins() as OriginIndex {
            self.raise(history, origin, other.seq(history, origin));
        }
        for (&id, &seq) in &other.unknown {
            if history.origin(id).is_none() {
                let there = self.unknown.entry(id).or_default();
                *there = seq.max(*there);
            }
        }
    }

    /// What is known of what the history has. O(origins).
    pub(crate) fn version(&self, history: &History) -> VersionVector {
        let origins = 0..history.origins() as OriginIndex;
        origins.map(|origin| (history.id(origin), self.seq(history, origin))).collect()
    }

    /// How many updates the history has that are not known. O(origins).
    pub(crate) fn behind(&self, history: &History) -> u64 {
        (0..history.origins() as OriginIndex).fold(0, |sum: u64, origin| {
            sum.saturating_add(history.last(origin).saturating_sub(self.seq(history, origin)))
        })
    }

    /// Whether this is the history's own version, no less and no more. O(origins).
    pub(crate) fn is_version_of(&self, history: &History) -> bool {
        self.unknown.iter().all(|(&id, &seq)| seq == 0 || history.origin(id).is_some())
            && (0..history.origins() as OriginIndex)
                .all(|origin| history.last(origin) == self.seq(history, origin))
    }

    fn align(&mut self, history: &History) {
        for origin in self.seqs.len()..history.origins() {
            let id = history.id(origin as OriginIndex);
            self.seqs.push(self.unknown.remove(&id).unwrap_or(0));
        }
    }
}
