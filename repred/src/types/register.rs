//! [`Register`]: one value, of which the last write wins.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::editor_only::{EditorOnly, editor_only};
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
/// An update is the new value. The stamp is the time of the author's hybrid logical clock, then the author's id:
/// so every replica picks the same winner, whatever the clocks say. The write that loses is superseded, so the
/// history of a register is one entry. (A last-writer-wins register: Johnson and Thomas, *The Maintenance of
/// Duplicate Databases*, RFC 677, 1975.)
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two write different values | the one with the later stamp, everywhere |
/// | one removes it from a [`Map`](crate::Map), another one writes with a later stamp | the value that was written |
/// | one removes it, another one has written with an earlier stamp than the write that the removal saw | the default |
///
/// Takes 41 bytes beside the value. In a `Map` they remain after a removal, as a tombstone, because a write with an
/// earlier stamp may still be on its way. Each operation takes constant time and one clone of the value.
///
/// ```
/// use repred::{Register, Replica};
///
/// let title = Replica::new(Register::new("untitled".to_string()));
/// title.edit(|title| title.set("Groceries"))?;
/// assert_eq!(title.read(|title| title.value().clone())?, "Groceries");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "lww")]
#[doc(alias = "lww-register")]
#[doc(alias = "last-writer-wins")]
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Register<T> {
    value: T,
    /// The latest write, unless there has been none.
    latest: Option<Stamp>,
    /// A removal that had seen the latest write took it back.
    is_reset: bool,
}

impl<T> Register<T> {
    /// A register that holds `value` until somebody writes. Every replica must begin with the same one.
    ///
    /// ```
    /// use repred::{Register, Replica};
    ///
    /// let title = Replica::new(Register::new("untitled".to_string()));
    /// assert_eq!(title.read(|title| title.value().clone())?, "untitled");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn new(value: T) -> Self {
        Self { value, latest: None, is_reset: false }
    }

    /// The value.
    ///
    /// ```
    /// use repred::{Register, Replica};
    ///
    /// let volume = Replica::new(Register::new(3));
    /// volume.update(7)?; // the same as `volume.edit(|volume| volume.set(7))`
    /// assert_eq!(volume.read(|volume| *volume.value())?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The stamp of the write that gave the value: who wrote it, and when. `None` if nobody has written yet, or
    /// if a removal has taken the write back.
    ///
    /// ```
    /// use repred::{Register, Replica};
    ///
    /// let volume = Replica::new(Register::new(3));
    /// assert_eq!(volume.read(|volume| volume.stamp())?, None);
    /// volume.edit(|volume| volume.set(7))?;
    /// let stamp = volume.read(|volume| volume.stamp())?;
    /// assert_eq!(stamp.map(|stamp| stamp.origin()), Some(volume.id()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn stamp(&self) -> Option<Stamp> {
        if self.is_reset { None } else { self.latest }
    }

    editor_only!(set(A));
}

impl<T: Clone + Serialize + DeserializeOwned> Reduce for Register<T> {
    type Update = T;
    type Changes = ValueChanges<T>;

    fn reduce(&mut self, value: T, stamp: Stamp) -> Self::Changes {
        if self.latest > Some(stamp) {
            return ValueChanges::unchanged();
        }
        self.is_reset = false;
        let before = core::mem::replace(&mut self.value, value);
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
        // The stamp stays: a write with an earlier one that is still on its way has to lose against it here, as it
        // does where it arrives before the removal. For the same reason the removal supersedes nothing.
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
        // A write by somebody else since then stands.
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
    ///
    /// ```
    /// use repred::{Register, Replica};
    ///
    /// let title = Replica::new(Register::<String>::default());
    /// title.edit(|title| title.set("Groceries"))?; // `&str` will do for a `String`
    /// assert_eq!(title.read(|title| title.value().clone())?, "Groceries");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
