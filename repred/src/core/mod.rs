//! [`Core`]: one copy of the state, without any I/O.
//!
//! Where an update is applied, be it ours or another replica's, is `apply.rs`, and nowhere else.

mod error;
mod limits;
mod policy;
mod block;
mod encoder;
mod reduced;
mod apply;
mod identity;
mod content;
mod update;
mod draft;
mod heads;
mod receive;
mod entries;
mod adopt;
mod rejoin;
mod restore;
mod past;
mod shapes;
mod order;
mod unknown;

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::{fmt, ops::RangeInclusive, time::Duration};

pub(crate) use self::{
    apply::Inverting,
    block::{Block, BlockItem, Received},
    draft::Inverses,
    error::Never,
    policy::{IfUnknown, ReceivePolicy},
};
pub use self::{
    entries::Entry,
    error::{
        AdoptError, AtError, EditError, HistoryError, OrderError, ReceiveError, RejoinError,
        SnapshotError, TrimError, UpdateError,
    },
    limits::CoreLimits,
    rejoin::Rejoined,
};

use self::{apply::Applied, encoder::UpdateEncoder, identity::Identity};
use crate::{
    document::DocumentId,
    encoding::EncodeError,
    event::EventRing,
    history::{History, Pin, Position, WithEpochs},
    id::ReplicaId,
    log_position::LogPosition,
    reduce::Replicated,
    shape::{Shape, StartHash},
    snapshot::{self, Snapshot},
    time::Time,
    unavailable::Unavailable,
    unknowns::Unknowns,
    version::VersionVector,
};

/// One copy of the state, with its version and its history, and nothing that waits or does I/O.
///
/// This is what a [`Replica`](crate::Replica) shares between threads and tasks. Use it by itself where
/// time, chance and delivery should be your own: in a simulation, on a device without an executor, in a
/// game's loop. The wall time is an argument wherever it matters; conversations with peers are
/// [`Session`](crate::sans_io::Session)s.
///
/// State, version and history move together or not at all. If `reduce` panics meanwhile, the core is *poisoned*: its
/// state may be half changed, so reads and writes fail from then on.
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
    identity: Identity,
    /// State, version and history.
    applied: Applied<R>,
    encoder: UpdateEncoder,
    limits: CoreLimits,
    /// The newest version of the schema of which there may be updates here.
    newest_schema: u32,
    /// How often the state was given up for another.
    discards: u64,
    unknowns: Unknowns,
    /// The state that every replica begins with, encoded.
    start: Result<Arc<[u8]>, EncodeError>,
    /// Former ids under which updates were written here, and the last seq of each that was. What has a later one comes
    /// from elsewhere.
    own_ids: BTreeMap<ReplicaId, u64>,
    rejoined: Option<Rejoined>,
    /// Of the state that it was made with.
    start_hash: StartHash,
    /// What its types ask of a format, once that was asked for.
    shape: Option<Arc<Shape>>,
    /// Of the shape and the start, once that was asked for.
    fingerprint: Option<u64>,
}

impl<R: Replicated> Core<R> {
    /// A replica that has seen nothing. Every replica of a network must begin with the same `state`,
    /// and with an id that no other ever had.
    ///
    /// ```
    /// use repred::{Counter, VersionVector, sans_io::Core};
    ///
    /// let votes = Core::new(0xa.into(), Counter::default());
    /// assert_eq!(votes.version(), VersionVector::new());
    /// ```
    pub fn new(id: ReplicaId, state: R) -> Self {
        Self::with_limits(id, state, CoreLimits::default())
    }

    /// The same with other limits.
    ///
    /// ```
    /// use repred::{
    ///     Counter,
    ///     sans_io::{Core, CoreLimits},
    /// };
    ///
    /// let mut limits = CoreLimits::default();
    /// limits.origins = 1000;
    /// let votes = Core::with_limits(0xa.into(), Counter::default(), limits);
    /// assert_eq!(votes.limits().origins, 1000);
    /// ```
    pub fn with_limits(id: ReplicaId, state: R, limits: CoreLimits) -> Self {
        let start_hash = state.start_hash();
        let mut start = Vec::new();
        let encoded = state.write_state(&mut start);
        Self {
            start: encoded.map(|()| start.into()),
            own_ids: BTreeMap::new(),
            rejoined: None,
            identity: Identity::Ours(id),
            applied: Applied::new(state, limits.events),
            encoder: UpdateEncoder::default(),
            limits,
            newest_schema: 0,
            discards: 0,
            unknowns: Unknowns::default(),
            start_hash,
            shape: None,
            fingerprint: None,
        }
    }

