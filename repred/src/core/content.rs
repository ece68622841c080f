//! Comparing what others say of the content of updates with what is here.

use alloc::collections::BTreeMap;

use super::Core;
use crate::{
    fork::Fork,
    history::{OriginIndex, SeqRange, WithEpochs},
    id::ReplicaId,
    reduce::Replicated,
    seen::{OriginHead, Seen},
    stamp::Dot,
    token::{Epoch, Token},
};

impl<R: Replicated> Core<R> {
    /// The version, with tokens. O(origins).
    pub(crate) fn seen(&self) -> Seen {
        self.history().seen(WithEpochs::No)
    }

    /// The last seq of an origin, and its token.
    pub(crate) fn head(&self, origin: OriginIndex) -> (u64, Token) {
        (self.history().last(origin), self.history().last_token(origin))
    }

    /// Keeps all tokens of last updates, for whoever asks for all of them again and again. O(origins).
    pub(crate) fn keep_tokens(&mut self) {
        self.applied.content().mark_all();
    }

    /// The fork in which two updates have this name.
    pub(crate) fn forked(&self, dot: Dot) -> Fork {
        let Dot { origin, seq } = dot;
        Fork { origin, seq, is_ours: self.has_written_as(origin) }
    }

    /// Whether somebody who says this has the same updates as we have, of those that both have seen and that can be
    /// compared; and whether what is beyond ours under our own id can be written by somebody who goes on from an earlier
    /// state of ours. O(origins).
    pub(crate) fn check_fork(&self, seen: &Seen) -> Result<(), Fork> {
        if let Some(dot) = self.history().contradiction(seen) {
            return Err(self.forked(dot));
        }
        // Nobody but us writes in the epoch that was begun here. So whoever does shares our memory: a virtual machine was
        // forked. It may have written something else where we have written.
        let own = self.id();
        let is_twin = |head: &&OriginHead| {
            head.id == own
                && head.seq > self.last_of(own)
                && Some(head.token.epoch) == self.applied.own_epoch()
        };
        match seen.heads().iter().find(is_twin) {
            Some(_) => Err(self.forked(Dot::new(own, self.last_of(own) + 1))),
            None => Ok(()),
        }
    }

    /// The same for what the replica `author` says of itself, which must not be taken for what goes on from an earlier
    /// state if that cannot be told.
    pub(crate) fn check_author(&self, author: ReplicaId, seen: &Seen) -> Result<(), Fork> {
        let head = seen.heads().iter().find(|head| head.id == author);
        let (Some(head), Some(origin)) = (head, self.history().origin(author)) else {
            return Ok(());
        };
        let is_unclear = head.seq < self.history().last(origin)
            && head.token != Token::UNKNOWN
            && self.history().token(origin, head.seq) == Token::UNKNOWN;
        if is_unclear { Err(self.forked(Dot::new(author, head.seq))) } else { Ok(()) }
    }

    /// Whether somebody who says this may know of a fork that cannot be seen from here, because they have seen more of
    /// an origin than we have.
    pub(crate) fn may_lack_half(&self, seen: &Seen) -> bool {
        seen.heads().iter().any(|head| {
            let last = self.last_of(head.id);
            head.token != Token::UNKNOWN && 0 < last && last < head.seq
        })
    }

    /// Whether an update that is here may have this token.
    pub(crate) fn check_token(
        &self,
        origin: OriginIndex,
        seq: u64,
        token: Token,
    ) -> Result<(), Fork> {
        if self.history().is_of_other_token(origin, seq, token) {
            return Err(self.forked(Dot::new(self.history().id(origin), seq)));
        }
        Ok(())
    }

    /// Whether somebody may have this update, of whose token this is the check.
    pub(crate) fn check_acked(
        &self,
        origin: OriginIndex,
        seq: u64,
        check: u16,
    ) -> Result<(), Fork> {
        if check == 0 || seq > self.history().last(origin) {
            return Ok(());
        }
        match self.history().token(origin, seq).check() {
            0 => Ok(()),
            ours if ours == check => Ok(()),
            _ => Err(self.forked(Dot::new(self.history().id(origin), seq))),
        }
    }

    /// Whether an epoch may begin with an update that is here.
    pub(crate) fn check_epoch(&self, origin: OriginIndex, epoch: Epoch) -> Result<(), Fork> {
        if self.history().is_other_epoch(origin, epoch) {
            return Err(self.forked(Dot::new(self.history().id(origin), epoch.first)));
        }
        Ok(())
    }

    /// Whether somebody may have updates of these seqs, some of which may be here, and have said only these epochs of
    /// them. One that begins with an update that is here has to be among them: where a half of a fork goes on in the epoch
    /// before, that is all that shows it.
    pub(crate) fn check_said_epochs(
        &self,
        SeqRange { origin, first, last }: SeqRange,
        said: &BTreeMap<(OriginIndex, u64), u32>,
    ) -> Result<(), Fork> {
        let here = last.min(self.history().last(origin));
        if first > here {
            return Ok(());
        }
        // A mark of 0 says that the speaker does not know which there are from there on.
        let is_said = |ours: &Epoch| {
            let before = said.range((origin, 0)..=(origin, ours.first)).next_back();
            before.is_some_and(|(&(_, first), &mark)| first == ours.first || mark == 0)
        };
        let ours = self.history().epochs(origin).beginning_in(first, here).iter();
        match ours.filter(|ours| ours.mark != 0).find(|ours| !is_said(ours)) {
            Some(ours) => Err(self.forked(Dot::new(self.history().id(origin), ours.first))),
            None => Ok(()),
        }
    }

    /// Begins an epoch of another replica, which has begun with an update that was just received.
    pub(crate) fn note_epoch(&mut self, origin: OriginIndex, epoch: Epoch) {
        self.applied.content().begin_epoch(origin, epoch);
    }

    /// Takes over the token of the last update of an origin, if it is unknown here.
    pub(crate) fn learn_token(&mut self, origin: OriginIndex, token: Token) {
        self.applied.content().learn_mark(origin, token);
    }

    /// The same for all that somebody says who has the same updates.
    pub(crate) fn learn_tokens(&mut self, seen: &Seen) {
        for head in seen.heads() {
            if let Some(origin) = self.history().origin(head.id)
                && self.history().last(origin) == head.seq
            {
                self.learn_token(origin, head.token);
            }
        }
    }

    /// Whether an update under our own id that is not here, and that begins no epoch, is of somebody who shares our
    /// memory.
    pub(crate) fn is_of_twin(&self, dot: Dot) -> bool {
        dot.origin == self.id() && self.applied.own_epoch().is_some()
    }
}
