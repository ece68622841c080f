//! [`Transport`]: what carries the bytes of a conversation; there are two kinds.

use std::{
    fmt, io,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use futures_sink::Sink;

use crate::protocol::{FrameReader, Framing};

/// Bytes that are collected before they are written: one write carries thousands of updates.
const FULL: usize = 64 << 10;

/// What carries the bytes of a conversation: a [`ByteStream`] or [`Messages`].
pub trait Transport: sealed::Transport {}

pub(super) mod sealed {
    use std::task::{Context, Poll};

    use super::{Framing, TransportError};

    /// A transport reads and writes when asked to, and never more than it was asked for.
    pub trait Transport: Unpin {
        /// How it tells where a message ends.
        const FRAMING: Framing;

        /// Reads what there is. False at the end.
        fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>>;

        /// All bytes that were read and not consumed.
        fn received(&self) -> &[u8];

        /// Drops the first `count` of the received bytes.
        fn consume(&mut self, count: usize);

        /// Where to append what is to be sent, if it takes more now.
        fn room(&mut self) -> Option<&mut Vec<u8>>;

        /// Whether nothing is left to write.
        fn is_empty(&self) -> bool;

        /// Writes some of what was appended. Ready with `true` if more is left, and with `false` when everything is
        /// written and flushed.
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
    reader: FrameReader,
    /// What is to be written, from `written` on.
    buffer: Vec<u8>,
    written: usize,
    needs_flush: bool,
}

impl<Io> ByteStream<Io> {
    /// Carries a conversation over a byte stream.
    ///
    /// ```
    /// use repred::{
    ///     Connection, Counter, Replica,
    ///     net::{ByteStream, Platform},
    ///     pipe,
    ///     sans_io::Framing,
    /// };
    ///
    /// let votes = Replica::new(Counter::default());
    /// let (io, _) = pipe(1 << 16);
    /// // What `votes.connect(io)` does.
    /// let endpoint = votes.endpoint(Framing::Stream);
    /// let connection = Connection::new(endpoint, ByteStream::new(io), Platform::system());
    /// # drop(connection);
    /// ```
    pub fn new(io: Io) -> Self {
        let reader = FrameReader::new();
        Self { io, reader, buffer: Vec::new(), written: 0, needs_flush: false }
    }
}

impl<Io: AsyncBytes> Transport for ByteStream<Io> {}

impl<Io: AsyncBytes> sealed::Transport for ByteStream<Io> {
    const FRAMING: Framing = Framing::Stream;

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>> {
        let count = ready!(Pin::new(&mut self.io).poll_read(cx, self.reader.space()));
        let count = match count {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            count => count.map_err(TransportError::Io)?,
        };
        self.reader.filled(count);
        Poll::Ready(Ok(count > 0))
    }

    fn received(&self) -> &[u8] {
        self.reader.rest()
    }

    fn consume(&mut self, count: usize) {
        self.reader.consume(count);
    }

    fn room(&mut self) -> Option<&mut Vec<u8>> {
        (self.buffer.len() < FULL).then_some(&mut self.buffer)
    }

    fn is_empty(&self) -> bool {
        self.buffer.is_empty() && !self.needs_flush
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
        self.reader.shrink();
        if self.buffer.is_empty() {
            self.buffer.shrink_to(FULL);
        }
    }
}

/// A stream and sink of messages, each of which is one of ours.
pub struct Messages<S, M> {
    messages: S,
    received: Option<M>,
    /// A `Stream` need not support polling after its end.
    is_ended: bool,
    /// The next message; empty if there is none.
    to_send: Vec<u8>,
    needs_flush: bool,
    message: PhantomData<M>,
}

impl<S, M> Messages<S, M> {
    /// Carries a conversation over a stream and sink of messages.
    pub fn new(messages: S) -> Self {
        Self {
            messages,
            received: None,
            is_ended: false,
            to_send: Vec::new(),
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
    const FRAMING: Framing = Framing::Messages;

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>> {
        if self.is_ended {
            return Poll::Ready(Ok(false));
        }
        let message = ready!(Pin::new(&mut self.messages).poll_next(cx)).transpose();
        self.is_ended = !matches!(message, Ok(Some(_)));
        self.received = message.map_err(|error| TransportError::Other(error.into()))?;
        Poll::Ready(Ok(self.received.is_some()))
    }

    fn received(&self) -> &[u8] {
        self.received.as_ref().map_or(&[], AsRef::as_ref)
    }

    fn consume(&mut self, _count: usize) {
        self.received = None;
    }

    fn room(&mut self) -> Option<&mut Vec<u8>> {
        self.to_send.is_empty().then_some(&mut self.to_send)
    }

    fn is_empty(&self) -> bool {
        self.to_send.is_empty() && !self.needs_flush
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, TransportError>> {
        let failed = |error: E| TransportError::Other(error.into());
        if !self.to_send.is_empty() {
            ready!(Pin::new(&mut self.messages).poll_ready(cx)).map_err(failed)?;
            let message = std::mem::take(&mut self.to_send);
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
