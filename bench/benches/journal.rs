//! A journal on a disk: acknowledged updates a second, the time to open it, and its size.
//!
//! The limit is a file that is written and synced by hand, with the same bytes in each write. Which folder
//! is used says `REPRED_BENCH_DIR`, the system's for temporary files by default; one in memory has no syncs
//! to measure.

use std::{
    env, fs,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use futures_util::{StreamExt, stream::FuturesUnordered};
use repred::{
    Durability, Replica, Replicated,
    journal::{Files, Redb},
};
use repred_bench::{Contest, Scale, Slow, Update, Workload, plain, rate};

/// How many write at once, where many do.
const MANY: usize = 64;

/// How long a sync of a slow disk takes.
const SYNC: Duration = Duration::from_millis(2);

fn main() {
    let scale = Scale::from_args();
    let folder = Folder::new();
    acknowledged(scale, &folder);
    acknowledged_slowly(scale, &folder);
    opened(scale, &folder);
}

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let parent = env::var_os("REPRED_BENCH_DIR").map_or_else(env::temp_dir, PathBuf::from);
        Self(parent.join(format!("repred-bench-{}", std::process::id())))
    }

    /// The same folder, with nothing in it.
    fn empty(&self) -> &Path {
        let _ = fs::remove_dir_all(&self.0);
        fs::create_dir_all(&self.0).expect("a folder can be made");
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn acknowledged(scale: Scale, folder: &Folder) {
    let one = Workload::new(scale.pick(500, 20), 1000);
    let many = Workload::new(scale.pick(20_000, 200), 1000);
    let fast = Workload::new(scale.pick(200_000, 200), 1000);
    let (one_size, many_size) = (record(&one, folder, 1), record(&many, folder, MANY));
    println!(
        "\nBytes on the disk: {one_size} a record of one update, {many_size} of {MANY} updates"
    );
    let interval = Durability::Interval(Duration::from_millis(10));
    Contest::new("Acknowledged updates, one writer")
        .with("write and sync by hand", || by_hand(folder, one.len(), one_size, 1))
        .with("every update", || written(folder, &one, 1, Durability::EveryUpdate))
        .with("every update, in redb", || in_redb(folder, &one, 1))
        .with("every 10 ms", || written(folder, &one, 1, interval))
        .with("left to the system", || written(folder, &fast, 1, Durability::System))
        .run(scale.rounds());
    Contest::new(format!("Acknowledged updates, {MANY} writers"))
        .with("write and sync by hand", || by_hand(folder, many.len(), many_size, MANY))
        .with("every update", || written(folder, &many, MANY, Durability::EveryUpdate))
        .with("every update, in redb", || in_redb(folder, &many, MANY))
        .with("every 10 ms", || written(folder, &many, MANY, interval))
        .with("left to the system", || written(folder, &fast, MANY, Durability::System))
        .run(scale.rounds());
}

/// On a disk of which a sync takes as long as that of many that are sold.
fn acknowledged_slowly(scale: Scale, folder: &Folder) {
    let many = Workload::new(scale.pick(6400, 128), 1000);
    Contest::new(format!("Acknowledged updates, {MANY} writers, where a sync takes 2 ms"))
        .with("sync by hand", || {
            let begun = Instant::now();
            (0..many.len() / MANY).for_each(|_| thread::sleep(SYNC));
            rate(many.len(), begun.elapsed())
        })
        .with("every update", || {
            let files = Files::open(folder.empty()).expect("a folder can be made");
            let replica = Replica::builder(plain()).open_in(Slow::new(files, SYNC));
            acknowledge(&replica.expect("a journal can be made"), &many, MANY)
        })
        .run(scale.rounds());
}

/// Bytes of a record that holds the updates of so many writers, about.
fn record(workload: &Workload, folder: &Folder, writers: usize) -> usize {
    written(folder, workload, writers, Durability::EveryUpdate);
    let size = size(&folder.0);
    size / (workload.len() / writers)
}

fn size(folder: &Path) -> usize {
    let files = fs::read_dir(folder).expect("the folder is there");
    files
        .map(|file| file.and_then(|file| file.metadata()).map_or(0, |file| file.len() as usize))
        .sum()
}

/// Writes `size` bytes and syncs them, for every `writers` updates.
fn by_hand(folder: &Folder, updates: usize, size: usize, writers: usize) -> f64 {
    let path = folder.empty().join("by hand");
    let mut file: File =
        OpenOptions::new().create(true).append(true).open(path).expect("a file can be made");
    let bytes = vec![7; size];
    let begun = Instant::now();
    for _ in 0..updates / writers {
        file.write_all(&bytes).and_then(|()| file.sync_data()).expect("the disk works");
    }
    rate(updates, begun.elapsed())
}

/// So many writers, each of which waits for its receipt before it writes again.
fn written(folder: &Folder, workload: &Workload, writers: usize, durability: Durability) -> f64 {
    let replica = Replica::builder(plain()).durability(durability).open(folder.empty());
    acknowledge(&replica.expect("a journal can be made"), workload, writers)
}

fn in_redb(folder: &Folder, workload: &Workload, writers: usize) -> f64 {
    let database = Redb::open(folder.empty().join("redb")).expect("a database can be made");
    let replica = Replica::builder(plain()).open_in(database);
    acknowledge(&replica.expect("a journal can be made"), workload, writers)
}

fn acknowledge<R>(replica: &Replica<R>, workload: &Workload, writers: usize) -> f64
where
    R: Replicated<Update = Update>,
{
    let mut updates = workload.updates();
    let mut write = || updates.next().map(|update| replica.update(update).expect("it is written"));
    let begun = Instant::now();
    block_on(async {
        let mut receipts: FuturesUnordered<_> =
            (0..writers).filter_map(|_| write()).map(|receipt| receipt.durable()).collect();
        while let Some(durable) = receipts.next().await {
            durable.expect("the disk works");
            receipts.extend(write().map(|receipt| receipt.durable()));
        }
    });
    rate(workload.len(), begun.elapsed())
}

fn opened(scale: Scale, folder: &Folder) {
    let workload = Workload::new(scale.pick(1_000_000, 2000), scale.pick(100_000, 200));
    fill(folder, &workload);
    let bytes = size(&folder.0) as f64 / workload.len() as f64;
    println!("\nA journal of {} updates: {bytes:.1} bytes an update", workload.len());
    let bytes = size_in_redb(folder, &workload) as f64 / workload.len() as f64;
    println!("In redb: {bytes:.1} bytes an update");
    fill(folder, &workload);
    Contest::new("Opening it, updates")
        .with("with all of its history", || open(folder, workload.len()))
        .run(scale.rounds());
    trim(folder);
    println!("Trimmed and compacted: {} bytes", size(&folder.0));
    Contest::new("Opening it, updates")
        .with("with a snapshot", || open(folder, workload.len()))
        .run(scale.rounds());
}

fn fill(folder: &Folder, workload: &Workload) {
    let replica = Replica::builder(plain()).durability(Durability::System).open(folder.empty());
    write_all(&replica.expect("a journal can be made"), workload);
}

fn size_in_redb(folder: &Folder, workload: &Workload) -> usize {
    let database = Redb::open(folder.empty().join("redb")).expect("a database can be made");
    let replica = Replica::builder(plain()).durability(Durability::System).open_in(database);
    write_all(&replica.expect("a journal can be made"), workload);
    size(&folder.0)
}

fn write_all<R: Replicated<Update = Update>>(replica: &Replica<R>, workload: &Workload) {
    for update in workload.updates() {
        replica.update(update).expect("it is written");
    }
    replica.close().expect("the disk works");
}

fn open(folder: &Folder, updates: usize) -> f64 {
    let begun = Instant::now();
    let replica = Replica::builder(plain()).open(&folder.0).expect("the journal is whole");
    rate(updates, replica.version().map(|_| begun.elapsed()).expect("nobody else uses it"))
}

fn trim(folder: &Folder) {
    let replica = Replica::builder(plain()).open(&folder.0).expect("the journal is whole");
    let version = replica.version().expect("nobody else uses it");
    replica.trim(&version).expect("it is all seen");
    replica.compact().expect("the disk works");
}
