//! [`Connection`]: the future that moves the bytes of a conversation.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use futures_sink::Sink;

use super::{
    alarm::Alarm,
    platform::Platform,
    replica::Replica,
    replica_endpoint::ReplicaEndpoint,
    transport::{AsyncBytes, ByteStream, Messages, Transport, TransportError},
};
use crate::{
    core::UpdateError,
    endpoint::{Endpoint, EndpointError},
    id::ReplicaId,
    protocol::Framing,
    receipt::NotDurable,
    reduce::Replicated,
    session::{SessionError, WriteProgress},
    time::Monotonic,
    unavailable::Unavailable,
};

/// How often a connection reads and writes before it lets other tasks of its executor run.
const ROUNDS: usize = 32;

/// How long a connection that has failed tries to tell the peer why.
const LINGER: Duration = Duration::from_secs(1);

/// How many bytes it reads meanwhile, and drops: more than two systems keep of a connection.
const LINGER_BYTES: usize = 64 << 20;

impl<R: Replicated> Replica<R> {
    /// Replicates with the peer at the other end of a byte stream, until one side ends it.
    ///
    /// The future does all the work: spawn it, on any executor. Dropping it cuts the connection and does no harm: every
    /// update that has arrived stays, and the next connection continues from there. A replica may have any number of
    /// connections, even several to one peer. A connection that is dropped before it was polled is a problem in
    /// [`health`](Self::health), since it did nothing.
    ///
    /// `Ok` means that one side has ended the connection on purpose, and [`Ended`] which; a connection that was cut is an
    /// error. Whom to connect to, and when to connect again, is up to the program. Log a
    /// [`ConnectionError::Session`](crate::error::ConnectionError::Session): most of them come again until somebody
    /// removes the cause that the message names.
    ///
    /// ```no_run
    /// # use repred::{Counter, Replica};
    /// # async fn dial() -> std::io::Result<repred::Pipe> { Err(std::io::ErrorKind::NotFound.into()) }
    /// # async fn sleep() {}
    /// # async fn example(votes: Replica<Counter>) {
    /// loop {
    ///     match dial().await {
    ///         Ok(stream) => {
    ///             if let Err(error) = votes.connect(stream).await {
    ///                 eprintln!("{error}");
    ///             }
    ///         }
    ///         Err(error) => eprintln!("nobody is there: {error}"),
    ///     }
    ///     sleep().await;
    /// }
    /// # }
    /// ```
    #[doc(alias("sync", "gossip", "serve", "join", "tcp"))]
    pub fn connect<Io: AsyncBytes>(
        &self,
        io: Io,
    ) -> Connection<ReplicaEndpoint<R>, ByteStream<Io>> {
        let endpoint = self.endpoint(Framing::Stream);
        Connection::new(endpoint, ByteStream::new(io), self.shared().platform.clone())
    }

    /// Replicates as [`connect`](Self::connect) does, over a transport that carries whole messages.
    ///
    /// The transport is a stream of received messages and a sink for messages to send. `M` is `Vec<u8>`, or a type
    /// that is converted from one and read as bytes. The messages of a WebSocket library are usually an enum with
    /// text, pings and more, so adapt the socket:
    ///
    /// ```
    /// use futures::{Sink, SinkExt, Stream, TryStreamExt, future::ready};
    /// use repred::{Counter, Replica, error::ConnectionError, net::Ended};
    /// use std::io;
    ///
    /// /// The messages of a WebSocket library.
    /// enum Message {
    ///     Binary(Vec<u8>),
    ///     Ping,
    /// }
    ///
    /// async fn run<S>(votes: Replica<Counter>, socket: S) -> Result<Ended, ConnectionError>
    /// where
    ///     S: Stream<Item = io::Result<Message>> + Sink<Message, Error = io::Error> + Unpin,
    /// {
    ///     let socket = socket
    ///         .with(|bytes: Vec<u8>| ready(Ok::<_, io::Error>(Message::Binary(bytes))))
    ///         .try_filter_map(|message| {
    ///             ready(Ok(match message {
    ///                 Message::Binary(bytes) => Some(bytes),
    ///                 Message::Ping => None,
    ///             }))
    ///         });
    ///     votes.connect_messages(socket).await
    /// }
    /// ```
    ///
    /// Messages have to arrive whole, once, and in order: a WebSocket or a reliable, ordered data channel does that, a
    /// datagram does not.
    #[doc(alias("websocket", "webrtc", "datachannel"))]
    pub fn connect_messages<S, M, E>(
        &self,
        messages: S,
    ) -> Connection<ReplicaEndpoint<R>, Messages<S, M>>
    where
        S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
        M: AsRef<[u8]> + From<Vec<u8>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let endpoint = self.endpoint(Framing::Messages);
        Connection::new(endpoint, Messages::new(messages), self.shared().platform.clone())
    }
}

