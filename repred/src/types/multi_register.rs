//! [`MultiRegister`]: a value, or several where people disagree.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::editor_only::{EditorOnly, editor_only};
use crate::{
    changes::Changes,
    dots::Dots,
    edit::{Edit, Editor, IntoValue, Inverse, Place, Rollback},
    id::ReplicaId,
    reduce::Reduce,
    reset::{Reset, ResetDetail},
    stamp::{Dot, Stamp},
};

/// A value that keeps all concurrent writes, so that people can choose between them.
///
/// A write replaces the values that its author had seen, and no others. The writes of the replaced values are
/// superseded, so the history holds the values that are present. (In the literature: a multi-value register; the
/// siblings of Dynamo, DeCandia and others, 2007.)
///
/// | meanwhile, elsewhere | outcome |
/// |---|---|
/// | two write | both values, the later stamp first |
/// | then one who sees both writes | that value |
/// | one removes it from a [`Map`](crate::Map), another one writes | the value that was written |
///
/// Takes about 80 bytes beside each value. An update carries a dot for each other replica that has written
/// lately: 17 bytes or more, none if there is one author. Writing takes O(values · writers).
///
/// ```
/// use repred::{MultiRegister, Reduce, Stamp, Time};
///
/// let mut motto = MultiRegister::<String>::default();
/// let (ours, theirs) = (motto.write("simple".into()), motto.write("fast".into()));
/// motto.reduce(ours, Stamp::new(Time::from_micros(1), 0xa.into(), 1));
/// motto.reduce(theirs, Stamp::new(Time::from_micros(2), 0xb.into(), 1));
/// assert_eq!(motto.values().collect::<Vec<_>>(), ["fast", "simple"]);
///
/// let both = motto.write("simple and fast".into());
/// motto.reduce(both, Stamp::new(Time::from_micros(3), 0xa.into(), 2));
/// assert_eq!(motto.values().collect::<Vec<_>>(), ["simple and fast"]);
/// ```
#[doc(alias = "mv-register")]
#[doc(alias = "mvregister")]
#[doc(alias = "siblings")]
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MultiRegister<T> {
    /// The writes that no other one has seen, the latest first.
    writes: Vec<Write<T>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Write<T> {
    stamp: Stamp,
    value: T,
    seen: Dots,
}

/// A write of a [`MultiRegister`]: the value, and the writes that its author had seen. Made by
/// [`MultiRegister::write`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultiRegisterUpdate<T> {
    value: T,
    /// Without those of the author itself: it has seen what it has written.
    seen: Dots,
}

impl<T> MultiRegister<T> {
    /// If the values here were written with knowledge of more origins than this, a write names only the values
    /// that it replaces, and not all that they replaced. That keeps updates small. It costs that some replaced
    /// writes stay in the history.
    const MANY: usize = 8;

    /// The value with the latest stamp, if anything has been written.
    ///
    /// ```
    /// use repred::{MultiRegister, Replica};
    ///
    /// let motto = Replica::new(MultiRegister::<String>::default());
    /// assert_eq!(motto.read(|motto| motto.value().cloned())?, None);
    /// motto.edit(|motto| motto.set("simple"))?;
    /// assert_eq!(motto.read(|motto| motto.value().cloned())?, Some("simple".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value(&self) -> Option<&T> {
        self.values().next()
    }

    /// The values, the latest first: several, if there were concurrent writes.
    ///
    /// ```
    /// use repred::{MultiRegister, Reduce, Stamp, Time};
    ///
    /// let mut motto = MultiRegister::<String>::default();
    /// let (ours, theirs) = (motto.write("simple".into()), motto.write("fast".into()));
    /// motto.reduce(ours, Stamp::new(Time::from_micros(1), 0xa.into(), 1));
    /// motto.reduce(theirs, Stamp::new(Time::from_micros(2), 0xb.into(), 1));
    /// assert_eq!(motto.values().collect::<Vec<_>>(), ["fast", "simple"]);
    /// ```
    pub fn values(&self) -> impl ExactSizeIterator<Item = &T> + Clone {
        self.writes.iter().map(|write| &write.value)
    }

    /// Whether there are several values, of which somebody should choose one.
    ///
    /// ```
    /// use repred::{MultiRegister, Reduce, Stamp, Time};
    ///
    /// let mut motto = MultiRegister::<String>::default();
    /// let (ours, theirs) = (motto.write("simple".into()), motto.write("fast".into()));
    /// motto.reduce(ours, Stamp::new(Time::from_micros(1), 0xa.into(), 1));
    /// assert!(!motto.is_contested());
    /// motto.reduce(theirs, Stamp::new(Time::from_micros(2), 0xb.into(), 1));
    /// assert!(motto.is_contested());
    /// ```
    #[doc(alias = "conflict")]
    pub fn is_contested(&self) -> bool {
        self.writes.len() > 1
    }

    /// The stamps of the writes that gave the values, in the order of [`values`](Self::values).
    ///
    /// ```
    /// use repred::{MultiRegister, Replica};
    ///
    /// let motto = Replica::new(MultiRegister::<String>::default());
    /// motto.edit(|motto| motto.set("simple"))?;
    /// let authors = motto.read(|motto| motto.stamps().map(|stamp| stamp.origin()).collect::<Vec<_>>())?;
    /// assert_eq!(authors, [motto.id()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stamps(&self) -> impl ExactSizeIterator<Item = Stamp> + '_ {
        self.writes.iter().map(|write| write.stamp)
    }

    /// The update that replaces the values that are here by a new one. In an edit, [`set`](Editor::set) writes it.
    ///
    /// ```
    /// use repred::{MultiRegister, Replica};
    ///
    /// let motto = Replica::new(MultiRegister::<String>::default());
    /// let write = motto.read(|motto| motto.write("simple".into()))?;
    /// motto.update(write)?;
    /// assert_eq!(motto.read(|motto| motto.value().cloned())?, Some("simple".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, value: T) -> MultiRegisterUpdate<T> {
        self.write_by(None, value)
    }

    editor_only!(set(A));

    /// The same by `author`, whose own writes need not be named.
    pub(super) fn write_by(&self, author: Option<ReplicaId>, value: T) -> MultiRegisterUpdate<T> {
        let is_other = |dot: &Dot| Some(dot.origin) != author;
        let dots = self.writes.iter().map(|write| write.stamp.dot);
        let all = self.writes.iter().flat_map(|write| write.seen.iter()).chain(dots.clone());
        let all: Dots = all.filter(is_other).collect();
        let seen = if all.len() > Self::MANY { dots.filter(is_other).collect() } else { all };
        MultiRegisterUpdate { value, seen }
    }

    /// Takes out the writes that are covered, and calls `superseded` for those whose entries nobody needs any more.
    fn replace(
        &mut self,
        covers: impl Fn(Dot) -> bool,
        superseded: &mut dyn FnMut(Dot),
    ) -> Vec<Write<T>> {
        let replaced: Vec<_> =
            self.writes.extract_if(.., |write| covers(write.stamp.dot)).collect();
        for write in &replaced {
            // If its entry is left out, the writes that it had replaced must not come back: they are covered, too.
            if write.seen.iter().all(&covers) {
                superseded(write.stamp.dot);
            }
        }
        replaced
    }
}

