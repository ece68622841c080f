//! [`Outgoing`]: bringing the peer up to date.

use std::collections::VecDeque;

use super::SessionError;
use crate::{
    core::Core,
    encoding::varint::put_u64,
    history::{
        Cursor, Dependency, Edit, Entries, Frontier, History, Missing, OriginIndex, Pin, Position,
        SeqRange,
    },
    message::{Cause, Kind, MAX_SIGHTING, RunWriter, put_version, tag},
    reduce::Replicated,
    snapshot::{self, Snapshot},
    version::VersionVector,
};

/// Bytes at which a message of items or a part of a snapshot is full: enough for one write to carry
/// thousands of updates, little enough for a slow link to complete one well within the timeout.
const FULL: usize = 32 << 10;

/// Bytes of what stands before the entries of a run at most, but for what their author had seen.
const HEAD: usize = 64;

/// Bytes of one range of a skip at most: a new origin, a first seq, a count.
const MAX_RANGE: usize = 5 + 16 + 10 + 10;

/// What goes to the peer: where it stands in our history, and what is half sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    cursor: Cursor,
    /// What the peer has confirmed, or sent itself.
    acked: Frontier,
    /// Where our origins are in the table that the peer keeps of them.
    table: Table,
    transfer: Transfer,
    /// When the cursor gets here, the peer has what its digest lacked; `None` once it was told.
    sync_at: Option<Position>,
    /// Bytes of a message, and of a block, that the peer takes.
    max_message: usize,
    max_block: usize,
    /// What the peer has trimmed, as far as it told: no use in a snapshot that has not seen all of it.
    peer_floor: VersionVector,
}

/// What is in the middle of being sent.
#[derive(Debug)]
enum Transfer {
    /// Nothing: entries go out one by one as they come.
    Live,
    Block(OpenBlock),
    Snapshot {
        snapshot: Snapshot,
        floor: VersionVector,
        cause: Cause,
        sent: Option<usize>,
    },
    /// A snapshot of this version is sent, and the peer has to say what became of it.
    Answer(VersionVector),
    /// The peer needs a snapshot, but has trimmed what we have not seen: first we need one of the peer's.
    Waiting,
}

/// Pieces that the peer takes in together, from here to `end`.
#[derive(Debug)]
struct OpenBlock {
    end: Position,
    edits: VecDeque<SeqRange>,
    is_begun: bool,
    /// What the peer had when the block was opened, should it be abandoned.
    before: Frontier,
    /// Whatever is live now is sent live, however busy the state: otherwise the next block's end would
    /// recede for ever.
    _pin: Pin,
}

struct Plan {
    end: Position,
    edits: VecDeque<SeqRange>,
}

#[derive(Debug, Default)]
struct Table {
    /// By index; `u32::MAX` for an origin that has no place yet.
    places: Vec<u32>,
    /// By place.
    origins: Vec<OriginIndex>,
}

impl Outgoing {
    pub(super) fn new(
        cursor: Cursor,
        announced: &[OriginIndex],
        sync_at: Option<Position>,
        peer_floor: VersionVector,
        max_message: usize,
        max_block: usize,
    ) -> Self {
        let mut table = Table::default();
        for &origin in announced {
            table.add(origin);
        }
        Self {
            acked: cursor.frontier.clone(),
            cursor,
            table,
            transfer: Transfer::Live,
            sync_at,
            max_message,
            max_block,
            peer_floor,
        }
    }

    /// What the peer has confirmed.
    pub(super) fn acked(&self) -> &Frontier {
        &self.acked
    }

    /// The peer has this now, from us or by itself.
    pub(super) fn confirm(&mut self, history: &History, origin: OriginIndex, seq: u64) {
        self.acked.raise(history, origin, seq);
        self.cursor.frontier.raise(history, origin, seq);
    }

    /// The peer has everything in this version now.
    pub(super) fn confirm_version(&mut self, history: &History, version: &VersionVector) {
        let known = Frontier::new(history, version);
        self.acked.merge(history, &known);
        self.cursor.frontier.merge(history, &known);
    }

