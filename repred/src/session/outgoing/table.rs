//! [`OriginTable`]: how origins are named to the peer.

use alloc::vec::Vec;

use crate::{
    history::{History, OriginIndex, SeqRange},
    protocol::{NamedRange, OriginName},
};

/// The table that the peer keeps of our origins: those of our digest, and then each as it is first named.
#[derive(Debug, Default)]
pub(super) struct OriginTable {
    /// By index; `None` for an origin that has no place yet.
    places: Vec<Option<u32>>,
    /// By place.
    origins: Vec<OriginIndex>,
}

impl OriginTable {
    pub(super) fn new(announced: &[OriginIndex]) -> Self {
        let mut table = Self::default();
        announced.iter().for_each(|&origin| table.add(origin));
        table
    }

    /// The origin at a place.
    pub(super) fn origin_at(&self, place: u64) -> Option<OriginIndex> {
        let place = usize::try_from(place).ok()?;
        self.origins.get(place).copied()
    }

    /// The name of an origin, which is in the table from then on.
    pub(super) fn name(&mut self, history: &History, origin: OriginIndex) -> OriginName {
        if let Some(&Some(place)) = self.places.get(origin as usize) {
            return OriginName::Known(place as usize);
        }
        let place = self.origins.len();
        self.add(origin);
        OriginName::New(place, history.id(origin))
    }

    /// A range of an origin, by name.
    pub(super) fn range(&mut self, history: &History, range: SeqRange) -> NamedRange {
        let SeqRange { origin, first, last } = range;
        NamedRange { origin: self.name(history, origin), first, last }
    }

    fn add(&mut self, origin: OriginIndex) {
        let index = origin as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        self.places[index] = Some(self.origins.len() as u32);
        self.origins.push(origin);
    }
}
