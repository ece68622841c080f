//! Finding where an update stands, and what stands at a position.

use super::{Edit, History, OriginIndex, Position, SeqRange, span::SpanRef};

/// Where an update stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) span: Position,
    pub(super) slot: usize,
    pub(super) position: Position,
}

impl History {
    /// Some position in the span that holds an update, which must be above the floor.
    pub(super) fn locate(&self, origin: OriginIndex, seq: u64) -> Option<Position> {
        let origin = &self.origins[origin as usize];
        let is_here = origin.floor < seq && seq <= origin.last;
        is_here.then(|| origin.index.range(..=seq).next_back().map(|(_, &position)| position))?
    }

    /// Exactly where an update is.
    pub(super) fn place(&self, origin: OriginIndex, seq: u64) -> Option<Place> {
        let position = self.locate(origin, seq)?;
        match self.span_at(position)? {
            SpanRef::Segment(segment) => {
                let slot = segment.find(origin, seq)?;
                let position = segment.start() + slot as u64;
                Some(Place { span: segment.start(), slot, position })
            }
            SpanRef::Entry(single) => {
                Some(Place { span: single.position, slot: 0, position: single.position })
            }
            SpanRef::Gap(gap) => Some(Place { span: gap.start, slot: 0, position: gap.start }),
        }
    }

    /// The span that holds a position, or else the first one after it.
    pub(super) fn span_at(&self, position: Position) -> Option<SpanRef<'_>> {
        if position >= self.open.start() {
            return (position < self.open.end()).then_some(SpanRef::Segment(&self.open));
        }
        // The fast path: most lookups are for the first position of a span, and an exact lookup is cheaper than a
        // range query.
        if let Some(span) = self.spans.get(&position) {
            return Some(span.as_ref());
        }
        let before = self.spans.range(..position).next_back().map(|(_, span)| span.as_ref());
        if let Some(span) = before.filter(|span| span.last() >= position) {
            return Some(span);
        }
        match self.spans.range(position + 1..).next() {
            Some((_, span)) => Some(span.as_ref()),
            None => (!self.open.is_empty()).then_some(SpanRef::Segment(&self.open)),
        }
    }

    /// The edit of several updates that begins at or before a position and ends at or after it.
    pub(super) fn edit_at(&self, position: Position) -> Option<(Position, Edit)> {
        let (&first, &edit) = self.edits.range(..=position).next_back()?;
        (edit.last >= position).then_some((first, edit))
    }

    /// The edit of several updates that an update is part of.
    pub(crate) fn edit_of(&self, origin: OriginIndex, seq: u64) -> Option<SeqRange> {
        let place = self.place(origin, seq)?;
        let (_, Edit { range, .. }) = self.edit_at(place.position)?;
        (range.origin == origin && range.first <= seq && seq <= range.last).then_some(range)
    }

    /// The first position after `position` at which an edit of several updates begins.
    pub(super) fn next_edit(&self, position: Position) -> Option<Position> {
        self.edits.range(position + 1..).next().map(|(&first, _)| first)
    }
}
