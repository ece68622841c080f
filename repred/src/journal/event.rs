//! [`JournalEvent`]: one thing that a journal says, whatever the type of its state.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;

use crate::{
    encoding::{self, DecodeError},
    id::ReplicaId,
    schema::Schema,
    snapshot::Snapshot,
    stamp::Stamp,
    time::Time,
    version::VersionVector,
};

/// One thing that a journal says; a [`JournalReader`](super::JournalReader) yields them in the order in which they
/// happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalEvent {
    /// A replica opened the journal.
    Opened {
        /// The id under which it writes updates from now on.
        id: ReplicaId,
        /// Whether no update is sent before it is durable; see [`Durability`](super::Durability).
        is_strict: bool,
    },
    /// What the updates mean that follow.
    Schema {
        /// The schema of the program that writes.
        schema: Schema,
        /// The newest version of the schema of which there may be updates, from other replicas.
        newest: u32,
        /// When this was written, by the wall clock of the writer.
        wall: Time,
    },
    /// Updates are written under another id from now on.
    Named {
        /// The id.
        id: ReplicaId,
    },
    /// A state that stands for all updates in its version.
    Snapshot {
        /// The state.
        snapshot: Snapshot,
        /// The updates that are trimmed. The others follow as entries, although they are in the state already.
        floor: VersionVector,
    },
    /// An update.
    Entry(RawEntry),
    /// Updates that were forgotten before they were written here, because they were superseded or had changed nothing:
    /// the seqs of each origin.
    Skip(Vec<(ReplicaId, RangeInclusive<u64>)>),
    /// The journal was closed, and nothing is missing.
    Closed,
}

/// An update as it is in a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawEntry {
    /// Its stamp.
    pub stamp: Stamp,
    /// Its encoding.
    pub payload: Vec<u8>,
    /// The seqs of the edit that it is a part of, if it is one of several updates of an edit.
    pub edit: Option<RangeInclusive<u64>>,
}

impl RawEntry {
    /// Decodes the update, for a caller who knows its type.
    ///
    /// ```
    /// use repred::{Counter, Replica, journal::{JournalEvent, JournalReader, Memory}};
    ///
    /// let disk = Memory::new();
    /// let votes = Replica::builder(Counter::default()).open_in(disk.clone())?;
    /// votes.update(3)?.wait()?;
    ///
    /// let mut updates = Vec::new();
    /// for event in JournalReader::open(disk)? {
    ///     if let JournalEvent::Entry(entry) = event? {
    ///         updates.push(entry.decode::<i64>()?);
    ///     }
    /// }
    /// assert_eq!(updates, [3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the update is of another type, or of a newer version of it.
    pub fn decode<U: DeserializeOwned>(&self) -> Result<U, DecodeError> {
        encoding::decode(&self.payload)
    }
}
