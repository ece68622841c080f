//! [`Core`]: one copy of the state, without any I/O.

mod adoption;
mod block;
mod draft;
mod error;
mod holding;
mod order;
mod past;
mod policy;
mod restoring;
mod receiving;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

pub use self::error::{
    AdoptError, AtError, EditError, HistoryError, OrderError, ReceiveError, SnapshotError,
    TrimError, UpdateError,
};
pub(crate) use self::{
    block::{Block, BlockItem},
    draft::{Inverses, Inverting},
    error::Never,
    policy::{IfUnknown, ReceivePolicy},
    receiving::Received,
};

use crate::{
    changes::Changes,
    encoding::DecodeError,
    event::{EventRing, ReplicaEvent},
    history::{Cursor, Frontier, History, Missing, OriginIndex, Position, SeqRange},
    id::ReplicaId,
    log_position::LogPosition,
    receipt::Receipt,
    reduce::Replicated,
    snapshot::{self, Snapshot},
    stamp::Stamp,
    time::{HybridClock, MAX_WALL, Time},
    unavailable::Unavailable,
    version::VersionVector,
};

/// One copy of the state, with its version and its history, and nothing that waits or does I/O.
///
/// This is what a [`Replica`](crate::Replica) shares between threads and tasks. Use it by itself where
/// time, chance and delivery should be your own: in a simulation, on a device without an executor, in a
/// game's loop. The wall time is an argument wherever it matters; conversations with peers are
/// [`Session`](crate::sans_io::Session)s.
///
/// State, version and history move together, in one private function, or not at all. If `reduce` panics
/// in there, the core is *poisoned*: its state may be half changed, so reads and writes fail from then on.
///
/// ```
/// use repred::{Counter, Time, sans_io::Core};
///
/// let mut votes = Core::new(0xa.into(), Counter::default());
/// let receipt = votes.update(3, Time::from_micros(1))?;
/// assert_eq!(receipt.stamp().unwrap().dot.seq, 1);
/// assert_eq!(votes.state()?.value(), 3);
/// assert_eq!(votes.version().to_string(), "{a:1}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Core<R: Replicated> {
    id: ReplicaId,
    state: R,
    history: History,
    /// What the history begins with, if everything is kept from there on.
    base: Option<Snapshot>,
    /// What is reduced, if that is less than what is here: the rest is deferred.
    reduced: Option<VersionVector>,
    /// The newest version of the schema of which there may be updates here.
    newest_schema: u32,
    clock: HybridClock,
    events: EventRing<R::Changes>,
    limits: CoreLimits,
    /// Stays set when user code panics.
    is_reducing: bool,
    /// Somebody knows updates under our id that we have not written: see [`needs_new_id`].
    ///
    /// [`needs_new_id`]: Core::needs_new_id
    id_is_taken: bool,
    /// How often the state was given up for another.
    discards: u64,
    /// How many entries came that were known already.
    known_again: u64,
    /// Of the current version, once it was asked for.
    version_hash: Option<u128>,
    /// Shapes of updates that can be decoded.
    shapes: Shapes,
    /// Where updates are encoded, kept for its memory.
    scratch: Vec<u8>,
}

/// What a [`Core`] takes at most. Each limit bounds memory that others could make it use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreLimits {
    /// Bytes of one encoded update. Default 1 MiB: it has to fit a frame, and frames are held whole.
    pub update_bytes: usize,
    /// Bytes of all updates of one edit. Default 16 MiB: a peer takes an edit in as one, and so has to
    /// hold all of it.
    pub edit_bytes: usize,
    /// Origins in the version. Default 40,000: a version entry takes some hundred bytes, and a digest of
    /// two versions has to fit a message.
    pub origins: usize,
    /// How far ahead of our wall clock a time may be. Default five minutes: a single wrong clock would
    /// take everybody's with it, since no stamp is behind any seen before.
    pub time_ahead: Duration,
    /// Events kept for slow observers. Default 1,024.
    pub events: usize,
}

impl Default for CoreLimits {
    fn default() -> Self {
        Self {
            update_bytes: 1 << 20,
            edit_bytes: 16 << 20,
            origins: 40_000,
            time_ahead: Duration::from_secs(300),
            events: 1024,
        }
    }
}

/// What is to become of an update that turns out to have changed nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfEmpty {
    /// It is ours and nobody has heard of it: it gets no dot.
    Forget,
    /// Only its place is kept.
    Skip,
    /// It is kept: the reason for its being empty may be taken in together with it.
    Keep,
}

/// Whether an atomic step ends with an update.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Inside,
    End,
}

impl<R: Replicated> Core<R> {
    /// A replica that has seen nothing. Every replica of a network must begin with the same `state`,
    /// and with an id that no other ever had.
    pub fn new(id: ReplicaId, state: R) -> Self {
        Self::with_limits(id, state, CoreLimits::default())
    }

