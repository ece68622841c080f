//! [`Scribe`]: the thread that writes a replica's journal.
//!
//! An update is reduced at once, under the lock of its replica. The scribe then collects what is new, as
//! much as there is, writes it and syncs it without that lock, and moves the watch, so that receipts
//! are ready and what connections have held back goes out. All updates that come while the disk is busy share
//! the next sync.

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use super::replica::{Inner, Shared, random_id};
use crate::{
    journal::{Batch, Book, Durability, JournalError, Recorder, Storage},
    mark::Mark,
    receipt::{NotDurable, Watch},
    reduce::Replicated,
    session::SessionError,
};

/// How long nothing is written after the storage has refused something: to take back what was reduced costs
/// as much as to open the journal.
const PAUSE: Duration = Duration::from_secs(1);

/// A file is not written anew before it has grown by this much.
const SMALL: u64 = 4 << 20;

/// What a replica has of the thread that writes its journal.
#[derive(Debug)]
pub(super) struct Scribe {
    desk: Arc<Desk>,
    watch: Arc<Watch>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the replica and the thread share beside the replica itself.
#[derive(Debug, Default)]
struct Desk {
    /// There is something new. Set at every update, so it costs no lock if it is set already.
    has_news: AtomicBool,
    orders: Mutex<Orders>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    /// Who wants the journal compacted, and to be told.
    compactions: Vec<mpsc::Sender<Result<(), JournalError>>>,
    /// What is new then is to be written, and that is all.
    end: Option<End>,
    /// The thread has ended: nothing is done any more.
    is_over: bool,
}

/// How a replica ends.
#[derive(Debug)]
enum End {
    /// It was closed, and has what is new.
    Closed,
    /// Nobody holds it any more.
    Gone(Rest),
}

/// What is new when a replica ends.
pub(super) type Rest = Result<Vec<Batch>, SessionError>;

/// What the thread is to do.
enum Order {
    Write,
    Compact(Vec<mpsc::Sender<Result<(), JournalError>>>),
    Finish(End),
}

impl Scribe {
    /// A desk for a thread that is to be started.
    pub(super) fn new(mark: Mark) -> Self {
        let watch = Arc::new(Watch::default());
        watch.advance(mark);
        Self { desk: Arc::new(Desk::default()), watch, thread: Mutex::new(None) }
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the operating system has no more threads.
    pub(super) fn start<R: Replicated, S: Storage>(
        shared: &Arc<Shared<R>>,
        book: Book<S>,
        durability: Durability,
        initial: Vec<u8>,
    ) -> std::io::Result<()> {
        let Some(scribe) = &shared.scribe else { return Ok(()) };
        let writer = Writer {
            replica: Arc::downgrade(shared),
            base: book.size(),
            book,
            desk: Arc::clone(&scribe.desk),
            watch: Arc::clone(&scribe.watch),
            durability,
            initial,
            written: None,
            due: None,
        };
        let thread = thread::Builder::new().name("repred journal".into());
        let thread = thread.spawn(move || writer.run())?;
        *scribe.thread() = Some(thread);
        Ok(())
    }

    /// How far the replica is durable.
    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// There is something new.
    pub(super) fn ring(&self) {
        if !self.desk.has_news.swap(true, Ordering::AcqRel) {
            // The lock, so that the bell does not ring between the thread's look and its sleep.
            drop(self.desk.orders());
            self.desk.bell.notify_one();
        }
    }

    /// Has the journal compacted, and waits for it.
    pub(super) fn compact(&self) -> Result<(), JournalError> {
        let (sender, receiver) = mpsc::channel();
        let mut orders = self.desk.orders();
        if orders.is_over {
            return Err(JournalError::Failed);
        }
        orders.compactions.push(sender);
        drop(orders);
        self.desk.bell.notify_one();
        receiver.recv().unwrap_or(Err(JournalError::Failed))
    }

    /// Has what is new in a replica written that takes nothing more, and waits until the journal is closed.
    pub(super) fn close(&self) {
        self.finish(End::Closed);
    }

    /// The same when nobody holds the replica any more.
    pub(super) fn close_with(&self, rest: Rest) {
        self.finish(End::Gone(rest));
    }

    fn finish(&self, end: End) {
        self.desk.orders().end.get_or_insert(end);
        self.desk.bell.notify_one();
        let thread = self.thread().take();
        if let Some(thread) = thread.filter(|thread| !is_this(thread.thread().id())) {
            // A panic there has failed the journal, which is told by it.
            let _ = thread.join();
        }
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread may be the last to hold the replica, for a moment, and cannot wait for itself.
fn is_this(thread: ThreadId) -> bool {
    thread::current().id() == thread
}

impl Desk {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do, until `due` at most.
    fn wait(&self, due: Option<Instant>) -> Order {
        let mut orders = self.orders();
        loop {
            if let Some(end) = orders.end.take() {
                return Order::Finish(end);
            }
            if !orders.compactions.is_empty() {
                return Order::Compact(std::mem::take(&mut orders.compactions));
            }
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if self.has_news.swap(false, Ordering::AcqRel)
                || left.is_some_and(|left| left.is_zero())
            {
                return Order::Write;
            }
            orders = match left {
                None => self.bell.wait(orders).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.bell.wait_timeout(orders, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// The thread.
struct Writer<R: Replicated, S> {
    /// Weak, so that the thread does not keep a replica alive that nobody holds any more.
    replica: Weak<Shared<R>>,
    book: Book<S>,
    desk: Arc<Desk>,
    watch: Arc<Watch>,
    durability: Durability,
    /// The state that the replica began with, encoded.
    initial: Vec<u8>,
    /// Up to here everything is written, and not durable yet.
    written: Option<Mark>,
    /// When to sync.
    due: Option<Instant>,
    /// Bytes of the file when it was made.
    base: u64,
}

impl<R: Replicated, S: Storage> Writer<R, S> {
    fn run(mut self) {
        loop {
            let result = match self.desk.wait(self.due) {
                Order::Write => self.write(),
                Order::Compact(askers) => {
                    let result = self.compact();
                    askers.into_iter().for_each(|asker| drop(asker.send(result.clone())));
                    // What could not be compacted stays as it was.
                    if matches!(result, Err(JournalError::Refused(_))) { Ok(()) } else { result }
                }
                Order::Finish(end) => return self.finish(end),
            };
            match result {
                Ok(()) => {}
                Err(JournalError::Refused(cause)) => self.take_back(JournalError::Refused(cause)),
                Err(error) => self.fail(error),
            }
        }
    }

    /// Does something to the replica, under its lock, if it is still there.
    fn with<T>(&self, act: impl FnOnce(&mut Inner<R>) -> T) -> Option<T> {
        let shared = self.replica.upgrade()?;
        let done = shared.with(act).ok();
        // It may have been the last to hold it, and then ends it.
        drop(shared);
        done
    }

    /// Writes what is new, and makes it durable.
    fn write(&mut self) -> Result<(), JournalError> {
        loop {
            let batch = self.with(|inner| {
                inner
                    .recorder
                    .as_mut()
                    .map_or(Ok(None), |recorder| recorder.collect(&mut inner.core))
            });
            match batch {
                Some(Ok(Some(batch))) => {
                    self.append(&batch)?;
                    if !batch.has_more {
                        break;
                    }
                }
                // The file does not tell of a newer version of the schema, as it has to.
                Some(Err(SessionError::NewerSchema)) => return self.compact(),
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(None)) | None => break,
            }
        }
        self.settle(self.durability)?;
        let size = self.book.size();
        if size > SMALL && size / 2 > self.base { self.compact_if_possible() } else { Ok(()) }
    }

    fn append(&mut self, batch: &Batch) -> Result<(), JournalError> {
        self.book.append(batch)?;
        self.written = Some(batch.mark);
        Ok(())
    }

    /// What is written becomes durable, now or later.
    fn settle(&mut self, durability: Durability) -> Result<(), JournalError> {
        let Some(mark) = self.written else { return Ok(()) };
        if let Durability::Interval(interval) = durability {
            let now = Instant::now();
            if *self.due.get_or_insert(now + interval) > now {
                return Ok(());
            }
        }
        if durability != Durability::System {
            self.book.sync()?;
        }
        (self.written, self.due) = (None, None);
        self.watch.advance(mark);
        Ok(())
    }

    // ---- compaction ----

    /// The file has grown: writes it anew. If there is no room for that it has to grow on.
    fn compact_if_possible(&mut self) -> Result<(), JournalError> {
        match self.compact() {
            Err(JournalError::Refused(_)) => {
                self.base = self.book.size();
                Ok(())
            }
            result => result,
        }
    }

    fn compact(&mut self) -> Result<(), JournalError> {
        let begun = self.with(|inner| self.book.recorder(&mut inner.core));
        let Some(mut next) = begun.transpose()? else { return Ok(()) };
        self.book.begin_next()?;
        let collect = |inner: &mut Inner<R>, next: &mut Recorder| next.collect(&mut inner.core);
        while let Some(batch) = self.with(|inner| collect(inner, &mut next)).transpose()?.flatten()
        {
            self.book.append_next(&batch)?;
        }
        let Some((rest, present, mark)) = self.with(|inner| switch(inner, next)) else {
            return Ok(());
        };
        let advanced = rest.map_err(JournalError::from).and_then(|rest| {
            rest.iter().try_for_each(|batch| self.book.append_next(batch))?;
            self.book.advance()
        });
        if let Err(error) = advanced {
            // The present recorder has missed nothing: it stands where it stood.
            self.with(|inner| inner.recorder = present);
            return Err(error);
        }
        (self.written, self.due) = (None, None);
        self.base = self.book.size();
        self.watch.advance(mark);
        Ok(())
    }

    // ---- when something fails ----

    /// The storage has refused what is new. Nobody has heard of it, so the replica can be what its journal
    /// says it is.
    fn take_back(&mut self, error: JournalError) {
        let Self { replica, book, initial, watch, written, due, .. } = self;
        if let Some(mark) = written.take() {
            // Of what was written, nothing is in doubt: the refusal has synced it.
            watch.advance(mark);
        }
        *due = None;
        let Some(shared) = replica.upgrade() else { return };
        let taken_back = shared.with(|inner| {
            let before = inner.core.mark();
            let result = book.reread(&mut inner.core, initial, random_id());
            inner.recorder = Some(book.resume(&mut inner.core));
            inner.trouble = Some(Trouble::Pause(Instant::now() + PAUSE, error.clone()));
            inner.wake();
            (result, before, inner.core.mark())
        });
        drop(shared);
        let Ok((result, before, after)) = taken_back else { return };
        self.watch.lose(before, NotDurable::Refused { cause: Arc::new(error) });
        match result {
            Ok(()) => self.watch.advance(after),
            Err(error) => self.fail(JournalError::Reread(Arc::new(error))),
        }
    }

    /// What is on the disk is unknown: nothing is written any more.
    fn fail(&self, error: JournalError) {
        self.watch.fail(NotDurable::Unknown { cause: Arc::new(error.clone()) });
        self.with(|inner| {
            inner.trouble = Some(Trouble::Failed(error));
            inner.wake();
        });
    }

    /// Writes the last of it, and closes the journal.
    fn finish(mut self, end: End) {
        let rest = match end {
            // Not before: what is collected goes into the file that its recorder is for, and a compaction
            // that was under way has begun another.
            End::Closed => self.with(Inner::rest).unwrap_or_else(|| Ok(Vec::new())),
            End::Gone(rest) => rest,
        };
        let closed = rest.map_err(JournalError::from).and_then(|rest| {
            rest.iter().try_for_each(|batch| self.append(batch))?;
            self.book.close()
        });
        match (closed, self.written) {
            (Ok(()), Some(mark)) => self.watch.advance(mark),
            (Ok(()), None) => {}
            (Err(error), _) => self.fail(error),
        }
    }
}

impl<R: Replicated, S> Drop for Writer<R, S> {
    /// However the thread ends, nobody may wait for it.
    fn drop(&mut self) {
        let mut orders = self.desk.orders();
        orders.is_over = true;
        orders.compactions.clear();
    }
}

/// Goes on with the recorder of the next file. What that has not collected yet, the present one, and where
/// the replica stands.
fn switch<R: Replicated>(
    inner: &mut Inner<R>,
    mut next: Recorder,
) -> (Rest, Option<Recorder>, Mark) {
    let rest = next.collect_all(&mut inner.core);
    let present = inner.recorder.replace(next);
    (rest, present, inner.core.mark())
}

/// Why nothing is written to a replica now.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The storage has just refused something; it is tried again then.
    Pause(Instant, JournalError),
    Failed(JournalError),
    /// The replica was closed.
    Closed,
}

impl Trouble {
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Pause(until, _) if *until <= Instant::now())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause(_, error) | Self::Failed(error) => error.fmt(f),
            Self::Closed => f.write_str("it was closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Counter, JournalError, Memory, Replica};

    #[test]
    fn what_is_closed_is_not_compacted_and_nobody_waits_for_it() {
        let votes = Replica::builder(Counter::default()).open_in(Memory::new()).unwrap();
        votes.close().unwrap();
        assert!(matches!(votes.compact(), Err(JournalError::Failed)));
    }
}
