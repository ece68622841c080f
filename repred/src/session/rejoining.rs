//! [`Rejoining`]: what a peer sends to a replica that rejoins, until all of it is here.

use alloc::vec::Vec;

use super::error::SessionError;
use crate::{
    id::ReplicaId,
    protocol::{Kind, Malformed, SnapshotHead},
    seen::Seen,
    version::VersionVector,
};

/// Messages as they came, each with its kind.
type Messages = Vec<(Kind, Vec<u8>)>;

/// What a peer sends to a replica that [rejoins](crate::sans_io::Core::rejoin), until all of it is here.
///
/// To the peer, such a replica is a new one that has nothing yet. What comes is kept as it came, so that the replica can
/// be read and written meanwhile; when the peer has sent everything, all of it is applied in one step.
#[derive(Debug)]
pub(super) struct Rejoining {
    /// The id under which updates are written from then on.
    pub(super) new_id: ReplicaId,
    /// The origins of the peer's digest, and what it had trimmed.
    announced: Vec<ReplicaId>,
    floor: VersionVector,
    messages: Messages,
    bytes: usize,
    /// The snapshot that is coming: how many bytes of it are still to come, and what it has seen.
    snapshot: Option<(u64, Seen)>,
    /// The answer to a snapshot that has come.
    answer: Option<Seen>,
}

impl Rejoining {
    pub(super) fn new(new_id: ReplicaId) -> Self {
        Self {
            new_id,
            announced: Vec::new(),
            floor: VersionVector::new(),
            messages: Vec::new(),
            bytes: 0,
            snapshot: None,
            answer: None,
        }
    }

    /// The peer's digest has come.
    pub(super) fn begin(&mut self, version: &VersionVector, floor: VersionVector) {
        self.announced = version.iter().map(|(id, _)| id).collect();
        self.floor = floor;
    }

    /// Keeps a message, as long as all of them together have at most so many bytes.
    pub(super) fn keep(
        &mut self,
        kind: Kind,
        body: &[u8],
        limit: usize,
    ) -> Result<(), SessionError> {
        self.bytes += body.len();
        if self.bytes > limit {
            return Err(SessionError::SnapshotTooLarge { size: self.bytes as u64, limit });
        }
        self.messages.push((kind, body.to_vec()));
        Ok(())
    }

    /// A snapshot is coming.
    pub(super) fn begin_snapshot(&mut self, head: &SnapshotHead) {
        self.snapshot = Some((head.size, head.seen.clone()));
    }

    /// A part of it has come. With the last one, the peer waits for an answer.
    pub(super) fn chunk(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let snapshot = self.snapshot.as_mut();
        let (left, seen) = snapshot.ok_or(Malformed("the head of a snapshot first"))?;
        *left = left.saturating_sub(bytes.len() as u64);
        if *left == 0 {
            self.answer = Some(core::mem::take(seen));
            self.snapshot = None;
        }
        Ok(())
    }

    pub(super) fn take_answer(&mut self) -> Option<Seen> {
        self.answer.take()
    }

    pub(super) fn into_parts(self) -> (Vec<ReplicaId>, VersionVector, Messages) {
        (self.announced, self.floor, self.messages)
    }
}
