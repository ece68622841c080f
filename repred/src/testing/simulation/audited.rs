//! [`Audited`]: a reducer, of which every call is checked by the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serializer;

use super::ledger::{Ledger, Untruthful};
use crate::{
    changes::Changes,
    encoding::{DecodeError, EncodeError, Renames},
    reduce::{Reduce, Replicated},
    shape::{Shape, StartHash},
    stamp::{Dot, Stamp},
    testing::{
        erased::{Erased, ErasedChanges, ErasedUpdate},
        laws::untruthful,
    },
};

/// A reducer, of which every call is checked by the ledger of its run.
pub(crate) struct Audited {
    pub(crate) inner: Erased,
    ledger: Arc<Mutex<Ledger>>,
    pub(crate) life: usize,
}

impl Audited {
    pub(crate) fn new(inner: Erased, ledger: &Arc<Mutex<Ledger>>) -> Self {
        let life = lock(ledger).begin_life();
        Self { inner, ledger: Arc::clone(ledger), life }
    }
}

/// A panic of the reducer under test must not hide what it was about.
pub(crate) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reduce for Audited {
    type Update = ErasedUpdate;
    type Changes = ErasedChanges;

    fn reduce(&mut self, update: ErasedUpdate, stamp: Stamp) -> ErasedChanges {
        let mut payload = Vec::new();
        update.encode_into(&mut payload).expect("it was decoded");
        let is_explained = {
            let mut ledger = lock(&self.ledger);
            ledger.reduce(self.life, stamp, payload);
            ledger.is_explained && ledger.untruthful.is_none()
        };
        if is_explained {
            return self.reduce_and_look(update, stamp);
        }
        self.inner.reduce(update, stamp)
    }
}

impl Audited {
    /// Notes down whether the update says that it changes nothing, and changes something.
    fn reduce_and_look(&mut self, update: ErasedUpdate, stamp: Stamp) -> ErasedChanges {
        let shown = update.tree().to_string();
        let before = self.inner.tree();
        let changes = self.inner.reduce(update, stamp);
        let after = self.inner.tree();
        if changes.is_empty() && before != after {
            let lines = untruthful(&format!("{stamp:?}, {shown}"), &before, &after);
            lock(&self.ledger).untruthful.get_or_insert(Untruthful { update: shown, lines });
        }
        changes
    }
}

// Beside the blanket implementation: what the ledger knows does not travel.
impl Replicated for Audited {
    fn write_state(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.inner.write_state(bytes)
    }

    fn show_state<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.show_state(serializer)
    }

    fn replace_state(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.inner.replace_state(bytes)?;
        lock(&self.ledger).begin_again(self.life);
        Ok(())
    }

    fn shape(&self) -> Option<Arc<Shape>> {
        self.inner.shape()
    }

    fn shape_with_defaults(&self) -> Option<Arc<Shape>> {
        self.inner.shape_with_defaults()
    }

    fn start_hash(&self) -> StartHash {
        self.inner.start_hash()
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

    fn rename_update(
        &self,
        payload: &[u8],
        old: Dot,
        renames: &Renames,
    ) -> Result<Vec<u8>, DecodeError> {
        self.inner.rename_update(payload, old, renames)
    }
}
