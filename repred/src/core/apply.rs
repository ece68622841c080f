//! [`Applied`]: the one place where state, version and history move.
//!
//! Every update ends up here, and nothing else can move what is here, because the fields are private to this file:
//!
//! ```text
//!  Core::update ─────────▶ local ──┐
//!  Core::edit ──▶ reduce_draft … commit_draft ──┤
//!                                  ├──▶ reduce the state, append to the history (the version is that of the history),
//!  Core::receive_entry ──▶ remote ─┤    raise the clock, send the event
//!  Core::receive_block ──▶ remote, skip
//!  Core::adopt ──────────▶ adopt ──▶ replace the state, then apply again what it has not seen
//! ```
//!
//! What is passed to it was checked before: it is the next update of its origin, and it was decoded if it is to be
//! reduced.

use alloc::{sync::Arc, vec::Vec};
use core::ops::RangeInclusive;

use super::{AdoptError, RejoinError, reduced::Reduced};
use crate::{
    changes::Changes,
    edit::{Edit, Inverse, Rollback},
    encoding::{DecodeError, EncodeError},
    epochs::Epochs,
    event::{EventRing, ReplicaEvent},
    history::{Dependency, History, Leftover, OriginIndex, Pin, Position, SeqRange},
    id::ReplicaId,
    leaf::Leaf,
    receipt::Receipt,
    reduce::Replicated,
    seen::{OriginHead, Seen},
    snapshot::{self, Snapshot},
    stamp::{Dot, Stamp},
    time::{HybridClock, MAX_WALL, Time},
    token::{Epoch, Token},
    unavailable::Unavailable,
    version::VersionVector,
};

/// A state, and the history of what was applied to it, which move together or not at all.
///
/// The version is that of the history. The state has reduced exactly the history, with two exceptions: deferred
/// entries are in the history only, and while the log of a trimmed history is read, the state is ahead of the
/// history.
pub(super) struct Applied<R: Replicated> {
    state: R,
    history: History,
    reduced: Reduced,
    /// What the history begins with, if everything is kept from there on.
    base: Option<Snapshot>,
    /// The largest time of all that was applied.
    clock: HybridClock,
    events: EventRing<R::Changes>,
    health: Health,
    /// Of the current version, once it was asked for.
    version_hash: Option<u128>,
    own_epoch: OwnEpoch,
}

/// The epoch of what is written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OwnEpoch {
    /// It will not be copied, and begins none.
    None,
    /// The next update begins one, with this share of chance in its mark.
    Next(u32),
    /// It has this mark.
    Begun(u32),
}

/// Whether the state can be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Sound,
    /// The user's code has been called. If it panics, this stays: the state may be half changed.
    InUserCode,
}

/// An update of another replica that was checked, and can be applied.
pub(super) struct Verified<'a, U> {
    pub(super) origin: OriginIndex,
    pub(super) stamp: Stamp,
    pub(super) payload: &'a [u8],
    pub(super) disposition: Disposition<U>,
    /// What its author had newly seen before it, if that is known.
    pub(super) dependencies: Option<&'a [Dependency]>,
}

/// What to do with a received update. Its entry is appended to the history, unless the update changes nothing and
/// `IfEmpty::Skip` applies; then only its place is.
pub(super) enum Disposition<U> {
    Reduce(U),
    /// It is left to a newer version of the program, which knows what it means; so is what its origin wrote after it.
    Defer,
    /// The state has it already.
    Keep,
}

/// What becomes of the entry of an update from elsewhere that turns out to have changed nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IfEmpty {
    /// Only its place is kept.
    Skip,
    /// It is kept: the reason for its being empty may be applied together with it.
    Keep,
}

/// Whether an atomic step ends with an update.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Inside,
    End,
}

