//! [`Budget`]: what one value may cost beside its bytes.

/// How deep the values in an update may nest: each option, newtype, sequence, tuple, map, struct and content of an
/// enum variant is a level.
///
/// Each level is a few stack frames of serde's and the user's code. With ordinary derives in a debug
/// build so many levels take less than 300 KiB, and the smallest stack in common use, that of a
/// spawned thread, is 2 MiB: this leaves room for types several times as large, and is more than
/// data made by people needs.
pub(super) const DEPTH_LIMIT: u32 = 128;

/// How deep a state may nest.
///
/// Whatever updates may build, a state must be able to hold, or its replica could neither be saved nor joined. One level
/// of an update reaches one level of the state's type, which takes at most three levels in the state: in a struct
/// that contains a map of itself, an update has two levels (a field, an entry) where the state has three (the struct, the
/// map's own struct, its entries), and a type by hand that hides an option and a newtype from its updates has three for
/// one. The fourth is room for what a leaf has beside the value that was written into it, such as a stamp.
pub(super) const STATE_DEPTH_LIMIT: u32 = 4 * DEPTH_LIMIT;

/// How many bytes of stack a state may take below the first [`DEPTH_LIMIT`] levels, whatever its type.
///
/// With ordinary derives so many levels take half of this in a debug build. It is for types whose values are so large
/// that their nesting would overflow the stack: an error is better than the end of the process.
pub(super) const STACK_LIMIT: usize = 1 << 20;

/// How many elements of sequences and maps may take no bytes, in one update.
///
/// Nothing in the input pays for them, so there must be some number. It is enough for whoever has
/// units in a list by accident of generics, and takes microseconds.
pub(super) const EMPTY_LIMIT: u32 = 4096;

/// How many more elements without bytes each byte of a state pays for.
///
/// A state may have any number of them, because any number of updates may have added them. Where its bytes do not pay for
/// all, the writer appends as many zeros as are missing, so reading costs no more than reading that many bytes of
/// something else.
pub(super) const EMPTIES_PER_BYTE: u64 = 8;

/// What one value may cost beside its bytes.
///
/// The writer and the reader each have one, and draw on it at the same places: the levels when a
/// compound begins, whatever is in it, and the empties after an element.
#[derive(Debug)]
pub(super) struct Budget {
    depth: u32,
    depth_limit: u32,
    empties: u64,
    empty_limit: u64,
    /// Where the stack was when a state was begun.
    stack: usize,
}

impl Budget {
    /// That of an update.
    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            depth: 0,
            depth_limit: DEPTH_LIMIT,
            empties: 0,
            empty_limit: EMPTY_LIMIT as u64,
            stack: 0,
        }
    }

    /// That of a state with so many bytes.
    pub(super) fn of_state(bytes: usize) -> Self {
        let paid = (bytes as u64).saturating_mul(EMPTIES_PER_BYTE);
        Self {
            depth: 0,
            depth_limit: STATE_DEPTH_LIMIT,
            empties: 0,
            empty_limit: paid.saturating_add(EMPTY_LIMIT.into()),
            stack: stack_address(),
        }
    }

    /// How many bytes a state has to have at least, to pay for its elements without bytes.
    pub(super) fn bytes_due(&self) -> usize {
        let unpaid = self.empties.saturating_sub(EMPTY_LIMIT.into());
        usize::try_from(unpaid.div_ceil(EMPTIES_PER_BYTE)).unwrap_or(usize::MAX)
    }

    /// Goes one level down. An error is final, so only success is followed by [`leave`](Self::leave).
    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), Exhausted> {
        // So it is with nearly every level, and the stack is not worth a look.
        if self.depth < DEPTH_LIMIT {
            self.depth += 1;
            return Ok(());
        }
        self.enter_deep()
    }

    #[cold]
    fn enter_deep(&mut self) -> Result<(), Exhausted> {
        if self.depth == self.depth_limit {
            return Err(Exhausted::Levels { limit: self.depth_limit });
        }
        if self.stack.abs_diff(stack_address()) > STACK_LIMIT {
            return Err(Exhausted::Levels { limit: self.depth });
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        debug_assert!(self.depth > 0);
        self.depth -= 1;
    }

    /// Counts an element that lies between these two positions.
    #[inline]
    pub(super) fn spend_element(&mut self, start: usize, end: usize) -> Result<(), Exhausted> {
        if start == end {
            if self.empties == self.empty_limit {
                return Err(Exhausted::Empties { limit: self.empty_limit });
            }
            self.empties += 1;
        }
        Ok(())
    }
}

/// About where the stack is.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    core::ptr::from_ref(core::hint::black_box(&here)).addr()
}

/// Which part of the budget has been used up.
#[derive(Debug)]
pub(super) enum Exhausted {
    Levels { limit: u32 },
    Empties { limit: u64 },
}
