//! What was acknowledged survives a kill: a real process that writes and replicates over TCP is killed at
//! moments of chance, again and again, and started again in the same folder.
//!
//! The process is this test's own program, which runs [`a_process_that_writes_until_it_is_killed`] alone. What it
//! prints, it has acknowledged. No acknowledged update may be lost, neither there nor at its peer, and no
//! dot may ever name two updates.

use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::SocketAddr,
    panic,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use futures::future::{join, select};
use repred::{
    Dot, Durability, Reduce, Replica, ReplicaId, Stamp,
    error::{ConnectionError, OpenError},
    journal::{Files, Memory},
    net::Ended,
    pipe,
};
use repred_tests::{Chance, Forgetful};
use serde::{Deserialize, Serialize};
use smol::net::{TcpListener, TcpStream};

/// What was written under each dot. No value is written twice, so an update that is lost, or two that have
/// one dot, show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ledger(BTreeMap<Dot, u64>);

impl Reduce for Ledger {
    type Update = u64;
    type Changes = bool;

    fn reduce(&mut self, value: u64, stamp: Stamp) -> bool {
        let before = self.0.insert(stamp.dot, value);
        assert_eq!(before, None, "{} was reduced twice", stamp.dot);
        true
    }
}

/// Kills in one folder. It grows with each, and so does the time that a start takes.
const KILLS: u64 = 50;

#[test]
fn thirty_kills_lose_nothing_that_was_acknowledged() {
    eprintln!("{:?}", Journey::begin(1).travel(30));
}

#[test]
#[ignore = "takes a minute"]
fn a_thousand_kills_lose_nothing_that_was_acknowledged() {
    let begin = Instant::now();
    let mut sum = Figures::default();
    for seed in 0..1000 / KILLS {
        sum.add(Journey::begin(seed).travel(KILLS));
        eprintln!("{sum:?} in {:.0?}", begin.elapsed());
    }
}

// ---- the process that is killed ----

/// What the process is told, in a variable of its environment.
#[derive(Debug, Serialize, Deserialize)]
struct Life {
    /// The number of the start in this folder.
    number: u64,
    /// Where its peer listens.
    port: u16,
    /// How many threads write at once.
    writers: u64,
    does_compact: bool,
    /// Whether it forgets what it has before it compacts, so that its peer and its journal get snapshots.
    does_fold: bool,
    /// Whether it has written something before it hears of its peer.
    connects_late: bool,
    /// Whether the kill takes what is not synced.
    is_forgetful: bool,
    folder: PathBuf,
}

const VARIABLE: &str = "REPRED_LIFE";

/// How many updates a thread writes before it waits for them.
const AT_ONCE: u64 = 4;

/// Does nothing when it is not told what.
#[test]
fn a_process_that_writes_until_it_is_killed() {
    let Ok(life) = env::var(VARIABLE) else { return };
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        hook(info);
        process::exit(1);
    }));
    live(&serde_json::from_str(&life).unwrap());
}

/// Goes on until it is killed.
fn live(life: &Life) {
    // So that what the test runner has printed is a line of its own.
    println!();
    say(Said::Opening);
    let replica = open(life).unwrap();
    say(Said::Open(replica.id().unwrap()));
    thread::scope(|scope| {
        scope.spawn(end_with_parent);
        if life.connects_late {
            write_some(life, &replica, 0..AT_ONCE);
        }
        scope.spawn(|| smol::block_on(stay_connected(life, &replica)));
        for writer in 1..=life.writers {
            let replica = &replica;
            scope.spawn(move || {
                for first in (writer << 24..).step_by(AT_ONCE as usize) {
                    write_some(life, replica, first..first + AT_ONCE);
                }
            });
        }
        if life.does_compact {
            scope.spawn(|| compact_always(life, &replica));
        }
    });
}

fn compact_always(life: &Life, replica: &Replica<Ledger>) {
    loop {
        if life.does_fold {
            replica.trim(&replica.version().unwrap()).unwrap();
        }
        say(Said::Compacting);
        replica.compact().unwrap();
        say(Said::Compacted);
    }
}

fn open(life: &Life) -> Result<Replica<Ledger>, OpenError> {
    let builder = Replica::builder(Ledger::default()).durability(Durability::EveryUpdate);
    if life.is_forgetful {
        let files = Files::open(&life.folder)?;
        builder.open_in(Forgetful::new(files))
    } else {
        builder.open(&life.folder)
    }
}

