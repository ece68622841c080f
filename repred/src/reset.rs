//! [`Reset`]: how a removal takes back what its author had seen, and nothing else; and [`ResetDetail`], what the removal
//! carries for that.

use alloc::{borrow::Cow, boxed::Box, collections::BTreeMap, vec::Vec};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned},
    ser,
};

use crate::{
    dots::Dots,
    encoding,
    reduce::Reduce,
    stamp::{Dot, Stamp},
};

/// A reducer that can be a value of a [`Map`](crate::Map): removing its key *resets* what the remover had seen,
/// while what others have written meanwhile stays.
///
/// [`Register`](crate::Register), [`MultiRegister`](crate::MultiRegister), [`Counter`](crate::Counter),
/// [`GrowCounter`](crate::GrowCounter), [`Flag`](crate::Flag), [`DisableFlag`](crate::DisableFlag),
/// [`Set`](crate::Set), [`Map`](crate::Map) and `BTreeMap` implement it, and so does a derived struct of
/// them. A join such as [`Max`](crate::Max) does not: it forgets every value that a larger one has beaten, so
/// it could not go back to one of them when the larger one is removed. Hold it in a `BTreeMap`, from which
/// nothing is removed, or write a [`Register`](crate::Register).
///
/// A removal names what its author had seen by dots, one for each origin; see [`Dots`]. (The literature calls
/// this the causal context of a removal, and such types causal CRDTs: Almeida, Shoker and Baquero, *Delta State
/// Replicated Data Types*, 2018.) So a reducer that can be reset keeps the dot of the update behind everything
/// that it holds:
///
/// ```
/// use repred::{Changes, Dot, Reduce, Stamp, Time, types::{Dots, Reset, ResetDetail}};
/// use serde::{Deserialize, Serialize};
/// use std::collections::BTreeSet;
///
/// /// How often something was liked.
/// #[derive(Default, Serialize, Deserialize)]
/// struct Likes(BTreeSet<Dot>);
///
/// impl Reduce for Likes {
///     type Update = ();
///     type Changes = bool;
///
///     fn reduce(&mut self, _: (), stamp: Stamp) -> bool {
///         self.0.insert(stamp.dot)
///     }
/// }
///
/// impl Reset for Likes {
///     fn seen(&self, see: &mut dyn FnMut(Dot)) {
///         self.0.iter().copied().for_each(see);
///     }
///
///     fn reset(&mut self, seen: &Dots, _: &ResetDetail, _: &mut dyn FnMut(Dot)) -> bool {
///         let before = self.0.len();
///         self.0.retain(|dot| !seen.covers(*dot));
///         self.0.len() < before
///     }
///
///     fn is_present(&self) -> bool {
///         !self.0.is_empty()
///     }
///
///     fn is_default(&self) -> bool {
///         self.0.is_empty()
///     }
/// }
///
/// let mut likes = Likes::default();
/// likes.reduce((), Stamp::new(Time::ZERO, 0xa.into(), 1));
/// likes.reduce((), Stamp::new(Time::ZERO, 0xb.into(), 1));
/// let seen = [Dot::new(0xa.into(), 1)].into_iter().collect();
/// assert!(likes.reset(&seen, &ResetDetail::None, &mut |_| {}));
/// assert_eq!(likes.0.len(), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be removed from a map",
    label = "removing a key resets its value, which has to implement `repred::types::Reset`",
    note = "registers, counters, flags, sets and maps do, and derived structs of these; joins (`Max`, `Min`, `Or`, `And`, \
            `GrowSet`) and fields with `#[reduce(with = ..)]` do not",
    note = "a `BTreeMap` takes any reducer as its value, but nothing is ever removed from it"
)]
pub trait Reset: Reduce + Default {
    /// Reduces an update of a value in a map, which may be reset later.
    ///
    /// The default is [`reduce`](Reduce::reduce). A reducer that has to keep more to be resettable, as a counter
    /// does, keeps it here, so that it costs nothing elsewhere. A struct or a map passes the call on to its parts.
    fn reduce_resettable(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        self.reduce(update, stamp)
    }

    /// Calls `see` with the dots of the updates behind everything that is present.
    fn seen(&self, see: &mut dyn FnMut(Dot));

    /// What a removal by somebody who sees this value has to say beside the dots. Nothing, for most types.
    fn detail(&self) -> ResetDetail {
        ResetDetail::None
    }

    /// Takes back everything that `seen` covers, and returns whether that changed anything. Calls `superseded`
    /// with the dot of each update that this removal supersedes; see [`Changes`](crate::Changes).
    ///
    /// It has to commute with every update that the author of the removal had not seen.
    fn reset(&mut self, seen: &Dots, detail: &ResetDetail, superseded: &mut dyn FnMut(Dot))
    -> bool;

    /// Whether the value holds anything that no removal has taken back. A map shows only the keys of such values.
    fn is_present(&self) -> bool;

    /// Whether the value equals the default, and remembers nothing either: no tombstone, no stamp. A map drops
    /// the entry of such a value.
    fn is_default(&self) -> bool;
}

