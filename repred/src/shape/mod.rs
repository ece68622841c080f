//! [`Shape`]: what the types of a state and of its updates ask of a format, which is what their encodings consist of.
//!
//! Encodings have no types in them, so bytes of one type are often bytes of another: −1 as an `i32` is 1 as a `u32`.
//! Replicas and files therefore say the [fingerprint](Shape::fingerprint) of their shape, and where that differs, the
//! shape itself, as [text](self::text). A [comparison](Shape::compare) then finds the first place that differs.

pub(crate) mod ids;
mod start;
mod text;
mod tracer;
mod difference;

use alloc::{borrow::Cow, string::String, sync::Arc, vec::Vec};
use core::hash::Hasher;

use serde::de::DeserializeOwned;
use siphasher::sip::SipHasher24;

use self::tracer::Tracer;
pub(crate) use self::{difference::Relation, start::start_hash};
pub use self::{difference::ShapeDifference, start::StartHash};

/// The most bytes of a shape that is said to a peer.
pub(crate) const MAX_TEXT: usize = 64 << 10;

/// What the types of a state and of its updates are, as serde asks for them.
///
/// Public for the sake of a trait's hidden methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    types: Vec<Type>,
    state: Index,
    update: Index,
    /// Whether it is known which fields have a default.
    knows_defaults: bool,
    /// Whether the elements of some sequences have no order.
    has_unordered: bool,
}

/// What a program says of its shape, to a peer or in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    /// The hash of the state that it starts with; 0 if it has none.
    pub(crate) start: u64,
    /// The shape; nothing if it is too large to be said.
    pub(crate) text: &'a str,
}

/// The place of a type in its shape.
type Index = usize;

/// The place of a type that was not reached.
const UNKNOWN: Index = usize::MAX;

type Name = Cow<'static, str>;

/// A type, as serde asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Type {
    /// A number, a string, or another value without parts.
    Plain(&'static str),
    /// What could not be traced.
    Opaque(Name),
    Option(Index),
    Seq(Index),
    Map(Index, Index),
    Tuple(Vec<Index>),
    Unit(Name),
    Newtype(Name, Index),
    TupleStruct(Name, Vec<Index>),
    Struct(Name, Vec<Field>),
    Enum {
        name: Name,
        kind: EnumKind,
        variants: Vec<Variant>,
    },
}

/// How the variants of an enum got their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EnumKind {
    /// By their places.
    Places,
    /// By ids, as those of a derived update: they may stand in any order.
    Ids,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: Name,
    ty: Index,
    has_default: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variant {
    name: Name,
    /// What stands for it in an encoding.
    number: u32,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Unknown,
    Unit,
    Newtype(Index),
    Tuple(Vec<Index>),
    Struct(Vec<Field>),
}

/// The names of values without parts. No other type may be called so in a text.
const PLAIN: [&str; 17] = [
    "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f32", "f64",
    "char", "str", "bytes", "unit",
];

impl Shape {
    /// The shape of a state and of its updates. It takes some microseconds for each of their types.
    pub(crate) fn of<S: DeserializeOwned, U: DeserializeOwned>() -> Arc<Self> {
        Arc::new(Self::trace::<S, U>(false))
    }

    /// The same with which fields have a default. It takes several times as long.
    pub(crate) fn with_defaults<S: DeserializeOwned, U: DeserializeOwned>() -> Arc<Self> {
        Arc::new(Self::trace::<S, U>(true))
    }

    fn trace<S: DeserializeOwned, U: DeserializeOwned>(knows_defaults: bool) -> Self {
        let mut tracer = Tracer::default();
        let (state, update) = (tracer.trace::<S>(), tracer.trace::<U>());
        if knows_defaults {
            tracer.probe_defaults::<S>(state);
        }
        let has_unordered = tracer.has_unordered();
        Self { types: tracer.into_types(), state, update, knows_defaults, has_unordered }
    }

