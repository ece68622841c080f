//! `repred compact`: compacts a journal.

use std::{io::Write, path::PathBuf};

use repred::{Schema, journal::JournalEvent};

use crate::{failure::Failure, format::bytes, reader::Reader, ready_made, state_type::StateType};

/// Compact a journal: write it anew, without what is superseded or trimmed; no program may be using it
#[derive(Debug, clap::Args)]
pub(crate) struct Compact {
    /// The folder of the journal
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Compact {
    pub(crate) fn run(
        &self,
        kind: Option<&dyn StateType>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let (before, schema) = self.look()?;
        let Some(kind) = kind else {
            return Err(Failure::Untyped(self.folder.clone(), name(schema)));
        };
        match schema {
            Some(theirs) if !kind.schema().fits(&theirs) => {
                let ours = kind.schema().clone();
                return Err(Failure::Schema(self.folder.clone(), theirs, ours));
            }
            _ => kind.compact(&self.folder)?,
        }
        let (after, _) = self.look()?;
        writeln!(out, "compacted: it had {}, and has {} now", bytes(before), bytes(after))?;
        Ok(())
    }

    /// The size of the journal, and its schema.
    fn look(&self) -> Result<(u64, Option<Schema>), Failure> {
        let mut reader = Reader::open(&self.folder)?;
        let size = reader.journal().size();
        let schema = reader.find_map(|event| match event {
            Ok(JournalEvent::Schema { schema, .. }) => Some(Ok(schema)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        Ok((size, schema.transpose()?))
    }
}

/// The name of the type, as far as the schema says it.
fn name(schema: Option<Schema>) -> String {
    let Some(schema) = schema else { return "of its state".to_owned() };
    ready_made::find(&schema).map_or_else(|| schema.name().to_owned(), |found| found.name)
}
