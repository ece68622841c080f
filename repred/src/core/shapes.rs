//! What a core's types ask of a format, and what its replica started with: two programs have to agree about both.

use alloc::{string::String, sync::Arc};

use super::Core;
use crate::{
    reduce::Replicated,
    shape::{MAX_TEXT, Relation, Said, Shape, ShapeDifference},
};

impl<R: Replicated> Core<R> {
    /// 64 bits that tell the types and the start from others; 0 if they are not known. The types are looked at once.
    pub(crate) fn fingerprint(&mut self) -> u64 {
        if let Some(fingerprint) = self.fingerprint {
            return fingerprint;
        }
        let start = self.start_hash;
        let fingerprint = self.shape().map_or(0, |shape| shape.fingerprint(shape.start(start)));
        self.fingerprint = Some(fingerprint);
        fingerprint
    }

    /// What to say of the types where fingerprints differ: the hash of the start, and a text of so many bytes at most, which is
    /// empty if it would be longer.
    pub(crate) fn said_shape(&mut self, limit: usize) -> (u64, String) {
        let start = self.start_hash;
        let Some(shape) = self.shape() else { return (0, String::new()) };
        let text = Some(shape.to_text()).filter(|text| text.len() <= limit.min(MAX_TEXT));
        (shape.start(start), text.unwrap_or_default())
    }

    /// The same with which fields have a default, which only a peer of another version has to know.
    pub(crate) fn said_shape_with_defaults(&mut self, limit: usize) -> (u64, String) {
        self.look_at_defaults();
        self.said_shape(limit)
    }

    /// Whether what another program says of its types and its start fits ours.
    pub(crate) fn check_shape(
        &mut self,
        theirs: Said<'_>,
        relation: Relation,
    ) -> Result<(), ShapeDifference> {
        if relation == Relation::Newer {
            self.look_at_defaults();
        }
        let start = self.start_hash;
        let Some(shape) = self.shape() else { return Ok(()) };
        shape.check(shape.start(start), theirs, relation)
    }

    fn shape(&mut self) -> Option<Arc<Shape>> {
        if self.shape.is_none() {
            self.shape = self.applied.state().shape();
        }
        self.shape.clone()
    }

    fn look_at_defaults(&mut self) {
        if self.shape().is_some_and(|shape| !shape.knows_defaults()) {
            self.shape = self.applied.state().shape_with_defaults();
        }
    }
}