/// An update of an edit that the state has reduced, and that is not in the history yet.
pub(super) struct Drafted<R: Replicated + Edit> {
    pub(super) changes: R::Changes,
    pub(super) rollback: Rollback<R>,
    /// How to undo it later: `None` if that was not asked for, `Some(None)` if it cannot be undone.
    pub(super) inverse: Option<Option<Inverse<R>>>,
}

/// What a replica was before it began anew.
pub(super) struct Aside<R: Replicated> {
    /// Encoded.
    state: Vec<u8>,
    history: History,
    reduced: Reduced,
    base: Option<Snapshot>,
    clock: HybridClock,
    events: EventRing<R::Changes>,
    own_epoch: OwnEpoch,
}

impl<R: Replicated> Aside<R> {
    pub(super) fn history(&self) -> &History {
        &self.history
    }
}

/// Whether an edit is asked how to undo it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inverting {
    No,
    Yes,
}

impl<R: Replicated> Applied<R> {
    pub(super) fn new(state: R, events: usize) -> Self {
        Self {
            state,
            history: History::new(),
            reduced: Reduced::All,
            base: None,
            clock: HybridClock::default(),
            events: EventRing::new(events),
            health: Health::Sound,
            version_hash: None,
            own_epoch: OwnEpoch::Next(0),
        }
    }

    // ---- what there is ----

    pub(super) fn check_health(&self) -> Result<(), Unavailable> {
        match self.health {
            Health::Sound => Ok(()),
            Health::InUserCode => Err(Unavailable::Poisoned),
        }
    }

    pub(super) fn state(&self) -> &R {
        &self.state
    }

    pub(super) fn encode_state(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = Vec::new();
        self.state.write_state(&mut bytes)?;
        Ok(bytes)
    }

    #[inline]
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn reduced(&self) -> &Reduced {
        &self.reduced
    }

    pub(super) fn base(&self) -> Option<&Snapshot> {
        self.base.as_ref()
    }

    pub(super) fn latest_time(&self) -> Time {
        self.clock.latest()
    }

    pub(super) fn events(&self) -> &EventRing<R::Changes> {
        &self.events
    }

    pub(super) fn events_mut(&mut self) -> &mut EventRing<R::Changes> {
        &mut self.events
    }

    /// Whether some updates of an origin are deferred; then the next one is as well.
    #[inline]
    pub(super) fn has_deferred_of(&self, origin: ReplicaId) -> bool {
        if self.reduced.is_all() {
            return false;
        }
        let last = self.history.origin(origin).map_or(0, |index| self.history.last(index));
        !self.reduced.contains(Dot::new(origin, last))
    }

    pub(super) fn version_hash(&mut self) -> u128 {
        let history = &self.history;
        *self.version_hash.get_or_insert_with(|| hash_version(history))
    }

    /// The stamp of the local update after `last`, whose time is the largest there is.
    pub(super) fn next_stamp(&self, last: Stamp, wall: Time) -> Stamp {
        let mut clock = self.clock;
        clock.observe(last.time);
        Stamp::new(clock.next(wall.min(MAX_WALL)), last.origin(), last.dot.seq + 1)
    }

    // ---- applying ----

    /// Applies an update that was written here, and is the next of `own`. One that changes nothing is forgotten:
    /// nobody has heard of it, so it needs no dot.
    #[inline]
    pub(super) fn local(
        &mut self,
        own: OriginIndex,
        stamp: Stamp,
        update: R::Update,
        payload: &[u8],
        step: Step,
    ) -> Receipt<R::Changes> {
        let (changes, is_empty) = self.reduce(update, stamp);
        if is_empty {
            return Receipt::unchanged(changes);
        }
        self.record_local(own, stamp, changes, payload, step)
    }

