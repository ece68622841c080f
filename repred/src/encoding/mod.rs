//! How updates and states become bytes: the [postcard] format, with budgets.
//!
//! The format is compact and says nothing about itself: numbers are varints, strings and sequences are
//! preceded by their length, an enum by the index of its variant, and structs and tuples are their fields
//! one after the other. Bytes written here are read by the postcard crate and the other way round; states
//! differ in that they begin with the names of the fields of all kinds of structs in them, and each struct with the number
//! of its kind. The serializer and the deserializer are
//! nevertheless our own, because the bytes come from peers: plain serde decoding lets a few kilobytes
//! overflow the stack (a recursive enum) or spin for ever (a set of units that announces 2⁶⁴ elements).
//!
//! Hence the [budget](budget::Budget): so many levels of nesting, so many elements that take no
//! bytes. Every other element takes at least a byte and so is paid for by the input. The writer
//! keeps to the same budget as the reader, counted at the same places, so that a value which is too
//! much for the reader is refused where it is written: an author gets an error, never a peer. This
//! holds for a value that is encoded by itself and decoded by itself. A value that is wrapped in
//! another on the way has that much less of the budget left.
//!
//! What the writer cannot see is a type that reads otherwise than it writes. All that serde offers
//! for formats that describe themselves is of that kind: [`DecodeError::SelfDescribing`] has the list.
//!
//! [postcard]: https://postcard.jamesmunns.com/wire-format

mod budget;
mod error;
pub(crate) mod varint;
mod read;
mod write;
mod rename;

use alloc::vec::Vec;

use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::rename::{Part, rename};
pub use self::{
    error::{DecodeError, EncodeError},
    rename::Renames,
};
use self::{read::Reader, write::Writer};

/// Appends the encoding of a value.
///
/// On an error, what has been appended is of no use: the caller truncates.
#[inline]
pub(crate) fn encode_into<T: Serialize + ?Sized>(
    value: &T,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    value.serialize(&mut Writer::new(bytes))
}

/// Appends the encoding of a value, and returns a hash of its shape: which parts it has, but not what is
/// in them. Whether a type can be read back without names depends on that alone.
#[inline]
pub(crate) fn encode_shaped<T: Serialize + ?Sized>(
    value: &T,
    bytes: &mut Vec<u8>,
) -> Result<u64, EncodeError> {
    let mut writer = Writer::new(bytes);
    value.serialize(&mut writer)?;
    Ok(writer.shape())
}

