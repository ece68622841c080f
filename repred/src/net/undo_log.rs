//! [`UndoLog`]: undo and redo of one's own edits.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
};

use super::replica::Replica;
use crate::{
    core::{Core, EditError, Inverses, Inverting, Never, UpdateError},
    edit::{DynPlace, Edit},
    reduce::Replicated,
    stamp::Dot,
    time::Time,
};

/// Undo and redo of the edits that were made through this log.
///
/// The log undoes what was written through it, edit by edit, and leaves alone what others have written. Undoing is an
/// edit like any other: it writes updates that take back those of the edit. It takes back only what is still as the edit
/// left it: a register that somebody else has written since keeps their value.
///
/// | type | undoing |
/// |---|---|
/// | [`Counter`](crate::Counter) | adds the opposite |
/// | [`Register`](crate::Register), [`Flag`](crate::Flag), [`LwwMap`](crate::LwwMap) | writes what was there before |
/// | [`MultiRegister`](crate::MultiRegister) | writes the latest of what was there before |
/// | [`Set`](crate::Set) | removes what was inserted, inserts what was removed |
/// | [`Map`](crate::Map) | as the value's type has it; a key that was removed comes back as it was seen |
/// | sets and counters that only grow, `Max`, events, and fields with a function | cannot be taken back |
///
/// ```
/// use repred::{Replica, Set, UndoLog};
///
/// let tags = Replica::new(Set::<String>::default());
/// let mut log = UndoLog::new(&tags);
/// log.edit(|tags| tags.insert("drinks"))?;
/// log.undo()?;
/// assert!(tags.read(|tags| tags.is_empty())?);
/// log.redo()?;
/// assert!(tags.read(|tags| tags.contains("drinks"))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("undo", "redo", "undo manager", "revert"))]
pub struct UndoLog<R: Replicated + Edit> {
    replica: Replica<R>,
    /// How to take back each edit, the latest last.
    done: VecDeque<Inverses<R>>,
    undone: Vec<Inverses<R>>,
    limit: usize,
    /// The dots of all updates that were written through this log, by undoing and redoing, too. An inverse may only
    /// revert values that these produced.
    written: BTreeSet<Dot>,
}

/// More of what was written is not remembered.
const MOST_WRITTEN: usize = 100_000;

/// What became of [`UndoLog::undo`] or [`UndoLog::redo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// There was no edit to take back.
    Nothing,
    /// The edit was taken back, as far as nobody else has written there since.
    Edit,
    /// Part of the edit cannot be taken back, and stays; the rest was.
    Part,
}

impl<R: Replicated + Edit> UndoLog<R> {
    /// A log of up to a thousand edits.
    ///
    /// ```
    /// use repred::{Counter, Replica, UndoLog};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert_eq!(UndoLog::new(&votes).undo_len(), 0);
    /// ```
    pub fn new(replica: &Replica<R>) -> Self {
        Self::with_limit(replica, 1000)
    }

