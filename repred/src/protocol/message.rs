//! [`Message`]: everything that two replicas say to each other after they have opened, as values and as bytes.
//!
//! PROTOCOL.md draws the layouts. Here the two directions of each stand side by side, so that a change of a
//! message is a change of this file alone.

use alloc::vec::Vec;

use super::{
    attributes::{Attributes, put_attributes},
    reason::Reason,
    version::{put_plain, put_seen, take_plain, take_seen},
    wire::{
        FIRST_OPEN_NUMBER, Hash, Malformed, Unreadable, check_unknown, end, put_hash, put_number,
        put_time, take, take_hash, take_number, take_seq, take_time,
    },
};
use crate::{
    seen::Seen,
    shape::{MAX_TEXT, Said},
    time::Time,
    version::VersionVector,
};

/// What a message is; its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Digest = 1,
    Items = 2,
    Synced = 3,
    Ack = 4,
    Ping = 5,
    Snapshot = 6,
    Chunk = 7,
    Adopted = 8,
    StateDigest = 9,
    Bye = 10,
    Declined = 11,
    Shape = 12,
    /// Of a later version of the program: any even number from 64 on. It may be passed over, and is passed on.
    Unknown = 64,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Digest,
        Self::Items,
        Self::Synced,
        Self::Ack,
        Self::Ping,
        Self::Snapshot,
        Self::Chunk,
        Self::Adopted,
        Self::StateDigest,
        Self::Bye,
        Self::Declined,
        Self::Shape,
    ];

    /// Splits a message into its kind and its body.
    /// The body of an unknown one is the whole message.
    pub(crate) fn split(message: &[u8]) -> Result<(Self, &[u8]), Unreadable> {
        let (&byte, body) =
            message.split_first().ok_or(Malformed("a message of one byte at least"))?;
        if u64::from(byte) >= FIRST_OPEN_NUMBER {
            check_unknown("a message", byte.into())?;
            return Ok((Self::Unknown, message));
        }
        let kind = Self::ALL.into_iter().find(|&kind| kind as u8 == byte);
        Ok((kind.ok_or(Malformed("the kind of a message"))?, body))
    }

    /// What PROTOCOL.md calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Items => "items",
            Self::Synced => "synced",
            Self::Ack => "ack",
            Self::Ping => "ping",
            Self::Snapshot => "snapshot",
            Self::Chunk => "chunk",
            Self::Adopted => "adopted",
            Self::StateDigest => "state digest",
            Self::Bye => "bye",
            Self::Declined => "declined",
            Self::Shape => "shape",
            Self::Unknown => "unknown",
        }
    }
}

/// A message after the open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// What the speaker has seen, and what of it is trimmed. Its origins begin the speaker's table.
    Digest { seen: Seen, floor: VersionVector },
    /// Entries, and what holds them together; an [`Assembler`](super::Assembler) reads them.
    Items(&'a [u8]),
    /// The listener has what its digest lacked.
    Synced,
    /// What the speaker has of each of some origins.
    Ack(Vec<Acked>),
    /// The speaker is there.
    Ping,
    /// A snapshot follows, in chunks.
    Snapshot(SnapshotHead),
    /// The next bytes of the snapshot's state.
    Chunk(&'a [u8]),
    /// The speaker has this version now, and entries may follow the snapshot.
    Adopted(Seen),
    /// What a state of this version looks like.
    StateDigest { version: Hash, state: Hash },
    /// The conversation is over.
    Bye(Reason),
    /// The speaker has trimmed what the snapshot has not seen.
    Declined { floor: VersionVector, has_seen_floor: bool },
    /// What the types of the speaker's state and updates are, and what it started with.
    Shape(Said<'a>),
    /// Something of a later version of the program, with its kind.
    Unknown(&'a [u8]),
}

/// What the speaker of an acknowledgement has of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acked {
    /// The place of the origin in the *listener's* table.
    pub(crate) place: u64,
    /// The seq of the last update.
    pub(crate) seq: u64,
    /// The [check](crate::token::Token::check) of its token.
    pub(crate) check: u16,
}

/// What is said of a snapshot before its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotHead {
    /// Bytes of the state.
    pub(crate) size: u64,
    /// Hash of the state.
    pub(crate) digest: Hash,
    pub(crate) time: Time,
    pub(crate) seen: Seen,
    /// What its sender had trimmed when it was frozen.
    pub(crate) floor: Seen,
    pub(crate) cause: Cause,
}

/// Why a snapshot goes instead of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// What the peer lacks is trimmed here, as far as we know what it lacks.
    Trimmed = 0,
    /// What belongs together is more than the peer takes.
    TooLarge = 1,
    /// A log begins: the entries beyond its writer's floor follow, though the state has them already.
    LogBegins = 2,
}

