//! [`Replay`]: reads the messages of a backup or of a log, which nobody answers.

use super::{
    assembler::{Assembler, ReceivedSnapshot, Receiver},
    error::ProtocolError,
    message::{Kind, Message},
    open::{MAX_OPEN, Open},
};
use crate::{seen::Seen, shape::Said, unknowns::UnknownKind};

/// Reads messages that nobody answers: an open, a digest, and then what a new peer would get.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    step: Step,
    assembler: Assembler,
}

/// Who applies what is replayed.
pub(crate) trait Audience {
    /// Who applies entries.
    type Receiver: Receiver;

    fn receiver(&mut self) -> &mut Self::Receiver;

    /// The writer of the file begins, or begins again.
    fn open(&mut self, open: Open) -> Result<(), ErrorOf<Self>>;

    /// What the writer's types are, and what it started with; it comes right after the open.
    fn shape(&mut self, said: Said<'_>) -> Result<(), ErrorOf<Self>> {
        let _ = said;
        Ok(())
    }

    /// What the writer had when it began.
    fn digest(&mut self, seen: &Seen) -> Result<(), ErrorOf<Self>>;

    /// Decides what becomes of a snapshot.
    fn snapshot(&mut self, received: ReceivedSnapshot) -> Result<(), ErrorOf<Self>>;

    /// Everything has come that the writer had when it began.
    fn synced(&mut self) -> Result<(), ErrorOf<Self>>;
}

type ErrorOf<A> = <<A as Audience>::Receiver as Receiver>::Error;

/// What has to come next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Open,
    Digest,
    Content,
    /// What comes now was written later.
    Synced,
}

impl Replay {
    /// The messages that follow begin anew, with an open. What was incomplete before is dropped.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Whether the first message has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.step != Step::Open
    }

    /// Whether everything has come that there was when the writer began.
    pub(crate) fn is_synced(&self) -> bool {
        self.step == Step::Synced
    }

    /// Bytes of the longest message that may come now, where messages are limited.
    pub(crate) fn message_limit(&self, limit: usize) -> usize {
        if self.has_begun() { limit } else { MAX_OPEN }
    }

    /// Reads the next message.
    pub(crate) fn message<A: Audience>(
        &mut self,
        message: &[u8],
        audience: &mut A,
    ) -> Result<(), ErrorOf<A>> {
        if self.step == Step::Open {
            audience.open(Open::read(message)?)?;
            self.step = Step::Digest;
            return Ok(());
        }
        let (kind, body) = Kind::split(message).map_err(ProtocolError::from)?;
        if kind == Kind::Unknown {
            audience.receiver().unknown(UnknownKind::Message, body);
            return Ok(());
        }
        let is_content = matches!(kind, Kind::Items | Kind::Snapshot | Kind::Chunk | Kind::Synced);
        let is_expected = match self.step {
            Step::Digest => matches!(kind, Kind::Digest | Kind::Shape),
            _ => is_content,
        };
        if !is_expected {
            return Err(ProtocolError::Unexpected(kind).into());
        }
        let limits = audience.receiver().limits();
        match Message::decode(kind, body, limits.origins).map_err(ProtocolError::from)? {
            Message::Digest { seen, .. } => {
                audience.digest(&seen)?;
                let announced = seen.heads().iter().map(|head| head.id);
                self.assembler = Assembler::new(announced);
                self.step = Step::Content;
                Ok(())
            }
            Message::Shape(said) => audience.shape(said),
            Message::Items(body) => self.assembler.items(body, audience.receiver()),
            Message::Snapshot(head) => Ok(self.assembler.begin_snapshot(head, limits)?),
            Message::Chunk(bytes) => match self.assembler.chunk(bytes)? {
                Some(received) => audience.snapshot(received),
                None => Ok(()),
            },
            Message::Synced => {
                audience.synced()?;
                self.step = Step::Synced;
                Ok(())
            }
            _ => Err(ProtocolError::Unexpected(kind).into()),
        }
    }
}
