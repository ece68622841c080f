//! [`Register`]: one value, of which the last write wins.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{changes::Overwrote, reduce::Reduce, stamp::Stamp};

/// A value of any type, enums included; of concurrent writes the one with the later stamp wins.
///
/// An update is the new value. The stamp is the author's time, then its id, so every replica picks the
/// same winner, and no clock's error can make them differ. The overwritten write is obsolete: the
/// history of a register is one entry. It dereferences to the value.
///
/// ```
/// use repred::{Reduce, Register, Stamp, Time};
///
/// let mut title = Register::new("untitled".to_string());
/// title.reduce("Groceries".into(), Stamp::new(Time::from_micros(9), 0xa.into(), 1));
/// title.reduce("Shopping".into(), Stamp::new(Time::from_micros(8), 0xb.into(), 1));
/// assert_eq!(*title, "Groceries");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Register<T> {
    value: T,
    /// When the value was written, unless it is the one the register began with.
    written: Option<Stamp>,
}

impl<T> Register<T> {
    /// A register that holds `value` until somebody writes. Every replica must begin with the same one.
    pub const fn new(value: T) -> Self {
        Self { value, written: None }
    }

    /// The stamp of the write that gave the value; `None` if nobody has written yet.
    pub const fn written(&self) -> Option<Stamp> {
        self.written
    }
}

impl<T: Serialize + DeserializeOwned> Reduce for Register<T> {
    type Update = T;
    type Changes = Overwrote;

    fn reduce(&mut self, value: T, stamp: Stamp) -> Overwrote {
        if self.written > Some(stamp) {
            return Overwrote::nothing();
        }
        self.value = value;
        Overwrote::old(self.written.replace(stamp).map(|old| old.dot))
    }
}

impl<T> Deref for Register<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Register<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
