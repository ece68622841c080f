//! [`Mailbox`]: what the threads that use a replica want from its writer thread.

use std::{
    any::Any,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use crate::journal::JournalError;

/// What the threads that use a replica want from its writer thread: notifications and commands.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// How many notifications came since the thread has last collected. A counter beside the lock, so that an update
    /// costs one atomic addition unless the thread may be asleep.
    pending: AtomicUsize,
    commands: Mutex<Commands>,
    /// There is something to do.
    wakeup: Condvar,
    /// The thread has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Commands {
    /// The callers that wait for a compaction.
    compactions: Vec<CompactionReply>,
    /// The thread is to write what is new, close the journal and end.
    is_ending: bool,
    /// Dropped when the thread has ended: the replica, if it is closed where it cannot be waited for.
    keep_alive: Option<KeepAlive>,
    /// The thread, once it runs.
    thread: Option<ThreadId>,
    /// The thread has ended, and obeys no command any more.
    has_ended: bool,
}

/// Something that is dropped when the thread has ended.
pub(super) type KeepAlive = Box<dyn Any + Send>;

pub(super) type CompactionReply = mpsc::Sender<Result<(), JournalError>>;

/// What the thread is to do next.
pub(super) enum Command {
    Write,
    Compact(Vec<CompactionReply>),
    Finish,
}

impl Mailbox {
    // ---- for the threads that use the replica ----

    /// There is something new to write.
    pub(super) fn notify(&self) {
        if self.pending.fetch_add(1, Ordering::AcqRel) == 0 {
            // The thread looks at `pending` and falls asleep under this lock. Without it, this notification could
            // come between the two, and be lost.
            drop(self.commands());
            self.wakeup.notify_one();
        }
    }

    /// Asks for a compaction; `None` if the thread has ended.
    pub(super) fn request_compaction(&self) -> Option<mpsc::Receiver<Result<(), JournalError>>> {
        let (sender, receiver) = mpsc::channel();
        let mut commands = self.commands();
        if commands.has_ended {
            return None;
        }
        commands.compactions.push(sender);
        drop(commands);
        self.wakeup.notify_one();
        Some(receiver)
    }

    /// Asks the thread to end, and keeps something until it has.
    pub(super) fn request_end(&self, keep_alive: Option<KeepAlive>) {
        let mut commands = self.commands();
        // A thread that has ended would never drop it.
        if !commands.has_ended {
            commands.is_ending = true;
            commands.keep_alive = keep_alive.or(commands.keep_alive.take());
        }
        drop(commands);
        self.wakeup.notify_one();
    }

    /// Blocks until the thread has ended.
    pub(super) fn wait_for_end(&self) {
        let runs = |commands: &mut Commands| !commands.has_ended;
        let ended = self.ended.wait_while(self.commands(), runs);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether the calling thread is the writer thread.
    pub(super) fn is_own_thread(&self) -> bool {
        self.commands().thread == Some(thread::current().id())
    }

    // ---- for the writer thread ----

    /// The calling thread is the writer thread.
    pub(super) fn enter(&self) {
        self.commands().thread = Some(thread::current().id());
    }

    /// Blocks until there is something to do, or until `due`.
    pub(super) fn next(&self, due: Option<Instant>) -> Command {
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

    /// Waits until there are `target` notifications, but no longer than `delay`. Takes all that came by then, and
    /// returns how many they were.
    pub(super) fn take_batch(&self, target: usize, delay: Duration) -> usize {
        let begun = Instant::now();
        // A sleep would take longer than the whole delay: the system wakes a thread up to 50 µs late.
        while self.pending.load(Ordering::Acquire) < target && begun.elapsed() < delay {
            thread::yield_now();
        }
        self.pending.swap(0, Ordering::AcqRel)
    }

    /// Takes all notifications, without doing anything about them.
    pub(super) fn clear(&self) {
        self.pending.store(0, Ordering::Release);
    }

    fn commands(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the thread as ended when it is dropped. The thread drops it last, when its files are closed: whoever waited
/// for the end can open the journal then.
pub(super) struct EndGuard(pub(super) Arc<Mailbox>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        let mut commands = self.0.commands();
        commands.has_ended = true;
        commands.compactions.clear();
        let keep_alive = commands.keep_alive.take();
        drop(commands);
        self.0.ended.notify_all();
        // Not under the lock: it may be the last handle of the replica, whose end wakes other tasks.
        drop(keep_alive);
    }
}
