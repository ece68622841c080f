//! A variant's id: what stands for its name in the encoding of an update.

use std::ops::RangeInclusive;

/// The ids that `#[reduce(id = n)]` can give: one byte of varint.
pub(crate) const GIVEN: RangeInclusive<u32> = 0..=127;

/// The ids that come from names: two bytes of varint, and none that can be given.
pub(crate) const HASHED: RangeInclusive<u32> = 128..=16_383;

/// The id of a field called `name`: its 64-bit FNV-1a hash, the halves xored, modulo the range's size.
///
/// Stored and sent updates depend on it, so it must never change.
pub(crate) fn of_name(name: &str) -> u32 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let folded = (hash >> 32) as u32 ^ hash as u32;
    HASHED.start() + folded % (HASHED.end() - HASHED.start() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_id_it_always_had() {
        assert_eq!([of_name(""), of_name("title"), of_name("0")], [9025, 15685, 7523]);
    }
}
