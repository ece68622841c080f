//! Over loopback TCP: catching up, updates a second while connected, and how late they come.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use repred::{Reducer, Replica, ReplicaEvent, Subscription, reducer};
use repred_bench::{Arena, Contest, Host, Plain, Scale, Workload, loopback, micros, plain, rate};

/// How many updates the slowest replica may be behind before the writer waits for it: without a limit,
/// being connected would be no other than catching up.
const WINDOW: u64 = 16 << 10;

/// How often the writer looks.
const LOOK: usize = 1024;

fn main() {
    let scale = Scale::from_args();
    let workload = Workload::new(scale.pick(1_000_000, 20_000), scale.pick(100_000, 2_000));
    let rounds = scale.pick(5, 1);
    catching_up(&workload, rounds);
    for replicas in [2, 8] {
        Contest::new(format!("Updates written and taken in by {replicas} connected replicas"))
            .with("arena, threads", || live_arena(&workload, replicas))
            .with("repred", || live(&workload, replicas))
            .run(rounds);
    }
    latency(10_000, scale.pick(Duration::from_secs(5), Duration::from_millis(200)));
}

// ---- catching up ----

fn catching_up(workload: &Workload, rounds: usize) {
    let mut arena = Arena::default();
    workload.updates().for_each(|update| arena.update(update));
    let full = Replica::new(plain());
    for update in workload.updates() {
        full.update(update).expect("every update can be written");
    }
    let (here, there) = (Host::start(), Host::start());
    Contest::new("Catching up from nothing over TCP")
        .with("arena, threads", || {
            let (ours, theirs) = loopback();
            let begun = Instant::now();
            thread::scope(|scope| {
                scope.spawn(|| send_all(&arena, ours));
                scope.spawn(|| receive(theirs, workload.len() as u64, &AtomicU64::new(0)));
            });
            rate(workload.len(), begun.elapsed())
        })
        .with("repred", || {
            let empty = Replica::new(plain());
            let (ours, theirs) = loopback();
            let begun = Instant::now();
            here.connect(&full, ours);
            there.connect(&empty, theirs);
            there.wait(empty.synced()).expect("the peer is there");
            let took = begun.elapsed();
            assert_eq!(empty.version().ok(), full.version().ok());
            rate(workload.len(), took)
        })
        .run(rounds);
}

fn send_all(arena: &Arena, mut stream: TcpStream) {
    stream.set_nonblocking(false).expect("a stream can block");
    let mut place = (0, 0);
    loop {
        let (bytes, next) = arena.since(place);
        if bytes.is_empty() {
            return;
        }
        send(&mut stream, bytes).expect("the receiver waits for all");
        place = next;
    }
}

fn send(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(&(bytes.len() as u32).to_le_bytes())?;
    stream.write_all(bytes)
}

/// Takes in so many updates.
fn receive(stream: TcpStream, updates: u64, taken: &AtomicU64) {
    stream.set_nonblocking(false).expect("a stream can block");
    let mut stream = io::BufReader::with_capacity(64 << 10, stream);
    let (mut arena, mut bytes) = (Arena::default(), Vec::new());
    while arena.version() < updates {
        let mut len = [0; 4];
        stream.read_exact(&mut len).expect("the sender sends all");
        bytes.resize(u32::from_le_bytes(len) as usize, 0);
        stream.read_exact(&mut bytes).expect("the sender sends all");
        arena.take_in(&bytes);
        taken.store(arena.version(), Ordering::Relaxed);
    }
}

// ---- connected ----

fn live(workload: &Workload, replicas: usize) -> f64 {
    let (here, there) = (Host::start(), Host::start());
    let writer = Replica::new(plain());
    let readers: Vec<_> = (0..replicas).map(|_| Replica::new(plain())).collect();
    for reader in &readers {
        let (ours, theirs) = loopback();
        here.connect(&writer, ours);
        there.connect(reader, theirs);
    }
    here.wait(writer.synced()).expect("the peer is there");
    let begun = Instant::now();
    for (count, update) in workload.updates().enumerate() {
        if count % LOOK == 0 {
            wait_until_behind(&writer, WINDOW);
        }
        writer.update(update).expect("every update can be written");
    }
    wait_until_behind(&writer, 0);
    let took = begun.elapsed();
    for reader in &readers {
        assert_eq!(reader.version().ok(), writer.version().ok());
    }
    rate(workload.len(), took)
}

