//! [`Identity`]: the id under which updates are written, and whether it is ours alone.

use super::Core;
use crate::{id::ReplicaId, reduce::Replicated, version::VersionVector};

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
        self.identity = Identity::Ours(id);
        if self.last_of(id) > 0 {
            self.identity.take();
        }
    }

    /// Compares what a peer claims to have seen with what we have written.
    pub(crate) fn check_id(&mut self, version: &VersionVector) {
        if self.is_ahead_of_us(version) {
            self.identity.take();
        }
    }

    /// Whether a version has seen updates under our id that are not here.
    pub(super) fn is_ahead_of_us(&self, version: &VersionVector) -> bool {
        version.seq(self.id()) > self.last_of(self.id())
    }

    fn last_of(&self, id: ReplicaId) -> u64 {
        let history = self.history();
        history.origin(id).map_or(0, |origin| history.last(origin))
    }
}
