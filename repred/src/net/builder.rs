//! [`ReplicaBuilder`]: sets up a replica that does not take all defaults.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    clock::Clock, journaled::JournalSettings, platform::Platform, random::Random, replica::Replica,
    shared::Shared, timer::Timer,
};
use crate::{
    core::{Core, CoreLimits},
    id::ReplicaId,
    reduce::Replicated,
    schema::Schema,
    session::{SessionConfig, SessionLimits},
};

/// Sets up a [`Replica`]; see [`Replica::builder`].
pub struct ReplicaBuilder<R: Replicated> {
    state: R,
    id: Option<ReplicaId>,
    platform: Platform,
    limits: CoreLimits,
    config: SessionConfig,
    keeps_everything: bool,
    pub(super) journal: JournalSettings,
}

impl<R: Replicated> ReplicaBuilder<R> {
    pub(super) fn new(platform: Platform, state: R) -> Self {
        Self {
            state,
            id: None,
            platform,
            limits: CoreLimits::default(),
            config: SessionConfig::for_state::<R>(),
            keeps_everything: false,
            journal: JournalSettings::default(),
        }
    }

    /// The id. It must never have been used, by this or any other replica. Default: a random one. A journal that is
    /// [opened](Self::open) may go on under the id that it had.
    #[must_use]
    pub fn id(mut self, id: ReplicaId) -> Self {
        self.id = Some(id);
        self
    }

    /// What the updates mean; only replicas whose schemas fit connect. Default: the name of the state's type, version
    /// 0. Give a name of your own if two programs share the state, or if two states of one program have the same type.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> Self {
        self.config.schema = schema;
        self
    }

    /// Where the time comes from. Default: the operating system's clocks.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.platform.clock = Arc::new(clock);
        self
    }

    /// What wakes connections that wait for a time. Default: one thread for all replicas of the process.
    #[must_use]
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.platform.timer = Arc::new(timer);
        self
    }

    /// Where ids come from. Default: the operating system's random numbers.
    #[must_use]
    pub fn random(mut self, random: impl Random) -> Self {
        self.platform.random = Arc::new(random);
        self
    }

    /// Keeps every update, for the state at any earlier version and the order of any two updates; see
    /// [`Core::keep_everything`]. Default: superseded updates are forgotten.
    #[must_use]
    pub fn keep_everything(mut self) -> Self {
        self.keeps_everything = true;
        self
    }

    /// What the replica takes at most.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).limits(|limits| limits.origins = 1000).build();
    /// ```
    #[must_use]
    pub fn limits(mut self, set: impl FnOnce(&mut CoreLimits)) -> Self {
        set(&mut self.limits);
        self
    }

    /// What a connection takes from its peer at most.
    #[must_use]
    pub fn session_limits(mut self, set: impl FnOnce(&mut SessionLimits)) -> Self {
        set(&mut self.config.limits);
        self
    }

    /// After how long without a message to the peer to send a ping. Default five seconds.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.config.keep_alive = interval;
        self
    }

    /// When to give up a peer that is silent, or takes nothing; a few times its `keep_alive`. Default
    /// twenty seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// Compare states with peers that want it too, whenever versions are equal, this often at most.
    /// Each comparison costs an encoding of the state, which must be canonical (a `BTreeMap` is, a
    /// `HashMap` is not). Default: never.
    #[must_use]
    pub fn check_divergence(mut self, interval: Duration) -> Self {
        self.config.check_divergence = Some(interval);
        self
    }

    /// The replica.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers and no id was given.
    pub fn build(self) -> Replica<R> {
        let Parts { core, platform, config, .. } = self.into_parts();
        Replica::of(Shared::new(core, platform, config))
    }

    pub(super) fn into_parts(self) -> Parts<R> {
        let id = self.id.unwrap_or_else(|| self.platform.random_id());
        let mut core = Core::with_limits(id, self.state, self.limits);
        if self.keeps_everything {
            core.keep_everything();
        }
        let Self { platform, config, journal, .. } = self;
        Parts { core, platform, config, journal }
    }
}

/// What a builder makes a replica of.
pub(super) struct Parts<R: Replicated> {
    pub(super) core: Core<R>,
    pub(super) platform: Platform,
    pub(super) config: SessionConfig,
    pub(super) journal: JournalSettings,
}

impl<R: Replicated> fmt::Debug for ReplicaBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicaBuilder")
            .field("id", &self.id)
            .field("limits", &self.limits)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
