//! [`Span`]: a stretch of positions, which is kept in one of three ways.

use alloc::boxed::Box;

use super::{OriginIndex, Position, gap::Gap, segment::Segment};
use crate::time::Time;

/// Consecutive positions, all but those of the open segment.
#[derive(Debug)]
pub(super) enum Span {
    Segment(Box<Segment>),
    Entry(Box<Single>),
    Gap(Box<Gap>),
}

/// An entry that survived its segment.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) position: Position,
    pub(super) origin: OriginIndex,
    pub(super) seq: u64,
    pub(super) time: Time,
    pub(super) payload: Box<[u8]>,
}

/// A borrowed span. Unlike [`Span`], it can also be the open segment.
#[derive(Clone, Copy)]
pub(super) enum SpanRef<'h> {
    Segment(&'h Segment),
    Entry(&'h Single),
    Gap(&'h Gap),
}

impl Span {
    pub(super) fn as_ref(&self) -> SpanRef<'_> {
        match self {
            Self::Segment(segment) => SpanRef::Segment(segment),
            Self::Entry(single) => SpanRef::Entry(single),
            Self::Gap(gap) => SpanRef::Gap(gap),
        }
    }
}

impl SpanRef<'_> {
    #[inline]
    pub(super) fn last(&self) -> Position {
        match self {
            Self::Segment(segment) => segment.end() - 1,
            Self::Entry(single) => single.position,
            Self::Gap(gap) => gap.end,
        }
    }
}
