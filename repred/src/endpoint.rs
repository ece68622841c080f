//! [`Endpoint`]: one end of a conversation, of any protocol.

use alloc::{boxed::Box, vec::Vec};
use core::{
    error::Error,
    fmt,
    task::{Context, Poll},
};

use crate::{
    core::UpdateError,
    receipt::NotDurable,
    session::{SessionError, WriteProgress},
    time::{Monotonic, Now},
    unavailable::Unavailable,
};

/// One end of a conversation, as a state machine that owns no socket, task, clock or random source.
///
/// The driver that moves the bytes, such as a [`Connection`](crate::Connection), does not know what they mean. So the same
/// transports carry a [replica](crate::Replica::endpoint), another protocol, or an endpoint that shares its transport
/// between several others. Whenever anything happens, the driver calls, in this order:
///
/// 1. [`handle_bytes`](Self::handle_bytes) with what came, and [`handle_timeout`](Self::handle_timeout) when the
///    time of [`poll_timeout`](Self::poll_timeout) has come;
/// 2. [`poll_bytes`](Self::poll_bytes) as long as the transport takes more;
/// 3. [`handle_sent`](Self::handle_sent) when the transport has taken some of what it was given.
///
/// After an error of the endpoint or the transport, or when [`is_closed`](Self::is_closed), the driver calls
/// [`close`](Self::close), and then `poll_bytes` until there is no more: the last message gives the peer the reason.
///
/// ```
/// use std::task::{Context, Poll};
///
/// use repred::sans_io::{Endpoint, EndpointError, Now, WriteProgress};
///
/// /// Says everything again that it hears.
/// #[derive(Default)]
/// struct Echo {
///     heard: Vec<u8>,
///     is_over: bool,
/// }
///
/// impl Endpoint for Echo {
///     fn handle_bytes(&mut self, bytes: &[u8], _now: Now) -> Result<usize, EndpointError> {
///         self.heard.extend_from_slice(bytes);
///         Ok(bytes.len())
///     }
///
///     fn poll_bytes(
///         &mut self,
///         _cx: &mut Context<'_>,
///         _now: Now,
///         out: &mut Vec<u8>,
///     ) -> Poll<Result<(), EndpointError>> {
///         // Only what is heard gives it something to say, and then it is polled anyway.
///         if self.heard.is_empty() {
///             return Poll::Pending;
///         }
///         out.append(&mut self.heard);
///         Poll::Ready(Ok(()))
///     }
///
///     fn close(&mut self, _now: Now) {
///         self.is_over = true;
///     }
///
///     fn is_closed(&self) -> bool {
///         self.is_over
///     }
/// }
///
/// // It is object-safe: one driver for all kinds of them.
/// let _any: Box<dyn Endpoint> = Box::new(Echo::default());
/// ```
pub trait Endpoint {
    /// Receives bytes, and returns how many of them it has consumed.
    ///
    /// From a byte stream, `bytes` is everything that has arrived and is not consumed yet: what it leaves comes again, with
    /// more behind it. From a transport of messages, `bytes` is one message, which it must consume whole.
    ///
    /// # Errors
    ///
    /// Whatever ends the conversation.
    fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Result<usize, EndpointError>;

    /// Appends to `out` what is to be sent: for a byte stream until `out` has enough for one write, for a transport of
    /// messages one message. If there is nothing now, it is pending, `out` is unchanged, and the task is woken
    /// when there may be something.
    ///
    /// # Errors
    ///
    /// Whatever ends the conversation.
    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Poll<Result<(), EndpointError>>;

    /// The transport has sent some, or all, of what it was given.
    ///
    /// # Errors
    ///
    /// Whatever ends the conversation.
    fn handle_sent(&mut self, _progress: WriteProgress, _now: Now) -> Result<(), EndpointError> {
        Ok(())
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and then [`poll_bytes`](Self::poll_bytes), if nothing
    /// happens before.
    fn poll_timeout(&self) -> Option<Monotonic> {
        None
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come. Earlier calls do nothing.
    ///
    /// # Errors
    ///
    /// When the peer is late.
    fn handle_timeout(&mut self, _now: Now) -> Result<(), EndpointError> {
        Ok(())
    }

    /// Whether the peer may end the stream here: nothing is missing, provided that all bytes were consumed.
    fn may_end(&self) -> bool {
        true
    }

    /// Ends the conversation, also when the transport has failed. Its last message comes from
    /// [`poll_bytes`](Self::poll_bytes).
    fn close(&mut self, now: Now);

    /// Whether the conversation is over.
    fn is_closed(&self) -> bool;

    /// Whether it is over because the peer has said so. Default: it is not known.
    fn is_closed_by_peer(&self) -> bool {
        false
    }
}

/// So a driver need not know what it drives.
impl<E: Endpoint + ?Sized> Endpoint for Box<E> {
    fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Result<usize, EndpointError> {
        (**self).handle_bytes(bytes, now)
    }

    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Poll<Result<(), EndpointError>> {
        (**self).poll_bytes(cx, now, out)
    }

    fn handle_sent(&mut self, progress: WriteProgress, now: Now) -> Result<(), EndpointError> {
        (**self).handle_sent(progress, now)
    }

    fn poll_timeout(&self) -> Option<Monotonic> {
        (**self).poll_timeout()
    }

    fn handle_timeout(&mut self, now: Now) -> Result<(), EndpointError> {
        (**self).handle_timeout(now)
    }

    fn may_end(&self) -> bool {
        (**self).may_end()
    }

    fn close(&mut self, now: Now) {
        (**self).close(now);
    }

    fn is_closed(&self) -> bool {
        (**self).is_closed()
    }

    fn is_closed_by_peer(&self) -> bool {
        (**self).is_closed_by_peer()
    }
}

/// Why an [`Endpoint`] ended the conversation.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointError {
    /// One side has refused the other or what it sent; the error says what to do.
    Session(SessionError),
    /// Our journal cannot be written, now or for good, so nothing can be received either.
    ReadOnly(UpdateError),
    /// Our journal has failed to write updates, or acknowledgements, that were to be sent to the peer.
    Journal(NotDurable),
    /// The replica cannot be used: the endpoint was used from inside its `reduce` or `read`, say.
    Unavailable(Unavailable),
    /// Another protocol has failed.
    Other(Box<dyn Error + Send + Sync>),
}

impl From<Unavailable> for EndpointError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<SessionError> for EndpointError {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(error) => error.fmt(f),
            Self::ReadOnly(error) => error.fmt(f),
            Self::Journal(error) => error.fmt(f),
            Self::Unavailable(_) => f.write_str("the endpoint's replica cannot be used"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl Error for EndpointError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // `Display` prints the inner error, so its source is the next in the chain.
        match self {
            Self::Session(error) => error.source(),
            Self::ReadOnly(error) => error.source(),
            Self::Journal(error) => error.source(),
            Self::Unavailable(error) => Some(error),
            Self::Other(error) => error.source(),
        }
    }
}
