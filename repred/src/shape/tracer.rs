//! [`Tracer`]: finds out what a type asks of a format, by offering it values until it has asked for everything.
//!
//! A deserializer is asked for one value of a type, which shows one path through it: some variant of each enum, some
//! length of each sequence. So a type is asked for again and again, each time along a path that leads to something that
//! was not seen yet, until there is nothing left; and each time as short as possible beside that, so that types that contain
//! themselves come to an end.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};
use core::any::type_name;

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, Expected, IntoDeserializer,
        MapAccess, SeqAccess, VariantAccess, Visitor,
        value::{StrDeserializer, U32Deserializer},
    },
};

use super::{Content, EnumKind, Field, Index, Type, UNKNOWN, Variant, ids};
use crate::encoding::DecodeError;

/// How deep types are followed.
const DEPTH_LIMIT: usize = 96;

/// How many values are offered in all, so that no type takes for ever.
const VALUES_LIMIT: usize = 200_000;

/// How often a type may refuse what it is offered, when there is nothing else to offer.
const FAILURES_LIMIT: u8 = 3;

/// How many values there are to offer for each number or string.
const SAMPLES: usize = 9;

/// Strings that are often what a type makes of a string: a name, a date, an address.
const TEXTS: [&str; SAMPLES] = [
    "a",
    "",
    "0",
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "00000000-0000-0000-0000-000000000000",
    "127.0.0.1",
    "http://a.example/",
    "a@a.example",
];

/// Lengths that bytes often have.
const LENGTHS: [usize; SAMPLES] = [16, 0, 1, 4, 8, 12, 20, 32, 64];

const NUMBERS: [u8; SAMPLES] = [1, 0, 2, 3, 4, 8, 16, 100, 127];

/// What was found out so far.
#[derive(Debug, Default)]
pub(super) struct Tracer {
    slots: Vec<Slot>,
    by_key: BTreeMap<Key, Index>,
    root: Option<Index>,
    /// How many samples were refused at a place.
    refused: BTreeMap<Place, usize>,
    /// Whether it is known why the present value fails, and whether there is something else to offer.
    blamed: Option<Retry>,
    values: usize,
    /// How much was found out, to see whether more is.
    found: usize,
    /// What `found` was when the present value was begun.
    found_before: usize,
    /// How many variants were completed.
    completed: usize,
    probe: Option<Probe>,
    has_unordered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    Possible,
    Useless,
}

/// A struct that is offered without one of its fields.
#[derive(Clone, Copy, Debug)]
struct Probe {
    slot: Index,
    field: usize,
    /// Whether it did without.
    has_default: Option<bool>,
}

/// What tells types apart. The name of a visitor's type has the type that it makes, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    method: &'static str,
    visitor: &'static str,
    size: usize,
}

#[derive(Debug)]
struct Slot {
    ty: Type,
    /// How often it is being visited just now.
    active: usize,
    failures: u8,
    /// Nothing is left to find in it.
    is_finished: bool,
    variants: Vec<Progress>,
}

/// What is known of a variant.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The how manieth variant it was that was made.
    completed: Option<usize>,
    failures: u8,
    active: usize,
}

/// Where a type was found: in which slot, in which variant of it, at which place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    slot: Index,
    variant: usize,
    at: usize,
}

impl Place {
    const ROOT: Self = Self { slot: UNKNOWN, variant: 0, at: 0 };

    const fn of(slot: Index, at: usize) -> Self {
        Self { slot, variant: 0, at }
    }
}

impl Tracer {
    /// Finds out all of a type.
    pub(super) fn trace<T: DeserializeOwned>(&mut self) -> Index {
        self.root = None;
        let mut in_vain = 0;
        while in_vain < 3 && self.root.is_none_or(|root| self.has_work(root)) {
            let before = self.found;
            self.offer::<T>();
            in_vain = if self.found > before { 0 } else { in_vain + 1 };
            if self.values > VALUES_LIMIT {
                break;
            }
        }
        match self.root {
            Some(root) => root,
            None => self.add(Type::Opaque(short_name::<T>().into())),
        }
    }

