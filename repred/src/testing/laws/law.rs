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
    /// Removing any set of superseded updates does not change the state, as long as the superseding updates are kept.
    Superseded,
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
            Self::Deterministic => "two runs of the same updates give two states",
            Self::Codec => "an update does not come out of its encoding as it went in",
            Self::Digest => "a state does not encode as it did before it was decoded",
            Self::Snapshot => "a state that travels as a snapshot goes on differently",
            Self::Truthful => "the changes are not what happened to the state",
            Self::Order => {
                "updates that did not know of each other give two states, depending on which comes first"
            }
            Self::Superseded => "without what was named superseded the state is another",
            Self::Idempotent => "the second reduction of an update changes the state again",
            Self::Edit => "an edit that fails does not leave the state as it was",
            Self::Invariant => "a state is not what the test says every state is",
        }
    }

    /// What to do about it, in a line for those who meet the law for the first time.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Self::Total => {
                "leave the state as it is where an update makes no sense; `get` instead of an index, \
                 `wrapping_add` where a sum can overflow"
            }
            Self::Deterministic => {
                "take the time and the author from the stamp; no clock, no random number, no order of a \
                 hash map"
            }
            Self::Codec => {
                "let all that `reduce` uses travel, as it is: no `#[serde(skip)]`, nothing rounded on its \
                 way"
            }
            Self::Digest => {
                "use `BTreeMap` and `BTreeSet` instead of hash maps, or compare states with `Laws::equal`"
            }
            Self::Snapshot => {
                "let all that `reduce` reads travel with the state: no `#[serde(skip)]`"
            }
            Self::Truthful => {
                "report changes exactly if the state is another than before, stamps included; then check \
                 again, for other laws may be broken too"
            }
            Self::Order => {
                "add up exactly and clamp when reading; decide ties by the stamp; remove by the dots that \
                 were observed"
            }
            Self::Superseded => "name only what every later fold can do without",
            Self::Idempotent => {
                "keep a set or the last stamp instead of adding up, or do without `Laws::idempotent`"
            }
            Self::Edit => {
                "keep in `Edit::before` all that the update may change, stamps included, and put back just that"
            }
            Self::Invariant => {
                "hold it when reading instead of when writing: what no author does alone, two do together"
            }
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
            Self::Superseded => "superseded",
            Self::Idempotent => "idempotent",
            Self::Edit => "edit",
            Self::Invariant => "invariant",
        })
    }
}
