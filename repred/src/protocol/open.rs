//! [`Open`]: what each side says of itself before anything else.

use alloc::vec::Vec;

use super::{
    attributes::Attributes,
    error::ProtocolError,
    wire::{
        MAX_TIME, Malformed, Unreadable, Upgrade, put_id, put_number, take, take_id, take_number,
        take_slice,
    },
};
use crate::{document::DocumentId, id::ReplicaId, schema::Schema, time::Time};

/// The first bytes of a conversation.
const MAGIC: [u8; 4] = *b"rpd\x01";

/// The version of the protocol that this crate speaks.
pub(crate) const PROTOCOL: u8 = 2;

/// No open is longer. Anybody can connect, so a longer first message is refused before the rest of it arrives.
pub(crate) const MAX_OPEN: usize = 512;

/// Limits are said in this unit.
const KIB: u64 = 1 << 10;

/// The unit of the wall clock in an open, in microseconds. Differences of seconds matter.
const MILLI: u64 = 1000;

/// The bit of the flags that says that a document is named.
const NAMES_DOCUMENT: u8 = 1 << 4;

/// What each side says of itself before anything else.
///
/// ```text
/// magic 4 │ protocol 1 │ flags 1 │ features │ id 16 │ [document 16] │ sequence hash 8 │ content hash 8
///         │ fingerprint 8 │ wall time │ longest message │ largest block │ schema version
///         │ oldest understood │ newest there may be │ length, schema name │ attributes, to the end
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) schema: Schema,
    /// The newest version of the schema of which it may have updates.
    pub(crate) newest: u32,
    pub(crate) id: ReplicaId,
    pub(crate) document: DocumentId,
    pub(crate) sends: bool,
    pub(crate) receives: bool,
    /// Whether it wants state digests compared.
    pub(crate) checks: bool,
    /// Whether it will give up its state if the two histories cannot be joined.
    pub(crate) discards: bool,
    /// To the millisecond.
    pub(crate) wall: Time,
    /// Bytes of the longest message it takes, to the KiB.
    pub(crate) max_message: u64,
    /// Bytes of the largest block it takes, to the KiB.
    pub(crate) max_block: u64,
    /// Of what it has seen.
    pub(crate) sequence_hash: u64,
    /// Of what it has seen, and of what that was.
    pub(crate) content_hash: u64,
    /// Of the shapes of its state and its updates, and of its start; 0 if it does not say.
    pub(crate) fingerprint: u64,
}

/// What the first bytes of a conversation tell about who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Ours so far, but there are too few bytes to tell.
    Unclear,
    /// It speaks this protocol.
    Ours,
    /// It speaks another version of it.
    OtherProtocol(u8),
    /// It speaks something else.
    Foreign,
}

impl Speaker {
    /// Who speaks, by the first bytes that came.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let len = bytes.len().min(MAGIC.len());
        if bytes[..len] != MAGIC[..len] {
            return Self::Foreign;
        }
        match bytes.get(MAGIC.len()) {
            None => Self::Unclear,
            Some(&PROTOCOL) => Self::Ours,
            Some(&other) => Self::OtherProtocol(other),
        }
    }
}

