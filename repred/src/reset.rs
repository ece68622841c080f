//! [`Reset`]: taking back what somebody has seen, and nothing else.

use serde::{Deserialize, Serialize};

use crate::{
    dots::Dots,
    reduce::Reduce,
    stamp::{Dot, Stamp},
};

/// A reducer that can be a value of a [`Map`](crate::Map): removing its key *resets* what the remover had seen,
/// while what others have written meanwhile stays.
///
/// [`Register`](crate::Register), [`MultiRegister`](crate::MultiRegister), [`Counter`](crate::Counter),
/// [`GrowCounter`](crate::GrowCounter), [`Flag`](crate::Flag), [`DisableFlag`](crate::DisableFlag),
/// [`Set`](crate::Set), [`Map`](crate::Map) and `BTreeMap` implement it, and so does a derived struct of
/// them. A join such as [`Max`](crate::Max) does not: what a larger value has beaten is forgotten, so when
/// the larger one is taken back, nobody knows what it was before. Hold it in a `BTreeMap`, from which
/// nothing is removed, or write a [`Register`](crate::Register).
///
/// A removal names what its author had seen by dots, one for each origin; see [`Dots`]. So a reducer that
/// can be reset keeps with everything it holds the dot of the update that it is due to:
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
    /// Reduces an update where it may be reset later. A reducer that has to keep more for that than it
    /// otherwise would, as a counter does, does so here; a struct passes it on to its fields.
    fn reduce_resettable(&mut self, update: Self::Update, stamp: Stamp) -> Self::Changes {
        self.reduce(update, stamp)
    }

    /// Calls `see` with the dots that all that is there is due to.
    fn seen(&self, see: &mut dyn FnMut(Dot));

    /// What a removal by somebody who sees this has to say beside the dots: nothing, for most.
    fn detail(&self) -> ResetDetail {
        ResetDetail::None
    }

    /// Takes back all that is covered by `seen`, and returns whether that has changed anything. What is made
    /// superseded by that is handed to `superseded`; see [`Changes`](crate::Changes).
    ///
    /// It commutes with whatever its author had not seen.
    fn reset(&mut self, seen: &Dots, detail: &ResetDetail, superseded: &mut dyn FnMut(Dot))
    -> bool;

    /// Whether there is anything that no removal has taken back. A map shows those keys only.
    fn is_present(&self) -> bool;

    /// Whether this is the default again, with nothing that has to be remembered. Only then a map
    /// forgets the key.
    fn is_default(&self) -> bool;
}

/// What a removal says of what its author had seen, where dots do not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ResetDetail {
    /// The dots tell all.
    #[default]
    None,
    /// What the updates of each origin came to, up to a dot.
    Sums(Vec<(Dot, i128)>),
    /// Those of the fields of a struct, in their order.
    Fields(Vec<ResetDetail>),
    /// Those of the values of a map that have any, by their encoded keys.
    Entries(Vec<(Vec<u8>, ResetDetail)>),
}

impl ResetDetail {
    /// Those of the fields of a struct; nothing if none has anything to say.
    pub fn fields(fields: impl IntoIterator<Item = Self>) -> Self {
        let fields: Vec<_> = fields.into_iter().collect();
        match fields.iter().all(|field| *field == Self::None) {
            true => Self::None,
            false => Self::Fields(fields),
        }
    }

    /// That of a field of a struct.
    pub fn field(&self, index: usize) -> &Self {
        match self {
            Self::Fields(fields) => fields.get(index).unwrap_or(&Self::None),
            _ => &Self::None,
        }
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
