//! What stands in for `journal_parts.rs` in a build without the feature `journal`: types without values. So a replica
//! never has them, and none of these methods can run.

use std::{
    any::Any,
    task::{Context, Poll},
};

use crate::{
    core::UpdateError,
    id::ReplicaId,
    log_position::LogPosition,
    receipt::{Durable, NotDurable},
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

    pub(super) fn is_own_thread(&self) -> bool {
        match *self {}
    }

    pub(super) fn finish(&self) {
        match *self {}
    }

    pub(super) fn check_place(&self) -> Result<(), NotDurable> {
        match *self {}
    }

    pub(super) fn request_end(&self, _: Option<Box<dyn Any + Send>>) {
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

    pub(super) fn close(&mut self, _: ReadOnly) {
        match *self {}
    }

    pub(super) fn check_writable(&self) -> Result<(), UpdateError> {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) enum ReadOnly {
    Closed,
}
