//! [`start_hash`]: a hash of the state that a replica starts with.

use alloc::string::ToString;
use core::{
    fmt::{self, Display},
    hash::Hasher,
};

use serde::{Serialize, Serializer, ser};
use siphasher::sip::SipHasher24;

/// Hashes of the state that a replica starts with; 0 if serde cannot show it.
///
/// Public for the sake of a trait's hidden methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartHash {
    ordered: u64,
    /// The same whatever the order of the elements of sequences, as a `HashSet` has none.
    unordered: u64,
}

impl StartHash {
    /// Those of another state.
    #[cfg(feature = "testing")]
    pub(crate) fn other(self) -> Self {
        Self { ordered: !self.ordered, unordered: !self.unordered }
    }

    /// The hash for a state in which sequences have an order, or some have none.
    pub(super) fn pick(self, has_unordered: bool) -> u64 {
        if has_unordered { self.unordered } else { self.ordered }
    }
}

/// The most levels of a start state that are looked at.
const DEPTH_LIMIT: usize = 512;

/// Hashes of a state as serde shows it: of what its fields are called, and of all values. The order of fields does not
/// count, nor that of the entries of maps.
pub(crate) fn start_hash<T: Serialize + ?Sized>(state: &T) -> StartHash {
    let hash = |is_ordered| {
        let hash = state.serialize(Hash { levels: DEPTH_LIMIT, is_ordered });
        hash.map_or(0, |hash| hash.max(1))
    };
    StartHash { ordered: hash(true), unordered: hash(false) }
}

/// What the state is too deep for, or its `Serialize` implementation refused.
#[derive(Debug)]
struct NoHash;

impl Display for NoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no hash")
    }
}

impl core::error::Error for NoHash {}

impl ser::Error for NoHash {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

fn hash(kind: u8, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(&[kind]);
    hasher.write(bytes);
    hasher.finish()
}

/// The hash of something that has these two in it.
fn pair(kind: u8, first: u64, second: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..].copy_from_slice(&second.to_le_bytes());
    hash(kind, &bytes)
}

#[derive(Clone, Copy)]
struct Hash {
    levels: usize,
    /// Whether the order of the elements of sequences counts.
    is_ordered: bool,
}

impl Hash {
    fn of<T: Serialize + ?Sized>(self, value: &T) -> Result<u64, NoHash> {
        let levels = self.levels.checked_sub(1).ok_or(NoHash)?;
        value.serialize(Self { levels, ..self })
    }

    fn parts(self, kind: u8) -> Parts {
        Parts { hash: self, kind, count: 0, sum: 0, key: 0 }
    }
}

/// The parts of a value.
struct Parts {
    hash: Hash,
    kind: u8,
    count: u64,
    sum: u64,
    key: u64,
}

impl Parts {
    fn add(&mut self, part: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(part);
    }

    fn place<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoHash> {
        let value = self.hash.of(value)?;
        self.add(pair(1, self.count, value));
        Ok(())
    }

    fn named<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), NoHash> {
        let value = self.hash.of(value)?;
        self.add(pair(2, hash(0, name.as_bytes()), value));
        Ok(())
    }

    fn finish(self) -> Result<u64, NoHash> {
        Ok(pair(self.kind, self.count, self.sum))
    }
}

macro_rules! numbers {
    ($($method:ident $type:ty;)*) => {$(
        fn $method(self, value: $type) -> Result<u64, NoHash> {
            Ok(hash(3, &value.to_le_bytes()))
        }
    )*};
}

impl Serializer for Hash {
    type Ok = u64;
    type Error = NoHash;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        serialize_u8 u8;
        serialize_u16 u16;
        serialize_u32 u32;
        serialize_u64 u64;
        serialize_u128 u128;
        serialize_i8 i8;
        serialize_i16 i16;
        serialize_i32 i32;
        serialize_i64 i64;
        serialize_i128 i128;
        serialize_f32 f32;
        serialize_f64 f64;
    }

    fn serialize_bool(self, value: bool) -> Result<u64, NoHash> {
        Ok(hash(3, &[value.into()]))
    }

    fn serialize_char(self, value: char) -> Result<u64, NoHash> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<u64, NoHash> {
        Ok(hash(4, value.as_bytes()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<u64, NoHash> {
        Ok(hash(5, value))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<u64, NoHash> {
        self.serialize_str(&value.to_string())
    }

    fn serialize_none(self) -> Result<u64, NoHash> {
        Ok(hash(6, &[]))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u64, NoHash> {
        Ok(pair(6, self.of(value)?, 0))
    }

    fn serialize_unit(self) -> Result<u64, NoHash> {
        Ok(hash(7, &[]))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<u64, NoHash> {
        self.serialize_unit()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u64, NoHash> {
        self.of(value)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
    ) -> Result<u64, NoHash> {
        Ok(pair(8, index.into(), 0))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<u64, NoHash> {
        Ok(pair(9, index.into(), self.of(value)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, NoHash> {
        Ok(self.parts(10))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts, NoHash> {
        Ok(self.parts(11))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts, NoHash> {
        Ok(self.parts(12))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Parts, NoHash> {
        self.serialize_tuple(len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, NoHash> {
        let mut parts = self.parts(13);
        parts.add(index.into());
        Ok(parts)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, NoHash> {
        Ok(self.parts(14))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Parts, NoHash> {
        let mut parts = self.parts(15);
        parts.add(index.into());
        Ok(parts)
    }
}

impl ser::SerializeSeq for Parts {
    type Ok = u64;
    type Error = NoHash;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoHash> {
        let value = self.hash.of(value)?;
        let place = if self.hash.is_ordered { self.count } else { 0 };
        self.add(pair(0, value, place));
        Ok(())
    }

    fn end(self) -> Result<u64, NoHash> {
        self.finish()
    }
}

impl ser::SerializeMap for Parts {
    type Ok = u64;
    type Error = NoHash;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NoHash> {
        self.key = self.hash.of(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoHash> {
        let value = self.hash.of(value)?;
        self.add(pair(0, self.key, value));
        Ok(())
    }

    fn end(self) -> Result<u64, NoHash> {
        self.finish()
    }
}

macro_rules! places {
    ($($Trait:ident :: $method:ident)*) => {$(
        impl ser::$Trait for Parts {
            type Ok = u64;
            type Error = NoHash;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NoHash> {
                self.place(value)
            }

            fn end(self) -> Result<u64, NoHash> {
                self.finish()
            }
        }
    )*};
}

places! {
    SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field
    SerializeTupleVariant::serialize_field
}

macro_rules! names {
    ($($Trait:ident)*) => {$(
        impl ser::$Trait for Parts {
            type Ok = u64;
            type Error = NoHash;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), NoHash> {
                self.named(name, value)
            }

            fn end(self) -> Result<u64, NoHash> {
                self.finish()
            }
        }
    )*};
}

names! { SerializeStruct SerializeStructVariant }
