//! [`ReplicaBuilder`]: sets up a replica.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    clock::Clock, journal_parts::JournalSettings, platform::Platform, random::Random,
    replica::Replica, shared::Shared, timer::Timer,
};
use crate::{
    core::{Core, CoreLimits},
    document::DocumentId,
    id::ReplicaId,
    reduce::Replicated,
    schema::Schema,
    session::{PeerIdentity, SessionConfig, SessionLimits},
};

impl<R: Replicated> Replica<R> {
    /// A replica that has seen nothing, with a random id. Every replica of a state has to begin with the same value.
    ///
    /// Not on WebAssembly: see [`builder_on`](Self::builder_on).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// assert_eq!(votes.read(|votes| votes.value())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(state: R) -> Self {
        Self::builder(state).build()
    }

    /// Sets up a replica with other settings than the defaults.
    ///
    /// Not on WebAssembly: see [`builder_on`](Self::builder_on).
    ///
    /// ```
    /// use std::time::Duration;
    /// use repred::{GrowSet, Replica, Schema};
    ///
    /// let tags = Replica::builder(GrowSet::<String>::default())
    ///     .schema(Schema::new("tags", 1))
    ///     .timeout(Duration::from_secs(60))
    ///     .check_divergence(Duration::from_secs(1))
    ///     .build();
    /// assert!(tags.read(|tags| tags.is_empty())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(not(target_family = "wasm"))]
    pub fn builder(state: R) -> ReplicaBuilder<R> {
        ReplicaBuilder::new(Platform::system(), state)
    }

    /// Sets up a replica on a platform whose clock, timer and random numbers are not the operating system's.
    /// [`Platform`] has an example.
    ///
    /// On WebAssembly this is the only way to begin: the standard library has no clock and no random numbers there,
    /// so the program passes in those of its host. A program that calls [`new`](Self::new) does not compile there.
    pub fn builder_on(platform: Platform, state: R) -> ReplicaBuilder<R> {
        ReplicaBuilder::new(platform, state)
    }
}

/// Sets up a [`Replica`]; see [`Replica::builder`].
///
/// ```
/// use repred::{Counter, Replica};
///
/// let votes = Replica::builder(Counter::default()).id(7.into()).keep_everything().build();
/// assert_eq!(votes.id()?, 7.into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing before `build` or `open`"]
pub struct ReplicaBuilder<R: Replicated> {
    state: R,
    id: Option<ReplicaId>,
    document: DocumentId,
    platform: Platform,
    limits: CoreLimits,
    config: SessionConfig,
    keeps_everything: bool,
    pub(super) journal: JournalSettings,
}

impl<R: Replicated> ReplicaBuilder<R> {
    fn new(platform: Platform, state: R) -> Self {
        Self {
            state,
            id: None,
            document: DocumentId::NONE,
            platform,
            limits: CoreLimits::default(),
            config: SessionConfig::for_state::<R>(),
            keeps_everything: false,
            journal: JournalSettings::default(),
        }
    }

