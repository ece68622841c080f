//! The end of a run, and the checks of every guarantee.

use std::time::Duration;

use super::World;
use crate::{
    id::ReplicaId,
    reduce::{Reduce, Replicated},
    testing::{
        diff::diff,
        erased::Erased,
        line::Line,
        simulation::{
            Broken, Guarantee,
            audited::lock,
            ledger::{list, seq},
            link::Link,
            trace::name,
        },
    },
};

/// More moves than any healing takes.
const MOVES: usize = 400_000;

impl World<'_> {
    /// Ends all faults: every replica has to get every update.
    pub(crate) fn heal(&mut self) -> Result<(), Broken> {
        self.trace.log(|| "all faults end".into());
        self.links.clear();
        self.partition = None;
        // Whatever was written ahead of time has come.
        self.tick += 2 * (self.mix.skew + self.tick) + 3_600_000_000;
        self.mix.liar = None;
        self.mix.delay = 0;
        for at in 0..self.nodes.len() {
            (self.nodes[at].skew, self.nodes[at].drift) = (0, 0);
            self.restart(at)?;
        }
        for at in 1..self.nodes.len() {
            let mut config = self.plan.config.clone();
            config.check_divergence = Some(Duration::ZERO);
            self.connect([at - 1, at], [config.clone(), config]);
        }
        self.come_to_rest()?;
        for at in 0..self.nodes.len() {
            self.put_on_disk(at)?;
            self.check(at)?;
        }
        self.check_ledger()?;
        if self.has_forgers {
            return self.check_alarm();
        }
        if self.is_parted {
            self.counts.parted += 1;
            return Ok(());
        }
        self.check_end()
    }

    /// Two connected replicas of the same version hold the same state: otherwise their session had failed.
    pub(super) fn check_alarm(&self) -> Result<(), Broken> {
        for link in &self.links {
            let [one, other] = link.ends.map(|end| &self.nodes[end]);
            let (Some(one), Some(other)) = (&one.core, &other.core) else { continue };
            // Who holds something, because of a greeting that was forged, knows that its state stands still.
            if one.has_deferred() || other.has_deferred() {
                continue;
            }
            let is_same_version =
                sorted(one.history().seqs().collect()) == sorted(other.history().seqs().collect());
            if is_same_version && one.state_digest() != other.state_digest() {
                let ends = link.ends.map(name);
                let what =
                    format!("{} and {} differ, and neither session has failed", ends[0], ends[1]);
                let broken = Broken::new(Guarantee::Converges, what);
                return Err(broken.with(self.two_replicas(link.ends)));
            }
        }
        Ok(())
    }

    pub(super) fn come_to_rest(&mut self) -> Result<(), Broken> {
        for _ in 0..MOVES {
            let before = self.counts.messages;
            for link in (0..self.links.len()).rev() {
                for end in 0..2 {
                    if link < self.links.len() && self.send_next(link, end)? {
                        while link < self.links.len()
                            && !self.links[link].flights[1 - end].is_empty()
                        {
                            self.deliver(link, 1 - end)?;
                        }
                    }
                }
            }
            if self.counts.messages == before && self.links.iter().all(Link::is_empty) {
                return Ok(());
            }
        }
        Err(Broken::new(Guarantee::Ends, "replicas do not stop sending"))
    }

    pub(super) fn check_end(&self) -> Result<(), Broken> {
        let versions: Vec<_> = self.nodes.iter().map(|node| sorted(node.version())).collect();
        if let Some(at) = versions.iter().position(|version| *version != versions[0]) {
            let what =
                format!("{} has {:?}, {} has {:?}", name(0), versions[0], name(at), versions[at]);
            return Err(Broken::new(Guarantee::Converges, what));
        }
        for (id, acknowledged) in &self.acknowledged {
            if seq(&versions[0], *id) < *acknowledged {
                let what =
                    format!("{id:?}.{acknowledged} was acknowledged as durable, and is lost");
                return Err(Broken::new(Guarantee::NothingLost, what));
            }
        }
        Ok(())
    }

    pub(super) fn check_ledger(&self) -> Result<(), Broken> {
        let broken = lock(&self.ledger).broken.take();
        broken.map_or(Ok(()), |(guarantee, what)| Err(Broken::new(guarantee, what)))
    }

    /// A state is the fold of its version, which has all causes in it and splits no edit.
    pub(super) fn check(&mut self, at: usize) -> Result<(), Broken> {
        if self.has_forgers {
            return Ok(());
        }
        let version = self.nodes[at].version();
        let Some(core) = &self.nodes[at].core else { return Ok(()) };
        let ledger = lock(&self.ledger);
        if !ledger.is_closed(&version) {
            let what = format!("{} has seen {version:?}, and not all its causes", name(at));
            return Err(Broken::new(Guarantee::Causal, what));
        }
        for (first, count) in &self.edits {
            let seen = seq(&version, first.origin);
            if seen >= first.seq && seen < first.seq + count - 1 {
                let what = format!("{} has seen a part of the edit at {first:?}", name(at));
                return Err(Broken::new(Guarantee::Atomic, what));
            }
        }
        let mut fold = (self.plan.make)();
        for (stamp, payload) in ledger.within(&version) {
            if let Ok(update) = fold.decode_update(payload) {
                fold.reduce(update, stamp);
            }
        }
        let state =
            core.state().map_err(|_| Broken::new(Guarantee::Total, "reduce has panicked"))?;
        if self.plan.is_same(&state.inner, &fold) {
            drop(ledger);
            return self.check_order(at);
        }
        let dots = ledger.within(&version).into_iter().map(|(stamp, _)| stamp.dot);
        let should = format!("the fold of {}", list(&dots.collect::<Vec<_>>()));
        let labels = [format!("{}, after {}", name(at), ledger.order(state.life)), should];
        let trees = [&state.inner, &fold].map(Erased::tree);
        let mut details = diff([&labels[0], &labels[1]], [&trees[0], &trees[1]]);
        details.extend(ledger.reason());
        let what = format!("{} holds another state", name(at));
        Err(Broken::new(Guarantee::Fold, what).with(details))
    }

    /// What two replicas hold that should hold the same, and what may be the reason.
    pub(super) fn two_replicas(&self, ends: [usize; 2]) -> Vec<Line> {
        let ledger = lock(&self.ledger);
        let states = ends.map(|end| self.nodes[end].core.as_ref()?.state().ok());
        let [Some(one), Some(other)] = states else { return Vec::new() };
        let label = |end: usize, life| format!("{}, after {}", name(end), ledger.order(life));
        let labels = [label(ends[0], one.life), label(ends[1], other.life)];
        let trees = [&one.inner, &other.inner].map(Erased::tree);
        let mut lines = diff([&labels[0], &labels[1]], [&trees[0], &trees[1]]);
        lines.extend(ledger.reason());
        lines
    }
}

fn sorted(mut version: Vec<(ReplicaId, u64)>) -> Vec<(ReplicaId, u64)> {
    version.retain(|(_, seq)| *seq > 0);
    version.sort_unstable();
    version
}
