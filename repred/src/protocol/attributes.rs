//! [`Attributes`]: what may stand beside something else, each thing by a number.

use alloc::vec::Vec;

use super::wire::{Malformed, Unreadable, check_unknown, put_number, take_number, take_slice};

/// What stands beside something else: values, each by a number, in ascending order.
///
/// Whoever does not know an even number passes over it; an odd one ends with *upgrade*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// All the rest of some bytes.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes attributes off the front, which stand behind their length.
    pub(crate) fn take(bytes: &mut &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self(take_slice(bytes, u64::MAX)?))
    }

    /// Gives each to `known`, which says whether it knows it.
    pub(crate) fn read(
        self,
        mut known: impl FnMut(u64, &'a [u8]) -> Result<bool, Malformed>,
    ) -> Result<(), Unreadable> {
        let (mut rest, mut before) = (self.0, None);
        while !rest.is_empty() {
            let (number, value) = (take_number(&mut rest)?, take_slice(&mut rest, u64::MAX)?);
            if before.replace(number) >= Some(number) {
                return Err(Malformed("attributes in the order of their numbers").into());
            }
            if !known(number, value)? {
                check_unknown("an attribute", number)?;
            }
        }
        Ok(())
    }

    /// Reads them where none is known.
    pub(crate) fn read_unknown(self) -> Result<(), Unreadable> {
        self.read(|_, _| Ok(false))
    }
}

/// Appends an attribute, without the length of all of them.
pub(crate) fn put_attribute(bytes: &mut Vec<u8>, number: u64, value: &[u8]) {
    put_number(bytes, number);
    put_number(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}

/// Appends attributes behind their length.
pub(crate) fn put_attributes(bytes: &mut Vec<u8>, attributes: &[u8]) {
    put_number(bytes, attributes.len() as u64);
    bytes.extend_from_slice(attributes);
}

#[cfg(test)]
mod tests {
    use super::{super::wire::Upgrade, *};

    #[test]
    fn an_unknown_even_attribute_is_passed_over_and_an_odd_one_is_not() {
        let mut bytes = Vec::new();
        put_attribute(&mut bytes, 2, b"ab");
        put_attribute(&mut bytes, 300, b"");
        let mut values = Vec::new();
        let read = Attributes::of(&bytes).read(|number, value| {
            values.push((number, value));
            Ok(number == 2)
        });
        assert_eq!((read, values), (Ok(()), vec![(2, &b"ab"[..]), (300, b"")]));

        put_attribute(&mut bytes, 301, b"c");
        let upgrade = Upgrade { what: "an attribute", number: 301 };
        assert_eq!(Attributes::of(&bytes).read_unknown(), Err(upgrade.into()));
    }

    #[test]
    fn attributes_are_in_order_and_whole() {
        for bytes in [&[4, 0, 2, 0][..], &[2, 0, 2, 0], &[2, 3, 1, 1], &[2]] {
            let read = Attributes::of(bytes).read_unknown();
            assert!(matches!(read, Err(Unreadable::Malformed(_))), "{bytes:?}: {read:?}");
        }
        assert!(Attributes::take(&mut &[3, 2, 0][..]).is_err());
    }
}
