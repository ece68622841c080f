//! [`Max`]: the largest value anybody has written.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{changes::Overwrote, reduce::Reduce, stamp::Stamp};

/// The largest value that has been written anywhere.
///
/// An update is a value. Whatever a larger one has beaten is obsolete, so the history holds one entry.
///
/// ```
/// use repred::{Max, Reduce, Stamp, Time};
///
/// let mut high_score = Max::default();
/// high_score.reduce(70, Stamp::new(Time::ZERO, 0xa.into(), 1));
/// high_score.reduce(50, Stamp::new(Time::ZERO, 0xb.into(), 1));
/// assert_eq!(high_score.value(), Some(&70));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Max<T> {
    /// The largest value, and the first stamp among those that wrote it: a tie must have one outcome,
    /// since it decides which dot is named obsolete later.
    largest: Option<(T, Stamp)>,
}

impl<T> Max<T> {
    /// The largest value, if anything has been written.
    pub fn value(&self) -> Option<&T> {
        self.largest.as_ref().map(|(value, _)| value)
    }
}

impl<T: Ord + Serialize + DeserializeOwned> Reduce for Max<T> {
    type Update = T;
    type Changes = Overwrote;

    fn reduce(&mut self, value: T, stamp: Stamp) -> Overwrote {
        if let Some((largest, first)) = &self.largest
            && (largest, std::cmp::Reverse(*first)) >= (&value, std::cmp::Reverse(stamp))
        {
            return Overwrote::nothing();
        }
        let beaten = self.largest.replace((value, stamp));
        Overwrote::old(beaten.map(|(_, stamp)| stamp.dot))
    }
}

impl<T> Default for Max<T> {
    fn default() -> Self {
        Self { largest: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    #[test]
    fn equal_values_leave_the_same_state_in_either_order() {
        let a = Stamp::new(Time::from_micros(1), 0xa.into(), 1);
        let b = Stamp::new(Time::from_micros(1), 0xb.into(), 1);
        let (mut first, mut second) = (Max::default(), Max::default());
        first.reduce(7, a);
        assert_eq!(first.reduce(7, b), Overwrote::nothing());
        second.reduce(7, b);
        assert_eq!(second.reduce(7, a).dots(), [b.dot]);
        assert_eq!(first, second);
    }
}
