//! Who is linked with whom, and who can hear whom.

use std::time::Duration;

use super::World;
use crate::{
    session::{Direction, SessionConfig},
    testing::simulation::{Broken, link::Link, trace::name},
};

impl World<'_> {
    pub(super) fn config(&mut self) -> SessionConfig {
        let mut config = self.plan.config.clone();
        config.limits.message_bytes = self.mix.message_bytes;
        config.limits.block_bytes = self.mix.block_bytes;
        config.check_divergence = self.chance.percent(50).then_some(Duration::ZERO);
        config.direction = match self.chance.below(10) {
            8 => Direction::ReceiveOnly,
            9 => Direction::SendOnly,
            _ => Direction::Both,
        };
        config
    }

    pub(super) fn connect_any(&mut self, at: usize) -> Result<(), Broken> {
        let count = self.nodes.len();
        let other = (at + 1 + self.chance.below(count as u64 - 1) as usize) % count;
        let is_linked =
            self.links.iter().any(|link| link.end_of(at).is_some() && link.end_of(other).is_some());
        if !is_linked {
            let configs = [self.config(), self.config()];
            self.connect([at, other], configs);
        }
        Ok(())
    }

    pub(super) fn connect(&mut self, ends: [usize; 2], configs: [SessionConfig; 2]) {
        let now = ends.map(|end| self.now_of(end));
        let Ok([one, other]) = self.nodes.get_disjoint_mut(ends) else { return };
        let (Some(one), Some(other)) = (&mut one.core, &mut other.core) else { return };
        let link = Link::new(ends, configs, [one, other], now);
        self.links.push(link);
        self.block();
        self.trace.log(|| format!("{} and {} connect", name(ends[0]), name(ends[1])));
    }

    pub(super) fn cut_any(&mut self, _at: usize) -> Result<(), Broken> {
        if !self.links.is_empty() {
            let link = self.chance.below(self.links.len() as u64) as usize;
            self.cut(link);
        }
        Ok(())
    }

    pub(super) fn cut(&mut self, link: usize) {
        let link = self.remove(link);
        self.counts.faults.cuts += 1;
        self.counts.faults.lost += link.in_flight();
        let ends = link.ends.map(name);
        self.trace.log(|| {
            let lost = match link.in_flight() {
                0 => "nothing lost".into(),
                1 => "one message lost".into(),
                count => format!("{count} messages lost"),
            };
            format!("{} and {} are cut, {lost}", ends[0], ends[1])
        });
    }

    /// Takes a link away; what one end was told that the other has is not forgotten.
    pub(super) fn remove(&mut self, link: usize) -> Link {
        let link = self.links.swap_remove(link);
        for end in 0..2 {
            let Some(core) = &self.nodes[link.ends[end]].core else { continue };
            let origins = core.history().seqs();
            let claims: Vec<_> = origins.map(|(id, _)| (id, link.claimed(end, core, id))).collect();
            self.nodes[link.ends[1 - end]].promise(&claims);
        }
        link
    }

    pub(super) fn part(&mut self, at: usize) -> Result<(), Broken> {
        let all = (1 << self.nodes.len()) - 1;
        let group = match self.chance.below(2) {
            0 => 1 << at,
            _ => self.chance.within(1..all),
        };
        self.partition = Some((group, self.chance.percent(50)));
        self.counts.faults.partitions += 1;
        self.trace.log(|| format!("a partition: {group:b}"));
        self.block();
        Ok(())
    }

    pub(super) fn unite(&mut self, _at: usize) -> Result<(), Broken> {
        self.partition = None;
        self.block();
        Ok(())
    }

    /// Says of all links who cannot be heard.
    pub(super) fn block(&mut self) {
        let partition = self.partition;
        for link in &mut self.links {
            link.is_blocked = [false; 2];
            let Some((group, is_one_way)) = partition else { continue };
            let is_in = link.ends.map(|end| group >> end & 1 == 1);
            for end in 0..2 {
                // What goes into the group does not arrive; what comes out of it only one way.
                let is_into = is_in[end] && !is_in[1 - end];
                let is_out = !is_in[end] && is_in[1 - end];
                link.is_blocked[end] = is_into || is_out && !is_one_way;
            }
        }
    }
}
