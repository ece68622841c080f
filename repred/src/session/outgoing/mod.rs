//! [`Outgoing`]: bringing the peer up to date.

mod plan;
mod table;
mod open_snapshot;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use self::{open_snapshot::OpenSnapshot, plan::Plan, table::OriginTable};
use super::error::SessionError;
use crate::{
    core::Core,
    history::{
        Cursor, Dependency, Entries, Frontier, History, Missing, OriginIndex, Pin, Position,
        SeqRange, Skip,
    },
    id::ReplicaId,
    protocol::{Acked, Cause, ItemWriter, Kind, Malformed, Message, NamedRange, Skipped, Unit},
    reduce::Replicated,
    seen::{OriginHead, Seen},
    snapshot::Snapshot,
    token::{Epoch, Token},
    unknowns::{Unknown, UnknownKind, Unknowns},
    version::VersionVector,
};

/// Bytes at which a message of items or a part of a snapshot is full: enough for one write to carry
/// thousands of updates, little enough for a slow link to complete one well within the timeout.
const FULL: usize = 32 << 10;

/// What goes to the peer: where it stands in our history, and what is half sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    cursor: Cursor,
    /// What the peer has confirmed, or sent itself.
    acked: Frontier,
    /// Where our origins are in the table that the peer keeps of them.
    table: OriginTable,
    transfer: Transfer,
    /// When the cursor gets here, the peer has what its digest lacked; `None` once `synced` was sent.
    sync_at: Option<Position>,
    /// Bytes of a message, and of a block, that the peer takes.
    max_message: usize,
    max_block: usize,
    /// Of each origin, where the last epoch begins that the peer was told of and will have, so that none is told twice.
    told_epochs: BTreeMap<OriginIndex, u64>,
    /// What the peer has said to have of an origin when that was more than we had: the seq, and its token or the check
    /// of that. Before it is sent what follows, we have to have seen the same.
    claims: BTreeMap<ReplicaId, (u64, Claim)>,
    /// What the peer has trimmed, as far as we know. It can only adopt a snapshot that has seen all of that.
    peer_floor: VersionVector,
    /// What comes next of what this version of the program does not understand.
    next_unknown: usize,
    /// What of that came from the peer, from there on.
    from_peer: BTreeSet<usize>,
}

/// What the peer has said of an update that we had not seen.
#[derive(Clone, Copy, Debug)]
enum Claim {
    Token(Token),
    Check(u16),
}

/// What is in the middle of being sent.
#[derive(Debug)]
enum Transfer {
    /// Nothing: entries go out one by one as they come.
    Live,
    Block(OpenBlock),
    Snapshot(OpenSnapshot),
    /// A snapshot of this version is sent, and the peer has to say what became of it.
    Answer(VersionVector),
    /// The peer needs a snapshot, but has trimmed what we have not seen: first we need one of the peer's.
    Waiting,
}

