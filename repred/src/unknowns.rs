//! [`Unknowns`]: what later versions of the program say, which this one keeps and passes on.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

/// What later versions of the program say to each other and this one does not understand: it is kept as it came, passed
/// on to every peer, and journaled. So a network in which some are upgraded already is not cut in two by the others.
///
/// What was said is known by its content: what comes again, along a circle or from a journal, is not kept twice, and so is
/// not passed on again. Nothing is ever removed, so there is a bound, beyond which nothing more is kept.
#[derive(Debug, Default)]
pub(crate) struct Unknowns {
    kept: Vec<Unknown>,
    places: BTreeMap<Unknown, usize>,
    /// What all of it counts, of [`MOST`].
    size: usize,
    not_kept: u64,
}

/// Something that this version of the program does not understand, as it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unknown {
    pub(crate) kind: UnknownKind,
    pub(crate) bytes: Arc<[u8]>,
}

/// Where something unknown stood, and so where it has to stand again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UnknownKind {
    /// A message: its kind and its body.
    Message,
    /// An item of a message: its tag, its length and its bytes.
    Item,
    /// A record of a journal: its kind and its content.
    Record,
}

/// How much is kept of all together, and of one.
const MOST: usize = 64 << 10;
const MOST_OF_ONE: usize = 4 << 10;

/// What each counts beside its bytes, so that many without bytes are not without cost.
const OVERHEAD: usize = 64;

impl Unknowns {
    /// Keeps something, unless it is kept already. Returns its place; `None` if there is no room for it.
    pub(crate) fn keep(&mut self, kind: UnknownKind, bytes: &[u8]) -> Option<usize> {
        if bytes.len() > MOST_OF_ONE {
            self.not_kept += 1;
            return None;
        }
        let unknown = Unknown { kind, bytes: bytes.into() };
        if let Some(&place) = self.places.get(&unknown) {
            return Some(place);
        }
        let size = self.size + bytes.len() + OVERHEAD;
        if size > MOST {
            self.not_kept += 1;
            return None;
        }
        let place = self.kept.len();
        self.size = size;
        self.kept.push(unknown.clone());
        self.places.insert(unknown, place);
        Some(place)
    }

    /// What is kept at a place. Places count from 0, in the order in which things came.
    pub(crate) fn get(&self, place: usize) -> Option<&Unknown> {
        self.kept.get(place)
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// How often something came for which there was no room.
    pub(crate) fn not_kept(&self) -> u64 {
        self.not_kept
    }
}

#[cfg(test)]
mod tests {
    use super::{UnknownKind::*, *};

    #[test]
    fn what_comes_again_is_where_it_was() {
        let mut unknowns = Unknowns::default();
        assert_eq!(unknowns.keep(Message, b"ab"), Some(0));
        assert_eq!(unknowns.keep(Item, b"ab"), Some(1));
        assert_eq!(unknowns.keep(Message, b"ab"), Some(0));
        assert_eq!((unknowns.len(), unknowns.not_kept()), (2, 0));
        assert_eq!(&*unknowns.get(1).unwrap().bytes, b"ab");
    }

    #[test]
    fn what_has_no_room_is_counted_and_what_is_kept_stays() {
        let mut unknowns = Unknowns::default();
        assert_eq!(unknowns.keep(Message, &[1; MOST_OF_ONE + 1]), None);
        let all =
            (0_u64..).take_while(|number| unknowns.keep(Item, &number.to_le_bytes()).is_some());
        let all = all.count();
        assert_eq!(all, MOST / (OVERHEAD + 8));
        assert_eq!((unknowns.len(), unknowns.not_kept()), (all, 2));
        assert_eq!(unknowns.keep(Item, &0_u64.to_le_bytes()), Some(0), "it is there already");
    }
}
