//! [`Reduce`], the trait that everything turns on, and [`Replicated`], what a replica asks beyond it.

use serde::{Serialize, Serializer, de::DeserializeOwned};

use crate::{
    changes::Changes,
    encoding::{self, DecodeError, EncodeError},
    stamp::Stamp,
};

/// A state that updates are folded into.
///
/// One law matters: **concurrent updates commute**. Whatever two updates whose authors did not know of
/// each other, reducing them in either order gives the same state. Updates of which one knew of the
/// other always come in that order, and each comes exactly once, so a sum is as easy as a set.
///
/// * `reduce` must be deterministic: the state, the update and the stamp decide, and nothing else; no
///   clock, no random number, no hash map's order.
/// * It must not panic, whatever the update: updates come from other machines. One that does poisons
///   its replica.
/// * Its changes must be truthful; see [`Changes`].
///
/// The state itself travels in snapshots, so it is serializable: see [`Replicated`].
///
/// ```
/// use repred::{Reduce, Stamp, Time};
/// use serde::{Deserialize, Serialize};
///
/// /// Who is coming? The first answer of each name counts, whoever heard it first.
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
/// * `fn reduce(&mut self, text, _) { self.0 = text }`: the last to *arrive* wins, which is another one
///   on each replica. Compare stamps, or use [`Register`](crate::Register).
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
pub trait Reduce {
    /// What is written, stored and sent.
    ///
    /// Its encoding has no names in it: two versions of a program agree on it as long as fields keep
    /// their order and enum variants are only appended. What needs names does not work:
    /// `#[serde(tag)]`, `untagged`, `flatten`, `skip_serializing_if`, and types of any shape such as
    /// `serde_json::Value`; such an update is refused when it is written.
    type Update: Serialize + DeserializeOwned;

    /// What an update did to this state; local, and never sent.
    type Changes: Changes;

    /// Folds one update into the state and says what that changed.
    fn reduce(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes;

    /// Takes over from `before` what is not part of the replicated state, after `self` came out of a
    /// snapshot that is to replace it.
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
pub trait Replicated:
    Reduce<Update: Send + 'static, Changes: Send + Sync + 'static> + Send + Sized + 'static
{
    /// Appends the encoded state to `bytes`.
    ///
    /// # Errors
    ///
    /// Where serde cannot carry the state; `bytes` then ends in garbage.
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
    /// Where the bytes do not hold such a state; `self` is unchanged.
    #[doc(hidden)]
    fn replace_state(&mut self, bytes: &[u8]) -> Result<(), DecodeError>;

    /// Appends an encoded update, and returns a hash of its shape. A method, so that a reducer whose type is erased
    /// can be replicated.
    ///
    /// # Errors
    ///
    /// Where serde cannot carry the update; `bytes` then ends in garbage.
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
    /// Where the bytes are not those of an update.
    #[doc(hidden)]
    fn decode_update(&self, payload: &[u8]) -> Result<Self::Update, DecodeError> {
        encoding::decode(payload)
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