    /// Applies the next update of another replica. If it is the first that is deferred, everything in the history up
    /// to now is marked as reduced, and so is everything in `in_state`, even where its entries have not arrived yet.
    ///
    /// While something is deferred, nothing is forgotten: a state that lacks a cause proves nothing about its effects.
    pub(super) fn remote(
        &mut self,
        entry: Verified<'_, R::Update>,
        if_empty: IfEmpty,
        step: Step,
        in_state: Option<&VersionVector>,
    ) {
        let Verified { origin, stamp, payload, disposition, dependencies } = entry;
        match disposition {
            Disposition::Reduce(update) => {
                let (changes, is_empty) = self.reduce(update, stamp);
                let forgets = if_empty == IfEmpty::Skip
                    && !self.history.keeps_everything()
                    && self.reduced.is_all();
                if is_empty && forgets {
                    self.history.push_empty(origin, stamp.time, payload);
                    self.note_time(stamp.time);
                } else {
                    self.record(origin, stamp, changes, payload, step);
                }
            }
            Disposition::Defer => {
                self.begin_deferring(in_state);
                self.keep(origin, stamp, payload);
            }
            Disposition::Keep => self.keep(origin, stamp, payload),
        }
        self.history.record_dependencies(origin, dependencies);
    }

    /// Applies skips of other replicas: the places of updates that they have forgotten. A peer that gets them from
    /// here must get all up to `barrier` with them.
    pub(super) fn skip(&mut self, ranges: &[SeqRange], barrier: Position) {
        for range in ranges {
            let id = self.history.id(range.origin);
            if !self.has_deferred_of(id) {
                self.reduced.observe(Dot::new(id, range.last));
            }
        }
        self.history.push_skip(ranges, barrier);
        self.version_hash = None;
    }

    /// Makes one edit of updates that were just applied.
    pub(super) fn mark_edit(&mut self, range: SeqRange) {
        self.history.mark_edit(range);
    }

    /// Ends the atomic step that the last updates were of.
    pub(super) fn end_step(&mut self) {
        self.events.end_step();
    }

    /// Keeps the present state, before the first update that is deferred. O(state), once until nothing is deferred.
    pub(super) fn begin_deferring(&mut self, in_state: Option<&VersionVector>) {
        if self.reduced.is_all() {
            let version = self.history.version();
            let version = in_state.map_or(version.clone(), |more| version.merged(more));
            let in_order = self.encode_state().map(|state| Snapshot {
                version: version.clone(),
                // Said when it is given to somebody.
                seen: Seen::default(),
                time: self.latest_time(),
                state,
            });
            self.reduced = Reduced::partly(version, in_order);
            self.events.push(ReplicaEvent::Deferred);
        }
    }

    /// Counts all updates of an origin as reduced, without any effect.
    pub(super) fn let_go(&mut self, origin: ReplicaId) {
        if let Some(index) = self.history.origin(origin) {
            self.reduced.observe(Dot::new(origin, self.history.last(index)));
        }
        let version = self.history.version();
        if self.reduced.version().is_some_and(|reduced| reduced.covers(&version)) {
            self.reduced = Reduced::All;
        }
    }

    /// Reduces an update. Its changes, and whether there are none.
    #[inline]
    fn reduce(&mut self, update: R::Update, stamp: Stamp) -> (R::Changes, bool) {
        self.health = Health::InUserCode;
        let changes = self.state.reduce(update, stamp);
        let is_empty = changes.is_empty();
        self.health = Health::Sound;
        (changes, is_empty)
    }

    /// Appends an update that was written here, and what its author, who is us, had seen: not what is deferred.
    #[inline]
    fn record_local(
        &mut self,
        own: OriginIndex,
        stamp: Stamp,
        changes: R::Changes,
        payload: &[u8],
        step: Step,
    ) -> Receipt<R::Changes> {
        let receipt = self.record(own, stamp, changes, payload, step);
        self.history.record_own_dependencies(own, self.reduced.version());
        if let OwnEpoch::Next(chance) = self.own_epoch {
            let document = self.history.document();
            let mark = Leaf { document, stamp, payload }.epoch_mark(chance);
            self.history.begin_epoch(own, Epoch { first: stamp.dot.seq, mark });
            self.own_epoch = OwnEpoch::Begun(mark);
        }
        receipt
    }

