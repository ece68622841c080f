//! [`Stranger`]: a replica of a program whose types, or whose start, are others, though its schema is the same.

use std::sync::Arc;

use serde::Serializer;

use crate::{
    encoding::{DecodeError, EncodeError},
    reduce::{Reduce, Replicated},
    shape::{Shape, StartHash},
    stamp::Stamp,
    testing::erased::{Erased, ErasedChanges, ErasedUpdate},
};

/// A reducer that says that it is another one than it is.
pub(crate) struct Stranger {
    pub(crate) inner: Erased,
    pub(crate) strange: Strange,
}

/// What is strange about a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strange {
    State,
    Update,
    Start,
}

impl Reduce for Stranger {
    type Update = ErasedUpdate;
    type Changes = ErasedChanges;

    fn reduce(&mut self, update: ErasedUpdate, stamp: Stamp) -> ErasedChanges {
        self.inner.reduce(update, stamp)
    }
}

// Beside the blanket implementation: a stranger does not say what it is.
impl Replicated for Stranger {
    fn write_state(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.inner.write_state(bytes)
    }

    fn show_state<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.show_state(serializer)
    }

    fn replace_state(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.inner.replace_state(bytes)
    }

    fn shape(&self) -> Option<Arc<Shape>> {
        let shape = self.inner.shape()?;
        Some(match self.strange {
            Strange::State => Arc::new(shape.with_optional_state()),
            Strange::Update => Arc::new(shape.with_optional_update()),
            Strange::Start => shape,
        })
    }

    fn start_hash(&self) -> StartHash {
        let start = self.inner.start_hash();
        if self.strange == Strange::Start { start.other() } else { start }
    }

    fn encode_update(
        &self,
        update: &ErasedUpdate,
        bytes: &mut Vec<u8>,
    ) -> Result<u64, EncodeError> {
        self.inner.encode_update(update, bytes)
    }

    fn decode_update(&self, payload: &[u8]) -> Result<ErasedUpdate, DecodeError> {
        self.inner.decode_update(payload)
    }
}
