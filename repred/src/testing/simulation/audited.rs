//! [`Audited`]: a reducer, of which every call is checked by the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serializer;

use super::{
    ledger::{Ledger, Untruthful},
    tree_of,
};
use crate::{
    changes::Changes,
    encoding::{self, DecodeError, EncodeError},
    reduce::{Reduce, Replicated},
    stamp::Stamp,
    testing::{laws::untruthful, tree::Tree},
};

/// A reducer, of which every call is checked by the ledger of its run.
pub(crate) struct Audited<R> {
    pub(crate) inner: R,
    ledger: Arc<Mutex<Ledger>>,
    pub(crate) life: usize,
}

impl<R> Audited<R> {
    pub(crate) fn new(inner: R, ledger: &Arc<Mutex<Ledger>>) -> Self {
        let life = lock(ledger).begin_life();
        Self { inner, ledger: Arc::clone(ledger), life }
    }
}

/// A panic of the reducer under test must not hide what it was about.
pub(crate) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Replicated> Reduce for Audited<R> {
    type Update = R::Update;
    type Changes = R::Changes;

    fn reduce(&mut self, update: R::Update, stamp: Stamp) -> R::Changes {
        let mut payload = Vec::new();
        encoding::encode_into(&update, &mut payload).expect("it was decoded");
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

impl<R: Replicated> Audited<R> {
    /// Notes down whether the update says that it changes nothing, and changes something.
    fn reduce_and_look(&mut self, update: R::Update, stamp: Stamp) -> R::Changes {
        let shown = Tree::of(&update).map_or_else(|_| "?".into(), |tree| tree.to_string());
        let before = tree_of(&self.inner);
        let changes = self.inner.reduce(update, stamp);
        let after = tree_of(&self.inner);
        if changes.is_empty() && before != after {
            let lines = untruthful(&format!("{stamp:?}, {shown}"), &before, &after);
            lock(&self.ledger).untruthful.get_or_insert(Untruthful { update: shown, lines });
        }
        changes
    }
}

// Beside the blanket implementation: what the ledger knows does not travel.
impl<R: Replicated> Replicated for Audited<R> {
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
}
