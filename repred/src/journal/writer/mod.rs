//! [`LogWriter`]: the handle of the thread that writes the journal of a replica, with group commit.
//!
//! An update is reduced at once, under the lock of its replica. The writer thread then collects everything that is
//! new, writes and syncs it without that lock, and moves the [`Watermark`]: receipts become ready, and connections
//! send what they had held back. All updates that come while the disk is busy share the next sync.
//!
//! ```text
//! a thread that writes     update ─▶ Core, Outbox ─▶ Mailbox: notify      (returns at once)
//! the writer thread        Mailbox: next ─▶ Outbox: collect ─▶ Log: append, sync ─▶ Watermark: advance
//! ```
//!
//! This is the only part of the journal that needs threads, condition variables and a clock. A
//! [`Journal`](super::Journal) that is driven by hand does without.

mod watermark;
mod outbox;
mod host;
mod mailbox;
mod thread;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    thread::{Builder, JoinHandle},
};

pub(crate) use self::{
    host::{Host, WriterReport},
    outbox::{Outbox, ReadOnly},
    thread::WritePolicy,
};
use self::{
    mailbox::{KeepAlive, Mailbox},
    thread::WriterThread,
    watermark::Watermark,
};
use super::{JournalError, Recovery, Storage, log::Log};
use crate::{
    log_position::LogPosition,
    receipt::{AwaitDurable, Durable, NotDurable},
    unavailable::Unavailable,
};

/// What a replica holds of the thread that writes its journal.
#[derive(Debug)]
pub(crate) struct LogWriter {
    mailbox: Arc<Mailbox>,
    watermark: Arc<Watermark>,
    thread: Mutex<Option<JoinHandle<()>>>,
    recovery: Recovery,
}

impl LogWriter {
    /// For a thread that is [started](Self::start) later. Everything up to `durable` is in the log already.
    ///
    /// `has_lock` says whether the calling thread holds the lock of the replica. The writer needs that lock, so such
    /// a thread gets an error instead of waiting for the writer for ever.
    pub(crate) fn new(
        durable: LogPosition,
        recovery: Recovery,
        has_lock: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        let would_deadlock = {
            let mailbox = Arc::clone(&mailbox);
            move || has_lock() || mailbox.is_own_thread()
        };
        let watermark = Arc::new(Watermark::new(would_deadlock));
        watermark.advance(durable);
        Self { mailbox, watermark, thread: Mutex::new(None), recovery }
    }

    /// Starts the thread, which writes to `log` what is new in `host`.
    ///
    /// # Errors
    ///
    /// If the operating system has no more threads.
    pub(crate) fn start<H: Host, S: Storage>(
        &self,
        host: &Arc<H>,
        log: Log<S>,
        policy: WritePolicy,
    ) -> io::Result<()> {
        let (mailbox, watermark) = (Arc::clone(&self.mailbox), Arc::clone(&self.watermark));
        let writer = WriterThread::new(host, log, policy, mailbox, watermark);
        let thread = Builder::new().name("repred journal".into()).spawn(move || writer.run())?;
        *self.thread() = Some(thread);
        Ok(())
    }

    /// What was found when the journal was opened.
    pub(crate) fn recovery(&self) -> Recovery {
        self.recovery.clone()
    }

    /// What became of everything up to a position. While that is open, the task is woken when it is settled.
    pub(crate) fn poll_durable(
        &self,
        position: LogPosition,
        cx: &Context<'_>,
    ) -> Poll<Result<(), NotDurable>> {
        self.watermark.poll(position, cx)
    }

    /// Ready when everything up to a position is durable.
    pub(crate) fn durable(&self, position: LogPosition) -> Durable {
        Durable::up_to(position, Arc::<Watermark>::clone(&self.watermark))
    }

    /// There is something new to write.
    pub(crate) fn notify(&self) {
        self.mailbox.notify();
    }

    /// Compacts the journal, and blocks until that is done.
    pub(crate) fn compact(&self) -> Result<(), JournalError> {
        if self.is_own_thread() {
            return Err(JournalError::Unavailable(Unavailable::Reentrant));
        }
        let reply = self.mailbox.request_compaction().ok_or(JournalError::Failed)?;
        reply.recv().unwrap_or(Err(JournalError::Failed))
    }

    /// Writes what is new, closes the journal and ends the thread; drops `keep_alive` after that. Does not wait.
    pub(crate) fn request_end(&self, keep_alive: Option<KeepAlive>) {
        self.mailbox.request_end(keep_alive);
    }

    /// Does the same, and blocks until the thread has ended. The writer thread itself must not call this.
    pub(crate) fn finish(&self) {
        self.mailbox.request_end(None);
        // Not by joining alone: another caller may have taken the handle of the thread, and be joining.
        self.mailbox.wait_for_end();
        if let Some(thread) = self.thread().take() {
            // A panic of the thread has failed the watermark, which reports it.
            let _ = thread.join();
        }
    }

    /// An error if the log was [displaced](JournalError::Displaced). What was acknowledged before that is not where
    /// whoever opens the journal next will look for it.
    pub(crate) fn check_place(&self) -> Result<(), NotDurable> {
        match self.watermark.failure() {
            Some(NotDurable::Unknown { cause })
                if matches!(cause.downcast_ref(), Some(JournalError::Displaced(_))) =>
            {
                Err(NotDurable::Unknown { cause })
            }
            _ => Ok(()),
        }
    }

    /// Whether the calling thread is the writer thread. It runs the wakers of those who wait for the watermark, and
    /// must not wait for itself.
    pub(crate) fn is_own_thread(&self) -> bool {
        self.mailbox.is_own_thread()
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
