//! [`Disk`]: what a node knew, in a folder that outlives it.

use std::{io, path::Path};

use repred::{
    Durability,
    journal::{Files, Journal},
    sans_io::{Core, Now, SessionConfig},
};

use crate::store::Store;

/// The journal of a node, in a folder of its name.
#[derive(Debug)]
pub(crate) struct Disk {
    journal: Journal<Files>,
}

impl Disk {
    /// Fills a new core with what it held when the node was killed. It continues under the same id.
    pub(crate) fn open(
        directory: &Path,
        name: &str,
        core: &mut Core<Store>,
        now: Now,
    ) -> io::Result<Self> {
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(io::Error::other(format!("the node's name is no file name: {name:?}")));
        }
        let folder = directory.join(name);
        let blame = |error: &dyn std::error::Error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            io::Error::other(format!("cannot open {}: {error}{cause}", folder.display()))
        };
        let files = Files::open(&folder).map_err(|error| blame(&error))?;
        let config = SessionConfig::for_state::<Store>();
        let journal = Journal::open(files, core, &config, Durability::EveryUpdate, now);
        Ok(Self { journal: journal.map_err(|error| blame(&error))? })
    }

    /// Writes what the core has learnt since. When this returns, it is on the disk.
    pub(crate) fn save(&mut self, core: &mut Core<Store>) -> io::Result<()> {
        let before = self.journal.size();
        self.journal.write(core).map_err(io::Error::other)?;
        // Most of the time nothing is new, and a sync takes as long as ever.
        if self.journal.size() == before {
            return Ok(());
        }
        self.journal.sync().map_err(io::Error::other)
    }
}
