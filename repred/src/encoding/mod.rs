//! How updates and states become bytes: the [postcard] format, with budgets.
//!
//! The format is compact and says nothing about itself: numbers are varints, strings and sequences are
//! preceded by their length, an enum by the index of its variant, and structs and tuples are their fields
//! one after the other. Bytes written here are read by the postcard crate and the other way round; states
//! differ in that structs say how many fields they have. The serializer and the deserializer are
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

use alloc::vec::Vec;

use serde::{Serialize, de::DeserializeOwned};

pub use self::error::{DecodeError, EncodeError};
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

/// Appends the encoding of a state. It differs from that of an update in that a struct says how many fields
/// it has, so that a newer version of the program may have more of them, at the end.
pub(crate) fn encode_state_into<T: Serialize + ?Sized>(
    state: &T,
    bytes: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    state.serialize(&mut Writer::counting_fields(bytes))
}

/// The state whose encoding these bytes are, all of them. Fields that it lacks have to have a
/// `#[serde(default)]`.
pub(crate) fn decode_state<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = Reader::counting_fields(bytes);
    let state = T::deserialize(&mut reader)?;
    reader.finish()?;
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
        budget::{DEPTH_LIMIT, EMPTY_LIMIT},
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
