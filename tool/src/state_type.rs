//! [`StateType`]: a state type that the command knows, behind a pointer.

use std::path::Path;

use repred::{
    DocumentId, Durability, Replica, ReplicaId, Replicated, Schema,
    error::{JournalError, OpenError},
    journal::{Files, Journal, JournalReader},
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

/// More origins than any journal can hold.
const ORIGINS: usize = 1 << 24;

/// An id that nobody has, for a core that only reads.
const READER: u128 = 0x7265_7072_6564_2074_6f6f_6c20_7265_6164;

/// A state type that the command knows: what it can do only with the type.
pub(crate) trait StateType {
    /// The schema of its updates.
    fn schema(&self) -> &Schema;

    /// How its updates are shown.
    fn show(&self) -> Show;

    /// The size that the journal in a folder would have if it were compacted. Nothing is changed.
    fn measure(&self, folder: &Path) -> Result<u64, Failure>;

    /// Compacts the journal in a folder.
    fn compact(&self, folder: &Path) -> Result<(), Failure>;
}

/// A state type, and what the program begins with.
pub(crate) struct Typed<R> {
    pub(crate) initial: Box<dyn Fn() -> R>,
    pub(crate) schema: Schema,
    pub(crate) keeps_everything: bool,
}

impl<R: Replicated> Typed<R> {
    fn core(&self, folder: &Path) -> Core<R> {
        let mut core = Core::with_limits(ReplicaId::from(READER), (self.initial)(), limits());
        if self.keeps_everything {
            core.keep_everything();
        }
        core.set_document(document(folder));
        core
    }

    fn open(&self, folder: &Path) -> Result<Replica<R>, OpenError> {
        let builder = Replica::builder((self.initial)()).schema(self.schema.clone());
        let builder = builder.document(document(folder));
        let builder = builder.limits(|most| *most = limits());
        let builder = if self.keeps_everything { builder.keep_everything() } else { builder };
        builder.open(folder)
    }
}

/// The document that a journal is of. What hinders reading that hinders opening it, too, which says why.
fn document(folder: &Path) -> DocumentId {
    let reader = Files::read_only(folder).ok().and_then(|files| JournalReader::open(files).ok());
    reader.map_or(DocumentId::NONE, |reader| reader.document())
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
        let files = Files::read_only(folder).map_err(|error| of_open(error.into()))?;
        let dry = DryRun::new(files, Progress::unknown("reducing"));
        let mut core = self.core(folder);
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
            OpenError::InUse(_) => Failure::InUse(folder.to_owned(), lock_holder::of(folder)),
            error => Failure::Open(folder.to_owned(), error),
        })?;
        let compacted = replica.compact();
        let closed = replica.close();
        compacted.map_err(|error| Failure::Compact(folder.to_owned(), error))?;
        closed.map_err(|error| Failure::Close(folder.to_owned(), error))
    }
}
