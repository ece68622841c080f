//! [`Guarantee`]: what every run must keep, and [`Broken`], that one did not.

use std::fmt;

use crate::testing::line::Line;

/// What every run must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Guarantee {
    /// Nothing panics.
    Total,
    /// In the end all have seen the same and hold the same state.
    Converges,
    /// A state is the fold of what its replica has seen.
    Fold,
    /// Every update is reduced once by each replica.
    ExactlyOnce,
    /// An update is reduced after everything that its author had seen.
    Causal,
    /// What a replica tells of the order of two updates is so.
    Order,
    /// An edit is taken in as one.
    Atomic,
    /// What an author was told to be safe, and what a peer was told to have arrived, stays.
    NothingLost,
    /// Every update is as its author wrote it.
    NothingInvented,
    /// No two updates have the same name.
    Identity,
    /// Nobody hears again what it told.
    NoEcho,
    /// Sessions fail only for a reason.
    Sessions,
    /// Everybody comes to rest.
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
            Self::Converges => "all come to the same state",
            Self::Fold => "a state is the fold of what was seen",
            Self::ExactlyOnce => "every update is reduced once",
            Self::Causal => "causes come before their effects",
            Self::Order => "the order of updates is told as it was",
            Self::Atomic => "an edit is taken in as one",
            Self::NothingLost => "nothing acknowledged is lost",
            Self::NothingInvented => "nothing is invented",
            Self::Identity => "no two updates have the same name",
            Self::NoEcho => "nobody hears again what it told",
            Self::Sessions => "sessions fail only for a reason",
            Self::Ends => "everybody comes to rest",
        })
    }
}

/// Something that must hold did not.
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
