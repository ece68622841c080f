//! What binds the names of updates to their content: tokens, and the epochs of origins.
//!
//! The mark of an entry is computed from its bytes when somebody asks for it, which is for the last entry of an origin.
//! When that is forgotten, its mark is computed before its bytes go, and kept until another is the last. So a replica
//! knows the token of the last update of each origin, whatever it has forgotten, and a burst costs nothing.

use alloc::vec::Vec;

use super::{History, Marked, OriginIndex, span::SpanRef};
use crate::{
    epochs::Epochs,
    id::ReplicaId,
    leaf::Leaf,
    seen::{OriginHead, Seen},
    stamp::{Dot, Stamp},
    time::Time,
    token::{Epoch, Token},
    version::VersionVector,
};

/// Whether the epochs of origins are said along with their last updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithEpochs {
    No,
    /// For whoever will not get the updates themselves, with which they come otherwise.
    Yes,
}

/// How many epochs are said of all origins together, at most; of each origin at least the newest. So what is said of
/// 10,000 origins that were all opened many times still fits a message.
const MOST_EPOCHS_SAID: usize = 20_000;

impl History {
    // ---- tokens ----

    /// What is known of the token of an update that was seen: all of it if it is the last of its origin, or is kept, and
    /// its epoch, unless that is too long ago. O(log entries).
    pub(crate) fn token(&self, origin: OriginIndex, seq: u64) -> Token {
        // One that said only half would be taken for that of an update that is in no epoch.
        let Some(epoch) = self.origins[origin as usize].epochs.at(seq) else {
            return Token::UNKNOWN;
        };
        Token { epoch, entry: self.mark(origin, seq).unwrap_or(0) }
    }

    /// The same of the last update of an origin.
    pub(crate) fn last_token(&self, origin: OriginIndex) -> Token {
        self.token(origin, self.last(origin))
    }

    /// The mark of an update.
    pub(super) fn mark(&self, origin: OriginIndex, seq: u64) -> Option<u32> {
        let marked = self.origins[origin as usize].marked;
        if marked.seq == seq && marked.mark != 0 {
            return Some(marked.mark);
        }
        let (time, payload) = self.entry(origin, seq)?;
        Some(self.mark_of(origin, seq, time, payload))
    }

    fn mark_of(&self, origin: OriginIndex, seq: u64, time: Time, payload: &[u8]) -> u32 {
        let stamp = Stamp::new(time, self.id(origin), seq);
        Leaf { document: self.document, stamp, payload }.mark()
    }

    /// The time and the payload of an update that is kept.
    fn entry(&self, origin: OriginIndex, seq: u64) -> Option<(Time, &[u8])> {
        let place = self.place(origin, seq)?;
        match self.span_at(place.position)? {
            SpanRef::Segment(segment) => (!segment.is_expired(place.slot))
                .then(|| (segment.time(place.slot), segment.payload(place.slot))),
            SpanRef::Entry(single) => Some((single.time, &single.payload)),
            SpanRef::Gap(_) => None,
        }
    }

    /// Keeps the mark of the last entry of an origin.
    pub(super) fn mark_last(&mut self, origin: OriginIndex) {
        let seq = self.last(origin);
        if self.origins[origin as usize].marked.seq != seq
            && let Some(mark) = self.mark(origin, seq)
        {
            self.origins[origin as usize].marked = Marked { seq, mark };
        }
    }

    /// The same if that is the entry of this seq, or one before it: its bytes are about to go.
    pub(super) fn mark_if_last(&mut self, origin: OriginIndex, seq: u64) {
        if seq >= self.last(origin) {
            self.mark_last(origin);
        }
    }

    /// Keeps the marks of all last entries, for whoever asks for all of them again and again. O(origins).
    pub(crate) fn mark_all(&mut self) {
        (0..self.origins() as OriginIndex).for_each(|origin| self.mark_last(origin));
    }

    // ---- epochs ----

    /// Begins an epoch with an update that is the last of its origin, or before which nothing else of the origin was
    /// in a later one.
    pub(crate) fn begin_epoch(&mut self, origin: OriginIndex, epoch: Epoch) {
        let epochs = &mut self.origins[origin as usize].epochs;
        if epochs.as_slice().last().is_none_or(|last| last.first < epoch.first) {
            epochs.begin(epoch);
        }
    }

    pub(crate) fn epochs(&self, origin: OriginIndex) -> &Epochs {
        &self.origins[origin as usize].epochs
    }

    // ---- what is said of it, and what others say ----

    /// What was seen, for others. O(origins).
    pub(crate) fn seen(&self, with_epochs: WithEpochs) -> Seen {
        let heads = self.by_id.iter().filter(|&(_, &origin)| self.last(origin) > 0);
        let heads: Vec<_> =
            heads.map(|(_, &origin)| self.head(origin, self.last(origin), with_epochs)).collect();
        Seen::new(heads)
    }

