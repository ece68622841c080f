//! [`Open`]: what each side says of itself before anything else.

use alloc::vec::Vec;

use super::{
    error::ProtocolError,
    wire::{
        Malformed, put_hash, put_id, put_number, put_time, take, take_hash, take_id, take_number,
        take_time,
    },
};
use crate::{id::ReplicaId, schema::Schema, time::Time};

/// The first bytes of a conversation.
const MAGIC: [u8; 4] = *b"rpd\x01";

/// The version of the protocol that this crate speaks.
pub(crate) const PROTOCOL: u8 = 1;

/// No open is longer. Anybody can connect, so a longer first message is refused before the rest of it arrives.
pub(crate) const MAX_OPEN: usize = 256;

/// A peer that takes fewer bytes than this in one message cannot take part.
const MIN_MESSAGE: u64 = 256;

/// What each side says of itself before anything else.
///
/// ```text
/// magic 4 │ protocol 1 │ flags 1 │ id 16 │ version hash 16 │ wall time │ longest message │ largest block
///         │ schema version │ oldest understood │ newest there may be │ schema name, to the end
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) schema: Schema,
    /// The newest version of the schema of which it may have updates.
    pub(crate) newest: u32,
    pub(crate) id: ReplicaId,
    pub(crate) sends: bool,
    pub(crate) receives: bool,
    /// Whether it wants state digests compared.
    pub(crate) checks: bool,
    /// Whether it will give up its state if the two histories cannot be joined.
    pub(crate) discards: bool,
    pub(crate) wall: Time,
    /// Bytes of the longest message it takes.
    pub(crate) max_message: u64,
    /// Bytes of the largest block it takes.
    pub(crate) max_block: u64,
    pub(crate) version_hash: u128,
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
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&MAGIC);
        bytes.push(PROTOCOL);
        let flags = [self.sends, self.receives, self.checks, self.discards];
        bytes.push(flags.iter().rev().fold(0, |byte, &flag| byte << 1 | u8::from(flag)));
        put_id(bytes, self.id);
        put_hash(bytes, self.version_hash);
        put_time(bytes, self.wall);
        put_number(bytes, self.max_message);
        put_number(bytes, self.max_block);
        put_number(bytes, self.schema.version().into());
        put_number(bytes, self.schema.oldest().into());
        put_number(bytes, self.newest.into());
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
    fn decode(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = &mut bytes;
        take::<5>(bytes)?;
        let [flags] = take(bytes)?;
        let flag = |bit: u8| flags >> bit & 1 == 1;
        let (id, version_hash, wall) = (take_id(bytes)?, take_hash(bytes)?, take_time(bytes)?);
        let (max_message, max_block) = (take_number(bytes)?, take_number(bytes)?);
        if max_message < MIN_MESSAGE {
            return Err(Malformed("a limit for messages of 256 bytes at least"));
        }
        let mut version =
            || u32::try_from(take_number(bytes)?).map_err(|_| Malformed("a schema version"));
        let (version, oldest, newest) = (version()?, version()?, version()?);
        let name = core::str::from_utf8(bytes).map_err(|_| Malformed("a schema's name"))?;
        if name.len() > Schema::MAX_NAME {
            return Err(Malformed("a schema's name"));
        }
        Ok(Self {
            schema: Schema::received(name, version, oldest),
            newest,
            id,
            sends: flag(0),
            receives: flag(1),
            checks: flag(2),
            discards: flag(3),
            wall,
            max_message,
            max_block,
            version_hash,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::wire::MAX_TIME, *};

    #[test]
    fn an_open_fits_in_what_is_buffered_for_it() {
        let open = Open {
            schema: Schema::new(&"x".repeat(500), u32::MAX),
            newest: u32::MAX,
            id: ReplicaId::from(u128::MAX),
            sends: true,
            receives: false,
            checks: true,
            discards: false,
            wall: MAX_TIME,
            max_message: u64::MAX,
            max_block: u64::MAX,
            version_hash: u128::MAX,
        };
        let mut bytes = Vec::new();
        open.encode(&mut bytes);
        assert!(bytes.len() <= MAX_OPEN);
        assert_eq!(Speaker::of(&bytes), Speaker::Ours);
        assert_eq!(Open::decode(&bytes), Ok(open));
    }

    #[test]
    fn a_foreign_speaker_is_recognised_by_its_first_bytes() {
        assert_eq!(Speaker::of(b"rp"), Speaker::Unclear);
        assert_eq!(Speaker::of(b"GET / HTTP/1.1"), Speaker::Foreign);
        assert_eq!(Speaker::of(b"rpd\x01\x09"), Speaker::OtherProtocol(9));
    }
}
