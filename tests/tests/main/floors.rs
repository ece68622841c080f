//! What is trimmed in a journal stays so when it is opened again, and nothing else is.

use std::{
    cell::Cell,
    io,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use futures::{FutureExt, executor::LocalPool, future::join, task::LocalSpawnExt};
use repred::{
    Durability, GrowSet, Replica, Time, Trimming, VersionVector,
    error::{OpenError, UpdateError},
    journal::{Journal, Memory, Storage},
    pipe,
    sans_io::{Core, Monotonic, Now, SessionConfig},
};
use repred_tests::{Disk, Fault, eventually};

type Numbers = GrowSet<u64>;

const A: u128 = 0xa;
const B: u128 = 0xb;
const C: u128 = 0xc;

fn now() -> Now {
    Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO }
}

fn config() -> SessionConfig {
    SessionConfig::for_state::<Numbers>()
}

fn core(id: u128) -> Core<Numbers> {
    Core::new(id.into(), Numbers::default())
}

fn open(disk: &Memory, core: &mut Core<Numbers>) -> Journal<Memory> {
    let journal = Journal::open(disk.clone(), core, &config(), Durability::EveryUpdate, now());
    journal.unwrap()
}

fn write(core: &mut Core<Numbers>, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| drop(core.update(number, now().wall).unwrap()));
}

/// All that can be told of a core.
fn told(core: &Core<Numbers>) -> (Vec<u64>, VersionVector, VersionVector, usize) {
    let numbers = core.state().unwrap().iter().copied().collect();
    (numbers, core.version(), core.floor(), core.history_len())
}

/// The seqs of each.
fn version(seqs: &[(u128, u64)]) -> VersionVector {
    seqs.iter().map(|&(id, seq)| (id.into(), seq)).collect()
}

#[test]
fn a_compacted_journal_opens_with_the_same_floor_and_history() {
    for floor in 0..=10 {
        let disk = Memory::new();
        let mut author = core(A);
        let mut journal = open(&disk, &mut author);
        write(&mut author, 0..8);
        author.update_all([8, 9], now().wall).unwrap();
        author.trim(&version(&[(A, floor)])).unwrap();
        journal.compact(&mut author).unwrap();
        let mut again = core(C);
        let disk = disk.crash(|_| Vec::new());
        let mut journal = open(&disk, &mut again);
        assert_eq!(told(&again), told(&author));
        // Again and again.
        write(&mut again, [10]);
        journal.compact(&mut again).unwrap();
        write(&mut again, [11]);
        journal.write(&mut again).unwrap();
        let mut third = core(C);
        open(&disk, &mut third);
        assert_eq!(told(&third), told(&again));
        assert_eq!(third.latest_time(), again.latest_time());
        assert_eq!(third.state_digest().unwrap(), again.state_digest().unwrap());
    }
}

#[test]
fn an_adopted_snapshot_is_folded_and_earlier_entries_are_not() {
    let disk = Memory::new();
    let (mut here, mut there) = (core(A), core(B));
    let mut journal = open(&disk, &mut here);
    write(&mut here, [1, 2]);
    journal.write(&mut here).unwrap();
    write(&mut there, [3, 4, 5]);
    there.trim(&there.version()).unwrap();
    here.adopt(&there.snapshot().unwrap(), now().wall).unwrap();
    assert_eq!(here.floor(), version(&[(B, 3)]));
    // Only another file can tell of it.
    journal.write(&mut here).unwrap();
    let after = disk.crash(|_| Vec::new());
    let mut again = core(C);
    open(&after, &mut again);
    assert_eq!(told(&again), told(&here));
    assert_eq!(again.history_len(), 2, "what others lack");
}

#[test]
fn a_state_that_was_given_up_does_not_come_back() {
    let disk = Memory::new();
    let (mut here, mut there) = (core(A), core(B));
    let mut journal = open(&disk, &mut here);
    write(&mut here, [1, 2]);
    here.trim(&here.version()).unwrap();
    journal.compact(&mut here).unwrap();
    write(&mut there, [3]);
    there.trim(&there.version()).unwrap();
    here.discard_and_adopt(&there.snapshot().unwrap(), now().wall).unwrap();
    here.set_id(C.into());
    write(&mut here, [4]);
    journal.write(&mut here).unwrap();
    let mut again = core(0xd);
    open(&disk, &mut again);
    assert_eq!(told(&again), told(&here));
    assert_eq!(told(&again).0, [3, 4]);
}

