//! `repred check`: whether a journal is whole.

use std::{io::Write, path::PathBuf};

use repred::error::JournalReadError;

use crate::{
    failure::Failure,
    format::{bytes, count, with_sources},
    problems::problems,
    reader::Reader,
    state_type::StateType,
    summary::Summary,
};

/// Read all of a journal and say whether it is whole; exits with 1 if it is damaged, and never
/// changes it
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The folder of the journal; a program may be using it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Whole,
    Damaged,
}

impl Check {
    pub(crate) fn run(
        &self,
        kind: Option<&dyn StateType>,
        out: &mut dyn Write,
    ) -> Result<Verdict, Failure> {
        let mut summary = Summary::default();
        let mut reader = match Reader::open(&self.folder) {
            Err(Failure::Read(_, error)) if is_damage(&error) => {
                writeln!(out, "{}; nothing of it can be read", with_sources(&*error))?;
                return Ok(Verdict::Damaged);
            }
            reader => reader?,
        };
        while let Some(event) = reader.advance() {
            match event {
                Ok(event) => summary.take(&event),
                Err(error) if is_damage(&error) => return damaged(&error, &reader, &summary, out),
                Err(error) => return Err(Failure::Read(self.folder.clone(), Box::new(error))),
            }
        }
        whole(&reader, &summary, out)?;
        for problem in problems(&self.folder, &summary, reader.journal().version()) {
            writeln!(out, "problem: {problem}")?;
        }
        self.reduce(kind, &summary, out)
    }

    /// Reduces all updates, if the type of the state is known.
    fn reduce(
        &self,
        kind: Option<&dyn StateType>,
        summary: &Summary,
        out: &mut dyn Write,
    ) -> Result<Verdict, Failure> {
        let (Some(kind), Some((schema, _))) = (kind, &summary.schema) else {
            return Ok(Verdict::Whole);
        };
        if !kind.schema().fits(schema) {
            let (theirs, ours) = (schema.clone(), kind.schema().clone());
            return Err(Failure::Schema(self.folder.clone(), theirs, ours));
        }
        match kind.measure(&self.folder) {
            Ok(_) => {
                writeln!(out, "all of it can be reduced")?;
                Ok(Verdict::Whole)
            }
            Err(error) if error.is_damage() => {
                writeln!(out, "{error}")?;
                Ok(Verdict::Damaged)
            }
            Err(error) => Err(error),
        }
    }
}

fn is_damage(error: &JournalReadError) -> bool {
    matches!(error, JournalReadError::Damaged { .. } | JournalReadError::Content { .. })
}

fn whole(reader: &Reader, summary: &Summary, out: &mut dyn Write) -> Result<(), Failure> {
    let journal = reader.journal();
    let (file, size) = (journal.file(), bytes(journal.offset()));
    writeln!(out, "{file} is whole: {size}, {}", content(summary))?;
    if journal.torn_bytes() > 0 {
        let torn = bytes(journal.torn_bytes());
        writeln!(
            out,
            "{torn} after that are torn: left by a crash, or just being written; they are cut off when the \
             journal is opened"
        )?;
    }
    Ok(())
}

fn damaged(
    error: &JournalReadError,
    reader: &Reader,
    summary: &Summary,
    out: &mut dyn Write,
) -> Result<Verdict, Failure> {
    let version = reader.journal().version();
    let content = content(summary);
    writeln!(out, "{}", with_sources(error))?;
    writeln!(out, "`recover` would keep what comes before: {content}, version {version}")?;
    writeln!(out, "peers may have the rest")?;
    Ok(Verdict::Damaged)
}

fn content(summary: &Summary) -> String {
    let entries = count(summary.entries.count, "entry", "entries");
    let skips = match summary.skips {
        0 => String::new(),
        skips => format!(", {} forgotten", count(skips, "update", "updates")),
    };
    let snapshot = if summary.snapshot.count > 0 { ", a snapshot" } else { "" };
    format!("{entries}{skips}{snapshot}")
}
