//! [`ReplicaBuilder`]: a replica with something set otherwise.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    clock::{Clock, SystemClock},
    log_writer::{self, LogWriter},
    replica::Replica,
    shared::{Shared, random_id},
};
use crate::{
    core::{Core, CoreLimits},
    id::ReplicaId,
    journal::{Durability, Files, IfDamaged, Log, OpenError, Storage, Trimming},
    reduce::Replicated,
    schema::Schema,
    session::{Now, SessionConfig, SessionError, SessionLimits},
};

/// Sets up a [`Replica`]; see [`Replica::builder`].
pub struct ReplicaBuilder<R: Replicated> {
    state: R,
    id: Option<ReplicaId>,
    clock: Arc<dyn Clock>,
    limits: CoreLimits,
    config: SessionConfig,
    keeps_everything: bool,
    durability: Durability,
    if_damaged: IfDamaged,
    trimming: Trimming,
    is_restored: bool,
}

impl<R: Replicated> ReplicaBuilder<R> {
    pub(super) fn new(state: R) -> Self {
        Self {
            state,
            id: None,
            clock: Arc::new(SystemClock),
            limits: CoreLimits::default(),
            config: SessionConfig::for_state::<R>(),
            keeps_everything: false,
            durability: Durability::EveryUpdate,
            if_damaged: IfDamaged::Refuse,
            trimming: Trimming::Never,
            is_restored: false,
        }
    }

    /// The id. It must never have been used, by this or any other replica. Default: a random one. A journal that is
    /// [opened](Self::open) may go on under the id that it had.
    #[must_use]
    pub fn id(mut self, id: ReplicaId) -> Self {
        self.id = Some(id);
        self
    }

    /// What the updates mean. Only replicas with the same schema connect. Default: the name of the
    /// state's type, version 0; name it where two programs share a state, and where two states of one
    /// program have the same type.
    #[must_use]
    pub fn schema(mut self, schema: Schema) -> Self {
        self.config.schema = schema;
        self
    }

    /// The wall clock. Default: the operating system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Keeps every update, so that the state of any version can be told, and the order of any two updates;
    /// see [`Core::keep_everything`]. Default: what is superseded is forgotten.
    #[must_use]
    pub fn keep_everything(mut self) -> Self {
        self.keeps_everything = true;
        self
    }

    /// When an update counts as written, for a replica that is [opened](Self::open). Default: when the disk
    /// says so.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Opens a journal that is [damaged](OpenError::Damaged), or that the disk cannot read from some place on, all
    /// the same, with what comes before that and under a new id. The damaged file is kept under another name. What came after it is lost, but
    /// for what peers have of it. Default: refuse.
    #[must_use]
    pub fn recover(mut self) -> Self {
        self.if_damaged = IfDamaged::Recover;
        self
    }

    /// Opens a journal that is an old copy, such as a restored backup, under a new id: its replica may have written
    /// more since, which others have seen. Without this, it finds out when it meets somebody who knows more, but
    /// what it had written until then would share its name with something else. Default: it is no copy.
    #[must_use]
    pub fn restored(mut self) -> Self {
        self.is_restored = true;
        self
    }

    /// What is trimmed when the journal is compacted. Default: nothing.
    #[must_use]
    pub fn trimming(mut self, trimming: Trimming) -> Self {
        self.trimming = trimming;
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

    /// How often to ping a peer that nothing is sent to. Default five seconds.
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
        let (core, rest) = self.core();
        Replica::of(Shared::new(core, rest.clock, rest.config))
    }

    /// The replica that lives in a folder of files, which is made if there is none: what was acknowledged there
    /// is here again, whatever happened to the process. O(what the journal holds).
    ///
    /// An update is reduced at once and [acknowledged](crate::Receipt) when it is as
    /// [durable](Self::durability) as chosen; no peer hears of it before.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// # let folder = std::env::temp_dir().join(format!("repred-open-{}", std::process::id()));
    /// let votes = Replica::builder(Counter::default()).open(&folder)?;
    /// votes.update(3)?.wait()?;
    /// drop(votes);
    ///
    /// let again = Replica::builder(Counter::default()).open(&folder)?;
    /// assert_eq!(again.read(|votes| votes.value())?, 3);
    /// # drop(again);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    ///
    /// # Panics
    ///
    /// If `reduce` does, or the operating system has no random numbers.
    pub fn open(self, folder: impl AsRef<Path>) -> Result<Replica<R>, OpenError> {
        self.open_in(Files::open(folder).map_err(OpenError::Io)?)
    }

    /// The same in any storage.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    ///
    /// # Panics
    ///
    /// If `reduce` does, or the operating system has no random numbers.
    pub fn open_in(self, storage: impl Storage) -> Result<Replica<R>, OpenError> {
        let (mut core, rest) = self.core();
        let Settings { clock, config, durability, if_damaged, trimming, is_restored } = rest;
        let new_id = core.id();
        let initial = core.snapshot().map_err(SessionError::Snapshot)?.state;
        let now = Now { wall: clock.now(), instant: Instant::now() };
        let (mut log, mut batch_builder) =
            Log::open(storage, &mut core, &config, durability, if_damaged, now)?;
        if is_restored {
            core.set_id(new_id);
            // So that nobody goes on under the old one, whatever happens before the first update.
            log.write_all(&mut core, &mut batch_builder)?;
        }
        let shared = Shared::new(core, clock, config).with_journal(&log, batch_builder);
        let replica = Replica::of(shared);
        let policy = log_writer::WritePolicy { durability, trimming, initial };
        LogWriter::start(replica.shared(), log, policy).map_err(OpenError::Io)?;
        Ok(replica)
    }

    fn core(self) -> (Core<R>, Settings) {
        let id = self.id.unwrap_or_else(random_id);
        let mut core = Core::with_limits(id, self.state, self.limits);
        if self.keeps_everything {
            core.keep_everything();
        }
        let Self { clock, config, durability, if_damaged, trimming, is_restored, .. } = self;
        (core, Settings { clock, config, durability, if_damaged, trimming, is_restored })
    }
}

/// What a builder sets beside the core.
struct Settings {
    clock: Arc<dyn Clock>,
    config: SessionConfig,
    durability: Durability,
    if_damaged: IfDamaged,
    trimming: Trimming,
    is_restored: bool,
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
