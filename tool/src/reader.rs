//! [`Reader`]: a journal that is read, with a bar if it takes long.

use std::path::{Path, PathBuf};

use repred::{
    error::JournalReadError,
    journal::{Files, JournalEvent, JournalReader},
};

use crate::{failure::Failure, progress::Progress};

/// A journal that is read, also while it is in use.
pub(crate) struct Reader {
    folder: PathBuf,
    journal: JournalReader<Files>,
    /// `None` where it would be in the way.
    progress: Option<Progress>,
}

impl Reader {
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let files =
            Files::read_only(folder).map_err(|error| Failure::Folder(folder.to_owned(), error))?;
        let journal =
            JournalReader::open(files).map_err(|error| Failure::Read(folder.to_owned(), error))?;
        let progress = Some(Progress::new("reading", journal.size()));
        Ok(Self { folder: folder.to_owned(), journal, progress })
    }

    /// The same without a bar, for who writes to the terminal what is read.
    pub(crate) fn without_bar(self) -> Self {
        Self { progress: None, ..self }
    }

    pub(crate) fn journal(&self) -> &JournalReader<Files> {
        &self.journal
    }

    /// The next event, with an error that says nothing of the folder.
    pub(crate) fn advance(&mut self) -> Option<Result<JournalEvent, JournalReadError>> {
        let next = self.journal.next();
        if let Some(progress) = &mut self.progress {
            progress.reach(self.journal.offset());
        }
        next
    }
}

impl Iterator for Reader {
    type Item = Result<JournalEvent, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance()?;
        Some(next.map_err(|error| Failure::Read(self.folder.clone(), error)))
    }
}
