//! `repred stat`: a journal in numbers.

use std::{io::Write, path::PathBuf};

use repred::{Files, Transcript, VersionVector};

use crate::{
    failure::Failure,
    kind::Kind,
    line,
    reading::Reading,
    survey::{Origin, Sum, Survey, Writer},
    utc,
    words::{self, bytes, count, grouped},
};

/// Tell what a journal is: its size, its schema, who has written how much, how much of it is
/// garbage
#[derive(Debug, clap::Args)]
pub(crate) struct Stat {
    /// The folder of the journal; it may be in use
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Stat {
    pub(crate) fn run(&self, kind: Option<&dyn Kind>, out: &mut dyn Write) -> Result<(), Failure> {
        let mut reading = Reading::open(&self.folder)?;
        let mut survey = Survey::default();
        let read = reading.try_for_each(|passage| passage.map(|passage| survey.take(&passage)));
        let transcript = reading.transcript();
        let mut row = |name: &str, what: String| writeln!(out, "{name:<10} {what}");
        row("journal", format!("{}, generation {}", transcript.file(), transcript.generation()))?;
        row("size", size(transcript, read.is_ok()))?;
        row("torn", torn(transcript.torn_bytes()))?;
        row("schema", schema(&survey))?;
        row("written", written(&survey))?;
        row("version", transcript.version().to_string())?;
        row("floor", survey.floor.to_string())?;
        row("snapshot", snapshot(&survey))?;
        row("entries", entries(&survey))?;
        row("forgotten", count(survey.skips, "update", "updates"))?;
        row("garbage", self.garbage(kind, &survey, transcript.offset()))?;
        row("origins", transcript.version().len().to_string())?;
        origins(&survey, transcript.version(), out)?;
        // All of this is about what comes before.
        read
    }

    /// What compaction would leave out: exactly, if somebody can reduce; else what is so without
    /// that.
    fn garbage(&self, kind: Option<&dyn Kind>, survey: &Survey, size: u64) -> String {
        let ours = |kind: &&dyn Kind| {
            survey.schema.as_ref().is_some_and(|(schema, _)| kind.schema().fits(schema))
        };
        match kind.filter(ours).map(|kind| kind.measure(&self.folder)) {
            Some(Ok(compact)) => {
                let garbage = size.saturating_sub(compact);
                format!("{}: compacted, it has {}", bytes(garbage), bytes(compact))
            }
            Some(Err(error)) => format!("unknown: {error}"),
            None => format!(
                "at least {}; what is obsolete is known only with the type",
                bytes(survey.superseded.bytes)
            ),
        }
    }
}

fn origins(survey: &Survey, version: &VersionVector, out: &mut dyn Write) -> Result<(), Failure> {
    for (id, seq) in version.iter() {
        let here = survey.origins.get(&id);
        let entries = count(here.map_or(0, Origin::entries), "entry", "entries");
        let latest = here.map(|here| format!(", the last at {}", utc::text(here.latest)));
        let (floor, latest) = (survey.floor.seq(id), latest.unwrap_or_default());
        writeln!(out, "  {id}  seq {seq}, floor {floor}, {entries}{latest}")?;
    }
    Ok(())
}

fn size(transcript: &Transcript<Files>, is_read: bool) -> String {
    let used = transcript.offset() + transcript.torn_bytes();
    match transcript.size() - used {
        room if is_read && room > 0 => {
            format!("{}, and room for {} more", bytes(used), bytes(room))
        }
        _ => bytes(transcript.size()),
    }
}

fn torn(torn: u64) -> String {
    match torn {
        0 => "nothing".to_owned(),
        torn => format!("{} at the end, left by a crash or just being written", bytes(torn)),
    }
}

fn schema(survey: &Survey) -> String {
    let Some((schema, newest)) = &survey.schema else { return "none yet".to_owned() };
    let grown = match schema.oldest() {
        oldest if oldest < schema.version() => format!(", grown from {oldest}"),
        _ => String::new(),
    };
    let newer = match *newest {
        newest if newest > schema.version() => format!("; with updates of version {newest}"),
        _ => String::new(),
    };
    format!("{}{grown}{newer}", line::schema_text(schema))
}

fn written(survey: &Survey) -> String {
    let Some(Writer { id, is_strict }) = survey.writer else { return "by nobody yet".to_owned() };
    let closed =
        if survey.is_closed { "closed" } else { "not closed: in use, or ended by a crash" };
    let opened = count(survey.openings, "time", "times");
    format!("as {id:?}, opened {opened}; {}; {closed}", words::durability(is_strict))
}

fn snapshot(survey: &Survey) -> String {
    match survey.snapshot.count {
        0 => "none".to_owned(),
        _ => bytes(survey.snapshot.bytes),
    }
}

fn entries(survey: &Survey) -> String {
    let Sum { count, bytes: size } = survey.entries;
    let edits = match survey.in_edits {
        0 => String::new(),
        edits => format!(", {} of them in edits", grouped(edits)),
    };
    format!("{} ({}){edits}", grouped(count), bytes(size))
}
