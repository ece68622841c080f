//! [`Network`]: shared replicas, connected over pipes and polled by hand.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::{AsyncRead, AsyncWrite};
use repred::{Pipe, Replica, Replicated, error::ConnectionError, net::Ended, pipe};

/// More polls than any test takes; whoever needs more is going round in circles.
const STEPS: usize = 2_000_000;

/// A future that is polled when it was woken, and not otherwise.
pub struct Driven<T> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    result: Option<T>,
    flag: Arc<Flag>,
}

#[derive(Debug)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<T> Driven<T> {
    /// A future that was not polled yet.
    pub fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            future: Some(Box::pin(future)),
            result: None,
            flag: Arc::new(Flag(AtomicBool::new(true))),
        }
    }

    /// Polls the future if it was woken. Says whether it was.
    pub fn step(&mut self) -> bool {
        if !self.flag.0.swap(false, Ordering::SeqCst) {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.flag));
        let Some(future) = &mut self.future else {
            return false;
        };
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            (self.result, self.future) = (Some(result), None);
        }
        true
    }

    /// Drops the future as it is.
    pub fn cut(&mut self) {
        self.future = None;
    }

    /// What the future has come to.
    pub fn result(&self) -> Option<&T> {
        self.result.as_ref()
    }

    /// What the future has come to, by value.
    pub fn into_result(self) -> Option<T> {
        self.result
    }

    /// How many wakers of this future there are elsewhere.
    pub fn wakers(&self) -> usize {
        Arc::strong_count(&self.flag) - 1
    }
}

impl<T: fmt::Debug> fmt::Debug for Driven<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driven")
            .field("is_running", &self.future.is_some())
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}

/// What a connection comes to.
pub type Ending = Result<Ended, ConnectionError>;

/// A link of a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkId(usize);

/// Replicas, and the links between them.
///
/// ```
/// use repred::Counter;
/// use repred_tests::Network;
///
/// let mut network = Network::new(2, |_| Counter::default());
/// network.update(0, 5);
/// network.connect(0, 1);
/// network.update(1, 3);
/// network.run_until_quiet();
/// network.assert_converged();
/// assert_eq!(network[0].read(|votes| votes.value()), Ok(8));
/// ```
#[derive(Debug)]
pub struct Network<R: Replicated> {
    replicas: Vec<Replica<R>>,
    /// `None` where a link was cut. Each end, with the index of its replica.
    links: Vec<Option<[Driven<Ending>; 2]>>,
    capacity: usize,
    steps: usize,
}

impl<R: Replicated> Network<R> {
    /// So many replicas, each with the state that `state` makes, and no link.
    pub fn new(replicas: usize, state: impl Fn(usize) -> R) -> Self {
        Self::of((0..replicas).map(|index| Replica::new(state(index))))
    }

    /// A network of these replicas.
    pub fn of(replicas: impl IntoIterator<Item = Replica<R>>) -> Self {
        Self {
            replicas: replicas.into_iter().collect(),
            links: Vec::new(),
            capacity: 64 << 10,
            steps: 0,
        }
    }

    /// What the pipes of further links hold each way.
    pub fn set_capacity(&mut self, bytes: usize) {
        self.capacity = bytes;
    }

    /// Another replica; returns its index.
    pub fn add(&mut self, replica: Replica<R>) -> usize {
        self.replicas.push(replica);
        self.replicas.len() - 1
    }

    /// Links two replicas.
    pub fn connect(&mut self, a: usize, b: usize) -> LinkId {
        self.connect_through(a, b, |io| io, |io| io)
    }

    /// Links two replicas through byte streams that are made of a pipe's ends.
    pub fn connect_through<A, B>(
        &mut self,
        a: usize,
        b: usize,
        wrap_a: impl FnOnce(Pipe) -> A,
        wrap_b: impl FnOnce(Pipe) -> B,
    ) -> LinkId
    where
        A: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        B: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (left, right) = pipe(self.capacity);
        self.link(self.replicas[a].connect(wrap_a(left)), self.replicas[b].connect(wrap_b(right)))
    }

    /// Keeps two connections as a link; they were made by the test.
    pub fn link(
        &mut self,
        a: impl Future<Output = Ending> + Send + 'static,
        b: impl Future<Output = Ending> + Send + 'static,
    ) -> LinkId {
        self.links.push(Some([Driven::new(a), Driven::new(b)]));
        LinkId(self.links.len() - 1)
    }

    /// Cuts a link, whatever it is in the middle of.
    pub fn disconnect(&mut self, link: LinkId) {
        self.links[link.0] = None;
    }

    /// What the two ends of a link have come to.
    pub fn endings(&self, link: LinkId) -> [Option<&Ending>; 2] {
        match &self.links[link.0] {
            Some([a, b]) => [a.result(), b.result()],
            None => [None, None],
        }
    }

    /// Writes an update at a replica.
    #[track_caller]
    pub fn update(&self, replica: usize, update: R::Update) {
        self.replicas[replica].update(update).expect("the replica takes updates");
    }

    /// Polls each connection that was woken once. Says whether any was.
    pub fn step(&mut self) -> bool {
        let mut moved = false;
        for end in self.links.iter_mut().flatten().flatten() {
            if end.step() {
                (moved, self.steps) = (true, self.steps + 1);
            }
        }
        moved
    }

    /// Polls until nobody is woken any more.
    #[track_caller]
    pub fn run_until_quiet(&mut self) {
        while self.step() {
            assert!(self.steps < STEPS, "the network does not come to rest");
        }
    }

    /// Fails unless all replicas have seen the same and hold the same state.
    #[track_caller]
    pub fn assert_converged(&self) {
        let version = self.replicas[0].version().expect("readable");
        let digest = self.replicas[0].state_digest().expect("readable");
        for (index, replica) in self.replicas.iter().enumerate() {
            let theirs = replica.version().expect("readable");
            assert_eq!(theirs, version, "versions of replicas {index} and 0");
            let theirs = replica.state_digest().expect("readable");
            assert_eq!(theirs, digest, "states of replicas {index} and 0");
        }
    }

    /// How many replicas there are.
    pub fn len(&self) -> usize {
        self.replicas.len()
    }

    /// Whether there is no replica.
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }
}

impl<R: Replicated> std::ops::Index<usize> for Network<R> {
    type Output = Replica<R>;

    fn index(&self, replica: usize) -> &Replica<R> {
        &self.replicas[replica]
    }
}
