//! Varints: unsigned numbers in as few bytes as they need, seven bits each, the lowest first.
//!
//! All bytes but the last have the high bit set. Reading accepts more bytes than needed (`80 00` is
//! zero), as postcard does, but no bits that the type has no room for.
//!
//! Signed numbers are zigzagged to unsigned ones, so that small ones of either sign stay short.

use alloc::vec::Vec;

use super::error::DecodeError;

macro_rules! varint {
    ($Unsigned:ident, $Signed:ident, $put:ident, $take:ident, $zigzag:ident, $unzigzag:ident) => {
        /// Appends a number.
        #[inline]
        pub(crate) fn $put(bytes: &mut Vec<u8>, value: $Unsigned) {
            let mut rest = value;
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }

        /// Takes a number off the front. On an error the bytes are as they were.
        #[inline]
        pub(crate) fn $take(bytes: &mut &[u8]) -> Result<$Unsigned, DecodeError> {
            const MAX: usize = $Unsigned::BITS.div_ceil(7) as usize;
            const LAST: u8 = (1 << ($Unsigned::BITS % 7)) - 1;

            if let [byte @ 0..0x80, rest @ ..] = *bytes {
                *bytes = rest;
                return Ok($Unsigned::from(*byte));
            }
            let mut value = 0;
            // A fixed number of rounds, so that the compiler unrolls them.
            for index in 0..MAX {
                let byte = *bytes.get(index).ok_or(DecodeError::Truncated)?;
                value |= $Unsigned::from(byte & 0x7f) << (7 * index);
                if byte < 0x80 {
                    if index == MAX - 1 && byte > LAST {
                        return Err(DecodeError::BadVarint);
                    }
                    *bytes = &bytes[index + 1..];
                    return Ok(value);
                }
            }
            Err(DecodeError::BadVarint)
        }

        #[inline]
        pub(super) const fn $zigzag(value: $Signed) -> $Unsigned {
            ((value << 1) ^ (value >> ($Signed::BITS - 1))) as $Unsigned
        }

        #[inline]
        pub(super) const fn $unzigzag(value: $Unsigned) -> $Signed {
            (value >> 1) as $Signed ^ -((value & 1) as $Signed)
        }
    };
}

varint!(u16, i16, put_u16, take_u16, zigzag_i16, unzigzag_i16);
varint!(u32, i32, put_u32, take_u32, zigzag_i32, unzigzag_i32);
varint!(u64, i64, put_u64, take_u64, zigzag_i64, unzigzag_i64);
varint!(u128, i128, put_u128, take_u128, zigzag_i128, unzigzag_i128);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_come_back() {
        for shift in 0..128 {
            for value in [1 << shift, (1 << shift) - 1, u128::MAX >> shift] {
                let mut bytes = Vec::new();
                put_u128(&mut bytes, value);
                put_u64(&mut bytes, value as u64);
                put_u32(&mut bytes, value as u32);
                put_u16(&mut bytes, value as u16);

                let mut rest = &bytes[..];
                assert_eq!(take_u128(&mut rest), Ok(value));
                assert_eq!(take_u64(&mut rest), Ok(value as u64));
                assert_eq!(take_u32(&mut rest), Ok(value as u32));
                assert_eq!(take_u16(&mut rest), Ok(value as u16));
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn a_number_takes_no_more_bytes_than_it_needs() {
        for (value, length) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3)] {
            let mut bytes = vec![7];
            put_u64(&mut bytes, value);
            assert_eq!(bytes.len(), 1 + length, "{value}");
        }
        let mut bytes = Vec::new();
        put_u64(&mut bytes, u64::MAX);
        assert_eq!(bytes, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }

    #[test]
    fn a_number_that_ends_too_early_is_truncated_and_consumes_nothing() {
        let mut bytes = Vec::new();
        put_u64(&mut bytes, u64::MAX);
        for length in 0..bytes.len() {
            let mut rest = &bytes[..length];
            assert_eq!(take_u64(&mut rest), Err(DecodeError::Truncated));
            assert_eq!(rest.len(), length);
        }
    }

    #[test]
    fn bits_that_do_not_fit_are_an_error() {
        let bad = Err(DecodeError::BadVarint);
        assert_eq!(take_u16(&mut &[0xff, 0xff, 0x04][..]), Err(DecodeError::BadVarint));
        assert_eq!(take_u32(&mut &[0xff, 0xff, 0xff, 0xff, 0x10][..]), Err(DecodeError::BadVarint));
        let mut eleven = [0x80; 11];
        assert_eq!(take_u64(&mut &eleven[..]), bad);
        eleven[9] = 2;
        assert_eq!(take_u64(&mut &eleven[..]), bad);
        eleven[9] = 1;
        assert_eq!(take_u64(&mut &eleven[..]), Ok(1 << 63));
    }

    #[test]
    fn more_bytes_than_needed_are_accepted_as_postcard_does() {
        assert_eq!(take_u64(&mut &[0x80, 0x00][..]), Ok(0));
    }

    #[test]
    fn zigzag_keeps_small_numbers_of_either_sign_small() {
        assert_eq!([0, -1, 1, -2].map(zigzag_i64), [0, 1, 2, 3]);
        for value in [0, 1, -1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag_i64(zigzag_i64(value)), value);
        }
    }
}