impl Message<'_> {
    /// Appends the message to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        if let Self::Unknown(message) = self {
            return out.extend_from_slice(message);
        }
        out.push(self.kind() as u8);
        match self {
            Self::Digest { seen, floor } => {
                put_seen(out, seen);
                put_plain(out, floor);
            }
            Self::Items(bytes) | Self::Chunk(bytes) => out.extend_from_slice(bytes),
            Self::Synced | Self::Ping => {}
            Self::Ack(origins) => {
                for &Acked { place, seq, check } in origins {
                    put_number(out, place);
                    put_number(out, seq);
                    out.extend_from_slice(&check.to_le_bytes());
                }
            }
            Self::Snapshot(head) => head.encode(out),
            Self::Adopted(seen) => put_seen(out, seen),
            Self::StateDigest { version, state } => {
                put_hash(out, version);
                put_hash(out, state);
            }
            Self::Bye(reason) => reason.put(out),
            Self::Declined { floor, has_seen_floor } => {
                put_plain(out, floor);
                out.push(u8::from(*has_seen_floor));
            }
            Self::Shape(said) => {
                out.extend_from_slice(&said.start.to_le_bytes());
                out.extend_from_slice(said.text.as_bytes());
            }
            Self::Unknown(_) => {}
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Digest { .. } => Kind::Digest,
            Self::Items(_) => Kind::Items,
            Self::Synced => Kind::Synced,
            Self::Ack(_) => Kind::Ack,
            Self::Ping => Kind::Ping,
            Self::Snapshot(_) => Kind::Snapshot,
            Self::Chunk(_) => Kind::Chunk,
            Self::Adopted(_) => Kind::Adopted,
            Self::StateDigest { .. } => Kind::StateDigest,
            Self::Bye(_) => Kind::Bye,
            Self::Declined { .. } => Kind::Declined,
            Self::Shape(_) => Kind::Shape,
            Self::Unknown(_) => Kind::Unknown,
        }
    }
}

impl<'a> Message<'a> {
    /// Reads the body of a message of a kind. No version in it may have more than `origins` entries.
    pub(crate) fn decode(
        kind: Kind,
        mut body: &'a [u8],
        origins: usize,
    ) -> Result<Self, Unreadable> {
        let bytes = &mut body;
        let message = match kind {
            Kind::Digest => {
                let seen = take_seen(bytes, origins)?;
                Self::Digest { seen, floor: take_plain(bytes, origins)? }
            }
            Kind::Items => Self::Items(core::mem::take(bytes)),
            Kind::Chunk => Self::Chunk(core::mem::take(bytes)),
            // `synced` and `ping` have no body. Bytes behind them are ignored, as behind the reason of `bye`.
            Kind::Synced => return Ok(Self::Synced),
            Kind::Ping => return Ok(Self::Ping),
            Kind::Ack => {
                let mut acked = Vec::new();
                while !bytes.is_empty() {
                    let (place, seq) = (take_number(bytes)?, take_seq(bytes)?);
                    acked.push(Acked { place, seq, check: u16::from_le_bytes(take(bytes)?) });
                }
                Self::Ack(acked)
            }
            Kind::Snapshot => Self::Snapshot(SnapshotHead::decode(bytes, origins)?),
            Kind::Adopted => Self::Adopted(take_seen(bytes, origins)?),
            Kind::StateDigest => {
                let version = take_hash(bytes)?;
                Self::StateDigest { version, state: take_hash(bytes)? }
            }
            Kind::Bye => {
                return Ok(Self::Bye(Reason::read(bytes)?));
            }
            Kind::Declined => {
                let floor = take_plain(bytes, origins)?;
                let [has_seen_floor] = take(bytes)?;
                Self::Declined { floor, has_seen_floor: has_seen_floor == 1 }
            }
            Kind::Shape => {
                let start = u64::from_le_bytes(take(bytes)?);
                let text = core::str::from_utf8(core::mem::take(bytes));
                let text = text.ok().filter(|text| text.len() <= MAX_TEXT);
                Self::Shape(Said { start, text: text.ok_or(Malformed("a shape"))? })
            }
            Kind::Unknown => Self::Unknown(core::mem::take(bytes)),
        };
        end(body)?;
        Ok(message)
    }
}

