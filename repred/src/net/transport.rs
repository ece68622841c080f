//! [`Transport`]: what carries messages, and the two kinds there are.

use std::{
    collections::VecDeque,
    fmt, io,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use futures_sink::Sink;

use crate::protocol::{FrameError, FrameReader, put_frame};

/// Bytes that are collected before they are written: one write carries thousands of updates.
const FULL: usize = 64 << 10;

/// What carries the messages of a session: a [`ByteStream`] or [`Messages`].
pub trait Transport: sealed::Transport {}

pub(super) mod sealed {
    use std::task::{Context, Poll};

    use super::{FrameError, TransportError};

    /// A transport reads and writes when asked to, and never more than it was asked for.
    pub trait Transport: Unpin {
        /// Reads what there is. False at the end.
        fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>>;

        /// The next message that was read, if it has at most `limit` bytes.
        fn next(&mut self, limit: usize) -> Result<Option<&[u8]>, FrameError>;

        /// What there is of a message that is not complete.
        fn partial(&self) -> &[u8];

        /// All bytes that were read and not taken.
        fn rest(&self) -> &[u8];

        /// Throws away all bytes that were read and not taken.
        fn discard(&mut self);

        /// Whether another message may be pushed.
        fn has_room(&self) -> bool;

        /// Whether nothing is left to write.
        fn is_empty(&self) -> bool;

        /// Takes a message to send.
        fn push(&mut self, message: &[u8]);

        /// Writes some of what was pushed: how much is left. Ready with `false` when all is gone.
        fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>>;

        /// Says that nothing more will be sent.
        fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>>;

        /// Gives back memory while nothing happens.
        fn shrink(&mut self) {}
    }
}

/// What a transport failed with.
#[derive(Debug)]
pub enum TransportError {
    Io(io::Error),
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// A byte stream of the `futures` traits: whatever is `AsyncRead`, `AsyncWrite` and `Unpin`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no byte stream of the `futures` traits",
    label = "this cannot carry messages",
    note = "under tokio: `use tokio_util::compat::TokioAsyncReadCompatExt;` (crate tokio-util, feature \"compat\") and \
            pass `stream.compat()`",
    note = "a stream that is not `Unpin` can be passed as `Box::pin(stream)`"
)]
pub trait AsyncBytes: AsyncRead + AsyncWrite + Unpin {}

#[diagnostic::do_not_recommend]
impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncBytes for Io {}

/// A byte stream that carries messages behind their lengths.
#[derive(Debug)]
pub struct ByteStream<Io> {
    io: Io,
    replay: FrameReader,
    /// What is to be written, from `written` on.
    buffer: Vec<u8>,
    written: usize,
    needs_flush: bool,
}

impl<Io> ByteStream<Io> {
    pub(super) fn new(io: Io) -> Self {
        let replay = FrameReader::new();
        Self { io, replay, buffer: Vec::new(), written: 0, needs_flush: false }
    }
}

impl<Io: AsyncBytes> Transport for ByteStream<Io> {}

impl<Io: AsyncBytes> sealed::Transport for ByteStream<Io> {
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>> {
        let count = ready!(Pin::new(&mut self.io).poll_read(cx, self.replay.space()));
        let count = match count {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            count => count.map_err(TransportError::Io)?,
        };
        self.replay.filled(count);
        Poll::Ready(Ok(count > 0))
    }

    fn next(&mut self, limit: usize) -> Result<Option<&[u8]>, FrameError> {
        self.replay.next(limit)
    }

    fn partial(&self) -> &[u8] {
        self.replay.partial()
    }

    fn rest(&self) -> &[u8] {
        self.replay.rest()
    }

    fn discard(&mut self) {
        self.replay.discard();
    }

    fn has_room(&self) -> bool {
        self.buffer.len() < FULL
    }

    fn is_empty(&self) -> bool {
        self.buffer.is_empty() && !self.needs_flush
    }

