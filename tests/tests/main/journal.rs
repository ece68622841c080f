//! A journal after crashes, damage, and disks that fail.
//!
//! `cargo test --profile checked -p repred-tests --test main journal:: -- --ignored` looks at every byte and every bit.

use std::{
    collections::BTreeMap,
    error::Error as _,
    io,
    sync::{Arc, Mutex},
};

use repred::{
    Counter, Durability, GrowSet, LwwMap, Reduce, ReplicaId, Stamp, Time, VersionVector,
    error::{JournalReadError, OpenError},
    journal::{Journal, JournalReader, Memory, Storage, Write},
    sans_io::{BackupReader, BackupWriter, Core, Monotonic, Now, SessionConfig},
};
use repred_tests::{Chance, Disk};
use serde::{Deserialize, Serialize};

/// What of it is overwritten is forgotten, and what is not is kept.
#[derive(Reduce, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Notes {
    all: GrowSet<u64>,
    latest: LwwMap<u8, u64>,
    sum: Counter,
}

const AUTHOR: u128 = 0xa;
const PEER: u128 = 0xb;
const READER: u128 = 0xc;

fn now() -> Now {
    Now { wall: Time::from_micros(1_700_000_000_000_000), monotonic: Monotonic::ZERO }
}

fn config() -> SessionConfig {
    SessionConfig::for_state::<Notes>()
}

fn open(disk: impl Storage, id: u128) -> Result<(Core<Notes>, impl Opened), OpenError> {
    let mut core = Core::new(id.into(), Notes::default());
    let journal = Journal::open(disk, &mut core, &config(), Durability::EveryUpdate, now())?;
    Ok((core, journal))
}

/// A journal, whatever it is on.
trait Opened {
    fn save(&mut self, core: &mut Core<Notes>);
    fn compact_all(&mut self, core: &mut Core<Notes>);
    fn write_all(&mut self, core: &mut Core<Notes>);
    fn bytes(&self) -> u64;
    fn torn_bytes(&self) -> u64;
}

impl<S: Storage> Opened for Journal<S> {
    fn save(&mut self, core: &mut Core<Notes>) {
        self.write_all(core);
        self.sync().unwrap();
    }

    fn compact_all(&mut self, core: &mut Core<Notes>) {
        self.compact(core).unwrap();
    }

    fn write_all(&mut self, core: &mut Core<Notes>) {
        self.write(core).unwrap();
    }

    fn bytes(&self) -> u64 {
        self.size()
    }

    fn torn_bytes(&self) -> u64 {
        self.recovery().torn_bytes
    }
}

/// Everything that was ever written, in an order in which it may have been.
#[derive(Clone, Default)]
struct Oracle {
    entries: Vec<(Stamp, NotesUpdate)>,
    known: BTreeMap<String, Notes>,
}

impl Oracle {
    /// The state that a version stands for.
    fn state(&mut self, version: &VersionVector) -> &Notes {
        self.known.entry(version.to_string()).or_insert_with(|| {
            let mut state = Notes::default();
            for (stamp, update) in &self.entries {
                if version.contains(stamp.dot) {
                    state.reduce(update.clone(), *stamp);
                }
            }
            state
        })
    }
}

/// What was true when the disk looked so.
struct Moment {
    disk: Memory,
    told: Told,
}

/// What is known of the author.
#[derive(Clone, Default)]
struct Told {
    acknowledged: VersionVector,
    written: VersionVector,
    trimmed: VersionVector,
}

/// The script: an author with a journal, and a peer without.
struct Script {
    chance: Chance,
    author: Core<Notes>,
    peer: Core<Notes>,
    oracle: Oracle,
    told: Arc<Mutex<Told>>,
    /// What the author had seen before each step.
    past: Vec<VersionVector>,
    number: u64,
}

