//! [`Reset`]: how a removal takes back what its author had seen, and nothing else; and [`ResetDetail`], what the removal
//! carries for that.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
