//! A replica with a journal.

mod compaction;
mod endings;
mod faults;
mod peers;

use futures::{FutureExt, executor::LocalPool, future::join, task::LocalSpawnExt};
use repred::{
    Durable, GrowSet, Replica,
    error::{NotDurable, OpenError, UpdateError},
    journal::Storage,
    pipe,
};
use repred_tests::{Disk, Hold, eventually};

type Numbers = GrowSet<u64>;

fn open(disk: impl Storage) -> Result<Replica<Numbers>, OpenError> {
    Replica::builder(Numbers::default()).open_in(disk)
}

fn numbers(replica: &Replica<Numbers>) -> Vec<u64> {
    replica.read(|numbers| numbers.iter().copied().collect()).unwrap()
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Durable,
    /// It is not there, and never will be.
    Refused,
    Unknown,
    /// Nothing is taken any more.
    ReadOnly,
}

/// Writes a number, and waits until it is known what has become of it. A replica whose disk was full takes updates
/// again as soon as it has seen that there is room.
fn write(replica: &Replica<Numbers>, number: u64) -> Outcome {
    let mut receipt = None;
    eventually(|| match replica.update(number) {
        Ok(taken) => {
            receipt = Some(taken);
            true
        }
        Err(UpdateError::Full { .. }) => false,
        Err(UpdateError::ReadOnly { .. }) => true,
        Err(error) => panic!("{error}"),
    });
    match receipt.map(|receipt| receipt.wait()) {
        None => Outcome::ReadOnly,
        Some(Ok(())) => Outcome::Durable,
        Some(Err(NotDurable::Refused { .. })) => Outcome::Refused,
        Some(Err(_)) => Outcome::Unknown,
    }
}

/// A replica that has written 1, which its disk syncs when the hold is dropped.
fn writing(disk: &Disk) -> (Replica<Numbers>, Durable, Hold) {
    let replica = open(disk.clone()).unwrap();
    let held = disk.hold();
    let durable = replica.update(1).unwrap().durable();
    eventually(|| disk.waiting() > 0);
    (replica, durable, held)
}

/// What the disk has after a loss of power.
fn survived(disk: &Disk) -> Vec<u64> {
    numbers(&open(disk.memory().crash(|_| Vec::new())).unwrap())
}

/// Two replicas with a connection, which run until nothing moves.
struct Connected {
    pool: LocalPool,
    here: Replica<Numbers>,
    there: Replica<Numbers>,
}

impl Connected {
    fn new(here: Replica<Numbers>, there: Replica<Numbers>) -> Self {
        let pool = LocalPool::new();
        let (a, b) = pipe(1 << 16);
        let links = join(here.connect(a), there.connect(b));
        pool.spawner().spawn_local(links.map(drop)).unwrap();
        Self { pool, here, there }
    }

    /// Runs until something is so; other threads may be needed for that.
    fn run_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        eventually(|| {
            self.pool.run_until_stalled();
            is_so(self)
        });
    }

    fn lag(replica: &Replica<Numbers>) -> Option<u64> {
        replica.peers().unwrap()[0].lag
    }
}