impl SnapshotHead {
    fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.size);
        put_hash(out, &self.digest);
        put_time(out, self.time);
        put_seen(out, &self.seen);
        put_seen(out, &self.floor);
        out.push(self.cause as u8);
        put_attributes(out, &[]);
    }

    fn decode(bytes: &mut &[u8], origins: usize) -> Result<Self, Unreadable> {
        let (size, digest, time) = (take_number(bytes)?, take_hash(bytes)?, take_time(bytes)?);
        let (seen, floor) = (take_seen(bytes, origins)?, take_seen(bytes, origins)?);
        let cause = match take(bytes)? {
            [0] => Cause::Trimmed,
            [1] => Cause::TooLarge,
            [2] => Cause::LogBegins,
            _ => return Err(Malformed("the cause of a snapshot").into()),
        };
        Attributes::take(bytes)?.read_unknown()?;
        Ok(Self { size, digest, time, seen, floor, cause })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::wire::Upgrade, *};

    fn version(seqs: &[(u128, u64)]) -> VersionVector {
        seqs.iter().map(|&(id, seq)| (id.into(), seq)).collect()
    }

    fn messages() -> Vec<Message<'static>> {
        let (a, b) = (Seen::from(&version(&[(1, 300), (2, 7)])), version(&[(1, 200)]));
        let head = |cause| SnapshotHead {
            size: 70_000,
            digest: Hash::Sip(5),
            time: Time::from_micros(9),
            seen: a.clone(),
            floor: Seen::from(&b),
            cause,
        };
        vec![
            Message::Digest { seen: a.clone(), floor: b.clone() },
            Message::Items(&[1, 2, 3]),
            Message::Synced,
            Message::Ack(vec![
                Acked { place: 0, seq: 300, check: 0 },
                Acked { place: 1, seq: 7, check: 0x1234 },
            ]),
            Message::Ping,
            Message::Snapshot(head(Cause::Trimmed)),
            Message::Snapshot(head(Cause::TooLarge)),
            Message::Snapshot(head(Cause::LogBegins)),
            Message::Chunk(&[4, 5]),
            Message::Adopted(a),
            Message::StateDigest { version: Hash::Sip(1), state: Hash::Sip(u128::MAX) },
            Message::Bye(Reason::TimedOut),
            Message::Declined { floor: b, has_seen_floor: true },
            Message::Shape(Said { start: 7, text: "state u8" }),
            Message::Unknown(&[64, 1, 2]),
        ]
    }

    #[test]
    fn every_message_is_read_as_it_was_written() {
        for message in messages() {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            let (kind, body) = Kind::split(&bytes).unwrap();
            assert_eq!(Message::decode(kind, body, 2), Ok(message));
        }
    }

    #[test]
    fn a_version_of_more_origins_than_allowed_is_refused() {
        for message in messages() {
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            let (kind, body) = Kind::split(&bytes).unwrap();
            let has_two = matches!(kind, Kind::Digest | Kind::Snapshot | Kind::Adopted);
            assert_eq!(Message::decode(kind, body, 1).is_err(), has_two, "{message:?}");
        }
    }

    #[test]
    fn a_message_of_no_kind_is_refused() {
        assert!(Kind::split(&[]).is_err());
        assert!(Kind::split(&[0]).is_err());
        assert!(Kind::split(&[63, 0]).is_err());
        assert_eq!(Kind::split(&[254, 0]), Ok((Kind::Unknown, &[254, 0][..])));
        let upgrade = Upgrade { what: "a message", number: 65 };
        assert_eq!(Kind::split(&[65, 0]), Err(upgrade.into()));
    }
}