/// Writes some updates, and says so when they are durable.
fn write_some(life: &Life, replica: &Replica<Ledger>, numbers: std::ops::Range<u64>) {
    let write = |number| {
        let value = life.number << 32 | number;
        (replica.update(value).unwrap(), value)
    };
    let written: Vec<_> = numbers.map(write).collect();
    for (receipt, value) in written {
        receipt.wait().unwrap();
        say(Said::Wrote(receipt.stamp().unwrap().dot, value));
    }
}

async fn stay_connected(life: &Life, replica: &Replica<Ledger>) {
    loop {
        let stream = TcpStream::connect(("127.0.0.1", life.port)).await.unwrap();
        check_end(replica.connect(stream).await).unwrap();
    }
}

/// A connection may break, but not for what was said over it.
fn check_end(end: Result<Ended, ConnectionError>) -> Result<(), ConnectionError> {
    match end {
        Ok(_) | Err(ConnectionError::Io(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Nobody will kill us when whoever would is gone.
fn end_with_parent() {
    let _ = io::stdin().read_to_end(&mut Vec::new());
    process::exit(1);
}

fn say(said: Said) {
    let line = serde_json::to_string(&said).unwrap();
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// What the process tells, a line each.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Said {
    Opening,
    Open(ReplicaId),
    Wrote(Dot, u64),
    Compacting,
    Compacted,
}

// ---- who kills it ----

/// A folder, in which a process is started and killed many times, and a peer that outlives it.
struct Journey {
    chance: Chance,
    folder: PathBuf,
    peer: Peer,
    /// Under which id the process writes.
    id: Option<ReplicaId>,
    acknowledged: BTreeMap<Dot, u64>,
    figures: Figures,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    kills: u64,
    while_opening: u64,
    while_compacting: u64,
    /// Updates of the process that were acknowledged.
    acknowledged: u64,
    /// Updates of all that were there in the end.
    updates: u64,
    /// Under how many ids the process has written.
    ids: u64,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.while_opening += other.while_opening;
        self.while_compacting += other.while_compacting;
        self.acknowledged += other.acknowledged;
        self.updates += other.updates;
        self.ids += other.ids;
    }
}

impl Journey {
    fn begin(seed: u64) -> Self {
        let folder = format!("repred-killed-{}-{seed}", process::id());
        let folder = env::temp_dir().join(folder);
        let (acknowledged, figures) = (BTreeMap::new(), Figures::default());
        Self {
            chance: Chance::new(seed),
            folder,
            peer: Peer::start(),
            id: None,
            acknowledged,
            figures,
        }
    }

    fn travel(mut self, kills: u64) -> Figures {
        for number in 1..=kills {
            let life = self.life(number);
            self.start_and_kill(&life);
        }
        self.arrive();
        self.figures
    }

    fn life(&mut self, number: u64) -> Life {
        Life {
            number,
            port: self.peer.port,
            writers: 1 + self.chance.number() % 4,
            does_compact: self.chance.one_in(3),
            does_fold: self.chance.one_in(3),
            connects_late: self.chance.one_in(2),
            is_forgetful: self.chance.one_in(2),
            folder: self.folder.clone(),
        }
    }

    fn start_and_kill(&mut self, life: &Life) {
        let process = Process::start(life);
        let mut phase = Phase::default();
        if self.chance.one_in(5) {
            process.hear_until(|said| matches!(said, Said::Opening));
            let within = Duration::from_micros(self.chance.within(0..1_000) as u64);
            process.hear_for(within, |said| self.hear(said, &mut phase));
        } else {
            let opened = process.hear_until(|said| matches!(said, Said::Open(_)));
            self.hear(opened, &mut phase);
            let within = Duration::from_micros(self.chance.within(1_000..60_000) as u64);
            process.hear_for(within, |said| self.hear(said, &mut phase));
        }
        process.kill(|said| self.hear(said, &mut phase));
        self.figures.kills += 1;
        self.figures.while_opening += u64::from(!phase.is_open);
        self.figures.while_compacting += u64::from(phase.is_compacting);
    }

    fn hear(&mut self, said: Said, phase: &mut Phase) {
        match said {
            Said::Opening => {}
            Said::Open(id) => {
                phase.is_open = true;
                // Of a write that was cut in two, nobody can tell whether it had been whole.
                self.figures.ids += u64::from(self.id.replace(id) != Some(id));
            }
            Said::Wrote(dot, value) => {
                assert_eq!(Some(dot.origin), self.id, "the id has changed");
                let other = self.acknowledged.insert(dot, value);
                assert_eq!(other, None, "{dot} was acknowledged twice");
                self.figures.acknowledged += 1;
                self.peer.write();
            }
            Said::Compacting => phase.is_compacting = true,
            Said::Compacted => phase.is_compacting = false,
        }
    }

    /// Opens the folder a last time, here, and looks whether all is there.
    fn arrive(&mut self) {
        let left = Replica::builder(Ledger::default()).open(&self.folder).unwrap();
        self.check(&left, "the folder");
        smol::block_on(meet(&left, &self.peer.replica));
        self.acknowledged.extend(std::mem::take(&mut self.peer.written));
        self.check(&left, "the folder, after it has met its peer");
        self.check(&self.peer.replica, "the peer");
        assert!(state(&left) == state(&self.peer.replica), "the two are not equal in the end");
        assert_eq!(left.version().unwrap(), self.peer.replica.version().unwrap());
        assert!(self.peer.complaints().is_empty(), "{:?}", self.peer.complaints());
        self.figures.updates = state(&left).0.len() as u64;
        left.close().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }

    /// Everything acknowledged is there, and under each dot what was acknowledged under it.
    fn check(&self, replica: &Replica<Ledger>, which: &str) {
        let Ledger(there) = state(replica);
        for (dot, value) in &self.acknowledged {
            match there.get(dot) {
                Some(other) if other == value => {}
                Some(other) => panic!("{which} has {other:x} under {dot}, which is {value:x}"),
                None => panic!("{which} lacks {dot}, which was acknowledged"),
            }
        }
    }
}

impl Drop for Journey {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("what the process has left is in {}", self.folder.display());
        }
    }
}

/// How far a process has come.
#[derive(Clone, Copy, Debug, Default)]
struct Phase {
    is_open: bool,
    is_compacting: bool,
}

fn state(replica: &Replica<Ledger>) -> Ledger {
    replica.read(Clone::clone).unwrap()
}

/// Runs a connection until both have all.
async fn meet(a: &Replica<Ledger>, b: &Replica<Ledger>) {
    let (left, right) = pipe(1 << 16);
    let links = join(a.connect(left), b.connect(right));
    let both = join(a.synced(), b.synced());
    select(Box::pin(links), Box::pin(both)).await;
}

// ---- the peer ----

/// A replica that is not killed, and writes too.
struct Peer {
    replica: Replica<Ledger>,
    port: u16,
    written: BTreeMap<Dot, u64>,
    count: u64,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    fn start() -> Self {
        let replica = Replica::builder(Ledger::default()).open_in(Memory::new()).unwrap();
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listener = smol::block_on(TcpListener::bind(any)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let complaints = Arc::default();
        smol::spawn(accept(replica.clone(), listener, Arc::clone(&complaints))).detach();
        Self { replica, port, written: BTreeMap::new(), count: 0, complaints }
    }

    fn write(&mut self) {
        self.count += 1;
        let receipt = self.replica.update(self.count).unwrap();
        receipt.wait().unwrap();
        self.written.insert(receipt.stamp().unwrap().dot, self.count);
    }

    fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap().clone()
    }
}

async fn accept(
    replica: Replica<Ledger>,
    listener: TcpListener,
    complaints: Arc<Mutex<Vec<String>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (replica, complaints) = (replica.clone(), Arc::clone(&complaints));
        let talk = async move {
            if let Err(error) = check_end(replica.connect(stream).await) {
                complaints.lock().unwrap().push(error.to_string());
            }
        };
        smol::spawn(talk).detach();
    }
}