    /// The same with other limits.
    pub fn with_limits(id: ReplicaId, state: R, limits: CoreLimits) -> Self {
        Self {
            id,
            state,
            history: History::new(),
            base: None,
            reduced: None,
            newest_schema: 0,
            clock: HybridClock::default(),
            events: EventRing::new(limits.events),
            limits,
            is_reducing: false,
            id_is_taken: false,
            discards: 0,
            known_again: 0,
            version_hash: None,
            shapes: Shapes::default(),
            scratch: Vec::new(),
        }
    }

    // ---- getters ----

    /// The id under which updates are written here.
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// The limits it was made with.
    pub fn limits(&self) -> &CoreLimits {
        &self.limits
    }

    /// The state.
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked.
    pub fn state(&self) -> Result<&R, Unavailable> {
        self.check_health()?;
        Ok(&self.state)
    }

    /// What has been seen. O(origins).
    pub fn version(&self) -> VersionVector {
        self.history.version()
    }

    /// What is trimmed: a peer that has not seen all of this gets a snapshot. O(origins).
    pub fn floor(&self) -> VersionVector {
        self.history.floor()
    }

    /// How many entries the history keeps. Skips do not count. O(entries / 1024) at best, O(entries) where
    /// most were forgotten.
    pub fn history_len(&self) -> usize {
        self.history.entries()
    }

    /// About how many bytes the history takes: payloads, stamps and index.
    pub fn history_memory(&self) -> usize {
        self.history.memory()
    }

    /// The largest time handed out or seen.
    pub fn latest_time(&self) -> Time {
        self.clock.latest()
    }

    /// A hash of the version: equal versions have equal hashes, and others do not, for all that chance
    /// can do (128 bits). O(origins) after a change of the version, O(1) until the next.
    pub fn version_hash(&mut self) -> u128 {
        let history = &self.history;
        *self.version_hash.get_or_insert_with(|| hash_version(history))
    }

    /// A hash of the encoded state, for telling whether two replicas of equal version agree. O(state).
    ///
    /// It needs a canonical encoding: equal states must give equal bytes, as a `BTreeMap` does and a
    /// `HashMap` does not.
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked, or serde cannot carry the state.
    pub fn state_digest(&self) -> Result<u128, SnapshotError> {
        Ok(snapshot::digest([&*self.encode_state()?]))
    }

