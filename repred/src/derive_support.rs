//! What the code written by `#[derive(Reduce)]` calls. No part of the public interface: it changes
//! together with the derive crate, which is why that one is pinned to an exact version.

use core::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, EnumAccess, VariantAccess, Visitor},
};

use crate::{shape::ids, stamp::Stamp};

/// A function that `#[reduce(with = path)]` can name: with or without a stamp.
///
/// `Arity` tells the two implementations apart, and is always inferred: no function has both arities.
#[diagnostic::on_unimplemented(
    message = "this function does not fit its field",
    label = "expected `fn(&mut {S}, {U}) -> {C}`",
    note = "with a third parameter of type `repred::Stamp` it fits too",
    note = "the update has the field's type, unless `update = Type` says otherwise; the changes are a `bool` (did the \
            state change?), unless `changes = Type` does"
)]
pub trait ReduceWith<S, U, C, Arity> {
    /// Calls the function with as much as it takes.
    fn reduce_with(&self, state: &mut S, update: U, stamp: Stamp) -> C;
}

/// The arity of `fn(&mut S, U) -> C`.
#[derive(Debug)]
pub struct Plain;

/// The arity of `fn(&mut S, U, Stamp) -> C`.
#[derive(Debug)]
pub struct Stamped;

impl<F: Fn(&mut S, U) -> C, S, U, C> ReduceWith<S, U, C, Plain> for F {
    fn reduce_with(&self, state: &mut S, update: U, _stamp: Stamp) -> C {
        self(state, update)
    }
}

impl<F: Fn(&mut S, U, Stamp) -> C, S, U, C> ReduceWith<S, U, C, Stamped> for F {
    fn reduce_with(&self, state: &mut S, update: U, stamp: Stamp) -> C {
        self(state, update, stamp)
    }
}

/// An enum whose variants are known by ids that need not be their positions, each with one value.
pub trait Variants: Sized {
    /// The name of the enum.
    const NAME: &'static str;
    /// The names of the variants.
    const NAMES: &'static [&'static str];
    /// The ids of the variants, in the order of `NAMES`.
    const IDS: &'static [u32];

    /// Reads the value of the variant with this id, which may be none of `IDS`.
    fn read<'de, A: VariantAccess<'de>>(id: u32, value: A) -> Result<Self, A::Error>;
}

/// Reads an enum whose variant is given by its id, as in binary formats, or its name, as in JSON.
pub fn read_enum<'de, E: Variants, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    deserializer.deserialize_enum(E::NAME, E::NAMES, EnumVisitor::<E>(PhantomData))
}

/// The error of [`Variants::read`] for an id that is none of its own.
pub fn unknown_id<E: Variants, X: de::Error>(id: u32) -> X {
    X::custom(format_args!(
        "`{}` has no variant with the id {id}: it was written by a version of the program in which a \
         field has that id, and none has it here",
        E::NAME
    ))
}

struct EnumVisitor<E>(PhantomData<E>);

impl<'de, E: Variants> Visitor<'de> for EnumVisitor<E> {
    type Value = E;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => ids::write(E::IDS, f),
            false => write!(f, "a variant of `{}`", E::NAME),
        }
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<E, A::Error> {
        let (id, value) = access.variant_seed(IdVisitor::<E>(PhantomData))?;
        E::read(id, value)
    }
}

struct IdVisitor<E>(PhantomData<E>);

impl<'de, E: Variants> DeserializeSeed<'de> for IdVisitor<E> {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<E: Variants> Visitor<'_> for IdVisitor<E> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the id or the name of a variant of `{}`", E::NAME)
    }

    fn visit_u64<X: de::Error>(self, id: u64) -> Result<u32, X> {
        u32::try_from(id)
            .map_err(|_| X::invalid_value(de::Unexpected::Unsigned(id), &"a variant's id"))
    }

    fn visit_str<X: de::Error>(self, name: &str) -> Result<u32, X> {
        let index = E::NAMES.iter().position(|known| *known == name);
        index.map(|index| E::IDS[index]).ok_or_else(|| X::unknown_variant(name, E::NAMES))
    }
}
