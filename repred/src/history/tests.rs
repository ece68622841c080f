//! A history against a plain list of what was done to it.

use std::collections::BTreeMap;

use super::*;
use crate::{stamp::Dot, testing::Chance};

/// An update as the list has it.
#[derive(Clone, Copy, Debug)]
struct Line {
    origin: OriginIndex,
    seq: u64,
    /// Its place in the order, which only skips that were applied together share.
    place: usize,
    /// Dead, and the place of the one that made it so: its own, if it was empty.
    expired_by: Option<usize>,
}

#[derive(Debug)]
struct World {
    chance: Chance,
    history: History,
    lines: Vec<Line>,
    places: usize,
    /// The place of the entry at a position.
    place_of: BTreeMap<Position, usize>,
    floor: BTreeMap<OriginIndex, u64>,
    pins: Vec<Pin>,
    /// The mark of the last entry of an origin, unless that came as a skip.
    marks: BTreeMap<OriginIndex, Option<u32>>,
}

fn payload(origin: OriginIndex, seq: u64) -> Vec<u8> {
    format!("{origin}.{seq}").repeat(1 + (seq % 3) as usize).into_bytes()
}

impl World {
    fn below(&mut self, bound: usize) -> usize {
        (self.chance.number() % bound as u64) as usize
    }

    fn new(seed: u64) -> Self {
        let mut history = History::new();
        let origins = 1 + seed % 4;
        for id in 0..origins {
            history.intern(u128::from(id).into());
        }
        Self {
            chance: Chance::new(seed),
            history,
            lines: Vec::new(),
            places: 0,
            place_of: BTreeMap::new(),
            floor: BTreeMap::new(),
            pins: Vec::new(),
            marks: BTreeMap::new(),
        }
    }

    fn mark(&mut self, origin: OriginIndex, time: Time, payload: &[u8]) {
        let stamp = Stamp::new(time, self.history.id(origin), self.history.last(origin));
        let leaf = Leaf { document: self.history.document(), stamp, payload };
        self.marks.insert(origin, Some(leaf.mark()));
    }

    fn line(&mut self, origin: OriginIndex, expired_by: Option<usize>, position: Position) {
        let seq = self.history.last(origin);
        self.lines.push(Line { origin, seq, place: self.places, expired_by });
        self.place_of.insert(position, self.places);
    }

    fn push(&mut self, origin: OriginIndex) {
        let seq = self.history.last(origin) + 1;
        // Some are far apart, and some before their segment's first.
        let time = Time::from_micros(seq * if seq.is_multiple_of(50) { 1 << 33 } else { 10 } + 1);
        let position = self.history.push(origin, time, &payload(origin, seq));
        self.line(origin, None, position);
        self.mark(origin, time, &payload(origin, seq));
        self.places += 1;
        while self.below(2) == 0 {
            self.expire(position);
        }
    }

    /// Something earlier, rather of late, is superseded by the last entry.
    fn expire(&mut self, namer: Position) {
        let window = 1 + self.below(self.lines.len());
        let index = self.lines.len() - 1 - self.below(window);
        let Line { origin, seq, place, expired_by } = self.lines[index];
        let is_folded = seq <= self.floor.get(&origin).copied().unwrap_or(0);
        if expired_by.is_none() && !is_folded && place != self.place_of[&namer] {
            self.history.expire(Dot::new(self.history.id(origin), seq), namer);
            self.lines[index].expired_by = Some(self.place_of[&namer]);
        }
    }

    fn skip(&mut self) {
        let mut ranges = Vec::new();
        for origin in 0..self.history.origins() as OriginIndex {
            if ranges.is_empty() || self.below(2) == 0 {
                let first = self.history.last(origin) + 1;
                ranges.push(SeqRange { origin, first, last: first + self.below(4) as u64 });
            }
        }
        let barrier = self.history.end();
        let position = self.history.push_skip(&ranges, barrier);
        for range in ranges {
            for seq in range.first..=range.last {
                let (origin, place) = (range.origin, self.places);
                self.marks.insert(origin, None);
                self.lines.push(Line { origin, seq, place, expired_by: Some(place) });
            }
        }
        self.place_of.insert(position, self.places);
        self.places += 1;
    }

    fn step(&mut self) {
        let origin = self.below(self.history.origins()) as OriginIndex;
        match self.below(40) {
            0..30 => self.push(origin),
            30..33 => {
                let time = self.history.latest(origin) + std::time::Duration::from_micros(1);
                let position = self.history.end();
                // A full segment is sealed first, which moves nothing.
                self.history.push_empty(origin, time, b"nothing");
                self.mark(origin, time, b"nothing");
                self.line(origin, Some(self.places), position);
                self.places += 1;
            }
            33..35 => self.skip(),
            35 => {
                let end = self.history.end();
                let first = 1 + self.below(end as usize) as u64;
                let last = first + self.below((end - first + 1) as usize) as u64;
                let pin = self.history.pin(first..=last);
                self.pins.push(pin);
            }
            36 if !self.pins.is_empty() => {
                let pin = self.below(self.pins.len());
                self.pins.swap_remove(pin);
                self.history.release();
            }
            37 if self.below(4) == 0 => {
                let version = self.history.version();
                let floor = version.iter().map(|(id, seq)| {
                    let floor = self.floor.get(&self.history.origin(id).unwrap()).copied();
                    (id, seq.saturating_sub(self.below(30) as u64).max(floor.unwrap_or(0)))
                });
                let floor: VersionVector = floor.collect();
                self.history.trim(&floor);
                for (id, seq) in floor.iter() {
                    self.floor.insert(self.history.origin(id).unwrap(), seq);
                }
            }
            _ => {}
        }
    }