    /// Appends an update to the history after the state has reduced it, and forgets what it has superseded.
    fn record(
        &mut self,
        origin: OriginIndex,
        stamp: Stamp,
        changes: R::Changes,
        payload: &[u8],
        step: Step,
    ) -> Receipt<R::Changes> {
        debug_assert_eq!(stamp.dot.seq, self.history.last(origin) + 1);
        self.health = Health::InUserCode;
        let is_empty = changes.is_empty();
        let position = self.history.push(origin, stamp.time, payload);
        if self.reduced.is_all() {
            changes.superseded(&mut |dot| self.history.expire(dot, position));
        }
        self.health = Health::Sound;
        self.note_time(stamp.time);
        self.reduced.observe(stamp.dot);
        if is_empty || !self.events.is_observed() {
            return Receipt::alone(stamp, changes);
        }
        let changes = Arc::new(changes);
        let ends_step = step == Step::End;
        self.events.push(ReplicaEvent::Changed { stamp, changes: Arc::clone(&changes), ends_step });
        Receipt::shared(stamp, changes)
    }

    /// Appends an update to the history that the state does not reduce now.
    fn keep(&mut self, origin: OriginIndex, stamp: Stamp, payload: &[u8]) {
        self.history.push(origin, stamp.time, payload);
        self.note_time(stamp.time);
    }

    /// Follows a change of the version.
    fn note_time(&mut self, time: Time) {
        self.clock.observe(time);
        self.version_hash = None;
    }

    // ---- forgetting ----

    pub(super) fn trim(&mut self, floor: &VersionVector) {
        self.history.trim(floor);
    }

    /// Trims all that was seen, also what is not in the history.
    pub(super) fn trim_unseen(&mut self, seen: &Seen) {
        self.history.stand_for(seen);
        self.version_hash = None;
    }

    pub(super) fn keep_everything(&mut self) {
        self.history.keep_everything();
    }

    // ---- replacing the state ----

    /// Replaces the state by a snapshot that has seen all up to the floor, and applies again what it has not seen.
    /// `dispositions` are those of all entries that it has not seen.
    ///
    /// If the snapshot cannot be decoded, nothing is changed.
    pub(super) fn adopt(
        &mut self,
        snapshot: &Snapshot,
        dispositions: Vec<Disposition<R::Update>>,
    ) -> Result<(), DecodeError> {
        self.replace_state(snapshot)?;
        let times = self.history.times();
        let before = self.history.version();
        let leftovers = self.history.split_off(&snapshot.version);
        self.replay(leftovers, dispositions);
        for head in snapshot.seen.heads() {
            self.history.learn(head, before.seq(head.id));
        }
        // `split_off` drops the times of superseded entries, so an origin whose last entry was superseded has lost
        // its latest time.
        self.history.raise_times(&times);
        self.begin_at(snapshot);
        Ok(())
    }

    /// Replaces the state by a snapshot, and gives up the history: it is trimmed at `floor`, and has nothing else.
    ///
    /// If the snapshot cannot be decoded, nothing is changed.
    pub(super) fn replace(
        &mut self,
        snapshot: &Snapshot,
        floor: &VersionVector,
    ) -> Result<(), DecodeError> {
        self.replace_state(snapshot)?;
        self.reduced = Reduced::All;
        drop(self.history.split_off(floor));
        self.history.forget_content();
        for head in snapshot.seen.heads() {
            let seq = floor.seq(head.id).min(head.seq);
            // Of what follows the floor, the epochs come with it.
            let epochs: Epochs = head.epochs.iter().copied().collect();
            let epochs = epochs.upto(seq).as_slice().to_vec();
            let token = if seq == head.seq { head.token } else { Token::UNKNOWN };
            self.history.learn(&OriginHead { id: head.id, seq, token, epochs }, 0);
        }
        // No stamp has to be later than what was given up: the way back for whoever wrote when a clock was ahead.
        self.clock = HybridClock::default();
        self.begin_at(snapshot);
        Ok(())
    }

