//! [`EncodeError`] and [`DecodeError`]: why a value has no encoding, and why bytes are not one.

use alloc::{boxed::Box, string::ToString};
use core::fmt;

use super::budget::Exhausted;

/// Why a value has no encoding. The mistake is in the value or in its type; nothing has been sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value is nested deeper than peers would decode: 128 levels in an update, 512 in a state. Make it flatter, or
    /// split it.
    TooDeep {
        /// The number of levels that are allowed.
        limit: u32,
    },
    /// The value holds more elements that take no bytes, such as `()`, than peers would decode.
    /// Send their number instead.
    TooManyElements {
        /// The number of such elements that are allowed.
        limit: u64,
    },
    /// A sequence or map does not know its length in advance. Collect it first; and do not use
    /// `#[serde(flatten)]`, which writes such a map.
    UnknownLength,
    /// A sequence or map wrote more or fewer elements than it had announced: a mistake in its
    /// `Serialize` implementation.
    WrongLength {
        /// The number of elements it had announced.
        announced: usize,
    },
    /// A field has been left out by `#[serde(skip_serializing_if)]`, and peers could not tell.
    /// Write the field always, or never with `#[serde(skip)]`.
    SkippedField {
        /// The name of the field.
        name: &'static str,
    },
    /// The `Serialize` implementation of the type gave up, with this message.
    Custom(Box<str>),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { limit } => {
                write!(f, "the value is nested more than {limit} levels deep")
            }
            Self::TooManyElements { limit } => {
                write!(f, "the value has more than {limit} elements that take no bytes")
            }
            Self::UnknownLength => f.write_str(
                "a sequence or map does not know its length in advance: collect it first, \
                 and do not use `#[serde(flatten)]`",
            ),
            Self::WrongLength { announced } => write!(
                f,
                "a sequence or map announced {announced} elements and wrote another number"
            ),
            Self::SkippedField { name } => write!(
                f,
                "field `{name}` was skipped because of its value: \
                 `#[serde(skip_serializing_if)]` cannot be decoded"
            ),
            Self::Custom(message) => f.write_str(message),
        }
    }
}

impl core::error::Error for EncodeError {}

impl serde::ser::Error for EncodeError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string().into())
    }
}

impl From<Exhausted> for EncodeError {
    #[cold]
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::Levels { limit } => Self::TooDeep { limit },
            Exhausted::Empties { limit } => Self::TooManyElements { limit },
        }
    }
}

/// Why bytes are not the encoding of a value of the type that was asked for.
///
/// The bytes are damaged or malicious, or were written for another type. The exception is
/// [`SelfDescribing`](Self::SelfDescribing), which is a mistake in the type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    Truncated,
    /// The value ends before the bytes do.
    TrailingBytes {
        /// The number of bytes left.
        count: usize,
    },
    /// The bytes nest deeper than any value that can be encoded.
    TooDeep {
        /// The number of levels that are allowed.
        limit: u32,
    },
    /// The bytes announce more elements that take no bytes than any value that can be encoded.
    TooManyElements {
        /// The number of such elements that are allowed.
        limit: u64,
    },
    /// A number is too large for its type.
    BadVarint,
    /// A `bool` is neither 0 nor 1.
    BadBool {
        /// The byte in its place.
        byte: u8,
    },
    /// The tag of an `Option` is neither 0 nor 1.
    BadOption {
        /// The byte in its place.
        byte: u8,
    },
    /// A struct in a state has a field that its type does not have: it was written by a newer version of the program, or the
    /// field was removed.
    UnknownField {
        /// The name of the field; boxed twice as in [`Custom`](Self::Custom).
        name: Box<Box<str>>,
    },
    /// A struct in a state is of a kind that the state does not define, or more kinds are defined than any type has.
    BadStruct,
    /// A `char` is not exactly one character.
    BadChar,
    /// A string is not UTF-8.
    BadUtf8,
    /// The type asks the format what comes next, and the format does not say. Any bytes would fail.
    ///
    /// These do not work: `#[serde(untagged)]`, `#[serde(tag = …)]`, `#[serde(flatten)]`, fields
    /// to be ignored, and types for any value, such as `serde_json::Value`. Use plain enums and
    /// structs.
    SelfDescribing,
    /// The `Deserialize` implementation of the type refused what it was given, with this message.
    ///
    /// Boxed twice, which keeps the error at two words: it is in the result of every read, and with
    /// three words an update takes half as long again to decode.
    Custom(Box<Box<str>>),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end before the value does"),
            Self::TrailingBytes { count } => {
                write!(f, "the value ends {count} bytes before the bytes do")
            }
            Self::TooDeep { limit } => {
                write!(f, "the bytes nest more than {limit} levels deep")
            }
            Self::TooManyElements { limit } => {
                write!(f, "the bytes announce more than {limit} elements that take no bytes")
            }
            Self::BadVarint => f.write_str("a number is too large for its type"),
            Self::BadBool { byte } => write!(f, "a bool is {byte}, neither 0 nor 1"),
            Self::BadOption { byte } => {
                write!(f, "the tag of an option is {byte}, neither 0 nor 1")
            }
            Self::UnknownField { name } => write!(
                f,
                "a struct has a field `{name}`, which is not known here: it was written by a newer version of the \
                 program, or the field was removed"
            ),
            Self::BadStruct => f.write_str("a struct is of a kind that is not defined"),
            Self::BadChar => f.write_str("a char is not exactly one character"),
            Self::BadUtf8 => f.write_str("a string is not utf-8"),
            Self::SelfDescribing => f.write_str(
                "the format does not describe itself: `#[serde(untagged)]`, `#[serde(tag)]`, \
                 `#[serde(flatten)]`, ignored fields and types for any value cannot be decoded; \
                 use plain enums and structs",
            ),
            Self::Custom(message) => f.write_str(message),
        }
    }
}

impl core::error::Error for DecodeError {}

const _: () = assert!(size_of::<DecodeError>() <= 16);

impl serde::de::Error for DecodeError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(Box::new(message.to_string().into()))
    }
}

impl From<Exhausted> for DecodeError {
    #[cold]
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::Levels { limit } => Self::TooDeep { limit },
            Exhausted::Empties { limit } => Self::TooManyElements { limit },
        }
    }
}