/// A conversation with one peer over one transport: it moves bytes between an [`Endpoint`] and a [`Transport`], and
/// knows nothing of what they say. [`Replica::connect`](crate::Replica::connect) makes one.
///
/// It resolves to `Ok` when either replica is closed, or its last handle dropped, and to an error otherwise; see [`Ended`]
/// and [`ConnectionError`]. It must be polled to do anything. Dropping it cuts the connection, which harms neither side
/// and is an error at the other end.
#[must_use = "a connection does nothing unless it is spawned or awaited"]
pub struct Connection<E, T> {
    endpoint: E,
    transport: T,
    platform: Platform,
    alarm: Alarm,
    end: Option<End>,
}

/// The connection is over, except for the lingering close.
struct End {
    result: Option<Result<Ended, ConnectionError>>,
    deadline: Option<Monotonic>,
    is_closed: bool,
    /// How many bytes may come yet.
    left: usize,
}

/// What a round of reading and writing has come to.
enum Round {
    /// Something moved; more may.
    Moved,
    /// Nothing can move until somebody wakes us.
    Idle,
    /// The conversation is over.
    Over(Ended),
}

/// Who has ended a connection on purpose.
///
/// ```
/// use repred::{Counter, Replica, net::Ended, pipe};
///
/// # futures::executor::block_on(async {
/// let (here, there) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
/// let (a, b) = pipe(1024);
/// let links = futures::future::join(here.connect(a), there.connect(b));
/// here.update(3)?;
/// let talk = async {
///     here.delivered().await.unwrap();
///     here.close().unwrap();
/// };
/// let ((at_here, at_there), ()) = futures::future::join(links, talk).await;
/// assert_eq!((at_here?, at_there?), (Ended::ByUs, Ended::ByPeer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Our replica was [closed](crate::Replica::close), or its last handle dropped. The peer was told so.
    ByUs,
    /// The peer said that it is done: its replica was closed, or cannot go on with this connection but with the next
    /// one.
    ByPeer,
}

impl<E: Endpoint + Unpin, T: Transport> Connection<E, T> {
    /// Connects an endpoint to a transport. The endpoint has to expect the
    /// [framing](crate::sans_io::Framing) of the transport.
    pub fn new(endpoint: E, transport: T, platform: Platform) -> Self {
        Self { endpoint, transport, platform, alarm: Alarm::default(), end: None }
    }

