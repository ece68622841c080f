//! [`SmallVec`]: a list that hardly ever has more than one element.

use alloc::vec::Vec;

/// A list that needs no allocation for up to one element. Lists of equal elements are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum SmallVec<T> {
    #[default]
    None,
    One([T; 1]),
    /// Never fewer than two.
    Many(Vec<T>),
}

impl<T> SmallVec<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

impl<T> FromIterator<T> for SmallVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut elements = elements.into_iter();
        match (elements.next(), elements.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One([one]),
            (Some(one), Some(two)) => Self::Many([one, two].into_iter().chain(elements).collect()),
        }
    }
}
