//! [`Port`]: a raw end of a connection.

use super::*;

/// A replica with a friend over one pipe, and a raw end of another pipe.
pub(crate) struct Port {
    pub(crate) network: Network<Counter>,
    pub(crate) connection: Driven<Ending>,
    pub(crate) raw: Option<Pipe>,
}

impl Port {
    pub(crate) fn new() -> Self {
        let victim = Replica::builder(Counter::default())
            .id(VICTIM.into())
            .clock(|| Time::from_ticks(wall()))
            .build();
        let friend =
            Replica::builder(Counter::default()).clock(|| Time::from_ticks(wall())).build();
        let mut network = Network::of([victim, friend]);
        network.update(0, 100);
        network.connect(0, 1);
        network.run_until_quiet();
        let (ours, raw) = pipe(1 << 20);
        let connection = Driven::new(network[0].connect(ours));
        Self { network, connection, raw: Some(raw) }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let raw = self.raw.as_mut().expect("not hung up");
        block_on(raw.write_all(bytes)).expect("the pipe is large");
        self.run();
    }

    pub(crate) fn run(&mut self) {
        while self.connection.step() {}
    }

    /// Hangs up, and says how the connection ended and what it had to say.
    pub(crate) fn hang_up(&mut self) -> (SessionError, Vec<u8>) {
        let mut raw = self.raw.take().expect("not hung up");
        let mut told = vec![0; 1 << 20];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let len = match Pin::new(&mut raw).poll_read(&mut cx, &mut told) {
            Poll::Ready(count) => count.unwrap(),
            Poll::Pending => 0,
        };
        told.truncate(len);
        drop(raw);
        self.run();
        match self.connection.result() {
            Some(Err(ConnectionError::Session(error))) => (error.clone(), told),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn assert_unhurt(&mut self) {
        assert_eq!(self.network[0].peers().unwrap().len(), 1);
        self.network.update(0, 1);
        self.network.update(1, 10);
        self.network.run_until_quiet();
        self.network.assert_converged();
        assert_eq!(self.network[0].read(|votes| votes.value()), Ok(111));
    }
}
