//! [`Dot`], the name of an update, and [`Stamp`], what a reducer may know of an update beside its content.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    id::ReplicaId,
    time::{Short, Time},
};

/// The name of an update: its origin, and its place among that origin's updates.
///
/// ```
/// use repred::Dot;
///
/// let dot = Dot::new(0xa.into(), 7);
/// assert_eq!(format!("{dot:?}"), "a.7");
/// ```
#[doc(alias = "op id")]
#[doc(alias = "event id")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot {
    /// The replica that wrote the update.
    pub origin: ReplicaId,
    /// Its number among the updates of that origin, from 1 and without holes.
    pub seq: u64,
}

impl Dot {
    /// The dot of the update number `seq` of `origin`.
    ///
    /// ```
    /// use repred::Dot;
    ///
    /// let dot = Dot::new(0xa.into(), 3);
    /// assert_eq!(format!("{dot:?}"), "a.3");
    /// ```
    pub const fn new(origin: ReplicaId, seq: u64) -> Self {
        Self { origin, seq }
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.{}", self.origin, self.seq)
    }
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.origin, self.seq)
    }
}

/// What a reducer may know of an update beside its content: its time and its dot.
///
/// repred gives every update its stamp. Stamps are totally ordered, by time, then origin, then seq, and no two updates
/// share one. An update has a later stamp than everything that its author had seen, so *the larger stamp wins* is a sound
/// rule for conflicts.
///
/// A stamp can be made by hand, which is all it takes to unit-test a reducer:
///
/// ```
/// use repred::{Reduce, Register, Stamp, Time};
///
/// let mut title = Register::new(String::new());
/// title.reduce("late".to_string(), Stamp::new(Time::from_micros(2), 0xa.into(), 1));
/// title.reduce("early".to_string(), Stamp::new(Time::from_micros(1), 0xb.into(), 1));
/// assert_eq!(title.value(), "late");
/// ```
#[doc(alias = "timestamp")]
#[doc(alias = "lamport")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    // The order of the fields is the order of stamps.
    /// When the update was written, by its author's hybrid logical clock.
    pub time: Time,
    /// The update's name.
    pub dot: Dot,
}

impl Stamp {
    /// The stamp of the update number `seq` of `origin`, written at `time`.
    ///
    /// ```
    /// use repred::{Stamp, Time};
    ///
    /// let early = Stamp::new(Time::from_micros(1), 0xb.into(), 9);
    /// let late = Stamp::new(Time::from_micros(2), 0xa.into(), 1);
    /// assert!(early < late, "the later write wins");
    /// ```
    pub const fn new(time: Time, origin: ReplicaId, seq: u64) -> Self {
        Self { time, dot: Dot::new(origin, seq) }
    }

    /// The replica that wrote the update.
    ///
    /// ```
    /// use repred::{Stamp, Time};
    ///
    /// let stamp = Stamp::new(Time::from_micros(1), 0xb.into(), 9);
    /// assert_eq!(stamp.origin(), 0xb.into());
    /// ```
    pub const fn origin(&self) -> ReplicaId {
        self.dot.origin
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}@{}", self.dot, Short(self.time))
    }
}
