//! Values from nothing: whatever type can be decoded can be made up, by deciding what the bytes say.

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess,
        SeqAccess, VariantAccess, Visitor, value::StrDeserializer,
    },
};

use super::Chance;
use crate::{encoding::DecodeError, stamp::Stamp, time::Time};

/// Deeper values make no better tests, and a type may contain itself.
const DEPTH: usize = 12;

/// How often a value is tried: some decisions make none, as zero in a `NonZeroU8` or a dot before
/// anything was written.
const TRIES: usize = 64;

impl Chance {
    /// A value of any type that can be decoded, from a *tiny* domain: few numbers, among them the
    /// largest and smallest; strings of one letter; collections of up to two. That is where reducers
    /// break: wide random values hardly ever meet.
    ///
    /// Where the type has a [`Dot`](crate::Dot), a [`Stamp`], a [`ReplicaId`](crate::ReplicaId) or a
    /// [`Time`](crate::Time) in it, it is one that the author of the update has seen: an author cannot
    /// know others. `None` if no value of the type can be made up, or none before anything was seen.
    ///
    /// ```
    /// use repred::testing::Chance;
    ///
    /// let mut chance = Chance::new(1);
    /// let value: (u8, Option<String>) = chance.sample().unwrap();
    /// assert!([0, 1, 2, 100, 255].contains(&value.0));
    /// ```
    pub fn sample<T: DeserializeOwned>(&mut self) -> Option<T> {
        self.sample_from(Domain::Tiny)
    }

    /// A value that no honest author may ever write, yet a peer may send.
    pub(crate) fn sample_wild<T: DeserializeOwned>(&mut self) -> Option<T> {
        self.sample_from(Domain::Wild)
    }

    fn sample_from<T: DeserializeOwned>(&mut self, domain: Domain) -> Option<T> {
        for _ in 0..TRIES {
            match T::deserialize(Sampler {
                chance: self,
                script: &mut Vec::new(),
                domain,
                depth: 0,
            }) {
                Ok(value) => return Some(value),
                // Any decisions would fail.
                Err(DecodeError::SelfDescribing) => return None,
                Err(_) => {}
            }
        }
        None
    }
}

/// Which values are made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Domain {
    /// Few values, and only dots that were seen.
    Tiny,
    /// Any value that a peer could send.
    Wild,
}

/// A deserializer that reads decisions instead of bytes.
#[derive(Debug)]
struct Sampler<'a> {
    chance: &'a mut Chance,
    /// Numbers that are not for chance to decide, the last one first: the parts of a stamp.
    script: &'a mut Vec<u64>,
    domain: Domain,
    depth: usize,
}

impl Sampler<'_> {
    fn deeper(&mut self) -> Result<Sampler<'_>, DecodeError> {
        if self.depth == DEPTH {
            return Err(DecodeError::custom("too deep"));
        }
        let depth = self.depth + 1;
        Ok(Sampler { chance: self.chance, script: self.script, domain: self.domain, depth })
    }

    /// A number that is small, or at the end of its range; `max` is the largest.
    fn unsigned(&mut self, max: u128) -> u128 {
        if let Some(number) = self.script.pop() {
            return number.into();
        }
        match self.domain {
            Domain::Tiny => *self.chance.pick_focused(&[0, 1, 2, 100, max]),
            Domain::Wild => self.any() & max,
        }
    }

    /// The same with a sign; `max` is the largest, and the smallest is one further from zero.
    fn signed(&mut self, max: i128) -> i128 {
        match self.domain {
            Domain::Tiny => *self.chance.pick_focused(&[0, 1, -1, 2, 100, max, -max - 1]),
            Domain::Wild => {
                let magnitude = self.any().cast_signed() & max;
                if self.chance.percent(50) { -magnitude - 1 } else { magnitude }
            }
        }
    }

    /// Any number, of any length.
    fn any(&mut self) -> u128 {
        let high = self.chance.below(u64::MAX);
        let low = self.chance.below(u64::MAX);
        ((u128::from(high) << 64) | u128::from(low)) >> self.chance.below(128)
    }

    fn text(&mut self) -> &'static str {
        let texts: &[&'static str] = match self.domain {
            Domain::Tiny => &["a", "b", ""],
            Domain::Wild => &["a", "b", "", "ß", "\0", "aa", "a b", "\u{10ffff}"],
        };
        self.chance.pick_focused::<&str>(texts)
    }

    fn length(&mut self) -> usize {
        let most = if self.depth > DEPTH / 2 { 1 } else { 3 };
        self.chance.below(most) as usize
    }

    /// Reads what is a part of a stamp, or one, from one that was seen.
    fn part<T>(
        self,
        part: Part,
        read: impl FnOnce(Sampler<'_>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if !self.script.is_empty() {
            return read(self);
        }
        let Self { chance, domain, depth, .. } = self;
        let stamp = match domain {
            Domain::Tiny => chance.seen().ok_or(DecodeError::custom("nothing was seen"))?,
            Domain::Wild => {
                let origin = u128::from(chance.below(6)).into();
                let time = Time::from_micros(chance.below(9));
                Stamp::new(time, origin, chance.below(9))
            }
        };
        let mut script = Vec::new();
        if matches!(part, Part::Stamp | Part::Dot) {
            script.push(stamp.dot.seq);
        }
        if part != Part::Time {
            script.extend(stamp.origin().to_bytes().iter().rev().map(|byte| u64::from(*byte)));
        }
        if matches!(part, Part::Stamp | Part::Time) {
            script.push(stamp.time.as_ticks());
        }
        read(Sampler { chance, script: &mut script, domain, depth })
    }
}

/// What must not be left to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Stamp,
    Dot,
    Origin,
    Time,
}

