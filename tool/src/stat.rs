//! `repred stat`: a journal in numbers.

use std::{io::Write, path::PathBuf};

use repred::{
    DocumentId, VersionVector,
    journal::{Files, JournalReader},
};

use crate::{
    failure::Failure,
    format::{self, bytes, count, grouped},
    line,
    problems::problems,
    reader::Reader,
    state_type::StateType,
    summary::{Origin, Sum, Summary, Writer},
    utc,
};

/// Describe a journal: its size, its schema, what each origin has written, and how much of it is
/// garbage
#[derive(Debug, clap::Args)]
pub(crate) struct Stat {
    /// The folder of the journal; a program may be using it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Stat {
    pub(crate) fn run(
        &self,
        kind: Option<&dyn StateType>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let mut reader = Reader::open(&self.folder)?;
        let mut summary = Summary::default();
        let read = reader.try_for_each(|event| event.map(|event| summary.take(&event)));
        let journal = reader.journal();
        let mut row = |name: &str, what: String| writeln!(out, "{name:<10} {what}");
        row("journal", format!("{}, generation {}", journal.file(), journal.generation()))?;
        row("size", size(journal, read.is_ok()))?;
        row("torn", torn(journal.torn_bytes()))?;
        if journal.document() != DocumentId::NONE {
            row("document", journal.document().to_string())?;
        }
        row("schema", schema(&summary))?;
        row("written", written(&summary))?;
        row("version", journal.version().to_string())?;
        row("floor", summary.floor.to_string())?;
        row("snapshot", snapshot(&summary))?;
        row("entries", entries(&summary))?;
        row("forgotten", count(summary.skips, "update", "updates"))?;
        row("garbage", self.garbage(kind, &summary, journal.offset()))?;
        row("origins", journal.version().len().to_string())?;
        origins(&summary, journal.version(), out)?;
        for problem in problems(&self.folder, &summary, journal.version()) {
            writeln!(out, "problem    {problem}")?;
        }
        // All of this is about what comes before.
        read
    }

    /// The bytes that a compaction would save. Without the type of the state, only a lower bound is known.
    fn garbage(&self, kind: Option<&dyn StateType>, summary: &Summary, size: u64) -> String {
        let ours = |kind: &&dyn StateType| {
            summary.schema.as_ref().is_some_and(|(schema, _)| kind.schema().fits(schema))
        };
        match kind.filter(ours).map(|kind| kind.measure(&self.folder)) {
            Some(Ok(compact)) => {
                let garbage = size.saturating_sub(compact);
                format!("{}: compacted, it has {}", bytes(garbage), bytes(compact))
            }
            Some(Err(error)) => format!("unknown: {error}"),
            None => format!(
                "at least {}; what is superseded is known only with the type",
                bytes(summary.superseded.bytes)
            ),
        }
    }
}

fn origins(summary: &Summary, version: &VersionVector, out: &mut dyn Write) -> Result<(), Failure> {
    for (id, seq) in version.iter() {
        let here = summary.origins.get(&id);
        let entries = count(here.map_or(0, Origin::entries), "entry", "entries");
        let latest = here.map(|here| format!(", the last at {}", utc::text(here.latest)));
        let (floor, latest) = (summary.floor.seq(id), latest.unwrap_or_default());
        writeln!(out, "  {id}  seq {seq}, floor {floor}, {entries}{latest}")?;
    }
    Ok(())
}

fn size(journal: &JournalReader<Files>, is_read: bool) -> String {
    let used = journal.offset() + journal.torn_bytes();
    match journal.size() - used {
        preallocated if is_read && preallocated > 0 => {
            format!("{}, and {} preallocated", bytes(used), bytes(preallocated))
        }
        _ => bytes(journal.size()),
    }
}

fn torn(torn: u64) -> String {
    match torn {
        0 => "nothing".to_owned(),
        torn => format!("{} at the end, left by a crash or just being written", bytes(torn)),
    }
}

fn schema(summary: &Summary) -> String {
    let Some((schema, newest)) = &summary.schema else { return "none yet".to_owned() };
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

fn written(summary: &Summary) -> String {
    let Some(Writer { id, is_strict }) = summary.writer else { return "by nobody yet".to_owned() };
    let closed =
        if summary.is_closed { "closed" } else { "not closed: in use, or ended by a crash" };
    let opened = count(summary.openings, "time", "times");
    format!("as {id:?}, opened {opened}; {}; {closed}", format::durability(is_strict))
}

fn snapshot(summary: &Summary) -> String {
    match summary.snapshot.count {
        0 => "none".to_owned(),
        _ => bytes(summary.snapshot.bytes),
    }
}

fn entries(summary: &Summary) -> String {
    let Sum { count, bytes: size } = summary.entries;
    let edits = match summary.in_edits {
        0 => String::new(),
        edits => format!(", {} of them in edits", grouped(edits)),
    };
    format!("{} ({}){edits}", grouped(count), bytes(size))
}
