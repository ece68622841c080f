//! [`Reader`]: reads a journal, with a progress bar.

use std::path::{Path, PathBuf};

use repred::{
    error::JournalReadError,
    journal::{Files, JournalEvent, JournalReader},
};

use crate::{failure::Failure, progress::Progress};

/// Reads a journal, also while a program uses it. Shows a progress bar if that takes long.
pub(crate) struct Reader {
    folder: PathBuf,
    journal: JournalReader<Files>,
    /// `None` where a bar would be in the way.
    progress: Option<Progress>,
}

impl Reader {
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let files =
            Files::read_only(folder).map_err(|error| Failure::Folder(folder.to_owned(), error))?;
        let journal = JournalReader::open(files)
            .map_err(|error| Failure::Read(folder.to_owned(), Box::new(error)))?;
        let progress = Some(Progress::new("reading", journal.size()));
        Ok(Self { folder: folder.to_owned(), journal, progress })
    }

    /// Without a progress bar, for a command that prints while it reads.
    pub(crate) fn without_bar(self) -> Self {
        Self { progress: None, ..self }
    }

    pub(crate) fn journal(&self) -> &JournalReader<Files> {
        &self.journal
    }

    /// The next event, with an error that does not name the folder.
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
        Some(next.map_err(|error| Failure::Read(self.folder.clone(), Box::new(error))))
    }
}
