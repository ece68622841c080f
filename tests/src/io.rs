//! Byte streams that count, and byte streams that break.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};

/// A byte stream that counts what is written to it.
#[derive(Debug)]
pub struct Counting<Io> {
    io: Io,
    written: Arc<AtomicU64>,
}

impl<Io> Counting<Io> {
    /// The stream, and the count of bytes written to it.
    pub fn new(io: Io) -> (Self, Arc<AtomicU64>) {
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        (Self { io, written }, count)
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Counting<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Counting<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buffer);
        if let Poll::Ready(Ok(count)) = polled {
            self.written.fetch_add(count as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

/// A byte stream that passes so many bytes to its writer's peer, and then is cut both ways.
#[derive(Debug)]
pub struct CutAfter<Io> {
    io: Option<Io>,
    left: usize,
}

impl<Io> CutAfter<Io> {
    /// Cuts when `bytes` have been written.
    pub fn new(io: Io, bytes: usize) -> Self {
        Self { io: Some(io), left: bytes }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for CutAfter<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Some(io) => Pin::new(io).poll_read(cx, buffer),
            None => Poll::Ready(Ok(0)),
        }
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for CutAfter<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            self.io = None;
        }
        let left = self.left;
        let Some(io) = &mut self.io else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let polled = Pin::new(io).poll_write(cx, &buffer[..buffer.len().min(left)]);
        if let Poll::Ready(Ok(count)) = polled {
            self.left -= count;
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Some(io) => Pin::new(io).poll_flush(cx),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Some(io) => Pin::new(io).poll_close(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