impl Open {
    /// What a peer reads of a wall clock.
    pub(crate) fn said_wall(wall: Time) -> Time {
        Time::from_micros(wall.as_micros() / MILLI * MILLI)
    }

    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&MAGIC);
        bytes.push(PROTOCOL);
        let names_document = self.document != DocumentId::NONE;
        let flags = [self.sends, self.receives, self.checks, self.discards, names_document];
        bytes.push(flags.iter().rev().fold(0, |byte, &flag| byte << 1 | u8::from(flag)));
        // No features are there yet.
        put_number(bytes, 0);
        put_id(bytes, self.id);
        if names_document {
            bytes.extend_from_slice(&self.document.to_bytes());
        }
        for hash in [self.sequence_hash, self.content_hash, self.fingerprint] {
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        put_number(bytes, self.wall.as_micros() / MILLI);
        // A peer that takes fewer bytes than this in one message cannot take part.
        put_number(bytes, (self.max_message / KIB).max(1));
        put_number(bytes, (self.max_block / KIB).max(1));
        put_number(bytes, self.schema.version().into());
        put_number(bytes, self.schema.oldest().into());
        put_number(bytes, self.newest.into());
        put_number(bytes, self.schema.name().len() as u64);
        bytes.extend_from_slice(self.schema.name().as_bytes());
    }

    /// Reads the first message of a conversation, or of a file.
    pub(crate) fn read(message: &[u8]) -> Result<Self, ProtocolError> {
        match Speaker::of(message) {
            Speaker::Ours => Ok(Self::decode(message)?),
            Speaker::OtherProtocol(theirs) => Err(ProtocolError::OtherProtocol { theirs }),
            Speaker::Unclear | Speaker::Foreign => {
                Err(ProtocolError::NotRepred { start: message[..message.len().min(16)].to_vec() })
            }
        }
    }

    /// Reads an open whose [`Speaker`] is ours.
    fn decode(mut bytes: &[u8]) -> Result<Self, Unreadable> {
        let bytes = &mut bytes;
        take::<5>(bytes)?;
        let [flags] = take(bytes)?;
        let flag = |bit: u8| flags >> bit & 1 == 1;
        check_features(take_number(bytes)?)?;
        let id = take_id(bytes)?;
        let names_document = flags & NAMES_DOCUMENT != 0;
        let document =
            if names_document { DocumentId::from_bytes(take(bytes)?) } else { DocumentId::NONE };
        let mut hash = || Ok::<_, Malformed>(u64::from_le_bytes(take(bytes)?));
        let (sequence_hash, content_hash, fingerprint) = (hash()?, hash()?, hash()?);
        let wall = take_wall(bytes)?;
        let (max_message, max_block) = (take_number(bytes)?, take_number(bytes)?);
        if max_message == 0 {
            return Err(Malformed("a limit for messages of one KiB at least").into());
        }
        let mut version =
            || u32::try_from(take_number(bytes)?).map_err(|_| Malformed("a schema version"));
        let (version, oldest, newest) = (version()?, version()?, version()?);
        let name = take_slice(bytes, Schema::MAX_NAME as u64)?;
        let name = core::str::from_utf8(name).map_err(|_| Malformed("a schema's name"))?;
        Attributes::of(bytes).read_unknown()?;
        Ok(Self {
            schema: Schema::received(name, version, oldest),
            newest,
            id,
            document,
            sends: flag(0),
            receives: flag(1),
            checks: flag(2),
            discards: flag(3),
            wall,
            max_message: max_message.saturating_mul(KIB),
            max_block: max_block.saturating_mul(KIB),
            sequence_hash,
            content_hash,
            fingerprint,
        })
    }
}

/// A feature at an even place may be ignored.
fn check_features(features: u64) -> Result<(), Upgrade> {
    const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
    match features & ODD {
        0 => Ok(()),
        odd => Err(Upgrade { what: "a feature", number: odd.trailing_zeros().into() }),
    }
}

fn take_wall(bytes: &mut &[u8]) -> Result<Time, Malformed> {
    let wall = take_number(bytes)?;
    if wall > MAX_TIME.as_micros() / MILLI {
        return Err(Malformed("a time before the year 6536"));
    }
    Ok(Time::from_micros(wall * MILLI))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Open {
        Open {
            schema: Schema::new(&"x".repeat(500), u32::MAX),
            newest: u32::MAX,
            id: ReplicaId::from(u128::MAX),
            document: DocumentId::from(u128::MAX),
            sends: true,
            receives: false,
            checks: true,
            discards: false,
            wall: Time::from_micros(MAX_TIME.as_micros() / MILLI * MILLI),
            max_message: u64::MAX / KIB * KIB,
            max_block: u64::MAX / KIB * KIB,
            sequence_hash: u64::MAX,
            content_hash: u64::MAX,
            fingerprint: u64::MAX,
        }
    }

    fn encode(open: &Open) -> Vec<u8> {
        let mut bytes = Vec::new();
        open.encode(&mut bytes);
        bytes
    }

    #[test]
    fn an_open_fits_in_what_is_buffered_for_it() {
        for document in [DocumentId::from(u128::MAX), DocumentId::NONE] {
            let open = Open { document, ..open() };
            let bytes = encode(&open);
            assert!(bytes.len() <= MAX_OPEN / 2, "there is room for what comes later");
            assert_eq!(Speaker::of(&bytes), Speaker::Ours);
            assert_eq!(Open::decode(&bytes), Ok(open));
        }
    }

    #[test]
    fn limits_are_said_in_whole_kibibytes_and_never_as_none() {
        let open = Open { max_message: 300, max_block: 2047, ..open() };
        let said = Open::decode(&encode(&open)).unwrap();
        assert_eq!((said.max_message, said.max_block), (1024, 1024));
    }

    #[test]
    fn an_unknown_feature_at_an_odd_place_asks_for_an_upgrade() {
        const FEATURES: usize = 6;
        let mut bytes = encode(&open());
        bytes[FEATURES] = 0b101_0101;
        assert_eq!(Open::decode(&bytes), Ok(open()));
        bytes[FEATURES] = 0b101_1101;
        let upgrade = Upgrade { what: "a feature", number: 3 };
        assert_eq!(Open::decode(&bytes), Err(upgrade.into()));
    }

    #[test]
    fn a_foreign_speaker_is_recognised_by_its_first_bytes() {
        assert_eq!(Speaker::of(b"rp"), Speaker::Unclear);
        assert_eq!(Speaker::of(b"GET / HTTP/1.1"), Speaker::Foreign);
        assert_eq!(Speaker::of(b"rpd\x01\x01"), Speaker::OtherProtocol(1));
    }
}