    /// A version between the floor and now, as a peer might have it.
    fn known(&mut self) -> Frontier {
        let version = self.history.version();
        let known = version.iter().map(|(id, seq)| {
            let floor = self.floor.get(&self.history.origin(id).unwrap()).copied().unwrap_or(0);
            let seq = match self.below(4) {
                0 => floor,
                1 => seq,
                _ => floor + self.below((seq - floor + 1) as usize) as u64,
            };
            (id, seq)
        });
        let known: VersionVector = known.collect();
        Frontier::new(&self.history, &known)
    }

    /// Sends everything that is missing, and checks it against the list.
    fn check(&mut self) {
        let known = self.known();
        let mut cursor = Cursor::new(&self.history, known.clone());
        let mut came: Vec<(OriginIndex, u64, bool, Position)> = Vec::new();
        let history = &self.history;
        while let Some(missing) = cursor.peek(history) {
            let closure_end = missing.closure_end(history);
            match missing {
                Missing::Entries(entries) => {
                    for (seq, (_, bytes)) in (entries.first_seq..).zip(entries.iter()) {
                        assert_eq!(bytes, payload(entries.origin, seq));
                        came.push((entries.origin, seq, true, 0));
                    }
                    cursor.took_entries(history, &entries, entries.len);
                }
                Missing::Skip(skip) => {
                    for range in &skip.ranges {
                        came.extend(
                            (range.first..=range.last)
                                .map(|seq| (range.origin, seq, false, closure_end)),
                        );
                    }
                    cursor.took_skip(history, &skip);
                }
            }
        }
        let lines: BTreeMap<_, _> =
            self.lines.iter().map(|line| ((line.origin, line.seq), *line)).collect();
        let missing = lines.values().filter(|line| line.seq > known.seq(history, line.origin));
        assert_eq!(came.len(), missing.count(), "everything comes once");
        let (mut last_live, mut last_expired) = (0, 0);
        for (origin, seq, is_live, closure_end) in came {
            let line = lines[&(origin, seq)];
            assert!(is_live || line.expired_by.is_some(), "{origin}.{seq} was forgotten");
            // What is pinned may be expired and come alive, but nothing else.
            assert!(!is_live || line.expired_by.is_none() || !self.pins.is_empty());
            if is_live {
                assert!(line.place >= last_live.max(last_expired), "entries come in order");
                last_live = line.place;
            } else {
                assert!(line.place >= last_live, "a skip keeps its place among entries");
                last_expired = last_expired.max(line.place);
                let reached = self.place_of.range(..=closure_end).next_back().map(|(_, &at)| at);
                assert!(reached >= line.expired_by, "a skip waits for its effect");
            }
        }
        for (&origin, &mark) in &self.marks {
            let known = self.history.mark(origin, history.last(origin));
            assert_eq!(known, mark, "the last update of an origin is known, whatever is forgotten");
        }
        let live = self.lines.iter().filter(|line| line.expired_by.is_none());
        let live = live.filter(|line| line.seq > *self.floor.get(&line.origin).unwrap_or(&0));
        if self.pins.is_empty() {
            assert_eq!(self.history.entry_count(), live.count(), "no more is kept than is live");
        }
    }
}

#[test]
fn a_peer_gets_the_live_entries_it_lacks_in_order() {
    for seed in 0..150 {
        let mut world = World::new(seed);
        for step in 0..300 {
            world.step();
            if step % 7 == 0 {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    world.check();
                }));
                if let Err(panic) = result {
                    eprintln!("failed with seed {seed} in step {step}");
                    std::panic::resume_unwind(panic);
                }
            }
        }
        world.pins.clear();
        world.history.release();
        world.check();
    }
}

#[test]
fn a_busy_register_keeps_one_entry_and_one_gap() {
    let mut history = History::new();
    let origins = [history.intern(1.into()), history.intern(2.into())];
    let mut before = [None; 2];
    for round in 1..=5000u64 {
        let which = (round % 2) as usize;
        let position = history.push(origins[which], Time::from_micros(round), b"value");
        if let Some(seq) = before[which].replace(history.last(origins[which])) {
            history.expire(Dot::new(history.id(origins[which]), seq), position);
        }
    }
    assert_eq!(history.entry_count(), 2);
    assert!(history.spans.len() <= 3, "{} spans", history.spans.len());
    assert!(history.origins.iter().all(|origin| origin.index.len() <= 2));
}