fn wait_until_behind(writer: &Replica<Plain>, limit: u64) {
    let lag = |writer: &Replica<Plain>| {
        let peers = writer.peers().expect("nobody reads or reduces meanwhile");
        peers.iter().map(|peer| peer.lag.unwrap_or(u64::MAX)).max()
    };
    while lag(writer) > Some(limit) {
        thread::sleep(Duration::from_micros(50));
    }
}

fn live_arena(workload: &Workload, replicas: usize) -> f64 {
    let arena = Mutex::new(Arena::default());
    let total = workload.len() as u64;
    let taken: Vec<_> = (0..replicas).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let wait_until_behind = |count: u64, limit: u64| {
        let slowest = || taken.iter().map(|taken| taken.load(Ordering::Relaxed)).min();
        while slowest().is_some_and(|slowest| count - slowest > limit) {
            thread::sleep(Duration::from_micros(50));
        }
    };
    thread::scope(|scope| {
        for taken in &taken {
            let (ours, theirs) = loopback();
            scope.spawn(|| send_live(&arena, total, ours));
            scope.spawn(|| receive(theirs, total, taken));
        }
        let begun = Instant::now();
        for (count, update) in (0..).zip(workload.updates()) {
            if count % LOOK as u64 == 0 {
                wait_until_behind(count, WINDOW);
            }
            arena.lock().expect("nobody panics").update(update);
        }
        wait_until_behind(total, 0);
        rate(workload.len(), begun.elapsed())
    })
}

/// Sends whatever there is, and looks again soon when there is nothing.
fn send_live(arena: &Mutex<Arena>, updates: u64, mut stream: TcpStream) {
    stream.set_nonblocking(false).expect("a stream can block");
    let (mut place, mut batch) = ((0, 0), Vec::new());
    loop {
        batch.clear();
        let version = {
            let arena = arena.lock().expect("nobody panics");
            let (bytes, next) = arena.since(place);
            batch.extend_from_slice(bytes);
            place = next;
            arena.version()
        };
        if !batch.is_empty() {
            send(&mut stream, &batch).expect("the receiver waits for all");
        } else if version == updates {
            return;
        } else {
            thread::sleep(Duration::from_micros(50));
        }
    }
}

// ---- latency ----

/// Nanoseconds since the beginning of the measurement, when it was written.
type Sent = u64;

/// What has come, which is what observers are told.
fn clocked() -> Reducer<u64, Sent, Vec<Sent>> {
    reducer(0, |count, sent| {
        *count += 1;
        vec![sent]
    })
}

fn latency(per_second: u32, time: Duration) {
    let (here, there) = (Host::start(), Host::start());
    let writer = Replica::new(clocked());
    let reader = Replica::builder(clocked()).limits(|limits| limits.events = 1 << 20).build();
    let (ours, theirs) = loopback();
    here.connect(&writer, ours);
    there.connect(&reader, theirs);
    here.wait(writer.synced()).expect("the peer is there");

    let count = (time.as_secs_f64() * f64::from(per_second)) as usize;
    let observed = reader.subscribe().expect("nobody reads meanwhile");
    let begun = Instant::now();
    let observer = there.spawn(observe(observed, begun, count));
    for number in 0..count as u32 {
        let due = begun + Duration::from_secs(1) / per_second * number;
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            thread::sleep(wait);
        }
        let sent = begun.elapsed().as_nanos() as u64 + 1;
        writer.update(sent).expect("every update can be written");
    }
    let mut late = here.wait(observer).expect("the observer sees all");
    late.sort();
    let at = |share: f64| micros(late[((late.len() - 1) as f64 * share) as usize]);
    println!(
        "\nFrom `update` on one replica to the observer of another, {per_second} updates a second\n  \
         p50 {} µs   p99 {} µs   p99.9 {} µs   worst {} µs",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

async fn observe(
    mut changes: Subscription<Reducer<u64, Sent, Vec<Sent>>>,
    begun: Instant,
    count: usize,
) -> Vec<Duration> {
    let mut late = Vec::with_capacity(count);
    while late.len() < count {
        match changes.next().await {
            Some(ReplicaEvent::Changed { changes, .. }) => {
                let sent = changes.iter().map(|&sent| Duration::from_nanos(sent));
                late.extend(sent.map(|sent| begun.elapsed() - sent));
            }
            _ => panic!("the observer is fast enough"),
        }
    }
    late
}
