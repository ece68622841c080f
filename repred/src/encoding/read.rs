//! [`Reader`]: the deserializer.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::{BorrowedStrDeserializer, U32Deserializer},
    },
};

use super::{budget::Budget, error::DecodeError, varint};

/// Reads the encoding of one value.
#[derive(Debug)]
pub(super) struct Reader<'de> {
    bytes: &'de [u8],
    budget: Budget,
    /// How many more elements visitors may be told to make room for.
    ///
    /// No two elements start at the same byte (a sequence in a sequence starts with its length), so
    /// one for each byte of the input is all that an honest value needs. Were each length only held
    /// against the bytes left, nested ones could reserve all of it at every level.
    promises: usize,
    /// In a state, what its structs consist of.
    structs: Option<Vec<Definition<'de>>>,
    /// Where the names of updates are, if that is asked for.
    names: Option<Box<Names>>,
}

/// The most structs, and the most fields of them together, that a state may define. Types have fewer.
const DEFINITIONS_LIMIT: usize = 1 << 16;

/// What structs of one kind consist of.
#[derive(Debug)]
struct Definition<'de> {
    fields: Vec<&'de str>,
    /// How the type that asked last finds its fields, and where the names of those are, which tells the type.
    resolved: Option<((usize, usize), Order)>,
}

/// How a type finds its fields in a struct of some definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// They are where the type has them; it may have more of them at the end.
    Same,
    /// By their names.
    Other,
}

impl Definition<'_> {
    #[inline]
    fn order(&mut self, fields: &'static [&'static str]) -> Result<Order, DecodeError> {
        let asking = (fields.as_ptr().addr(), fields.len());
        match self.resolved {
            Some((resolved, order)) if resolved == asking => Ok(order),
            _ => self.resolve(asking, fields),
        }
    }

    #[cold]
    fn resolve(
        &mut self,
        asking: (usize, usize),
        fields: &'static [&'static str],
    ) -> Result<Order, DecodeError> {
        // A field that neither side has under the other's name was renamed, if everything else is where it was.
        let is_at_its_place = |(ours, theirs): (&&str, &&str)| {
            ours == theirs || !fields.contains(theirs) && !self.fields.contains(ours)
        };
        let is_same = self.fields.len() <= fields.len()
            && fields.iter().zip(&self.fields).all(is_at_its_place);
        let unknown = self.fields.iter().find(|field| !fields.contains(field));
        let order = match unknown {
            _ if is_same => Order::Same,
            None => Order::Other,
            Some(&name) => {
                return Err(DecodeError::UnknownField { name: Box::new(name.into()) });
            }
        };
        self.resolved = Some((asking, order));
        Ok(order)
    }
}

/// What names updates in an encoded value, and between which bytes.
#[derive(Debug)]
pub(super) struct Names {
    /// The bytes of the whole value.
    length: usize,
    /// What was read to its end first comes first.
    found: Vec<(Naming, Range<usize>)>,
}

/// A type that names updates, by the name and the fields that its `Deserialize` asks for. If a type of a user is called
/// like one of them, its values are not of this form, or else mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// A [`Dot`](crate::Dot).
    Dot,
    /// A [`Stamp`](crate::Stamp).
    Stamp,
    /// [`Dots`](crate::types::Dots).
    Dots,
    /// A part of a [`ResetDetail`](crate::types::ResetDetail).
    Detail,
}

impl Naming {
    fn of(name: &str, parts: &[&str]) -> Option<Self> {
        match (name, parts) {
            ("Dot", ["origin", "seq"]) => Some(Self::Dot),
            ("Stamp", ["time", "dot"]) => Some(Self::Stamp),
            ("Dots", []) => Some(Self::Dots),
            ("ResetDetail", ["None", "Sums", ..]) => Some(Self::Detail),
            _ => None,
        }
    }
}

