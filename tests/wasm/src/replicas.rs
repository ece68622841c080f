//! What two replicas do.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use repred::{
    Counter, Map, Reduce, Register, Replica,
    error::{ConnectionError, SessionError},
    pipe,
};
use serde::{Deserialize, Serialize};

use crate::host;

#[derive(Reduce, Default, Serialize, Deserialize)]
struct Board {
    title: Register<String>,
    votes: Counter,
    cards: Map<u32, Register<String>>,
}

/// Far more than any test needs: beyond it nothing moves any more.
const MOST_POLLS: usize = 10_000;

/// Polls until the future is ready. There is no thread that could sleep meanwhile.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..MOST_POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
    panic!("not ready after {MOST_POLLS} polls");
}

fn board() -> Replica<Board> {
    Replica::builder_on(host::platform(), Board::default()).build()
}

pub(crate) fn both_converge() {
    let (here, there) = (board(), board());
    assert_ne!(here.id().unwrap(), there.id().unwrap());
    here.edit(|board| {
        board.title().set("Groceries");
        board.votes().add(2);
    })
    .unwrap();
    there.edit(|board| board.votes().add(3)).unwrap();
    for number in 0..500 {
        there.edit(|board| board.cards().entry(number).set(format!("card {number}"))).unwrap();
    }

    let (a, b) = pipe(256);
    let (mut to_there, mut to_here) = (here.connect(a), there.connect(b));
    let (mut synced, mut delivered) = (pin!(here.synced()), pin!(here.delivered()));
    run(std::future::poll_fn(|cx| {
        assert!(pin!(&mut to_there).poll(cx).is_pending());
        assert!(pin!(&mut to_here).poll(cx).is_pending());
        std::task::ready!(synced.as_mut().poll(cx)).unwrap();
        delivered.as_mut().poll(cx)
    }))
    .unwrap();

    assert_eq!(here.version().unwrap(), there.version().unwrap());
    assert_eq!(here.state_digest().unwrap(), there.state_digest().unwrap());
    let shown = there.read(|board| (board.title.value().clone(), board.votes.value())).unwrap();
    assert_eq!(shown, ("Groceries".to_owned(), 5));
    assert_eq!(here.read(|board| board.cards.len()).unwrap(), 500);
}

pub(crate) fn a_silent_peer_is_given_up() {
    let here = board();
    let (a, _silent) = pipe(256);
    let mut connection = pin!(here.connect(a));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(connection.as_mut().poll(&mut cx).is_pending());
    host::wait(Duration::from_secs(19));
    assert!(connection.as_mut().poll(&mut cx).is_pending());
    // A second for the timeout, and one for the last message, which nobody reads.
    host::wait(Duration::from_secs(2));
    assert!(connection.as_mut().poll(&mut cx).is_pending());
    host::wait(Duration::from_secs(2));
    let ended = run(connection);
    let is_silent = matches!(ended, Err(ConnectionError::Session(SessionError::Silent { .. })));
    assert!(is_silent, "{ended:?}");
}