/// What a removal says beside the dots of what its author had seen; see [`Reset::detail`].
///
/// A counter, for one, is a sum: that the author had seen the updates up to some dot does not say what they had
/// added up to, so the removal of a counter says that, too. A struct and a map put together the details of their
/// parts.
///
/// ```
/// use repred::{Dot, types::ResetDetail};
///
/// let votes = ResetDetail::Sums(vec![(Dot::new(0xa.into(), 3), 5)]);
/// let card = ResetDetail::fields([ResetDetail::None, votes.clone()]);
/// assert_eq!((card.field(0), card.field(1)), (&ResetDetail::None, &votes));
///
/// let cards = ResetDetail::entries([(&7, card.clone()), (&8, ResetDetail::None)]);
/// assert_eq!(cards.to_map::<i32>().into_iter().collect::<Vec<_>>(), [(7, &card)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResetDetail {
    /// Nothing: the dots are enough.
    #[default]
    None,
    /// For each origin, a dot, and what the updates of the origin up to that dot add up to.
    Sums(Vec<(Dot, i128)>),
    /// The details of the fields of a struct, in their order. See [`fields`](Self::fields).
    Fields(Vec<ResetDetail>),
    /// The details of values of a map, each with its encoded key. See [`entries`](Self::entries).
    Entries(Vec<(Vec<u8>, ResetDetail)>),
}

impl ResetDetail {
    /// The details of the fields of a struct, in their order. [`None`](Self::None) if none of them has any.
    pub fn fields(fields: impl IntoIterator<Item = Self>) -> Self {
        let fields: Vec<_> = fields.into_iter().collect();
        match fields.iter().all(|field| *field == Self::None) {
            true => Self::None,
            false => Self::Fields(fields),
        }
    }

    /// The detail of one field of a struct; [`None`](Self::None) if it has none.
    pub fn field(&self, index: usize) -> &Self {
        match self {
            Self::Fields(fields) => fields.get(index).unwrap_or(&Self::None),
            _ => &Self::None,
        }
    }

    /// The details of the fields of a derived struct by their ids, which stay where fields are moved.
    #[doc(hidden)]
    pub fn of_ids<const N: usize>(fields: [(u32, Self); N]) -> Self {
        let (ids, details): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
        Self::entries(ids.iter().zip(details))
    }

    /// The detail of one field of a derived struct.
    #[doc(hidden)]
    pub fn of_id(&self, id: u32) -> &Self {
        let Self::Entries(entries) = self else { return &Self::None };
        let mut found = entries.iter().filter(|(key, _)| encoding::decode(key) == Ok(id));
        found.next().map_or(&Self::None, |(_, detail)| detail)
    }

    /// The details of the values of a map, by their keys. [`None`](Self::None) if none of them has any.
    pub fn entries<'a, K: Serialize + 'a>(
        entries: impl IntoIterator<Item = (&'a K, Self)>,
    ) -> Self {
        let details = entries.into_iter().filter(|(_, detail)| *detail != Self::None);
        let encoded = details.filter_map(|(key, detail)| {
            let mut bytes = Vec::new();
            // A key that cannot be encoded was in no update, so nobody else has the entry.
            encoding::encode_into(key, &mut bytes).ok()?;
            Some((bytes, detail))
        });
        let encoded: Vec<_> = encoded.collect();
        if encoded.is_empty() { Self::None } else { Self::Entries(encoded) }
    }

    /// The details of the values of a map that have any, by their keys.
    ///
    /// Bytes that are no key are left out: a detail comes from a peer.
    pub fn to_map<K: Ord + DeserializeOwned>(&self) -> BTreeMap<K, &Self> {
        let Self::Entries(entries) = self else { return BTreeMap::new() };
        let decoded = entries.iter().map(|(key, detail)| (encoding::decode(key), detail));
        decoded.filter_map(|(key, detail)| Some((key.ok()?, detail))).collect()
    }
}

/// How deep details may nest: a state has no more levels, and each level of a detail stands for at least one of its state.
const DEPTH_LIMIT: usize = 512;

/// A part of a detail as it is encoded. A detail is a list of its parts, each before what is in it, so that it takes
/// the same few levels of an update however deep it is: whoever can write into a value can also remove it.
#[derive(Serialize, Deserialize)]
// Under this name the reader of encoded updates finds sums.
#[serde(rename = "ResetDetail")]
enum Part<'a> {
    None,
    Sums(Cow<'a, [(Dot, i128)]>),
    /// So many details follow.
    Fields(u32),
    /// So many keys follow, each with its detail.
    Entries(u32),
    Key(Cow<'a, [u8]>),
}

impl ResetDetail {
    /// Appends the parts. False if it is too deep.
    fn list<'a>(&'a self, parts: &mut Vec<Part<'a>>, levels: usize) -> bool {
        let Some(levels) = levels.checked_sub(1) else { return false };
        match self {
            Self::None => parts.push(Part::None),
            Self::Sums(sums) => parts.push(Part::Sums(sums.into())),
            Self::Fields(fields) => {
                parts.push(Part::Fields(fields.len() as u32));
                return fields.iter().all(|field| field.list(parts, levels));
            }
            Self::Entries(entries) => {
                parts.push(Part::Entries(entries.len() as u32));
                return entries.iter().all(|(key, detail)| {
                    parts.push(Part::Key(key.into()));
                    detail.list(parts, levels)
                });
            }
        }
        true
    }

    /// Puts a detail together. What is missing at the end is nothing.
    fn of_parts<'a>(
        parts: &mut impl ExactSizeIterator<Item = Part<'a>>,
        levels: usize,
    ) -> Result<Self, &'static str> {
        let levels = levels.checked_sub(1).ok_or("the detail of a removal is nested too deep")?;
        let detail = match parts.next() {
            None | Some(Part::None) => Self::None,
            Some(Part::Sums(sums)) => Self::Sums(sums.into_owned()),
            Some(Part::Fields(count)) => {
                let mut fields = Vec::new();
                // The count is a peer's: only parts that came take memory.
                for _ in 0..count {
                    if parts.len() == 0 {
                        break;
                    }
                    fields.push(Self::of_parts(parts, levels)?);
                }
                Self::Fields(fields)
            }
            Some(Part::Entries(count)) => {
                let mut entries = Vec::new();
                for _ in 0..count {
                    let key = match parts.next() {
                        None => break,
                        Some(Part::Key(key)) => key.into_owned(),
                        Some(_) => {
                            return Err("the detail of a removal has no key where one should be");
                        }
                    };
                    entries.push((key, Self::of_parts(parts, levels)?));
                }
                Self::Entries(entries)
            }
            Some(Part::Key(_)) => {
                return Err("the detail of a removal has a key where none should be");
            }
        };
        Ok(detail)
    }
}

