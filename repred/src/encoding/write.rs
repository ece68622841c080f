//! [`Writer`]: the serializer.

use alloc::{string::String, vec::Vec};
use core::fmt::{self, Write as _};

use serde::{Serialize, Serializer, ser};

use super::{budget::Budget, error::EncodeError, varint};

/// Appends the encoding of one value.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    budget: Budget,
    shape: u64,
    /// In a state, what its structs consist of.
    structs: Option<Structs>,
}

/// What the structs in a state consist of.
///
/// Serde tells the names of a struct's fields one by one, each before its value. So a definition grows while the first struct
/// of its kind is written, and a struct is taken to be of a known kind until a field has another name.
#[derive(Debug, Default)]
struct Structs {
    all: Vec<Definition>,
}

#[derive(Debug)]
struct Definition {
    /// Of the type; it is not written, but tells most structs apart at once.
    name: &'static str,
    length: usize,
    /// As many as were met up to now.
    fields: Vec<&'static str>,
}

impl Definition {
    /// Whether this may be the definition of a struct that begins with the first fields of another definition, and
    /// has this one next.
    fn fits(&self, name: &str, length: usize, first: &[&str], next: &str) -> bool {
        self.length == length
            && is_same(self.name, name)
            && self.fields.starts_with(first)
            && self.fields.get(first.len()).is_none_or(|field| is_same(field, next))
    }
}

/// Whether two names are equal, which most often they are because they are one.
#[inline]
fn is_same(a: &str, b: &str) -> bool {
    core::ptr::eq(a, b) || a == b
}

impl Structs {
    /// The definition that a struct seems to have.
    #[inline]
    fn begin(&mut self, name: &'static str, length: usize) -> usize {
        let is_known = |known: &Definition| known.length == length && is_same(known.name, name);
        self.all.iter().position(is_known).unwrap_or_else(|| self.define(name, length, Vec::new()))
    }

    #[cold]
    fn define(&mut self, name: &'static str, length: usize, fields: Vec<&'static str>) -> usize {
        self.all.push(Definition { name, length, fields });
        self.all.len() - 1
    }

    /// The definition of a struct that has this field at this place, and was taken to have another definition.
    #[inline]
    fn field(&mut self, index: usize, at: usize, field: &'static str) -> usize {
        match self.all[index].fields.get(at) {
            Some(known) if is_same(known, field) => index,
            _ => self.another(index, at, field),
        }
    }

    #[cold]
    fn another(&mut self, index: usize, at: usize, field: &'static str) -> usize {
        let Definition { name, length, ref fields } = self.all[index];
        let first = fields[..at].to_vec();
        let known = self.all.iter().position(|known| known.fits(name, length, &first, field));
        let index = known.unwrap_or_else(|| self.define(name, length, first));
        let fields = &mut self.all[index].fields;
        if fields.len() == at {
            fields.push(field);
        }
        index
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        varint::put_u64(bytes, self.all.len() as u64);
        for definition in &self.all {
            varint::put_u64(bytes, definition.fields.len() as u64);
            for field in &definition.fields {
                varint::put_u64(bytes, field.len() as u64);
                bytes.extend_from_slice(field.as_bytes());
            }
        }
    }
}

/// A number for the name of a serializer's method.
const fn kind(method: &str) -> u64 {
    let (bytes, mut hash, mut index) = (method.as_bytes(), 0u64, 0);
    while index < bytes.len() {
        hash = hash.wrapping_mul(31).wrapping_add(bytes[index] as u64);
        index += 1;
    }
    hash
}

impl<'a> Writer<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, budget: Budget::new(), shape: 0, structs: None }
    }

    /// The same for states, whose structs may have other fields in another version of the program.
    pub(super) fn naming_fields(bytes: &'a mut Vec<u8>) -> Self {
        let (structs, budget) = (Some(Structs::default()), Budget::of_state(usize::MAX));
        Self { structs, budget, ..Self::new(bytes) }
    }

    /// Ends a state, which begins at `start`, by putting what its structs consist of before it.
    pub(super) fn finish_state(self, start: usize) {
        let mut definitions = Vec::new();
        self.structs.unwrap_or_default().put(&mut definitions);
        self.bytes.splice(start..start, definitions);
        let due = start.saturating_add(self.budget.bytes_due());
        if self.bytes.len() < due {
            self.bytes.resize(due, 0);
        }
    }

    /// A hash of which methods were called, in order, with which variants: of all that decides whether a
    /// format without names can be read back, but not of the values.
    #[inline]
    pub(super) fn shape(&self) -> u64 {
        self.shape
    }

    #[inline]
    fn note(&mut self, what: u64) {
        self.shape = (self.shape ^ what).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    #[inline]
    fn put_variant(&mut self, index: u32) {
        self.note(u64::from(index) << 32 | 1);
        varint::put_u32(self.bytes, index);
    }

    #[inline]
    fn put_length(&mut self, length: usize) {
        varint::put_u64(self.bytes, length as u64);
    }

    #[inline]
    fn put_elements(&mut self, length: Option<usize>) -> Result<Elements<'_, 'a>, EncodeError> {
        let announced = length.ok_or(EncodeError::UnknownLength)?;
        self.put_length(announced);
        self.note(2);
        self.budget.enter()?;
        Ok(Elements { start: self.bytes.len(), writer: self, announced, left: announced })
    }

    #[inline]
    fn put_nested<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.budget.enter()?;
        value.serialize(&mut *self)?;
        self.budget.leave();
        Ok(())
    }
}