    /// Finds out which fields of structs have a default.
    pub(super) fn probe_defaults<T: DeserializeOwned>(&mut self, root: Index) {
        for slot in 0..self.slots.len() {
            let fields = match &self.slots[slot].ty {
                Type::Struct(_, fields) => fields.len(),
                _ => 0,
            };
            for field in 0..fields {
                self.probe = Some(Probe { slot, field, has_default: None });
                if !self.has_work(root) || self.values > VALUES_LIMIT {
                    break;
                }
                self.offer::<T>();
                let probed = self.probe.take().and_then(|probe| probe.has_default);
                if let (Some(has_default), Type::Struct(_, fields)) =
                    (probed, &mut self.slots[slot].ty)
                {
                    fields[field].has_default = has_default;
                }
            }
            self.probe = None;
        }
    }

    pub(super) fn has_unordered(&self) -> bool {
        self.has_unordered
    }

    /// All types, complete: what was not reached is opaque.
    pub(super) fn into_types(mut self) -> Vec<Type> {
        let unknown = self.add(Type::Opaque("?".into()));
        let known = |part: &mut Index| {
            if *part == UNKNOWN {
                *part = unknown;
            }
        };
        for slot in &mut self.slots {
            match &mut slot.ty {
                Type::Plain(_) | Type::Opaque(_) | Type::Unit(_) => {}
                Type::Option(part) | Type::Seq(part) | Type::Newtype(_, part) => known(part),
                Type::Map(key, value) => {
                    known(key);
                    known(value);
                }
                Type::Tuple(parts) | Type::TupleStruct(_, parts) => {
                    parts.iter_mut().for_each(known);
                }
                Type::Struct(_, fields) => {
                    fields.iter_mut().for_each(|field| known(&mut field.ty));
                }
                Type::Enum { variants, .. } => {
                    // Serde lists an alias as if it were a variant.
                    variants.retain(|variant| variant.content != Content::Unknown);
                    for variant in variants {
                        match &mut variant.content {
                            Content::Unknown | Content::Unit => {}
                            Content::Newtype(part) => known(part),
                            Content::Tuple(parts) => parts.iter_mut().for_each(known),
                            Content::Struct(fields) => {
                                fields.iter_mut().for_each(|field| known(&mut field.ty));
                            }
                        }
                    }
                }
            }
        }
        self.slots.into_iter().map(|slot| slot.ty).collect()
    }

    fn offer<T: DeserializeOwned>(&mut self) {
        self.blamed = None;
        self.found_before = self.found;
        for slot in &mut self.slots {
            slot.active = 0;
            slot.variants.iter_mut().for_each(|variant| variant.active = 0);
        }
        // What comes of it does not matter.
        let _ = T::deserialize(Offer { tracer: self, place: Place::ROOT, depth: 0 });
    }

    fn add(&mut self, ty: Type) -> Index {
        let variants = match &ty {
            Type::Enum { variants, .. } => vec![Progress::default(); variants.len()],
            _ => Vec::new(),
        };
        self.slots.push(Slot { ty, active: 0, failures: 0, is_finished: false, variants });
        self.found += 1;
        self.slots.len() - 1
    }

    /// The slot of what is asked for, which is noted as what was found at a place.
    fn slot(&mut self, place: Place, key: Key, ty: impl FnOnce() -> Type) -> Index {
        let slot = match self.by_key.get(&key) {
            Some(&slot) => slot,
            None => {
                let slot = self.add(ty());
                self.by_key.insert(key, slot);
                slot
            }
        };
        self.note(place, slot);
        slot
    }

    fn note(&mut self, place: Place, found: Index) {
        let Some(slot) = self.slots.get_mut(place.slot) else {
            self.root.get_or_insert(found);
            return;
        };
        let part = match &mut slot.ty {
            Type::Option(part) | Type::Seq(part) | Type::Newtype(_, part) => Some(part),
            Type::Map(key, value) => Some(if place.at == 0 { key } else { value }),
            Type::Tuple(parts) | Type::TupleStruct(_, parts) => parts.get_mut(place.at),
            Type::Struct(_, fields) => fields.get_mut(place.at).map(|field| &mut field.ty),
            Type::Enum { variants, .. } => match &mut variants[place.variant].content {
                Content::Newtype(part) => Some(part),
                Content::Tuple(parts) => parts.get_mut(place.at),
                Content::Struct(fields) => fields.get_mut(place.at).map(|field| &mut field.ty),
                Content::Unknown | Content::Unit => None,
            },
            Type::Plain(_) | Type::Opaque(_) | Type::Unit(_) => None,
        };
        // A probe changes nothing else, so that shapes with and without defaults are alike.
        if let Some(part) = part.filter(|part| **part == UNKNOWN && self.probe.is_none()) {
            *part = found;
            self.found += 1;
        }
    }