impl Script {
    /// Does so many things. Returns what the disk looked like after each operation on it.
    fn run(steps: usize, seed: u64) -> (Vec<Moment>, Oracle) {
        let told = Arc::new(Mutex::new(Told::default()));
        let moments = Arc::new(Mutex::new(Vec::new()));
        let disk = Disk::watched({
            let (told, moments) = (Arc::clone(&told), Arc::clone(&moments));
            move |memory| {
                let (disk, told) = (memory.copy(), told.lock().unwrap().clone());
                moments.lock().unwrap().push(Moment { disk, told });
            }
        });
        let (author, mut journal) = open(disk, AUTHOR).unwrap();
        let mut script = Self {
            chance: Chance::new(seed),
            author,
            peer: Core::new(PEER.into(), Notes::default()),
            oracle: Oracle::default(),
            told,
            past: Vec::new(),
            number: 0,
        };
        for _ in 0..steps {
            script.step(&mut journal);
        }
        let moments = std::mem::take(&mut *moments.lock().unwrap());
        (moments, script.oracle)
    }

    fn step(&mut self, journal: &mut impl Opened) {
        self.past.push(self.author.version());
        match self.chance.within(0..20) {
            0 => self.exchange(),
            1 => {
                let past = self.chance.within(0..self.past.len());
                let version = self.past[past].clone();
                self.author.trim(&version).unwrap();
            }
            2 => {
                journal.compact_all(&mut self.author);
                self.acknowledge();
            }
            3..=5 => self.write_as_peer(),
            6..=8 => self.edit(),
            _ => self.update(),
        }
        let mut told = self.told.lock().unwrap();
        (told.written, told.trimmed) = (self.author.version(), self.author.floor());
        drop(told);
        journal.write_all(&mut self.author);
        if !self.chance.one_in(3) {
            journal.save(&mut self.author);
            self.acknowledge();
        }
    }

    fn acknowledge(&self) {
        let (version, trimmed) = (self.author.version(), self.author.floor());
        *self.told.lock().unwrap() =
            Told { acknowledged: version.clone(), written: version, trimmed };
    }

    fn any(&mut self) -> NotesUpdate {
        self.number += 1;
        match self.chance.within(0..3) {
            0 => NotesUpdate::All(self.number),
            1 => NotesUpdate::Latest((self.chance.within(0..4) as u8, Some(self.number))),
            _ => NotesUpdate::Sum(self.number as i64),
        }
    }

    fn update(&mut self) {
        let update = self.any();
        let receipt = self.author.update(update.clone(), now().wall).unwrap();
        self.oracle.entries.push((receipt.stamp().unwrap(), update));
    }

    fn write_as_peer(&mut self) {
        let update = self.any();
        let receipt = self.peer.update(update.clone(), now().wall).unwrap();
        self.oracle.entries.push((receipt.stamp().unwrap(), update));
    }

    fn edit(&mut self) {
        let updates: Vec<_> = (0..self.chance.within(2..30)).map(|_| self.any()).collect();
        let receipts = self.author.update_all(updates.clone(), now().wall).unwrap();
        let stamps = receipts.iter().map(|receipt| receipt.stamp().unwrap());
        self.oracle.entries.extend(stamps.zip(updates));
    }

    /// The two tell each other all they have; the peer may have trimmed it.
    fn exchange(&mut self) {
        tell(&mut self.author, &mut self.peer);
        if self.chance.one_in(2) {
            let version = self.peer.version();
            self.peer.trim(&version).unwrap();
        }
        tell(&mut self.peer, &mut self.author);
        assert_eq!(self.peer.version(), self.author.version());
    }
}

fn tell(from: &mut Core<Notes>, to: &mut Core<Notes>) {
    let mut saving = BackupWriter::new(&config(), from, now()).unwrap();
    let mut loading = BackupReader::new(config());
    let mut message = Vec::new();
    while saving.poll_message(from, &mut message).unwrap() {
        loading.handle_message(to, &message, now()).unwrap();
        message.clear();
    }
}

