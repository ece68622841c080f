//! [`OpenSnapshot`]: a frozen state that goes to the peer in parts.

use alloc::vec::Vec;

use crate::{
    protocol::{Cause, Hash, Message, SnapshotHead},
    seen::Seen,
    snapshot::{self, Snapshot},
    version::VersionVector,
};

/// A frozen state that goes to the peer in parts.
#[derive(Debug)]
pub(super) struct OpenSnapshot {
    snapshot: Snapshot,
    floor: VersionVector,
    cause: Cause,
    /// Bytes of the state that are sent; `None` before the head is.
    sent: Option<usize>,
}

impl OpenSnapshot {
    /// Of a replica that had trimmed everything up to `floor` at that moment.
    pub(super) fn new(snapshot: Snapshot, floor: VersionVector, cause: Cause) -> Self {
        Self { snapshot, floor, cause, sent: None }
    }

    pub(super) fn cause(&self) -> Cause {
        self.cause
    }

    /// What the state stands for, once all of it is sent.
    pub(super) fn take_version(&mut self) -> VersionVector {
        core::mem::take(&mut self.snapshot.version)
    }

    /// Appends the head, or the next part of at most so many bytes. Returns whether that was the last.
    pub(super) fn poll(&mut self, out: &mut Vec<u8>, most: usize) -> bool {
        let state = &self.snapshot.state;
        let Some(sent) = self.sent else {
            self.sent = Some(0);
            Message::Snapshot(self.head()).encode(out);
            return false;
        };
        let rest = &state[sent..];
        // One byte at least, or it would never end.
        let part = &rest[..rest.len().min(most.max(1))];
        Message::Chunk(part).encode(out);
        let sent = sent + part.len();
        self.sent = Some(sent);
        sent == state.len()
    }

    fn head(&self) -> SnapshotHead {
        let Snapshot { seen, time, state, .. } = &self.snapshot;
        SnapshotHead {
            size: state.len() as u64,
            digest: Hash::Sip(snapshot::digest([&**state])),
            time: *time,
            seen: seen.clone(),
            floor: Seen::from(&self.floor),
            cause: self.cause,
        }
    }
}