impl Serialize for ResetDetail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts = Vec::new();
        if *self != Self::None && !self.list(&mut parts, DEPTH_LIMIT) {
            return Err(ser::Error::custom("the detail of a removal is nested too deep"));
        }
        parts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ResetDetail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut parts = Vec::<Part<'_>>::deserialize(deserializer)?.into_iter();
        Self::of_parts(&mut parts, DEPTH_LIMIT).map_err(de::Error::custom)
    }
}

impl<R: Reset> Reset for Box<R> {
    fn reduce_resettable(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        Box::new((**self).reduce_resettable(*update, stamp))
    }

    fn seen(&self, see: &mut dyn FnMut(Dot)) {
        (**self).seen(see);
    }

    fn detail(&self) -> ResetDetail {
        (**self).detail()
    }

    fn reset(
        &mut self,
        seen: &Dots,
        detail: &ResetDetail,
        superseded: &mut dyn FnMut(Dot),
    ) -> bool {
        (**self).reset(seen, detail, superseded)
    }

    fn is_present(&self) -> bool {
        (**self).is_present()
    }

    fn is_default(&self) -> bool {
        (**self).is_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::DecodeError;

    fn nested(levels: usize) -> ResetDetail {
        let sums = ResetDetail::Sums(vec![(Dot::new(7.into(), 3), -5)]);
        (0..levels).fold(sums, |detail, level| match level % 2 {
            0 => ResetDetail::Fields(vec![ResetDetail::None, detail, ResetDetail::None]),
            _ => ResetDetail::Entries(vec![(vec![1], ResetDetail::None), (vec![2, 3], detail)]),
        })
    }

    #[test]
    fn a_detail_of_any_depth_comes_back_from_its_encoding() {
        for levels in [0, 1, 2, 3, 130, DEPTH_LIMIT - 1] {
            let (detail, mut bytes) = (nested(levels), Vec::new());
            encoding::encode_into(&detail, &mut bytes).unwrap();
            assert_eq!(encoding::decode(&bytes), Ok(detail));
        }
        let mut bytes = Vec::new();
        encoding::encode_into(&ResetDetail::None, &mut bytes).unwrap();
        assert_eq!(bytes, [0]);
        assert!(encoding::encode_into(&nested(DEPTH_LIMIT), &mut bytes).is_err());
    }

    #[test]
    fn parts_that_are_no_detail_are_an_error_and_take_no_memory() {
        let decode = |parts: &[Part<'_>]| {
            let mut bytes = Vec::new();
            encoding::encode_into(parts, &mut bytes).unwrap();
            encoding::decode::<ResetDetail>(&bytes)
        };
        assert_eq!(decode(&[Part::Fields(u32::MAX)]), Ok(ResetDetail::Fields(vec![])));
        assert_eq!(decode(&[Part::Entries(u32::MAX)]), Ok(ResetDetail::Entries(vec![])));
        let key = || Part::Key(Cow::Borrowed(&[1]));
        assert!(matches!(decode(&[key()]), Err(DecodeError::Custom(_))));
        assert!(matches!(decode(&[Part::Entries(1), Part::None]), Err(DecodeError::Custom(_))));
        let deep: Vec<_> = (0..100_000).map(|_| Part::Fields(1)).collect();
        assert!(matches!(decode(&deep), Err(DecodeError::Custom(_))));
    }
}
