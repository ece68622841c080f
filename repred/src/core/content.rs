//! Comparing what others say of the content of updates with what is here.

use super::Core;
use crate::{fork::Fork, history::WithEpochs, reduce::Replicated, seen::Seen};

impl<R: Replicated> Core<R> {
    /// What was seen, with what binds it to its content. O(origins).
    pub(crate) fn seen(&mut self, with_epochs: WithEpochs) -> Seen {
        self.applied.content().mark_all();
        self.history().seen(with_epochs)
    }

    /// Whether somebody who says this has the same updates as we have, of those that both have seen and that can be
    /// compared. O(origins).
    pub(crate) fn check_fork(&self, seen: &Seen) -> Result<(), Fork> {
        match self.history().contradiction(seen) {
            Some(dot) => Err(Fork::at(dot, self.id())),
            None => Ok(()),
        }
    }

    /// Takes over tokens of last updates that are unknown here, from somebody who has the same updates.
    pub(crate) fn learn_tokens(&mut self, seen: &Seen) {
        let history = self.applied.content();
        for head in seen.heads() {
            if let Some(origin) = history.origin(head.id)
                && history.last(origin) == head.seq
            {
                history.learn_mark(origin, head.token);
            }
        }
    }
}