/// What there is after a crash is what was acknowledged, or more, and nothing else.
fn check(disk: Memory, moment: &Moment, oracle: &mut Oracle, is_cut: bool, goes_on: bool) {
    let told = told(disk.clone());
    let (mut core, mut journal) = open(disk.clone(), READER).unwrap();
    let version = core.version();
    assert_eq!(told, version, "a reader tells what is there");
    let Told { acknowledged, written, trimmed } = &moment.told;
    assert!(version.covers(acknowledged), "{version} has lost some of {acknowledged}");
    assert!(written.covers(&version), "{version} is more than was written, {written}");
    assert_eq!(core.state().unwrap(), oracle.state(&version), "at {version}");
    let floor = core.floor();
    assert!(trimmed.covers(&floor), "{floor} is trimmed, and was not before, {trimmed}");
    // What is broken may have been heard of, for all that anybody can tell later; what was cut short was not.
    if !acknowledged.is_empty() && (journal.torn_bytes() == 0 || is_cut) {
        assert_eq!(core.id(), AUTHOR.into());
    }
    if goes_on {
        core.update(NotesUpdate::All(u64::MAX), now().wall).unwrap();
        journal.save(&mut core);
        let version = core.version();
        let (again, _) = open(disk.crash(|_| Vec::new()), READER + 1).unwrap();
        assert_eq!(again.version(), version);
        assert_eq!(again.state().unwrap(), core.state().unwrap());
    }
}

/// What is in a journal, as who does not know its type sees it.
fn told(disk: Memory) -> VersionVector {
    match JournalReader::open(disk) {
        Ok(mut reader) => {
            reader.by_ref().try_for_each(|event| event.map(drop)).unwrap();
            reader.version().clone()
        }
        Err(JournalReadError::NoJournal) => VersionVector::new(),
        Err(error) => panic!("{error}"),
    }
}

/// The disk as it may be after a crash, with and without the names that were not synced.
fn crashed(disk: &Memory, mut kept: impl FnMut(&[Write]) -> Vec<Write>) -> [Memory; 2] {
    let mut named = disk.copy();
    named.sync_names().unwrap();
    [disk.crash(&mut kept), named.crash(&mut kept)]
}

/// The first so many bytes of what was not synced.
fn prefix(writes: &[Write], mut bytes: usize) -> Vec<Write> {
    let mut kept = Vec::new();
    for write in writes {
        match write {
            Write::Bytes { offset, bytes: all } => {
                let count = all.len().min(bytes);
                kept.push(Write::Bytes { offset: *offset, bytes: all[..count].to_vec() });
                bytes -= count;
                if count < all.len() {
                    break;
                }
            }
            other => kept.push(other.clone()),
        }
    }
    kept
}

/// Any blocks of 512 bytes of what was not synced, in any order.
fn some_blocks(writes: &[Write], chance: &mut Chance) -> Vec<Write> {
    let mut blocks = Vec::new();
    for write in writes {
        let Write::Bytes { offset, bytes } = write else {
            blocks.push(write.clone());
            continue;
        };
        let mut at = 0;
        while at < bytes.len() {
            let end = bytes.len().min(at + 512 - (offset + at) % 512);
            blocks.push(Write::Bytes { offset: offset + at, bytes: bytes[at..end].to_vec() });
            at = end;
        }
    }
    let mut kept = Vec::new();
    while !blocks.is_empty() {
        let block = blocks.swap_remove(chance.within(0..blocks.len()));
        if chance.one_in(2) {
            kept.push(block);
        }
    }
    kept
}

fn unsynced(disk: &Memory) -> usize {
    let mut bytes = 0;
    let size = |write: &Write| match write {
        Write::Bytes { bytes, .. } => bytes.len(),
        _ => 0,
    };
    disk.crash(|writes| {
        bytes = bytes.max(writes.iter().map(size).sum());
        Vec::new()
    });
    bytes
}

/// Cuts a script after every operation, and looks at what a crash may leave then.
fn crash_everywhere(seed: u64, steps: usize, bytes_between: usize, random: usize) {
    let (moments, mut oracle) = Script::run(steps, seed);
    let mut chance = Chance::new(seed);
    let mut checks = 0;
    let mut check_all = |disks: [Memory; 2], moment: &Moment, is_cut| {
        for disk in disks {
            checks += 1;
            check(disk, moment, &mut oracle, is_cut, checks % 16 == 0);
        }
    };
    for moment in &moments {
        let bytes = unsynced(&moment.disk);
        for count in (0..=bytes).rev().step_by(bytes_between) {
            check_all(crashed(&moment.disk, |writes| prefix(writes, count)), moment, true);
        }
        check_all(crashed(&moment.disk, |_| Vec::new()), moment, true);
        for _ in 0..random.min(bytes) {
            let disks = crashed(&moment.disk, |writes| some_blocks(writes, &mut chance));
            check_all(disks, moment, false);
        }
    }
    println!("{} moments, {checks} crashes", moments.len());
    assert!(moments.len() > steps);
}

