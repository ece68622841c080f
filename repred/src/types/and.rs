//! [`And`]: whether nobody has said no.

use alloc::boxed::Box;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{
    editor_only::{EditorOnly, editor_only},
    or::Or,
};
use crate::{
    changes::ValueChanges,
    edit::{Edit, Editor, Place, Rollback},
    reduce::Reduce,
    stamp::Stamp,
};

/// True until anybody writes `false`, and false from then on.
///
/// An update is a `bool`; `true` changes nothing. The history holds one entry. A switch that can be turned on
/// again is a [`DisableFlag`](crate::DisableFlag).
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | one writes `false` | false, everywhere and for good |
///
/// Takes 48 bytes. Each operation takes constant time.
///
/// ```
/// use repred::{And, Replica};
///
/// let is_valid = Replica::new(And::default());
/// is_valid.edit(|valid| valid.clear())?;
/// assert!(!is_valid.read(|valid| valid.value())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "bool")]
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct And(Or);

impl And {
    /// Whether nobody has written `false`.
    ///
    /// ```
    /// assert!(repred::And::default().value());
    /// ```
    pub fn value(&self) -> bool {
        !self.0.value()
    }

    editor_only!(clear() -> bool);
}

impl Reduce for And {
    type Update = bool;
    type Changes = ValueChanges<bool>;

    fn reduce(&mut self, value: bool, stamp: Stamp) -> Self::Changes {
        self.0.reduce(!value, stamp).map(|is_denied| !is_denied)
    }
}

impl Edit for And {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _value: &bool, _stamp: Stamp) -> Rollback<Self> {
        let before = self.clone();
        Box::new(|and| *and = before)
    }
}

impl<P: Place<And>> Editor<And, P> {
    /// Makes it false for good. Returns whether it was true before.
    ///
    /// ```
    /// use repred::{And, Replica};
    ///
    /// let is_valid = Replica::new(And::default());
    /// assert!(is_valid.edit(|valid| valid.clear())?);
    /// assert!(!is_valid.edit(|valid| valid.clear())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&mut self) -> bool {
        self.value() && self.update(false)
    }
}

/// The value.
impl fmt::Debug for And {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}
