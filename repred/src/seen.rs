//! [`Seen`]: a version, with what binds it to the content of the updates that were seen.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::{
    id::ReplicaId,
    token::{Epoch, Token},
    version::VersionVector,
};

/// What a replica has seen, as it says so to others: for each origin the last seq, and what binds that to its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// By ascending id, each once, and none whose seq is 0.
    heads: Vec<OriginHead>,
}

/// What a replica has seen of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OriginHead {
    pub(crate) id: ReplicaId,
    /// The seq of the last update.
    pub(crate) seq: u64,
    /// The token of that update.
    pub(crate) token: Token,
    /// The epochs of the origin as far as they are known and told, by ascending seq.
    pub(crate) epochs: Vec<Epoch>,
}

impl Seen {
    /// Of heads by ascending id, each of which has seen something.
    pub(crate) fn new(heads: Vec<OriginHead>) -> Self {
        debug_assert!(heads.is_sorted_by(|a, b| a.id < b.id));
        debug_assert!(heads.iter().all(|head| head.seq > 0));
        Self { heads }
    }

    /// By ascending id.
    pub(crate) fn heads(&self) -> &[OriginHead] {
        &self.heads
    }

    /// The seqs alone.
    pub(crate) fn version(&self) -> VersionVector {
        self.heads.iter().map(|head| (head.id, head.seq)).collect()
    }

    /// A hash of the seqs.
    pub(crate) fn sequence_hash(&self) -> u64 {
        self.hash(|_, _| {})
    }

    /// A hash of the seqs and their tokens.
    pub(crate) fn content_hash(&self) -> u64 {
        self.hash(|hasher, head| hasher.write(&head.token.to_bytes()))
    }

    fn hash(&self, also: impl Fn(&mut SipHasher24, &OriginHead)) -> u64 {
        let mut hasher = SipHasher24::new();
        for head in &self.heads {
            hasher.write(&head.id.to_bytes());
            hasher.write(&head.seq.to_le_bytes());
            also(&mut hasher, head);
        }
        hasher.finish()
    }
}

/// With tokens that say nothing.
impl From<&VersionVector> for Seen {
    fn from(version: &VersionVector) -> Self {
        let head = |(id, seq)| OriginHead { id, seq, token: Token::UNKNOWN, epochs: Vec::new() };
        Self::new(version.iter().map(head).collect())
    }
}