impl<'de> Reader<'de> {
    #[inline]
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        let (budget, promises) = (Budget::new(), bytes.len());
        Self { bytes, budget, promises, structs: None, names: None }
    }

    /// The same, which notes where updates are named.
    pub(super) fn noting_names(bytes: &'de [u8]) -> Self {
        let names = Names { length: bytes.len(), found: Vec::new() };
        Self { names: Some(Box::new(names)), ..Self::new(bytes) }
    }

    /// Where updates are named in what was read.
    pub(super) fn take_names(&mut self) -> Vec<(Naming, Range<usize>)> {
        self.names.take().map(|names| names.found).unwrap_or_default()
    }

    /// Reads something that may name updates.
    #[inline]
    fn named<T>(
        &mut self,
        name: &'static str,
        parts: &'static [&'static str],
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.names.is_none() {
            return read(self);
        }
        let before = self.bytes.len();
        let value = read(self)?;
        let after = self.bytes.len();
        if let (Some(names), Some(naming)) = (&mut self.names, Naming::of(name, parts)) {
            let range = names.length - before..names.length - after;
            names.found.push((naming, range));
        }
        Ok(value)
    }

    /// The same for states, which begin with what their structs consist of.
    pub(super) fn naming_fields(bytes: &'de [u8]) -> Result<Self, DecodeError> {
        let mut reader = Self { budget: Budget::of_state(bytes.len()), ..Self::new(bytes) };
        let mut left = DEFINITIONS_LIMIT;
        let mut structs = Vec::new();
        for _ in 0..reader.take_count(&mut left)? {
            let fields = (0..reader.take_count(&mut left)?).map(|_| reader.take_str());
            let fields = fields.collect::<Result<_, _>>()?;
            structs.push(Definition { fields, resolved: None });
        }
        reader.structs = Some(structs);
        Ok(reader)
    }

    /// A number of definitions or fields, of so many that may still come.
    fn take_count(&mut self, left: &mut usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(varint::take_u64(&mut self.bytes)?).unwrap_or(usize::MAX);
        *left = left.checked_sub(count).ok_or(DecodeError::BadStruct)?;
        Ok(count)
    }

    /// The value must have been all there was.
    #[inline]
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }

    /// The same for a state of so many bytes, which may end with zeros that pay for elements without bytes.
    pub(super) fn finish_state(self, size: usize) -> Result<(), DecodeError> {
        let due = self.budget.bytes_due().max(size - self.bytes.len());
        match size - due {
            0 if self.bytes.iter().all(|&byte| byte == 0) => Ok(()),
            _ => Err(DecodeError::TrailingBytes { count: self.bytes.len() }),
        }
    }

    #[inline]
    fn take_byte(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.bytes.split_first().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(byte)
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (&array, rest) = self.bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(array)
    }

    /// Takes a length and so many bytes.
    #[inline]
    fn take_bytes(&mut self) -> Result<&'de [u8], DecodeError> {
        let length = varint::take_u64(&mut self.bytes)?;
        let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
        let (bytes, rest) = self.bytes.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(bytes)
    }

    #[inline]
    fn take_str(&mut self) -> Result<&'de str, DecodeError> {
        str::from_utf8(self.take_bytes()?).map_err(|_| DecodeError::BadUtf8)
    }

    fn take_char(&mut self) -> Result<char, DecodeError> {
        let bytes = self.take_bytes()?;
        let mut chars = str::from_utf8(bytes).map_err(|_| DecodeError::BadChar)?.chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) => Ok(char),
            _ => Err(DecodeError::BadChar),
        }
    }

    /// Takes the announced number of elements, and goes down to them.
    #[inline]
    fn take_elements(&mut self) -> Result<Elements<'_, 'de>, DecodeError> {
        let left = varint::take_u64(&mut self.bytes)?;
        self.budget.enter()?;
        let room = self.promises.min(self.bytes.len());
        let promised = usize::try_from(left).map_or(room, |left| left.min(room));
        self.promises -= promised;
        Ok(Elements { start: self.bytes.len(), reader: self, left, promised })
    }
}