#[test]
fn a_crash_after_any_operation_loses_nothing_that_was_acknowledged() {
    crash_everywhere(1, 200, 97, 2);
}

#[test]
#[ignore = "long"]
fn a_crash_after_any_operation_and_any_byte_loses_nothing_that_was_acknowledged() {
    (1..=10).for_each(|seed| crash_everywhere(seed, 200, 1, 20));
}

/// A disk with a journal of so many updates, each synced by itself, of `size` bytes; where it begins, and where each
/// ends.
fn written(updates: u64, size: usize) -> (Memory, u64, Vec<u64>) {
    let disk = Memory::new();
    let mut core = Core::new(AUTHOR.into(), Texts::default());
    let opened =
        Journal::open(disk.clone(), &mut core, &texts_config(), Durability::EveryUpdate, now());
    let mut journal = opened.unwrap();
    let (begin, mut ends) = (journal.size(), Vec::new());
    for number in 0..updates {
        core.update(format!("{number:size$}"), now().wall).unwrap();
        journal.write(&mut core).unwrap();
        journal.sync().unwrap();
        ends.push(journal.size());
    }
    (disk, begin, ends)
}

type Texts = GrowSet<String>;

fn texts_config() -> SessionConfig {
    SessionConfig::for_state::<Texts>()
}

fn open_texts(disk: Memory) -> Result<Core<Texts>, OpenError> {
    let mut core = Core::new(READER.into(), Texts::default());
    Journal::open(disk, &mut core, &texts_config(), Durability::EveryUpdate, now()).map(|_| core)
}

const FILE: &str = "journal-00000001";

fn cut_everywhere(updates: u64, bytes_between: usize) {
    let (disk, begin, ends) = written(updates, 8);
    let size = *ends.last().unwrap();
    for cut in (0..=size).step_by(bytes_between) {
        let mut disk = disk.copy();
        disk.damage(FILE, |bytes| bytes.truncate(cut as usize)).unwrap();
        if cut < begin {
            // It got its name when so much was in it, so no crash does this.
            let refused = open_texts(disk.copy()).map(drop).unwrap_err();
            assert!(matches!(refused, OpenError::Damaged { .. }), "cut at {cut}: {refused}");
            assert_eq!(recover(disk).state().unwrap().len(), 0);
            continue;
        }
        let core = open_texts(disk).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let whole = ends.iter().take_while(|end| **end <= cut).count();
        assert_eq!(core.state().unwrap().len(), whole, "cut at {cut}");
        assert_eq!(core.version().seq(AUTHOR.into()), whole as u64, "cut at {cut}");
    }
}

#[test]
fn a_log_that_is_cut_has_the_whole_entries_before_the_cut() {
    cut_everywhere(100, 1);
}

#[test]
#[ignore = "long"]
fn a_log_of_1000_entries_that_is_cut_at_any_byte_has_the_whole_entries_before_the_cut() {
    cut_everywhere(1000, 1);
}

/// A whole record at the end that was heard of and is broken since looks like one that was never written in full:
/// so its seq must not be used again under the same id. One of which the end is missing never was whole.
#[test]
fn a_journal_that_may_have_lost_updates_writes_under_a_new_id() {
    let (disk, _, ends) = written(3, 8);
    let (start, end) = (ends[1] as usize, ends[2] as usize);
    for place in start..end {
        let after = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut disk = disk.copy();
            disk.damage(FILE, change).unwrap();
            let core = open_texts(disk).unwrap();
            (core.version().seq(AUTHOR.into()), core.id())
        };
        for bit in 0..8 {
            assert_eq!(after(&|bytes| bytes[place] ^= 1 << bit), (2, READER.into()), "at {place}");
        }
        assert_eq!(after(&|bytes| bytes.truncate(place)), (2, AUTHOR.into()), "cut at {place}");
        let zeros = |bytes: &mut Vec<u8>| bytes[place..].fill(0);
        assert_eq!(after(&zeros), (2, AUTHOR.into()), "zeros from {place} on");
    }
    // There is room for more behind it, in which nothing stands that could be missed.
    let mut room = disk.copy();
    let size = room.size(FILE).unwrap() as usize;
    assert!(size > end, "zeros are written ahead");
    for place in end..size {
        room.damage(FILE, |bytes| bytes[place] ^= 1 << (place % 8)).unwrap();
        let core = open_texts(room.copy()).unwrap();
        assert_eq!(core.version().seq(AUTHOR.into()), 3, "at {place}");
        room.damage(FILE, |bytes| bytes[place] = 0).unwrap();
    }
}