    // ---- where to go ----

    /// Whether something is left to find in a type, beside what is being visited just now.
    fn has_work(&mut self, slot: Index) -> bool {
        let (mut seen, mut is_cut) = (vec![false; self.slots.len()], false);
        let has_work = self.search(slot, &mut seen, &mut is_cut);
        if !has_work && !is_cut && self.probe.is_none() {
            self.slots[slot].is_finished = true;
        }
        has_work
    }

    fn search(&self, index: Index, seen: &mut [bool], is_cut: &mut bool) -> bool {
        let Some(slot) = self.slots.get(index) else { return false };
        if core::mem::replace(&mut seen[index], true) {
            return false;
        }
        if slot.active > 0 {
            *is_cut = true;
            return false;
        }
        if let Some(probe) = &self.probe {
            return probe.slot == index || slot.ty.any_part(|part| self.search(part, seen, is_cut));
        }
        if slot.is_finished || slot.failures >= FAILURES_LIMIT {
            return false;
        }
        let is_open = match &slot.ty {
            Type::Enum { variants, .. } => {
                let mut all = variants.iter().zip(&slot.variants);
                all.any(|(_, progress)| progress.is_open())
            }
            ty => ty.any_part(|part| part == UNKNOWN),
        };
        is_open || slot.ty.any_part(|part| self.search(part, seen, is_cut))
    }

    /// Whether to go into what a type may or may not have.
    fn goes_in(&mut self, slot: Index) -> bool {
        if self.slots[slot].active > 0 {
            return false;
        }
        // A collection that must not be empty fails without, and another one may fail with something in it.
        let is_odd = self.slots[slot].failures % 2 == 1;
        self.has_work(slot) || is_odd
    }

    /// Which variant of an enum to offer.
    fn variant(&self, index: Index) -> Option<usize> {
        let slot = &self.slots[index];
        let Type::Enum { variants, .. } = &slot.ty else { return None };
        if self.probe.is_none()
            && let Some(open) = slot.variants.iter().position(Progress::is_open)
        {
            return Some(open);
        }
        let leads_on = |(variant, progress): (&Variant, &Progress)| {
            let (mut seen, mut is_cut) = (vec![false; self.slots.len()], false);
            // The enum itself is where the search begins.
            seen[index] = true;
            progress.active == 0
                && progress.completed.is_some()
                && variant.content.any_part(|part| self.search(part, &mut seen, &mut is_cut))
        };
        variants.iter().zip(&slot.variants).position(leads_on).or_else(|| {
            // The first that was completed needs none of those that were completed later.
            let completed = slot.variants.iter().enumerate();
            let completed = completed.filter_map(|(at, progress)| Some((progress.completed?, at)));
            completed.min().map(|(_, at)| at)
        })
    }

    // ---- what fails ----

    /// Takes note that what was offered at a place was refused, unless the reason is known already.
    fn blame(&mut self, place: Place) {
        if self.blamed.is_some() {
            return;
        }
        let refused = self.refused.entry(place).or_default();
        self.blamed = Some(if *refused + 1 < SAMPLES {
            *refused += 1;
            self.found += 1;
            Retry::Possible
        } else {
            Retry::Useless
        });
    }

    /// Whether the present value was refused for good, and nothing was found out by it. The innermost type that refuses
    /// something is given up first.
    fn is_useless(&self) -> bool {
        self.blamed == Some(Retry::Useless)
            && self.found == self.found_before
            && self.probe.is_none()
    }

    fn sample(&self, place: Place) -> usize {
        self.refused.get(&place).copied().unwrap_or(0)
    }
}

impl Progress {
    /// Whether the variant is still to be offered.
    fn is_open(&self) -> bool {
        self.completed.is_none() && self.failures < FAILURES_LIMIT && self.active == 0
    }
}