    fn push(&mut self, message: &[u8]) {
        put_frame(&mut self.buffer, message);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>> {
        if self.written < self.buffer.len() {
            let rest = &self.buffer[self.written..];
            let count = match ready!(Pin::new(&mut self.io).poll_write(cx, rest)) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
                count => count,
            };
            self.written += count.map_err(TransportError::Io)?;
            self.needs_flush = true;
            if self.written < self.buffer.len() {
                return Poll::Ready(Ok(true));
            }
            self.buffer.clear();
            self.written = 0;
        }
        if self.needs_flush {
            ready!(Pin::new(&mut self.io).poll_flush(cx)).map_err(TransportError::Io)?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(false))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.io).poll_close(cx).map_err(TransportError::Io)
    }

    fn shrink(&mut self) {
        self.replay.shrink();
        if self.buffer.is_empty() {
            self.buffer.shrink_to(FULL);
        }
    }
}

/// A stream and sink of messages, each of which is one of ours.
pub struct Messages<S, M> {
    messages: S,
    received: Option<M>,
    /// What was received stays until the next is asked for.
    is_taken: bool,
    /// A stream need not bear being asked again.
    is_ended: bool,
    /// One, or at the end a few: what is pushed last must not displace what was pushed before.
    to_send: VecDeque<Vec<u8>>,
    needs_flush: bool,
    message: PhantomData<M>,
}

impl<S, M> Messages<S, M> {
    pub(super) fn new(messages: S) -> Self {
        Self {
            messages,
            received: None,
            is_taken: true,
            is_ended: false,
            to_send: VecDeque::new(),
            needs_flush: false,
            message: PhantomData,
        }
    }
}

impl<S, M> fmt::Debug for Messages<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

impl<S, M, E> Transport for Messages<S, M>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: AsRef<[u8]> + From<Vec<u8>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
}

impl<S, M, E> sealed::Transport for Messages<S, M>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    M: AsRef<[u8]> + From<Vec<u8>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>> {
        if self.is_ended {
            return Poll::Ready(Ok(false));
        }
        let message = ready!(Pin::new(&mut self.messages).poll_next(cx)).transpose();
        self.is_ended = !matches!(message, Ok(Some(_)));
        self.received = message.map_err(|error| TransportError::Other(error.into()))?;
        self.is_taken = self.received.is_none();
        Poll::Ready(Ok(!self.is_taken))
    }

    fn next(&mut self, limit: usize) -> Result<Option<&[u8]>, FrameError> {
        if std::mem::replace(&mut self.is_taken, true) {
            return Ok(None);
        }
        let Some(message) = &self.received else {
            return Ok(None);
        };
        let message = message.as_ref();
        if message.len() > limit {
            return Err(FrameError::TooLarge { size: message.len() as u64 });
        }
        Ok(Some(message))
    }

    fn partial(&self) -> &[u8] {
        &[]
    }

    fn rest(&self) -> &[u8] {
        self.received.as_ref().map_or(&[], AsRef::as_ref)
    }

    fn discard(&mut self) {
        (self.received, self.is_taken) = (None, true);
    }

    fn has_room(&self) -> bool {
        self.to_send.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.to_send.is_empty() && !self.needs_flush
    }

    fn push(&mut self, message: &[u8]) {
        self.to_send.push_back(message.to_vec());
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>> {
        let failed = |error: E| TransportError::Other(error.into());
        if !self.to_send.is_empty() {
            ready!(Pin::new(&mut self.messages).poll_ready(cx)).map_err(failed)?;
        }
        if let Some(message) = self.to_send.pop_front() {
            Pin::new(&mut self.messages).start_send(message.into()).map_err(failed)?;
            self.needs_flush = true;
            return Poll::Ready(Ok(true));
        }
        if self.needs_flush {
            ready!(Pin::new(&mut self.messages).poll_flush(cx)).map_err(failed)?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(false))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let failed = |error: E| TransportError::Other(error.into());
        Pin::new(&mut self.messages).poll_close(cx).map_err(failed)
    }
}
