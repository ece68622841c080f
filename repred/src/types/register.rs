//! [`Register`]: one value, of which the last write wins.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    changes::ValueChanges,
    dots::Dots,
    edit::{Edit, Editor, IntoValue, Inverse, Place, Rollback},
    reduce::Reduce,
    reset::{Reset, ResetDetail},
    stamp::{Dot, Stamp},
};

/// A value of any type, enums included; of concurrent writes the one with the later stamp wins.
///
/// An update is the new value. The stamp is the author's time, then its id, so every replica picks the
/// same winner, and no clock's error can make them differ. The overwritten write is superseded: the
/// history of a register is one entry.
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two write different values | the one with the later stamp, everywhere |
/// | one removes it from a [`Map`](crate::Map), another one writes later | the value that was written |
/// | one removes it, another one wrote what an earlier stamp has than what the remover saw | the default |
///
/// Takes 41 bytes beside the value, and in a `Map` those remain after a removal: a write with an earlier stamp
/// may still be on its way. Each operation takes constant time and one clone of the value.
///
/// ```
/// use repred::{Register, Replica};
///
/// let title = Replica::new(Register::new("untitled".to_string()));
/// title.edit(|title| title.set("Groceries"))?;
/// assert_eq!(title.read(|title| title.value().clone())?, "Groceries");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Register<T> {
    value: T,
    /// The latest write, unless there has been none.
    latest: Option<Stamp>,
    /// The latest write was taken back by a removal that had seen it.
    is_reset: bool,
}

impl<T> Register<T> {
    /// A register that holds `value` until somebody writes. Every replica must begin with the same one.
    pub const fn new(value: T) -> Self {
        Self { value, latest: None, is_reset: false }
    }

    /// The value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The stamp of the write that gave the value; `None` if nobody has written yet, or a removal has taken
    /// it back.
    pub const fn stamp(&self) -> Option<Stamp> {
        if self.is_reset { None } else { self.latest }
    }
}

impl<T: Clone + Serialize + DeserializeOwned> Reduce for Register<T> {
    type Update = T;
    type Changes = ValueChanges<T>;

    fn reduce(&mut self, value: T, stamp: Stamp) -> Self::Changes {
        if self.latest > Some(stamp) {
            return ValueChanges::unchanged();
        }
        self.is_reset = false;
        let before = std::mem::replace(&mut self.value, value);
        let overwritten = self.latest.replace(stamp).map(|old| old.dot);
        ValueChanges::changed(before, self.value.clone(), overwritten)
    }
}

impl<T: Clone + Default + Serialize + DeserializeOwned> Reset for Register<T> {
    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        self.stamp().map(|stamp| stamp.dot).into_iter().for_each(see);
    }

    fn reset(
        &mut self,
        seen: &Dots,
        _detail: &ResetDetail,
        _obsolete: &mut dyn FnMut(Dot),
    ) -> bool {
        // The stamp stays: an earlier write that is still on its way has lost against it, as it has
        // where it came before the removal. So the removal supersedes nothing.
        let is_seen = self.stamp().is_some_and(|stamp| seen.covers(stamp.dot));
        if is_seen {
            self.value = T::default();
            self.is_reset = true;
        }
        is_seen
    }

    fn is_present(&self) -> bool {
        self.stamp().is_some()
    }

    fn is_default(&self) -> bool {
        self.latest.is_none()
    }
}

impl<T: Clone + Serialize + DeserializeOwned + Send + 'static> Edit for Register<T> {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _value: &T, _stamp: Stamp) -> Rollback<Self> {
        let before = self.clone();
        Box::new(|register| *register = before)
    }

    fn inverse(&self, _value: &T, _stamp: Stamp) -> Option<Inverse<Self>> {
        let before = self.value.clone();
        // Whoever has written since is not overruled.
        Some(Box::new(move |register, is_ours| {
            let is_ours = register.stamp().is_some_and(|stamp| is_ours(stamp.dot));
            is_ours.then_some(before).into_iter().collect()
        }))
    }

    fn rebuild(&self) -> Option<Vec<T>> {
        Some(self.stamp().map(|_| self.value.clone()).into_iter().collect())
    }
}

impl<T: Clone + Serialize + DeserializeOwned, P: Place<Register<T>>> Editor<Register<T>, P> {
    /// Writes a value.
    pub fn set(&mut self, value: impl IntoValue<T>) {
        self.update(value.into_value());
    }
}

impl<T: fmt::Display> fmt::Display for Register<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// The value.
impl<T: fmt::Debug> fmt::Debug for Register<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing::Laws, types::Map};

    #[test]
    fn an_earlier_write_loses_against_a_reset_one() {
        Laws::of(Map::<u8, Register<u8>>::default).budget(3_000).check();
    }
}
