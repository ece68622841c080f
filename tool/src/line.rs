//! Lines about the events of a journal.

use std::ops::RangeInclusive;

use repred::{
    ReplicaId, Schema, Snapshot, VersionVector,
    journal::{JournalEvent, RawEntry},
};
use serde_json::{json, value::RawValue};

use crate::{format, ready_made, utc, view::View};

/// As long as a time.
const NO_TIME: &str = "                           ";

/// An event for people.
pub(crate) fn text(event: &JournalEvent, view: &View<'_>) -> String {
    match event {
        JournalEvent::Entry(entry) => entry_text(entry, view),
        JournalEvent::Skip(ranges) => {
            let ranges = ranges.iter().map(|(origin, seqs)| format::dots(*origin, seqs));
            format!("{NO_TIME}  {}  forgotten", ranges.collect::<Vec<_>>().join(" "))
        }
        JournalEvent::Opened { id, is_strict } => {
            format!("-- opened by {id:?}, {}", format::durability(*is_strict))
        }
        JournalEvent::Schema { schema, .. } if view.is_known() => {
            format!("-- {}", schema_text(schema))
        }
        JournalEvent::Schema { schema, .. } => {
            format!("-- {schema}; not known to this command, so its updates are shown as bytes")
        }
        JournalEvent::Named { id } => format!("-- goes on as {id:?}"),
        JournalEvent::Snapshot { snapshot, floor } => {
            let bytes = format::bytes(snapshot.state().len() as u64);
            let version = snapshot.version();
            let trimmed = if floor == version { "all".to_owned() } else { floor.to_string() };
            format!("-- a snapshot of {version}, {bytes}, trimmed: {trimmed}")
        }
        JournalEvent::Closed => "-- closed".to_owned(),
        other => format!("-- {other:?}"),
    }
}

/// A schema, with its type if that is ready-made.
pub(crate) fn schema_text(schema: &Schema) -> String {
    match ready_made::find(schema) {
        Some(found) => format!("{} ({schema})", found.name),
        None => schema.to_string(),
    }
}

fn entry_text(entry: &RawEntry, view: &View<'_>) -> String {
    let (time, dot) = (utc::text(entry.stamp.time), format!("{:?}", entry.stamp.dot));
    let edit = entry.edit.as_ref().map(|edit| format!("edit {} ", range(edit))).unwrap_or_default();
    let update = view.show(entry).unwrap_or_else(|| format::short_hex(&entry.payload));
    format!("{time}  {dot:<12} {:>5} B  {edit}{update}", entry.payload.len())
}

fn range(seqs: &RangeInclusive<u64>) -> String {
    format!("{}..{}", seqs.start(), seqs.end())
}

/// An event for programs.
pub(crate) fn json(event: &JournalEvent, view: &View<'_>) -> String {
    match event {
        JournalEvent::Entry(entry) => entry_json(entry, view),
        JournalEvent::Skip(ranges) => {
            let ranges: Vec<_> =
                ranges.iter().map(|(origin, seqs)| skip_json(*origin, seqs)).collect();
            json!({ "kind": "skip", "skipped": ranges }).to_string()
        }
        JournalEvent::Opened { id, is_strict } => {
            json!({ "kind": "opened", "id": id.to_string(), "strict": is_strict }).to_string()
        }
        JournalEvent::Schema { schema, newest, wall } => json!({
            "kind": "schema",
            "name": schema.name(),
            "version": schema.version(),
            "oldest": schema.oldest(),
            "newest": newest,
            "time": utc::text(*wall),
        })
        .to_string(),
        JournalEvent::Named { id } => json!({ "kind": "named", "id": id.to_string() }).to_string(),
        JournalEvent::Snapshot { snapshot, floor } => snapshot_json(snapshot, floor),
        JournalEvent::Closed => json!({ "kind": "closed" }).to_string(),
        other => json!({ "kind": "other", "other": format!("{other:?}") }).to_string(),
    }
}

/// An update, with its fields in a fixed order and without empty ones.
#[derive(serde::Serialize)]
struct Entry<'e> {
    kind: &'static str,
    time: String,
    micros: u64,
    origin: String,
    seq: u64,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<[&'e u64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

fn entry_json(entry: &RawEntry, view: &View<'_>) -> String {
    let RawEntry { stamp, payload, edit, .. } = entry;
    let update = view.show(entry).and_then(|update| RawValue::from_string(update).ok());
    let line = Entry {
        kind: "entry",
        time: utc::text(stamp.time),
        micros: stamp.time.as_micros(),
        origin: stamp.origin().to_string(),
        seq: stamp.dot.seq,
        size: payload.len(),
        edit: edit.as_ref().map(|edit| [edit.start(), edit.end()]),
        hex: update.is_none().then(|| format::hex(payload)),
        update,
    };
    serde_json::to_string(&line).unwrap_or_default()
}

fn skip_json(origin: ReplicaId, seqs: &RangeInclusive<u64>) -> serde_json::Value {
    json!({ "origin": origin.to_string(), "first": seqs.start(), "last": seqs.end() })
}

fn snapshot_json(snapshot: &Snapshot, floor: &VersionVector) -> String {
    json!({
        "kind": "snapshot",
        "version": version_json(snapshot.version()),
        "floor": version_json(floor),
        "size": snapshot.state().len(),
    })
    .to_string()
}

fn version_json(version: &VersionVector) -> serde_json::Value {
    let seqs = version.iter().map(|(id, seq)| (id.to_string(), seq.into()));
    serde_json::Value::Object(seqs.collect())
}
