//! [`LogWriter`]: the thread that writes a replica's journal.
//!
//! An update is reduced at once, under the lock of its replica. The log writer then collects what is new, as
//! much as there is, writes it and syncs it without that lock, and moves the watermark, so that receipts
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
    core::{UpdateError},
    journal::{
        Batch, BatchBuilder, Collected, Durability, JournalError, KnownPeers, Log, Recovery,
        Storage, Trimming,
    },
    log_position::LogPosition,
    receipt::{NotDurable, Watermark},
    reduce::Replicated,
    session::SessionError,
    unavailable::Unavailable,
};

/// How often a storage that has refused something is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The longest that who was told of a sync is waited for: the system needs some of it to wake them.
const MAX_COMMIT_DELAY: Duration = Duration::from_micros(200);

/// What a replica has of the thread that writes its journal.
#[derive(Debug)]
pub(super) struct LogWriter {
    mailbox: Arc<Mailbox>,
    watermark: Arc<Watermark>,
    thread: Mutex<Option<JoinHandle<()>>>,
    recovery: Recovery,
}

/// What the replica and the thread share beside the replica itself.
#[derive(Debug, Default)]
struct Mailbox {
    /// How often there was something new since the thread has looked. Counted at every update, so that it costs no
    /// lock but for the first.
    pending: AtomicUsize,
    commands: Mutex<Commands>,
    wakeup: Condvar,
    /// Rings when the thread has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Commands {
    /// Who wants the journal compacted, and to be told.
    compactions: Vec<mpsc::Sender<Result<(), JournalError>>>,
    /// What is new then is to be written, and that is all.
    is_ending: bool,
    /// What has to be there until then, if nobody else keeps it: the replica.
    keep_alive: Option<KeepAlive>,
    /// The thread, once it runs.
    thread: Option<ThreadId>,
    /// The thread has ended, and does nothing any more.
    has_ended: bool,
}

/// Something that is dropped when the thread ends.
type KeepAlive = Box<dyn Any + Send>;

/// What the thread is to do.
enum Command {
    Write,
    Compact(Vec<mpsc::Sender<Result<(), JournalError>>>),
    Finish,
}

impl LogWriter {
    /// A mailbox for a thread that is to be started.
    /// `has_lock` says whether the calling thread has the lock of the replica, which it needs.
    pub(super) fn new(
        position: LogPosition,
        recovery: Recovery,
        has_lock: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        let would_deadlock = {
            let mailbox = Arc::clone(&mailbox);
            move || has_lock() || mailbox.is_own_thread()
        };
        let watermark = Arc::new(Watermark::new(would_deadlock));
        watermark.advance(position);
        Self { mailbox, watermark, thread: Mutex::new(None), recovery }
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
        log: Log<S>,
        policy: WritePolicy,
    ) -> std::io::Result<()> {
        let Some(log_writer) = &shared.log_writer else { return Ok(()) };
        let writer = WriterThread {
            replica: Arc::downgrade(shared),
            log,
            mailbox: Arc::clone(&log_writer.mailbox),
            watermark: Arc::clone(&log_writer.watermark),
            policy,
            batch_target: 0,
            commit_delay: Duration::ZERO,
            written: None,
            due: None,
            needs_compaction: false,
            refused: None,
            _ended: Ended(Arc::clone(&log_writer.mailbox)),
        };
        let thread = thread::Builder::new().name("repred journal".into());
        let thread = thread.spawn(move || writer.run())?;
        *log_writer.thread() = Some(thread);
        Ok(())
    }

    /// How far the replica is durable.
    pub(super) fn watermark(&self) -> &Arc<Watermark> {
        &self.watermark
    }

    /// There is something new.
    pub(super) fn notify(&self) {
        if self.mailbox.pending.fetch_add(1, Ordering::AcqRel) == 0 {
            // The lock, so that the thread is not notified between its look and its sleep.
            drop(self.mailbox.commands());
            self.mailbox.wakeup.notify_one();
        }
    }

    /// Has the journal compacted, and waits for it.
    pub(super) fn compact(&self) -> Result<(), JournalError> {
        let (sender, receiver) = mpsc::channel();
        if self.is_own_thread() {
            return Err(JournalError::Unavailable(Unavailable::Reentrant));
        }
        let mut commands = self.mailbox.commands();
        if commands.has_ended {
            return Err(JournalError::Failed);
        }
        commands.compactions.push(sender);
        drop(commands);
        self.mailbox.wakeup.notify_one();
        receiver.recv().unwrap_or(Err(JournalError::Failed))
    }

