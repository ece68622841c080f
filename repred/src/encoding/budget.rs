//! [`Budget`]: what one value may cost beside its bytes.

/// How deep values may nest: each option, newtype, sequence, tuple, map, struct and content of an
/// enum variant is a level.
///
/// Each level is a few stack frames of serde's and the user's code. With ordinary derives in a debug
/// build so many levels take less than 300 KiB, and the smallest stack in common use, that of a
/// spawned thread, is 2 MiB: this leaves room for types several times as large, and is more than
/// data made by people needs.
pub(super) const DEPTH_LIMIT: u32 = 128;

/// How many elements of sequences and maps may take no bytes, in one value.
///
/// Nothing in the input pays for them, so there must be some number. It is enough for whoever has
/// units in a list by accident of generics, and takes microseconds.
pub(super) const EMPTY_LIMIT: u32 = 4096;

/// What one value may cost beside its bytes.
///
/// The writer and the reader each have one, and draw on it at the same places: the levels when a
/// compound begins, whatever is in it, and the empties after an element.
#[derive(Debug)]
pub(super) struct Budget {
    levels: u32,
    empties: u32,
}

impl Budget {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { levels: DEPTH_LIMIT, empties: EMPTY_LIMIT }
    }

    /// Goes one level down. An error is final, so only success is followed by [`leave`](Self::leave).
    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), Exhausted> {
        match self.levels.checked_sub(1) {
            Some(levels) => self.levels = levels,
            None => return Err(Exhausted::Levels { limit: DEPTH_LIMIT }),
        }
        Ok(())
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        debug_assert!(self.levels < DEPTH_LIMIT);
        self.levels += 1;
    }

    /// Counts an element that lies between these two positions.
    #[inline]
    pub(super) fn spend_element(&mut self, start: usize, end: usize) -> Result<(), Exhausted> {
        if start == end {
            match self.empties.checked_sub(1) {
                Some(empties) => self.empties = empties,
                None => return Err(Exhausted::Empties { limit: EMPTY_LIMIT }),
            }
        }
        Ok(())
    }
}

/// Which part of the budget has been used up.
#[derive(Debug)]
pub(super) enum Exhausted {
    Levels { limit: u32 },
    Empties { limit: u32 },
}
