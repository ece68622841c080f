//! [`Reason`]: why a peer ended a conversation.

use core::fmt;

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
}

impl Reason {
    /// Each at the place that is its number on the wire.
    const ALL: [Self; 9] = [
        Self::Finished,
        Self::Incompatible,
        Self::Clock,
        Self::Trimmed,
        Self::Diverged,
        Self::Malformed,
        Self::Refused,
        Self::TimedOut,
        Self::Failed,
    ];

    pub(super) fn to_byte(self) -> u8 {
        self as u8
    }

    /// One that this version does not know counts as `Failed`.
    pub(super) fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or(Self::Failed)
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
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_keeps_its_number() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_byte(reason.to_byte()), reason);
        }
        assert_eq!(Reason::from_byte(200), Reason::Failed);
    }
}
