//! [`Reducer`]: a closure as a reducer.

use alloc::{sync::Arc, vec::Vec};
use core::{fmt, marker::PhantomData, ops::Deref};

use serde::{Serialize, Serializer, de::DeserializeOwned};

use crate::{
    changes::Changes,
    encoding::{self, DecodeError, EncodeError},
    reduce::{Reduce, Replicated},
    shape::{self, Shape, StartHash},
    stamp::Stamp,
};

/// A state and the closure that folds updates of type `U` into it.
///
/// Made by [`reducer`] or [`stamped_reducer`]. The closure's own type is erased, so that the type can be
/// named where it is kept:
///
/// ```
/// use std::collections::BTreeSet;
/// use repred::{Reducer, Replica, reducer};
///
/// struct App {
///     guests: Replica<Reducer<BTreeSet<String>, String>>,
/// }
///
/// let guests = reducer(BTreeSet::new(), |set, name: String| set.insert(name));
/// let app = App { guests: Replica::new(guests) };
/// app.guests.update("jim".to_string())?;
/// assert!(app.guests.read(|guests| guests.contains("jim"))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It dereferences to the state. The closure sees only its arguments: what it captured must be the same
/// on every replica, for ever.
pub struct Reducer<S, U, C = bool> {
    state: S,
    reduce: Arc<ReduceFn<S, U, C>>,
    // A reducer takes updates; it does not hold any.
    updates: PhantomData<fn(U)>,
}

type ReduceFn<S, U, C> = dyn Fn(&mut S, U, Stamp) -> C + Send + Sync;

/// A reducer from a closure `|state, update| changes`.
///
/// An update owns its data (`String`, not `&str`), since it is decoded from bytes. The changes are a `bool`, or
/// anything else that implements [`Changes`].
///
/// ```
/// use repred::{Reduce, Stamp, Time, reducer};
///
/// let mut votes = reducer(0i64, |sum, vote: i64| {
///     *sum += vote;
///     vote != 0
/// });
/// votes.reduce(3, Stamp::new(Time::ZERO, 0xa.into(), 1));
/// votes.reduce(-1, Stamp::new(Time::ZERO, 0xb.into(), 1));
/// assert_eq!(*votes, 2);
/// ```
pub fn reducer<S, U, C>(
    state: S,
    reduce: impl Fn(&mut S, U) -> C + Send + Sync + 'static,
) -> Reducer<S, U, C>
where
    C: Changes + Send + Sync + 'static,
    U: Serialize + DeserializeOwned + Send + 'static,
    S: Serialize + DeserializeOwned + Send + 'static,
{
    stamped_reducer(state, move |state, update, _| reduce(state, update))
}

/// A reducer from a closure `|state, update, stamp| changes`, for reducers that depend on which of two updates is later, or
/// on an update's name.
///
/// ```
/// use repred::{Reduce, Stamp, Time, stamped_reducer};
///
/// let mut motto = stamped_reducer(None, |motto, text: String, stamp: Stamp| {
///     let newer = Some((stamp, text));
///     let wins = newer > *motto;
///     if wins {
///         *motto = newer;
///     }
///     wins
/// });
/// motto.reduce("late".into(), Stamp::new(Time::from_micros(2), 0xa.into(), 1));
/// motto.reduce("early".into(), Stamp::new(Time::from_micros(1), 0xb.into(), 1));
/// assert_eq!(motto.as_ref().unwrap().1, "late");
/// ```
pub fn stamped_reducer<S, U, C>(
    state: S,
    reduce: impl Fn(&mut S, U, Stamp) -> C + Send + Sync + 'static,
) -> Reducer<S, U, C>
where
    C: Changes + Send + Sync + 'static,
    U: Serialize + DeserializeOwned + Send + 'static,
    S: Serialize + DeserializeOwned + Send + 'static,
{
    Reducer { state, reduce: Arc::new(reduce), updates: PhantomData }
}

impl<S, U, C> Reducer<S, U, C> {
    /// The state alone.
    pub fn into_state(self) -> S {
        self.state
    }
}

impl<S, U, C> Reduce for Reducer<S, U, C>
where
    U: Serialize + DeserializeOwned,
    C: Changes,
{
    type Update = U;
    type Changes = C;

    fn reduce(&mut self, update: U, stamp: Stamp) -> C {
        (self.reduce)(&mut self.state, update, stamp)
    }
}

// Beside the blanket implementation: no serde can bring a closure back, so only the state is replaced.
#[diagnostic::do_not_recommend]
impl<S, U, C> Replicated for Reducer<S, U, C>
where
    S: Serialize + DeserializeOwned + Send + 'static,
    U: Serialize + DeserializeOwned + Send + 'static,
    C: Changes + Send + Sync + 'static,
{
    fn write_state(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
        encoding::encode_state_into(&self.state, bytes)
    }

    fn show_state<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        self.state.serialize(serializer)
    }

    fn replace_state(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.state = encoding::decode_state(bytes)?;
        Ok(())
    }

    fn shape(&self) -> Option<Arc<Shape>> {
        Some(Shape::of::<S, U>())
    }

    fn shape_with_defaults(&self) -> Option<Arc<Shape>> {
        Some(Shape::with_defaults::<S, U>())
    }

    fn start_hash(&self) -> StartHash {
        shape::start_hash(&self.state)
    }
}

impl<S, U, C> Deref for Reducer<S, U, C> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<S: Clone, U, C> Clone for Reducer<S, U, C> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), reduce: Arc::clone(&self.reduce), updates: PhantomData }
    }
}

/// The state.
impl<S: fmt::Debug, U, C> fmt::Debug for Reducer<S, U, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}
