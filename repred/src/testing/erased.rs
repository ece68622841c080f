//! [`Erased`]: any reducer behind a pointer, so that laws and simulator are compiled once, and not once for each type.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::{
    Chance,
    tree::{Tree, TreeBuilder},
};
use crate::{
    changes::Changes,
    encoding::{self, DecodeError, EncodeError, Renames},
    reduce::{Reduce, Replicated},
    shape::{Shape, StartHash},
    stamp::{Dot, Stamp},
};

/// A reducer whose type is not known here.
///
/// Laws and simulation look at encoded states and encoded updates only, so they need little of a type: what is in
/// [`AnyReducer`] is all that is compiled again for each.
pub(crate) struct Erased(Box<dyn AnyReducer>);

/// An update of an [`Erased`] reducer. It is encoded and decoded by its reducer, which knows its type, and never by
/// serde alone.
pub(crate) struct ErasedUpdate(Box<dyn AnyUpdate>);

/// All that laws and simulation ask of changes.
pub(crate) struct ErasedChanges {
    is_empty: bool,
    superseded: Vec<Dot>,
}

trait AnyReducer: Any + Send {
    fn reduce_any(&mut self, update: ErasedUpdate, stamp: Stamp) -> ErasedChanges;
    fn decode_any(&self, payload: &[u8]) -> Result<ErasedUpdate, DecodeError>;
    fn sample_any(&self, chance: &mut Chance) -> Option<ErasedUpdate>;
    fn write_any(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError>;
    fn replace_any(&mut self, bytes: &[u8]) -> Result<(), DecodeError>;
    fn rename_any(
        &self,
        payload: &[u8],
        old: Dot,
        renames: &Renames,
    ) -> Result<Vec<u8>, DecodeError>;
    fn tree(&self) -> Result<Tree, EncodeError>;
    fn shape_any(&self) -> Option<Arc<Shape>>;
    fn shape_with_defaults_any(&self) -> Option<Arc<Shape>>;
    fn start_any(&self) -> StartHash;
}

/// Shapes of the types under test: a simulation makes thousands of replicas of each.
static SHAPES: Mutex<BTreeMap<TypeId, Option<Arc<Shape>>>> = Mutex::new(BTreeMap::new());

impl<R: Replicated> AnyReducer for R {
    fn reduce_any(&mut self, update: ErasedUpdate, stamp: Stamp) -> ErasedChanges {
        let changes = self.reduce(update.into_inner::<R>(), stamp);
        let mut superseded = Vec::new();
        changes.superseded(&mut |dot| superseded.push(dot));
        ErasedChanges { is_empty: changes.is_empty(), superseded }
    }

    fn decode_any(&self, payload: &[u8]) -> Result<ErasedUpdate, DecodeError> {
        self.decode_update(payload).map(ErasedUpdate::new::<R>)
    }

    fn sample_any(&self, chance: &mut Chance) -> Option<ErasedUpdate> {
        chance.sample_wild().map(ErasedUpdate::new::<R>)
    }

    fn write_any(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write_state(bytes)
    }

    fn replace_any(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.replace_state(bytes)
    }

    fn rename_any(
        &self,
        payload: &[u8],
        old: Dot,
        renames: &Renames,
    ) -> Result<Vec<u8>, DecodeError> {
        self.rename_update(payload, old, renames)
    }

    fn tree(&self) -> Result<Tree, EncodeError> {
        self.show_state(TreeBuilder)
    }

    fn shape_any(&self) -> Option<Arc<Shape>> {
        let mut shapes = SHAPES.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.entry(TypeId::of::<R>()).or_insert_with(|| self.shape()).clone()
    }

    fn shape_with_defaults_any(&self) -> Option<Arc<Shape>> {
        self.shape_with_defaults()
    }