/// What serializes a plain value by one line.
macro_rules! serialize {
    ($($method:ident($self:ident, $value:ident: $Type:ty) $body:block)*) => {$(
        #[inline]
        fn $method($self, $value: $Type) -> Result<(), EncodeError> {
            $self.note(const { kind(stringify!($method)) });
            $body;
            Ok(())
        }
    )*};
}

impl<'w, 'a> Serializer for &'w mut Writer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Elements<'w, 'a>;
    type SerializeMap = Elements<'w, 'a>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeStruct = Fields<'w, 'a>;
    type SerializeStructVariant = Self;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    serialize! {
        serialize_bool(self, value: bool) { self.bytes.push(value.into()) }
        serialize_u8(self, value: u8) { self.bytes.push(value) }
        serialize_u16(self, value: u16) { varint::put_u16(self.bytes, value) }
        serialize_u32(self, value: u32) { varint::put_u32(self.bytes, value) }
        serialize_u64(self, value: u64) { varint::put_u64(self.bytes, value) }
        serialize_u128(self, value: u128) { varint::put_u128(self.bytes, value) }
        serialize_i8(self, value: i8) { self.bytes.push(value.cast_unsigned()) }
        serialize_i16(self, value: i16) { varint::put_u16(self.bytes, varint::zigzag_i16(value)) }
        serialize_i32(self, value: i32) { varint::put_u32(self.bytes, varint::zigzag_i32(value)) }
        serialize_i64(self, value: i64) { varint::put_u64(self.bytes, varint::zigzag_i64(value)) }
        serialize_i128(self, value: i128) {
            varint::put_u128(self.bytes, varint::zigzag_i128(value));
        }
        serialize_f32(self, value: f32) { self.bytes.extend_from_slice(&value.to_le_bytes()) }
        serialize_f64(self, value: f64) { self.bytes.extend_from_slice(&value.to_le_bytes()) }
        serialize_bytes(self, value: &[u8]) {
            self.put_length(value.len());
            self.bytes.extend_from_slice(value);
        }
        serialize_unit_struct(self, _name: &'static str) {}
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        self.serialize_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    /// Serde's own version panics where a `Display` implementation fails.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        let mut text = String::new();
        write!(text, "{value}").map_err(<EncodeError as ser::Error>::custom)?;
        self.serialize_str(&text)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), EncodeError> {
        self.note(4);
        self.bytes.push(0);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        self.note(3);
        self.bytes.push(1);
        self.put_nested(value)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.put_nested(value)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.put_variant(index);
        Ok(())
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.put_variant(index);
        self.put_nested(value)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Elements<'w, 'a>, EncodeError> {
        self.put_elements(length)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Elements<'w, 'a>, EncodeError> {
        self.put_elements(length)
    }

    #[inline]
    fn serialize_tuple(self, length: usize) -> Result<Self, EncodeError> {
        self.note((length as u64) << 32 | 5);
        self.budget.enter()?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        length: usize,
    ) -> Result<Self, EncodeError> {
        self.serialize_tuple(length)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        length: usize,
    ) -> Result<Self, EncodeError> {
        self.put_variant(index);
        self.serialize_tuple(length)
    }

    #[inline]
    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Fields<'w, 'a>, EncodeError> {
        let start = self.bytes.len();
        let mut definition = 0;
        if let Some(structs) = &mut self.structs {
            definition = structs.begin(name, length);
            varint::put_u64(self.bytes, definition as u64);
        }
        let writer = self.serialize_tuple(length)?;
        Ok(Fields { writer, definition, start, at: 0 })
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        length: usize,
    ) -> Result<Self, EncodeError> {
        self.put_variant(index);
        self.serialize_tuple(length)
    }
}

/// The elements of a sequence or the entries of a map, after their announced number.
#[derive(Debug)]
pub(super) struct Elements<'w, 'a> {
    writer: &'w mut Writer<'a>,
    announced: usize,
    left: usize,
    /// Where the element or entry that is being written starts.
    start: usize,
}

impl Elements<'_, '_> {
    #[inline]
    fn begin(&mut self) -> Result<(), EncodeError> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                return Err(EncodeError::WrongLength { announced: self.announced });
            }
        }
        self.start = self.writer.bytes.len();
        Ok(())
    }

    #[inline]
    fn finish(&mut self) -> Result<(), EncodeError> {
        Ok(self.writer.budget.spend_element(self.start, self.writer.bytes.len())?)
    }

    #[inline]
    fn end(self) -> Result<(), EncodeError> {
        if self.left > 0 {
            return Err(EncodeError::WrongLength { announced: self.announced });
        }
        self.writer.budget.leave();
        Ok(())
    }
}