    fn run(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ended, ConnectionError>> {
        for _ in 0..ROUNDS {
            match self.round(cx)? {
                Round::Moved => {}
                Round::Over(ended) => return Poll::Ready(Ok(ended)),
                Round::Idle if self.is_due(cx) => {
                    let now = self.platform.clock.now();
                    self.endpoint.handle_timeout(now)?;
                }
                Round::Idle => {
                    self.transport.shrink();
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn round(&mut self, cx: &mut Context<'_>) -> Result<Round, ConnectionError> {
        if let Some(ended) = self.ended() {
            return Ok(Round::Over(ended));
        }
        let moved_in = match self.read(cx)? {
            Round::Over(ended) => return Ok(Round::Over(ended)),
            read => matches!(read, Round::Moved),
        };
        let moved_out = self.write(cx)?;
        // What it had to send may have shown that it is over; nobody would wake us for that.
        if let Some(ended) = self.ended() {
            return Ok(Round::Over(ended));
        }
        Ok(if moved_in || moved_out { Round::Moved } else { Round::Idle })
    }

    /// Who has ended the conversation, if it is over.
    fn ended(&self) -> Option<Ended> {
        if !self.endpoint.is_closed() {
            return None;
        }
        Some(if self.endpoint.is_closed_by_peer() { Ended::ByPeer } else { Ended::ByUs })
    }

    /// Reads once, and gives the endpoint what came.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<Round, ConnectionError> {
        let Poll::Ready(filled) = self.transport.poll_read(cx) else {
            return Ok(Round::Idle);
        };
        if !filled? {
            // End of stream. It is clean if the endpoint may end here, and no message was cut.
            let is_whole = self.endpoint.may_end() && self.transport.received().is_empty();
            let cut = || ConnectionError::Io(io::ErrorKind::UnexpectedEof.into());
            return if is_whole { Ok(Round::Over(Ended::ByPeer)) } else { Err(cut()) };
        }
        let now = self.platform.clock.now();
        let count = self.endpoint.handle_bytes(self.transport.received(), now)?;
        self.transport.consume(count);
        Ok(self.ended().map_or(Round::Moved, Round::Over))
    }

    /// Asks the endpoint for bytes, and writes. Returns whether any were written.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, ConnectionError> {
        let now = self.platform.clock.now();
        if let Some(out) = self.transport.room()
            && let Poll::Ready(polled) = self.endpoint.poll_bytes(cx, now, out)
        {
            polled?;
        }
        if self.transport.is_empty() {
            return Ok(false);
        }
        let sending = match self.transport.poll_write(cx)? {
            Poll::Pending => return Ok(false),
            Poll::Ready(true) => WriteProgress::Partial,
            Poll::Ready(false) => WriteProgress::Complete,
        };
        self.endpoint.handle_sent(sending, now)?;
        Ok(true)
    }

    /// Arms the alarm for the endpoint. True if it is due.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.endpoint.poll_timeout();
        deadline.is_some_and(|deadline| self.alarm.poll(&self.platform, deadline, cx))
    }

    /// Ends the conversation, and begins to linger.
    fn close(&mut self, result: Result<Ended, ConnectionError>) {
        let now = self.platform.clock.now();
        self.endpoint.close(now);
        let deadline = now.monotonic.checked_add(LINGER);
        self.end =
            Some(End { result: Some(result), deadline, is_closed: false, left: LINGER_BYTES });
    }

    /// Sends what is left, with the reason why the conversation is over, and waits until the peer closes (a lingering
    /// close). If we dropped the stream with bytes unread, TCP would reset it, and the peer's system might discard the
    /// reason before the peer has read it.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(end) = &mut self.end else {
            return Poll::Ready(());
        };
        if let Some(deadline) = end.deadline
            && self.alarm.poll(&self.platform, deadline, cx)
        {
            return Poll::Ready(());
        }
        while !end.is_closed {
            match self.transport.poll_write(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(true)) => continue,
                Poll::Ready(Ok(false)) => {}
            }
            let now = self.platform.clock.now();
            if let Some(out) = self.transport.room()
                && let Poll::Ready(Ok(())) = self.endpoint.poll_bytes(cx, now, out)
            {
                continue;
            }
            match self.transport.poll_close(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => end.is_closed = true,
            }
        }
        for _ in 0..ROUNDS {
            match self.transport.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                // Nobody reads what comes now.
                Poll::Ready(Ok(true)) => {
                    let count = self.transport.received().len();
                    self.transport.consume(count);
                    end.left = end.left.saturating_sub(count.max(1));
                }
                Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(()),
            }
        }
        // A peer that never stops sending has had its chance to read the reason.
        if end.left == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R: Replicated, T> Connection<ReplicaEndpoint<R>, T> {
    /// Receives what the peer has, and sends nothing of ours: for a backup, say.
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let (here, _there) = pipe(1024);
    /// let connection = votes.connect(here).receive_only();
    /// # drop(connection);
    /// ```
    pub fn receive_only(mut self) -> Self {
        self.endpoint = self.endpoint.receive_only();
        self
    }

    /// Sends what we have, and receives nothing of the peer's: for a display, say.
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let (here, _there) = pipe(1024);
    /// let connection = votes.connect(here).send_only();
    /// # drop(connection);
    /// ```
    pub fn send_only(mut self) -> Self {
        self.endpoint = self.endpoint.send_only();
        self
    }

    /// Says which replica the peer is, as the transport knows it: by a certificate, say. A peer that claims to be another
    /// is refused with [`SessionError::OtherId`]. What the peer confirms to have counts for
    /// [trimming](crate::Trimming), as it does otherwise only with
    /// [`trust_ids`](crate::ReplicaBuilder::trust_ids).
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let (here, _there) = pipe(1024);
    /// let connection = votes.connect(here).authenticated_as(0xb.into());
    /// # drop(connection);
    /// ```
    pub fn authenticated_as(mut self, peer: ReplicaId) -> Self {
        self.endpoint = self.endpoint.authenticated_as(peer);
        self
    }

    /// Says nothing before the peer has said who it is, and that it speaks of the same document and schema: for whoever
    /// accepts connections. Whoever connects says first, so one of the two sides must not listen; if both do, both
    /// fail with [`SessionError::NobodyBegan`](crate::error::SessionError::NobodyBegan).
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// # futures::executor::block_on(async {
    /// let (server, client) = (Replica::new(Counter::default()), Replica::new(Counter::default()));
    /// server.update(3)?;
    /// let (here, there) = pipe(1024);
    /// let connections = futures::future::join(server.connect(here).listening(), client.connect(there));
    /// futures::future::select(std::pin::pin!(connections), std::pin::pin!(client.synced())).await;
    /// assert_eq!(client.read(|votes| votes.value())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn listening(mut self) -> Self {
        self.endpoint = self.endpoint.listening();
        self
    }

    /// Gives up our state for the peer's if the two histories cannot be joined, instead of failing with
    /// [`SessionError::BothTrimmed`]. Updates of ours that the peer has not seen are lost here.
    ///
    /// ```
    /// use repred::{Counter, Replica, pipe};
    ///
    /// let votes = Replica::new(Counter::default());
    /// let (here, _there) = pipe(1024);
    /// let connection = votes.connect(here).discard_ours();
    /// # drop(connection);
    /// ```
    pub fn discard_ours(mut self) -> Self {
        self.endpoint = self.endpoint.discard_ours();
        self
    }

    /// Rejoins with the peer: takes its history for ours, and writes again what only we have, under a new id. It is the
    /// way back after [`SessionError::Forked`], after our clock was far ahead, and after
    /// [`SessionError::BothTrimmed`]; [`Core::rejoin`](crate::sans_io::Core::rejoin) says what becomes of what. Nothing
    /// that was acknowledged is lost.
    ///
    /// To the peer we are a new replica. When it has sent everything, our state is replaced in one step, and this is a
    /// connection like others from then on. With a journal, the state before and the state after are each whole on the
    /// disk: after a crash, one of the two is there. Observers get [`ReplicaEvent::Lagged`](crate::ReplicaEvent::Lagged)
    /// and [`ReplicaEvent::Rejoined`](crate::ReplicaEvent::Rejoined), and [`Replica::rejoined`] says what came of it. Our
    /// other connections end with [`SessionError::Discarded`]; connect them again.
    ///
    /// Use it on one of the two sides. Where nothing is wrong, it changes nothing but the id.
    ///
    /// ```
    /// use futures::{FutureExt, executor::block_on};
    /// use repred::{GrowSet, Replica, pipe};
    ///
    /// // Two replicas under one id: both write an update called 7.1.
    /// let here = Replica::builder(GrowSet::default()).id(7.into()).build();
    /// let there = Replica::builder(GrowSet::default()).id(7.into()).build();
    /// here.update(1)?;
    /// there.update(2)?;
    ///
    /// let (a, b) = pipe(1024);
    /// let mut connections = futures::future::join(here.connect(a).rejoin(), there.connect(b));
    /// while !there.read(|numbers| numbers.contains(&1))? {
    ///     assert!((&mut connections).now_or_never().is_none(), "they stay connected");
    /// }
    /// assert!(here.read(|numbers| numbers.contains(&2))?);
    /// assert_eq!(here.rejoined()?.unwrap().written_again, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rejoin(mut self) -> Self {
        self.endpoint = self.endpoint.rejoin();
        self
    }
}