#[test]
fn past_states_can_be_read_from_the_floor_on_after_a_restart() {
    let (disk, mut there) = (Memory::new(), core(B));
    write(&mut there, [1, 2]);
    there.trim(&there.version()).unwrap();
    let keeping = |id| {
        let mut core = core(id);
        core.keep_everything();
        core
    };
    let mut here = keeping(A);
    let mut journal = open(&disk, &mut here);
    here.adopt(&there.snapshot().unwrap(), now().wall).unwrap();
    write(&mut here, [3, 4]);
    journal.compact(&mut here).unwrap();
    write(&mut here, [5]);
    journal.write(&mut here).unwrap();
    let mut again = keeping(C);
    open(&disk, &mut again);
    assert_eq!(told(&again), told(&here));
    let at = |core: &Core<Numbers>, seq| {
        let past = core.at(&version(&[(B, 2), (A, seq)]), Numbers::default());
        past.unwrap().iter().copied().collect::<Vec<_>>()
    };
    for (seq, past) in [(0, &[1, 2][..]), (1, &[1, 2, 3]), (3, &[1, 2, 3, 4, 5])] {
        assert_eq!((at(&here, seq), at(&again, seq)), (past.to_vec(), past.to_vec()));
    }
    // Who begins to keep everything only now cannot tell what was before.
    let disk = Memory::new();
    let mut forgets = core(A);
    let mut journal = open(&disk, &mut forgets);
    write(&mut forgets, [1, 2, 3]);
    forgets.trim(&version(&[(A, 1)])).unwrap();
    journal.compact(&mut forgets).unwrap();
    let mut keeps = keeping(C);
    open(&disk, &mut keeps);
    assert_eq!(keeps.version(), version(&[(A, 3)]));
    assert!(keeps.at(&version(&[(A, 1)]), Numbers::default()).is_err());
    assert_eq!(keeps.at(&version(&[(A, 3)]), Numbers::default()).unwrap().len(), 3);
}

#[test]
fn the_state_ahead_of_damaged_entries_is_recovered() {
    let disk = Memory::new();
    let mut author = core(A);
    let mut journal = open(&disk, &mut author);
    // More than fits one record.
    write(&mut author, 0..200_000);
    author.trim(&version(&[(A, 1)])).unwrap();
    journal.compact(&mut author).unwrap();
    let mut damaged = disk.copy();
    let change = |bytes: &mut Vec<u8>| {
        let place = bytes.len() - 1000;
        bytes[place] ^= 1;
    };
    damaged.damage("journal-00000002", change).unwrap();
    let mut refused = core(C);
    let level = Durability::EveryUpdate;
    let opened = Journal::open(damaged.clone(), &mut refused, &config(), level, now());
    assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{opened:?}");
    let mut again = core(C);
    Journal::recover(damaged, &mut again, &config(), level, now()).unwrap();
    assert_eq!(again.state().unwrap().len(), 200_000);
    assert_eq!(again.version(), author.version());
    assert_eq!(again.floor(), author.version(), "of which the entries are not all there");
    write(&mut again, [200_000]);
    assert_eq!(again.history_len(), 1);
}

fn opened(disk: impl Storage) -> Replica<Numbers> {
    Replica::builder(Numbers::default()).open_in(disk).unwrap()
}

/// Trims what all have that it has met.
fn trimming(disk: impl Storage) -> Replica<Numbers> {
    let week = Trimming::Lease(Duration::from_secs(7 * 24 * 60 * 60));
    Replica::builder(Numbers::default()).trimming(week).trust_ids().open_in(disk).unwrap()
}

fn numbers(replica: &Replica<Numbers>) -> Vec<u64> {
    replica.read(|numbers| numbers.iter().copied().collect()).unwrap()
}

/// Connects two until both have what either had, as often as it takes.
fn meet(one: &Replica<Numbers>, other: &Replica<Numbers>) {
    let mut pool = LocalPool::new();
    let is_over = Rc::new(Cell::new(true));
    eventually(|| {
        if is_over.replace(false) {
            let (a, b) = pipe(1 << 16);
            let (is_over, links) = (Rc::clone(&is_over), join(one.connect(a), other.connect(b)));
            pool.spawner().spawn_local(links.map(move |_| is_over.set(true))).unwrap();
        }
        pool.run_until_stalled();
        let lag = |end: &Replica<Numbers>| end.peers().unwrap().first().and_then(|peer| peer.lag);
        [one, other].map(lag) == [Some(0); 2] && one.version() == other.version()
    });
}

#[test]
fn two_replicas_compacted_and_reopened_while_apart_can_be_joined() {
    let disks = [Memory::new(), Memory::new()];
    let write = |replica: &Replica<Numbers>, numbers: [u64; 2]| {
        numbers.into_iter().for_each(|number| drop(replica.update(number).unwrap()));
    };
    let pair = disks.clone().map(trimming);
    write(&pair[0], [0, 1]);
    meet(&pair[0], &pair[1]);
    pair.iter().for_each(|replica| replica.compact().unwrap());
    assert_eq!(pair.each_ref().map(|replica| replica.history_len().unwrap()), [0, 0]);
    // Each writes by itself, and is compacted and opened again.
    for (replica, numbers) in pair.iter().zip([[2, 3], [4, 5]]) {
        write(replica, numbers);
        replica.compact().unwrap();
        replica.close().unwrap();
    }
    let pair = disks.map(trimming);
    assert_eq!(pair.each_ref().map(|replica| replica.history_len().unwrap()), [2, 2]);
    meet(&pair[0], &pair[1]);
    assert_eq!(pair.each_ref().map(numbers), [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]);
}

