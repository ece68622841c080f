//! [`ProtocolError`]: what is wrong with what was said, whoever said it.

use alloc::vec::Vec;

use super::{
    message::Kind,
    wire::{Malformed, Unreadable, Upgrade},
};

/// What is wrong with what was said. Nothing of it was applied from that place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    /// It does not begin as a conversation does; its first bytes.
    NotRepred {
        start: Vec<u8>,
    },
    /// It is of another version of the protocol.
    OtherProtocol {
        theirs: u8,
    },
    Malformed(Malformed),
    /// It is of a later version of the program, and must not be passed over.
    Upgrade(Upgrade),
    /// A message has no place here.
    Unexpected(Kind),
    /// The speaker names more origins than are taken.
    TooManyOrigins {
        limit: usize,
    },
    /// A block is larger than is taken.
    BlockTooLarge {
        limit: usize,
    },
    /// A snapshot is larger than is taken.
    SnapshotTooLarge {
        size: u64,
        limit: usize,
    },
}

impl From<Malformed> for ProtocolError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Unreadable> for ProtocolError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Malformed(malformed) => malformed.into(),
            Unreadable::Upgrade(upgrade) => Self::Upgrade(upgrade),
        }
    }
}
