//! The state at an earlier version.

use super::{AtError, Core};
use crate::{
    history::{Cursor, Frontier, Missing},
    reduce::Replicated,
    stamp::Stamp,
    version::VersionVector,
};

impl<R: Replicated> Core<R> {
    /// Keeps every update from now on, also superseded ones, for the state [at](Self::at) any version. Also records what
    /// authors had seen, for [which update was written with knowledge of which](Self::is_before). Call it before anything
    /// is written.
    ///
    /// The history then grows with every update, and cannot be trimmed. A snapshot that is adopted is kept
    /// as its beginning, and what others have forgotten stays forgotten.
    ///
    /// ```
    /// use repred::{Register, Time, sans_io::Core};
    ///
    /// let mut title = Core::new(0xa.into(), Register::new(String::new()));
    /// title.keep_everything();
    /// title.edit(Time::from_micros(1), |title| title.set("Shopping"))?;
    /// title.edit(Time::from_micros(2), |title| title.set("Groceries"))?;
    /// assert_eq!(title.history_len(), 2, "the first is superseded, and kept");
    /// assert!(title.trim(&title.version()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "time travel")]
    pub fn keep_everything(&mut self) {
        self.applied.keep_everything();
    }

    /// The state at an earlier version, which must be one that some replica had. `start` is the state that every replica
    /// began with. O(updates up to there, and origins).
    ///
    /// ```
    /// use repred::{Register, Time, sans_io::Core};
    ///
    /// let start = || Register::new(String::new());
    /// let mut title = Core::new(0xa.into(), start());
    /// title.keep_everything();
    /// title.edit(Time::from_micros(1), |title| title.set("Shopping"))?;
    /// let before = title.version();
    /// title.edit(Time::from_micros(2), |title| title.set("Groceries"))?;
    ///
    /// assert_eq!(title.state()?.value(), "Groceries");
    /// assert_eq!(title.at(&before, start())?.value(), "Shopping");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`AtError`]. It never fails for a version that this replica had since it
    /// [keeps everything](Self::keep_everything).
    ///
    /// # Panics
    ///
    /// If `reduce` does.
    pub fn at(&self, version: &VersionVector, mut start: R) -> Result<R, AtError> {
        let (have, floor) = (self.version(), self.floor());
        if !have.covers(version) {
            return Err(AtError::NotSeen { version: have });
        }
        if !version.covers(&floor) {
            return Err(AtError::BelowFloor { floor });
        }
        if !floor.is_empty() {
            let base = self.applied.base().filter(|base| base.version == floor);
            let base = base.ok_or(AtError::BelowFloor { floor: floor.clone() })?;
            start.replace_state(&base.state).map_err(AtError::Decode)?;
        }
        self.reduce_between(&floor, version, &mut start)?;
        Ok(start)
    }

    /// Reduces what `to` has seen and `from` has not.
    fn reduce_between(
        &self,
        from: &VersionVector,
        to: &VersionVector,
        state: &mut R,
    ) -> Result<(), AtError> {
        let history = self.history();
        let mut cursor = Cursor::new(history, Frontier::new(history, from));
        while let Some(missing) = cursor.peek(history) {
            match missing {
                Missing::Entries(entries) => {
                    let id = history.id(entries.origin);
                    for (seq, (time, payload)) in (entries.first_seq..).zip(entries.iter()) {
                        if seq <= to.seq(id) {
                            let update = state.decode_update(payload).map_err(AtError::Decode)?;
                            state.reduce(update, Stamp::new(time, id, seq));
                        }
                    }
                    cursor.took_entries(history, &entries, entries.len);
                }
                Missing::Skip(skip) => {
                    let is_needed = |range: &crate::history::SeqRange| {
                        range.first <= to.seq(history.id(range.origin))
                    };
                    if skip.ranges.iter().any(is_needed) {
                        return Err(AtError::Forgotten);
                    }
                    cursor.took_skip(history, &skip);
                }
            }
        }
        Ok(())
    }
}