#[test]
fn a_peer_met_before_a_crash_still_counts() {
    let disk = Memory::new();
    let (here, there) = (trimming(disk.clone()), Replica::new(Numbers::default()));
    here.update(0).unwrap();
    meet(&here, &there);
    here.update(1).unwrap().wait().unwrap();
    let after = trimming(disk.crash(|_| Vec::new()));
    after.compact().unwrap();
    assert_eq!(after.history_len().unwrap(), 1, "what the other has is trimmed, and no more");
    meet(&after, &there);
    assert_eq!(numbers(&there), [0, 1]);
}

#[test]
fn a_snapshot_refused_by_a_full_disk_comes_again_later() {
    let disk = Disk::default();
    let (here, there) = (opened(disk.clone()), Replica::new(Numbers::default()));
    here.update(0).unwrap().wait().unwrap();
    (1..5).for_each(|number| drop(there.update(number).unwrap()));
    there.trim(&there.version().unwrap()).unwrap();
    disk.fill();
    let mend = || {
        // When it was taken back, the state is what the disk has.
        eventually(|| matches!(here.update(0), Err(UpdateError::Full { .. })));
        assert_eq!(numbers(&here), [0]);
        disk.mend();
    };
    thread::scope(|scope| {
        scope.spawn(mend);
        meet(&here, &there);
    });
    assert_eq!(numbers(&here), [0, 1, 2, 3, 4]);
    here.durable().unwrap().wait().unwrap();
    let after = opened(disk.memory().crash(|_| Vec::new()));
    assert_eq!(numbers(&after), [0, 1, 2, 3, 4]);
    assert_eq!(after.history_len(), here.history_len());
}

/// Whoever opens it sees what the system has in memory, and builds on that.
#[test]
fn a_compaction_that_fails_anywhere_loses_no_later_update() {
    let open = |disk: &Disk, id| -> Result<(Core<Numbers>, Journal<Disk>), OpenError> {
        let mut core = core(id);
        let level = Durability::EveryUpdate;
        let journal = Journal::open(disk.clone(), &mut core, &config(), level, now())?;
        Ok((core, journal))
    };
    let mut failures = 0;
    for operation in 0.. {
        let (memory, mut before) = (Memory::new(), core(A));
        let mut journal = self::open(&memory, &mut before);
        write(&mut before, [1]);
        journal.write(&mut before).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let failing = Disk::of(memory.clone());
        failing.fail(operation, Fault::Once(io::ErrorKind::Other));
        let compacted = open(&failing, B).and_then(|(mut core, mut journal)| {
            journal.compact(&mut core).map_err(OpenError::Write)
        });
        failures += u32::from(compacted.is_err());
        let (mut author, mut journal) = open(&Disk::of(memory.clone()), C).unwrap();
        assert_eq!(author.id(), A.into());
        write(&mut author, [2]);
        journal.write(&mut author).unwrap();
        journal.sync().unwrap();
        for keeps in [false, true] {
            let after = memory.crash(|writes| if keeps { writes.to_vec() } else { Vec::new() });
            let (again, _) = open(&Disk::of(after), C).unwrap();
            assert_eq!(told(&again).0, [1, 2], "operation {operation} had failed");
        }
        if failing.count() <= operation {
            break;
        }
    }
    assert!(failures >= 5, "it opens a file, and writes and syncs and renames another: {failures}");
}

#[test]
fn constant_folding_does_not_hold_up_durability() {
    let busy: Arc<Mutex<Option<Replica<Numbers>>>> = Arc::default();
    let trims = Arc::new(AtomicU64::new(0));
    let disk = Disk::watched({
        let (busy, trims) = (Arc::clone(&busy), Arc::clone(&trims));
        move |memory| {
            let names = memory.clone().names().unwrap();
            // Until it is done, once.
            let is_compacting = names.iter().all(|name| name != "journal-00000002")
                && names.iter().any(|name| name.ends_with(".new"));
            let busy = busy.lock().unwrap();
            let Some(replica) = busy.as_ref().filter(|_| is_compacting) else { return };
            let number = trims.fetch_add(1, Ordering::Relaxed);
            if number < 1000 {
                replica.update(number).unwrap();
                replica.trim(&replica.version().unwrap()).unwrap();
            }
        }
    });
    let replica = opened(disk);
    replica.update(10_000).unwrap();
    *busy.lock().unwrap() = Some(replica.clone());
    replica.compact().unwrap();
    *busy.lock().unwrap() = None;
    assert!(trims.load(Ordering::Relaxed) < 100);
    replica.durable().unwrap().wait().unwrap();
}