/// Pieces that the peer applies together, from here to `end`.
#[derive(Debug)]
struct OpenBlock {
    end: Position,
    edits: VecDeque<SeqRange>,
    is_begun: bool,
    /// What the peer had when the block was opened, should it be abandoned.
    before: Frontier,
    /// Keeps the entries that are live now until the block is sent. Otherwise each further update of a busy state
    /// would move the end of the next block further away.
    _pin: Pin,
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
        Self {
            acked: cursor.frontier.clone(),
            cursor,
            table: OriginTable::new(announced),
            transfer: Transfer::Live,
            sync_at,
            max_message,
            max_block,
            told_epochs: BTreeMap::new(),
            claims: BTreeMap::new(),
            peer_floor,
            next_unknown: 0,
            from_peer: BTreeSet::new(),
        }
    }

    /// The peer has everything that there is beside the history.
    pub(super) fn at_end_of_unknowns(self, unknowns: &Unknowns) -> Self {
        Self { next_unknown: unknowns.len(), ..self }
    }

    /// The peer has said something that this version of the program does not understand, which is kept at a place.
    pub(super) fn heard_unknown(&mut self, place: usize) {
        if place >= self.next_unknown {
            self.from_peer.insert(place);
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

    /// The peer has each of these up to a seq, by the places of our table.
    pub(super) fn confirm_places<R: Replicated>(
        &mut self,
        core: &Core<R>,
        acked: &[Acked],
    ) -> Result<(), SessionError> {
        let history = core.history();
        for &Acked { place, seq, check } in acked {
            let origin = self.table.origin_at(place);
            let origin = origin.ok_or(Malformed("an origin we have named"))?;
            core.check_acked(origin, seq, check)?;
            if seq > history.last(origin) {
                self.claims.insert(history.id(origin), (seq, Claim::Check(check)));
            }
            self.confirm(history, origin, seq);
        }
        Ok(())
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
        let mut items = ItemWriter::new(out);
        if self.cursor.is_stale(core.history()) {
            self.start_over(core, &mut items)?;
            if !items.is_empty() {
                return Ok(items.finish());
            }
        }
        if matches!(self.transfer, Transfer::Waiting) {
            if !core.in_order().covers(&self.peer_floor) {
                return Ok(items.finish());
            }
            self.transfer = Transfer::Live;
            self.resume(core, self.acked.clone())?;
        }
        self.fill(core, &mut items)?;
        if items.finish() {
            return Ok(true);
        }
        if let Transfer::Snapshot(_) = self.transfer {
            self.poll_snapshot(out);
            return Ok(true);
        }
        if matches!(self.transfer, Transfer::Live) && self.put_unknown(core.unknowns(), out) {
            return Ok(true);
        }
        let has_reached = |position| self.cursor.position() >= position;
        if matches!(self.transfer, Transfer::Live) && self.sync_at.is_some_and(has_reached) {
            self.sync_at = None;
            Message::Synced.encode(out);
            return Ok(true);
        }
        Ok(false)
    }

    // ---- items ----

    /// Bytes at which a message of items is full.
    fn full(&self) -> usize {
        FULL.min(self.max_message / 2)
    }

    /// Fills a message with items.
    fn fill<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        items: &mut ItemWriter<'_>,
    ) -> Result<(), SessionError> {
        while items.len() < self.full() {
            let wrote = match &mut self.transfer {
                Transfer::Live => self.fill_live(core, items)?,
                Transfer::Block(_) => self.fill_block(core, items)?,
                Transfer::Snapshot(_) | Transfer::Answer(_) | Transfer::Waiting => false,
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
        items: &mut ItemWriter<'_>,
    ) -> Result<bool, SessionError> {
        let history = core.history();
        let Some(missing) = self.cursor.peek(history) else {
            return Ok(false);
        };
        self.check_claims(core, &missing)?;
        if missing.stands_alone(history) {
            return self.put(history, missing, items);
        }
        match Plan::new(history, &self.cursor, &missing, self.max_block) {
            Some(Plan { end, edits }) => {
                let pinned = missing.position()..=end;
                let _pin = core.pin(pinned);
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
        items: &mut ItemWriter<'_>,
    ) -> Result<bool, SessionError> {
        let full = self.full();
        let Transfer::Block(block) = &mut self.transfer else {
            return Ok(false);
        };
        if !core::mem::replace(&mut block.is_begun, true) {
            items.begin();
        }
        while let Some(edit) = block.edits.pop_front() {
            items.edit(self.table.range(core.history(), edit));
            if items.len() >= full {
                return Ok(true);
            }
        }
        let end = block.end;
        let history = core.history();
        if let Some(missing) = self.cursor.peek_until(history, end) {
            self.check_claims(core, &missing)?;
            return self.put(history, missing, items);
        }
        items.commit();
        self.transfer = Transfer::Live;
        core.release_pins();
        Ok(true)
    }

    /// Records what the peer has seen that we have not, so that it is compared once we have seen it, too.
    pub(super) fn note_claims(&mut self, history: &History, seen: &Seen) {
        let is_beyond = |head: &&OriginHead| {
            head.seq > history.origin(head.id).map_or(0, |origin| history.last(origin))
        };
        let beyond = seen.heads().iter().filter(is_beyond);
        self.claims.extend(beyond.map(|head| (head.id, (head.seq, Claim::Token(head.token)))));
    }

    /// What the peer lacks of an origin follows what it has, which may be of the other half of a fork.
    fn check_claims<R: Replicated>(
        &mut self,
        core: &Core<R>,
        missing: &Missing<'_>,
    ) -> Result<(), SessionError> {
        if self.claims.is_empty() {
            return Ok(());
        }
        let (entries, ranges) = match missing {
            Missing::Entries(entries) => (Some(entries.origin), &[][..]),
            Missing::Skip(skip) => (None, &*skip.ranges),
        };
        for origin in entries.into_iter().chain(ranges.iter().map(|range| range.origin)) {
            match self.claims.remove(&core.history().id(origin)) {
                Some((seq, Claim::Token(token))) => core.check_token(origin, seq, token)?,
                Some((seq, Claim::Check(check))) => core.check_acked(origin, seq, check)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Appends what is missing, or as much of it as there is room for.
    fn put(
        &mut self,
        history: &History,
        missing: Missing<'_>,
        items: &mut ItemWriter<'_>,
    ) -> Result<bool, SessionError> {
        match missing {
            Missing::Entries(entries) => self.put_run(history, &entries, items),
            Missing::Skip(skip) => self.put_skip(history, &skip, items),
        }
    }

    fn put_skip(
        &mut self,
        history: &History,
        skip: &Skip,
        items: &mut ItemWriter<'_>,
    ) -> Result<bool, SessionError> {
        if !self.put_epochs(history, &skip.ranges, items)? {
            return Ok(false);
        }
        let ranges = skip.ranges.len() * ItemWriter::MAX_RANGE;
        if !self.has_room(items, ItemWriter::MAX_SKIP_HEAD + ranges)? {
            return Ok(false);
        }
        items.skip(skip.ranges.iter().map(|&range| {
            let is_last = range.last == history.last(range.origin);
            let token = is_last.then(|| history.last_token(range.origin));
            let token = token.filter(|&token| token != Token::UNKNOWN);
            Skipped { range: self.table.range(history, range), token }
        }));
        self.cursor.took_skip(history, skip);
        Ok(true)
    }

    fn put_run(
        &mut self,
        history: &History,
        entries: &Entries<'_>,
        items: &mut ItemWriter<'_>,
    ) -> Result<bool, SessionError> {
        let Some((base, _)) = entries.iter().next() else {
            return Ok(false);
        };
        let seen = self.seen_before(history, entries);
        let seen_bytes = seen.as_ref().map_or(0, |seen| seen.len() * ItemWriter::MAX_SEEN);
        let head = ItemWriter::MAX_RUN_HEAD + seen_bytes;
        let room = |items: &ItemWriter<'_>, full: usize| full.saturating_sub(items.len());
        let (mut count, mut size) = fitting(entries, head, room(items, self.full()));
        let (origin, first) = (entries.origin, entries.first_seq);
        let range = SeqRange { origin, first, last: first + count as u64 - 1 };
        if self.has_epochs(history, range) {
            if !self.put_epochs(history, &[range], items)? {
                return Ok(false);
            }
            (count, size) = fitting(entries, head, room(items, self.full()));
        }
        // If there are several, the first one fits by itself.
        if count == 1 && !self.has_room(items, head + size)? {
            return Ok(false);
        }
        let count = rising(entries, count);
        let (first, last) = (entries.first_seq, entries.first_seq + count as u64 - 1);
        let range = NamedRange { origin: self.table.name(history, entries.origin), first, last };
        let unit = Unit::of(entries.iter().take(count).map(|(time, _)| time));
        let mut run = match seen {
            None => items.run(range, base, unit),
            Some(seen) => {
                let seen =
                    seen.map(|Dependency { origin, seq }| (self.table.name(history, origin), seq));
                items.recorded_run(range, seen, base, unit)
            }
        };
        for (time, payload) in entries.iter().take(count) {
            run.entry(time, payload);
        }
        self.cursor.took_entries(history, entries, count);
        Ok(true)
    }

    /// Appends a message with the next thing that this version of the program does not understand.
    fn put_unknown(&mut self, unknowns: &Unknowns, out: &mut Vec<u8>) -> bool {
        while let Some(Unknown { kind, bytes }) = unknowns.get(self.next_unknown) {
            let is_from_peer = self.from_peer.remove(&self.next_unknown);
            self.next_unknown += 1;
            // One that is longer than the peer takes must not keep back the others.
            if is_from_peer || bytes.len() >= self.max_message {
                continue;
            }
            match kind {
                UnknownKind::Message => out.extend_from_slice(bytes),
                UnknownKind::Item => {
                    let mut items = ItemWriter::new(out);
                    items.unknown(bytes);
                    items.finish();
                }
                // It stays in the journal.
                UnknownKind::Record => continue,
            }
            return true;
        }
        false
    }

    /// Whether an epoch begins in a range of which the peer was not told.
    fn has_epochs(&self, history: &History, range: SeqRange) -> bool {
        !self.epochs(history, range).is_empty()
            || history.epochs(range.origin).at(range.first).is_none()
    }

    fn epochs<'h>(&self, history: &'h History, range: SeqRange) -> &'h [Epoch] {
        let told = self.told_epochs.get(&range.origin).copied().unwrap_or(0);
        history.epochs(range.origin).beginning_in(range.first.max(told + 1), range.last)
    }

    /// Appends the epochs that begin in some ranges, which are what follows. False if there is no room for all.
    fn put_epochs(
        &mut self,
        history: &History,
        ranges: &[SeqRange],
        items: &mut ItemWriter<'_>,
    ) -> Result<bool, SessionError> {
        for &range in ranges {
            let is_told =
                self.told_epochs.get(&range.origin).is_some_and(|&told| told >= range.first);
            if !is_told && history.epochs(range.origin).at(range.first).is_none() {
                // Otherwise the peer would believe that none begins here.
                if !self.has_room(items, ItemWriter::MAX_EPOCH)? {
                    return Ok(false);
                }
                let unknown = Epoch { first: range.first, mark: 0 };
                items.epoch(self.table.name(history, range.origin), unknown);
                self.told_epochs.insert(range.origin, range.first);
            }
            for &epoch in self.epochs(history, range) {
                if !self.has_room(items, ItemWriter::MAX_EPOCH)? {
                    return Ok(false);
                }
                items.epoch(self.table.name(history, range.origin), epoch);
                self.told_epochs.insert(range.origin, epoch.first);
            }
        }
        Ok(true)
    }

    /// Whether so many bytes still fit the message. If not, they may fit a message of their own; if not even
    /// that, nothing behind them can ever be sent.
    fn has_room(&self, items: &ItemWriter<'_>, more: usize) -> Result<bool, SessionError> {
        let (size, limit) = (items.len() + more, self.max_message);
        if size <= limit {
            return Ok(true);
        }
        if items.is_empty() {
            return Err(SessionError::TooLargeForPeer { size, limit });
        }
        Ok(false)
    }

    /// What the author of some entries had newly seen before them, if that is on record. Where it is more
    /// than fits a message, it is better to say nothing of it than to send nothing at all.
    fn seen_before<'h>(
        &self,
        history: &'h History,
        entries: &Entries<'_>,
    ) -> Option<impl ExactSizeIterator<Item = Dependency> + use<'h>> {
        let seen = history.dependencies(entries.origin, entries.first_seq)?;
        let (_, first) = fitting(entries, ItemWriter::MAX_RUN_HEAD, 0);
        // And the kind of the message.
        let head = 1 + ItemWriter::MAX_RUN_HEAD + seen.len() * ItemWriter::MAX_SEEN;
        (head + first <= self.max_message || seen.len() == 0).then_some(seen)
    }

    // ---- snapshots ----

    /// Entries were taken out of our history. If the peer has all of them, nothing else has changed. If
    /// not, what was open is abandoned, and the peer may need a snapshot now.
    fn start_over<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        items: &mut ItemWriter<'_>,
    ) -> Result<(), SessionError> {
        let known = self.known(core.history());
        if self.can_refresh(core.history(), &known) {
            self.cursor.refresh(core.history());
            return Ok(());
        }
        if let Transfer::Block(block) = &self.transfer {
            if block.is_begun {
                items.abandon();
            }
            // In the other states the snapshot is frozen already, and stays valid.
            self.transfer = Transfer::Live;
        }
        core.release_pins();
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

    /// Whether entries alone can bring the peer up to date, without another snapshot.
    pub(super) fn can_continue(&self, history: &History) -> bool {
        !self.cursor.is_stale(history) || self.can_refresh(history, &self.known(history))
    }

    /// Begins with a snapshot, which the entries beyond its sender's floor follow.
    pub(super) fn send_ahead(&mut self, snapshot: Snapshot, floor: VersionVector) {
        let cause = Cause::LogBegins;
        self.transfer = Transfer::Snapshot(OpenSnapshot::new(snapshot, floor, cause));
    }

    /// Goes on from what the peer has: with entries, or with a snapshot if they do not reach so far back.
    fn resume<R: Replicated>(
        &mut self,
        core: &Core<R>,
        known: Frontier,
    ) -> Result<(), SessionError> {
        let history = core.history();
        let reaches = history.reaches(&known);
        self.cursor = Cursor::new(history, known);
        // What was told with a block that was abandoned is told again.
        self.told_epochs.clear();
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
        if !core.in_order().covers(&self.peer_floor) {
            self.transfer = Transfer::Waiting;
            return Ok(());
        }
        // What is deferred is in no snapshot, so one would not help.
        if cause == Cause::TooLarge && core.has_deferred() {
            let limit = self.max_block;
            return Err(SessionError::TooLargeForPeer { size: limit, limit });
        }
        let snapshot = core.snapshot().map_err(SessionError::Snapshot)?;
        let floor = core.floor();
        self.transfer = Transfer::Snapshot(OpenSnapshot::new(snapshot, floor, cause));
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
        self.confirm_version(core.history(), version);
        self.transfer = Transfer::Live;
        // Our own floor may have risen since the snapshot was frozen.
        self.resume(core, self.cursor.frontier.clone())
    }

    /// For a file, which cannot answer: continues as if the snapshot had been adopted.
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

    /// The peer could not adopt our snapshot: it has trimmed `floor`, which the snapshot had not seen. If we have
    /// seen that by now, another snapshot will do. Otherwise we wait for the peer's snapshot, which it can only send
    /// if its version covers our floor. After we have adopted that, ours will do.
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
        if core.in_order().covers(&self.peer_floor) || has_one_for_us {
            return Ok(());
        }
        Err(SessionError::BothTrimmed { ours: core.floor(), theirs: self.peer_floor.clone() })
    }

    /// Whether we need a snapshot of the peer's before the peer can use one of ours.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.transfer, Transfer::Waiting)
    }

    /// Appends the next message of the snapshot that is being sent.
    fn poll_snapshot(&mut self, out: &mut Vec<u8>) {
        let most = self.full();
        let Transfer::Snapshot(open) = &mut self.transfer else { return };
        if open.poll(out, most) {
            self.transfer = match open.cause() {
                // Nobody is asked whether it is of use.
                Cause::LogBegins => Transfer::Live,
                Cause::Trimmed | Cause::TooLarge => Transfer::Answer(open.take_version()),
            };
        }
    }
}

/// How many of the first so many entries one run can carry: in a run, times rise. They do unless somebody has lied.
fn rising(entries: &Entries<'_>, count: usize) -> usize {
    let times = || entries.iter().take(count).map(|(time, _)| time);
    1 + times().zip(times().skip(1)).take_while(|(one, next)| one < next).count()
}

/// How many entries fit behind a head of so many bytes, one at least, and how many bytes they take at most.
fn fitting(entries: &Entries<'_>, head: usize, room: usize) -> (usize, usize) {
    let all = entries.payload_bytes() + entries.len * ItemWriter::MAX_ENTRY_HEAD;
    if head + all <= room {
        return (entries.len, all);
    }
    let (mut count, mut size) = (0, 0);
    for (_, payload) in entries.iter() {
        let more = payload.len() + ItemWriter::MAX_ENTRY_HEAD;
        if count > 0 && head + size + more > room {
            break;
        }
        (count, size) = (count + 1, size + more);
    }
    (count, size)
}
