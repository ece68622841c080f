//! Replicas over transports of messages, as a WebSocket is one.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{Sink, Stream, StreamExt, channel::mpsc};
use repred::{
    Counter, Replica, Schema,
    error::{ConnectionError, SessionError},
};
use repred_tests::{Driven, Network, wire};

/// One end of a transport of messages in memory, which fails when it is told to.
struct Messages {
    incoming: mpsc::Receiver<Result<Vec<u8>, Broken>>,
    outgoing: mpsc::Sender<Result<Vec<u8>, Broken>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the wire is broken")
    }
}

impl std::error::Error for Broken {}

impl Stream for Messages {
    type Item = Result<Vec<u8>, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_next_unpin(cx)
    }
}

impl Sink<Vec<u8>> for Messages {
    type Error = Broken;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.outgoing.poll_ready(cx).map_err(|_| Broken)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Vec<u8>) -> Result<(), Broken> {
        self.outgoing.start_send(Ok(message)).map_err(|_| Broken)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.outgoing.close_channel();
        Poll::Ready(Ok(()))
    }
}

/// Two ends that hold so many messages each way, and one.
fn messages(capacity: usize) -> (Messages, Messages) {
    let (to_right, from_left) = mpsc::channel(capacity);
    let (to_left, from_right) = mpsc::channel(capacity);
    let left = Messages { incoming: from_right, outgoing: to_right };
    let right = Messages { incoming: from_left, outgoing: to_left };
    (left, right)
}

#[test]
fn replicas_converge_over_messages() {
    for capacity in [0, 1, 1000] {
        let mut network = Network::new(2, |_| Counter::default());
        for i in 0..5000 {
            network.update(0, i + 1);
            network.update(1, -i);
        }
        let (a, b) = messages(capacity);
        network.link(network[0].connect_messages(a), network[1].connect_messages(b));
        network.run_until_quiet();
        network.assert_converged();
        for i in 0..100 {
            network.update(i % 2, 1);
            network.step();
        }
        network.run_until_quiet();
        network.assert_converged();
        assert_eq!(network[1].read(|votes| votes.value()), Ok(5000 + 100));
        for replica in [0, 1] {
            assert_eq!(network[replica].peers().unwrap()[0].lag, Some(0));
        }
    }
}

#[test]
fn both_sides_of_different_schemas_name_both_in_either_order() {
    for (first, second) in [(1, 2), (2, 1)] {
        let replica = |version| {
            let schema = Schema::new("votes", version);
            Replica::builder(Counter::default()).schema(schema).build()
        };
        let (a, b) = messages(0);
        let (here, there) = (replica(first), replica(second));
        let mut network = Network::<Counter>::of([]);
        let link = network.link(here.connect_messages(a), there.connect_messages(b));
        network.run_until_quiet();
        for ending in network.endings(link) {
            let Some(Err(ConnectionError::Session(SessionError::Schema { .. }))) = ending else {
                panic!("{ending:?}");
            };
        }
    }
}

#[test]
fn the_end_of_the_messages_without_a_goodbye_is_a_cut() {
    let mut network = Network::new(2, |_| Counter::default());
    let (a, b) = messages(1);
    let (ours, theirs) = (network[0].connect_messages(a), network[1].connect_messages(b));
    let mut theirs = Driven::new(theirs);
    let link = network.link(ours, std::future::pending());
    while network.step() | theirs.step() {}
    drop(theirs);
    network.run_until_quiet();
    let ending = network.endings(link)[0];
    assert!(matches!(ending, Some(Err(ConnectionError::Io(_)))), "{ending:?}");
}

#[test]
fn an_error_of_the_transport_is_passed_on() {
    let network = Network::new(1, |_| Counter::default());
    let (ours, mut theirs) = messages(1);
    theirs.outgoing.try_send(Err(Broken)).unwrap();
    let mut connection = Driven::new(network[0].connect_messages(ours));
    while connection.step() {}
    // A farewell is waited for, since the other side may yet read.
    drop(theirs);
    while connection.step() {}
    let Some(Err(ConnectionError::Transport(error))) = connection.result() else {
        panic!("{connection:?}");
    };
    assert_eq!(error.downcast_ref(), Some(&Broken));
    assert_eq!(network[0].peers().unwrap(), []);
}

#[test]
fn a_transport_that_accepts_no_more_bytes_is_an_error() {
    let network = Network::new(1, |_| Counter::default());
    let (ours, mut theirs) = messages(1);
    theirs.incoming.close();
    let mut connection = Driven::new(network[0].connect_messages(ours));
    while connection.step() {}
    drop(theirs);
    while connection.step() {}
    let ending = connection.result();
    assert!(matches!(ending, Some(Err(ConnectionError::Transport(_)))), "{ending:?}");
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let victim = Replica::builder(Counter::default())
        .session_limits(|limits| limits.message_bytes = 2000)
        .build();
    victim.update(1).unwrap();
    let schema = repred::sans_io::SessionConfig::for_state::<Counter>().schema;
    let (ours, mut theirs) = messages(8);
    let mut connection = Driven::new(victim.connect_messages(ours));
    connection.step();
    let mut open = Vec::new();
    while let Ok(Ok(message)) = theirs.incoming.try_recv() {
        open = message;
    }
    // Its own clock and flags, under another name.
    let mut hello = wire::Open::new(0xe, 0, &schema).encode();
    let wall_at = 47;
    hello.truncate(wall_at);
    hello.extend(&open[wall_at..]);
    theirs.outgoing.try_send(Ok(hello)).unwrap();
    theirs.outgoing.try_send(Ok(vec![5; 2001])).unwrap();
    while connection.step() {}
    drop(theirs);
    while connection.step() {}
    let ending = connection.result();
    let Some(Err(ConnectionError::Session(error))) = ending else {
        panic!("{ending:?}");
    };
    let (size, limit) = (2001, 2000);
    assert_eq!(*error, SessionError::MessageTooLarge { size, limit });
    assert_eq!(victim.read(|votes| votes.value()), Ok(1));
}

#[test]
fn empty_messages_and_foreign_ones_are_refused() {
    for foreign in [vec![], b"{\"hello\": true}".to_vec(), vec![7; 5000]] {
        let victim = Replica::new(Counter::default());
        let (ours, mut theirs) = messages(8);
        theirs.outgoing.try_send(Ok(foreign.clone())).unwrap();
        let mut connection = Driven::new(victim.connect_messages(ours));
        while connection.step() {}
        drop(theirs);
        while connection.step() {}
        let ending = connection.result();
        let Some(Err(ConnectionError::Session(SessionError::NotRepred { start }))) = ending else {
            panic!("{ending:?}");
        };
        assert_eq!(*start, foreign[..foreign.len().min(16)]);
    }
}