/// The last part of a type's name, without parameters.
fn short_name<T: ?Sized>() -> String {
    let name = type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name).to_string()
}

/// A deserializer that offers values, and notes what is asked for at a place.
struct Offer<'t> {
    tracer: &'t mut Tracer,
    place: Place,
    depth: usize,
}

impl Offer<'_> {
    /// Notes a value without parts, and shows the visitor a sample of it.
    fn plain<T>(
        self,
        name: &'static str,
        visit: impl FnOnce(usize) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let Self { tracer, place, .. } = self;
        tracer.count()?;
        tracer.slot(place, Key { method: "", visitor: name, size: 0 }, || Type::Plain(name));
        let sample = tracer.sample(place);
        visit(sample).inspect_err(|_| tracer.blame(place))
    }

    /// Notes a type with parts, and visits them.
    fn compound<V, T>(
        self,
        method: &'static str,
        size: usize,
        ty: impl FnOnce() -> Type,
        visit: impl FnOnce(&mut Tracer, Index, usize) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let Self { tracer, place, depth } = self;
        tracer.count()?;
        let slot = tracer.slot(place, Key { method, visitor: type_name::<V>(), size }, ty);
        if depth == DEPTH_LIMIT {
            return Err(DecodeError::custom("too deep"));
        }
        let result = visit(tracer, slot, depth + 1);
        if result.is_err() {
            tracer.blame(place);
            let is_useless = tracer.is_useless();
            let failures = &mut tracer.slots[slot].failures;
            if is_useless && *failures < FAILURES_LIMIT {
                *failures += 1;
                tracer.found += 1;
            }
        }
        result
    }

    /// Notes a type whose parts all come, one after the other.
    fn parts<'de, V: Visitor<'de>>(
        self,
        method: &'static str,
        count: usize,
        ty: impl FnOnce() -> Type,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.compound::<V, _>(method, count, ty, |tracer, slot, depth| {
            tracer.slots[slot].active += 1;
            let parts = Parts { tracer, next: Place::of(slot, 0), left: count, step: 1, depth };
            let result = visitor.visit_seq(parts);
            tracer.slots[slot].active -= 1;
            result
        })
    }

    fn opaque<'de, V: Visitor<'de>>(self) -> Result<V::Value, DecodeError> {
        let Self { tracer, place, .. } = self;
        let key = Key { method: "opaque", visitor: type_name::<V::Value>(), size: 0 };
        tracer.slot(place, key, || Type::Opaque(short_name::<V::Value>().into()));
        tracer.blamed = Some(Retry::Useless);
        Err(DecodeError::SelfDescribing)
    }
}

impl Tracer {
    fn count(&mut self) -> Result<(), DecodeError> {
        self.values += 1;
        if self.values > VALUES_LIMIT { Err(DecodeError::custom("too many")) } else { Ok(()) }
    }
}

/// Shows the visitor a number.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            self.plain(stringify!($type), |sample| visitor.$visit(NUMBERS[sample] as $type))
        }
    )*};
}

