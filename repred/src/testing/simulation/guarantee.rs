//! [`Guarantee`]: what every run must keep, and [`Broken`], that one did not.

use std::fmt;

use crate::testing::line::Line;

/// A property that every run must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Guarantee {
    /// Nothing panics.
    Total,
    /// In the end all replicas have seen the same updates and hold the same state.
    Converges,
    /// A state is the fold of what its replica has seen.
    Fold,
    /// Every update is reduced once by each replica.
    ExactlyOnce,
    /// An update is reduced after everything that its author had seen.
    Causal,
    /// The order of two updates that a replica reports is the real one.
    Order,
    /// A replica has all updates of an edit or none.
    Atomic,
    /// An update that was reported as durable to its author, or as received to a peer, is never lost.
    NothingLost,
    /// A peer that has confirmed an update has it, at the moment when its confirmation arrives.
    Delivered,
    /// Every update is as its author wrote it.
    NothingInvented,
    /// No two updates have the same dot.
    Identity,
    /// No update is sent back to the replica that it came from.
    NoEcho,
    /// Sessions fail only for a reason.
    Sessions,
    /// Replicas that have nothing new stop sending.
    Ends,
}

impl Guarantee {
    /// Whether a reducer can be the reason that this does not hold.
    pub(crate) fn is_of_the_reducer(self) -> bool {
        matches!(self, Self::Total | Self::Converges | Self::Fold | Self::NothingInvented)
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Total => "nothing panics",
            Self::Converges => "all replicas come to the same state",
            Self::Fold => "a state is the fold of what was seen",
            Self::ExactlyOnce => "every update is reduced once",
            Self::Causal => "causes come before their effects",
            Self::Order => "the order of updates is reported as it was",
            Self::Atomic => "an edit arrives whole",
            Self::NothingLost => "no acknowledged update is lost",
            Self::Delivered => "who has confirmed an update has it",
            Self::NothingInvented => "no update is invented",
            Self::Identity => "no two updates have the same dot",
            Self::NoEcho => "no update goes back to where it came from",
            Self::Sessions => "sessions fail only for a reason",
            Self::Ends => "replicas stop sending when they have nothing new",
        })
    }
}

/// A guarantee that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) guarantee: Guarantee,
    pub(crate) what: String,
    /// The states it is about.
    pub(crate) details: Vec<Line>,
}

impl Broken {
    pub(crate) fn new(guarantee: Guarantee, what: impl Into<String>) -> Self {
        Self { guarantee, what: what.into(), details: Vec::new() }
    }

    pub(crate) fn with(self, details: Vec<Line>) -> Self {
        Self { details, ..self }
    }
}
