//! [`pipe`]: a byte stream in memory.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_io::{AsyncRead, AsyncWrite};

/// Two ends of a byte stream in memory, for replicas in one process and for tests. Each direction holds at most
/// `capacity` bytes.
///
/// What is written at one end is read at the other. When one end is dropped or closed, the other end reads what is left
/// and then the end of the stream; writing to it fails with a broken pipe.
///
/// ```
/// use futures::{AsyncReadExt, AsyncWriteExt};
///
/// # futures::executor::block_on(async {
/// let (mut here, mut there) = repred::pipe(16);
/// here.write_all(b"hello").await?;
/// drop(here);
/// let mut received = String::new();
/// there.read_to_string(&mut received).await?;
/// assert_eq!(received, "hello");
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Panics
///
/// If `capacity` is 0: nothing would ever pass.
#[doc(alias("duplex", "loopback", "channel"))]
pub fn pipe(capacity: usize) -> (Pipe, Pipe) {
    assert!(capacity > 0, "a pipe that holds nothing passes nothing");
    let (left, right) = (Arc::new(Half::new(capacity)), Arc::new(Half::new(capacity)));
    let a = Pipe { incoming: Arc::clone(&left), outgoing: Arc::clone(&right) };
    (a, Pipe { incoming: right, outgoing: left })
}

/// One end of a [`pipe`].
#[derive(Debug)]
pub struct Pipe {
    incoming: Arc<Half>,
    outgoing: Arc<Half>,
}

/// One direction.
#[derive(Debug)]
struct Half {
    capacity: usize,
    flow: Mutex<Flow>,
}

#[derive(Debug, Default)]
struct Flow {
    bytes: VecDeque<u8>,
    is_closed: bool,
    /// Tasks that wait for bytes, or for room.
    waiting: Vec<Waker>,
}

impl Half {
    fn new(capacity: usize) -> Self {
        Self { capacity, flow: Mutex::default() }
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        // No user code runs under this lock.
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acts on the flow, and wakes the other side if that moved anything.
    fn act(
        &self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Flow) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let (result, woken) = {
            let mut flow = self.flow();
            let result = act(&mut flow);
            if result.is_pending() {
                flow.waiting.retain(|waker| !waker.will_wake(cx.waker()));
                flow.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            (result, std::mem::take(&mut flow.waiting))
        };
        woken.into_iter().for_each(Waker::wake);
        result
    }

    fn close(&self) {
        let woken = {
            let mut flow = self.flow();
            flow.is_closed = true;
            std::mem::take(&mut flow.waiting)
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.incoming.act(cx, |flow| {
            if flow.bytes.is_empty() && !flow.is_closed && !buffer.is_empty() {
                return Poll::Pending;
            }
            let (front, _) = flow.bytes.as_slices();
            let count = front.len().min(buffer.len());
            buffer[..count].copy_from_slice(&front[..count]);
            flow.bytes.drain(..count);
            Poll::Ready(Ok(count))
        })
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let capacity = self.outgoing.capacity;
        self.outgoing.act(cx, |flow| {
            if flow.is_closed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let count = (capacity - flow.bytes.len()).min(buffer.len());
            if count == 0 && !buffer.is_empty() {
                return Poll::Pending;
            }
            flow.bytes.extend(&buffer[..count]);
            Poll::Ready(Ok(count))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.incoming.close();
        self.outgoing.close();
    }
}