impl<'de> Deserializer<'de> for Offer<'_> {
    type Error = DecodeError;

    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.plain("bool", |sample| visitor.visit_bool(sample % 2 == 1))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.plain("char", |sample| visitor.visit_char(char::from(b'a' + sample as u8)))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.plain("str", |sample| visitor.visit_str(TEXTS[sample]))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.plain("bytes", |sample| visitor.visit_bytes(&[0; 64][..LENGTHS[sample]]))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.plain("unit", |_| visitor.visit_unit())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.compound::<V, _>(
            "option",
            0,
            || Type::Option(UNKNOWN),
            |tracer, slot, depth| {
                if !tracer.goes_in(slot) {
                    return visitor.visit_none();
                }
                tracer.slots[slot].active += 1;
                let place = Place::of(slot, 0);
                let result = visitor.visit_some(Offer { tracer, place, depth });
                tracer.slots[slot].active -= 1;
                result
            },
        )
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.compound::<V, _>("unit", 0, || Type::Unit(name.into()), |_, _, _| visitor.visit_unit())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let ty = || Type::Newtype(name.into(), UNKNOWN);
        self.compound::<V, _>("newtype", 0, ty, |tracer, slot, depth| {
            tracer.slots[slot].active += 1;
            let place = Place::of(slot, 0);
            let result = visitor.visit_newtype_struct(Offer { tracer, place, depth });
            tracer.slots[slot].active -= 1;
            result
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        // Its order is another one in each process.
        self.tracer.has_unordered |= type_name::<V::Value>().contains("HashSet<");
        self.compound::<V, _>(
            "seq",
            0,
            || Type::Seq(UNKNOWN),
            |tracer, slot, depth| {
                let left = usize::from(tracer.goes_in(slot));
                tracer.slots[slot].active += 1;
                let parts = Parts { tracer, next: Place::of(slot, 0), left, step: 0, depth };
                let result = visitor.visit_seq(parts);
                tracer.slots[slot].active -= 1;
                result
            },
        )
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let ty = || Type::Map(UNKNOWN, UNKNOWN);
        self.compound::<V, _>("map", 0, ty, |tracer, slot, depth| {
            let left = usize::from(tracer.goes_in(slot));
            tracer.slots[slot].active += 1;
            let parts = Parts { tracer, next: Place::of(slot, 0), left, step: 0, depth };
            let result = visitor.visit_map(parts);
            tracer.slots[slot].active -= 1;
            result
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.parts("tuple", length, || Type::Tuple(vec![UNKNOWN; length]), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let ty = || Type::TupleStruct(name.into(), vec![UNKNOWN; length]);
        self.parts("tuple struct", length, ty, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let ty = || Type::Struct(name.into(), unknown_fields(fields));
        self.compound::<V, _>("struct", fields.len(), ty, |tracer, slot, depth| {
            tracer.slots[slot].active += 1;
            let is_probed = tracer.slots[slot].active == 1;
            let probed = tracer.probe.filter(|probe| is_probed && probe.slot == slot);
            let result = match probed {
                None => {
                    let next = Place::of(slot, 0);
                    let parts = Parts { tracer, next, left: fields.len(), step: 1, depth };
                    visitor.visit_seq(parts)
                }
                Some(Probe { field: left_out, .. }) => {
                    let named = NamedFields { tracer, slot, fields, next: 0, left_out, depth };
                    let result = visitor.visit_map(named);
                    if let Some(probe) = &mut tracer.probe {
                        probe.has_default.get_or_insert(result.is_ok());
                    }
                    result
                }
            };
            tracer.slots[slot].active -= 1;
            result
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let ty = || {
            let expected: &dyn Expected = &visitor;
            let ids = ids::read(&format!("{expected:#}"));
            let kind = if ids.is_some() { EnumKind::Ids } else { EnumKind::Places };
            let numbers = ids.unwrap_or_else(|| (0..variants.len() as u32).collect());
            let variant = |(name, number): (&&'static str, u32)| Variant {
                name: (*name).into(),
                number,
                content: Content::Unknown,
            };
            let variants = variants.iter().zip(numbers).map(variant).collect();
            Type::Enum { name: name.into(), kind, variants }
        };
        let Self { tracer, place, depth } = self;
        tracer.count()?;
        let key = Key { method: "enum", visitor: type_name::<V>(), size: variants.len() };
        let slot = tracer.slot(place, key, ty);
        if depth == DEPTH_LIMIT {
            return Err(DecodeError::custom("too deep"));
        }
        let variant = tracer.variant(slot).ok_or(DecodeError::custom("no variant leads out"))?;
        let number = match &tracer.slots[slot].ty {
            Type::Enum { variants, .. } => variants[variant].number,
            _ => 0,
        };
        tracer.slots[slot].active += 1;
        tracer.slots[slot].variants[variant].active += 1;
        let place = Place { slot, variant, at: 0 };
        let result =
            visitor.visit_enum(Choice { number, offer: Offer { tracer, place, depth: depth + 1 } });
        tracer.slots[slot].active -= 1;
        tracer.slots[slot].variants[variant].active -= 1;
        match &result {
            Ok(_) => tracer.completed(slot, variant),
            Err(_) => tracer.failed(place),
        }
        result
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        self.opaque::<V>()
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        self.opaque::<V>()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        self.opaque::<V>()
    }
}

impl Tracer {
    /// A variant was made.
    fn completed(&mut self, slot: Index, variant: usize) {
        let progress = &mut self.slots[slot].variants[variant];
        if progress.completed.is_none() {
            progress.completed = Some(self.completed);
            self.completed += 1;
            self.found += 1;
        }
    }

    /// A variant was refused.
    fn failed(&mut self, place: Place) {
        self.blame(place);
        let is_useless = self.is_useless();
        let failures = &mut self.slots[place.slot].variants[place.variant].failures;
        if is_useless && *failures < FAILURES_LIMIT {
            *failures += 1;
            self.found += 1;
        }
    }
}

fn unknown_fields(names: &'static [&'static str]) -> Vec<Field> {
    let unknown =
        |name: &&'static str| Field { name: (*name).into(), ty: UNKNOWN, has_default: false };
    names.iter().map(unknown).collect()
}

/// So many parts of a type.
struct Parts<'t> {
    tracer: &'t mut Tracer,
    next: Place,
    left: usize,
    /// How far the next part's place is: they are one type where it is 0.
    step: usize,
    depth: usize,
}

impl Parts<'_> {
    fn offer<'de, S: DeserializeSeed<'de>>(
        &mut self,
        place: Place,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let offer = Offer { tracer: self.tracer, place, depth: self.depth };
        let result = seed.deserialize(offer);
        if result.is_err() {
            self.tracer.blame(place);
        }
        result
    }
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let place = self.next;
        self.next.at += self.step;
        self.offer(place, seed).map(Some)
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let place = Place { at: 1, ..self.next };
        self.offer(place, seed)
    }
}

/// The fields of a struct by their names, without one of them.
struct NamedFields<'t> {
    tracer: &'t mut Tracer,
    slot: Index,
    fields: &'static [&'static str],
    next: usize,
    left_out: usize,
    depth: usize,
}

