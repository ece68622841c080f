//! Updates that are written.

use super::World;
use crate::{
    core::UpdateError,
    id::ReplicaId,
    stamp::Stamp,
    testing::{
        erased::ErasedUpdate,
        simulation::{Broken, Guarantee, audited::lock, trace::name},
    },
};

impl World<'_> {
    pub(super) fn write(&mut self, at: usize) -> Result<(), Broken> {
        self.write_some(at, 1)
    }

    pub(super) fn edit(&mut self, at: usize) -> Result<(), Broken> {
        let count = self.chance.within(2..5);
        self.write_some(at, count)
    }

    fn write_some(&mut self, at: usize, count: u64) -> Result<(), Broken> {
        let wall = self.now_of(at).wall;
        let version = self.nodes[at].version();
        let Self { plan, nodes, chance, ledger, .. } = self;
        let node = &mut nodes[at];
        let Some(core) = &mut node.core else { return Ok(()) };
        let state =
            core.state().map_err(|_| Broken::new(Guarantee::Total, "reduce has panicked"))?;
        let life = state.life;
        chance.has_seen(lock(ledger).recent(life));
        let updates: Vec<_> =
            (0..count).filter_map(|_| (plan.updates)(&state.inner, chance)).collect();
        lock(ledger).begin_writing();
        if core.needs_new_id() && self.has_forgers {
            // Somebody made up an update of ours.
            core.set_id(ReplicaId::from(self.next_id));
            (node.id, self.next_id) = (core.id(), self.next_id + 1);
        }
        let told = if self.trace.is_recording() { show(&updates) } else { Vec::new() };
        let were_truthful = lock(ledger).untruthful.is_none();
        let receipts = match core.update_all(updates, wall) {
            Ok(receipts) => receipts,
            // It wrote when its clock was ahead, and is told so.
            Err(UpdateError::ClockAhead { .. }) if self.mix.skew > 0 => Vec::new(),
            Err(error) => {
                let what = format!("{:?} cannot write: {error}", node.id);
                return Err(Broken::new(Guarantee::Identity, what));
            }
        };
        let given: Vec<_> = receipts.iter().map(|receipt| receipt.stamp()).collect();
        let stamps: Vec<_> = given.iter().flatten().copied().collect();
        lock(ledger).end_writing(life, &stamps, &version);
        if let Some(first) = stamps.first() {
            node.is_dirty = true;
            self.counts.updates += stamps.len() as u64;
            if stamps.len() > 1 {
                self.edits.push((first.dot, stamps.len() as u64));
            }
        }
        self.tell_written(at, &given, &told);
        if were_truthful {
            self.tell_untruthful(at);
        }
        Ok(())
    }

    /// Tells of updates that were written. Those without a stamp have changed nothing, as the reducer says.
    fn tell_written(&mut self, at: usize, given: &[Option<Stamp>], told: &[String]) {
        let (mut stamps, mut notes, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for (stamp, update) in given.iter().zip(told) {
            let Some(stamp) = stamp else {
                let line = || format!("{} writes {update}: no changes, so not kept", name(at));
                self.trace.log(line);
                continue;
            };
            stamps.push(*stamp);
            notes.push(&**update);
            written.push(format!("{stamp:?}: {update}"));
        }
        if !written.is_empty() {
            self.trace.write(at, &stamps, notes.join("; "));
            self.trace.log(|| format!("{} writes {}", name(at), written.join("; ")));
        }
    }

    /// What is not kept would have no place in the diagram, were it not the reason for all that follows.
    fn tell_untruthful(&mut self, at: usize) {
        let ledger = lock(&self.ledger);
        if let Some(untruthful) = &ledger.untruthful {
            self.trace.event(at, "untruthful", untruthful.update.clone());
        }
    }
}

/// Updates as one would write them.
fn show(updates: &[ErasedUpdate]) -> Vec<String> {
    updates.iter().map(|update| update.tree().to_string()).collect()
}
