//! [`Summary`]: what is in a journal, in numbers.

use std::collections::{BTreeMap, VecDeque};

use repred::{
    ReplicaId, Schema, Snapshot, Time, VersionVector,
    journal::{JournalEvent, RawEntry},
};

/// What is in a journal, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// The schema of the last writer, and the newest version of it of which there may be updates.
    pub(crate) schema: Option<(Schema, u32)>,
    pub(crate) writer: Option<Writer>,
    /// How often the journal was opened since it was compacted.
    pub(crate) openings: u64,
    pub(crate) is_closed: bool,
    /// How often the replica took a new id since then.
    pub(crate) renamings: u64,
    pub(crate) entries: Sum,
    pub(crate) in_edits: u64,
    /// How many updates were forgotten.
    pub(crate) skips: u64,
    /// The updates that are trimmed.
    pub(crate) floor: VersionVector,
    pub(crate) snapshot: Sum,
    /// Entries and snapshots that a later snapshot replaces.
    pub(crate) superseded: Sum,
    pub(crate) origins: BTreeMap<ReplicaId, Origin>,
}

/// The replica that has written last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) id: ReplicaId,
    pub(crate) is_strict: bool,
}

/// A number of things, and the bytes that they have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// What the journal has of an origin.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    /// Seqs and sizes of entries that are not trimmed.
    entries: VecDeque<(u64, u64)>,
    pub(crate) latest: Time,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

impl Origin {
    /// The number of entries that are not trimmed.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.len() as u64
    }
}

impl Summary {
    pub(crate) fn take(&mut self, event: &JournalEvent) {
        self.is_closed = *event == JournalEvent::Closed;
        match event {
            JournalEvent::Opened { id, is_strict } => {
                self.writer = Some(Writer { id: *id, is_strict: *is_strict });
                self.openings += 1;
            }
            JournalEvent::Named { id } => {
                self.writer = self.writer.map(|writer| Writer { id: *id, ..writer });
                self.renamings += 1;
            }
            JournalEvent::Schema { schema, newest, .. } => {
                self.schema = Some((schema.clone(), *newest));
            }
            JournalEvent::Snapshot { snapshot, floor } => self.snapshot(snapshot, floor),
            JournalEvent::Entry(entry) => self.entry(entry),
            JournalEvent::Skip(ranges) => {
                let counts = ranges.iter().map(|(_, seqs)| seqs.end() - seqs.start() + 1);
                // Nothing adds up to so many, but a file may say so.
                self.skips = counts.fold(self.skips, u64::saturating_add);
            }
            _ => {}
        }
    }

    fn entry(&mut self, entry: &RawEntry) {
        let (seq, bytes) = (entry.stamp.dot.seq, entry.payload.len() as u64);
        self.entries.add(bytes);
        self.in_edits += u64::from(entry.edit.is_some());
        let origin = self.origins.entry(entry.stamp.origin()).or_default();
        origin.entries.push_back((seq, bytes));
        origin.latest = entry.stamp.time;
    }

    fn snapshot(&mut self, snapshot: &Snapshot, floor: &VersionVector) {
        if self.snapshot.count > 0 {
            self.superseded.add(self.snapshot.bytes);
        }
        self.snapshot = Sum { count: 1, bytes: snapshot.state().len() as u64 };
        self.floor = self.floor.merged(floor);
        for (&id, origin) in &mut self.origins {
            let floor = self.floor.seq(id);
            let trimmed = origin.entries.partition_point(|(seq, _)| *seq <= floor);
            origin.entries.drain(..trimmed).for_each(|(_, bytes)| self.superseded.add(bytes));
        }
    }
}