impl<'de> MapAccess<'de> for NamedFields<'_> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.next == self.left_out {
            self.next += 1;
        }
        let Some(name) = self.fields.get(self.next) else { return Ok(None) };
        self.next += 1;
        let name: StrDeserializer<'_, DecodeError> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let place = Place::of(self.slot, self.next - 1);
        seed.deserialize(Offer { tracer: self.tracer, place, depth: self.depth })
    }
}

/// A variant by its number.
struct Choice<'t> {
    number: u32,
    offer: Offer<'t>,
}

impl<'de, 't> EnumAccess<'de> for Choice<'t> {
    type Error = DecodeError;
    type Variant = Offer<'t>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Offer<'t>), DecodeError> {
        let number = U32Deserializer::<DecodeError>::new(self.number);
        let chosen = seed.deserialize(number).inspect_err(|_| {
            // Another sample will not help.
            self.offer.tracer.blamed = Some(Retry::Useless);
        })?;
        Ok((chosen, self.offer))
    }
}

impl Offer<'_> {
    fn content(&mut self, content: impl FnOnce() -> Content) {
        let Place { slot, variant, .. } = self.place;
        if let Type::Enum { variants, .. } = &mut self.tracer.slots[slot].ty
            && variants[variant].content == Content::Unknown
        {
            variants[variant].content = content();
            self.tracer.found += 1;
        }
    }

    fn content_parts<'de, V: Visitor<'de>>(
        self,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Self { tracer, place, depth } = self;
        visitor.visit_seq(Parts { tracer, next: place, left: count, step: 1, depth })
    }
}

impl<'de> VariantAccess<'de> for Offer<'_> {
    type Error = DecodeError;

    fn unit_variant(mut self) -> Result<(), DecodeError> {
        self.content(|| Content::Unit);
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        self.content(|| Content::Newtype(UNKNOWN));
        let Self { tracer, place, depth } = self;
        let result = seed.deserialize(Offer { tracer: &mut *tracer, place, depth });
        result.inspect_err(|_| tracer.blame(place))
    }

    fn tuple_variant<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.content(|| Content::Tuple(vec![UNKNOWN; length]));
        self.content_parts(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.content(|| Content::Struct(unknown_fields(fields)));
        self.content_parts(fields.len(), visitor)
    }
}
