//! [`Scribe`]: the thread that writes a replica's journal.
//!
//! An update is reduced at once, under the lock of its replica. The scribe then collects what is new, as
//! much as there is, writes it and syncs it without that lock, and moves the watch, so that receipts
//! are ready and what connections have held back goes out. All updates that come while the disk is busy share
//! the next sync.

use std::{
    any::Any,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use super::shared::{Inner, Shared, random_id};
use crate::{
    core::UpdateError,
    journal::{
        Batch, Book, Collected, Durability, Folding, JournalError, KnownPeers, Recorder, Recovery,
        Storage,
    },
    mark::Mark,
    receipt::{NotDurable, Watch},
    reduce::Replicated,
    session::SessionError,
};

/// How often a storage that has refused something is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The longest that who was told of a sync is waited for: the system needs some of it to wake them.
const MOST_PATIENCE: Duration = Duration::from_micros(200);

/// What a replica has of the thread that writes its journal.
#[derive(Debug)]
pub(super) struct Scribe {
    desk: Arc<Desk>,
    watch: Arc<Watch>,
    thread: Mutex<Option<JoinHandle<()>>>,
    recovery: Recovery,
}

/// What the replica and the thread share beside the replica itself.
#[derive(Debug, Default)]
struct Desk {
    /// How often there was something new since the thread has looked. Counted at every update, so that it costs no
    /// lock but for the first.
    news: AtomicUsize,
    orders: Mutex<Orders>,
    bell: Condvar,
    /// Rings when the thread has ended.
    over: Condvar,
}

#[derive(Debug, Default)]
struct Orders {
    /// Who wants the journal compacted, and to be told.
    compactions: Vec<mpsc::Sender<Result<(), JournalError>>>,
    /// What is new then is to be written, and that is all.
    is_ending: bool,
    /// What has to be there until then, if nobody else keeps it: the replica.
    kept: Option<Kept>,
    /// The thread, once it runs.
    thread: Option<ThreadId>,
    /// The thread has ended, and does nothing any more.
    is_over: bool,
}

/// Something that is dropped later.
type Kept = Box<dyn Any + Send>;

/// What the thread is to do.
enum Order {
    Write,
    Compact(Vec<mpsc::Sender<Result<(), JournalError>>>),
    Finish,
}

impl Scribe {
    /// A desk for a thread that is to be started.
    /// `has_lock` says whether the calling thread has the lock of the replica, which it needs.
    pub(super) fn new(
        mark: Mark,
        recovery: Recovery,
        has_lock: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let desk = Arc::new(Desk::default());
        let is_in_vain = {
            let desk = Arc::clone(&desk);
            move || has_lock() || desk.is_own_thread()
        };
        let watch = Arc::new(Watch::new(is_in_vain));
        watch.advance(mark);
        Self { desk, watch, thread: Mutex::new(None), recovery }
    }

    /// What was found when the journal was opened.
    pub(super) fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// If the operating system has no more threads.
    pub(super) fn start<R: Replicated, S: Storage>(
        shared: &Arc<Shared<R>>,
        book: Book<S>,
        terms: Terms,
    ) -> std::io::Result<()> {
        let Some(scribe) = &shared.scribe else { return Ok(()) };
        let writer = Writer {
            replica: Arc::downgrade(shared),
            book,
            desk: Arc::clone(&scribe.desk),
            watch: Arc::clone(&scribe.watch),
            terms,
            usual: 0,
            patience: Duration::ZERO,
            written: None,
            due: None,
            needs_next: false,
            refused: None,
            _ended: Ended(Arc::clone(&scribe.desk)),
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
        if self.desk.news.fetch_add(1, Ordering::AcqRel) == 0 {
            // The lock, so that the bell does not ring between the thread's look and its sleep.
            drop(self.desk.orders());
            self.desk.bell.notify_one();
        }
    }

    /// Has the journal compacted, and waits for it.
    pub(super) fn compact(&self) -> Result<(), JournalError> {
        let (sender, receiver) = mpsc::channel();
        if self.is_own_thread() {
            return Err(JournalError::Reentrant);
        }
        let mut orders = self.desk.orders();
        if orders.is_over {
            return Err(JournalError::Failed);
        }
        orders.compactions.push(sender);
        drop(orders);
        self.desk.bell.notify_one();
        receiver.recv().unwrap_or(Err(JournalError::Failed))
    }

    /// Has the rest written, and the journal closed, and keeps something until that is done.
    pub(super) fn order_end(&self, kept: Option<Kept>) {
        let mut orders = self.desk.orders();
        // The thread that has ended drops nothing any more.
        if !orders.is_over {
            orders.is_ending = true;
            orders.kept = kept.or(orders.kept.take());
        }
        drop(orders);
        self.desk.bell.notify_one();
    }

    /// The same, and waits for it. Not for the thread itself.
    pub(super) fn finish(&self) {
        self.order_end(None);
        // Somebody else may be waiting for the thread itself.
        let is_under_way = |orders: &mut Orders| !orders.is_over;
        let over = self.desk.over.wait_while(self.desk.orders(), is_under_way);
        drop(over.unwrap_or_else(PoisonError::into_inner));
        if let Some(thread) = self.thread().take() {
            // A panic there has failed the journal, which is told by it.
            let _ = thread.join();
        }
    }

    /// Whether this is the thread that writes, which runs what it wakes, and cannot wait for itself.
    pub(super) fn is_own_thread(&self) -> bool {
        self.desk.is_own_thread()
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often there was something new, when there was so often or that has taken too long.
    fn gather(&self, often: usize, patience: Duration) -> usize {
        let begun = Instant::now();
        while self.news.load(Ordering::Acquire) < often && begun.elapsed() < patience {
            thread::yield_now();
        }
        self.news.swap(0, Ordering::AcqRel)
    }

    fn is_own_thread(&self) -> bool {
        self.orders().thread == Some(thread::current().id())
    }

    /// Waits for something to do, until `due` at most.
    fn wait(&self, due: Option<Instant>) -> Order {
        let mut orders = self.orders();
        loop {
            if orders.is_ending {
                return Order::Finish;
            }
            if !orders.compactions.is_empty() {
                return Order::Compact(std::mem::take(&mut orders.compactions));
            }
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if self.news.load(Ordering::Acquire) > 0 || left.is_some_and(|left| left.is_zero()) {
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

/// How a journal is written.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) durability: Durability,
    pub(super) folding: Folding,
    /// The state that the replica began with, encoded.
    pub(super) initial: Vec<u8>,
}

/// The thread.
struct Writer<R: Replicated, S: Storage> {
    /// Weak, so that the thread does not keep a replica alive that nobody holds any more.
    replica: Weak<Shared<R>>,
    book: Book<S>,
    desk: Arc<Desk>,
    watch: Arc<Watch>,
    terms: Terms,
    /// How often there was something new before the last batch.
    usual: usize,
    /// How long as many may take to write again.
    patience: Duration,
    /// Up to here everything is written, and not durable yet.
    written: Option<Mark>,
    /// When to sync.
    due: Option<Instant>,
    /// Something has happened of which only the next log can tell.
    needs_next: bool,
    /// How many bytes the storage has refused. Nothing is written to the replica until it would take them.
    refused: Option<usize>,
    /// Dropped last.
    _ended: Ended,
}

impl<R: Replicated, S: Storage> Writer<R, S> {
    fn run(mut self) {
        self.desk.orders().thread = Some(thread::current().id());
        loop {
            let result = match self.desk.wait(self.due) {
                Order::Write if self.refused.is_some() => self.probe(),
                Order::Write => self.write(),
                Order::Compact(askers) => {
                    let result = self.compact();
                    askers.into_iter().for_each(|asker| drop(asker.send(result.clone())));
                    // Where a log had room, an update may have.
                    self.due = self.refused.map_or(self.due, |_| Some(Instant::now()));
                    match result {
                        Err(error) if self.is_harmless(&error) => Ok(()),
                        result => result,
                    }
                }
                Order::Finish => return self.finish(),
            };
            match result {
                Ok(()) => {}
                Err(error @ JournalError::Refused(_)) => self.take_back(error),
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
        // Who was told of the last sync is about to write again. Without a little patience it would miss the next
        // one, and each would serve half of those who write.
        self.usual = self.desk.gather(self.usual, self.patience);
        self.write_new()?;
        if self.needs_next {
            return self.compact();
        }
        self.settle()?;
        if self.book.has_doubled() { self.compact_if_possible() } else { Ok(()) }
    }

    /// Writes what is new, as far as the present log can tell of it.
    fn write_new(&mut self) -> Result<(), JournalError> {
        loop {
            match self.with(Inner::collect).transpose()? {
                Some(Collected::Batch(batch)) => {
                    self.append(&batch)?;
                    if !batch.has_more {
                        return Ok(());
                    }
                }
                Some(Collected::NeedsNext) => {
                    self.needs_next = true;
                    return Ok(());
                }
                Some(Collected::Nothing) | None => return Ok(()),
            }
        }
    }

    fn append(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let appended = self.book.append(batch);
        match appended {
            Ok(()) => self.written = Some(batch.mark),
            Err(JournalError::Refused(_)) => self.refused = Some(batch.size()),
            Err(_) => {}
        }
        appended
    }

    /// What is written becomes as durable as was chosen.
    fn settle(&mut self) -> Result<(), JournalError> {
        let written = self.written.take();
        match self.terms.durability {
            Durability::System => {}
            Durability::EveryUpdate => {
                let begun = Instant::now();
                self.book.sync()?;
                self.patience = (begun.elapsed() / 2).min(MOST_PATIENCE);
            }
            Durability::Interval(interval) => self.sync_in_time(interval, written.is_some())?,
        }
        if let Some(mark) = written {
            self.watch.advance(mark);
        }
        Ok(())
    }

    /// Syncs so often at most.
    fn sync_in_time(&mut self, interval: Duration, is_new: bool) -> Result<(), JournalError> {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.book.sync()?;
        } else if is_new {
            self.due.get_or_insert(now + interval);
        }
        Ok(())
    }

    // ---- compaction ----

    /// Writes the log anew. If there is no room for that it has to grow on.
    fn compact_if_possible(&mut self) -> Result<(), JournalError> {
        match self.compact() {
            Err(error) if self.is_harmless(&error) => {
                self.book.accept_size();
                Ok(())
            }
            result => result,
        }
    }

    /// Whether the present log can go on after an error of a compaction: what was refused is not an update, but the
    /// new log; or that cannot be written, because the state has no encoding.
    fn is_harmless(&self, error: &JournalError) -> bool {
        match error {
            JournalError::Refused(_) => self.refused.is_none() && !self.needs_next,
            JournalError::Content(SessionError::Snapshot(_)) => true,
            _ => false,
        }
    }

    fn compact(&mut self) -> Result<(), JournalError> {
        // What is folded has to be written first, where it can be.
        self.write_new()?;
        if self.write_next()? { Ok(()) } else { self.write_next_at_once() }
    }

    /// Writes the next log, part by part, and goes on with it. False if it cannot tell of what has happened meanwhile.
    fn write_next(&mut self) -> Result<bool, JournalError> {
        let Some(begun) = self.with(|inner| begin(inner, &self.book, &self.terms)) else {
            return Ok(true);
        };
        let (peers, mut next) = begun?;
        self.book.note_peers(peers);
        self.book.begin_next()?;
        loop {
            match self.with(|inner| next.collect(&mut inner.core)).transpose()? {
                Some(Collected::Batch(batch)) => {
                    self.book.append_next(&batch)?;
                    if !batch.has_more {
                        break;
                    }
                }
                Some(Collected::Nothing) => break,
                Some(Collected::NeedsNext) => return Ok(false),
                None => return Ok(true),
            }
        }
        match self.with(|inner| Switched::to(next, inner)) {
            Some(switched) => self.advance(switched, Ok(())),
            None => Ok(true),
        }
    }

    /// Writes the next log, all of which is collected under one lock, so that nothing happens meanwhile. It takes as
    /// much memory as the log has bytes.
    fn write_next_at_once(&mut self) -> Result<(), JournalError> {
        let begun = self.with(|inner| {
            let (peers, next) = begin(inner, &self.book, &self.terms)?;
            Ok::<_, SessionError>((peers, Switched::to(next, inner)))
        });
        let Some(begun) = begun else { return Ok(()) };
        let (peers, switched) = begun?;
        self.book.note_peers(peers);
        let begun = self.book.begin_next();
        let has_all = self.advance(switched, begun)?;
        debug_assert!(has_all, "it tells of everything at that moment");
        Ok(())
    }

    /// Goes on with the next log, or with the present one if that fails. False if the next one cannot tell of all.
    fn advance(
        &mut self,
        switched: Switched,
        begun: Result<(), JournalError>,
    ) -> Result<bool, JournalError> {
        let Switched { rest, present, mark } = switched;
        let advanced = begun.and_then(|()| {
            let Some(rest) = rest? else { return Ok(false) };
            rest.iter().try_for_each(|batch| self.book.append_next(batch))?;
            self.book.advance().map(|()| true)
        });
        if matches!(advanced, Ok(true)) {
            (self.written, self.due, self.needs_next) = (None, None, false);
            self.watch.advance(mark);
        } else if self.with(|inner| inner.recorder = present).is_none() {
            // The present recorder has missed nothing: it stands where it stood. But the replica has ended
            // meanwhile, and the rest of it is meant for the next log.
            self.book.give_up();
        }
        advanced
    }

    // ---- when something fails ----

    /// The storage has refused what is new. Nobody has heard of it, so the replica can be what its journal
    /// says it is.
    fn take_back(&mut self, error: JournalError) {
        // What was written before is kept.
        if let Err(error) = self.settle() {
            return self.fail(error);
        }
        // If it was a log that was refused, and no batch, any room at all is a reason to try again.
        (self.needs_next, self.refused) = (false, self.refused.or(Some(1)));
        self.due = Some(Instant::now() + RETRY);
        let Self { replica, book, terms, .. } = self;
        let Some(shared) = replica.upgrade() else { return };
        let taken_back = shared.with(|inner| {
            let before = inner.core.mark();
            let result = book.reread(&mut inner.core, &terms.initial, random_id());
            inner.recorder = Some(book.resume(&mut inner.core));
            inner.known_peers.change_all();
            inner.trouble = Some(Trouble::Full(error.clone()));
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

    /// Whether the storage would take by now what it has refused.
    fn probe(&mut self) -> Result<(), JournalError> {
        // Whoever asks from now on asks again.
        self.desk.news.store(0, Ordering::Release);
        match self.book.probe(self.refused.unwrap_or(0)) {
            Ok(()) => {
                (self.refused, self.due) = (None, None);
                self.with(|inner| {
                    inner.trouble = None;
                    inner.wake();
                });
                // What was folded meanwhile, say.
                self.write()
            }
            Err(JournalError::Refused(_)) => {
                self.due = Some(Instant::now() + RETRY);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What is on the disk is unknown: nothing is written any more.
    fn fail(&mut self, error: JournalError) {
        self.book.give_up();
        let cause = Arc::new(error.clone());
        // First, so that nobody who hears that it has failed can still write.
        self.with(|inner| {
            inner.trouble = Some(Trouble::Failed(error));
            inner.wake();
        });
        self.watch.fail(NotDurable::Unknown { cause });
    }

    /// Writes the last of it, and closes the journal.
    fn finish(mut self) {
        match (self.close(), self.written) {
            (Ok(()), Some(mark)) => self.watch.advance(mark),
            (Ok(()), None) => {}
            (Err(error), _) => self.fail(error),
        }
    }

    fn close(&mut self) -> Result<(), JournalError> {
        self.write_new()?;
        if self.needs_next {
            self.compact()?;
        }
        if let Some(peers) = self.with(Inner::met) {
            self.book.note_peers(peers);
        }
        self.book.close()
    }
}

impl<R: Replicated, S: Storage> Drop for Writer<R, S> {
    /// However the thread ends, nobody waits for it any longer.
    fn drop(&mut self) {
        // Unless it was closed, something here has panicked.
        self.with(|inner| {
            inner.trouble.get_or_insert(Trouble::Failed(JournalError::Failed));
            inner.wake();
        });
        self.watch.fail(NotDurable::Unknown { cause: Arc::new(JournalError::Failed) });
    }
}

/// Says that the thread has ended, when all that it had is gone: another may open the journal then.
struct Ended(Arc<Desk>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut orders = self.0.orders();
        orders.is_over = true;
        orders.compactions.clear();
        let kept = orders.kept.take();
        drop(orders);
        self.0.over.notify_all();
        // Not under the lock: it may be the last that holds the replica, which wakes others at its end.
        drop(kept);
    }
}

/// What is stable is folded, and then the next log is begun. Who was met, and the recorder.
fn begin<R: Replicated, S: Storage>(
    inner: &mut Inner<R>,
    book: &Book<S>,
    terms: &Terms,
) -> Result<(KnownPeers, Recorder), SessionError> {
    inner.fold_stable(&terms.folding);
    Ok((inner.known_peers.clone(), book.recorder(&mut inner.core)?))
}

/// A replica that goes on with the recorder of the next log.
struct Switched {
    /// What that had not collected yet; `None` if it cannot tell of all.
    rest: Result<Option<Vec<Batch>>, SessionError>,
    /// The recorder of the present log.
    present: Option<Recorder>,
    /// Where the replica stands.
    mark: Mark,
}

impl Switched {
    fn to<R: Replicated>(mut next: Recorder, inner: &mut Inner<R>) -> Self {
        let rest = next.collect_all(&mut inner.core);
        let present = inner.recorder.replace(next);
        Self { rest, present, mark: inner.core.mark() }
    }
}

/// Why nothing is written to a replica now.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The storage has refused something, and is tried again and again.
    Full(JournalError),
    Failed(JournalError),
    /// The replica was closed.
    Closed,
}

impl Trouble {
    /// What is told to who wants to write.
    pub(super) fn to_error(&self) -> UpdateError {
        match self {
            Self::Full(error) => UpdateError::Full { reason: error.to_string() },
            Self::Failed(error) => UpdateError::ReadOnly { reason: error.to_string() },
            Self::Closed => UpdateError::ReadOnly { reason: "it was closed".to_owned() },
        }
    }
}