    /// Begins anew with an encoded state, and returns what was here before. No events are sent until that is put back
    /// or dropped.
    pub(super) fn set_aside(&mut self, start: &[u8]) -> Result<Aside<R>, RejoinError> {
        let state = self.encode_state().map_err(RejoinError::Encode)?;
        self.replace_encoded(start)
            .map_err(|error| RejoinError::Adopt(AdoptError::Decode(error)))?;
        self.version_hash = None;
        let history = self.history.successor();
        Ok(Aside {
            state,
            history: core::mem::replace(&mut self.history, history),
            reduced: core::mem::replace(&mut self.reduced, Reduced::All),
            base: self.base.take(),
            clock: core::mem::take(&mut self.clock),
            events: core::mem::replace(&mut self.events, EventRing::new(1)),
            own_epoch: self.own_epoch,
        })
    }

    /// Everything is as it was before it was set aside.
    pub(super) fn put_back(&mut self, aside: Aside<R>) {
        let Aside { state, history, reduced, base, clock, events, own_epoch } = aside;
        // A state that cannot be read back is no state that anybody could go on with.
        self.health = match self.replace_encoded(&state) {
            Ok(()) => self.health,
            Err(_) => Health::InUserCode,
        };
        (self.history, self.reduced, self.base) = (history, reduced, base);
        (self.clock, self.events, self.own_epoch) = (clock, events, own_epoch);
        self.version_hash = None;
    }

    /// What was set aside is of no use any more. Observers are told that they have missed something.
    pub(super) fn drop_aside(&mut self, aside: Aside<R>) {
        self.events = aside.events;
        self.events.clear();
    }

    /// Sends everything from a skip to the end of the history as one block.
    pub(super) fn raise_barriers(&mut self) {
        self.history.raise_barriers();
    }

    /// Forgets what the history began with: every replica begins with the present state.
    pub(super) fn forget_base(&mut self) {
        self.base = None;
    }

    fn replace_state(&mut self, snapshot: &Snapshot) -> Result<(), DecodeError> {
        self.replace_encoded(&snapshot.state)
    }

    fn replace_encoded(&mut self, state: &[u8]) -> Result<(), DecodeError> {
        self.health = Health::InUserCode;
        let result = self.state.replace_state(state);
        self.health = Health::Sound;
        result
    }

    fn replay(&mut self, leftovers: Vec<Leftover>, dispositions: Vec<Disposition<R::Update>>) {
        let mut dispositions = dispositions.into_iter();
        // Begun anew with the first that is deferred.
        self.reduced = Reduced::All;
        for leftover in leftovers {
            match leftover {
                Leftover::Entry(stamp, payload) => {
                    let disposition = dispositions.next();
                    debug_assert!(disposition.is_some(), "every remaining entry was decoded");
                    let entry = Verified {
                        origin: self.history.intern(stamp.origin()),
                        stamp,
                        payload: &payload,
                        disposition: disposition.unwrap_or(Disposition::Defer),
                        dependencies: None,
                    };
                    self.remote(entry, IfEmpty::Keep, Step::Inside, None);
                }
                Leftover::Skip(ranges) => {
                    let ranges: Vec<_> =
                        ranges.into_iter().map(|(dot, count)| self.seq_range(dot, count)).collect();
                    self.history.push_skip(&ranges, 0);
                }
                Leftover::Edit(first, count) => {
                    let range = self.seq_range(first, count);
                    self.history.mark_edit(range);
                }
            }
        }
        self.history.raise_barriers();
    }

    fn seq_range(&mut self, first: Dot, count: u64) -> SeqRange {
        let origin = self.history.intern(first.origin);
        SeqRange { origin, first: first.seq, last: first.seq + count - 1 }
    }

