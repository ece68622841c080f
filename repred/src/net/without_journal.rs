//! What stands in for [`journaled`](super) where the crate is built without journals: types that have no values,
//! so that no code of theirs can run.

use std::{
    convert::Infallible,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use super::shared::Shared;
use crate::{
    core::UpdateError,
    id::ReplicaId,
    log_position::LogPosition,
    receipt::{Durable, NotDurable},
    reduce::Replicated,
    time::Time,
    version::VersionVector,
};

/// What a builder sets for the journal: nothing.
#[derive(Default)]
pub(super) struct JournalSettings(());

#[derive(Debug)]
pub(super) enum LogWriter {}

impl LogWriter {
    pub(super) fn notify(&self) {
        match *self {}
    }

    pub(super) fn durable(&self, _: LogPosition) -> Durable {
        match *self {}
    }

    pub(super) fn poll_durable(
        &self,
        _: LogPosition,
        _: &Context<'_>,
    ) -> Poll<Result<(), NotDurable>> {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum Outbox {}

impl Outbox {
    pub(super) fn has_news(&mut self, _: LogPosition) -> bool {
        match *self {}
    }

    pub(super) fn note_peer(&mut self, _: ReplicaId, _: VersionVector, _: Time) {
        match *self {}
    }

    pub(super) fn check_writable(&self) -> Result<(), UpdateError> {
        match *self {}
    }
}

pub(super) struct ShutdownGuard<R: Replicated> {
    _impossible: Infallible,
    _replica: PhantomData<fn() -> R>,
}

impl<R: Replicated> ShutdownGuard<R> {
    pub(super) fn of(_: &Arc<Shared<R>>) -> Option<Arc<Self>> {
        None
    }
}