    /// Has the rest written, and the journal closed, and keeps something until that is done.
    pub(super) fn request_end(&self, keep_alive: Option<KeepAlive>) {
        let mut commands = self.mailbox.commands();
        // The thread that has ended drops nothing any more.
        if !commands.has_ended {
            commands.is_ending = true;
            commands.keep_alive = keep_alive.or(commands.keep_alive.take());
        }
        drop(commands);
        self.mailbox.wakeup.notify_one();
    }

    /// The same, and waits for it. Not for the thread itself.
    pub(super) fn finish(&self) {
        self.request_end(None);
        // Somebody else may be waiting for the thread itself.
        let is_under_way = |commands: &mut Commands| !commands.has_ended;
        let ended = self.mailbox.ended.wait_while(self.mailbox.commands(), is_under_way);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
        if let Some(thread) = self.thread().take() {
            // A panic there has failed the journal, which is told by it.
            let _ = thread.join();
        }
    }

    /// Whether this is the thread that writes, which runs what it wakes, and cannot wait for itself.
    pub(super) fn is_own_thread(&self) -> bool {
        self.mailbox.is_own_thread()
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailbox {
    fn commands(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often there was something new, when there was so often or that has taken too long.
    fn wait_for_batch(&self, often: usize, commit_delay: Duration) -> usize {
        let begun = Instant::now();
        while self.pending.load(Ordering::Acquire) < often && begun.elapsed() < commit_delay {
            thread::yield_now();
        }
        self.pending.swap(0, Ordering::AcqRel)
    }

    fn is_own_thread(&self) -> bool {
        self.commands().thread == Some(thread::current().id())
    }

    /// Waits for something to do, until `due` at most.
    fn wait(&self, due: Option<Instant>) -> Command {
        let mut commands = self.commands();
        loop {
            if commands.is_ending {
                return Command::Finish;
            }
            if !commands.compactions.is_empty() {
                return Command::Compact(std::mem::take(&mut commands.compactions));
            }
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if self.pending.load(Ordering::Acquire) > 0 || left.is_some_and(|left| left.is_zero()) {
                return Command::Write;
            }
            commands = match left {
                None => self.wakeup.wait(commands).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.wakeup.wait_timeout(commands, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// How a journal is written.
#[derive(Debug)]
pub(super) struct WritePolicy {
    pub(super) durability: Durability,
    pub(super) trimming: Trimming,
    /// The state that the replica began with, encoded.
    pub(super) initial: Vec<u8>,
}

/// The thread.
struct WriterThread<R: Replicated, S: Storage> {
    /// Weak, so that the thread does not keep a replica alive that nobody holds any more.
    replica: Weak<Shared<R>>,
    log: Log<S>,
    mailbox: Arc<Mailbox>,
    watermark: Arc<Watermark>,
    policy: WritePolicy,
    /// How often there was something new before the last batch.
    batch_target: usize,
    /// How long as many may take to write again.
    commit_delay: Duration,
    /// Up to here everything is written, and not durable yet.
    written: Option<LogPosition>,
    /// When to sync.
    due: Option<Instant>,
    /// Something has happened of which only the next log can tell.
    needs_compaction: bool,
    /// How many bytes the storage has refused. Nothing is written to the replica until it would take them.
    refused: Option<usize>,
    /// Dropped last.
    _ended: Ended,
}

impl<R: Replicated, S: Storage> WriterThread<R, S> {
    fn run(mut self) {
        self.mailbox.commands().thread = Some(thread::current().id());
        loop {
            let result = match self.mailbox.wait(self.due) {
                Command::Write if self.refused.is_some() => self.probe(),
                Command::Write => self.write(),
                Command::Compact(askers) => {
                    let result = self.compact();
                    askers.into_iter().for_each(|asker| drop(asker.send(result.clone())));
                    // Where a log had room, an update may have.
                    self.due = self.refused.map_or(self.due, |_| Some(Instant::now()));
                    match result {
                        Err(error) if self.is_harmless(&error) => Ok(()),
                        result => result,
                    }
                }
                Command::Finish => return self.finish(),
            };
            match result {
                Ok(()) => {}
                Err(error @ JournalError::Refused(_)) => self.roll_back(error),
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
        // Who was told of the last sync is about to write again. Without this delay it would miss the next
        // one, and each would serve half of those who write.
        self.batch_target = self.mailbox.wait_for_batch(self.batch_target, self.commit_delay);
        self.write_new()?;
        if self.needs_compaction {
            return self.compact();
        }
        self.settle()?;
        if self.log.has_doubled() { self.compact_if_possible() } else { Ok(()) }
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
                Some(Collected::NeedsCompaction) => {
                    self.needs_compaction = true;
                    return Ok(());
                }
                Some(Collected::Nothing) | None => return Ok(()),
            }
        }
    }

    fn append(&mut self, batch: &Batch) -> Result<(), JournalError> {
        let appended = self.log.append(batch);
        match appended {
            Ok(()) => self.written = Some(batch.position),
            Err(JournalError::Refused(_)) => self.refused = Some(batch.size()),
            Err(_) => {}
        }
        appended
    }

    /// What is written becomes as durable as was chosen.
    fn settle(&mut self) -> Result<(), JournalError> {
        let written = self.written.take();
        match self.policy.durability {
            Durability::System => {}
            Durability::EveryUpdate => {
                let begun = Instant::now();
                self.log.sync()?;
                self.commit_delay = (begun.elapsed() / 2).min(MAX_COMMIT_DELAY);
            }
            Durability::Interval(interval) => self.sync_in_time(interval, written.is_some())?,
        }
        if let Some(position) = written {
            self.watermark.advance(position);
        }
        Ok(())
    }

    /// Syncs so often at most.
    fn sync_in_time(&mut self, interval: Duration, is_new: bool) -> Result<(), JournalError> {
        let now = Instant::now();
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.log.sync()?;
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
                self.log.accept_size();
                Ok(())
            }
            result => result,
        }
    }

    /// Whether the present log can go on after an error of a compaction: what was refused is not an update, but the
    /// new log; or that cannot be written, because the state has no encoding.
    fn is_harmless(&self, error: &JournalError) -> bool {
        match error {
            JournalError::Refused(_) => self.refused.is_none() && !self.needs_compaction,
            JournalError::Content(SessionError::Snapshot(_)) => true,
            _ => false,
        }
    }

    fn compact(&mut self) -> Result<(), JournalError> {
        // What is trimmed has to be written first, where it can be.
        self.write_new()?;
        if self.write_next()? { Ok(()) } else { self.write_next_at_once() }
    }

    /// Writes the next log, part by part, and goes on with it. False if it cannot tell of what has happened meanwhile.
    fn write_next(&mut self) -> Result<bool, JournalError> {
        let Some(begun) = self.with(|inner| begin(inner, &self.log, &self.policy)) else {
            return Ok(true);
        };
        let (peers, mut next) = begun?;
        self.log.note_peers(peers);
        self.log.begin_next()?;
        loop {
            match self.with(|inner| next.collect(&mut inner.core)).transpose()? {
                Some(Collected::Batch(batch)) => {
                    self.log.append_next(&batch)?;
                    if !batch.has_more {
                        break;
                    }
                }
                Some(Collected::Nothing) => break,
                Some(Collected::NeedsCompaction) => return Ok(false),
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
            let (peers, next) = begin(inner, &self.log, &self.policy)?;
            Ok::<_, SessionError>((peers, Switched::to(next, inner)))
        });
        let Some(begun) = begun else { return Ok(()) };
        let (peers, switched) = begun?;
        self.log.note_peers(peers);
        let begun = self.log.begin_next();
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
        let Switched { rest, present, position } = switched;
        let advanced = begun.and_then(|()| {
            let Some(rest) = rest? else { return Ok(false) };
            rest.iter().try_for_each(|batch| self.log.append_next(batch))?;
            self.log.advance().map(|()| true)
        });
        if matches!(advanced, Ok(true)) {
            (self.written, self.due, self.needs_compaction) = (None, None, false);
            self.watermark.advance(position);
        } else if self.with(|inner| inner.batch_builder = present).is_none() {
            // The present builder has missed nothing: it stands where it stood. But the replica has ended
            // meanwhile, and the rest of it is meant for the next log.
            self.log.poison();
        }
        advanced
    }

    // ---- when something fails ----

    /// The storage has refused what is new. Nobody has heard of it, so the replica can be what its journal
    /// says it is.
    fn roll_back(&mut self, error: JournalError) {
        // What was written before is kept.
        if let Err(error) = self.settle() {
            return self.fail(error);
        }
        // If it was a log that was refused, and no batch, any room at all is a reason to try again.
        (self.needs_compaction, self.refused) = (false, self.refused.or(Some(1)));
        self.due = Some(Instant::now() + RETRY);
        let Self { replica, log, policy, .. } = self;
        let Some(shared) = replica.upgrade() else { return };
        let rolled_back = shared.with(|inner| {
            let before = inner.core.log_position();
            let result = log.roll_back(&mut inner.core, &policy.initial, random_id());
            inner.batch_builder = Some(log.resume(&mut inner.core));
            inner.known_peers.change_all();
            inner.read_only = Some(ReadOnly::Full(error.clone()));
            inner.notify_change();
            (result, before, inner.core.log_position())
        });
        drop(shared);
        let Ok((result, before, after)) = rolled_back else { return };
        self.watermark.lose(before, NotDurable::Refused { cause: Arc::new(error) });
        match result {
            Ok(()) => self.watermark.advance(after),
            Err(error) => self.fail(JournalError::Rollback(Arc::new(error))),
        }
    }

    /// Whether the storage would take by now what it has refused.
    fn probe(&mut self) -> Result<(), JournalError> {
        // Whoever asks from now on asks again.
        self.mailbox.pending.store(0, Ordering::Release);
        match self.log.probe(self.refused.unwrap_or(0)) {
            Ok(()) => {
                (self.refused, self.due) = (None, None);
                self.with(|inner| {
                    inner.read_only = None;
                    inner.notify_change();
                });
                // What was trimmed meanwhile, say.
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
        self.log.poison();
        let cause = Arc::new(error.clone());
        // First, so that nobody who hears that it has failed can still write.
        self.with(|inner| {
            inner.read_only = Some(ReadOnly::Failed(error));
            inner.notify_change();
        });
        self.watermark.fail(NotDurable::Unknown { cause });
    }

    /// Writes the last of it, and closes the journal.
    fn finish(mut self) {
        match (self.close(), self.written) {
            (Ok(()), Some(position)) => self.watermark.advance(position),
            (Ok(()), None) => {}
            (Err(error), _) => self.fail(error),
        }
    }

    fn close(&mut self) -> Result<(), JournalError> {
        self.write_new()?;
        if self.needs_compaction {
            self.compact()?;
        }
        if let Some(peers) = self.with(Inner::met) {
            self.log.note_peers(peers);
        }
        self.log.close()
    }
}

impl<R: Replicated, S: Storage> Drop for WriterThread<R, S> {
    /// However the thread ends, nobody waits for it any longer.
    fn drop(&mut self) {
        // Unless it was closed, something here has panicked.
        self.with(|inner| {
            inner.read_only.get_or_insert(ReadOnly::Failed(JournalError::Failed));
            inner.notify_change();
        });
        self.watermark.fail(NotDurable::Unknown { cause: Arc::new(JournalError::Failed) });
    }
}

/// Says that the thread has ended, when all that it had is gone: another may open the journal then.
struct Ended(Arc<Mailbox>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut commands = self.0.commands();
        commands.has_ended = true;
        commands.compactions.clear();
        let keep_alive = commands.keep_alive.take();
        drop(commands);
        self.0.ended.notify_all();
        // Not under the lock: it may be the last that holds the replica, which wakes others at its end.
        drop(keep_alive);
    }
}

/// What is stable is trimmed, and then the next log is begun. Who was met, and the builder.
fn begin<R: Replicated, S: Storage>(
    inner: &mut Inner<R>,
    log: &Log<S>,
    policy: &WritePolicy,
) -> Result<(KnownPeers, BatchBuilder), SessionError> {
    inner.trim_stable(&policy.trimming);
    Ok((inner.known_peers.clone(), log.batch_builder(&mut inner.core)?))
}

/// A replica that goes on with the batch builder of the next log.
struct Switched {
    /// What that had not collected yet; `None` if it cannot tell of all.
    rest: Result<Option<Vec<Batch>>, SessionError>,
    /// The batch builder of the present log.
    present: Option<BatchBuilder>,
    /// Where the replica stands.
    position: LogPosition,
}

impl Switched {
    fn to<R: Replicated>(mut next: BatchBuilder, inner: &mut Inner<R>) -> Self {
        let rest = next.collect_all(&mut inner.core);
        let present = inner.batch_builder.replace(next);
        Self { rest, present, position: inner.core.log_position() }
    }
}

/// Why nothing is written to a replica now.
#[derive(Clone, Debug)]
pub(super) enum ReadOnly {
    /// The storage has refused something, and is tried again and again.
    Full(JournalError),
    Failed(JournalError),
    /// The replica was closed.
    Closed,
}

impl ReadOnly {
    /// What is told to who wants to write.
    pub(super) fn to_error(&self) -> UpdateError {
        match self {
            Self::Full(error) => UpdateError::Full { reason: error.to_string() },
            Self::Failed(error) => UpdateError::ReadOnly { reason: error.to_string() },
            Self::Closed => UpdateError::ReadOnly { reason: "it was closed".to_owned() },
        }
    }
}