    /// The state and the version it stands for. O(state).
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked, or serde cannot carry the state.
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let state = self.encode_state()?;
        Ok(Snapshot { version: self.reduced(), time: self.clock.latest(), state })
    }

    /// The entries that whoever has seen `since` lacks, in the order in which they were taken in here.
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
    /// let since: Vec<_> = votes.history(&before)?.map(|entry| entry.update.unwrap()).collect();
    /// assert_eq!(since, [4]);
    /// assert_eq!(votes.history(&VersionVector::new())?.count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `since` is below the floor, so that some of what it lacks is trimmed.
    pub fn history(
        &self,
        since: &VersionVector,
    ) -> Result<impl Iterator<Item = Entry<R::Update>> + '_, HistoryError> {
        let known = Frontier::new(&self.history, since);
        if !self.history.reaches(&known) {
            return Err(HistoryError::BelowFloor { floor: self.floor() });
        }
        let mut cursor = Cursor::new(&self.history, known);
        let pieces = std::iter::from_fn(move || {
            loop {
                match cursor.peek(&self.history)? {
                    Missing::Entries(entries) => {
                        cursor.took_entries(&self.history, &entries, entries.len);
                        return Some(entries);
                    }
                    Missing::Skip(skip) => cursor.took_skip(&self.history, &skip),
                }
            }
        });
        Ok(pieces.flat_map(move |entries| {
            let id = self.history.id(entries.origin);
            (entries.first_seq..).zip(entries.iter()).map(move |(seq, (time, payload))| Entry {
                stamp: Stamp::new(time, id, seq),
                size: payload.len(),
                update: self.state.decode_update(payload),
            })
        }))
    }

    // ---- writing ----

    /// Writes an update: stamps it, reduces it, keeps it for others.
    ///
    /// An update that changes nothing is not kept and gets no stamp. `wall` is the time now; a clock that
    /// stands still or steps back does no harm.
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
        self.check_writable()?;
        let mut payload = std::mem::take(&mut self.scratch);
        payload.clear();
        let result = self.encode_update(&update, &mut payload);
        let receipt = result.map(|()| self.write(update, &payload, wall, Step::End));
        self.scratch = payload;
        receipt
    }

    /// Writes several updates as one atomic step: whoever has taken in one of them has taken in all.
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
        self.check_writable()?;
        let mut payload = Vec::new();
        let mut encoded = Vec::new();
        for update in updates {
            let start = payload.len();
            self.encode_update(&update, &mut payload)?;
            if payload.len() > self.limits.edit_bytes {
                let limit = self.limits.edit_bytes;
                return Err(UpdateError::EditTooLarge { size: payload.len(), limit });
            }
            encoded.push((update, start..payload.len()));
        }
        let own = self.history.intern(self.id);
        let first = self.history.last(own) + 1;
        let written = encoded.into_iter();
        let receipts = written
            .map(|(update, range)| self.write(update, &payload[range], wall, Step::Inside))
            .collect();
        self.events.end_step();
        self.mark_edit(own, first);
        Ok(receipts)
    }

    /// Forgets the entries up to a version, which becomes the floor: who has not seen all of it will get
    /// a snapshot.
    ///
    /// Two replicas that have trimmed what the other has not seen can no longer come together, except by
    /// one of them giving up its state. So trim what every replica that counts has seen.
    ///
    /// # Errors
    ///
    /// When `floor` is not covered by the version, or everything is to be kept; nothing is changed.
    pub fn trim(&mut self, floor: &VersionVector) -> Result<(), TrimError> {
        let version = self.reduced();
        if !version.covers(floor) {
            return Err(TrimError::NotSeen { floor: floor.clone(), version });
        }
        if self.history.keeps_everything() {
            return Err(TrimError::KeepsEverything);
        }
        self.history.trim(floor);
        Ok(())
    }

    // ---- identity ----

    /// Whether somebody knows updates under our id that we have not written: we are a restored copy, or
    /// they lie. No update is written until [`set_id`](Self::set_id) has given this core a new id;
    /// otherwise two updates could share a dot.
    pub fn needs_new_id(&self) -> bool {
        self.id_is_taken
    }

    /// Goes on under a new id. What was written under the old one stays written by the old one.
    pub fn set_id(&mut self, id: ReplicaId) {
        self.id = id;
        self.id_is_taken = self.history.origin(id).is_some_and(|own| self.history.last(own) > 0);
    }

    /// Compares what a peer claims to have seen with what we have written.
    pub(crate) fn check_id(&mut self, version: &VersionVector) {
        let own = self.history.origin(self.id).map_or(0, |own| self.history.last(own));
        self.id_is_taken |= version.seq(self.id) > own;
    }

    // ---- the one place ----

    /// Stamps a local update and takes it in.
    fn write(
        &mut self,
        update: R::Update,
        payload: &[u8],
        wall: Time,
        step: Step,
    ) -> Receipt<R::Changes> {
        let own = self.history.intern(self.id);
        let last = Stamp::new(self.clock.latest(), self.id, self.history.last(own));
        let stamp = self.next_stamp(last, wall);
        let receipt = self.take_in(own, stamp, update, payload, IfEmpty::Forget, step);
        if receipt.stamp().is_some() {
            self.record_own_dependencies(own);
        }
        receipt
    }

    /// The stamp of the local update after `last`, whose time is the largest there is.
    fn next_stamp(&self, last: Stamp, wall: Time) -> Stamp {
        let mut clock = self.clock;
        clock.observe(last.time);
        Stamp::new(clock.next(wall.min(MAX_WALL)), self.id, last.dot.seq + 1)
    }

    /// Makes one edit of the local updates from `first` on.
    fn mark_edit(&mut self, own: OriginIndex, first: u64) {
        let last = self.history.last(own);
        if last > first {
            self.history.mark_edit(SeqRange { origin: own, first, last });
        }
    }

    /// Reduces an update that has been verified, and records it.
    fn take_in(
        &mut self,
        origin: OriginIndex,
        stamp: Stamp,
        update: R::Update,
        payload: &[u8],
        if_empty: IfEmpty,
        step: Step,
    ) -> Receipt<R::Changes> {
        // Everything that is the user's code happens while this is set.
        self.is_reducing = true;
        let changes = self.state.reduce(update, stamp);
        let is_empty = changes.is_empty();
        self.is_reducing = false;
        match if_empty {
            IfEmpty::Forget if is_empty => Receipt::unchanged(changes),
            IfEmpty::Skip if is_empty && !self.history.keeps_everything() => {
                self.history.push_empty(origin, stamp.time);
                self.observe(stamp);
                Receipt::alone(stamp, changes)
            }
            _ => self.record(origin, stamp, changes, payload, step),
        }
    }

    /// Moves version and history after an update whose changes are in the state. Nothing else does, but for
    /// what leaves only its place.
    fn record(
        &mut self,
        origin: OriginIndex,
        stamp: Stamp,
        changes: R::Changes,
        payload: &[u8],
        step: Step,
    ) -> Receipt<R::Changes> {
        debug_assert_eq!(stamp.dot.seq, self.history.last(origin) + 1);
        self.is_reducing = true;
        let is_empty = changes.is_empty();
        let position: Position = self.history.push(origin, stamp.time, payload);
        changes.superseded(&mut |dot| self.history.expire(dot, position));
        self.is_reducing = false;
        self.observe(stamp);
        if let Some(reduced) = &mut self.reduced {
            reduced.observe(stamp.dot);
        }
        if is_empty || !self.events.is_observed() {
            return Receipt::alone(stamp, changes);
        }
        let changes = Arc::new(changes);
        let ends_step = step == Step::End;
        self.events.push(ReplicaEvent::Changed { stamp, changes: Arc::clone(&changes), ends_step });
        Receipt::shared(stamp, changes)
    }

    /// Takes note of a stamp that was used.
    fn observe(&mut self, stamp: Stamp) {
        self.clock.observe(stamp.time);
        self.version_hash = None;
    }

    // ---- checks ----

    pub(crate) fn check_health(&self) -> Result<(), Unavailable> {
        if self.is_reducing { Err(Unavailable::Poisoned) } else { Ok(()) }
    }

    fn check_writable(&self) -> Result<(), UpdateError> {
        self.check_health()?;
        if self.id_is_taken { Err(UpdateError::IdTaken { id: self.id }) } else { Ok(()) }
    }

    /// How long to wait until a time is no longer too far ahead.
    pub(crate) fn too_far_ahead(&self, time: Time, wall: Time) -> Option<Duration> {
        // So it is with nearly every entry, and durations are slow to make.
        if time <= wall {
            return None;
        }
        let ahead = time.since(wall);
        (ahead > self.limits.time_ahead).then(|| ahead - self.limits.time_ahead)
    }

    fn encode_update(
        &mut self,
        update: &R::Update,
        bytes: &mut Vec<u8>,
    ) -> Result<(), UpdateError> {
        let start = bytes.len();
        let shape = self.state.encode_update(update, bytes).map_err(UpdateError::Encode)?;
        // serde can write what it cannot read back from a format without names, such as a tagged enum.
        // Nobody could take in such an update, nor anything after it. One of each shape tells; in debug
        // builds also those whose values their own type would refuse.
        if cfg!(debug_assertions) || !self.shapes.contains(shape) {
            self.state.decode_update(&bytes[start..]).map_err(UpdateError::Decode)?;
            self.shapes.insert(shape);
        }
        let (size, limit) = (bytes.len() - start, self.limits.update_bytes);
        if size > limit { Err(UpdateError::TooLarge { size, limit }) } else { Ok(()) }
    }

    fn encode_state(&self) -> Result<Vec<u8>, SnapshotError> {
        self.check_health()?;
        let mut bytes = Vec::new();
        self.state.write_state(&mut bytes).map_err(SnapshotError::Encode)?;
        Ok(bytes)
    }

    // ---- for sessions, observers and journals ----

    /// Where the history stands. It moves with any change.
    pub(crate) fn log_position(&self) -> LogPosition {
        LogPosition { end: self.history.end(), generation: self.history.generation() }
    }

    /// How many entries came that were known already.
    pub(crate) fn known_again(&self) -> u64 {
        self.known_again
    }

    /// Changes when the state is given up for another: what peers think we have, we may have no more.
    pub(crate) fn discards(&self) -> u64 {
        self.discards
    }

    pub(crate) fn entries(&self) -> &History {
        &self.history
    }

    pub(crate) fn entries_mut(&mut self) -> &mut History {
        &mut self.history
    }

    pub(crate) fn events(&self) -> &EventRing<R::Changes> {
        &self.events
    }

    pub(crate) fn events_mut(&mut self) -> &mut EventRing<R::Changes> {
        &mut self.events
    }
}

/// Hashes of shapes; of very many different ones not all are kept.
#[derive(Default)]
struct Shapes {
    /// Most updates are of the same shape as the one before.
    last: Option<u64>,
    all: BTreeSet<u64>,
}

impl Shapes {
    const MOST: usize = 4096;

    #[inline]
    fn contains(&mut self, shape: u64) -> bool {
        if self.last == Some(shape) {
            return true;
        }
        let is_known = self.all.contains(&shape);
        if is_known {
            self.last = Some(shape);
        }
        is_known
    }

    fn insert(&mut self, shape: u64) {
        if self.all.len() < Self::MOST {
            self.all.insert(shape);
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

impl<R: Replicated> fmt::Debug for Core<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("id", &self.id)
            .field("version", &self.version())
            .field("floor", &self.floor())
            .field("poisoned", &self.is_reducing)
            .finish_non_exhaustive()
    }
}

/// An update as the history has kept it; see [`Core::history`].
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
