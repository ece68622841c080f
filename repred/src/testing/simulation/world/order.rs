//! The check of the order of updates: which was written with knowledge of which.

use super::World;
use crate::{
    core::OrderError,
    stamp::Dot,
    testing::simulation::{Broken, Guarantee, audited::lock, trace::name},
};

/// How many pairs of updates are looked at each time.
const PAIRS: u64 = 64;

/// In shorter messages not all has room that an author may have seen.
const LONG: usize = 1000;

impl World<'_> {
    /// Checks the order of some updates that a replica which keeps everything reports. It may know nothing of
    /// updates that came in a snapshot.
    pub(super) fn check_order(&mut self, at: usize) -> Result<(), Broken> {
        let mut version = self.nodes[at].version();
        version.retain(|(_, last)| *last > 0);
        let Some(core) = &self.nodes[at].core else { return Ok(()) };
        if !self.plan.keeps_everything || version.is_empty() {
            return Ok(());
        }
        let ledger = lock(&self.ledger);
        let knows_all = !ledger.has_snapshots() && self.mix.message_bytes > LONG;
        let chance = &mut self.chance;
        let mut any = || {
            let (id, last) = *chance.pick(&version);
            Dot::new(id, 1 + chance.below(last))
        };
        for _ in 0..PAIRS {
            let (a, b) = (any(), any());
            let expected = ledger.had_seen(b, a);
            let what = match core.is_before(a, b) {
                Ok(is_before) if is_before == expected => continue,
                Err(OrderError::NotRecorded { .. }) if !knows_all => continue,
                answer => format!("{} says of {a:?} before {b:?}: {answer:?}", name(at)),
            };
            return Err(Broken::new(Guarantee::Order, what));
        }
        Ok(())
    }
}