/// Two records were written and not synced, and a crash has left the second. Something as long as the first must not
/// bring it back.
#[test]
fn remains_of_a_crash_never_become_part_of_later_records() {
    let texts = |disk: &Memory, id: u128| {
        let mut core = Core::new(id.into(), Texts::default());
        let level = Durability::EveryUpdate;
        let journal = Journal::open(disk.clone(), &mut core, &texts_config(), level, now());
        (core, journal.unwrap())
    };
    let disk = Memory::new();
    let (mut core, mut journal) = texts(&disk, AUTHOR);
    let mut ends = vec![journal.size()];
    for _ in 0..2 {
        core.update("x".repeat(600 + ends.len()), now().wall).unwrap();
        journal.write(&mut core).unwrap();
        ends.push(journal.size());
    }
    let mut disk = disk.copy();
    let lost = ends[0] as usize..ends[1] as usize;
    disk.damage(FILE, |bytes| bytes[lost].fill(0)).unwrap();
    let mut hits = 0;
    for size in 0..600 {
        let disk = disk.copy();
        let (mut core, mut journal) = texts(&disk, READER);
        assert!(core.version().is_empty() && journal.recovery().torn_bytes > 1200);
        core.update("y".repeat(size), now().wall).unwrap();
        journal.write(&mut core).unwrap();
        journal.sync().unwrap();
        hits += u32::from(journal.size() == ends[1]);
        let (again, _) = texts(&disk.crash(|_| Vec::new()), READER + 1);
        assert_eq!(again.version(), core.version(), "with {size} bytes");
        assert_eq!(again.state().unwrap(), core.state().unwrap());
    }
    assert_eq!(hits, 1, "of one size it ends where the second began");
}

