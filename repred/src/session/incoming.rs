//! [`Incoming`]: what comes from the peer, and our answers to it.

use alloc::vec::Vec;

use super::{
    error::SessionError,
    receiver::{CoreReceiver, IfTrimmed, Outcome},
};
use crate::{
    core::Core,
    id::ReplicaId,
    protocol::{Acked, Assembler, Message, ReceivedSnapshot, Receiver, SnapshotHead},
    reduce::Replicated,
};

/// What comes from the peer, and our answers to it.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    assembler: Assembler,
    /// The answer to the peer's last snapshot, if it was not sent yet.
    answer: Option<Answer>,
    /// Whether the last snapshot was declined.
    has_declined: bool,
}

/// The answer to a snapshot.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// We have what is in it, or at least what the peer has trimmed: entries may follow.
    Adopted,
    /// We have trimmed what it has not seen.
    Declined { has_seen_floor: bool },
}

impl Incoming {
    /// From a peer whose digest had these origins.
    pub(super) fn new(announced: impl IntoIterator<Item = ReplicaId>) -> Self {
        Self { assembler: Assembler::new(announced), ..Self::default() }
    }

    /// Applies a message of items, up to the first that cannot be.
    pub(super) fn items<R: Replicated>(
        &mut self,
        body: &[u8],
        receiver: &mut CoreReceiver<'_, R>,
    ) -> Result<(), SessionError> {
        self.assembler.items(body, receiver)
    }

    /// Begins a snapshot that is to come.
    pub(super) fn begin_snapshot<R: Replicated>(
        &mut self,
        head: SnapshotHead,
        receiver: &CoreReceiver<'_, R>,
    ) -> Result<(), SessionError> {
        Ok(self.assembler.begin_snapshot(head, receiver.limits())?)
    }

    /// Offers again what was too early, and acknowledges what is received now.
    pub(super) fn receive_waiting<R: Replicated>(
        &mut self,
        receiver: &mut CoreReceiver<'_, R>,
    ) -> Result<(), SessionError> {
        let received = receiver.receive_waiting()?;
        self.assembler.note_applied(&received);
        Ok(())
    }

    /// Adds the next part of a snapshot. With the last one, decides what becomes of it.
    pub(super) fn chunk<R: Replicated>(
        &mut self,
        bytes: &[u8],
        receiver: &mut CoreReceiver<'_, R>,
        if_trimmed: IfTrimmed,
    ) -> Result<Option<Outcome>, SessionError> {
        let Some(received) = self.assembler.chunk(bytes)? else {
            return Ok(None);
        };
        self.snapshot(received, receiver, if_trimmed).map(Some)
    }

    /// Decides what becomes of a snapshot, and answers, unless it is too early.
    pub(super) fn snapshot<R: Replicated>(
        &mut self,
        received: ReceivedSnapshot,
        receiver: &mut CoreReceiver<'_, R>,
        if_trimmed: IfTrimmed,
    ) -> Result<Outcome, SessionError> {
        let outcome = receiver.snapshot(received, if_trimmed)?;
        self.answer = match outcome {
            Outcome::Adopted(_) | Outcome::Needless => Some(Answer::Adopted),
            Outcome::Declined { has_seen_floor } => Some(Answer::Declined { has_seen_floor }),
            Outcome::TooEarly(_) => None,
        };
        self.has_declined = matches!(outcome, Outcome::Declined { .. });
        Ok(outcome)
    }

    /// The last snapshot was answered already.
    pub(super) fn forget_answer(&mut self) {
        self.answer = None;
    }

    /// Whether we declined the last snapshot.
    pub(super) fn has_declined(&self) -> bool {
        self.has_declined
    }

    /// The next answer: to a snapshot, or an acknowledgement of entries.
    pub(super) fn take_answer<R: Replicated>(
        &mut self,
        core: &Core<R>,
    ) -> Option<Message<'static>> {
        match self.answer.take() {
            Some(Answer::Adopted) => return Some(Message::Adopted(core.seen())),
            Some(Answer::Declined { has_seen_floor }) => {
                return Some(Message::Declined { floor: core.floor(), has_seen_floor });
            }
            None if self.assembler.has_applied() => {}
            None => return None,
        }
        let applied = self.assembler.take_applied().into_iter();
        let acked = applied.map(|(place, origin)| {
            let (seq, token) = core.head(origin);
            Acked { place: place as u64, seq, check: token.check() }
        });
        let acked: Vec<_> = acked.filter(|acked| acked.seq > 0).collect();
        (!acked.is_empty()).then_some(Message::Ack(acked))
    }
}
