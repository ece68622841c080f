//! `repred graph`: a journal as a space-time diagram.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::Write,
    path::PathBuf,
};

use repred::{
    ReplicaId, VersionVector,
    journal::{JournalEvent, RawEntry},
    testing::Diagram,
};

use crate::{failure::Failure, format, reader::Reader, state_type::StateType, utc, view::View};

/// The most updates in a picture: more would be unreadable, and slow to lay out.
const MOST: u64 = 2000;

/// Draw the last updates of a journal: a line for each origin, a dot for each update
#[derive(Debug, clap::Args)]
pub(crate) struct Graph {
    /// The folder of the journal; a program may be using it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The SVG file to write
    #[arg(short, long, value_name = "FILE", default_value = "graph.svg")]
    output: PathBuf,
    /// How many of the last updates to draw
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = limit())]
    limit: u64,
}

fn limit() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=MOST)
}

/// The last updates of a journal.
#[derive(Default)]
struct Last {
    events: VecDeque<Event>,
    /// The number of updates in the journal.
    all: u64,
}

/// An update, and the replica that had the journal open when the update came.
struct Event {
    entry: RawEntry,
    note: String,
    writer: Option<ReplicaId>,
}

impl Graph {
    pub(crate) fn run(
        &self,
        kind: Option<&dyn StateType>,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let (last, read) = self.read(kind)?;
        let mut diagram = draw(&last.events);
        let shown = last.events.len() as u64;
        let title = format!("the journal in {}", self.folder.display());
        diagram.entitle(title, sentence(shown, last.all));
        fs::write(&self.output, diagram.svg())
            .map_err(|error| Failure::File(self.output.clone(), error))?;
        let updates = format::count(shown, "update", "updates");
        writeln!(out, "{updates} in {}", self.output.display())?;
        // The picture shows what comes before the error, if there is one.
        read
    }

    /// The last updates that can be read, and the error that ends them.
    fn read(&self, kind: Option<&dyn StateType>) -> Result<(Last, Result<(), Failure>), Failure> {
        let (mut view, mut writer, mut last) = (View::new(kind), None, Last::default());
        let mut reader = Reader::open(&self.folder)?;
        let read = reader.try_for_each(|event| {
            match event? {
                JournalEvent::Schema { schema, .. } => view.enter(&schema),
                JournalEvent::Opened { id, .. } | JournalEvent::Named { id } => writer = Some(id),
                JournalEvent::Entry(entry) => {
                    last.add(Event { note: note(&entry, &view), entry, writer }, self.limit);
                }
                _ => {}
            }
            Ok(())
        });
        Ok((last, read))
    }
}

impl Last {
    fn add(&mut self, event: Event, limit: u64) {
        self.all += 1;
        self.events.push_back(event);
        if self.events.len() as u64 > limit {
            self.events.pop_front();
        }
    }
}

fn note(entry: &RawEntry, view: &View<'_>) -> String {
    view.show(entry).unwrap_or_else(|| format::short_hex(&entry.payload))
}

fn sentence(shown: u64, all: u64) -> String {
    let which = match all {
        all if all == shown => "all updates".to_owned(),
        all => format!("the last {shown} of {}", format::count(all, "update", "updates")),
    };
    format!(
        "{which}, in the order in which they were taken in; arrows lead to updates that were written \
         here from what had been seen"
    )
}

/// The only author of whom a journal says what it had seen is its own.
fn draw(events: &VecDeque<Event>) -> Diagram {
    let origins: VersionVector = events
        .iter()
        .map(|event| (event.entry.stamp.origin(), event.entry.stamp.dot.seq))
        .collect();
    let lanes: Vec<_> = origins.iter().map(|(id, _)| id).collect();
    let mut diagram = Diagram::new(lanes.iter().map(|id| format!("{id:?}")).collect());
    // The last event of each lane that no update from here has an arrow from.
    let mut fresh: BTreeMap<usize, usize> = BTreeMap::new();
    for Event { entry, note, writer } in events {
        let origin = entry.stamp.origin();
        let lane = lanes.binary_search(&origin).unwrap_or_default();
        let more = format!("{note}\n{:?} at {}", entry.stamp.dot, utc::text(entry.stamp.time));
        let event = diagram.event(lane, entry.stamp.dot.seq.to_string(), more);
        if *writer == Some(origin) {
            fresh.remove(&lane);
            fresh.values().for_each(|seen| diagram.arrow(*seen, event));
            fresh.clear();
        }
        fresh.insert(lane, event);
    }
    diagram
}
