//! [`Identity`]: the id under which updates are written, and whether it is ours alone.

use alloc::collections::BTreeMap;

use super::Core;
use crate::{id::ReplicaId, reduce::Replicated, seen::Seen, version::VersionVector};

/// The id under which updates are written here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Identity {
    Ours(ReplicaId),
    /// Somebody has seen updates under it that we have not written: we are a restored copy, or they lie.
    Taken(ReplicaId),
}

impl Identity {
    #[inline]
    pub(super) fn id(self) -> ReplicaId {
        match self {
            Self::Ours(id) | Self::Taken(id) => id,
        }
    }

    pub(super) fn is_taken(self) -> bool {
        matches!(self, Self::Taken(_))
    }

    pub(super) fn take(&mut self) {
        *self = Self::Taken(self.id());
    }
}

impl<R: Replicated> Core<R> {
    /// The id under which updates are written here.
    ///
    /// ```
    /// use repred::{Counter, ReplicaId, sans_io::Core};
    ///
    /// let votes = Core::new(0xa.into(), Counter::default());
    /// assert_eq!(votes.id(), ReplicaId::from(0xa));
    /// ```
    pub fn id(&self) -> ReplicaId {
        self.identity.id()
    }

    /// Whether somebody knows updates under our id that we have not written: we are a restored copy, or
    /// they lie. No update is written until [`set_id`](Self::set_id) has given this core a new id;
    /// otherwise two updates could share a dot.
    ///
    /// ```
    /// use repred::{Counter, Time, error::UpdateError, sans_io::Core};
    ///
    /// let now = Time::from_micros(1);
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, now)?;
    ///
    /// // A copy that is restored under the same id learns of what the original has written.
    /// let mut restored = Core::new(0xa.into(), Counter::default());
    /// restored.adopt(&votes.snapshot()?, now)?;
    /// assert!(restored.needs_new_id());
    /// assert!(matches!(restored.update(4, now), Err(UpdateError::IdTaken { .. })));
    ///
    /// restored.set_id(0xb.into());
    /// restored.update(4, now)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn needs_new_id(&self) -> bool {
        self.identity.is_taken()
    }

    /// Writes under a new id from now on. What was written under the old one stays written by the old one.
    ///
    /// ```
    /// use repred::{Counter, Time, sans_io::Core};
    ///
    /// let mut votes = Core::new(0xa.into(), Counter::default());
    /// votes.update(3, Time::from_micros(1))?;
    /// votes.set_id(0xb.into());
    /// votes.update(4, Time::from_micros(2))?;
    /// assert_eq!(votes.version().to_string(), "{a:1 b:1}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_id(&mut self, id: ReplicaId) {
        self.note_former_id(self.id());
        self.identity = Identity::Ours(id);
        if self.applied.has_epochs() {
            self.applied.begin_epoch(0);
        }
        if self.last_of(id) > 0 {
            self.identity.take();
        }
    }

    /// Former ids under which updates were written here, each with the last seq of those.
    pub(crate) fn own_ids(&self) -> &BTreeMap<ReplicaId, u64> {
        &self.own_ids
    }

    /// What is here of an id was written here, and what comes later was not.
    pub(crate) fn note_former_id(&mut self, id: ReplicaId) {
        let last = self.last_of(id);
        if last > 0 {
            self.own_ids.entry(id).or_insert(last);
        }
    }

    /// What a log says of former ids.
    pub(crate) fn set_own_ids(&mut self, ids: BTreeMap<ReplicaId, u64>) {
        self.own_ids = ids;
    }

    /// The next update that is written here begins an *epoch*: from it on, what is written here can be told from what a
    /// copy of this replica writes under the same id, whatever is forgotten of both.
    ///
    /// A core begins one by itself with the first update after it was made, and after [`set_id`](Self::set_id). Call
    /// this when a replica is opened again that may have been copied meanwhile, with 32 bits of `chance`. They tell two
    /// copies apart that write the same update at the same time.
    ///
    /// ```
    /// use repred::{Counter, Time, error::AdoptError, sans_io::Core};
    ///
    /// let now = Time::from_micros(1);
    /// let mut one = Core::new(0xa.into(), Counter::default());
    /// let mut copy = Core::new(0xa.into(), Counter::default());
    /// one.begin_epoch(0x5eed_0001);
    /// copy.begin_epoch(0x5eed_0002);
    /// one.update(3, now)?;
    /// copy.update(3, now)?;
    /// assert!(matches!(one.adopt(&copy.snapshot()?, now), Err(AdoptError::Forked(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin_epoch(&mut self, chance: u32) {
        self.applied.begin_epoch(chance);
    }

    /// This replica will never be copied: its id is random, and nothing of it is stored. So it begins no epochs, which
    /// take seven bytes each.
    pub(crate) fn begin_no_epochs(&mut self) {
        self.applied.begin_no_epoch();
    }

    /// Compares what somebody claims to have seen with what we have written.
    pub(crate) fn check_id(&mut self, seen: &Seen) {
        let (own, last) = (self.id(), self.last_of(self.id()));
        if seen.heads().iter().any(|head| head.id == own && head.seq > last) {
            self.identity.take();
        }
    }

    /// Whether a version has seen updates under our id that are not here.
    pub(super) fn is_ahead_of_us(&self, version: &VersionVector) -> bool {
        version.seq(self.id()) > self.last_of(self.id())
    }

    /// Whether this is the id under which updates are written here, or was one.
    pub(super) fn has_written_as(&self, id: ReplicaId) -> bool {
        self.id() == id || self.own_ids.contains_key(&id)
    }

    pub(super) fn last_of(&self, id: ReplicaId) -> u64 {
        let history = self.history();
        history.origin(id).map_or(0, |origin| history.last(origin))
    }
}
