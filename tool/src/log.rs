//! `repred log`: the updates in a journal, line by line.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Write},
    ops::RangeInclusive,
    path::PathBuf,
};

use repred::{
    ReplicaId, Time,
    journal::{JournalEvent, RawEntry},
};

use crate::{
    failure::Failure, format, line, reader::Reader, state_type::StateType, utc, view::View,
};

/// List the updates in a journal, in the order in which the replica received them
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    /// The folder of the journal; a program may be using it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Only what was written since 2023-11-14T22:13:20Z, since 2023-11-14, or in the last 2h
    #[arg(long, value_name = "TIME", value_parser = utc::parse)]
    since: Option<Time>,
    /// Only updates of replicas whose id begins with this; leading zeros may be left out
    #[arg(long, value_name = "ID")]
    origin: Option<String>,
    /// Only the last N lines
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print a JSON object on each line, with ids and unknown updates in full
    #[arg(long)]
    json: bool,
}

impl Log {
    pub(crate) fn run(
        &self,
        kind: Option<&dyn StateType>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let mut lines = Lines { limit: self.limit, last: VecDeque::new(), out };
        let listed = self.list(kind, &mut lines);
        // What could be read is listed, even if the rest cannot be.
        lines.finish()?;
        listed
    }

    fn list(&self, kind: Option<&dyn StateType>, lines: &mut Lines<'_>) -> Result<(), Failure> {
        let mut view = View::new(kind);
        for event in self.open()? {
            let event = event?;
            if let JournalEvent::Schema { schema, .. } = &event {
                view.enter(schema);
            }
            let Some(event) = self.select(event) else { continue };
            let line = if self.json { line::json } else { line::text };
            lines.put(line(&event, &view))?;
        }
        Ok(())
    }

    fn open(&self) -> Result<Reader, Failure> {
        let reader = Reader::open(&self.folder)?;
        let is_seen = self.limit.is_none() && io::stdout().is_terminal();
        Ok(if is_seen { reader.without_bar() } else { reader })
    }

    /// The part of an event that the options select.
    fn select(&self, event: JournalEvent) -> Option<JournalEvent> {
        match event {
            JournalEvent::Entry(entry) => {
                self.is_asked_for(&entry).then_some(JournalEvent::Entry(entry))
            }
            // Forgotten updates have no time.
            JournalEvent::Skip(ranges) if self.since.is_none() => self.select_skip(ranges),
            // An event about no update is listed only with all of them.
            _ => (self.since.is_none() && self.origin.is_none()).then_some(event),
        }
    }

    fn is_asked_for(&self, entry: &RawEntry) -> bool {
        self.since.is_none_or(|since| entry.stamp.time >= since)
            && self.is_origin(entry.stamp.origin())
    }

    fn select_skip(
        &self,
        mut ranges: Vec<(ReplicaId, RangeInclusive<u64>)>,
    ) -> Option<JournalEvent> {
        ranges.retain(|(origin, _)| self.is_origin(*origin));
        (!ranges.is_empty()).then_some(JournalEvent::Skip(ranges))
    }

    fn is_origin(&self, id: ReplicaId) -> bool {
        self.origin.as_ref().is_none_or(|origin| format::is_id(id, origin))
    }
}

/// Lines on their way out.
struct Lines<'o> {
    limit: Option<usize>,
    /// Those that may be the last.
    last: VecDeque<String>,
    out: &'o mut dyn Write,
}

impl Lines<'_> {
    fn put(&mut self, line: String) -> io::Result<()> {
        let Some(limit) = self.limit else { return writeln!(self.out, "{line}") };
        self.last.push_back(line);
        if self.last.len() > limit {
            self.last.pop_front();
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        let Self { last, out, .. } = self;
        last.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}
