//! How a replica ends: on purpose, or with its last handle ([`ShutdownGuard`]).

use std::sync::Arc;

use super::{journal_parts::ReadOnly, shared::Shared};
use crate::{receipt::NotDurable, reduce::Replicated, unavailable::Unavailable};

/// Ends the journal of a replica when it is dropped. Every handle holds it, so that is with the last handle, even
/// where a connection or the log writer holds the replica itself for a moment longer.
pub(super) struct ShutdownGuard<R: Replicated> {
    shared: Arc<Shared<R>>,
}

impl<R: Replicated> ShutdownGuard<R> {
    /// One for a replica that has a journal.
    pub(super) fn of(shared: &Arc<Shared<R>>) -> Option<Arc<Self>> {
        shared.log_writer.as_ref().map(|_| Arc::new(Self { shared: Arc::clone(shared) }))
    }
}

impl<R: Replicated> Drop for ShutdownGuard<R> {
    fn drop(&mut self) {
        // Whoever wants to know what could not be written holds a receipt, which says so.
        let _ = close(&self.shared);
    }
}

/// Writes what is new, ends the journal and waits for that; then ends the connections.
pub(super) fn close<R: Replicated>(shared: &Arc<Shared<R>>) -> Result<(), NotDurable> {
    let marked = shared.with(|inner| {
        inner.is_closing = true;
        if let Some(outbox) = &mut inner.outbox {
            outbox.close(ReadOnly::Closed);
        }
        inner.core.log_position()
    });
    let closed = match (&shared.log_writer, marked) {
        (None, marked) => marked.map(drop).map_err(NotDurable::Unavailable),
        (Some(log_writer), Ok(position)) if !log_writer.is_own_thread() => {
            log_writer.finish();
            log_writer.durable(position).wait()?;
            log_writer.check_place()
        }
        // The replica is closed from inside its own `read` or `reduce`, or by a waker that the log writer calls. The
        // log writer needs the lock, or is this very thread, so nothing here may wait for it: it keeps the replica
        // until it is done.
        (Some(log_writer), Ok(_) | Err(_)) => {
            log_writer.request_end(Some(Box::new(Arc::clone(shared))));
            Err(NotDurable::Unavailable(Unavailable::Reentrant))
        }
    };
    shared.set_closed();
    closed
}
