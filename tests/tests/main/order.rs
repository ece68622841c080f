//! Which of two updates was written with knowledge of the other, as replicas that keep everything tell it.

use std::{collections::BTreeMap, time::Duration};

use repred::{
    Counter, Dot, Register, Replica, ReplicaId, VersionVector,
    error::{OrderError, SessionError, Unavailable},
    sans_io::{BackupReader, BackupWriter, Core, SessionConfig},
};
use repred_tests::{Chance, LEFT, Model, Pair, RIGHT, Side, now_at};

/// Replicas that write, meet and part, and what each author had seen.
struct World {
    chance: Chance,
    cores: Vec<Core<Model>>,
    /// What had been seen before each update.
    written: BTreeMap<Dot, VersionVector>,
    since: Duration,
    next_id: u128,
    /// So many of the replicas, the first ones, forget.
    forgetful: usize,
}

/// How often there was what to answer.
#[derive(Debug, Default)]
struct Answers {
    yes: usize,
    no: usize,
    not_recorded: usize,
}

impl World {
    fn new(seed: u64, forgetful: usize) -> Self {
        let mut world = Self {
            chance: Chance::new(seed),
            cores: Vec::new(),
            written: BTreeMap::new(),
            since: Duration::ZERO,
            next_id: 0xa,
            forgetful,
        };
        for at in 0..3 + seed as usize % 2 {
            let core = world.core(at);
            world.cores.push(core);
        }
        world
    }

    /// A new replica.
    fn core(&mut self, at: usize) -> Core<Model> {
        self.next_id += 1;
        let mut core = Core::new((self.next_id - 1).into(), Model::default());
        if at >= self.forgetful {
            core.keep_everything();
        }
        core
    }

    fn config(&mut self) -> SessionConfig {
        let mut config = SessionConfig::for_state::<Model>();
        config.limits.message_bytes = [700, 1500, 8000][self.chance.within(0..3)];
        config
    }

    fn write(&mut self, core: &mut Core<Model>) {
        self.since += Duration::from_micros(self.chance.within(0..4) as u64);
        let wall = now_at(self.since).wall;
        let count = if self.chance.one_in(4) { self.chance.within(2..5) } else { 1 };
        let chance = &mut self.chance;
        let op = |_| core.state().unwrap().op(|n| chance.within(0..n));
        let ops: Vec<_> = (0..count).map(op).collect();
        let mut version = core.version();
        for receipt in core.update_all(ops, wall).unwrap() {
            let Some(stamp) = receipt.stamp() else { continue };
            self.written.insert(stamp.dot, version.clone());
            version.observe(stamp.dot);
        }
    }

    /// By their ids, so that the forgetful ones stay the first.
    fn put_back(&mut self, core: Core<Model>) {
        self.cores.push(core);
        self.cores.sort_by_key(Core::id);
    }

    /// Two replicas talk for a while, and write meanwhile.
    fn meet(&mut self) {
        let one = self.chance.within(0..self.cores.len());
        let left = self.cores.swap_remove(one);
        let other = self.chance.within(0..self.cores.len());
        let right = self.cores.swap_remove(other);
        let (left, right) = self.talk(left, right);
        self.put_back(left);
        self.put_back(right);
    }

    fn talk(&mut self, left: Core<Model>, right: Core<Model>) -> (Core<Model>, Core<Model>) {
        let mut pair = Pair::of([left, right]);
        pair.configs = [self.config(), self.config()];
        pair.pass(self.since);
        pair.connect();
        for _ in 0..self.chance.within(1..40) {
            let side = self.chance.within(0..2);
            match self.chance.within(0..8) {
                0 => self.write(&mut pair.cores[side]),
                1..4 => drop(pair.say(side)),
                _ => drop(pair.hear(side)),
            }
        }
        if self.chance.one_in(2) {
            pair.run_until_quiet();
        }
        let may_be_parted = self.forgetful > 0;
        let is_parted = |error| matches!(error, &SessionError::BothTrimmed { .. });
        assert!(pair.errors.iter().flatten().all(|e| may_be_parted && is_parted(e)), "{pair:?}");
        pair.cores.into()
    }

