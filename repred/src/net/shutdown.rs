//! [`ShutdownGuard`]: the end of a replica's journal, and what else a replica can do that has one.

use std::sync::Arc;

use super::{
    log_writer::{LogWriter, ReadOnly},
    replica::{ReadError, Replica},
    shared::{Reentrant, Shared},
};
use crate::{
    journal::{JournalError, Recovery},
    receipt::{Durable, NotDurable},
    reduce::Replicated,
};

impl<R: Replicated> Replica<R> {
    /// Ready when everything that is written here by now will survive; also what came from peers. At once
    /// without a journal.
    ///
    /// It is for edits, which have no receipts:
    ///
    /// ```
    /// use repred::{Counter, Memory, Replica};
    ///
    /// let votes = Replica::builder(Counter::default()).open_in(Memory::new())?;
    /// votes.edit(|votes| votes.add(3))?;
    /// votes.durable()?.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When called from inside `reduce`, `read` or `edit`.
    pub fn durable(&self) -> Result<Durable, ReadError> {
        let position = self.shared().with(|inner| inner.core.log_position())?;
        Ok(match &self.shared().log_writer {
            Some(log_writer) => Durable::new(log_writer.watermark(), position),
            None => Durable::at_once(),
        })
    }

    /// What was found when it was opened: whether something was cut off, and under which id it was written. Nothing,
    /// without a journal.
    pub fn recovery(&self) -> Recovery {
        self.shared().log_writer.as_ref().map(LogWriter::recovery).unwrap_or_default()
    }

    /// Writes the journal anew, without what is superseded, and with a snapshot for what is trimmed:
    /// by [`trim`](Self::trim), or because [all have it who count](crate::Trimming). Waits for that. It is done by
    /// itself whenever the journal has doubled.
    ///
    /// # Errors
    ///
    /// See [`JournalError`]; without a journal there is none.
    pub fn compact(&self) -> Result<(), JournalError> {
        let Some(log_writer) = &self.shared().log_writer else { return Ok(()) };
        // The thread that does it needs the lock.
        self.shared().with(|_| ()).map_err(|Reentrant| JournalError::Reentrant)?;
        log_writer.compact()
    }

    /// Writes what is new, ends the journal and waits for that: another replica can open it now, and goes
    /// on under the same id. This one can be read from now on, and nothing more. The same happens when the
    /// last handle is dropped.
    ///
    /// # Errors
    ///
    /// See [`NotDurable`].
    pub fn close(&self) -> Result<(), NotDurable> {
        close(self.shared())
    }
}

/// Ends the journal of a replica when it is dropped: with the last handle, whatever else holds the replica for a
/// moment.
pub(super) struct ShutdownGuard<R: Replicated> {
    shared: Arc<Shared<R>>,
}

impl<R: Replicated> ShutdownGuard<R> {
    pub(super) fn new(shared: &Arc<Shared<R>>) -> Self {
        Self { shared: Arc::clone(shared) }
    }
}

impl<R: Replicated> Drop for ShutdownGuard<R> {
    fn drop(&mut self) {
        // Receipts tell what could not be written, to who has asked.
        let _ = close(&self.shared);
    }
}

fn close<R: Replicated>(shared: &Arc<Shared<R>>) -> Result<(), NotDurable> {
    let Some(log_writer) = &shared.log_writer else { return Ok(()) };
    let marked = shared.with(|inner| {
        inner.read_only.get_or_insert(ReadOnly::Closed);
        inner.notify_change();
        inner.core.log_position()
    });
    match marked {
        Ok(position) if !log_writer.is_own_thread() => {
            log_writer.finish();
            Durable::new(log_writer.watermark(), position).wait()
        }
        // It is closed inside of its own `read` or `reduce`, or by what the log writer has woken. The log writer needs the
        // lock, or itself, so it is not waited for; it keeps the replica until it is done.
        Ok(_) | Err(Reentrant) => {
            log_writer.request_end(Some(Box::new(Arc::clone(shared))));
            Err(NotDurable::Reentrant)
        }
    }
}
