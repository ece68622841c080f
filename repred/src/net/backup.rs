//! `save` and `load`: a replica as a file, which is what a session would have sent.

use std::{
    fmt,
    io::{self, Read, Write},
};

use super::replica::Replica;
use crate::{
    core::UpdateError,
    protocol::{FrameError, FrameReader, Framing},
    protocol::{Malformed, Speaker},
    reduce::Replicated,
    session::{BackupReader, BackupWriter, SessionError},
    unavailable::Unavailable,
};

/// Bytes that are collected before they are written.
const FULL: usize = 64 << 10;

impl<R: Replicated> Replica<R> {
    /// Writes everything this replica has to a file or any other writer: what it would send to a peer
    /// that has nothing. What is written meanwhile may or may not be part of it.
    ///
    /// The replica is locked for moments only, never while the writer writes.
    ///
    /// ```
    /// use repred::{Counter, Replica};
    ///
    /// let votes = Replica::new(Counter::default());
    /// votes.update(7)?;
    /// let mut file = Vec::new();
    /// votes.save(&mut file)?;
    ///
    /// let again = Replica::new(Counter::default());
    /// again.load(&mut &*file)?;
    /// assert_eq!(again.read(|votes| votes.value())?, 7);
    /// assert_eq!(again.version()?, votes.version()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`SaveError`]; what was written is no backup then.
    pub fn save(&self, writer: &mut impl Write) -> Result<(), SaveError> {
        let shared = self.shared();
        let saving =
            shared.with(|inner| BackupWriter::new(&shared.config, &mut inner.core, shared.now()));
        let mut saving = saving??;
        let (mut bytes, mut message) = (Vec::new(), Vec::new());
        loop {
            message.clear();
            shared.with(|inner| saving.poll_message(&mut inner.core, &mut message))??;
            Framing::Stream.put(&mut bytes, &message);
            if saving.is_complete() || bytes.len() >= FULL {
                writer.write_all(&bytes).map_err(SaveError::Io)?;
                bytes.clear();
            }
            if saving.is_complete() {
                return writer.flush().map_err(SaveError::Io);
            }
        }
    }

    /// Reads what [`save`](Self::save) has written, as if it came from a peer: updates that are known are ignored, and
    /// updates that this replica has beyond the file stay.
    ///
    /// To restore a replica, load the file into a new one. The new one has an id of its own, because the replica that was
    /// saved may have written more updates since.
    ///
    /// # Errors
    ///
    /// See [`LoadError`]. The replica has what came before the damage, and can be used.
    pub fn load(&self, reader: &mut impl Read) -> Result<(), LoadError> {
        let shared = self.shared();
        let mut loading = BackupReader::new(shared.config.clone());
        let mut frames = FrameReader::new();
        while !loading.is_complete() {
            let count = match reader.read(frames.space()) {
                Ok(0) => return Err(LoadError::Truncated),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count.map_err(LoadError::Io)?,
            };
            frames.filled(count);
            let taken = shared.with(|inner| {
                shared.check_writable(inner).map_err(LoadError::ReadOnly)?;
                inner.notify_change();
                let now = shared.now();
                // Check the magic before the framing: a file that is no backup would be reported as one that was cut.
                if !loading.has_begun()
                    && Speaker::of(Framing::Stream.begun(frames.rest())) == Speaker::Foreign
                {
                    let start = frames.rest();
                    let start = start[..start.len().min(16)].to_vec();
                    return Err(LoadError::from(SessionError::NotRepred { start }));
                }
                while let Some(message) = next(&mut frames, loading.message_limit())? {
                    loading.handle_message(&mut inner.core, message, now)?;
                    if inner.core.needs_new_id() {
                        inner.core.set_id(shared.platform.random_id());
                    }
                    if loading.is_complete() {
                        break;
                    }
                }
                Ok(())
            });
            taken??;
        }
        Ok(())
    }
}

fn next(frames: &mut FrameReader, limit: usize) -> Result<Option<&[u8]>, SessionError> {
    frames.next(limit).map_err(|error| match error {
        FrameError::TooLarge { size } => SessionError::MessageTooLarge { size, limit },
        FrameError::Malformed(Malformed(expected)) => SessionError::Malformed { expected },
    })
}

/// Why a replica was not saved. The replica is unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum SaveError {
    /// The writer failed.
    Io(io::Error),
    /// The replica could not be turned into messages.
    Content(SessionError),
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

/// Why a file was not read to its end. The replica has what came before, and can be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The reader failed.
    Io(io::Error),
    /// The file is incomplete: saving it did not finish, or it was cut afterwards.
    Truncated,
    /// Something in the file is not as it should be, or does not fit this replica.
    Content(SessionError),
    /// The replica's journal takes nothing, now or for good.
    ReadOnly(UpdateError),
    /// The replica cannot be used.
    Unavailable(Unavailable),
}

impl From<Unavailable> for SaveError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<SessionError> for SaveError {
    fn from(error: SessionError) -> Self {
        Self::Content(error)
    }
}

impl From<SessionError> for LoadError {
    fn from(error: SessionError) -> Self {
        Self::Content(error)
    }
}

impl From<Unavailable> for LoadError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the backup could not be written"),
            Self::Content(_) => f.write_str("the replica could not be saved"),
            Self::Unavailable(_) => f.write_str("the replica cannot be used"),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the backup could not be read"),
            Self::Truncated => f.write_str("the backup ends too early; what there is was taken in"),
            Self::Content(_) => f.write_str("not all of the backup could be taken in"),
            Self::ReadOnly(error) => error.fmt(f),
            Self::Unavailable(_) => f.write_str("the replica cannot be used"),
        }
    }
}

impl std::error::Error for SaveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Content(error) => Some(error),
            Self::Unavailable(error) => Some(error),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Content(error) => Some(error),
            Self::Unavailable(error) => Some(error),
            // What it displays is what the inner error does.
            Self::ReadOnly(error) => error.source(),
            Self::Truncated => None,
        }
    }
}
