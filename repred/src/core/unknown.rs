//! What later versions of the program have said, which this one keeps and passes on.

use super::Core;
use crate::{
    reduce::Replicated,
    unknowns::{UnknownKind, Unknowns},
};

impl<R: Replicated> Core<R> {
    /// How many messages, items and records of later versions of repred are kept here, which this version passes on
    /// without understanding them.
    ///
    /// ```
    /// use repred::{Counter, sans_io::Core};
    ///
    /// let votes = Core::new(0xa.into(), Counter::default());
    /// assert_eq!(votes.unknown_kept(), 0);
    /// ```
    pub fn unknown_kept(&self) -> usize {
        self.unknowns.len()
    }

    /// How often something of a later version of repred has come that is not kept, and not passed on, because it is
    /// longer than 4 KiB, or because 64 KiB are kept already. Upgrade this program if there is any.
    ///
    /// ```
    /// use repred::{Counter, sans_io::Core};
    ///
    /// let votes = Core::new(0xa.into(), Counter::default());
    /// assert_eq!(votes.unknown_not_kept(), 0);
    /// ```
    pub fn unknown_not_kept(&self) -> u64 {
        self.unknowns.not_kept()
    }

    pub(crate) fn unknowns(&self) -> &Unknowns {
        &self.unknowns
    }

    /// Keeps something of a later version of the program. Returns its place; `None` if there is no room.
    pub(crate) fn keep_unknown(&mut self, kind: UnknownKind, bytes: &[u8]) -> Option<usize> {
        self.unknowns.keep(kind, bytes)
    }
}
