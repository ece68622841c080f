//! What happens to one replica: crashes, clocks, trims, syncs, timeouts.

use super::World;
use crate::{
    testing::simulation::{
        Broken, Guarantee,
        audited::lock,
        faults::{Durability, Trims},
        ledger::seq,
        node::{Node, PutBack},
        trace::name,
    },
    version::VersionVector,
};

impl World<'_> {
    pub(super) fn crash(&mut self, at: usize) -> Result<(), Broken> {
        if self.nodes[at].core.is_none() {
            return Ok(());
        }
        self.cut_all(at);
        let Self { nodes, chance, .. } = self;
        let keep = |unsynced: usize| chance.below(unsynced as u64 + 1) as usize;
        let is_torn = nodes[at].crash(keep)?;
        self.counts.faults.crashes += 1;
        self.counts.faults.torn += u64::from(is_torn);
        self.trace.event(at, "crash", String::new());
        self.trace.log(|| format!("{} crashes", name(at)));
        Ok(())
    }

    fn cut_all(&mut self, at: usize) {
        while let Some(link) = self.links.iter().position(|link| link.end_of(at).is_some()) {
            self.cut(link);
        }
    }

    /// The folder of a replica vanishes while it is open.
    pub(super) fn displace(&mut self, at: usize) -> Result<(), Broken> {
        let later = *self.chance.pick(&[PutBack::Itself, PutBack::Copy]);
        if self.nodes[at].displace(later)? {
            self.cut_all(at);
            self.counts.faults.displaced += 1;
            self.trace.event(at, "displaced", String::new());
            self.trace.log(|| match later {
                PutBack::Itself => format!("{}'s folder is renamed while it is open", name(at)),
                PutBack::Copy => format!("{}'s folder is replaced by a copy", name(at)),
            });
        }
        Ok(())
    }

    pub(super) fn restart(&mut self, at: usize) -> Result<(), Broken> {
        if self.nodes[at].core.is_some() {
            return Ok(());
        }
        let is_strict = self.mix.durability == Durability::Strict;
        let id = self.strange_id();
        let now = self.now_of(at);
        let core = self.plan.core(id, &self.ledger);
        self.nodes[at].restart(core, &self.plan.config, now)?;
        let id = self.nodes[at].id;
        self.trace.event(at, "restart", String::new());
        self.trace.log(|| format!("{} restarts as {id:?}", name(at)));
        if is_strict { self.resume(at) } else { Ok(()) }
    }

    /// A replica that keeps its id writes again the seqs that no other replica has received.
    pub(super) fn resume(&mut self, at: usize) -> Result<(), Broken> {
        if !self.has_forgers {
            self.check_restart(at)?;
        }
        let node = &self.nodes[at];
        let own = seq(&node.version(), node.id);
        lock(&self.ledger).forget_beyond(node.id, own);
        self.edits.retain(|(first, count)| first.origin != node.id || first.seq + count - 1 <= own);
        Ok(())
    }

    /// A replica that keeps its id must have kept every update that another has received.
    pub(super) fn check_restart(&self, at: usize) -> Result<(), Broken> {
        let node = &self.nodes[at];
        let version = node.version();
        let own = seq(&version, node.id);
        let lost = node.promised.iter().find(|(id, claimed)| *claimed > seq(&version, *id));
        if let Some((id, claimed)) = lost {
            let what = format!("{} had confirmed {id:?}.{claimed}, and lost it", name(at));
            return Err(Broken::new(Guarantee::NothingLost, what));
        }
        if self.acknowledged.get(&node.id).is_some_and(|seq| *seq > own) {
            let what = format!("{} has lost an update that was acknowledged as durable", name(at));
            return Err(Broken::new(Guarantee::NothingLost, what));
        }
        let knows = |other: &Node| seq(&other.version(), node.id) > own;
        if let Some(other) = self.nodes.iter().position(knows) {
            let what = format!("{} has lost an update that {} has received", name(at), name(other));
            return Err(Broken::new(Guarantee::Identity, what));
        }
        Ok(())
    }

    pub(super) fn skew(&mut self, at: usize) -> Result<(), Broken> {
        if self.mix.skew > 0 {
            let skew = self.chance.below(2 * self.mix.skew) as i64 - self.mix.skew as i64;
            self.nodes[at].skew = skew;
            self.nodes[at].drift = *self.chance.pick(&[0, 0, 200_000, -200_000]);
            self.counts.faults.skews += 1;
            self.trace.log(|| format!("{}'s clock is {skew} µs ahead", name(at)));
        }
        Ok(())
    }

    pub(super) fn trim(&mut self, at: usize) -> Result<(), Broken> {
        let Some(core) = &self.nodes[at].core else { return Ok(()) };
        // What a forged greeting makes somebody hold cannot be trimmed.
        let own = core.in_order();
        let floor: VersionVector = match self.mix.trims {
            Trims::Never => return Ok(()),
            Trims::Forced => own,
            Trims::Stable => {
                let least = |id| self.nodes.iter().map(|node| seq(&node.durable, id)).min();
                own.iter().map(|(id, own)| (id, least(id).unwrap_or(0).min(own))).collect()
            }
        };
        let Some(core) = &mut self.nodes[at].core else { return Ok(()) };
        core.trim(&floor).map_err(|error| Broken::new(Guarantee::Sessions, error.to_string()))?;
        self.counts.faults.trims += 1;
        self.trace.log(|| format!("{} trims {floor}", name(at)));
        if self.chance.percent(30) {
            self.nodes[at].compact()?;
            self.trace.log(|| format!("{} compacts its journal", name(at)));
        }
        Ok(())
    }

    pub(super) fn sync(&mut self, at: usize) -> Result<(), Broken> {
        self.put_on_disk(at)
    }

    pub(super) fn put_on_disk(&mut self, at: usize) -> Result<(), Broken> {
        let node = &mut self.nodes[at];
        if node.sync()? {
            // Its own updates are safe now, and their author is told.
            self.acknowledged.insert(node.id, seq(&node.durable, node.id));
        }
        Ok(())
    }

    /// Time passes, and sessions that have waited too long time out.
    pub(super) fn wait(&mut self, _at: usize) -> Result<(), Broken> {
        self.tick += self.chance.pick(&[1_000_000, 6_000_000, 30_000_000]);
        for link in (0..self.links.len()).rev() {
            for end in 0..2 {
                let now = self.now_of(self.links[link].ends[end]);
                if let Err(error) = self.links[link].sessions[end].handle_timeout(now) {
                    self.over(link, &error)?;
                    break;
                }
            }
        }
        Ok(())
    }
}