/// Shows the visitor a number of the type's range.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ident $range:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.$range($type::MAX.into()) as $type)
        }
    )*};
}

impl<'de> Deserializer<'de> for Sampler<'_> {
    type Error = DecodeError;

    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        deserialize_u8 visit_u8 u8 unsigned;
        deserialize_u16 visit_u16 u16 unsigned;
        deserialize_u32 visit_u32 u32 unsigned;
        deserialize_u64 visit_u64 u64 unsigned;
        deserialize_u128 visit_u128 u128 unsigned;
        deserialize_i8 visit_i8 i8 signed;
        deserialize_i16 visit_i16 i16 signed;
        deserialize_i32 visit_i32 i32 signed;
        deserialize_i64 visit_i64 i64 signed;
        deserialize_i128 visit_i128 i128 signed;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bool(self.chance.below(2) == 1)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f32(*self.chance.pick(&[0.0, 1.0, -1.0, 0.1, 1e9, f32::INFINITY, f32::NAN]))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f64(*self.chance.pick(&[0.0, 1.0, -1.0, 0.1, 1e17, f64::INFINITY, f64::NAN]))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_char(*self.chance.pick(&['a', 'b', 'ß']))
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bytes(self.text().as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.chance.below(2) {
            0 => visitor.visit_none(),
            _ => visitor.visit_some(self.deeper()?),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        // Not a level deeper: it is what is in it.
        if name == "Dots" {
            return visitor.visit_newtype_struct(self);
        }
        let read = |mut sampler: Sampler<'_>| visitor.visit_newtype_struct(sampler.deeper()?);
        match name {
            "ReplicaId" => self.part(Part::Origin, read),
            "Time" => self.part(Part::Time, read),
            _ => read(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let left = self.length();
        visitor.visit_seq(Elements { left, sampler: self.deeper()? })
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let left = self.length();
        visitor.visit_map(Elements { left, sampler: self.deeper()? })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Elements { left: length, sampler: self.deeper()? })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let read = |sampler: Sampler<'_>| sampler.deserialize_tuple(fields.len(), visitor);
        match (name, fields) {
            ("Stamp", ["time", "dot"]) => self.part(Part::Stamp, read),
            ("Dot", ["origin", "seq"]) => self.part(Part::Dot, read),
            _ => read(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if variants.is_empty() {
            return Err(DecodeError::custom("an enum without variants"));
        }
        let variant = *self.chance.pick(variants);
        visitor.visit_enum(Variant { name: variant, sampler: self })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::SelfDescribing)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::SelfDescribing)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        _visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Err(DecodeError::SelfDescribing)
    }
}

/// So many elements, or entries.
struct Elements<'a> {
    left: usize,
    sampler: Sampler<'a>,
}

impl Elements<'_> {
    fn next<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DecodeError> {
        let Sampler { chance, script, domain, depth } = &mut self.sampler;
        seed.deserialize(Sampler { chance, script, domain: *domain, depth: *depth })
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.next(seed).map(Some)
    }
}

impl<'de> MapAccess<'de> for Elements<'_> {
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
        self.next(seed)
    }
}

/// A variant by its name, which generated code understands as well as its number.
struct Variant<'a> {
    name: &'static str,
    sampler: Sampler<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = DecodeError;
    type Variant = Sampler<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Sampler<'a>), DecodeError> {
        let name: StrDeserializer<'_, DecodeError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.sampler))
    }
}

impl<'de> VariantAccess<'de> for Sampler<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        seed.deserialize(self.deeper()?)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Debug};

    use serde::Deserialize;

    use super::*;
    use crate::stamp::Dot;

    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    enum Op {
        Add(bool),
        Remove { dots: BTreeSet<Dot>, by: Option<Stamp> },
        Nested(Box<Op>),
    }

    fn all<T: DeserializeOwned + Ord>(seen: &[Stamp]) -> BTreeSet<T> {
        let mut chance = Chance::new(5);
        chance.has_seen(seen.to_vec());
        (0..2000).filter_map(|_| chance.sample()).collect()
    }

    #[test]
    fn domains_are_tiny() {
        assert_eq!(all::<u8>(&[]), [0, 1, 2, 100, 255].into());
        assert_eq!(all::<i64>(&[]), [0, 1, -1, 2, 100, i64::MAX, i64::MIN].into());
        assert_eq!(all::<String>(&[]), ["".into(), "a".into(), "b".into()].into());
        assert_eq!(all::<Vec<bool>>(&[]).len(), 7);
        assert!(all::<Op>(&[]).len() > 10);
    }

    #[test]
    fn made_up_dots_and_stamps_are_ones_the_author_has_seen() {
        let stamps = [1, 2].map(|seq| Stamp::new(Time::from_micros(seq + 7), 0xabc.into(), seq));
        assert_eq!(all::<Stamp>(&stamps), stamps.into());
        assert_eq!(all::<Dot>(&stamps), stamps.map(|stamp| stamp.dot).into());
        assert_eq!(all::<crate::ReplicaId>(&stamps), [0xabc.into()].into());
        assert_eq!(all::<Time>(&stamps), stamps.map(|stamp| stamp.time).into());
        assert_eq!(all::<Dot>(&[]).len(), 0, "none before anything was seen");
        assert_eq!(all::<BTreeSet<Dot>>(&[]), [BTreeSet::new()].into());
    }

    #[test]
    fn self_describing_types_cannot_be_made_up() {
        struct Any;
        impl<'de> Deserialize<'de> for Any {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(serde::de::IgnoredAny).map(|_| Self)
            }
        }
        assert!(Chance::new(1).sample::<Any>().is_none());
    }
}