/// Flips bits of a log of `size` bytes, one at a time. The last record is a torn tail, anything before it an error.
fn flip_everywhere(size: u64, bits_between: usize) {
    let (disk, _, ends) = written(size / 512, 512 - 40);
    let size = *ends.last().unwrap() as usize;
    let last = ends[ends.len() - 2] as usize;
    let mut errors = 0;
    for bit in (0..size * 8).step_by(bits_between) {
        let mut disk = disk.copy();
        disk.damage(FILE, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
        let whole = ends.iter().take_while(|end| **end as usize <= bit / 8).count();
        let core = match open_texts(disk.copy()) {
            Ok(core) => {
                assert!(bit / 8 >= last, "bit {bit} was not missed");
                core
            }
            Err(OpenError::Damaged { file, offset }) => {
                assert!(bit / 8 < last, "bit {bit} is in the last record");
                assert_eq!(file, FILE);
                let start = ends.get(whole.wrapping_sub(1)).copied().unwrap_or(0);
                assert!((start..=bit as u64 / 8).contains(&offset), "bit {bit}: at {offset}");
                errors += 1;
                if errors % 64 != 1 {
                    continue;
                }
                recover(disk)
            }
            Err(error) => panic!("bit {bit}: {error}"),
        };
        assert_eq!(core.state().unwrap().len(), whole, "bit {bit}");
    }
    assert!(errors > 0);
}

/// What comes before the damage, under another id, and a journal that can be opened again.
fn recover(disk: Memory) -> Core<Texts> {
    let mut core = Core::new(READER.into(), Texts::default());
    let (level, config) = (Durability::EveryUpdate, texts_config());
    let recovered = Journal::recover(disk.clone(), &mut core, &config, level, now());
    drop(recovered.unwrap());
    assert_eq!(core.id(), READER.into(), "somebody may know more of the old id");
    let mut disk = disk.crash(|_| Vec::new());
    assert!(disk.names().unwrap().contains(&"damaged-00000001".to_owned()));
    let again = open_texts(disk).unwrap();
    assert_eq!(again.state().unwrap(), core.state().unwrap());
    core
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    flip_everywhere(64 << 10, 61);
}

#[test]
#[ignore = "long"]
fn every_flipped_bit_of_64_kib_is_found() {
    flip_everywhere(64 << 10, 1);
}

#[test]
fn everything_before_an_unreadable_place_is_recovered() {
    let (written, _, ends) = written(20, 8);
    for place in [ends[4], ends[4] + 1, ends[19] - 1] {
        let disk = Disk::of(written.copy());
        disk.break_from(place);
        let mut core = Core::new(READER.into(), Texts::default());
        let (level, config) = (Durability::EveryUpdate, texts_config());
        let refused = Journal::open(disk.clone(), &mut core, &config, level, now()).map(drop);
        assert!(matches!(refused, Err(OpenError::Io(_))), "{refused:?}");
        let mut core = Core::new(READER.into(), Texts::default());
        drop(Journal::recover(disk.clone(), &mut core, &config, level, now()).unwrap());
        let whole = ends.iter().filter(|end| **end <= place).count();
        assert_eq!((core.state().unwrap().len(), core.id()), (whole, READER.into()));
        assert_eq!(open_texts(disk.memory().copy()).unwrap().state().unwrap().len(), whole);
    }
}

#[test]
fn a_journal_that_was_not_closed_keeps_its_id_only_where_every_update_was_durable() {
    for (level, closes, keeps) in [
        (Durability::EveryUpdate, false, true),
        (Durability::EveryUpdate, true, true),
        (Durability::System, false, false),
        (Durability::System, true, true),
    ] {
        let disk = Memory::new();
        let mut core = Core::new(AUTHOR.into(), Notes::default());
        let mut journal = Journal::open(disk.clone(), &mut core, &config(), level, now()).unwrap();
        core.update(NotesUpdate::Sum(1), now().wall).unwrap();
        journal.write(&mut core).unwrap();
        match closes {
            true => journal.close(&mut core).unwrap(),
            false => drop(journal),
        }
        let mut again = Core::new(READER.into(), Notes::default());
        let journal = Journal::open(disk.clone(), &mut again, &config(), level, now()).unwrap();
        let id: ReplicaId = if keeps { AUTHOR } else { READER }.into();
        assert_eq!(again.id(), id, "{level:?}, closed: {closes}");
        let former = (!keeps).then_some(ReplicaId::from(AUTHOR));
        assert_eq!(journal.recovery().former_id, former);
        // That it was opened is durable: it is not closed any more.
        drop(journal);
        let mut again = Core::new((READER + 1).into(), Notes::default());
        Journal::open(disk.crash(|_| Vec::new()), &mut again, &config(), level, now()).unwrap();
        let id = if level == Durability::EveryUpdate { AUTHOR } else { READER + 1 };
        assert_eq!(again.id(), id.into(), "{level:?}, closed: {closes}, and opened again");
    }
}

#[test]
fn a_journal_of_another_state_is_refused() {
    let (disk, ..) = written(3, 8);
    let refused = open(disk, READER).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Content(_)), "{refused}");
    let cause = refused.source().map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("schema"), "{refused}: {cause}");
}

#[test]
fn compaction_leaves_out_superseded_entries() {
    let disk = Memory::new();
    let (mut core, mut journal) = open(disk.clone(), AUTHOR).unwrap();
    for number in 0..1000 {
        core.update(NotesUpdate::Latest((0, Some(number))), now().wall).unwrap();
        journal.save(&mut core);
    }
    let before = journal.bytes();
    journal.compact_all(&mut core);
    assert!(journal.bytes() < before / 50, "{before} bytes became {}", journal.bytes());
    let (again, _) = open(disk.crash(|_| Vec::new()), READER).unwrap();
    assert_eq!(again.state().unwrap(), core.state().unwrap());
    assert_eq!(again.version(), core.version());
    assert!(again.latest_time() >= core.latest_time());
}

#[test]
fn files_are_for_one_process_at_a_time() {
    let folder = std::env::temp_dir().join(format!("repred-lock-{}", std::process::id()));
    let files = repred::journal::Files::open(&folder).unwrap();
    let second = repred::journal::Files::open(&folder).unwrap_err();
    assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
    drop(files);
    repred::journal::Files::open(&folder).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
