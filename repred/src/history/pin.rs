//! [`Pin`]: keeping what is being sent.
//!
//! The end of a block is fixed when it is begun. If entries in it became skips while it is sent, each skip would have its
//! barrier behind that end, and the end would have to move: on a map that is written faster than a slow peer reads, it
//! would move for ever, and the peer would never get anything. So what is live when a block begins stays, and is sent.
//!
//! A pin is a token that its holder drops, whatever becomes of the session. A token has no reference to the history, so the
//! history finds out when it is next changed.

use alloc::{sync::Arc, vec::Vec};
use core::ops::RangeInclusive;

use super::{History, Position, segment::Segment};

/// Keeps what lies in a range of positions from being forgotten, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Pin {
    /// It is its being alive that counts.
    _alive: Arc<()>,
}

impl History {
    /// Keeps the entries in a range of positions as they are until the pin is dropped.
    ///
    /// It does not [`release`](Self::release) others: the caller has just looked at what is live in the range, and
    /// what other pins have kept until now must not expire between that look and this.
    pub(crate) fn pin(&mut self, range: RangeInclusive<Position>) -> Pin {
        let pin = Arc::new(());
        self.pins.push((Arc::downgrade(&pin), range));
        Pin { _alive: pin }
    }

    /// Expires what only dropped pins have kept, and merges the gaps that they have divided.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.pins.is_empty() {
            return;
        }
        let pins = self.pins.len();
        let mut borders = Vec::new();
        self.pins.retain(|(alive, range)| {
            let keep = alive.strong_count() > 0;
            if !keep {
                borders.extend([*range.start(), *range.end() + 1]);
            }
            keep
        });
        if self.pins.len() == pins {
            return;
        }
        for (origin, seq, namer) in core::mem::take(&mut self.pending) {
            self.expire_at(origin, seq, namer);
        }
        for border in borders {
            let span = self.spans.range(..=border).next_back().map(|(&start, _)| start);
            if let Some(start) = span {
                self.shrink(start);
                self.merge_with_after(start);
                self.merge_with_before(start);
            }
        }
    }

    pub(super) fn is_pinned(&self, position: Position) -> bool {
        self.live_pins().any(|range| range.contains(&position))
    }

    /// Whether a pin begins or ends between two positions.
    pub(super) fn divides(&self, left: Position, right: Position) -> bool {
        self.live_pins().any(|range| range.contains(&left) != range.contains(&right))
    }

    /// Whether a pin begins or ends inside a segment: a gap made of it could reach across that border.
    pub(super) fn is_cut(&self, segment: &Segment) -> bool {
        let (first, last) = (segment.start(), segment.end() - 1);
        self.live_pins().any(|range| {
            let meets = *range.start() <= last && first <= *range.end();
            meets && !(range.contains(&first) && range.contains(&last))
        })
    }

    fn live_pins(&self) -> impl Iterator<Item = &RangeInclusive<Position>> {
        self.pins.iter().filter(|(alive, _)| alive.strong_count() > 0).map(|(_, range)| range)
    }
}