    /// The origin at a place of our table.
    pub(super) fn origin_at(&self, place: u64) -> Option<OriginIndex> {
        let place = usize::try_from(place).ok()?;
        self.table.origins.get(place).copied()
    }

    /// Whether everything there is has been sent.
    pub(super) fn is_drained(&mut self, history: &History) -> bool {
        matches!(self.transfer, Transfer::Live)
            && self.sync_at.is_none()
            && !self.cursor.is_stale(history)
            && self.cursor.peek(history).is_none()
    }

    /// Appends the next message to `out`, if there is one.
    pub(super) fn poll<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
    ) -> Result<bool, SessionError> {
        let start = out.len();
        out.push(Kind::Items as u8);
        if self.cursor.is_stale(core.entries()) {
            self.start_over(core, out)?;
            if out.len() > start + 1 {
                return Ok(true);
            }
        }
        if matches!(self.transfer, Transfer::Waiting) {
            if !core.reduced().covers(&self.peer_floor) {
                out.truncate(start);
                return Ok(false);
            }
            self.transfer = Transfer::Live;
            self.resume(core, self.acked.clone())?;
        }
        self.fill(core, out, start)?;
        if out.len() > start + 1 {
            return Ok(true);
        }
        out.truncate(start);
        if let Transfer::Snapshot { .. } = self.transfer {
            self.poll_snapshot(out);
            return Ok(true);
        }
        let has_reached = |position| self.cursor.position() >= position;
        if matches!(self.transfer, Transfer::Live) && self.sync_at.is_some_and(has_reached) {
            self.sync_at = None;
            out.push(Kind::Synced as u8);
            return Ok(true);
        }
        Ok(false)
    }

    // ---- items ----

    /// Fills a message with items.
    fn fill<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), SessionError> {
        let full = start + FULL.min(self.max_message / 2);
        while out.len() < full {
            let wrote = match &mut self.transfer {
                Transfer::Live => self.fill_live(core, out, start, full)?,
                Transfer::Block(_) => self.fill_block(core, out, start, full)?,
                Transfer::Snapshot { .. } | Transfer::Answer(_) | Transfer::Waiting => false,
            };
            if !wrote {
                break;
            }
        }
        Ok(())
    }

    fn fill_live<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
        start: usize,
        full: usize,
    ) -> Result<bool, SessionError> {
        let history = core.entries();
        let Some(missing) = self.cursor.peek(history) else {
            return Ok(false);
        };
        if missing.stands_alone(history) {
            return self.put(history, missing, out, start, full);
        }
        match self.plan(history, &missing) {
            Some(Plan { end, edits }) => {
                let pinned = missing.position()..=end;
                let _pin = core.entries_mut().pin(pinned);
                let before = self.cursor.frontier.clone();
                self.transfer =
                    Transfer::Block(OpenBlock { end, edits, is_begun: false, before, _pin });
            }
            None => self.freeze(core, Cause::TooLarge)?,
        }
        Ok(true)
    }

    fn fill_block<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
        start: usize,
        full: usize,
    ) -> Result<bool, SessionError> {
        let Transfer::Block(block) = &mut self.transfer else {
            return Ok(false);
        };
        if !std::mem::replace(&mut block.is_begun, true) {
            out.push(tag::BEGIN);
        }
        while let Some(edit) = block.edits.pop_front() {
            out.push(tag::EDIT);
            self.table.put(core.entries(), edit.origin, out);
            put_u64(out, edit.first);
            put_u64(out, edit.len());
            if out.len() >= full {
                return Ok(true);
            }
        }
        let end = block.end;
        let history = core.entries();
        if let Some(missing) = self.cursor.peek_until(history, end) {
            return self.put(history, missing, out, start, full);
        }
        out.push(tag::COMMIT);
        self.transfer = Transfer::Live;
        core.entries_mut().release();
        Ok(true)
    }

    /// Where a block that begins with `missing` has to end: what is in it may reach further, and that is
    /// in it then. `None` if it is more than the peer takes.
    fn plan(&self, history: &History, missing: &Missing<'_>) -> Option<Plan> {
        let newest = history.end() - 1;
        let mut end = match missing {
            // Not all of it: what follows the edit needs no block.
            Missing::Entries(entries) => entries.edit_end(history),
            Missing::Skip(_) => missing.closure_end(history),
        };
        let mut probe = self.cursor.clone();
        let mut edits: VecDeque<SeqRange> = VecDeque::new();
        let mut size = 0;
        while let Some(missing) = probe.peek_until(history, end) {
            end = end.max(missing.closure_end(history)).min(newest);
            size += match &missing {
                Missing::Entries(entries) => {
                    probe.took_entries(history, entries, entries.len);
                    let seen = history.dependencies(entries.origin, entries.first_seq);
                    let seen = seen.map_or(0, |seen| seen.len() * size_of::<Dependency>());
                    entries.iter().map(|(_, payload)| payload.len() + 64).sum::<usize>() + seen
                }
                Missing::Skip(skip) => {
                    probe.took_skip(history, skip);
                    64 + size_of_val(&*skip.ranges)
                }
            };
            let here: Vec<_> = missing.edits(history).map(|&Edit { range, .. }| range).collect();
            for &edit in here.iter().rev() {
                if !edits.iter().rev().take(here.len() + 1).any(|&there| there == edit) {
                    edits.push_back(edit);
                    size += size_of::<SeqRange>();
                }
            }
            if size > self.max_block {
                return None;
            }
        }
        Some(Plan { end, edits })
    }

    /// Appends what is missing, or as much of it as there is room for.
    fn put(
        &mut self,
        history: &History,
        missing: Missing<'_>,
        out: &mut Vec<u8>,
        start: usize,
        full: usize,
    ) -> Result<bool, SessionError> {
        match missing {
            Missing::Entries(entries) => self.put_run(history, &entries, out, start, full),
            Missing::Skip(skip) => {
                let size = out.len() - start + 16 + skip.ranges.len() * MAX_RANGE;
                if size > self.max_message {
                    // It may fit a message of its own.
                    if out.len() > start + 1 {
                        return Ok(false);
                    }
                    let limit = self.max_message;
                    return Err(SessionError::TooLargeForPeer { size, limit });
                }
                out.push(tag::SKIP);
                put_u64(out, skip.ranges.len() as u64);
                for range in &skip.ranges {
                    self.table.put(history, range.origin, out);
                    put_u64(out, range.first);
                    put_u64(out, range.len());
                }
                self.cursor.took_skip(history, &skip);
                Ok(true)
            }
        }
    }

    fn put_run(
        &mut self,
        history: &History,
        entries: &Entries<'_>,
        out: &mut Vec<u8>,
        start: usize,
        full: usize,
    ) -> Result<bool, SessionError> {
        let Some((base, _)) = entries.iter().next() else {
            return Ok(false);
        };
        let seen = self.seen_before(history, entries);
        let head = HEAD + seen.as_ref().map_or(0, |seen| seen.len() * MAX_SIGHTING);
        let (count, size) = fitting(entries, head, full.saturating_sub(out.len()));
        let size = out.len() - start + head + size;
        if count == 1 && size > self.max_message {
            // It may fit a message of its own.
            if out.len() > start + 1 {
                return Ok(false);
            }
            return Err(SessionError::TooLargeForPeer { size, limit: self.max_message });
        }
        out.push(if seen.is_some() { tag::RECORDED } else { tag::RUN });
        self.table.put(history, entries.origin, out);
        put_u64(out, entries.first_seq);
        put_u64(out, count as u64);
        if let Some(seen) = seen {
            put_u64(out, seen.len() as u64);
            for Dependency { origin, seq } in seen {
                self.table.put(history, origin, out);
                put_u64(out, seq);
            }
        }
        let mut run = RunWriter::new(out, base);
        for (time, payload) in entries.iter().take(count) {
            run.put(out, time, payload);
        }
        self.cursor.took_entries(history, entries, count);
        Ok(true)
    }

    /// What the author of some entries had newly seen before them, if that is on record. Where it is more
    /// than fits a message, it is better to say nothing of it than to send nothing at all.
    fn seen_before<'h>(
        &self,
        history: &'h History,
        entries: &Entries<'_>,
    ) -> Option<impl ExactSizeIterator<Item = Dependency> + use<'h>> {
        let seen = history.dependencies(entries.origin, entries.first_seq)?;
        let (_, first) = fitting(entries, HEAD, 0);
        // And the kind of the message.
        let fits = 1 + HEAD + first + seen.len() * MAX_SIGHTING <= self.max_message;
        (fits || seen.len() == 0).then_some(seen)
    }

    // ---- snapshots ----

    /// Entries were taken out of our history. If the peer has all of them, nothing else has changed. If
    /// not, what was open is abandoned, and the peer may need a snapshot now.
    fn start_over<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        out: &mut Vec<u8>,
    ) -> Result<(), SessionError> {
        let known = self.known(core.entries());
        if self.can_refresh(core.entries(), &known) {
            self.cursor.refresh(core.entries());
            return Ok(());
        }
        if let Transfer::Block(block) = &self.transfer {
            if block.is_begun {
                out.push(tag::ABANDON);
            }
            // What is frozen, in other states, stays as it is.
            self.transfer = Transfer::Live;
        }
        core.entries_mut().release();
        self.resume(core, known)
    }

    /// What the peer has, without what of a block was sent.
    fn known(&self, history: &History) -> Frontier {
        let mut known = match &self.transfer {
            Transfer::Block(block) => block.before.clone(),
            _ => self.cursor.frontier.clone(),
        };
        known.merge(history, &self.acked);
        known
    }

    /// Whether what was taken out is nothing that the peer needs.
    fn can_refresh(&self, history: &History, known: &Frontier) -> bool {
        self.cursor.is_in_place(history) && history.reaches(known)
    }

    /// Whether the peer can be told of all that has happened without another snapshot.
    pub(super) fn can_go_on(&self, history: &History) -> bool {
        !self.cursor.is_stale(history) || self.can_refresh(history, &self.known(history))
    }

    /// Begins with a snapshot, and goes on with all that its sender has not trimmed.
    pub(super) fn send_ahead(&mut self, snapshot: Snapshot, floor: VersionVector) {
        self.transfer = Transfer::Snapshot { snapshot, floor, cause: Cause::Ahead, sent: None };
    }

    /// Goes on from what the peer has: with entries, or with a snapshot if they do not reach so far back.
    fn resume<R: Replicated>(
        &mut self,
        core: &Core<R>,
        known: Frontier,
    ) -> Result<(), SessionError> {
        let history = core.entries();
        let reaches = history.reaches(&known);
        self.cursor = Cursor::new(history, known);
        if !reaches && matches!(self.transfer, Transfer::Live) {
            self.freeze(core, Cause::Trimmed)?;
        }
        Ok(())
    }

    /// Begins to send a snapshot: the peer lacks what is trimmed here, or more than fits a block.
    pub(super) fn freeze<R: Replicated>(
        &mut self,
        core: &Core<R>,
        cause: Cause,
    ) -> Result<(), SessionError> {
        if !core.reduced().covers(&self.peer_floor) {
            self.transfer = Transfer::Waiting;
            return Ok(());
        }
        // What is deferred is in no snapshot, so one would not help.
        if cause == Cause::TooLarge && core.has_deferred() {
            let limit = self.max_block;
            return Err(SessionError::TooLargeForPeer { size: limit, limit });
        }
        let snapshot = core.snapshot().map_err(SessionError::Snapshot)?;
        self.transfer = Transfer::Snapshot { snapshot, floor: core.floor(), cause, sent: None };
        Ok(())
    }

    /// The peer has answered our snapshot: it has all of this now. That is an error if none was sent; a
    /// peer could make us remember any number of made-up origins.
    pub(super) fn adopted<R: Replicated>(
        &mut self,
        core: &Core<R>,
        version: &VersionVector,
    ) -> Result<(), SessionError> {
        if !matches!(self.transfer, Transfer::Answer(_)) {
            return Err(SessionError::unexpected(Kind::Adopted));
        }
        self.confirm_version(core.entries(), version);
        self.transfer = Transfer::Live;
        // Our own floor may have risen since the snapshot was frozen.
        self.resume(core, self.cursor.frontier.clone())
    }

    /// There is nobody to answer: goes on as if the snapshot had been adopted.
    pub(super) fn assume_adopted<R: Replicated>(
        &mut self,
        core: &Core<R>,
    ) -> Result<(), SessionError> {
        match &mut self.transfer {
            Transfer::Answer(version) => {
                let version = version.clone();
                self.adopted(core, &version)
            }
            _ => Ok(()),
        }
    }

    /// The peer could not adopt our snapshot: it has trimmed `floor`, which the snapshot had not seen. If
    /// we have seen that by now, another snapshot will do. If not, the peer has one for us, provided that
    /// it has seen what we have trimmed; when we have adopted that, ours will do.
    pub(super) fn declined<R: Replicated>(
        &mut self,
        core: &Core<R>,
        floor: VersionVector,
        has_one_for_us: bool,
    ) -> Result<(), SessionError> {
        if !matches!(self.transfer, Transfer::Answer(_)) {
            return Err(SessionError::unexpected(Kind::Declined));
        }
        self.peer_floor = floor;
        self.transfer = Transfer::Waiting;
        if core.reduced().covers(&self.peer_floor) || has_one_for_us {
            return Ok(());
        }
        Err(SessionError::BothTrimmed { ours: core.floor(), theirs: self.peer_floor.clone() })
    }

    /// Whether we need a snapshot of the peer's before the peer can use one of ours.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.transfer, Transfer::Waiting)
    }

    fn poll_snapshot(&mut self, out: &mut Vec<u8>) {
        let Transfer::Snapshot { snapshot, floor, cause, sent } = &mut self.transfer else {
            return;
        };
        let Some(sent) = sent else {
            *sent = Some(0);
            out.push(Kind::Snapshot as u8);
            put_u64(out, snapshot.state.len() as u64);
            out.extend_from_slice(&snapshot::digest([&*snapshot.state]).to_le_bytes());
            put_u64(out, snapshot.time.as_micros());
            put_version(out, &snapshot.version);
            put_version(out, floor);
            out.push(*cause as u8);
            return;
        };
        let rest = &snapshot.state[*sent..];
        let part = &rest[..rest.len().min(FULL).min(self.max_message / 2).max(rest.len().min(1))];
        out.push(Kind::Chunk as u8);
        out.extend_from_slice(part);
        *sent += part.len();
        if *sent == snapshot.state.len() {
            self.transfer = match cause {
                // Nobody is asked whether it is of use.
                Cause::Ahead => Transfer::Live,
                Cause::Trimmed | Cause::TooLarge => {
                    Transfer::Answer(std::mem::take(&mut snapshot.version))
                }
            };
        }
    }
}

/// How many entries fit behind a head of so many bytes, one at least, and how many bytes they take at most.
fn fitting(entries: &Entries<'_>, head: usize, room: usize) -> (usize, usize) {
    let all = entries.payload_bytes() + entries.len * RunWriter::MAX_OVERHEAD;
    if head + all <= room {
        return (entries.len, all);
    }
    let (mut count, mut size) = (0, 0);
    for (_, payload) in entries.iter() {
        let more = payload.len() + RunWriter::MAX_OVERHEAD;
        if count > 0 && head + size + more > room {
            break;
        }
        (count, size) = (count + 1, size + more);
    }
    (count, size)
}

impl Table {
    fn add(&mut self, origin: OriginIndex) {
        let index = origin as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, u32::MAX);
        }
        self.places[index] = self.origins.len() as u32;
        self.origins.push(origin);
    }

    /// Appends the name of an origin.
    fn put(&mut self, history: &History, origin: OriginIndex, out: &mut Vec<u8>) {
        match self.places.get(origin as usize) {
            Some(&place) if place != u32::MAX => put_u64(out, place.into()),
            _ => {
                put_u64(out, self.origins.len() as u64);
                out.extend_from_slice(&history.id(origin).to_bytes());
                self.add(origin);
            }
        }
    }
}
