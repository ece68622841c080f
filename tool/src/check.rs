//! `repred check`: whether a journal is whole.

use std::{io::Write, path::PathBuf};

use repred::TranscriptError;

use crate::{
    failure::Failure,
    kind::Kind,
    reading::Reading,
    survey::Survey,
    words::{bytes, count},
};

/// Read all of a journal and tell whether it is whole; fails with 1 if it is damaged, and never
/// changes it
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The folder of the journal; it may be in use
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// What a check has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Whole,
    Damaged,
}

impl Check {
    pub(crate) fn run(
        &self,
        kind: Option<&dyn Kind>,
        out: &mut dyn Write,
    ) -> Result<Verdict, Failure> {
        let mut survey = Survey::default();
        let mut reading = match Reading::open(&self.folder) {
            Err(Failure::Transcript(_, error)) if is_damage(&error) => {
                writeln!(out, "{error}; nothing of it can be read")?;
                return Ok(Verdict::Damaged);
            }
            reading => reading?,
        };
        while let Some(passage) = reading.advance() {
            match passage {
                Ok(passage) => survey.take(&passage),
                Err(error) if is_damage(&error) => return damaged(&error, &reading, &survey, out),
                Err(error) => return Err(Failure::Transcript(self.folder.clone(), error)),
            }
        }
        whole(&reading, &survey, out)?;
        self.reduce(kind, &survey, out)
    }

    /// Reduces all of it, if somebody can.
    fn reduce(
        &self,
        kind: Option<&dyn Kind>,
        survey: &Survey,
        out: &mut dyn Write,
    ) -> Result<Verdict, Failure> {
        let (Some(kind), Some((schema, _))) = (kind, &survey.schema) else {
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

fn is_damage(error: &TranscriptError) -> bool {
    matches!(error, TranscriptError::Damaged { .. } | TranscriptError::Content { .. })
}

fn whole(reading: &Reading, survey: &Survey, out: &mut dyn Write) -> Result<(), Failure> {
    let transcript = reading.transcript();
    let (file, size) = (transcript.file(), bytes(transcript.offset()));
    writeln!(out, "{file} is whole: {size}, {}", content(survey))?;
    if transcript.torn_bytes() > 0 {
        let torn = bytes(transcript.torn_bytes());
        writeln!(
            out,
            "{torn} after that are torn: what a crash has left, or is just being written; who opens it \
             next cuts them off"
        )?;
    }
    Ok(())
}

fn damaged(
    error: &TranscriptError,
    reading: &Reading,
    survey: &Survey,
    out: &mut dyn Write,
) -> Result<Verdict, Failure> {
    let version = reading.transcript().version();
    let content = content(survey);
    writeln!(out, "{error}")?;
    writeln!(out, "`recover` would keep what comes before: {content}, version {version}")?;
    writeln!(out, "peers may have the rest")?;
    Ok(Verdict::Damaged)
}

fn content(survey: &Survey) -> String {
    let entries = count(survey.entries.count, "entry", "entries");
    let skips = match survey.skips {
        0 => String::new(),
        skips => format!(", {} forgotten", count(skips, "update", "updates")),
    };
    let snapshot = if survey.snapshot.count > 0 { ", a snapshot" } else { "" };
    format!("{entries}{skips}{snapshot}")
}