    /// What was seen up to a version, which has to be covered by what is here. O(origins).
    pub(crate) fn seen_at(&self, version: &VersionVector, with_epochs: WithEpochs) -> Seen {
        let heads = version.iter().filter_map(|(id, seq)| Some((self.origin(id)?, seq)));
        Seen::new(heads.map(|(origin, seq)| self.head(origin, seq, with_epochs)).collect())
    }

    fn head(&self, origin: OriginIndex, seq: u64, with_epochs: WithEpochs) -> OriginHead {
        let epochs = match with_epochs {
            WithEpochs::No => Vec::new(),
            WithEpochs::Yes => {
                let most = MOST_EPOCHS_SAID / self.origins();
                self.epochs(origin).upto(seq).newest(most).as_slice().to_vec()
            }
        };
        OriginHead { id: self.id(origin), seq, token: self.token(origin, seq), epochs }
    }

    /// The first update of which somebody who says this has another than we have.
    pub(crate) fn contradiction(&self, seen: &Seen) -> Option<Dot> {
        seen.heads().iter().find_map(|head| self.contradiction_at(head))
    }

    /// From which seq on another history is known to have other updates of an origin.
    pub(crate) fn fork_with(&self, other: &Self, id: ReplicaId) -> Option<u64> {
        let origin = other.origin(id).filter(|&origin| other.last(origin) > 0)?;
        let head = other.head(origin, other.last(origin), WithEpochs::Yes);
        self.contradiction_at(&head).map(|dot| dot.seq)
    }

    fn contradiction_at(&self, head: &OriginHead) -> Option<Dot> {
        let origin = self.origin(head.id)?;
        let last = self.last(origin).min(head.seq);
        let said: Epochs = head.epochs.iter().copied().collect();
        let in_epochs =
            if said.is_empty() { None } else { self.epochs(origin).difference(&said, last) };
        let is_other = self.is_of_other_token(origin, head.seq, head.token);
        let seq = in_epochs.or_else(|| is_other.then_some(head.seq))?;
        Some(Dot::new(head.id, seq))
    }

    /// Whether an update that was seen is another than the one that has this token.
    pub(crate) fn is_of_other_token(&self, origin: OriginIndex, seq: u64, token: Token) -> bool {
        if seq > self.last(origin) || token == Token::UNKNOWN {
            return false;
        }
        let ours = self.token(origin, seq);
        let has_other_entry = ours.entry != 0 && token.entry != 0 && ours.entry != token.entry;
        ours != Token::UNKNOWN && (ours.epoch != token.epoch || has_other_entry)
    }

    /// Whether an update that came, and whose seq was seen, is another than the one that is here.
    pub(crate) fn is_other(
        &self,
        origin: OriginIndex,
        seq: u64,
        time: Time,
        payload: &[u8],
    ) -> bool {
        match self.entry(origin, seq) {
            Some(here) => here != (time, payload),
            None => self
                .mark(origin, seq)
                .is_some_and(|mark| mark != self.mark_of(origin, seq, time, payload)),
        }
    }

    /// Whether an epoch that is said to begin with an update that was seen contradicts what is known here.
    pub(crate) fn is_other_epoch(&self, origin: OriginIndex, epoch: Epoch) -> bool {
        let ours = self.epochs(origin).at(epoch.first);
        epoch.mark != 0
            && epoch.first <= self.last(origin)
            && ours.is_some_and(|mark| mark != epoch.mark)
    }

    /// Takes over what somebody says of the content of an origin, which has to be what we have: its last update here was
    /// `ours`, before that was raised to what they have seen.
    pub(crate) fn learn(&mut self, head: &OriginHead, ours: u64) {
        let Some(index) = self.origin(head.id) else {
            return;
        };
        if head.seq == self.last(index) {
            self.learn_mark(index, head.token);
        }
        let said: Epochs = head.epochs.iter().copied().collect();
        if !said.is_empty() {
            self.origins[index as usize].epochs.merge(&said, ours, head.seq);
        }
    }

    /// Takes over the token of the last update of an origin, if it was unknown.
    pub(crate) fn learn_mark(&mut self, origin: OriginIndex, token: Token) {
        let seq = self.last(origin);
        if token.entry != 0 && self.mark(origin, seq).is_none() {
            self.origins[origin as usize].marked = Marked { seq, mark: token.entry };
        }
    }

    /// Which document the entries are of.
    pub(crate) fn document(&self) -> [u8; 16] {
        self.document
    }

    /// Says which document the entries are of. Before there is any.
    pub(crate) fn set_document(&mut self, document: [u8; 16]) {
        debug_assert!(self.origins.iter().all(|origin| origin.last == 0));
        self.document = document;
    }
}
