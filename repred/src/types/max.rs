//! [`Max`]: the largest value anybody has written.

use alloc::boxed::Box;
use core::{cmp::Reverse, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::editor_only::{EditorOnly, editor_only};
use crate::{
    changes::ValueChanges,
    edit::{Edit, Editor, Place, Rollback},
    reduce::Reduce,
    stamp::Stamp,
};

/// The largest value that anybody has written, such as a high score.
///
/// An update is a value. A value that a larger one has beaten is superseded, so the history holds one entry. In
/// the literature this is a join: any join-semilattice works the same way.
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two write different values | the larger one, in whichever order they arrive |
/// | two write the same value | that value; the earlier stamp counts as its author |
///
/// Takes 40 bytes beside the value. Each operation is one comparison.
///
/// ```
/// use repred::{Max, Replica};
///
/// let high_score = Replica::new(Max::default());
/// high_score.edit(|score| score.raise(70))?;
/// high_score.edit(|score| score.raise(50))?;
/// assert_eq!(high_score.read(|score| score.value().copied())?, Some(70));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "join")]
#[doc(alias = "semilattice")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Max<T> {
    /// The largest value, and the earliest stamp of those that wrote it. A tie must have the same outcome
    /// everywhere, because the outcome decides which dot is superseded later.
    largest: Option<(T, Stamp)>,
}

impl<T> Max<T> {
    /// The largest value, if anything has been written.
    ///
    /// ```
    /// use repred::{Max, Replica};
    ///
    /// let high_score = Replica::new(Max::<u32>::default());
    /// assert_eq!(high_score.read(|score| score.value().copied())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(&self) -> Option<&T> {
        self.largest.as_ref().map(|(value, _)| value)
    }

    editor_only!(raise(A) -> bool);
}

impl<T: Ord + Clone + Serialize + DeserializeOwned> Reduce for Max<T> {
    type Update = T;
    type Changes = ValueChanges<Option<T>>;

    fn reduce(&mut self, value: T, stamp: Stamp) -> Self::Changes {
        if let Some((largest, first)) = &self.largest
            && (largest, Reverse(*first)) >= (&value, Reverse(stamp))
        {
            return ValueChanges::unchanged();
        }
        let after = value.clone();
        let (before, beaten) = self.largest.replace((value, stamp)).unzip();
        ValueChanges::changed(before, Some(after), beaten.map(|stamp| stamp.dot))
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned + Send + 'static> Edit for Max<T> {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _value: &T, _stamp: Stamp) -> Rollback<Self> {
        let before = self.clone();
        Box::new(|max| *max = before)
    }
}

impl<T: Ord + Clone + Serialize + DeserializeOwned, P: Place<Max<T>>> Editor<Max<T>, P> {
    /// Raises the value to this one, unless it is as large already. Returns whether it was raised.
    ///
    /// ```
    /// use repred::{Max, Replica};
    ///
    /// let high_score = Replica::new(Max::default());
    /// assert!(high_score.edit(|score| score.raise(70))?);
    /// assert!(!high_score.edit(|score| score.raise(50))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn raise(&mut self, value: T) -> bool {
        Some(&value) > self.value() && self.update(value)
    }
}

impl<T> Default for Max<T> {
    fn default() -> Self {
        Self { largest: None }
    }
}

/// The value.
impl<T: fmt::Debug> fmt::Debug for Max<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{changes::Changes, stamp::Dot, time::Time};

    #[test]
    fn equal_values_leave_the_same_state_in_either_order() {
        let a = Stamp::new(Time::from_micros(1), 0xa.into(), 1);
        let b = Stamp::new(Time::from_micros(1), 0xb.into(), 1);
        let (mut first, mut second) = (Max::default(), Max::default());
        first.reduce(7, a);
        assert!(first.reduce(7, b).is_empty());
        second.reduce(7, b);
        let mut named: Vec<Dot> = Vec::new();
        second.reduce(7, a).superseded(&mut |dot| named.push(dot));
        assert_eq!(named, [b.dot]);
        assert_eq!(first, second);
    }
}