/// What is read by one line and shown to one method of the visitor.
macro_rules! deserialize {
    ($($method:ident($self:ident) => $visit:ident($value:expr);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>($self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit($value)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = DecodeError;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    deserialize! {
        deserialize_u8(self) => visit_u8(self.take_byte()?);
        deserialize_u16(self) => visit_u16(varint::take_u16(&mut self.bytes)?);
        deserialize_u32(self) => visit_u32(varint::take_u32(&mut self.bytes)?);
        deserialize_u64(self) => visit_u64(varint::take_u64(&mut self.bytes)?);
        deserialize_u128(self) => visit_u128(varint::take_u128(&mut self.bytes)?);
        deserialize_i8(self) => visit_i8(self.take_byte()?.cast_signed());
        deserialize_i16(self) =>
            visit_i16(varint::unzigzag_i16(varint::take_u16(&mut self.bytes)?));
        deserialize_i32(self) =>
            visit_i32(varint::unzigzag_i32(varint::take_u32(&mut self.bytes)?));
        deserialize_i64(self) =>
            visit_i64(varint::unzigzag_i64(varint::take_u64(&mut self.bytes)?));
        deserialize_i128(self) =>
            visit_i128(varint::unzigzag_i128(varint::take_u128(&mut self.bytes)?));
        deserialize_f32(self) => visit_f32(f32::from_le_bytes(self.take_array()?));
        deserialize_f64(self) => visit_f64(f64::from_le_bytes(self.take_array()?));
        deserialize_char(self) => visit_char(self.take_char()?);
        deserialize_str(self) => visit_borrowed_str(self.take_str()?);
        deserialize_string(self) => visit_borrowed_str(self.take_str()?);
        deserialize_bytes(self) => visit_borrowed_bytes(self.take_bytes()?);
        deserialize_byte_buf(self) => visit_borrowed_bytes(self.take_bytes()?);
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.take_byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            byte => Err(DecodeError::BadBool { byte }),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.take_byte()? {
            0 => visitor.visit_none(),
            1 => {
                self.budget.enter()?;
                let value = visitor.visit_some(&mut *self)?;
                self.budget.leave();
                Ok(value)
            }
            byte => Err(DecodeError::BadOption { byte }),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.named(name, &[], |reader| {
            reader.budget.enter()?;
            let value = visitor.visit_newtype_struct(&mut *reader)?;
            reader.budget.leave();
            Ok(value)
        })
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = visitor.visit_seq(self.take_elements()?)?;
        self.budget.leave();
        Ok(value)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = visitor.visit_map(self.take_elements()?)?;
        self.budget.leave();
        Ok(value)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.budget.enter()?;
        let value = visitor.visit_seq(Fields { reader: self, left: length })?;
        self.budget.leave();
        Ok(value)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Some(structs) = &mut self.structs else {
            let count = fields.len();
            return self.named(name, fields, |reader| reader.deserialize_tuple(count, visitor));
        };
        let index = varint::take_u32(&mut self.bytes)? as usize;
        let definition = structs.get_mut(index).ok_or(DecodeError::BadStruct)?;
        let left = definition.fields.len();
        match definition.order(fields)? {
            Order::Same => self.deserialize_tuple(left, visitor),
            Order::Other => {
                self.budget.enter()?;
                let value = visitor.visit_map(NamedFields { reader: self, index, next: 0 })?;
                self.budget.leave();
                Ok(value)
            }
        }
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.named(name, variants, |reader| visitor.visit_enum(reader))
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

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), DecodeError> {
        let index = varint::take_u32(&mut self.bytes)?;
        Ok((seed.deserialize(U32Deserializer::<DecodeError>::new(index))?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = DecodeError;

    #[inline]
    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        self.budget.enter()?;
        let value = seed.deserialize(&mut *self)?;
        self.budget.leave();
        Ok(value)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}

/// The fields of a tuple or struct. The type gives their number, so they need no budget.
struct Fields<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The fields of a struct in another order than its type has them.
struct NamedFields<'r, 'de> {
    reader: &'r mut Reader<'de>,
    /// The place of its definition.
    index: usize,
    next: usize,
}

impl<'de> MapAccess<'de> for NamedFields<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let definition = self.reader.structs.as_ref().and_then(|structs| structs.get(self.index));
        let Some(&name) = definition.and_then(|definition| definition.fields.get(self.next)) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(BorrowedStrDeserializer::<DecodeError>::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        seed.deserialize(&mut *self.reader)
    }
}

/// The elements of a sequence or the entries of a map. The bytes give their number.
struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: u64,
    /// How many of them the visitor may make room for.
    promised: usize,
    /// How many bytes were left when the entry that is being read started.
    start: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let start = self.reader.bytes.len();
        let value = seed.deserialize(&mut *self.reader)?;
        self.reader.budget.spend_element(start, self.reader.bytes.len())?;
        Ok(Some(value))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.promised)
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.start = self.reader.bytes.len();
        seed.deserialize(&mut *self.reader).map(Some)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let value = seed.deserialize(&mut *self.reader)?;
        self.reader.budget.spend_element(self.start, self.reader.bytes.len())?;
        Ok(value)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.promised)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        collections::{BTreeMap, BTreeSet},
        fmt,
    };

    use serde::{
        Deserialize, Deserializer,
        de::{IgnoredAny, SeqAccess, Visitor},
    };

    use super::super::{DecodeError, decode, varint::put_u64};

    fn length(length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_u64(&mut bytes, length);
        bytes
    }

    #[test]
    fn each_bad_byte_has_its_error() {
        assert_eq!(decode::<bool>(&[2]), Err(DecodeError::BadBool { byte: 2 }));
        assert_eq!(decode::<Option<u8>>(&[3, 0]), Err(DecodeError::BadOption { byte: 3 }));
        assert_eq!(decode::<String>(&[1, 0xff]), Err(DecodeError::BadUtf8));
        assert_eq!(decode::<u16>(&[0xff, 0xff, 4]), Err(DecodeError::BadVarint));
        assert!(matches!(decode::<Result<(), ()>>(&[2]), Err(DecodeError::Custom(_))));
    }

    #[test]
    fn a_char_is_exactly_one() {
        assert_eq!(decode::<char>(&[2, 0xc3, 0xa9]), Ok('é'));
        for bytes in [&[0][..], &[1, 0xc3], &[2, b'a', b'b'], &[5, b'a', b'b', b'c', b'd', b'e']] {
            assert_eq!(decode::<char>(bytes), Err(DecodeError::BadChar));
        }
    }

    #[test]
    fn a_length_beyond_the_end_of_the_input_is_truncated() {
        for length in [1_u64 << 20, 1 << 32, 1 << 63, u64::MAX].map(length) {
            assert_eq!(decode::<String>(&length), Err(DecodeError::Truncated));
            assert_eq!(decode::<Vec<u64>>(&length), Err(DecodeError::Truncated));
            assert_eq!(decode::<Vec<[u128; 32]>>(&length), Err(DecodeError::Truncated));
            assert_eq!(decode::<BTreeMap<u8, ()>>(&length), Err(DecodeError::Truncated));
            assert_eq!(decode::<char>(&length), Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn endless_units_are_too_many() {
        let bytes = length(u64::MAX);
        assert!(matches!(decode::<Vec<()>>(&bytes), Err(DecodeError::TooManyElements { .. })));
        let set = decode::<BTreeSet<()>>(&bytes);
        assert!(matches!(set, Err(DecodeError::TooManyElements { .. })));
        let map = decode::<BTreeMap<(), ((), [(); 3])>>(&bytes);
        assert!(matches!(map, Err(DecodeError::TooManyElements { .. })));
    }

    #[test]
    fn endless_nesting_is_too_deep() {
        #[derive(Debug, PartialEq, Deserialize)]
        enum List {
            More(Box<List>),
            End,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Options(Option<Box<Options>>);
        #[derive(Debug, PartialEq, Deserialize)]
        struct Tree(Vec<Tree>);

        assert_eq!(
            decode::<List>(&[0, 0, 1]),
            Ok(List::More(Box::new(List::More(List::End.into()))))
        );
        assert!(matches!(decode::<List>(&[0; 100_000]), Err(DecodeError::TooDeep { .. })));
        assert!(matches!(decode::<Options>(&[1; 100_000]), Err(DecodeError::TooDeep { .. })));
        assert!(matches!(decode::<Tree>(&[1; 100_000]), Err(DecodeError::TooDeep { .. })));
    }

    #[test]
    fn leaving_a_level_gives_it_back() {
        let wide = vec![vec![Some((1_u8, [2_u8; 3])); 100]; 100];
        let mut bytes = Vec::new();
        super::super::encode_into(&wide, &mut bytes).unwrap();
        assert_eq!(decode(&bytes), Ok(wide));
    }

    #[test]
    fn nested_lengths_together_promise_no_more_than_there_is() {
        thread_local!(static PROMISED: Cell<usize> = const { Cell::new(0) });

        #[derive(Debug)]
        struct Hungry;
        impl<'de> Deserialize<'de> for Hungry {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_seq(Self)
            }
        }
        impl<'de> Visitor<'de> for Hungry {
            type Value = Self;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
                PROMISED.set(PROMISED.get() + seq.size_hint().unwrap());
                while seq.next_element::<Self>()?.is_some() {}
                Ok(self)
            }
        }

        let bytes = [length(1 << 40).repeat(100), vec![0; 1000]].concat();
        assert_eq!(decode::<Hungry>(&bytes).unwrap_err(), DecodeError::Truncated);
        assert!(PROMISED.get() <= bytes.len(), "{} promised", PROMISED.get());
    }

    #[test]
    fn self_describing_types_are_refused() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            #[allow(dead_code)]
            Number(u8),
        }

        assert_eq!(decode::<Untagged>(&[1]), Err(DecodeError::SelfDescribing));
        assert_eq!(decode::<IgnoredAny>(&[1]), Err(DecodeError::SelfDescribing));
    }
}