impl<T: Clone + Serialize + DeserializeOwned> Reduce for MultiRegister<T> {
    type Update = MultiRegisterUpdate<T>;
    type Changes = MultiRegisterChanges<T>;

    fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        let MultiRegisterUpdate { value, seen } = update;
        let is_own = |dot: Dot| dot.origin == stamp.origin() && dot.seq < stamp.dot.seq;
        let mut superseded = Vec::new();
        let replaced =
            self.replace(|dot| is_own(dot) || seen.covers(dot), &mut |dot| superseded.push(dot));
        let place = self.writes.partition_point(|write| write.stamp > stamp);
        // There is hardly ever more than one value, and there may be many registers.
        self.writes.reserve_exact(1);
        self.writes.insert(place, Write { stamp, value: value.clone(), seen });
        let replaced = replaced.into_iter().map(|write| write.value).collect();
        MultiRegisterChanges { written: value, replaced, superseded }
    }
}

impl<T: Clone + Serialize + DeserializeOwned> Reset for MultiRegister<T> {
    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        // The writes that they replaced as well, so that a removal can supersede both.
        let replaced = self.writes.iter().flat_map(|write| write.seen.iter());
        replaced.chain(self.stamps().map(|stamp| stamp.dot)).for_each(see);
    }

    fn reset(
        &mut self,
        seen: &Dots,
        _detail: &ResetDetail,
        superseded: &mut dyn FnMut(Dot),
    ) -> bool {
        !self.replace(|dot| seen.covers(dot), superseded).is_empty()
    }

    fn is_present(&self) -> bool {
        !self.writes.is_empty()
    }

    fn is_default(&self) -> bool {
        self.writes.is_empty()
    }
}

impl<T: Clone + Serialize + DeserializeOwned + Send + 'static> Edit for MultiRegister<T> {
    type Editor<P: Place<Self>> = Editor<Self, P>;

    fn rollback(&self, _update: &Self::Update, _stamp: Stamp) -> Rollback<Self> {
        let before = self.clone();
        Box::new(|register| *register = before)
    }

    fn inverse(&self, _update: &Self::Update, _stamp: Stamp) -> Option<Inverse<Self>> {
        let before = self.value().cloned();
        // A write by somebody else since then stands.
        Some(Box::new(move |register, is_ours| {
            let is_ours = register.stamps().any(|stamp| is_ours(stamp.dot));
            before.filter(|_| is_ours).map(|value| register.write(value)).into_iter().collect()
        }))
    }

    fn rebuild(&self) -> Option<Vec<Self::Update>> {
        let write = |value: &T| MultiRegisterUpdate { value: value.clone(), seen: Dots::new() };
        Some(self.value().map(write).into_iter().collect())
    }
}

impl<T: Clone + Serialize + DeserializeOwned, P: Place<MultiRegister<T>>>
    Editor<MultiRegister<T>, P>
{
    /// Writes a value in the place of those that are here.
    ///
    /// ```
    /// use repred::{MultiRegister, Replica};
    ///
    /// let motto = Replica::new(MultiRegister::<String>::default());
    /// motto.edit(|motto| motto.set("simple"))?;
    /// assert_eq!(motto.read(|motto| motto.value().cloned())?, Some("simple".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&mut self, value: impl IntoValue<T>) {
        let update = self.write_by(Some(self.origin()), value.into_value());
        self.update(update);
    }
}

impl<T> Default for MultiRegister<T> {
    fn default() -> Self {
        Self { writes: Vec::new() }
    }
}

/// What a write has changed in a [`MultiRegister`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MultiRegisterChanges<T> {
    /// The value that was written.
    pub written: T,
    /// The values that it replaced.
    pub replaced: Vec<T>,
    #[serde(skip)]
    superseded: Vec<Dot>,
}

impl<T> Changes for MultiRegisterChanges<T> {
    fn is_empty(&self) -> bool {
        false
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.iter().copied().for_each(name);
    }
}

/// The values, the latest first.
impl<T: fmt::Debug> fmt::Debug for MultiRegister<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Laws;

    #[test]
    fn a_write_that_hides_another_is_not_superseded() {
        Laws::of(MultiRegister::<u8>::default).budget(3_000).check();
    }
}
