//! [`UpdateEncoder`]: encoding updates that others can decode.

use alloc::{collections::BTreeSet, vec::Vec};

use super::UpdateError;
use crate::reduce::Replicated;

/// Encodes updates, and knows of which shapes it is certain that they can be decoded.
#[derive(Default)]
pub(super) struct UpdateEncoder {
    shapes: Shapes,
    /// Where updates are encoded, kept for its memory.
    pub(super) buffer: Vec<u8>,
}

impl UpdateEncoder {
    /// Appends an encoded update. If it is refused, what is appended is garbage.
    #[inline]
    pub(super) fn encode<R: Replicated>(
        &mut self,
        state: &R,
        update: &R::Update,
        bytes: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), UpdateError> {
        let start = bytes.len();
        let shape = state.encode_update(update, bytes).map_err(UpdateError::Encode)?;
        // serde can write what it cannot read back from a format without names, such as a tagged enum. No peer
        // could apply such an update, nor anything after it. One of each shape shows it; in debug builds also
        // those whose values their own type would refuse.
        if cfg!(debug_assertions) || !self.shapes.contains(shape) {
            state.decode_update(&bytes[start..]).map_err(UpdateError::Decode)?;
            self.shapes.insert(shape);
        }
        let size = bytes.len() - start;
        if size > limit { Err(UpdateError::TooLarge { size, limit }) } else { Ok(()) }
    }
}

/// Hashes of shapes; of very many different ones not all are kept.
#[derive(Default)]
struct Shapes {
    /// Most updates are of the same shape as the one before.
    last: Option<u64>,
    all: BTreeSet<u64>,
}

impl Shapes {
    const MOST: usize = 4096;

    #[inline]
    fn contains(&mut self, shape: u64) -> bool {
        if self.last == Some(shape) {
            return true;
        }
        let is_known = self.all.contains(&shape);
        if is_known {
            self.last = Some(shape);
        }
        is_known
    }

    fn insert(&mut self, shape: u64) {
        if self.all.len() < Self::MOST {
            self.all.insert(shape);
        }
    }
}
