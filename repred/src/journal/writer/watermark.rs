//! [`Watermark`]: the position up to which a replica is durable, and the callers that wait for it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::{
    log_position::LogPosition,
    receipt::{AwaitDurable, NotDurable},
    unavailable::Unavailable,
};

/// The position up to which a replica is durable. The writer thread moves it; tasks and threads wait for it.
pub(crate) struct Watermark {
    state: Mutex<State>,
    /// The watermark has moved, or will not any more.
    moved: Condvar,
    /// Whether the calling thread is one that the writer waits for.
    would_deadlock: Box<dyn Fn() -> bool + Send + Sync>,
}

#[derive(Default)]
struct State {
    durable: LogPosition,
    /// What was rolled back: everything after the first position and up to the second.
    rolled_back: Vec<(LogPosition, LogPosition, Arc<NotDurable>)>,
    /// Nothing becomes durable any more.
    failed: Option<Arc<NotDurable>>,
    /// The tasks that wait, by the positions that they wait for. Later positions are settled later.
    waiting: BTreeMap<LogPosition, Vec<Waker>>,
}

impl State {
    /// What became of everything up to a position; `None` while that is open.
    fn result(&self, position: LogPosition) -> Option<Result<(), NotDurable>> {
        let contains = |(after, upto, _): &&(LogPosition, LogPosition, _)| {
            !after.covers(position) && upto.covers(position)
        };
        if let Some((_, _, error)) = self.rolled_back.iter().find(contains) {
            return Some(Err((**error).clone()));
        }
        if self.durable.covers(position) {
            return Some(Ok(()));
        }
        self.failed.as_ref().map(|error| Err((**error).clone()))
    }
}

impl Watermark {
    /// Nothing is durable yet. `would_deadlock` says whether the calling thread is one that the writer waits for, and
    /// so must not wait for the writer.
    pub(crate) fn new(would_deadlock: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let (state, moved) = (Mutex::default(), Condvar::new());
        Self { state, moved, would_deadlock: Box::new(would_deadlock) }
    }

    /// Everything up to here is durable.
    pub(crate) fn advance(&self, durable: LogPosition) {
        self.change(|state| {
            debug_assert!(durable.covers(state.durable), "what is durable stays so");
            state.durable = durable;
        });
    }

    /// Everything from the watermark up to this position was rolled back, and nothing of it is left.
    pub(crate) fn roll_back(&self, upto: LogPosition, error: NotDurable) {
        self.change(|state| {
            state.rolled_back.push((state.durable, upto, Arc::new(error)));
            state.durable = upto;
        });
    }

    /// Nothing becomes durable any more. The first reason stays.
    pub(crate) fn fail(&self, error: NotDurable) {
        self.change(|state| {
            state.failed.get_or_insert_with(|| Arc::new(error));
        });
    }

    /// Why nothing becomes durable any more.
    pub(crate) fn failure(&self) -> Option<NotDurable> {
        self.lock().failed.as_deref().cloned()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let mut woken = Vec::new();
        // Those whose position is settled are the first ones.
        while let Some(entry) = state.waiting.first_entry() {
            let position = *entry.key();
            if state.result(position).is_none() {
                break;
            }
            woken.extend(state.waiting.remove(&position).unwrap_or_default());
        }
        drop(state);
        self.moved.notify_all();
        woken.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AwaitDurable for Watermark {
    fn poll(&self, position: LogPosition, cx: &Context<'_>) -> Poll<Result<(), NotDurable>> {
        let mut state = self.lock();
        if let Some(result) = state.result(position) {
            return Poll::Ready(result);
        }
        let waiting = state.waiting.entry(position).or_default();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn wait(&self, position: LogPosition) -> Result<(), NotDurable> {
        let mut state = self.lock();
        if state.result(position).is_none() && (self.would_deadlock)() {
            return Err(NotDurable::Unavailable(Unavailable::Reentrant));
        }
        loop {
            if let Some(result) = state.result(position) {
                return result;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watermark").field("durable", &self.lock().durable).finish_non_exhaustive()
    }
}
