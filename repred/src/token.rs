//! [`Token`]: what binds the name of an update to its content.

/// What binds the name of an update, `origin.seq`, to its content: two updates of one name have different tokens.
///
/// A half that is 0 says nothing: the speaker does not know it, or there is no epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Token {
    /// The mark of the [`Epoch`] that the update belongs to.
    pub(crate) epoch: u32,
    /// The mark of the update itself: a hash of its leaf.
    pub(crate) entry: u32,
}

/// The updates of an origin from a seq on, up to the next epoch: those that were written between two openings of the
/// replica that wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// The seq of its first update.
    pub(crate) first: u64,
    /// A random number. 0 says that it is not known which epoch this is, or whether it is one.
    pub(crate) mark: u32,
}

impl Token {
    /// What says nothing.
    pub(crate) const UNKNOWN: Self = Self { epoch: 0, entry: 0 };

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.entry) << 32 | u64::from(self.epoch)).to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        let number = u64::from_le_bytes(bytes);
        Self { epoch: number as u32, entry: (number >> 32) as u32 }
    }

    /// What an acknowledgement says of it; 0 if that is nothing.
    pub(crate) fn check(self) -> u16 {
        // An epoch alone would be taken for another token by whoever knows both halves.
        if self.entry == 0 {
            return 0;
        }
        let folded = self.epoch ^ self.entry;
        (folded >> 16) as u16 ^ folded as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_epoch_and_then_its_entry_in_little_endian() {
        let token = Token { epoch: 0x0403_0201, entry: 0x0807_0605 };
        assert_eq!(token.to_bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(Token::from_bytes(token.to_bytes()), token);
    }

    #[test]
    fn a_check_is_the_four_words_of_a_token_or_nothing() {
        let token = Token { epoch: 0x1000_0200, entry: 0x0030_0004 };
        assert_eq!(token.check(), 0x1000 ^ 0x0200 ^ 0x0030 ^ 0x0004);
        assert_eq!(Token { epoch: 7, entry: 0 }.check(), 0);
    }
}