    fn start_any(&self) -> StartHash {
        self.start_hash()
    }
}

trait AnyUpdate: Any + Send {
    fn encode_any(&self, bytes: &mut Vec<u8>) -> Result<u64, EncodeError>;
    fn tree(&self) -> Result<Tree, EncodeError>;
}

impl<U: Serialize + Send + 'static> AnyUpdate for U {
    fn encode_any(&self, bytes: &mut Vec<u8>) -> Result<u64, EncodeError> {
        encoding::encode_shaped(self, bytes)
    }

    fn tree(&self) -> Result<Tree, EncodeError> {
        Tree::of(self)
    }
}

impl Erased {
    pub(crate) fn new(reducer: impl Replicated) -> Self {
        Self(Box::new(reducer))
    }

    /// The reducer, of the type that it was made of.
    pub(crate) fn get<R: Replicated>(&self) -> &R {
        (&*self.0 as &dyn Any).downcast_ref().expect("a test has reducers of one type")
    }

    pub(crate) fn get_mut<R: Replicated>(&mut self) -> &mut R {
        (&mut *self.0 as &mut dyn Any).downcast_mut().expect("a test has reducers of one type")
    }

    /// The state as it is shown.
    pub(crate) fn tree(&self) -> Tree {
        self.0.tree().unwrap_or_else(|_| Tree::unknown())
    }

    /// An update that no honest author may ever write, yet a peer may send.
    pub(crate) fn sample_wild(&self, chance: &mut Chance) -> Option<ErasedUpdate> {
        self.0.sample_any(chance)
    }
}

impl ErasedUpdate {
    pub(crate) fn new<R: Replicated>(update: R::Update) -> Self {
        Self(Box::new(update))
    }

    /// The update of a reducer of this type.
    pub(crate) fn into_inner<R: Replicated>(self) -> R::Update {
        let update: Box<dyn Any> = self.0;
        *update.downcast().expect("a reducer gets its own updates")
    }

    /// The update as it is shown.
    pub(crate) fn tree(&self) -> Tree {
        self.0.tree().unwrap_or_else(|_| Tree::unknown())
    }

    /// Appends its encoding.
    pub(crate) fn encode_into(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.encode_any(bytes).map(drop)
    }
}

impl Reduce for Erased {
    type Update = ErasedUpdate;
    type Changes = ErasedChanges;

    fn reduce(&mut self, update: ErasedUpdate, stamp: Stamp) -> ErasedChanges {
        self.0.reduce_any(update, stamp)
    }
}

impl Replicated for Erased {
    fn write_state(&self, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.write_any(bytes)
    }

    fn show_state<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("an erased state is shown by its tree"))
    }

    fn replace_state(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.0.replace_any(bytes)
    }

    fn shape(&self) -> Option<Arc<Shape>> {
        self.0.shape_any()
    }

    fn shape_with_defaults(&self) -> Option<Arc<Shape>> {
        self.0.shape_with_defaults_any()
    }

    fn start_hash(&self) -> StartHash {
        self.0.start_any()
    }

    fn encode_update(
        &self,
        update: &ErasedUpdate,
        bytes: &mut Vec<u8>,
    ) -> Result<u64, EncodeError> {
        update.0.encode_any(bytes)
    }

    fn decode_update(&self, payload: &[u8]) -> Result<ErasedUpdate, DecodeError> {
        self.0.decode_any(payload)
    }

    fn rename_update(
        &self,
        payload: &[u8],
        old: Dot,
        renames: &Renames,
    ) -> Result<Vec<u8>, DecodeError> {
        self.0.rename_any(payload, old, renames)
    }
}

impl Changes for ErasedChanges {
    fn is_empty(&self) -> bool {
        self.is_empty
    }

    fn superseded(&self, name: &mut dyn FnMut(Dot)) {
        self.superseded.iter().copied().for_each(name);
    }
}

// Every update has to say that serde can carry it. An erased one cannot be: only its reducer knows the type.
impl Serialize for ErasedUpdate {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("an erased update is encoded by its reducer"))
    }
}

impl<'de> Deserialize<'de> for ErasedUpdate {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("an erased update is decoded by its reducer"))
    }
}
