//! Writing updates: each by itself, or several as one atomic step.

use alloc::vec::Vec;

use super::{Core, UpdateError, apply::Step};
use crate::{
    history::{OriginIndex, SeqRange},
    receipt::Receipt,
    reduce::Replicated,
    stamp::Stamp,
    time::Time,
};

impl<R: Replicated> Core<R> {
    /// Writes an update: stamps it, reduces it, keeps it for others.
    ///
    /// An update that changes nothing is not kept and gets no stamp. `wall` is the time now; a clock that
    /// stands still or steps back a little does no harm. If it steps back a lot, stamps are far ahead of it, and
    /// nothing is written until it has come near; see [`clock_ahead`](Self::clock_ahead).
    ///
    /// ```
    /// use repred::{Dot, GrowSet, Time, sans_io::Core};
    ///
    /// let mut numbers = Core::new(0xa.into(), GrowSet::<u32>::default());
    /// let receipt = numbers.update(7, Time::from_micros(1))?;
    /// assert_eq!(receipt.stamp().unwrap().dot, Dot::new(0xa.into(), 1));
    /// let again = numbers.update(7, Time::from_micros(2))?;
    /// assert!(again.stamp().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If `reduce` does; the core is poisoned then.
    pub fn update(
        &mut self,
        update: R::Update,
        wall: Time,
    ) -> Result<Receipt<R::Changes>, UpdateError> {
        self.check_writable(wall)?;
        let mut payload = core::mem::take(&mut self.encoder.buffer);
        payload.clear();
        let (state, limit) = (self.applied.state(), self.limits.update_bytes);
        let result = self.encoder.encode(state, &update, &mut payload, limit);
        let receipt = result.map(|()| self.write(update, &payload, wall, Step::End));
        self.encoder.buffer = payload;
        receipt
    }

    /// Writes several updates as one atomic step: a replica applies all of them or none.
    ///
    /// ```
    /// use repred::{GrowSet, Time, sans_io::Core};
    ///
    /// let mut numbers = Core::new(0xa.into(), GrowSet::<u32>::default());
    /// let receipts = numbers.update_all([7, 8], Time::from_micros(1))?;
    /// assert_eq!(receipts.len(), 2);
    /// assert_eq!(numbers.version().to_string(), "{a:2}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If `reduce` does; the core is poisoned then.
    pub fn update_all(
        &mut self,
        updates: impl IntoIterator<Item = R::Update>,
        wall: Time,
    ) -> Result<Vec<Receipt<R::Changes>>, UpdateError> {
        self.check_writable(wall)?;
        let mut payload = Vec::new();
        let mut encoded = Vec::new();
        for update in updates {
            let start = payload.len();
            let (state, limit) = (self.applied.state(), self.limits.update_bytes);
            self.encoder.encode(state, &update, &mut payload, limit)?;
            self.check_edit_size(payload.len())?;
            encoded.push((update, start..payload.len()));
        }
        let own = self.applied.intern(self.id());
        let first = self.history().last(own) + 1;
        let written = encoded.into_iter();
        let receipts = written
            .map(|(update, range)| self.write(update, &payload[range], wall, Step::Inside))
            .collect();
        self.applied.end_step();
        self.mark_edit(own, first);
        Ok(receipts)
    }

    /// Stamps an encoded update and applies it.
    #[inline]
    fn write(
        &mut self,
        update: R::Update,
        payload: &[u8],
        wall: Time,
        step: Step,
    ) -> Receipt<R::Changes> {
        let own = self.applied.intern(self.id());
        let stamp = self.applied.next_stamp(self.last_stamp(own), wall);
        self.applied.local(own, stamp, update, payload, step)
    }

    /// The lower bound for the next local stamp: the dot of our last update, with the largest time seen so far. It is
    /// the stamp of no update.
    pub(super) fn last_stamp(&self, own: OriginIndex) -> Stamp {
        Stamp::new(self.applied.latest_time(), self.id(), self.history().last(own))
    }

    /// Makes one edit of the local updates from `first` on.
    pub(super) fn mark_edit(&mut self, own: OriginIndex, first: u64) {
        let last = self.history().last(own);
        if last > first {
            self.applied.mark_edit(SeqRange { origin: own, first, last });
        }
    }

    pub(super) fn check_edit_size(&self, size: usize) -> Result<(), UpdateError> {
        let limit = self.limits.edit_bytes;
        if size > limit { Err(UpdateError::EditTooLarge { size, limit }) } else { Ok(()) }
    }
}