    /// Makes this a replica of a document. Call it before anything is written or received.
    ///
    /// ```
    /// use repred::{Counter, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.set_document(0x9011.into());
    /// assert_eq!(votes.document(), 0x9011.into());
    /// ```
    pub fn set_document(&mut self, document: DocumentId) {
        self.applied.content().set_document(document.to_bytes());
    }

    // ---- getters ----

    /// The limits it was made with.
    ///
    /// ```
    /// use repred::{Counter, sans_io::Core};
    ///
    /// let votes = Core::new(0xa.into(), Counter::default());
    /// assert_eq!(votes.limits().update_bytes, 1 << 20);
    /// ```
    pub fn limits(&self) -> &CoreLimits {
        &self.limits
    }

    /// The document that this is a replica of.
    ///
    /// ```
    /// use repred::{Counter, DocumentId, sans_io::Core};
    ///
    /// let votes = Core::new(0xa.into(), Counter::default());
    /// assert_eq!(votes.document(), DocumentId::NONE);
    /// ```
    pub fn document(&self) -> DocumentId {
        DocumentId::from_bytes(self.history().document())
    }

    /// The state.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// assert_eq!(votes.state()?.value(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked.
    pub fn state(&self) -> Result<&R, Unavailable> {
        self.check_health()?;
        Ok(self.applied.state())
    }