    /// Makes a snapshot, which was just taken as the state, what the history begins with.
    fn begin_at(&mut self, snapshot: &Snapshot) {
        self.base = self.history.keeps_everything().then(|| snapshot.clone());
        self.history.cut_dependencies();
        self.note_time(snapshot.time);
        self.events.clear();
    }

    // ---- content ----

    /// The next update that is written here begins an epoch.
    pub(super) fn begin_epoch(&mut self, chance: u32) {
        self.own_epoch = OwnEpoch::Next(chance);
    }

    /// What is written here is in no epoch.
    pub(super) fn begin_no_epoch(&mut self) {
        self.own_epoch = OwnEpoch::None;
    }

    /// Whether what is written here is in epochs.
    pub(super) fn has_epochs(&self) -> bool {
        self.own_epoch != OwnEpoch::None
    }

    /// The mark of the epoch that was begun here, if any was.
    pub(super) fn own_epoch(&self) -> Option<u32> {
        match self.own_epoch {
            OwnEpoch::Begun(mark) => Some(mark),
            OwnEpoch::None | OwnEpoch::Next(_) => None,
        }
    }

    /// The history, where only what is known of its content changes.
    pub(super) fn content(&mut self) -> &mut History {
        &mut self.history
    }

    // ---- what moves nothing ----

    /// The place of an origin in the history's table, which it gets if it has none.
    pub(super) fn intern(&mut self, id: ReplicaId) -> OriginIndex {
        self.history.intern(id)
    }

    /// Raises the clock: no later stamp is before this time.
    pub(super) fn observe_time(&mut self, time: Time) {
        self.clock.observe(time);
    }

    pub(super) fn pin(&mut self, range: RangeInclusive<Position>) -> Pin {
        self.history.pin(range)
    }

    pub(super) fn release_pins(&mut self) {
        self.history.release();
    }
}

/// An edit reads what it has written, so its updates are reduced before it is known whether it will be made.
impl<R: Replicated + Edit> Applied<R> {
    /// Reduces an update of an edit. `None` if it changed nothing: it is forgotten.
    pub(super) fn reduce_draft(
        &mut self,
        update: R::Update,
        stamp: Stamp,
        inverting: Inverting,
    ) -> Option<Drafted<R>> {
        // All of this is the user's code.
        self.health = Health::InUserCode;
        let inverse = match inverting {
            Inverting::Yes => Some(self.state.inverse(&update, stamp)),
            Inverting::No => None,
        };
        let rollback = self.state.rollback(&update, stamp);
        let changes = self.state.reduce(update, stamp);
        let is_empty = changes.is_empty();
        self.health = Health::Sound;
        (!is_empty).then_some(Drafted { changes, rollback, inverse })
    }

    /// Appends an update of an edit to the history.
    pub(super) fn commit_draft(
        &mut self,
        own: OriginIndex,
        stamp: Stamp,
        changes: R::Changes,
        payload: &[u8],
        step: Step,
    ) {
        self.record_local(own, stamp, changes, payload, step);
    }

    /// Rolls back updates of an edit, the last first. After a panic in `reduce` nobody knows what to roll back.
    pub(super) fn roll_back(&mut self, rollbacks: impl Iterator<Item = Rollback<R>>) {
        if self.health == Health::Sound {
            self.health = Health::InUserCode;
            rollbacks.for_each(|rollback| rollback(&mut self.state));
            self.health = Health::Sound;
        }
    }
}

fn hash_version(history: &History) -> u128 {
    let mut bytes = Vec::with_capacity(history.origins() * 24);
    for (id, seq) in history.seqs() {
        bytes.extend_from_slice(&id.to_bytes());
        bytes.extend_from_slice(&seq.to_le_bytes());
    }
    snapshot::digest([&*bytes])
}