    /// The shape of a program whose state is optional.
    #[cfg(feature = "testing")]
    pub(crate) fn with_optional_state(&self) -> Self {
        let mut other = self.clone();
        other.types.push(Type::Option(self.state));
        Self { state: self.types.len(), ..other }
    }

    /// The shape of a program whose updates are optional.
    #[cfg(feature = "testing")]
    pub(crate) fn with_optional_update(&self) -> Self {
        let mut other = self.clone();
        other.types.push(Type::Option(self.update));
        Self { update: self.types.len(), ..other }
    }

    pub(crate) fn knows_defaults(&self) -> bool {
        self.knows_defaults
    }

    /// The hash of a state that a replica of this shape starts with.
    pub(crate) fn start(&self, start: StartHash) -> u64 {
        start.pick(self.has_unordered)
    }

    /// 64 bits that tell this shape, with the state that a replica starts with, from others; never 0.
    pub(crate) fn fingerprint(&self, start: u64) -> u64 {
        let mut hasher = SipHasher24::new();
        hasher.write(b"repred shape 1");
        hasher.write(self.text(text::Layout::Bare).as_bytes());
        hasher.write(&[0]);
        hasher.write(&start.to_le_bytes());
        hasher.finish().max(1)
    }

    /// Whether what another program has said of itself fits: its shape as a text, and the hash of the state that it starts
    /// with. Each hash is 0 if it is not known.
    ///
    /// # Errors
    ///
    /// The first place that differs, or that the states differ with which the two start.
    pub(crate) fn check(
        &self,
        start: u64,
        theirs: Said<'_>,
        relation: Relation,
    ) -> Result<(), ShapeDifference> {
        let shape = Self::parse(theirs.text).map_err(|_| ShapeDifference::Unknown)?;
        self.compare(&shape, relation)?;
        // Start states of different shapes differ, and nothing else can be said of them.
        let is_comparable = start != 0
            && theirs.start != 0
            && (relation == Relation::Same || self.compare(&shape, Relation::Same).is_ok());
        match is_comparable && start != theirs.start {
            true => Err(ShapeDifference::Start),
            false => Ok(()),
        }
    }

    /// As a text that [`parse`](Self::parse) reads.
    pub(crate) fn to_text(&self) -> String {
        self.text(text::Layout::Lines)
    }
}

impl Type {
    /// The name that serde gives it.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Unit(name)
            | Self::Newtype(name, _)
            | Self::TupleStruct(name, _)
            | Self::Struct(name, _)
            | Self::Enum { name, .. } => Some(name),
            Self::Plain(_)
            | Self::Opaque(_)
            | Self::Option(_)
            | Self::Seq(_)
            | Self::Map(..)
            | Self::Tuple(_) => None,
        }
    }

    /// Calls `see` with each type that it consists of, until that returns true; whether it has.
    fn any_part(&self, mut see: impl FnMut(Index) -> bool) -> bool {
        match self {
            Self::Plain(_) | Self::Opaque(_) | Self::Unit(_) => false,
            Self::Option(part) | Self::Seq(part) | Self::Newtype(_, part) => see(*part),
            Self::Map(key, value) => see(*key) || see(*value),
            Self::Tuple(parts) | Self::TupleStruct(_, parts) => parts.iter().any(|&part| see(part)),
            Self::Struct(_, fields) => fields.iter().any(|field| see(field.ty)),
            Self::Enum { variants, .. } => {
                variants.iter().any(|variant| variant.content.any_part(&mut see))
            }
        }
    }
}

impl Content {
    fn any_part(&self, mut see: impl FnMut(Index) -> bool) -> bool {
        match self {
            Self::Unknown | Self::Unit => false,
            Self::Newtype(part) => see(*part),
            Self::Tuple(parts) => parts.iter().any(|&part| see(part)),
            Self::Struct(fields) => fields.iter().any(|field| see(field.ty)),
        }
    }
}

#[cfg(test)]
mod tests;
