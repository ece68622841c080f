//! [`WriterThread`]: collects what is new in a replica, and writes it to the log.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    host::{Host, WriterReport},
    mailbox::{Command, CompactionReply, EndGuard, Mailbox},
    outbox::{Outbox, ReadOnly, Switched},
    watermark::Watermark,
};
use crate::{
    core::Core,
    journal::{
        Collected, Durability, JournalError, Storage, Trimming,
        batch::{Batch, BatchBuilder},
        log::Log,
    },
    log_position::LogPosition,
    receipt::NotDurable,
    session::SessionError,
    time::Time,
};

/// How often the writer tries again what a storage has refused.
const RETRY: Duration = Duration::from_secs(1);

/// The longest group-commit delay. The system needs some of it to wake those whom the last sync acknowledged.
const MAX_COMMIT_DELAY: Duration = Duration::from_micros(200);

/// How a journal is written.
#[derive(Debug)]
pub(crate) struct WritePolicy {
    pub(crate) durability: Durability,
    pub(crate) trimming: Trimming,
    /// The state that the replica began with, encoded: a roll-back begins with it.
    pub(crate) initial: Vec<u8>,
}

/// The thread that writes a journal.
pub(super) struct WriterThread<H: Host, S: Storage> {
    /// Weak, so that the thread does not keep a replica alive that nobody holds any more.
    host: Weak<H>,
    log: Log<S>,
    mailbox: Arc<Mailbox>,
    watermark: Arc<Watermark>,
    policy: WritePolicy,
    /// The group-commit target: how many notifications the last batch answered.
    batch_target: usize,
    /// The longest time to wait for as many again.
    commit_delay: Duration,
    /// Everything up to here is appended, and not yet as durable as the policy wants.
    written: Option<LogPosition>,
    /// When the log is to be synced, or the storage to be tried again.
    due: Option<Instant>,
    /// The core has changed in a way that only a compacted log can represent.
    needs_compaction: bool,
    /// How many bytes the storage has refused. The replica is read-only until the storage would take so many.
    refused: Option<usize>,
    /// The last field, so that the log is closed when it is dropped.
    _end: EndGuard,
}

impl<H: Host, S: Storage> WriterThread<H, S> {
    pub(super) fn new(
        host: &Arc<H>,
        log: Log<S>,
        policy: WritePolicy,
        mailbox: Arc<Mailbox>,
        watermark: Arc<Watermark>,
    ) -> Self {
        Self {
            host: Arc::downgrade(host),
            log,
            watermark,
            policy,
            batch_target: 0,
            commit_delay: Duration::ZERO,
            written: None,
            due: None,
            needs_compaction: false,
            refused: None,
            _end: EndGuard(Arc::clone(&mailbox)),
            mailbox,
        }
    }

    /// Obeys the mailbox until it is told to end.
    pub(super) fn run(mut self) {
        self.mailbox.enter();
        loop {
            let result = match self.mailbox.next(self.due) {
                Command::Write if self.refused.is_some() => self.probe(),
                Command::Write => self.write(),
                Command::Compact(replies) => self.compact_for(replies),
                Command::Finish => return self.finish(),
            };
            match result {
                Ok(()) => {}
                Err(error @ JournalError::Refused(_)) => self.roll_back(error),
                Err(error) => self.fail(error),
            }
        }
    }

    /// Calls `act` under the lock of the replica, if that is still there.
    fn with<T>(&self, act: impl FnOnce(&mut Core<H::State>, &mut Outbox) -> T) -> Option<T> {
        // The handle may become the last one meanwhile. It is dropped here, outside the lock.
        self.host.upgrade()?.lock(act)
    }

    /// Does the same, and wakes all connections and observers.
    fn with_and_wake<T>(
        &self,
        act: impl FnOnce(&mut Core<H::State>, &mut Outbox) -> T,
    ) -> Option<T> {
        self.host.upgrade()?.lock_and_wake(act)
    }

    // ---- writing ----

    /// Writes everything that is new, and makes it durable.
    fn write(&mut self) -> Result<(), JournalError> {
        // Group commit. The callers whom the last sync acknowledged are about to write again. If the next batch were
        // collected at once, it would miss them, and each sync would serve only half of the writers.
        self.batch_target = self.mailbox.take_batch(self.batch_target, self.commit_delay);
        self.write_new()?;
        if self.needs_compaction {
            return self.compact();
        }
        self.settle()?;
        if self.log.has_doubled() { self.compact_if_possible() } else { Ok(()) }
    }