// ---- a process, seen from outside ----

struct Process {
    child: Child,
    said: Receiver<Said>,
}

impl Process {
    fn start(life: &Life) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["a_process_that_writes_until_it_is_killed", "--exact", "--nocapture"])
            .env(VARIABLE, serde_json::to_string(life).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, said) = mpsc::channel();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|size| size > 0) {
                // Others are the test runner's; the last one may be cut.
                if let Ok(said) = serde_json::from_str(&line) {
                    let _ = sender.send(said);
                }
                line.clear();
            }
        });
        Self { child, said }
    }

    /// Waits until this is said.
    fn hear_until(&self, is_it: impl Fn(&Said) -> bool) -> Said {
        self.said.iter().find(is_it).expect("the process has ended by itself")
    }

    /// Listens for so long.
    fn hear_for(&self, time: Duration, mut hear: impl FnMut(Said)) {
        let end = Instant::now() + time;
        loop {
            match self.said.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(said) => hear(said),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("the process has ended by itself"),
            }
            if Instant::now() >= end {
                return;
            }
        }
    }

    /// Kills it. What it has said before counts.
    fn kill(mut self, hear: impl FnMut(Said)) {
        assert_eq!(self.child.try_wait().unwrap(), None, "the process has ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.iter().for_each(hear);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