/// The value whose encoding these bytes are, all of them.
#[inline]
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = T::deserialize(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Appends the encoding of a state. It differs from that of an update in that it begins with what its structs consist of, so
/// that another version of the program finds their fields by their names.
pub(crate) fn encode_state_into<T: Serialize + ?Sized>(
    state: &T,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = bytes.len();
    let mut writer = Writer::naming_fields(bytes);
    state.serialize(&mut writer)?;
    writer.finish_state(start);
    Ok(())
}

/// The state whose encoding these bytes are, all of them. Fields may stand in another order; those that it lacks have to have
/// a `#[serde(default)]`.
pub(crate) fn decode_state<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::naming_fields(bytes)?;
    let state = T::deserialize(&mut reader)?;
    reader.finish_state(bytes.len())?;
    Ok(state)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet, HashMap},
        fmt::Debug,
        net::{IpAddr, Ipv6Addr, SocketAddr},
        num::NonZeroU32,
        ops::{Bound, Range},
        time::Duration,
    };

    use serde::Deserialize;

    use super::{
        budget::{DEPTH_LIMIT, EMPTY_LIMIT, STATE_DEPTH_LIMIT},
        *,
    };
    use crate::testing::Chance;

    fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = Vec::new();
        encode_into(value, &mut bytes).map(|()| bytes)
    }

    /// Our bytes are postcard's bytes, either reads the other's, and no part of them is a value.
    #[track_caller]
    fn assert_as_postcard<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
        let bytes = encode(&value).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&value).unwrap(), "{value:?}");
        assert_eq!(decode::<T>(&bytes).as_ref(), Ok(&value));
        assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), value);
        for length in 0..bytes.len() {
            assert_eq!(decode::<T>(&bytes[..length]), Err(DecodeError::Truncated), "{value:?}");
        }
        let longer = [&bytes[..], &[0, 0]].concat();
        assert_eq!(decode::<T>(&longer), Err(DecodeError::TrailingBytes { count: 2 }));
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(i64);
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Tuple(u8, Newtype, Unit, ());
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Transparent {
        inner: Newtype,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Unit,
        Newtype(Option<Box<Shape>>),
        Tuple(bool, char, f32),
        Struct { name: String, points: Vec<(i16, i32)>, nothing: () },
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Everything {
        tuple: Tuple,
        transparent: Transparent,
        shapes: Vec<Shape>,
        by_name: BTreeMap<String, (Shape, u64)>,
        chars: BTreeSet<char>,
        key: [u8; 10],
        bytes: Vec<u8>,
        result: Result<u32, String>,
        bounds: (Bound<u8>, Range<i128>, Duration),
        float: f64,
    }

    fn everything() -> Everything {
        let shapes = vec![
            Shape::Unit,
            Shape::Newtype(None),
            Shape::Newtype(Some(Box::new(Shape::Newtype(Some(Box::new(Shape::Unit)))))),
            Shape::Tuple(true, '🦀', -1.5),
            Shape::Struct {
                name: "a shape".into(),
                points: vec![(0, 0), (i16::MIN, i32::MAX)],
                nothing: (),
            },
        ];
        let by_name = shapes.iter().cloned().zip(0..).map(|pair| (format!("{pair:?}"), pair));
        Everything {
            tuple: Tuple(7, Newtype(-300), Unit, ()),
            transparent: Transparent { inner: Newtype(i64::MIN) },
            by_name: by_name.collect(),
            shapes,
            chars: "añ€🦀\0".chars().collect(),
            key: [0, 1, 2, 3, 4, 127, 128, 253, 254, 255],
            bytes: (0..=255).collect(),
            result: Err("no".into()),
            bounds: (Bound::Excluded(3), i128::MIN..i128::MAX, Duration::new(1, 999_999_999)),
            float: f64::MIN_POSITIVE,
        }
    }

    #[test]
    fn a_value_of_every_kind_is_encoded_as_postcard_does() {
        assert_as_postcard(everything());
    }

    #[test]
    fn numbers_are_encoded_as_postcard_does() {
        for shift in 0..128 {
            let value = u128::MAX >> shift;
            for value in [value, value.wrapping_add(1), value / 3 * 2, !value] {
                assert_as_postcard((value, value as u64, value as u32, value as u16, value as u8));
                let value = value.cast_signed();
                assert_as_postcard((value, value as i64, value as i32, value as i16, value as i8));
                assert_as_postcard((value as usize, value as isize));
            }
        }
        assert_as_postcard([f64::MAX, f64::NEG_INFINITY, -0.0, 1.0 / 3.0]);
        assert_as_postcard([f32::MIN, f32::INFINITY, 0.0]);
    }

    #[test]
    fn types_of_the_standard_library_are_encoded_as_postcard_does() {
        assert_as_postcard((String::new(), "grüße".repeat(100), Box::<str>::from("x")));
        assert_as_postcard((Some(Some(())), None::<u8>, NonZeroU32::MAX));
        assert_as_postcard(vec![vec![(); 3]; 200]);
        assert_as_postcard(HashMap::from([(1_u8, vec![Some(2.5_f32)]), (200, vec![])]));
        assert_as_postcard([IpAddr::V6(Ipv6Addr::LOCALHOST), [127, 0, 0, 1].into()]);
        assert_as_postcard(SocketAddr::from(([10, 0, 0, 1], 8080)));
        assert_as_postcard((crate::ReplicaId::from(0xa11ce), crate::VersionVector::new()));
    }

    /// What nests and what is empty, in all ways.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Nest {
        Leaf,
        Units(Vec<()>, BTreeMap<(), ()>),
        Option(Option<Box<Nest>>),
        Seq(Vec<Nest>),
        Pair(Box<((), Nest)>),
        Map(BTreeMap<u8, Nest>),
        Struct { inner: Box<Nest>, unit: Unit },
        Newtype(Box<NestAgain>),
        Array(Box<[Nest; 1]>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct NestAgain(Nest);

    impl Nest {
        /// In one more or, mostly, two more levels.
        fn wrapped(self, way: u64) -> Self {
            match way % 7 {
                0 => Self::Option(Some(Box::new(self))),
                1 => Self::Seq(vec![self]),
                2 => Self::Pair(Box::new(((), self))),
                3 => Self::Map(BTreeMap::from([(0, self)])),
                4 => Self::Struct { inner: Box::new(self), unit: Unit },
                5 => Self::Newtype(Box::new(NestAgain(self))),
                _ => Self::Array(Box::new([self])),
            }
        }
    }

    /// Postcard has no budget, so its bytes tell what the reader makes of a value that was refused.
    #[track_caller]
    fn assert_refused_by_both_or_none<T: Serialize + DeserializeOwned>(value: &T) -> bool {
        let encoded = encode(value);
        let decoded = decode::<T>(&postcard::to_stdvec(value).unwrap());
        match (&encoded, &decoded.as_ref().err()) {
            (Ok(_), None) => true,
            (Err(EncodeError::TooDeep { .. }), Some(DecodeError::TooDeep { .. })) => false,
            (
                Err(EncodeError::TooManyElements { .. }),
                Some(DecodeError::TooManyElements { .. }),
            ) => false,
            _ => panic!("encoding gave {encoded:?}, decoding gave {:?}", decoded.err()),
        }
    }

    #[test]
    fn the_deepest_value_that_is_encoded_is_the_deepest_that_is_decoded() {
        for way in 0..7 {
            let mut nest = Nest::Leaf;
            let mut depth = 0;
            while assert_refused_by_both_or_none(&nest) {
                nest = nest.wrapped(way);
                depth += 1;
            }
            let per_wrapping = if way == 4 { 1 } else { 2 };
            assert_eq!(depth, DEPTH_LIMIT / per_wrapping + 1, "way {way}");
        }
    }

    #[test]
    fn the_most_empty_elements_that_are_encoded_are_the_most_that_are_decoded() {
        let limit = EMPTY_LIMIT as usize;
        for count in limit - 3..limit + 3 {
            assert_eq!(assert_refused_by_both_or_none(&vec![(); count]), count <= limit);
            assert_eq!(assert_refused_by_both_or_none(&vec![[Unit]; count]), count <= limit);
            let halves = (vec![(); count / 2], vec![(); count - count / 2]);
            assert_eq!(assert_refused_by_both_or_none(&halves), count <= limit);
            let with_a_map = (vec![(); count - 1], BTreeMap::from([((), ())]));
            assert_eq!(assert_refused_by_both_or_none(&with_a_map), count <= limit);
            assert!(assert_refused_by_both_or_none(&vec![vec![(); 0]; count]));
            let keys: BTreeMap<usize, ()> = (0..count).map(|key| (key, ())).collect();
            assert!(assert_refused_by_both_or_none(&keys));
        }
    }

    #[test]
    fn random_values_around_the_limits_are_refused_by_both_or_none() {
        let mut chance = Chance::new(1);
        let mut random = || chance.number();
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..2000 {
            let mut nest = Nest::Leaf;
            for _ in 0..random() % 140 {
                nest = match random() % 8 {
                    0 => {
                        let units = vec![(); random() as usize % 500];
                        let map = (0..random() % 2).map(|_| ((), ())).collect();
                        Nest::Seq(vec![Nest::Units(units, map), nest])
                    }
                    _ => nest.wrapped(random()),
                };
            }
            match assert_refused_by_both_or_none(&nest) {
                true => accepted += 1,
                false => refused += 1,
            }
        }
        assert!(accepted > 400 && refused > 400, "{accepted} accepted, {refused} refused");
    }

    #[test]
    fn the_deepest_value_fits_the_stack_of_a_thread() {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let run = || {
            for way in 0..7 {
                let wrappings = DEPTH_LIMIT / if way == 4 { 1 } else { 2 };
                let nest = (0..wrappings).fold(Nest::Leaf, |nest, _| nest.wrapped(way));
                assert_eq!(decode(&encode(&nest).unwrap()), Ok(nest));
            }
        };
        thread.spawn(run).unwrap().join().unwrap();
    }

    fn encode_state<T: Serialize>(state: &T) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = b"before".to_vec();
        encode_state_into(state, &mut bytes).map(|()| bytes.split_off(6))
    }

    #[test]
    fn the_deepest_state_fits_the_stack_of_a_thread() {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let run = || {
            for way in 0..7 {
                let wrappings = STATE_DEPTH_LIMIT / if way == 4 { 1 } else { 2 };
                let nest = (0..wrappings).fold(Nest::Leaf, |nest, _| nest.wrapped(way));
                assert_eq!(decode_state(&encode_state(&nest).unwrap()), Ok(nest), "way {way}");
                let deeper = (0..=wrappings).fold(Nest::Leaf, |nest, _| nest.wrapped(way));
                let refused = encode_state(&deeper);
                assert_eq!(refused, Err(EncodeError::TooDeep { limit: STATE_DEPTH_LIMIT }));
            }
        };
        thread.spawn(run).unwrap().join().unwrap();
    }

    /// A kilobyte in each level, and some of it on the stack several times.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Heavy {
        weight: [[u64; 16]; 16],
        next: Option<Box<Heavy>>,
    }

    #[test]
    fn a_deep_state_of_a_large_type_is_an_error_and_no_stack_overflow() {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let run = || {
            let heavy = |levels| {
                let more = |next, _| Some(Box::new(Heavy { weight: Default::default(), next }));
                (0..levels).fold(None, more)
            };
            let most = STATE_DEPTH_LIMIT / 2;
            let bytes = encode_state(&heavy(most - 1)).unwrap();
            match decode_state::<Option<Box<Heavy>>>(&bytes) {
                Ok(read) => assert_eq!(read, heavy(most - 1)),
                Err(error) => assert!(matches!(error, DecodeError::TooDeep { .. }), "{error}"),
            }
        };
        thread.spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn a_state_may_have_any_number_of_elements_without_bytes_and_pays_for_them() {
        for count in [0, 1, 4095, 4096, 4097, 5000, 100_000] {
            let state = (7_u8, vec![(); count]);
            let bytes = encode_state(&state).unwrap();
            assert!(bytes.len() <= 4 + count / 8, "{count} take {} bytes", bytes.len());
            assert_eq!(decode_state(&bytes).as_ref(), Ok(&state));
            assert!(decode_state::<(u8, Vec<()>)>(&[&bytes[..], &[0]].concat()).is_err());
            if bytes.len() > 4 {
                let (mut cut, mut wrong) = (bytes.clone(), bytes);
                cut.pop();
                assert!(decode_state::<(u8, Vec<()>)>(&cut).is_err(), "they are not paid for");
                *wrong.last_mut().unwrap() = 1;
                assert!(decode_state::<(u8, Vec<()>)>(&wrong).is_err(), "they are zeros");
            }
        }
        let mut endless = vec![0, 7];
        varint::put_u64(&mut endless, u64::MAX);
        let refused = decode_state::<(u8, Vec<()>)>(&endless);
        assert!(matches!(refused, Err(DecodeError::TooManyElements { .. })), "{refused:?}");
    }

    mod old {
        use super::*;
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(super) struct Person {
            pub(super) first: String,
            pub(super) last: String,
            pub(super) age: u8,
        }
    }

    fn ada() -> old::Person {
        old::Person { first: "Ada".into(), last: "Lovelace".into(), age: 36 }
    }

    #[test]
    fn fields_of_a_state_are_found_by_their_names() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Person {
            #[serde(default)]
            titles: Vec<String>,
            last: String,
            age: u8,
            first: String,
        }
        let bytes = encode_state(&vec![ada(), ada()]).unwrap();
        let people = decode_state::<Vec<Person>>(&bytes).unwrap();
        let [person, again] = &people[..] else { panic!("{people:?}") };
        assert_eq!(person, again);
        assert_eq!((&*person.first, &*person.last, person.age), ("Ada", "Lovelace", 36));
        assert!(person.titles.is_empty());
    }

    #[test]
    fn a_field_may_be_renamed_where_it_stands_and_not_be_removed() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Renamed {
            given: String,
            last: String,
            age: u8,
            #[serde(default)]
            titles: Vec<String>,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Moved {
            last: String,
            given: String,
            age: u8,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Removed {
            first: String,
            last: String,
        }
        let bytes = encode_state(&ada()).unwrap();
        assert_eq!(decode_state::<Renamed>(&bytes).unwrap().given, "Ada");
        let unknown = |name: &str| DecodeError::UnknownField { name: Box::new(name.into()) };
        assert_eq!(decode_state::<Moved>(&bytes), Err(unknown("first")));
        assert_eq!(decode_state::<Removed>(&bytes), Err(unknown("age")));
    }

    #[test]
    fn a_kind_of_struct_is_named_once_in_a_state() {
        let one = encode_state(&vec![ada()]).unwrap();
        let three = encode_state(&vec![ada(), ada(), ada()]).unwrap();
        assert!(one.starts_with(b"\x01\x03\x05first\x04last\x03age"));
        assert_eq!(three.len(), one.len() + 2 * (1 + 4 + 9 + 1));
    }

    #[test]
    fn structs_of_one_name_are_told_apart() {
        /// Each has a field of the next, and all are called the same.
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename = "Same")]
        struct Outer {
            a: u8,
            inner: Option<Box<Inner>>,
            z: u8,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename = "Same")]
        struct Inner {
            a: u8,
            b: u16,
            more: Vec<Innermost>,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename = "Same")]
        struct Innermost {
            a: String,
            b: u8,
            outer: Vec<Outer>,
        }
        let outer = |inner| Outer { a: 1, inner, z: 3 };
        let innermost = |outer| Innermost { a: "a".into(), b: 9, outer };
        let inner = |more| Some(Box::new(Inner { a: 4, b: 500, more }));
        let state = vec![
            outer(inner(vec![innermost(vec![outer(None)]), innermost(vec![])])),
            outer(inner(vec![])),
            outer(None),
        ];
        assert_eq!(decode_state(&encode_state(&state).unwrap()), Ok(state));
    }

    #[test]
    fn more_kinds_of_structs_than_any_type_has_are_refused_and_take_no_memory() {
        let mut many = Vec::new();
        varint::put_u64(&mut many, 1 << 40);
        assert_eq!(decode_state::<u8>(&many), Err(DecodeError::BadStruct));
        assert_eq!(decode_state::<old::Person>(&[1, 0, 7]), Err(DecodeError::BadStruct));
        assert_eq!(decode_state::<old::Person>(&[2, 1, 200]), Err(DecodeError::Truncated));
    }

    #[test]
    fn random_bytes_are_an_error_or_a_value_and_never_a_panic() {
        let mut chance = Chance::new(2);
        let mut random = || chance.number();
        let (mut values, mut errors) = (0, 0);
        let valid = encode(&everything()).unwrap();
        for case in 0..20_000 {
            let mut bytes = valid.clone();
            if case % 2 == 0 {
                bytes = (0..random() % 100).map(|_| random() as u8).collect();
            } else {
                for _ in 0..1 + random() % 3 {
                    let index = random() as usize % bytes.len();
                    bytes[index] = random() as u8;
                }
            }
            match decode::<Everything>(&bytes) {
                Ok(value) => {
                    encode(&value).unwrap();
                    values += 1;
                }
                Err(_) => errors += 1,
            }
            let _ = decode::<Nest>(&bytes);
            let _ = decode::<Vec<Shape>>(&bytes);
        }
        assert!(values > 1000 && errors > 1000, "{values} values, {errors} errors");
    }

    #[test]
    fn errors_say_what_is_wrong() {
        assert_eq!(
            encode(&vec![(); 5000]).unwrap_err().to_string(),
            "the value has more than 4096 elements that take no bytes"
        );
        assert_eq!(decode::<bool>(&[9]).unwrap_err().to_string(), "a bool is 9, neither 0 nor 1");
        assert_eq!(
            decode::<Shape>(&[9]).unwrap_err().to_string(),
            "invalid value: integer `9`, expected variant index 0 <= i < 4"
        );
    }
}
