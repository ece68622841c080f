//! [`Reduce`], the trait of all states, and [`Replicated`], what a replica needs beyond it.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use serde::{Serialize, Serializer, de::DeserializeOwned};

use crate::{
    changes::Changes,
    encoding::{self, DecodeError, EncodeError, Renames},
    shape::{self, Shape, StartHash},
    stamp::{Dot, Stamp},
};

/// A state that updates are folded into.
///
/// One law matters: **concurrent updates commute**. If the authors of two updates did not know of each other's update,
/// reducing the two in either order must give the same state. If one author knew of the other's update, every replica
/// reduces them in that order. Each update is reduced exactly once, so a sum is as easy as a set.
///
/// * `reduce` must be deterministic: the state, the update and the stamp decide, and nothing else; no
///   clock, no random number, no hash map's order.
/// * It must not panic, whatever the update: updates come from other machines. A panic poisons the replica.
/// * Its changes must be truthful; see [`Changes`].
///
/// The state itself travels in snapshots, so it is serializable: see [`Replicated`].
///
/// ```
/// use repred::{Reduce, Stamp, Time};
/// use serde::{Deserialize, Serialize};
///
/// /// Who is coming? Each name counts once.
/// #[derive(Default, Serialize, Deserialize)]
/// struct Guests(std::collections::BTreeSet<String>);
///
/// impl Reduce for Guests {
///     type Update = String;
///     type Changes = bool;
///
///     fn reduce(&mut self, name: String, _stamp: Stamp) -> bool {
///         self.0.insert(name)
///     }
/// }
///
/// let mut guests = Guests::default();
/// let stamp = Stamp::new(Time::ZERO, 0xa.into(), 1);
/// assert!(guests.reduce("jim".into(), stamp));
/// assert!(!guests.reduce("jim".into(), stamp), "no change the second time");
/// ```
///
/// # What goes wrong
///
/// * `fn reduce(&mut self, text, _) { self.0 = text }`: the last to *arrive* wins, which differs between replicas.
///   Compare stamps, or use [`Register`](crate::Register).
/// * Saturating or clamping arithmetic: `min(100, points + n)` depends on the order. Add up exactly,
///   and clamp when reading.
/// * A removal by key from a plain set: the element comes back, or not, depending on whether the
///   concurrent insertion came before. Remove by the dots that were observed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reducer",
    label = "no updates can be reduced into this",
    note = "use one of repred's types (`Register<T>`, `Counter`, `GrowSet<T>`, `Max<T>`, ..), derive it with \
            `#[derive(Reduce)]`, or implement `repred::Reduce`",
    note = "a plain field of a derived struct wants a function: `#[reduce(with = path)]`, or `#[reduce(skip)]` if it is \
            local to this replica; a plain value can be held in a `Register<T>`"
)]
#[doc(alias = "crdt")]
#[doc(alias = "op-based")]
#[doc(alias = "apply")]
#[doc(alias = "merge")]
pub trait Reduce {
    /// The update: what is written, stored and sent. Others call it an operation or an event.
    ///
    /// Its encoding has no names in it: two versions of a program agree on it as long as fields keep their order and
    /// enum variants are only appended. Types that need names do not work: `#[serde(tag)]`, `untagged`, `flatten`,
    /// `skip_serializing_if`, and types of any shape such as `serde_json::Value`. Such an update is refused with an error
    /// when it is written.
    type Update: Serialize + DeserializeOwned;

    /// What an update did to this state; local, and never sent.
    type Changes: Changes;

    /// Folds one update into the state and says what that changed.
    fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes;

    /// Copies from `before` what is not part of the replicated state. `self` was decoded from a snapshot and is about to
    /// replace `before`.
    ///
    /// The derive writes this for fields with `#[reduce(skip)]`. Nothing is local by default.
    fn keep_local(&mut self, before: &mut Self) {
        let _ = before;
    }
}

