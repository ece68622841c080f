//! [`Reason`]: why a peer ended a conversation.

use alloc::vec::Vec;
use core::fmt;

use super::wire::{Malformed, put_id, put_number, take, take_id, take_seq};
use crate::stamp::Dot;

/// Why a peer ended the conversation, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is done.
    Finished,
    /// Its protocol, schema, direction or limits do not fit ours.
    Incompatible,
    /// Its clock and ours differ by too much, or an entry was too far ahead of its clock.
    Clock,
    /// Both have trimmed what the other has not seen, or it could not adopt our snapshot.
    Trimmed,
    /// It has the same version and a different state.
    Diverged,
    /// What we sent was no valid message, or too large.
    Malformed,
    /// What we sent was well-formed, but it could not apply it.
    Refused,
    /// It gave up waiting for us.
    TimedOut,
    /// It failed for a reason of its own.
    Failed,
    /// It has another update of this name than we have. Two replicas have written under one id, such as a replica and
    /// a copy of its folder.
    Forked {
        /// The name of the two updates.
        dot: Dot,
    },
    /// What we sent is of a later version of repred, and must not be passed over: it has to be upgraded.
    Upgrade,
    /// The shapes of its states or updates do not fit ours, or it started from another state.
    Shape,
    /// It replicates another document.
    Document,
}

impl Reason {
    /// Those that say nothing more, each with its number on the wire.
    const PLAIN: [(Self, u8); 12] = [
        (Self::Finished, 0),
        (Self::Incompatible, 1),
        (Self::Clock, 2),
        (Self::Trimmed, 3),
        (Self::Diverged, 4),
        (Self::Malformed, 5),
        (Self::Refused, 6),
        (Self::TimedOut, 7),
        (Self::Failed, 8),
        (Self::Upgrade, 10),
        (Self::Shape, 11),
        (Self::Document, 12),
    ];

    /// The number of [`Forked`](Self::Forked), which an id and a seq follow.
    const FORKED: u8 = 9;

    pub(super) fn put(self, bytes: &mut Vec<u8>) {
        if let Self::Forked { dot } = self {
            bytes.push(Self::FORKED);
            put_id(bytes, dot.origin);
            put_number(bytes, dot.seq);
        }
        let plain = Self::PLAIN.into_iter().find(|&(reason, _)| reason == self);
        bytes.extend(plain.map(|(_, number)| number));
    }

    /// One that this version does not know counts as `Failed`. What may follow is ignored.
    pub(super) fn read(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let [number] = take(&mut bytes)?;
        if number == Self::FORKED {
            let dot = Dot::new(take_id(&mut bytes)?, take_seq(&mut bytes)?);
            return Ok(Self::Forked { dot });
        }
        let known = Self::PLAIN.into_iter().find(|&(_, known)| known == number);
        Ok(known.map_or(Self::Failed, |(reason, _)| reason))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "it is done",
            Self::Incompatible => "its protocol, schema, direction or limits do not fit ours",
            Self::Clock => "its clock and a time of ours are too far apart",
            Self::Trimmed => "its history and ours cannot be joined",
            Self::Diverged => "it holds another state for the same version",
            Self::Malformed => "it found a message of ours malformed or too large",
            Self::Refused => "it could not apply what we sent",
            Self::TimedOut => "it gave up waiting for us",
            Self::Failed => "it has failed",
            Self::Forked { dot } => {
                return write!(
                    f,
                    "it has another update {dot} than we have: two replicas have written under one id"
                );
            }
            Self::Upgrade => "it has to be upgraded to understand what we sent",
            Self::Shape => "the shapes of its states or updates do not fit ours",
            Self::Document => "it replicates another document",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_keeps_its_number() {
        let dot = Dot::new(7.into(), 300);
        let reasons = Reason::PLAIN.map(|(reason, _)| reason).into_iter();
        for reason in reasons.chain([Reason::Forked { dot }]) {
            let mut bytes = Vec::new();
            reason.put(&mut bytes);
            assert_eq!(Reason::read(&bytes), Ok(reason));
        }
        assert_eq!(Reason::read(&[200]), Ok(Reason::Failed));
        assert!(Reason::read(&[]).is_err());
        assert!(Reason::read(&[Reason::FORKED, 1]).is_err());
    }
}
