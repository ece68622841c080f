//! [`Draft`]: an edit that is being made.

use alloc::{string::String, vec::Vec};
use core::ops::Range;

use super::{
    Core, EditError, Never, UpdateError,
    apply::{Drafted, Inverting, Step},
};
use crate::{
    edit::{DynPlace, Edit, Editor, Inverse, Place, Rollback},
    history::OriginIndex,
    id::ReplicaId,
    reduce::Replicated,
    stamp::Stamp,
    time::Time,
};

/// Updates that are reduced already, so that the edit reads what it writes, and recorded nowhere yet.
///
/// Dropped without a commit, also by a panic, it rolls back what they have changed.
struct Draft<'c, R: Replicated + Edit> {
    core: &'c mut Core<R>,
    own: OriginIndex,
    wall: Time,
    /// That of the last update.
    last: Stamp,
    updates: Vec<Written<R>>,
    /// Encoded updates, one after the other.
    payload: Vec<u8>,
    /// What went wrong first. Nothing is written after that.
    mistake: Option<UpdateError>,
    inverting: Inverting,
    /// The inverse of each update, in the order of writing.
    inverses: Inverses<R>,
}

struct Written<R: Replicated + Edit> {
    stamp: Stamp,
    changes: R::Changes,
    payload: Range<usize>,
    rollback: Rollback<R>,
}

/// How each update of an edit is taken back, the last first; `None` where it cannot be.
pub(crate) type Inverses<R> = Vec<Option<Inverse<R>>>;

impl<R: Replicated + Edit> Core<R> {
    /// Edits the state like plain data, as one atomic step: a replica applies all of it or nothing.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// let now = Time::from_micros(1);
    /// let sum = votes.edit(now, |votes| {
    ///     votes.add(3);
    ///     votes.add(4);
    ///     votes.value()
    /// })?;
    /// assert_eq!(sum, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`UpdateError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If the closure does; the replica is unchanged. If `reduce` does; the core is poisoned then.
    pub fn edit<T>(
        &mut self,
        wall: Time,
        edit: impl FnOnce(&mut R::Editor<DynPlace<'_, R>>) -> T,
    ) -> Result<T, UpdateError> {
        let edited =
            self.draft(wall, Inverting::No, |editor| Ok::<_, Never>(edit(&mut editor.into())));
        edited.map(|(value, _)| value).map_err(EditError::without_closure)
    }

    /// The same for an edit that can fail: if the closure returns an error, nothing has happened.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// let edited = votes.try_edit(Time::from_micros(1), |votes| {
    ///     votes.add(5);
    ///     if votes.value() > 3 { Err("too many") } else { Ok(()) }
    /// });
    /// assert_eq!(edited.unwrap_err().to_string(), "too many");
    /// assert_eq!(votes.state()?.value(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`EditError`]; the replica is unchanged.
    ///
    /// # Panics
    ///
    /// If the closure does; the replica is unchanged. If `reduce` does; the core is poisoned then.
    pub fn try_edit<T, E>(
        &mut self,
        wall: Time,
        edit: impl FnOnce(&mut R::Editor<DynPlace<'_, R>>) -> Result<T, E>,
    ) -> Result<T, EditError<E>> {
        let edited = self.draft(wall, Inverting::No, |editor| edit(&mut editor.into()));
        edited.map(|(value, _)| value)
    }

    /// An edit, with how to take it back.
    pub(crate) fn draft<T, E>(
        &mut self,
        wall: Time,
        inverting: Inverting,
        edit: impl FnOnce(Editor<R, DynPlace<'_, R>>) -> Result<T, E>,
    ) -> Result<(T, Inverses<R>), EditError<E>> {
        self.check_writable(wall)?;
        let mut draft = Draft::new(self, wall, inverting);
        let value = edit(Editor::new(&mut draft as DynPlace<'_, R>)).map_err(EditError::Closure)?;
        match draft.mistake.take() {
            Some(mistake) => Err(mistake.into()),
            None => Ok((value, draft.commit())),
        }
    }
}

impl<'c, R: Replicated + Edit> Draft<'c, R> {
    fn new(core: &'c mut Core<R>, wall: Time, inverting: Inverting) -> Self {
        let own = core.applied.intern(core.id());
        let last = core.last_stamp(own);
        let mut payload = core::mem::take(&mut core.encoder.buffer);
        payload.clear();
        let (updates, inverses) = (Vec::new(), Vec::new());
        Self { core, own, wall, last, updates, payload, mistake: None, inverting, inverses }
    }

    fn try_update(&mut self, update: R::Update) -> Result<bool, UpdateError> {
        let start = self.payload.len();
        let (state, limit) = (self.core.applied.state(), self.core.limits.update_bytes);
        self.core.encoder.encode(state, &update, &mut self.payload, limit)?;
        self.core.check_edit_size(self.payload.len())?;
        let stamp = self.core.applied.next_stamp(self.last, self.wall);
        let drafted = self.core.applied.reduce_draft(update, stamp, self.inverting);
        let Some(Drafted { changes, rollback, inverse }) = drafted else {
            // It is forgotten: nobody will hear of it.
            self.payload.truncate(start);
            return Ok(false);
        };
        self.inverses.extend(inverse);
        self.last = stamp;
        let payload = start..self.payload.len();
        self.updates.push(Written { stamp, changes, payload, rollback });
        Ok(true)
    }

    /// Records what was reduced. From here on, nothing is rolled back.
    fn commit(mut self) -> Inverses<R> {
        let updates = core::mem::take(&mut self.updates);
        let (own, first) = (self.own, self.core.history().last(self.own) + 1);
        let count = updates.len();
        for (index, Written { stamp, changes, payload, .. }) in updates.into_iter().enumerate() {
            let step = if index + 1 == count { Step::End } else { Step::Inside };
            let payload = &self.payload[payload];
            self.core.applied.commit_draft(own, stamp, changes, payload, step);
        }
        self.core.mark_edit(own, first);
        let mut inverses = core::mem::take(&mut self.inverses);
        inverses.reverse();
        inverses
    }
}

impl<R: Replicated + Edit> Place<R> for Draft<'_, R> {
    fn state(&self) -> &R {
        self.core.applied.state()
    }

    fn update(&mut self, update: R::Update) -> bool {
        // An edit that will do nothing need not be carried on.
        if self.mistake.is_some() {
            return false;
        }
        self.try_update(update).unwrap_or_else(|mistake| {
            self.mistake = Some(mistake);
            false
        })
    }

    fn refuse(&mut self, reason: String) {
        self.mistake.get_or_insert(UpdateError::Refused { reason });
    }

    fn origin(&self) -> ReplicaId {
        self.core.id()
    }

    fn now(&self) -> Time {
        self.wall
    }
}

impl<R: Replicated + Edit> Drop for Draft<'_, R> {
    fn drop(&mut self) {
        // Kept for its memory.
        self.core.encoder.buffer = core::mem::take(&mut self.payload);
        let rollbacks = self.updates.drain(..).rev().map(|Written { rollback, .. }| rollback);
        self.core.applied.roll_back(rollbacks);
    }
}