    /// A replica is lost, and what it had saved goes on under another id.
    fn restore(&mut self) {
        let at = self.chance.within(self.forgetful..self.cores.len());
        let mut restored = self.core(at);
        let (config, now) = (self.config(), now_at(self.since));
        let mut saving = BackupWriter::new(&config, &mut self.cores[at], now).unwrap();
        let mut loading = BackupReader::new(config);
        let mut message = Vec::new();
        while saving.poll_message(&mut self.cores[at], &mut message).unwrap() {
            loading.handle_message(&mut restored, &message, now).unwrap();
            message.clear();
        }
        self.cores.swap_remove(at);
        self.put_back(restored);
    }

    fn step(&mut self) {
        match self.chance.within(0..20) {
            0..8 => {
                let at = self.chance.within(0..self.cores.len());
                let mut core = self.cores.swap_remove(at);
                self.write(&mut core);
                self.put_back(core);
            }
            8..18 => self.meet(),
            18 => self.restore(),
            _ if self.forgetful > 0 && self.chance.one_in(3) => {
                let version = self.cores[0].version();
                self.cores[0].trim(&version).unwrap();
            }
            _ => {}
        }
    }

    /// Compares every two updates on every replica.
    fn check(&self, answers: &mut Answers) {
        for core in &self.cores {
            let version = core.version();
            let dots = self.written.keys().filter(|&&dot| version.contains(dot));
            let dots: Vec<_> = dots.copied().collect();
            for &a in &dots {
                for &b in &dots {
                    let is_before = self.written[&b].contains(a);
                    let is_concurrent = a != b && !is_before && !self.written[&a].contains(b);
                    self.compare(core.is_before(a, b), is_before, (a, b), answers);
                    self.compare(core.is_concurrent(a, b), is_concurrent, (a, b), answers);
                }
            }
        }
    }

