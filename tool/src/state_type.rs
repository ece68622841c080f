//! [`StateType`]: the type of a state, for who knows it.

use std::{io, path::Path};

use repred::{
    Durability, Replica, ReplicaId, Replicated, Schema,
    error::{JournalError, OpenError},
    journal::{Files, Journal},
    sans_io::{Core, CoreLimits, Monotonic, Now, SessionConfig},
};

use crate::{
    dry_run::DryRun,
    failure::Failure,
    lock_holder,
    progress::Progress,
    show::{Show, json},
    utc,
};

/// No journal has more origins, or it would be full of them.
const ORIGINS: usize = 1 << 24;

/// An id that nobody has, for a core that only reads.
const READER: u128 = 0x7265_7072_6564_2074_6f6f_6c20_7265_6164;

/// A type of state.
pub(crate) trait StateType {
    /// What its updates mean.
    fn schema(&self) -> &Schema;

    /// How its updates are shown.
    fn show(&self) -> Show;

    /// Opens the journal in a folder without changing anything, and says how many bytes it would
    /// have if it were compacted.
    fn measure(&self, folder: &Path) -> Result<u64, Failure>;

    /// Compacts the journal in a folder.
    fn compact(&self, folder: &Path) -> Result<(), Failure>;
}

/// A type of state, and what it begins with.
pub(crate) struct Typed<R> {
    pub(crate) initial: Box<dyn Fn() -> R>,
    pub(crate) schema: Schema,
    pub(crate) keeps_everything: bool,
}

impl<R: Replicated> Typed<R> {
    fn core(&self) -> Core<R> {
        let mut core = Core::with_limits(ReplicaId::from(READER), (self.initial)(), limits());
        if self.keeps_everything {
            core.keep_everything();
        }
        core
    }

    fn open(&self, folder: &Path) -> Result<Replica<R>, OpenError> {
        let builder = Replica::builder((self.initial)()).schema(self.schema.clone());
        let builder = builder.limits(|most| *most = limits());
        let builder = if self.keeps_everything { builder.keep_everything() } else { builder };
        builder.open(folder)
    }
}

fn limits() -> CoreLimits {
    let mut limits = CoreLimits::default();
    limits.origins = ORIGINS;
    limits
}

impl<R: Replicated> StateType for Typed<R> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn show(&self) -> Show {
        json::<R::Update>
    }

    fn measure(&self, folder: &Path) -> Result<u64, Failure> {
        let of_open = |error| Failure::Open(folder.to_owned(), error);
        let of_compact = |error: JournalError| Failure::Compact(folder.to_owned(), error);
        let files = Files::read_only(folder).map_err(|error| of_open(OpenError::Io(error)))?;
        let dry = DryRun::new(files, Progress::unknown("reducing"));
        let mut core = self.core();
        let config = SessionConfig::new(self.schema.clone());
        let now = Now { wall: utc::now(), monotonic: Monotonic::ZERO };
        let mut journal = Journal::open(dry, &mut core, &config, Durability::EveryUpdate, now)
            .map_err(of_open)?;
        journal.compact(&mut core).map_err(of_compact)?;
        Ok(journal.size())
    }

    fn compact(&self, folder: &Path) -> Result<(), Failure> {
        let _waiting = Progress::waiting("compacting");
        let replica = self.open(folder).map_err(|error| match error {
            OpenError::Io(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Failure::InUse(folder.to_owned(), lock_holder::of(folder))
            }
            error => Failure::Open(folder.to_owned(), error),
        })?;
        let compacted = replica.compact();
        let closed = replica.close();
        compacted.map_err(|error| Failure::Compact(folder.to_owned(), error))?;
        closed.map_err(|error| Failure::Close(folder.to_owned(), error))
    }
}