/// A reducer that can be replicated: its state can travel, and it may live in a task.
///
/// Every [`Reduce`] that serde can carry is one, and so are closures made by
/// [`reducer`](crate::reducer()); there is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be replicated",
    label = "its state, its updates or its changes cannot travel",
    note = "a replicated state implements `repred::Reduce` and derives `serde::Serialize` and `serde::Deserialize`; it is \
            `Send` and `'static`, and so are its updates; its changes are `Send`, `Sync` and `'static`"
)]
#[doc(alias = "crdt")]
pub trait Replicated:
    Reduce<Update: Send + 'static, Changes: Send + Sync + 'static> + Send + Sized + 'static
{
    /// Appends the encoded state to `bytes`.
    ///
    /// # Errors
    ///
    /// If serde cannot encode the state; `bytes` then ends in garbage.
    #[doc(hidden)]
    fn write_state(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Shows the state to any serializer.
    ///
    /// # Errors
    ///
    /// The serializer's.
    #[doc(hidden)]
    fn show_state<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Replaces the state with an encoded one, all or nothing.
    ///
    /// # Errors
    ///
    /// If the bytes do not decode to such a state; `self` is unchanged.
    #[doc(hidden)]
    fn replace_state(&mut self, bytes: &[u8]) -> Result<(), DecodeError>;

    /// What the types of the state and its updates ask of a format; `None` if that is not known.
    #[doc(hidden)]
    fn shape(&self) -> Option<Arc<Shape>> {
        None
    }

    /// The same with which fields have a default.
    #[doc(hidden)]
    fn shape_with_defaults(&self) -> Option<Arc<Shape>> {
        None
    }

    /// A hash of the state, to tell whether two replicas have started with the same.
    #[doc(hidden)]
    fn start_hash(&self) -> StartHash {
        StartHash::default()
    }

    /// Appends an encoded update, and returns a hash of its shape. A method, so that a reducer whose type is erased
    /// can be replicated.
    ///
    /// # Errors
    ///
    /// If serde cannot encode the update; `bytes` then ends in garbage.
    #[doc(hidden)]
    fn encode_update(
        &self,
        update: &Self::Update,
        bytes: &mut Vec<u8>,
    ) -> Result<u64, EncodeError> {
        encoding::encode_shaped(update, bytes)
    }

    /// Decodes an update.
    ///
    /// # Errors
    ///
    /// If the bytes do not decode to an update.
    #[doc(hidden)]
    fn decode_update(&self, payload: &[u8]) -> Result<Self::Update, DecodeError> {
        encoding::decode(payload)
    }

    /// Encodes an update anew whose name was `old`, after the updates that it names have got other names.
    ///
    /// # Errors
    ///
    /// If the bytes do not decode to an update.
    #[doc(hidden)]
    fn rename_update(
        &self,
        payload: &[u8],
        old: Dot,
        renames: &Renames,
    ) -> Result<Vec<u8>, DecodeError> {
        encoding::rename::<Self::Update>(payload, old, renames)
    }
}

impl<R> Replicated for R
where
    R: Reduce<Update: Send + 'static, Changes: Send + Sync + 'static>,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    fn write_state(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
        encoding::encode_state_into(self, bytes)
    }

    fn show_state<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    fn replace_state(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut state: R = encoding::decode_state(bytes)?;
        state.keep_local(self);
        *self = state;
        Ok(())
    }

    fn shape(&self) -> Option<Arc<Shape>> {
        Some(Shape::of::<R, R::Update>())
    }

    fn shape_with_defaults(&self) -> Option<Arc<Shape>> {
        Some(Shape::with_defaults::<R, R::Update>())
    }

    fn start_hash(&self) -> StartHash {
        shape::start_hash(self)
    }
}

/// A reducer behind a pointer, which lets a derived type contain itself; its updates are boxed too.
impl<R: Reduce> Reduce for Box<R> {
    type Update = Box<R::Update>;
    type Changes = Box<R::Changes>;

    fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        Box::new((**self).reduce(*update, stamp))
    }

    fn keep_local(&mut self, before: &mut Self) {
        (**self).keep_local(before);
    }
}
