//! [`Heads`]: the last seq of each origin while received updates are checked.

use alloc::collections::BTreeMap;

use super::ReceiveError;
use crate::{
    history::{Dependency, History, OriginIndex},
    id::ReplicaId,
    stamp::Dot,
};

/// The last seq of each origin while a block is checked: those of the history, overlaid with the items of the block so
/// far.
pub(super) struct Heads<'h> {
    history: &'h History,
    origins: BTreeMap<OriginIndex, u64>,
    /// What an author had seen of another origin.
    seen: BTreeMap<(OriginIndex, OriginIndex), u64>,
}

impl<'h> Heads<'h> {
    pub(super) fn of(history: &'h History) -> Self {
        Self { history, origins: BTreeMap::new(), seen: BTreeMap::new() }
    }

    pub(super) fn of_origin(&mut self, origin: OriginIndex) -> &mut u64 {
        let history = self.history;
        self.origins.entry(origin).or_insert_with(|| history.last(origin))
    }

    /// What an author had seen before an update has to be here by then, and it can be new only once.
    pub(super) fn check_seen(
        &mut self,
        author: OriginIndex,
        dot: Dot,
        seen: &[Dependency],
    ) -> Result<(), ReceiveError> {
        let history = self.history;
        for &Dependency { origin, seq } in seen {
            let dependency = Dot::new(history.id(origin), seq);
            if seq > *self.of_origin(origin) {
                return Err(ReceiveError::MissingDependency { dot, dependency });
            }
            let before = || history.latest_seen(author, origin);
            let latest = self.seen.entry((author, origin)).or_insert_with(before);
            if seq <= *latest {
                return Err(ReceiveError::RepeatedDependency { dot, dependency });
            }
            *latest = seq;
        }
        Ok(())
    }
}

/// The next update of an origin has to follow its last one, and must not be of our own.
pub(super) fn check_seq(last: u64, dot: Dot, own: ReplicaId) -> Result<(), ReceiveError> {
    if dot.origin == own {
        return Err(ReceiveError::OwnOrigin { dot });
    }
    if dot.seq > last + 1 {
        return Err(ReceiveError::Gap { dot, expected: last + 1 });
    }
    Ok(())
}