    #[track_caller]
    fn compare(
        &self,
        answer: Result<bool, OrderError>,
        expected: bool,
        (a, b): (Dot, Dot),
        answers: &mut Answers,
    ) {
        match answer {
            Ok(answer) => {
                assert_eq!(answer, expected, "{a} and {b}");
                answers.yes += usize::from(answer && a.origin != b.origin);
                answers.no += usize::from(!answer && a.origin != b.origin);
            }
            Err(OrderError::NotRecorded { dot }) => {
                assert!(self.forgetful > 0 && [a, b].contains(&dot), "{dot} is not on record");
                answers.not_recorded += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn run(seeds: std::ops::Range<u64>, forgetful: usize) -> Answers {
    let mut answers = Answers::default();
    for seed in seeds {
        let mut world = World::new(seed, forgetful);
        for step in 0..40 {
            world.step();
            if step % 20 == 19 {
                world.check(&mut answers);
            }
        }
    }
    answers
}

#[test]
fn a_replica_that_keeps_everything_knows_the_order_of_any_two_updates() {
    let answers = run(0..150, 0);
    assert_eq!(answers.not_recorded, 0);
    assert!(answers.yes > 100_000 && answers.no > 100_000, "{answers:?}");
}

#[test]
fn an_order_is_right_or_unknown_where_a_replica_forgets() {
    let answers = run(1000..1150, 1);
    assert!(answers.yes > 100_000 && answers.no > 100_000, "{answers:?}");
    assert!(answers.not_recorded > 100_000, "{answers:?}");
}

fn keeper(id: u128) -> Core<Counter> {
    let mut core = Core::new(id.into(), Counter::default());
    core.keep_everything();
    core
}

fn meet(left: Core<Counter>, right: Core<Counter>) -> [Core<Counter>; 2] {
    let mut pair = Pair::of([left, right]);
    pair.connect();
    pair.run_until_quiet();
    assert_eq!(pair.errors, [None, None]);
    pair.cores
}

fn write(core: &mut Core<Counter>) -> Dot {
    core.update(1, now_at(Duration::ZERO).wall).unwrap().stamp().unwrap().dot
}

#[test]
fn updates_of_one_origin_are_ordered_without_any_record() {
    let mut core = Core::new(0xa.into(), Counter::default());
    let (a, b) = (write(&mut core), write(&mut core));
    assert_eq!((core.is_before(a, b), core.is_before(b, a)), (Ok(true), Ok(false)));
    assert_eq!((core.is_before(a, a), core.is_concurrent(a, a)), (Ok(false), Ok(false)));
    assert_eq!(core.is_concurrent(a, b), Ok(false));
}

#[test]
fn an_unknown_update_is_named_in_the_error() {
    let mut core = keeper(0xa);
    let here = write(&mut core);
    for dot in [Dot::new(0xa.into(), 0), Dot::new(0xa.into(), 2), Dot::new(0xb.into(), 1)] {
        for (a, b) in [(here, dot), (dot, here), (dot, dot)] {
            assert_eq!(core.is_before(a, b), Err(OrderError::NotSeen { dot }));
            assert_eq!(core.is_concurrent(a, b), Err(OrderError::NotSeen { dot }));
        }
    }
}

#[test]
fn a_replica_that_forgets_says_what_to_do() {
    let [mut left, mut right] = [0xa, 0xb].map(|id| Core::new(id.into(), Counter::default()));
    let a = write(&mut left);
    let b = write(&mut right);
    let [left, _] = meet(left, right);
    let error = left.is_before(a, b).unwrap_err();
    assert_eq!(error, OrderError::NotRecorded { dot: b });
    assert!(error.to_string().contains("every replica has to keep everything"), "{error}");
}

#[test]
fn a_snapshot_has_no_order_of_its_updates() {
    let (mut author, mut other) = (keeper(0xa), keeper(0xb));
    let first = write(&mut author);
    [author, other] = meet(author, other);
    let second = write(&mut other);
    let snapshot = other.snapshot().unwrap();
    let mut late = keeper(0xc);
    late.adopt(&snapshot, now_at(Duration::ZERO).wall).unwrap();
    assert_eq!(late.is_before(first, second), Err(OrderError::NotRecorded { dot: second }));

    // Of what comes after it, only what proves that something was seen.
    let own = write(&mut late);
    assert_eq!(late.is_before(second, own), Ok(true));
    assert_eq!(
        late.is_before(own, second),
        Ok(false),
        "it cannot have been seen by what it had seen"
    );
    [author, other] = meet(author, other);
    let third = write(&mut author);
    let fourth = write(&mut author);
    [author, late] = meet(author, late);
    assert_eq!(late.is_before(second, fourth), Ok(true));
    assert_eq!(late.is_concurrent(own, fourth), Err(OrderError::NotRecorded { dot: fourth }));
    assert_eq!(late.is_before(third, fourth), Ok(true));
    assert_eq!(author.is_concurrent(own, fourth), Ok(true));
    drop(other);
}

#[test]
fn an_adopted_snapshot_keeps_the_order_known_before() {
    let (mut author, mut other) = (keeper(0xa), keeper(0xb));
    let first = write(&mut author);
    [author, other] = meet(author, other);
    let second = write(&mut other);
    [author, other] = meet(author, other);
    let own = write(&mut author);
    let apart = write(&mut other);
    let snapshot = other.snapshot().unwrap();
    author.adopt(&snapshot, now_at(Duration::ZERO).wall).unwrap();
    assert_eq!(author.is_before(first, second), Ok(true));
    assert_eq!(author.is_before(second, own), Ok(true));
    assert_eq!(author.is_before(own, apart), Err(OrderError::NotRecorded { dot: apart }));
    let next = write(&mut author);
    assert_eq!(author.is_before(apart, next), Ok(true));
    [author, other] = meet(author, other);
    assert_eq!(other.is_before(apart, next), Ok(true));
    assert_eq!(other.is_concurrent(own, apart), Ok(true));
    drop(author);
}

#[test]
fn updates_rewritten_after_a_discard_have_their_new_order() {
    let (mut mine, mut theirs) = (keeper(0xa), keeper(0xb));
    let first = write(&mut theirs);
    let snapshot = theirs.snapshot().unwrap();
    let own = write(&mut mine);
    [mine, theirs] = meet(mine, theirs);
    let second = write(&mut theirs);
    [mine, theirs] = meet(mine, theirs);
    assert_eq!(mine.is_before(own, second), Ok(true));

    mine.discard_and_adopt(&snapshot, now_at(Duration::ZERO).wall).unwrap();
    assert_eq!(mine.is_before(own, second), Err(OrderError::NotSeen { dot: own }));
    mine.set_id(0xc.into());
    let third = write(&mut mine);
    assert_eq!(mine.is_before(first, third), Ok(true));
    // Here again, both, and what was told of them.
    [mine, theirs] = meet(mine, theirs);
    for core in [&mine, &theirs] {
        assert_eq!(core.is_before(own, second), Ok(true));
        assert_eq!(core.is_concurrent(second, third), Ok(true));
    }
}

#[test]
fn a_loaded_backup_knows_the_saved_order() {
    let keeper = |id: u128| {
        Replica::builder(Register::new(0)).id(ReplicaId::from(id)).keep_everything().build()
    };
    let replicas = [keeper(0xa), keeper(0xb)];
    let write = |at: usize| replicas[at].update(at as i32 + 1).unwrap().stamp().unwrap().dot;
    let send = |from: usize, to: usize| {
        let mut file = Vec::new();
        replicas[from].save(&mut file).unwrap();
        replicas[to].load(&mut &*file).unwrap();
    };
    let (first, apart) = (write(0), write(1));
    send(0, 1);
    let second = write(1);
    send(1, 0);
    let again = keeper(0xc);
    let mut file = Vec::new();
    replicas[0].save(&mut file).unwrap();
    again.load(&mut &*file).unwrap();
    for replica in [&replicas[0], &replicas[1], &again] {
        assert_eq!(replica.is_concurrent(first, apart), Ok(true));
        assert_eq!(replica.is_before(first, second), Ok(true));
        assert_eq!(replica.is_before(second, first), Ok(false));
    }
    let inside = again.read(|_| again.is_before(first, second)).unwrap();
    assert_eq!(inside, Err(OrderError::Unavailable(Unavailable::Reentrant)));
    let inside = again.read(|_| again.is_concurrent(first, second)).unwrap();
    assert_eq!(inside, Err(OrderError::Unavailable(Unavailable::Reentrant)));
}

/// The messages of items by which a replica tells another of two updates, which it has written after one of
/// a third.
fn told(keeps_everything: bool) -> usize {
    let new = |id: u128| {
        let mut core = Core::new(id.into(), Counter::default());
        if keeps_everything {
            core.keep_everything();
        }
        core
    };
    let (mut third, mut left) = (new(0xc), new(0xa));
    write(&mut third);
    [third, left] = meet(third, left);
    let [_, right] = meet(third, new(0xb));
    write(&mut left);
    write(&mut left);
    let mut pair = Pair::of([left, right]);
    pair.connect();
    pair.run_until_quiet();
    pair.assert_converged();
    let is_items = |(side, message): &&(Side, Vec<u8>)| *side == LEFT && message[0] == 2;
    let items = pair.said.iter().filter(is_items).map(|(_, message)| message.len());
    assert_eq!(
        pair.said.iter().filter(|(side, message)| *side == RIGHT && message[0] == 2).count(),
        0
    );
    items.sum()
}

#[test]
fn causes_cost_a_byte_a_run_and_an_origin_and_a_seq_where_new() {
    assert_eq!(told(true), told(false) + 1 + 2);
}
