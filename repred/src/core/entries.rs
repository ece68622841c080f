//! [`Entry`]: an update as the history has kept it.

use super::{Core, HistoryError};
use crate::{
    encoding::DecodeError,
    history::{Cursor, Frontier, Missing},
    reduce::Replicated,
    stamp::Stamp,
    version::VersionVector,
};

/// An update as the history has kept it; see [`Core::entries_since`](crate::sans_io::Core::entries_since).
///
/// ```
/// use repred::{Counter, Time, VersionVector, sans_io::Core};
///
/// let mut votes = Core::new(0xa.into(), Counter::default());
/// votes.update(3, Time::from_micros(1))?;
/// let entry = votes.entries_since(&VersionVector::new())?.next().unwrap();
/// assert_eq!((entry.stamp.dot.seq, entry.size, entry.update), (1, 1, Ok(3)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<U> {
    /// Its stamp.
    pub stamp: Stamp,
    /// The bytes of its encoding.
    pub size: usize,
    /// What was written.
    pub update: Result<U, DecodeError>,
}

impl<R: Replicated> Core<R> {
    /// The entries that a replica which has seen `since` lacks, in the order in which they were applied here.
    /// Skips are left out. O(origins + missing).
    ///
    /// ```
    /// use repred::{Counter, Time, VersionVector, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// let before = votes.version();
    /// votes.update(4, Time::from_micros(2))?;
    ///
    /// let since: Vec<_> = votes.entries_since(&before)?.map(|entry| entry.update.unwrap()).collect();
    /// assert_eq!(since, [4]);
    /// assert_eq!(votes.entries_since(&VersionVector::new())?.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `since` is below the floor, so that some of what it lacks is trimmed.
    pub fn entries_since(
        &self,
        since: &VersionVector,
    ) -> Result<impl Iterator<Item = Entry<R::Update>> + '_, HistoryError> {
        let history = self.history();
        let frontier = Frontier::new(history, since);
        if !history.reaches(&frontier) {
            return Err(HistoryError::BelowFloor { floor: self.floor() });
        }
        let mut cursor = Cursor::new(history, frontier);
        let runs = core::iter::from_fn(move || {
            loop {
                match cursor.peek(history)? {
                    Missing::Entries(entries) => {
                        cursor.took_entries(history, &entries, entries.len);
                        return Some(entries);
                    }
                    Missing::Skip(skip) => cursor.took_skip(history, &skip),
                }
            }
        });
        Ok(runs.flat_map(move |entries| {
            let id = history.id(entries.origin);
            (entries.first_seq..).zip(entries.iter()).map(move |(seq, (time, payload))| Entry {
                stamp: Stamp::new(time, id, seq),
                size: payload.len(),
                update: self.applied.state().decode_update(payload),
            })
        }))
    }
}