impl ser::SerializeSeq for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.begin()?;
        value.serialize(&mut *self.writer)?;
        self.finish()
    }

    #[inline]
    fn end(self) -> Result<(), EncodeError> {
        self.end()
    }
}

impl ser::SerializeMap for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.begin()?;
        key.serialize(&mut *self.writer)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.writer)?;
        self.finish()
    }

    #[inline]
    fn end(self) -> Result<(), EncodeError> {
        self.end()
    }
}

/// Fields without names, one after the other:
///
/// ```text
/// impl ser::SerializeTuple for &mut Writer<'_> { … fn serialize_element … }
/// ```
macro_rules! unnamed_fields {
    ($($Trait:ident :: $method:ident)*) => {$(
        impl ser::$Trait for &mut Writer<'_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), EncodeError> {
                self.budget.leave();
                Ok(())
            }
        }
    )*};
}

unnamed_fields! {
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

/// The fields of a struct, after the number of its definition if it is in a state.
#[derive(Debug)]
pub(super) struct Fields<'w, 'a> {
    writer: &'w mut Writer<'a>,
    definition: usize,
    /// Where the number of the definition is.
    start: usize,
    /// How many fields were written.
    at: usize,
}

impl Fields<'_, '_> {
    /// The struct turned out to have another definition than it seemed to have.
    #[cold]
    fn redefine(&mut self, definition: usize) {
        let [old, new] = [self.definition, definition].map(|definition| {
            let mut number = Vec::new();
            varint::put_u64(&mut number, definition as u64);
            number
        });
        self.writer.bytes.splice(self.start..self.start + old.len(), new);
        self.definition = definition;
    }
}

impl ser::SerializeStruct for Fields<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        if let Some(structs) = &mut self.writer.structs {
            let definition = structs.field(self.definition, self.at, name);
            if definition != self.definition {
                self.redefine(definition);
            }
            self.at += 1;
        }
        value.serialize(&mut *self.writer)
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), EncodeError> {
        Err(EncodeError::SkippedField { name })
    }

    #[inline]
    fn end(self) -> Result<(), EncodeError> {
        self.writer.budget.leave();
        Ok(())
    }
}

/// Fields whose names are not written.
impl ser::SerializeStructVariant for &mut Writer<'_> {
    type Ok = ();
    type Error = EncodeError;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(&mut **self)
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), EncodeError> {
        Err(EncodeError::SkippedField { name })
    }

    #[inline]
    fn end(self) -> Result<(), EncodeError> {
        self.budget.leave();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::{Serialize, Serializer, ser::SerializeSeq};

    use super::super::{EncodeError, encode_into};

    fn encode<T: Serialize>(value: T) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = Vec::new();
        encode_into(&value, &mut bytes).map(|()| bytes)
    }

    #[test]
    fn encoding_appends_to_the_buffer() {
        let mut bytes = vec![1, 2, 3];
        encode_into("ab", &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 3, 2, b'a', b'b']);
    }

    #[test]
    fn a_sequence_of_unknown_or_wrong_length_is_refused() {
        struct Liar {
            announced: Option<usize>,
        }
        impl Serialize for Liar {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut seq = serializer.serialize_seq(self.announced)?;
                seq.serialize_element(&1)?;
                seq.serialize_element(&2)?;
                seq.end()
            }
        }

        assert_eq!(encode(Liar { announced: Some(2) }), Ok(vec![2, 2, 4]));
        assert_eq!(encode(Liar { announced: None }), Err(EncodeError::UnknownLength));
        for announced in [0, 1, 3, usize::MAX] {
            let refused = encode(Liar { announced: Some(announced) });
            assert_eq!(refused, Err(EncodeError::WrongLength { announced }));
        }
    }

    #[test]
    fn a_field_left_out_by_its_value_is_refused() {
        #[derive(Serialize)]
        struct Note {
            #[serde(skip_serializing_if = "Option::is_none")]
            title: Option<u8>,
            #[serde(skip)]
            _cached: u64,
        }

        assert_eq!(encode(Note { title: Some(7), _cached: 1 }), Ok(vec![1, 7]));
        let refused = encode(Note { title: None, _cached: 1 });
        assert_eq!(refused, Err(EncodeError::SkippedField { name: "title" }));
    }

    #[test]
    fn a_display_that_fails_is_an_error_and_no_panic() {
        struct Broken;
        impl std::fmt::Display for Broken {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                Err(std::fmt::Error)
            }
        }
        impl Serialize for Broken {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        assert!(matches!(encode(Broken), Err(EncodeError::Custom(_))));
    }
}
