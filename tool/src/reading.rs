//! [`Reading`]: a journal that is read, with a bar if it takes long.

use std::path::{Path, PathBuf};

use repred::{Files, Passage, Transcript, TranscriptError};

use crate::{failure::Failure, progress::Progress};

/// A journal that is read, also while it is in use.
pub(crate) struct Reading {
    folder: PathBuf,
    transcript: Transcript<Files>,
    /// `None` where it would be in the way.
    progress: Option<Progress>,
}

impl Reading {
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let files =
            Files::read_only(folder).map_err(|error| Failure::Folder(folder.to_owned(), error))?;
        let transcript = Transcript::open(files)
            .map_err(|error| Failure::Transcript(folder.to_owned(), error))?;
        let progress = Some(Progress::new("reading", transcript.size()));
        Ok(Self { folder: folder.to_owned(), transcript, progress })
    }

    /// The same without a bar, for who writes to the terminal what is read.
    pub(crate) fn without_bar(self) -> Self {
        Self { progress: None, ..self }
    }

    pub(crate) fn transcript(&self) -> &Transcript<Files> {
        &self.transcript
    }

    /// The next passage, with an error that says nothing of the folder.
    pub(crate) fn advance(&mut self) -> Option<Result<Passage, TranscriptError>> {
        let next = self.transcript.next();
        if let Some(progress) = &mut self.progress {
            progress.reach(self.transcript.offset());
        }
        next
    }
}

impl Iterator for Reading {
    type Item = Result<Passage, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance()?;
        Some(next.map_err(|error| Failure::Transcript(self.folder.clone(), error)))
    }
}