    /// A log of up to `limit` edits, at least one. The earliest are dropped.
    ///
    /// ```
    /// use repred::{Counter, Replica, UndoLog};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut log = UndoLog::with_limit(&votes, 2);
    /// for _ in 0..3 {
    ///     log.edit(|votes| votes.add(1))?;
    /// }
    /// assert_eq!(log.undo_len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_limit(replica: &Replica<R>, limit: usize) -> Self {
        let replica = replica.clone();
        let (done, undone, written) = (VecDeque::new(), Vec::new(), BTreeSet::new());
        Self { replica, done, undone, limit: limit.max(1), written }
    }

    /// Edits the state as [`Replica::edit`] does, so that it can be undone. Edits that were undone before can no
    /// longer be redone.
    ///
    /// ```
    /// use repred::{Counter, Replica, UndoLog};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut log = UndoLog::new(&votes);
    /// log.edit(|votes| votes.add(3))?;
    /// log.undo()?;
    /// assert_eq!(votes.read(|votes| votes.value())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica and the log are unchanged.
    ///
    /// # Panics
    ///
    /// As [`Replica::edit`].
    pub fn edit<T>(
        &mut self,
        edit: impl FnOnce(&mut R::Editor<DynPlace<'_, R>>) -> T,
    ) -> Result<T, UpdateError> {
        let edited = self.try_edit(|editor| Ok::<_, Never>(edit(editor)));
        edited.map_err(EditError::without_closure)
    }

    /// Edits the state as [`Replica::try_edit`] does, so that it can be undone.
    ///
    /// ```
    /// use repred::{Counter, Replica, UndoLog};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut log = UndoLog::new(&votes);
    /// let refused = log.try_edit(|votes| {
    ///     votes.add(3);
    ///     Err::<(), _>("changed my mind")
    /// });
    /// assert!(refused.is_err());
    /// assert_eq!(log.undo_len(), 0);
    /// ```
    ///
    /// # Errors
    ///
    /// See [`EditError`]; the replica and the log are unchanged.
    ///
    /// # Panics
    ///
    /// As [`Replica::try_edit`].
    pub fn try_edit<T, E>(
        &mut self,
        edit: impl FnOnce(&mut R::Editor<DynPlace<'_, R>>) -> Result<T, E>,
    ) -> Result<T, EditError<E>> {
        let draft = |core: &mut Core<R>, wall| {
            let first = next_dot(core);
            let drafted = core.draft(wall, Inverting::Yes, |editor| edit(&mut editor.into()))?;
            Ok((drafted, first, next_dot(core)))
        };
        let ((value, inverses), first, next): (_, _, _) =
            self.replica.write::<_, EditError<E>>(draft)?;
        self.note(first, next);
        if !inverses.is_empty() {
            self.undone.clear();
            self.push(inverses);
        }
        Ok(value)
    }

    /// Undoes the latest edit that is not undone yet.
    ///
    /// ```
    /// use repred::{Counter, Replica, UndoLog, Undone};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut log = UndoLog::new(&votes);
    /// log.edit(|votes| votes.add(3))?;
    /// assert_eq!(log.undo()?, Undone::Edit);
    /// assert_eq!(log.undo()?, Undone::Nothing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged, and the edit can no longer be undone.
    ///
    /// # Panics
    ///
    /// If `reduce` does; the replica is poisoned then.
    pub fn undo(&mut self) -> Result<Undone, UpdateError> {
        let Some(inverses) = self.done.pop_back() else { return Ok(Undone::Nothing) };
        let (undone, inverses) = self.take_back(inverses)?;
        self.undone.push(inverses);
        Ok(undone)
    }

    /// Redoes the edit that was undone last.
    ///
    /// ```
    /// use repred::{Counter, Replica, UndoLog, Undone};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut log = UndoLog::new(&votes);
    /// log.edit(|votes| votes.add(3))?;
    /// log.undo()?;
    /// assert_eq!(log.redo()?, Undone::Edit);
    /// assert_eq!(votes.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged, and the edit can no longer be redone.
    ///
    /// # Panics
    ///
    /// If `reduce` does; the replica is poisoned then.
    pub fn redo(&mut self) -> Result<Undone, UpdateError> {
        let Some(inverses) = self.undone.pop() else { return Ok(Undone::Nothing) };
        let (undone, inverses) = self.take_back(inverses)?;
        self.push(inverses);
        Ok(undone)
    }

    /// How many edits can be undone.
    ///
    /// ```
    /// use repred::{Counter, Replica, UndoLog};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut log = UndoLog::new(&votes);
    /// log.edit(|votes| votes.add(3))?;
    /// assert_eq!(log.undo_len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn undo_len(&self) -> usize {
        self.done.len()
    }

    /// How many edits can be redone.
    ///
    /// ```
    /// use repred::{Counter, Replica, UndoLog};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let mut log = UndoLog::new(&votes);
    /// log.edit(|votes| votes.add(3))?;
    /// log.undo()?;
    /// assert_eq!(log.redo_len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn redo_len(&self) -> usize {
        self.undone.len()
    }

    /// Records what was written.
    fn note(&mut self, first: Dot, next: Dot) {
        self.written.extend((first.seq..next.seq).map(|seq| Dot::new(first.origin, seq)));
        while self.written.len() > MOST_WRITTEN {
            self.written.pop_first();
        }
    }

    fn push(&mut self, inverses: Inverses<R>) {
        if self.done.len() == self.limit {
            self.done.pop_front();
        }
        self.done.push_back(inverses);
    }

    /// Undoes an edit, and returns how to undo that.
    fn take_back(&mut self, inverses: Inverses<R>) -> Result<(Undone, Inverses<R>), UpdateError> {
        let is_whole = inverses.iter().all(Option::is_some);
        let written = &self.written;
        let draft = |core: &mut Core<R>, wall: Time| {
            let first = next_dot(core);
            let is_ours = |dot: Dot| {
                written.contains(&dot) || dot.origin == first.origin && dot.seq >= first.seq
            };
            let drafted = core.draft(wall, Inverting::Yes, |mut editor| {
                for inverse in inverses.into_iter().flatten() {
                    for update in inverse(&editor, &is_ours) {
                        editor.update(update);
                    }
                }
                Ok::<_, Never>(())
            })?;
            Ok((drafted, first, next_dot(core)))
        };
        let written = self.replica.write::<_, EditError<Never>>(draft);
        let (((), inverses), first, next) = written.map_err(EditError::without_closure)?;
        self.note(first, next);
        Ok((if is_whole { Undone::Edit } else { Undone::Part }, inverses))
    }
}

/// The dot that the next local update gets.
fn next_dot<R: Replicated>(core: &Core<R>) -> Dot {
    Dot::new(core.id(), core.version().seq(core.id()) + 1)
}

impl<R: Replicated + Edit> fmt::Debug for UndoLog<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UndoLog")
            .field("undo", &self.done.len())
            .field("redo", &self.undone.len())
            .finish_non_exhaustive()
    }
}