    /// The version: which updates of each origin this core has. O(origins).
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// assert_eq!(votes.version().to_string(), "{a:1}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn version(&self) -> VersionVector {
        self.history().version()
    }

    /// What is reduced: less than the [`version`](Self::version) while updates of a newer version of the
    /// program are deferred, and then not [in order](Self::in_order). O(origins).
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// assert_eq!(votes.reduced(), votes.version());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reduced(&self) -> VersionVector {
        self.applied.reduced().version().cloned().unwrap_or_else(|| self.version())
    }

    /// What was reduced in the order in which it arrived, without a gap: the [`version`](Self::version), or, while
    /// something is deferred, what was here before the first deferred update. Only this can be
    /// [trimmed](Self::trim), and is in [snapshots](Self::snapshot). O(origins).
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// assert_eq!(votes.in_order(), votes.version());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn in_order(&self) -> VersionVector {
        match self.applied.reduced().in_order() {
            None => self.version(),
            Some(Ok(snapshot)) => snapshot.version.clone(),
            // There is no state to go with it.
            Some(Err(_)) => self.floor(),
        }
    }

    /// How many updates are deferred: kept and passed on, but not reduced, because a newer version of the program wrote
    /// them, or because their origin wrote them after such an update. What others write is reduced. O(origins).
    ///
    /// The updates are reduced once this program is upgraded and reads its journal again. See
    /// [`let_go`](Self::let_go) for those that nobody will ever read.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// assert_eq!(votes.deferred(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deferred(&self) -> u64 {
        self.applied.reduced().version().map_or(0, |reduced| self.version().ahead_of(reduced))
    }

    /// Gives up the deferred updates of an origin: they count as reduced, without any effect on the state. They are kept
    /// and passed on as before. The way out if no version of the program can decode them: while anything is deferred,
    /// superseded updates are not forgotten, nothing that came later is trimmed, and states are not compared with those
    /// of peers. O(origins).
    ///
    /// If a newer program of a peer can decode them after all, its state is another than this replica's from then on.
    /// A replica that reads them again, from its journal, defers them again, unless they were
    /// [trimmed](Self::trim).
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.let_go(0xe.into());
    /// assert_eq!(votes.deferred(), 0);
    /// ```
    pub fn let_go(&mut self, origin: ReplicaId) {
        self.applied.let_go(origin);
    }

    /// The origins of which updates are deferred. O(origins).
    ///
    /// ```
    /// use repred::{Counter, sans_io::Core};
    ///
    /// let votes = Core::new(0xa.into(), Counter::default());
    /// assert_eq!(votes.deferred_origins(), []);
    /// ```
    pub fn deferred_origins(&self) -> Vec<ReplicaId> {
        match self.applied.reduced().version() {
            None => Vec::new(),
            Some(reduced) => self
                .history()
                .seqs()
                .filter(|&(id, seq)| reduced.seq(id) < seq)
                .map(|(id, _)| id)
                .collect(),
        }
    }

    /// What is trimmed: a peer that has not seen all of this gets a snapshot. O(origins).
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// assert!(votes.floor().is_empty());
    /// votes.trim(&votes.version())?;
    /// assert_eq!(votes.floor(), votes.version());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "low watermark")]
    pub fn floor(&self) -> VersionVector {
        self.history().floor()
    }

    /// How many entries the history keeps. Skips do not count. O(entries / 1024) at best, O(entries) where
    /// most were forgotten.
    ///
    /// ```
    /// use repred::{Register, Time, sans_io::Core};
    ///
    /// let mut title = Core::new(0xa.into(), Register::new(String::new()));
    /// title.edit(Time::from_micros(1), |title| title.set("Shopping"))?;
    /// title.edit(Time::from_micros(2), |title| title.set("Groceries"))?;
    /// assert_eq!(title.history_len(), 1, "the first is superseded");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn history_len(&self) -> usize {
        self.history().entry_count()
    }

    /// About how many bytes the history takes: payloads, stamps and index. O(entries / 1024) at best.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// let before = votes.history_memory();
    /// votes.update(3, Time::from_micros(1))?;
    /// assert!(votes.history_memory() > before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn history_memory(&self) -> usize {
        self.history().memory()
    }

    /// The largest time that was used here or seen.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// let receipt = votes.update(3, Time::from_micros(1))?;
    /// assert_eq!(votes.latest_time(), receipt.stamp().unwrap().time);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn latest_time(&self) -> Time {
        self.applied.latest_time()
    }

    /// A hash of the version, of 128 bits: equal versions have equal hashes, and others differ, except with negligible
    /// probability. O(origins) after a change of the version, O(1) until the next.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// let before = votes.version_hash();
    /// votes.update(3, Time::from_micros(1))?;
    /// assert_ne!(votes.version_hash(), before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn version_hash(&mut self) -> u128 {
        self.applied.version_hash()
    }

    /// A hash of the encoded state, for checking whether two replicas of equal version agree. O(state).
    ///
    /// It needs a canonical encoding: equal states must give equal bytes, as a `BTreeMap` does and a
    /// `HashMap` does not.
    ///
    /// ```
    /// use repred::{GrowSet, Time, sans_io::Core};
    ///
    /// let now = Time::from_micros(1);
    /// let mut here = Core::new(0xa.into(), GrowSet::<u32>::default());
    /// let mut there = Core::new(0xb.into(), GrowSet::<u32>::default());
    /// here.update(7, now)?;
    /// assert_ne!(here.state_digest()?, there.state_digest()?);
    /// there.adopt(&here.snapshot()?, now)?;
    /// assert_eq!(here.state_digest()?, there.state_digest()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked, or serde cannot carry the state.
    pub fn state_digest(&self) -> Result<u128, SnapshotError> {
        Ok(snapshot::digest([&*self.encode_state()?]))
    }

    /// The state and the version it stands for: of what is [in order](Self::in_order). O(state).
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// let snapshot = votes.snapshot()?;
    ///
    /// let mut copy = Core::new(0xb.into(), Counter::default());
    /// copy.adopt(&snapshot, Time::from_micros(1))?;
    /// assert_eq!(copy.state()?.value(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `reduce` has panicked, or serde cannot carry the state.
    pub fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        self.check_health()?;
        if let Some(in_order) = self.applied.reduced().in_order() {
            let in_order = in_order.clone().map_err(SnapshotError::Encode)?;
            let seen = self.history().seen_at(&in_order.version, WithEpochs::Yes);
            return Ok(Snapshot { seen, ..in_order });
        }
        let state = self.encode_state()?;
        let version = self.version();
        let seen = self.history().seen_at(&version, WithEpochs::Yes);
        Ok(Snapshot { version, seen, time: self.latest_time(), state })
    }

    // ---- forgetting ----

    /// Forgets the entries up to a version, which becomes the floor: a replica that has not seen all of it will get
    /// a snapshot.
    ///
    /// If each of two replicas has trimmed updates that the other has not seen, they cannot be joined, unless one of them
    /// gives up its state. So trim only what all replicas have seen that may ever connect.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// let stable = votes.version();
    /// votes.update(4, Time::from_micros(2))?;
    ///
    /// votes.trim(&stable)?;
    /// assert_eq!(votes.history_len(), 1);
    /// assert_eq!(votes.state()?.value(), 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `floor` is not covered by the version, or everything is to be kept; nothing is changed.
    #[doc(alias = "fold")]
    #[doc(alias = "truncate")]
    #[doc(alias = "compact")]
    pub fn trim(&mut self, floor: &VersionVector) -> Result<(), TrimError> {
        let version = self.in_order();
        if !version.covers(floor) {
            return Err(TrimError::NotSeen { floor: floor.clone(), version });
        }
        if self.history().keeps_everything() {
            return Err(TrimError::KeepsEverything);
        }
        self.applied.trim(floor);
        Ok(())
    }

    // ---- checks ----

    pub(crate) fn check_health(&self) -> Result<(), Unavailable> {
        self.applied.check_health()
    }

    fn check_writable(&self, wall: Time) -> Result<(), UpdateError> {
        self.check_health()?;
        if let Identity::Taken(id) = self.identity {
            return Err(UpdateError::IdTaken { id });
        }
        // So it is with nearly every update, and durations are slow to make.
        if self.latest_time() <= wall {
            return Ok(());
        }
        // Peers whose clock is within the limit of ours may have brought times that are this far ahead.
        let limit = self.limits.time_ahead.saturating_mul(2);
        match self.latest_time().since(wall) {
            by if by > limit => Err(UpdateError::ClockAhead { by, limit }),
            _ => Ok(()),
        }
    }

    /// How far the next stamp is ahead of the wall clock, if that is more than half of what peers take at once
    /// ([`CoreLimits::time_ahead`]): the clock was set back, or a peer's clock is ahead. Peers let what is further ahead
    /// than that wait, and beyond twice that nothing is written ([`UpdateError::ClockAhead`]).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use repred::{Counter, Time, error::UpdateError, sans_io::Core};
    ///
    /// let noon = Time::from_micros(43_200_000_000);
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, noon + Duration::from_secs(3600))?;
    /// assert_eq!(votes.clock_ahead(noon), Some(Duration::from_secs(3600)));
    /// assert!(matches!(votes.update(4, noon), Err(UpdateError::ClockAhead { .. })));
    ///
    /// let nearly = noon + Duration::from_secs(3590);
    /// assert_eq!(votes.clock_ahead(nearly), None);
    /// votes.update(4, nearly)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock_ahead(&self, wall: Time) -> Option<Duration> {
        let by = self.latest_time().since(wall);
        (by > self.limits.time_ahead / 2).then_some(by)
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

    fn encode_state(&self) -> Result<Vec<u8>, SnapshotError> {
        self.check_health()?;
        self.applied.encode_state().map_err(SnapshotError::Encode)
    }

    // ---- for sessions, observers and journals ----

    /// Where the history stands. It moves with any change.
    pub(crate) fn log_position(&self) -> LogPosition {
        let (end, generation) = (self.history().end(), self.history().generation());
        LogPosition { generation, end, beside: self.unknowns.len() as u64 }
    }

    /// Changes when the state is given up for another: what peers think we have, we may have no more.
    pub(crate) fn discards(&self) -> u64 {
        self.discards
    }

    /// The newest version of the schema of which there may be updates here.
    pub(crate) fn newest_schema(&self) -> u32 {
        self.newest_schema
    }

    /// Raises the newest version of the schema to one of which there may be updates here.
    pub(crate) fn note_schema(&mut self, newest: u32) {
        self.newest_schema = newest.max(self.newest_schema);
    }

    pub(crate) fn has_deferred(&self) -> bool {
        !self.applied.reduced().is_all()
    }

    /// Whether some updates of an origin are deferred.
    pub(crate) fn has_deferred_of(&self, origin: ReplicaId) -> bool {
        self.applied.has_deferred_of(origin)
    }

    #[inline]
    pub(crate) fn history(&self) -> &History {
        self.applied.history()
    }

    /// Keeps what lies in a range of the history's positions from being forgotten, until the pin is dropped.
    pub(crate) fn pin(&mut self, range: RangeInclusive<Position>) -> Pin {
        self.applied.pin(range)
    }

    /// Forgets what only pins have kept that were dropped since.
    pub(crate) fn release_pins(&mut self) {
        self.applied.release_pins();
    }

    pub(crate) fn events(&self) -> &EventRing<R::Changes> {
        self.applied.events()
    }

    pub(crate) fn events_mut(&mut self) -> &mut EventRing<R::Changes> {
        self.applied.events_mut()
    }
}

impl<R: Replicated> fmt::Debug for Core<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("id", &self.id())
            .field("version", &self.version())
            .field("floor", &self.floor())
            .field("poisoned", &self.check_health().is_err())
            .finish_non_exhaustive()
    }
}