impl<E: Endpoint + Unpin, T: Transport> Future for Connection<E, T> {
    type Output = Result<Ended, ConnectionError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.end.is_none() {
            match this.run(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => this.close(result),
            }
        }
        match this.poll_linger(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let result = this.end.as_mut().and_then(|end| end.result.take());
                Poll::Ready(result.unwrap_or(Ok(Ended::ByUs)))
            }
        }
    }
}

impl<E: fmt::Debug, T> fmt::Debug for Connection<E, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Why a connection ended otherwise than on purpose. The replica has everything that was received before, is otherwise
/// unchanged, and can be used; so can its other connections.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The transport failed, or ended although the peer has not said that it is done: it was cut, or the peer's
    /// process was killed, or its connection was dropped. Connect again.
    Io(io::Error),
    /// The stream or sink of messages failed. Connect again.
    Transport(Box<dyn std::error::Error + Send + Sync>),
    /// One of the two sides has refused the other or what it sent; the error says what to do.
    Session(SessionError),
    /// Our journal takes nothing, now or for good, so neither can we.
    ReadOnly(UpdateError),
    /// Our journal has failed to write updates, or acknowledgements, that were to be sent to the peer.
    Journal(NotDurable),
    /// The replica cannot be used: the connection was polled from inside its `reduce` or `read`, say.
    Unavailable(Unavailable),
    /// The endpoint of another protocol has failed.
    Endpoint(Box<dyn std::error::Error + Send + Sync>),
}

impl From<EndpointError> for ConnectionError {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::Session(error) => Self::Session(error),
            EndpointError::ReadOnly(error) => Self::ReadOnly(error),
            EndpointError::Journal(error) => Self::Journal(error),
            EndpointError::Unavailable(error) => Self::Unavailable(error),
            EndpointError::Other(error) => Self::Endpoint(error),
        }
    }
}

impl From<TransportError> for ConnectionError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Io(error) => Self::Io(error),
            TransportError::Other(error) => Self::Transport(error),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the connection was cut; connect again")
            }
            Self::Io(_) | Self::Transport(_) => f.write_str("the connection failed; connect again"),
            Self::Session(error) => error.fmt(f),
            Self::ReadOnly(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
            Self::Endpoint(error) => error.fmt(f),
            Self::Unavailable(_) => f.write_str("the connection's replica cannot be used"),
        }
    }
}

impl std::error::Error for ConnectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Transport(error) => Some(&**error),
            Self::Unavailable(error) => Some(error),
            // What it displays is what these do.
            Self::Session(error) => error.source(),
            Self::ReadOnly(error) => error.source(),
            Self::Journal(error) => error.source(),
            Self::Endpoint(error) => error.source(),
        }
    }
}
