//! [`Law`]: what a reducer has to keep.

use std::fmt;

/// What a reducer has to keep, so that all replicas come to the same state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Law {
    /// `reduce` panics on no update that can be decoded: updates come from other machines.
    Total,
    /// The state, the update and the stamp decide, and nothing else: two runs give the same.
    Deterministic,
    /// An update means the same after it was encoded and decoded, to its author too.
    Codec,
    /// Equal states have equal encodings, which digests of states compare.
    Digest,
    /// A snapshot, and then the rest of the updates, gives what all updates give.
    Snapshot,
    /// Changes are empty exactly if the whole state is as it was, stamps included.
    Truthful,
    /// Every order that causal delivery allows gives the same state: concurrent updates commute.
    Order,
    /// What a reducer named obsolete can be left out, any of it, wherever the namer is not.
    Obsolete,
    /// A second reduction of the same update changes nothing. Checked where the reducer claims it.
    Idempotent,
    /// What an edit keeps of the state puts it back exactly as it was. Checked where the test says so.
    Edit,
    /// What the test says of every state. Checked where the test says something.
    Invariant,
}

impl Law {
    /// What it says, in a sentence about the reducer that breaks it.
    pub(crate) fn broken(self) -> &'static str {
        match self {
            Self::Total => "an update makes `reduce` panic, and updates come from other machines",
            Self::Deterministic => {
                "two runs of the same updates give two states: is there a clock, a random number or a \
                 hash map's order in it?"
            }
            Self::Codec => "an update does not come out of its encoding as it went in",
            Self::Digest => {
                "a state does not encode as it did before it was decoded: use `BTreeMap` and `BTreeSet` \
                 instead of hash maps, or compare states with `Laws::equal`"
            }
            Self::Snapshot => {
                "a state that travels as a snapshot goes on differently: is a field left out by \
                 `#[serde(skip)]`?"
            }
            Self::Truthful => "the changes are not what happened to the state",
            Self::Order => {
                "updates that did not know of each other give two states, depending on which comes first"
            }
            Self::Obsolete => {
                "without what was named obsolete the state is another; name only what every later fold \
                 can do without"
            }
            Self::Idempotent => "the second reduction of an update changes the state again",
            Self::Edit => "an edit that fails does not leave the state as it was",
            Self::Invariant => "a state is not what the test says every state is",
        }
    }
}

/// The law's name.
impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "total",
            Self::Deterministic => "deterministic",
            Self::Codec => "codec",
            Self::Digest => "digest",
            Self::Snapshot => "snapshot",
            Self::Truthful => "truthful changes",
            Self::Order => "order",
            Self::Obsolete => "obsolete",
            Self::Idempotent => "idempotent",
            Self::Edit => "edit",
            Self::Invariant => "invariant",
        })
    }
}
