//! [`Plan`]: where a block has to end.

use alloc::{collections::VecDeque, vec::Vec};

use crate::history::{Cursor, Dependency, Edit, History, Missing, Position, SeqRange};

/// What an entry or a skip takes in a block, beside its payload or ranges, at most.
const PIECE: usize = 64;

/// The extent of a block, fixed when the block opens: the transitive closure over the barriers of its skips and the
/// ends of its edits.
pub(super) struct Plan {
    pub(super) end: Position,
    pub(super) edits: VecDeque<SeqRange>,
}

impl Plan {
    /// For a block that begins at the cursor, with what is `missing` there. `None` if it is more than the peer takes.
    pub(super) fn new(
        history: &History,
        cursor: &Cursor,
        missing: &Missing<'_>,
        max_block: usize,
    ) -> Option<Self> {
        let newest = history.end() - 1;
        let mut end = match missing {
            // Not all of it: what follows the edit needs no block.
            Missing::Entries(entries) => entries.edit_end(history),
            Missing::Skip(_) => missing.closure_end(history),
        };
        let mut probe = cursor.clone();
        let mut edits: VecDeque<SeqRange> = VecDeque::new();
        let mut size = 0;
        while let Some(missing) = probe.peek_until(history, end) {
            end = end.max(missing.closure_end(history)).min(newest);
            size += take(&mut probe, history, &missing);
            let here: Vec<_> = missing.edits(history).map(|&Edit { range, .. }| range).collect();
            for &edit in here.iter().rev() {
                // An edit that began before is named once.
                if !edits.iter().rev().take(here.len() + 1).any(|&there| there == edit) {
                    edits.push_back(edit);
                    size += size_of::<SeqRange>();
                }
            }
            if size > max_block {
                return None;
            }
        }
        Some(Self { end, edits })
    }
}

/// Moves beyond what is missing there. Returns about how many bytes it takes at the peer, never too few.
fn take(probe: &mut Cursor, history: &History, missing: &Missing<'_>) -> usize {
    match missing {
        Missing::Entries(entries) => {
            probe.took_entries(history, entries, entries.len);
            let seen = history.dependencies(entries.origin, entries.first_seq);
            let seen = seen.map_or(0, |seen| seen.len() * size_of::<Dependency>());
            entries.iter().map(|(_, payload)| payload.len() + PIECE).sum::<usize>() + seen
        }
        Missing::Skip(skip) => {
            probe.took_skip(history, skip);
            PIECE + size_of_val(&*skip.ranges)
        }
    }
}
