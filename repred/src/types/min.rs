//! [`Min`]: the smallest value anybody has written.

use alloc::boxed::Box;
use core::{cmp::Reverse, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

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

/// The smallest value that anybody has written, such as the best lap.
///
/// An update is a value. A value that a smaller one has beaten is superseded, so the history holds one entry.
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two write different values | the smaller one, in whichever order they arrive |
/// | two write the same value | that value; the earlier stamp counts as its author |
///
/// Takes 40 bytes beside the value. Each operation is one comparison.
///
/// ```
/// use repred::{Min, Replica};
///
/// let best_lap = Replica::new(Min::default());
/// best_lap.edit(|lap| lap.lower(83))?;
/// best_lap.edit(|lap| lap.lower(91))?;
/// assert_eq!(best_lap.read(|lap| lap.value().copied())?, Some(83));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "meet")]
#[doc(alias = "semilattice")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Min<T>(Max<Reverse<T>>);

impl<T> Min<T> {
    /// The smallest value, if anything has been written.
    ///
    /// ```
    /// use repred::{Min, Replica};
    ///
    /// let best_lap = Replica::new(Min::<u32>::default());
    /// assert_eq!(best_lap.read(|lap| lap.value().copied())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(&self) -> Option<&T> {
        self.0.value().map(|Reverse(value)| value)
    }

    editor_only!(lower(A) -> bool);
}

impl<T: Ord + Clone + Serialize + DeserializeOwned> Reduce for Min<T> {
    type Update = T;
    type Changes = ValueChanges<Option<T>>;

    fn reduce(&mut self, value: T, stamp: Stamp) -> Self::Changes {
        let plain = |value: Option<Reverse<T>>| value.map(|Reverse(value)| value);
        self.0.reduce(Reverse(value), stamp).map(plain)
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned + Send + 'static> Edit for Min<T> {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _value: &T, _stamp: Stamp) -> Rollback<Self> {
        let before = self.clone();
        Box::new(|min| *min = before)
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned, P: Place<Min<T>>> Editor<Min<T>, P> {
    /// Lowers the value to this one, unless it is as small already. Returns whether it was lowered.
    ///
    /// ```
    /// use repred::{Min, Replica};
    ///
    /// let best_lap = Replica::new(Min::default());
    /// assert!(best_lap.edit(|lap| lap.lower(83))?);
    /// assert!(!best_lap.edit(|lap| lap.lower(91))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lower(&mut self, value: T) -> bool {
        self.value().is_none_or(|smallest| value < *smallest) && self.update(value)
    }
}

impl<T> Default for Min<T> {
    fn default() -> Self {
        Self(Max::default())
    }
}

/// The value.
impl<T: fmt::Debug> fmt::Debug for Min<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}