    /// The id of the replica. No replica may ever have used it, this one included. Default: random.
    ///
    /// A replica with a journal continues under the id that it had, where that is safe; this id is for a new journal,
    /// and for where it is not.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).id(0xa.into()).build();
    /// assert_eq!(votes.id()?, 0xa.into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(mut self, id: ReplicaId) -> Self {
        self.id = Some(id);
        self
    }

    /// The document that this is a replica of, where there are several of one schema. Peers with another one are
    /// refused ([`SessionError::Document`](crate::error::SessionError::Document)), and so is a journal of another
    /// one. Default: [`DocumentId::NONE`].
    ///
    /// ```
    /// use repred::{Counter, Replica, error::{OpenError, SessionError}, journal::Memory};
    ///
    /// let disk = Memory::new();
    /// Replica::builder(Counter::default()).document(1.into()).open_in(disk.clone())?.close()?;
    /// let other = Replica::builder(Counter::default()).document(2.into()).open_in(disk);
    /// assert!(matches!(other, Err(OpenError::Content(SessionError::Document { .. }))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn document(mut self, document: DocumentId) -> Self {
        self.document = document;
        self
    }

    /// What the updates mean. Only replicas with the same schema connect.
    ///
    /// Default: the name of the state's type, version 0. Name the schema if two programs share a state, or if two
    /// states of one program have the same type.
    ///
    /// ```
    /// use repred::{Counter, Replica, Schema};
    ///
    /// let votes = Replica::builder(Counter::default()).schema(Schema::new("votes", 1)).build();
    /// # let _ = votes;
    /// ```
    #[doc(alias("topic", "version"))]
    pub fn schema(mut self, schema: Schema) -> Self {
        self.config.schema = schema;
        self
    }

    /// Believes every peer what it says its id is: for networks in which whoever can connect is trusted. Without this, what
    /// a peer confirms to have counts for [trimming](crate::Trimming) only if its connection was told
    /// [who it is](crate::Connection::authenticated_as). Otherwise one peer could confirm everything in the name of
    /// others, and what they lack would be trimmed.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).trust_ids().build();
    /// # let _ = votes;
    /// ```
    pub fn trust_ids(mut self) -> Self {
        self.config.identity = PeerIdentity::Trusted;
        self
    }

    /// Where the time comes from. Default: the operating system's clocks.
    ///
    /// ```
    /// use repred::{Counter, Replica, Time};
    ///
    /// let noon = || Time::from_micros(43_200_000_000);
    /// let votes = Replica::builder(Counter::default()).clock(noon).build();
    /// assert_eq!(votes.update(1)?.stamp().unwrap().time, noon());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.platform.clock = Arc::new(clock);
        self
    }

    /// What wakes connections at a deadline. Default: one thread for all replicas of the process.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// // Under tokio: `.timer(tokio::time::sleep)`.
    /// let votes = Replica::builder(Counter::default()).timer(futures_timer::Delay::new).build();
    /// # let _ = votes;
    /// ```
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.platform.timer = Arc::new(timer);
        self
    }

    /// Where ids, and marks that tell copies apart, come from. Default: the operating system's random numbers.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// // A test that has to run the same way again: elsewhere, two replicas would draw the same id.
    /// let votes = Replica::builder(Counter::default()).random(|bytes: &mut [u8]| bytes.fill(1)).build();
    /// assert_eq!(votes.id()?, u128::from_le_bytes([1; 16]).into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("rng", "seed"))]
    pub fn random(mut self, random: impl Random) -> Self {
        self.platform.random = Arc::new(random);
        self
    }

    /// Keeps every update, so that [`Replica::at`] has the state of any version, and [`Replica::is_before`] the order
    /// of any two updates. Default: superseded updates are forgotten.
    ///
    /// ```
    /// use repred::{Register, Replica};
    ///
    /// let title = Replica::builder(Register::<String>::default()).keep_everything().build();
    /// title.edit(|title| title.set("one"))?;
    /// title.edit(|title| title.set("two"))?;
    /// assert_eq!(title.history_len()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_everything(mut self) -> Self {
        self.keeps_everything = true;
        self
    }

    /// Limits of the replica; see [`CoreLimits`].
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).limits(|limits| limits.origins = 1000).build();
    /// # let _ = votes;
    /// ```
    pub fn limits(mut self, set: impl FnOnce(&mut CoreLimits)) -> Self {
        set(&mut self.limits);
        self
    }

    /// Limits of what a connection accepts from its peer; see [`SessionLimits`].
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let small = Replica::builder(Counter::default())
    ///     .session_limits(|limits| limits.snapshot_bytes = 1 << 20)
    ///     .build();
    /// # let _ = small;
    /// ```
    pub fn session_limits(mut self, set: impl FnOnce(&mut SessionLimits)) -> Self {
        set(&mut self.config.limits);
        self
    }

    /// How long a connection sends nothing before it sends a ping. Default: five seconds.
    ///
    /// ```
    /// use std::time::Duration;
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).keep_alive(Duration::from_secs(1)).build();
    /// # let _ = votes;
    /// ```
    #[doc(alias("heartbeat", "ping"))]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.config.keep_alive = interval;
        self
    }

    /// How long a connection waits for a peer that sends nothing, or reads nothing. It has to be a few times the peer's
    /// [`keep_alive`](Self::keep_alive). Default: twenty seconds.
    ///
    /// ```
    /// use std::time::Duration;
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).timeout(Duration::from_secs(60)).build();
    /// # let _ = votes;
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// Compares states with peers that do so, too, whenever versions are equal, but not more often than this. A
    /// reducer that does not commute then ends the connection with
    /// [`SessionError::Diverged`](crate::error::SessionError::Diverged) instead of going unnoticed. Default: never.
    ///
    /// Each comparison costs an encoding of the state, which has to be canonical: that of a `BTreeMap` is, that of a
    /// `HashMap` is not.
    ///
    /// ```
    /// use std::time::Duration;
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).check_divergence(Duration::from_secs(10)).build();
    /// # let _ = votes;
    /// ```
    #[doc(alias("checksum", "anti-entropy"))]
    pub fn check_divergence(mut self, interval: Duration) -> Self {
        self.config.check_divergence = Some(interval);
        self
    }

    /// Makes the replica, in memory. With a journal: [`open`](Self::open).
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).build();
    /// assert_eq!(votes.read(|votes| votes.value())?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers and no id was given.
    pub fn build(self) -> Replica<R> {
        let is_chosen = self.id.is_some();
        let Parts { mut core, platform, config, .. } = self.into_parts();
        if is_chosen {
            // Another may be given the same, and what is saved of this one may be loaded under it.
            core.begin_epoch(platform.random_number());
        } else {
            core.begin_no_epochs();
        }
        Replica::of(Shared::new(core, platform, config))
    }

    pub(super) fn into_parts(self) -> Parts<R> {
        let id = self.id.unwrap_or_else(|| self.platform.random_id());
        let mut core = Core::with_limits(id, self.state, self.limits);
        core.set_document(self.document);
        if self.keeps_everything {
            core.keep_everything();
        }
        let Self { platform, config, journal, .. } = self;
        Parts { core, platform, config, journal }
    }
}

/// What a replica is made of.
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
            .field("document", &self.document)
            .field("limits", &self.limits)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