    /// Appends everything that is new, as far as the present log can represent it.
    fn write_new(&mut self) -> Result<(), JournalError> {
        loop {
            match self.with(|core, outbox| outbox.collect(core)).transpose()? {
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

    /// Makes what is appended as durable as the policy wants, and acknowledges it.
    fn settle(&mut self) -> Result<(), JournalError> {
        let written = self.written.take();
        match self.policy.durability {
            Durability::System => {}
            Durability::EveryUpdate => {
                let begun = Instant::now();
                self.log.sync()?;
                // Half of a sync: waiting longer would cost more than the sync that is saved.
                self.commit_delay = (begun.elapsed() / 2).min(MAX_COMMIT_DELAY);
            }
            Durability::Interval(interval) => self.sync_in_time(interval, written.is_some())?,
        }
        if let Some(position) = written {
            self.watermark.advance(position);
        }
        Ok(())
    }

    /// Syncs if it is time, and otherwise sets the time at which to sync.
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

    /// Compacts because callers have asked for it, and replies to them.
    fn compact_for(&mut self, replies: Vec<CompactionReply>) -> Result<(), JournalError> {
        let result = self.compact();
        replies.into_iter().for_each(|reply| drop(reply.send(result.clone())));
        // Where the storage had room for a log, it may have room for what it has refused.
        self.due = self.refused.map_or(self.due, |_| Some(Instant::now()));
        self.forgive(result).map(drop)
    }

    /// Compacts a log that has grown. If that cannot be, the log grows on.
    fn compact_if_possible(&mut self) -> Result<(), JournalError> {
        let result = self.compact();
        if !self.forgive(result)? {
            self.log.accept_size();
        }
        Ok(())
    }

    /// Swallows an error of a compaction that leaves the present log usable, and reports it. Returns whether the
    /// compaction succeeded.
    fn forgive(&self, result: Result<(), JournalError>) -> Result<bool, JournalError> {
        let error = match result {
            Ok(()) => return Ok(true),
            Err(error) => error,
        };
        self.report(WriterReport::NotCompacted(error.clone()));
        match error {
            // It was the compacted log that was refused, and no update.
            JournalError::Refused(_) if self.refused.is_none() && !self.needs_compaction => {
                Ok(false)
            }
            // The state has no encoding, so there cannot be a compacted log.
            JournalError::Content(SessionError::Snapshot(_)) => Ok(false),
            error => Err(error),
        }
    }

    fn report(&self, report: WriterReport) {
        if let Some(host) = self.host.upgrade() {
            host.report(report);
        }
    }

    fn compact(&mut self) -> Result<(), JournalError> {
        // The next log is written while the replica is in use. What was new before has to be durable before it is
        // trimmed, so it goes to the present log first.
        self.write_new()?;
        if !self.write_next()? {
            self.write_next_at_once()?;
        }
        self.report(WriterReport::Compacted);
        Ok(())
    }

    /// Writes the next log batch by batch, and switches to it. False if it cannot represent what the replica did
    /// meanwhile.
    fn write_next(&mut self) -> Result<bool, JournalError> {
        let Some(now) = self.note_peers() else { return Ok(true) };
        let next = self.with_and_wake(|core, outbox| self.next_builder(core, outbox, now));
        let Some(next) = next else { return Ok(true) };
        let mut next = next?;
        self.log.begin_next()?;
        loop {
            match self.with(|core, _| next.collect(core)).transpose()? {
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
        match self.with(|core, outbox| outbox.switch(core, next)) {
            Some(switched) => self.switch(switched, Ok(())),
            None => Ok(true),
        }
    }

    /// Writes the next log from batches that are all collected under one lock, so that the replica cannot do anything
    /// meanwhile. It takes as much memory as the log has bytes.
    fn write_next_at_once(&mut self) -> Result<(), JournalError> {
        let Some(now) = self.note_peers() else { return Ok(()) };
        let switched = self.with_and_wake(|core, outbox| {
            let next = self.next_builder(core, outbox, now)?;
            Ok::<_, SessionError>(outbox.switch(core, next))
        });
        let Some(switched) = switched else { return Ok(()) };
        let switched = switched?;
        let begun = self.log.begin_next();
        let has_all = self.switch(switched, begun)?;
        debug_assert!(has_all, "a log represents everything that there is at one moment");
        Ok(())
    }

    /// Trims what is stable, and begins the next log with what is left.
    fn next_builder(
        &self,
        core: &mut Core<H::State>,
        outbox: &Outbox,
        now: Time,
    ) -> Result<BatchBuilder, SessionError> {
        outbox.trim_stable(core, &self.policy.trimming, now);
        self.log.batch_builder(core)
    }

    /// Switches to the next log, or back to the present one if that fails. False if the next one cannot represent
    /// everything.
    fn switch(
        &mut self,
        switched: Switched,
        begun: Result<(), JournalError>,
    ) -> Result<bool, JournalError> {
        let Switched { rest, previous, position } = switched;
        let result = begun.and_then(|()| {
            let Some(rest) = rest? else { return Ok(false) };
            rest.iter().try_for_each(|batch| self.log.append_next(batch))?;
            self.log.install_next().map(|()| true)
        });
        if matches!(result, Ok(true)) {
            (self.written, self.due, self.needs_compaction) = (None, None, false);
            self.watermark.advance(position);
        } else if self.with(|_, outbox| outbox.switch_back(previous)).is_none() {
            // The replica has ended meanwhile. What it still had was collected for the next log, and the present one
            // must not be closed as if nothing were missing.
            self.log.poison();
        }
        result
    }

    /// Passes the known peers to the log, for the beginning of the next one or for the end of this one. Returns the wall
    /// time; `None` if the replica is not there any more.
    fn note_peers(&mut self) -> Option<Time> {
        let host = self.host.upgrade()?;
        host.note_peers();
        let peers = host.lock(|_, outbox| outbox.known_peers().clone())?;
        self.log.set_peers(peers);
        Some(host.wall())
    }

    // ---- when something fails ----

    /// The storage has refused what is new. It was neither acknowledged nor sent, so the replica can go back to what its
    /// log holds.
    fn roll_back(&mut self, error: JournalError) {
        // What was appended before that stays.
        if let Err(error) = self.settle() {
            return self.fail(error);
        }
        // If it was a compacted log that was refused, and no batch, any room at all is a reason to try again.
        (self.needs_compaction, self.refused) = (false, self.refused.or(Some(1)));
        self.due = Some(Instant::now() + RETRY);
        let Some(host) = self.host.upgrade() else { return };
        let (log, policy) = (&mut self.log, &self.policy);
        let rolled_back = host.lock_and_wake(|core, outbox| {
            let before = core.log_position();
            let result = log.roll_back(core, &policy.initial, host.new_id());
            outbox.restart(log.resume(core));
            outbox.set_read_only(Some(ReadOnly::Full(error.clone())));
            (result, before, core.log_position())
        });
        host.report(WriterReport::Refused(error.clone()));
        drop(host);
        let Some((result, before, after)) = rolled_back else { return };
        self.watermark.roll_back(before, NotDurable::Refused { cause: Arc::new(error) });
        match result {
            Ok(()) => self.watermark.advance(after),
            Err(error) => self.fail(JournalError::Rollback(Arc::new(error))),
        }
    }

    /// Tries whether the storage would take by now what it has refused.
    fn probe(&mut self) -> Result<(), JournalError> {
        // Whoever wants to write after this probe notifies again.
        self.mailbox.clear();
        match self.log.probe(self.refused.unwrap_or(0)) {
            Ok(()) => {
                (self.refused, self.due) = (None, None);
                self.with_and_wake(|_, outbox| outbox.set_read_only(None));
                self.report(WriterReport::Accepted);
                // The replica may have trimmed something meanwhile.
                self.write()
            }
            Err(error @ JournalError::Refused(_)) => {
                self.due = Some(Instant::now() + RETRY);
                self.report(WriterReport::Refused(error));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What the disk holds is unknown, so nothing is written any more.
    fn fail(&mut self, error: JournalError) {
        self.log.poison();
        let cause = Arc::new(error.clone());
        self.report(WriterReport::Failed(error.clone()));
        // Before the watermark fails: a caller who sees that error must not be able to write.
        self.with_and_wake(|_, outbox| outbox.set_read_only(Some(ReadOnly::Failed(error))));
        self.watermark.fail(NotDurable::Unknown { cause });
    }

    /// Writes what is new, and closes the journal.
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
        self.note_peers();
        self.log.close()
    }
}

impl<H: Host, S: Storage> Drop for WriterThread<H, S> {
    /// However the thread ends, all who wait for the watermark get an error.
    fn drop(&mut self) {
        // A replica that was closed has another reason already. Otherwise something in this thread has panicked.
        self.with_and_wake(|_, outbox| outbox.close(ReadOnly::Failed(JournalError::Failed)));
        self.watermark.fail(NotDurable::Unknown { cause: Arc::new(JournalError::Failed) });
    }
}
