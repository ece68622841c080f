//! [`Or`]: whether anybody has said yes.

use alloc::boxed::Box;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{
    editor_only::{EditorOnly, editor_only},
    max::Max,
};
use crate::{
    changes::ValueChanges,
    edit::{Edit, Editor, Place, Rollback},
    reduce::Reduce,
    stamp::Stamp,
};

/// False until anybody writes `true`, and true from then on.
///
/// An update is a `bool`; `false` changes nothing. The history holds one entry. A switch that can be turned off
/// again is a [`Flag`](crate::Flag).
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | one writes `true` | true, everywhere and for good |
///
/// Takes 48 bytes. Each operation takes constant time.
///
/// ```
/// use repred::{Or, Replica};
///
/// let is_found = Replica::new(Or::default());
/// is_found.edit(|found| found.set())?;
/// assert!(is_found.read(|found| found.value())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "bool")]
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Or(Max<()>);

impl Or {
    /// Whether anybody has written `true`.
    ///
    /// ```
    /// assert!(!repred::Or::default().value());
    /// ```
    pub fn value(&self) -> bool {
        self.0.value().is_some()
    }

    editor_only!(set() -> bool);
}

impl Reduce for Or {
    type Update = bool;
    type Changes = ValueChanges<bool>;

    fn reduce(&mut self, value: bool, stamp: Stamp) -> Self::Changes {
        match value {
            true => self.0.reduce((), stamp).map(|written| written.is_some()),
            false => ValueChanges::unchanged(),
        }
    }
}

impl Edit for Or {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _value: &bool, _stamp: Stamp) -> Rollback<Self> {
        let before = self.clone();
        Box::new(|or| *or = before)
    }
}

impl<P: Place<Or>> Editor<Or, P> {
    /// Makes it true for good. Returns whether it was false before.
    ///
    /// ```
    /// use repred::{Or, Replica};
    ///
    /// let is_found = Replica::new(Or::default());
    /// assert!(is_found.edit(|found| found.set())?);
    /// assert!(!is_found.edit(|found| found.set())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&mut self) -> bool {
        !self.value() && self.update(true)
    }
}

/// The value.
impl fmt::Debug for Or {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}
