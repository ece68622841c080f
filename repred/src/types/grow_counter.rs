//! [`GrowCounter`]: a sum that only grows.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{
    counter::Counter,
    editor_only::{EditorOnly, editor_only},
};
use crate::{
    changes::ValueChanges,
    dots::Dots,
    edit::{Edit, Editor, Place, Rollback},
    reduce::Reduce,
    reset::{Reset, ResetDetail},
    stamp::{Dot, Stamp},
};

/// A sum of amounts that are never negative, each of which counts exactly once everywhere.
///
/// An update is the amount to add, a `u64`. The sum is wider, so it is exact. (In the literature: a G-counter.)
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | one adds 3, another one 4 | 7 more |
/// | one removes it from a [`Map`](crate::Map), another one adds 3 | 3: a removal takes back what its author had seen |
///
/// Takes 48 bytes, and inside a `Map` 96 for each origin. Adding takes constant time, or O(log origins) there.
///
/// ```
/// use repred::{GrowCounter, Replica};
///
/// let views = Replica::new(GrowCounter::default());
/// views.edit(|views| views.add(5))?;
/// assert_eq!(views.read(|views| views.value())?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "g-counter")]
#[doc(alias = "gcounter")]
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrowCounter(Counter);

impl GrowCounter {
    /// The sum of all updates.
    ///
    /// ```
    /// use repred::{GrowCounter, Replica};
    ///
    /// let views = Replica::new(GrowCounter::default());
    /// views.update(5)?; // the same as `views.edit(|views| views.add(5))`
    /// assert_eq!(views.read(|views| views.value())?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(&self) -> u128 {
        // It is negative only if a removal by a peer lied about what it took back.
        u128::try_from(self.0.value()).unwrap_or(0)
    }

    editor_only!(add(A));
}

/// The changes as the type shows them.
fn unsigned(changes: ValueChanges<i128>) -> ValueChanges<u128> {
    changes.map(|value| u128::try_from(value).unwrap_or(0))
}

impl Reduce for GrowCounter {
    type Update = u64;
    type Changes = ValueChanges<u128>;

    fn reduce(&mut self, amount: u64, _stamp: Stamp) -> Self::Changes {
        unsigned(self.0.add_to_sum(amount.into()))
    }
}

impl Reset for GrowCounter {
    fn reduce_resettable(&mut self, amount: u64, stamp: Stamp) -> Self::Changes {
        unsigned(self.0.add_resettable(amount.into(), stamp))
    }

    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        self.0.seen(see);
    }

    fn detail(&self) -> ResetDetail {
        self.0.detail()
    }

    fn reset(
        &mut self,
        seen: &Dots,
        detail: &ResetDetail,
        superseded: &mut dyn FnMut(Dot),
    ) -> bool {
        self.0.reset(seen, detail, superseded)
    }

    fn is_present(&self) -> bool {
        self.0.is_present()
    }

    fn is_default(&self) -> bool {
        self.0.is_default()
    }
}

impl Edit for GrowCounter {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _amount: &u64, stamp: Stamp) -> Rollback<Self> {
        let roll_back = self.0.restore(stamp.origin());
        Box::new(|counter| roll_back(&mut counter.0))
    }

    fn rebuild(&self) -> Option<Vec<u64>> {
        u64::try_from(self.0.value()).ok().map(|sum| vec![sum])
    }
}

impl<P: Place<GrowCounter>> Editor<GrowCounter, P> {
    /// Adds an amount. The edit fails if the sum would be out of range.
    ///
    /// ```
    /// use repred::{GrowCounter, Replica};
    ///
    /// let views = Replica::new(GrowCounter::default());
    /// views.edit(|views| {
    ///     views.add(5);
    ///     views.add(1);
    /// })?;
    /// assert_eq!(views.read(|views| views.value())?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "increment")]
    pub fn add(&mut self, amount: u64) {
        match self.0.would_overflow(amount.into()) {
            true => self.refuse(format!("adding {amount} to {} is out of range", self.value())),
            false => drop(self.update(amount)),
        }
    }
}

impl fmt::Display for GrowCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

/// The sum.
impl fmt::Debug for GrowCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}
