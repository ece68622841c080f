//! Messages in a byte stream: each behind its length, a varint.

use alloc::vec::Vec;

use super::wire::Malformed;
use crate::encoding::{DecodeError, varint::put_u64, varint::take_u64};

/// What the buffer for reading begins with, and what it grows to for speed alone. A longer message makes
/// it grow beyond, as its bytes come.
const SMALL: usize = 4 << 10;
const LARGE: usize = 64 << 10;

/// How a transport tells where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a transport has messages or has not")]
pub enum Framing {
    /// It carries a stream of bytes, so each message stands behind its length.
    Stream,
    /// It carries messages, each as it is.
    Messages,
}

/// A message, and how many bytes it takes with its length.
pub(crate) struct Frame<'b> {
    pub(crate) message: &'b [u8],
    pub(crate) size: usize,
}

impl Framing {
    /// Appends a message.
    pub(crate) fn put(self, out: &mut Vec<u8>, message: &[u8]) {
        if self == Self::Stream {
            put_u64(out, message.len() as u64);
        }
        out.extend_from_slice(message);
    }

    /// The message that `bytes` begin with, if all of it is there and it has at most `limit` bytes.
    pub(crate) fn split(self, bytes: &[u8], limit: usize) -> Result<Option<Frame<'_>>, FrameError> {
        let (size, rest) = match self {
            Self::Messages => (bytes.len() as u64, bytes),
            Self::Stream => {
                let mut rest = bytes;
                match take_u64(&mut rest) {
                    Ok(size) => (size, rest),
                    Err(DecodeError::Truncated) => return Ok(None),
                    Err(_) => {
                        return Err(FrameError::Malformed(Malformed("the length of a message")));
                    }
                }
            }
        };
        if size > limit as u64 {
            return Err(FrameError::TooLarge { size });
        }
        if size == 0 {
            return Err(FrameError::Malformed(Malformed("a message of one byte at least")));
        }
        let message = rest.get(..size as usize);
        let size = bytes.len() - rest.len() + size as usize;
        Ok(message.map(|message| Frame { message, size }))
    }

    /// What has come of the message that `bytes` begin with.
    pub(crate) fn begun(self, bytes: &[u8]) -> &[u8] {
        let mut rest = bytes;
        match self {
            Self::Messages => bytes,
            Self::Stream => take_u64(&mut rest).map_or(&[], |_| rest),
        }
    }
}

/// Buffers a byte stream, and cuts it into messages.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: Vec<u8>,
    /// The bytes that were read and not taken yet.
    start: usize,
    end: usize,
}

/// Why a byte stream cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    TooLarge { size: u64 },
    Malformed(Malformed),
}

impl FrameReader {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; SMALL], start: 0, end: 0 }
    }

    /// Where to read more bytes to; never empty. Call [`filled`](Self::filled) afterwards.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        // Bytes that came, not lengths that were announced, make it grow.
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// This many bytes were read into [`space`](Self::space).
    pub(crate) fn filled(&mut self, count: usize) {
        self.end += count;
        // The stream gives more than we ask for: ask for more.
        if self.end == self.buffer.len() && self.buffer.len() < LARGE {
            self.buffer.resize(self.buffer.len() * 4, 0);
        }
    }

    /// The next message, if all of it is there.
    pub(crate) fn next(&mut self, limit: usize) -> Result<Option<&[u8]>, FrameError> {
        let start = self.start;
        let Some(frame) = Framing::Stream.split(&self.buffer[start..self.end], limit)? else {
            return Ok(None);
        };
        let len = frame.message.len();
        self.start += frame.size;
        Ok(Some(&self.buffer[self.start - len..self.start]))
    }

    /// Takes so many bytes off the front of those that were read.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// All bytes that were read and not taken.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Gives back what an idle stream does not need.
    pub(crate) fn shrink(&mut self) {
        if self.start == self.end && self.buffer.len() > LARGE {
            *self = Self::new();
        }
    }
}

/// Takes a message off the front of bytes that hold nothing but whole messages.
pub(crate) fn take_frame<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let size = usize::try_from(take_u64(bytes).ok()?).ok()?;
    let (message, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_wherever_the_stream_is_cut() {
        let messages = [vec![1; 1], vec![2; 200], vec![3; 100_000], vec![4; 3]];
        let mut stream = Vec::new();
        messages.iter().for_each(|message| Framing::Stream.put(&mut stream, message));
        for step in [1, 2, 7, 4096, 1 << 20] {
            let mut reader = FrameReader::new();
            let mut rest = &*stream;
            let mut came = Vec::new();
            while !rest.is_empty() {
                let space = reader.space();
                let count = space.len().min(step).min(rest.len());
                space[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                reader.filled(count);
                while let Some(message) = reader.next(1 << 20).unwrap() {
                    came.push(message.to_vec());
                }
            }
            assert_eq!(came, messages, "in steps of {step}");
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_bytes_come() {
        let mut reader = FrameReader::new();
        let mut stream = Vec::new();
        put_u64(&mut stream, 1001);
        reader.space()[..stream.len()].copy_from_slice(&stream);
        reader.filled(stream.len());
        assert_eq!(reader.next(1000), Err(FrameError::TooLarge { size: 1001 }));
    }
}
