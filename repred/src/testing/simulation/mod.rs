//! [`Simulation`]: replicas in a network in which everything goes wrong.

mod faults;
mod guarantee;
mod ledger;
mod audited;
mod node;
mod link;
mod trace;
mod world;
mod failure;

use std::{
    env, fmt, fs,
    marker::PhantomData,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use self::{
    audited::Audited,
    failure::shrink,
    guarantee::Broken,
    ledger::Ledger,
    trace::Trace,
    world::{Counts, World},
};
pub use self::{failure::SimulationFailure, faults::Faults, guarantee::Guarantee};
use super::{
    Chance,
    erased::{Erased, ErasedUpdate},
    laws::{name_of, quietly},
};
use crate::{core::Core, id::ReplicaId, reduce::Replicated, session::SessionConfig};

/// A test of a reducer, and of everything below it, in a network in which everything goes wrong.
///
/// Each run draws two to five replicas and its own mix of faults from its seed: links that are cut with
/// messages on their way, delays, partitions in one direction or both, clocks that jump, crashes with
/// and without the end of the log, trimmed histories, a peer that lies. Then everything heals, and all
/// must have seen the same and hold the same state, which must be the fold of all updates; nothing
/// acknowledged may be lost, nothing invented, nothing reduced twice or before its cause.
///
/// Time is virtual and all chance comes from the seed, so a run is always the same. Nothing waits: some
/// hundred runs take a second.
///
/// ```
/// use repred::{Counter, testing::Simulation};
///
/// Simulation::of(Counter::default).runs(10).check();
/// ```
#[must_use = "nothing runs before `check` or `run`"]
pub struct Simulation<R: Replicated> {
    plan: Plan,
    seeds: Range<u64>,
    svg: Option<PathBuf>,
    reducer: PhantomData<fn() -> R>,
}

/// What all runs have in common.
pub(crate) struct Plan {
    /// What to call the reducer.
    name: String,
    /// How its replicas talk: the schema is that of its type.
    config: SessionConfig,
    make: Box<dyn Fn() -> Erased + Send + Sync>,
    updates: Box<MakeUpdate>,
    equal: Option<Box<Equal>>,
    replicas: Range<u64>,
    steps: usize,
    keeps_everything: bool,
}

type MakeUpdate = dyn Fn(&Erased, &mut Chance) -> Option<ErasedUpdate> + Send + Sync;

type Equal = dyn Fn(&Erased, &Erased) -> bool + Send + Sync;

impl<R: Replicated> Simulation<R> {
    /// A simulation of what `make` makes: the state with which every replica begins.
    pub fn of(make: impl Fn() -> R + Send + Sync + 'static) -> Self {
        let plan = Plan {
            name: name_of::<R>(),
            config: SessionConfig::for_state::<R>(),
            make: Box::new(move || Erased::new(make())),
            updates: Box::new(|_, chance| chance.sample().map(ErasedUpdate::new::<R>)),
            equal: None,
            replicas: 2..6,
            steps: 400,
            keeps_everything: false,
        };
        Self { plan, seeds: 0..50, svg: None, reducer: PhantomData }
    }

    /// Makes updates as an author does who sees this state; otherwise they are made up, as
    /// [`Chance::sample`] does.
    pub fn update_with(
        mut self,
        update: impl Fn(&R, &mut Chance) -> R::Update + Send + Sync + 'static,
    ) -> Self {
        self.plan.updates = Box::new(move |state, chance| {
            Some(ErasedUpdate::new::<R>(update(state.get(), chance)))
        });
        self
    }

    /// States are equal if this says so, instead of if their encodings are.
    pub fn equal(mut self, equal: impl Fn(&R, &R) -> bool + Send + Sync + 'static) -> Self {
        self.plan.equal = Some(Box::new(move |one, other| equal(one.get(), other.get())));
        self
    }

    /// How many replicas there are. Default 2 to 5.
    ///
    /// # Panics
    ///
    /// If there are fewer than two, or more than forty.
    pub fn replicas(mut self, count: Range<u64>) -> Self {
        assert!(count.start > 1 && count.end <= 41 && !count.is_empty(), "{count:?} replicas");
        self.plan.replicas = count;
        self
    }

    /// How many things happen in a run, before everything heals. Default 400, of which some 50 are faults.
    pub fn steps(mut self, count: usize) -> Self {
        self.plan.steps = count;
        self
    }

    /// Every replica [keeps everything](crate::sans_io::Core::keep_everything), so that none trims its history, and
    /// what they tell of the order of updates is checked too. Default: what is superseded is forgotten.
    ///
    /// ```
    /// use repred::{Register, testing::Simulation};
    ///
    /// Simulation::of(|| Register::new(0)).keep_everything().runs(10).check();
    /// ```
    pub fn keep_everything(mut self) -> Self {
        self.plan.keeps_everything = true;
        self
    }

    /// How many runs there are, with seeds from 0. Default 50.
    pub fn runs(mut self, count: u64) -> Self {
        self.seeds = 0..count;
        self
    }

    /// Which seeds are run. The environment variable `REPRED_SEEDS`, such as `5..9`, takes precedence.
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// Writes a picture to this file if a run fails.
    pub fn draw(mut self, svg: impl Into<PathBuf>) -> Self {
        self.svg = Some(svg.into());
        self
    }

    /// Runs all, and prints what has happened.
    ///
    /// # Panics
    ///
    /// If a run fails, with a report.
    #[track_caller]
    pub fn check(self) {
        match self.run() {
            Ok(report) => println!("{report}"),
            Err(failure) => panic!("\n{failure}"),
        }
    }

    /// Runs all, on all cores.
    ///
    /// # Errors
    ///
    /// The run with the lowest seed that failed, made small.
    ///
    /// # Panics
    ///
    /// If `REPRED_SEEDS` is set, and not like `0..100`.
    pub fn run(self) -> Result<SimulationReport, Box<SimulationFailure>> {
        let seeds = env::var("REPRED_SEEDS").ok().map_or(self.seeds.clone(), |text| {
            parse(&text).unwrap_or_else(|| panic!("REPRED_SEEDS is like 0..100, not `{text}`"))
        });
        let next = AtomicU64::new(seeds.start);
        let (report, failed) = (Mutex::new(SimulationReport::default()), Mutex::new(None));
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let work = || {
            let mut own = SimulationReport::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    break;
                }
                match self.plan.run(seed) {
                    Ok(counts) => own.take(&counts),
                    Err(_) => {
                        // No other begins; those that are running may have a lower seed.
                        next.store(seeds.end, Ordering::Relaxed);
                        let mut failed = failed.lock().expect("nobody panics here");
                        let lowest = failed.get_or_insert(seed);
                        *lowest = seed.min(*lowest);
                    }
                }
            }
            report.lock().expect("nobody panics here").add(&own);
        };
        thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        match failed.into_inner().expect("nobody panics here") {
            None => Ok(report.into_inner().expect("nobody panics here")),
            Some(seed) => Err(Box::new(self.tell(seed))),
        }
    }

    /// Runs the failed run again, smaller and smaller, and tells of it.
    fn tell(&self, seed: u64) -> SimulationFailure {
        let failure = shrink(&self.plan, seed);
        match &self.svg {
            None => failure,
            Some(path) => match fs::write(path, failure.svg()) {
                Ok(()) => failure.and(&format!("A picture of it is in {}.", path.display())),
                Err(error) => failure
                    .and(&format!("No picture: {} cannot be written: {error}", path.display())),
            },
        }
    }
}

impl Plan {
    /// One run.
    fn run(&self, seed: u64) -> Result<Counts, Broken> {
        guarded(|| {
            let mut world = World::new(self, Chance::new(seed), Trace::default())?;
            for _ in 0..self.steps {
                world.step()?;
                drop(world.decided());
            }
            world.heal()?;
            Ok(world.counts)
        })
    }

    /// A replica that has seen nothing.
    fn core(&self, id: ReplicaId, ledger: &Arc<Mutex<Ledger>>) -> Core<Audited> {
        let mut core = Core::new(id, Audited::new((self.make)(), ledger));
        if self.keeps_everything {
            core.keep_everything();
        }
        core
    }

    fn is_same(&self, one: &Erased, other: &Erased) -> bool {
        if let Some(equal) = &self.equal {
            return equal(one, other);
        }
        let [one, other] = [one, other].map(|state| {
            let mut bytes = Vec::new();
            state.write_state(&mut bytes).map(|()| bytes)
        });
        one.is_ok() && one == other
    }
}

/// A panic, of the reducer or of anything below it, fails the run.
fn guarded<T>(run: impl FnOnce() -> Result<T, Broken>) -> Result<T, Broken> {
    quietly(run)
        .unwrap_or_else(|panic| Err(Broken::new(Guarantee::Total, format!("panic: {panic}"))))
}

fn parse(text: &str) -> Option<Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

/// What has happened in all runs together. Its `Display` says it in a few lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulationReport {
    /// How many runs there were.
    pub runs: u64,
    /// What went wrong in them.
    pub faults: Faults,
    /// Updates that were written.
    pub updates: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Runs in which trimming had parted some for good, so that not all could come to have everything.
    pub parted: u64,
    /// A number that is another if anything else was said in any run.
    pub fingerprint: u64,
}

impl SimulationReport {
    fn take(&mut self, counts: &Counts) {
        self.runs += 1;
        self.faults.add(&counts.faults);
        self.updates += counts.updates;
        self.messages += counts.messages;
        self.bytes += counts.bytes;
        self.parted += counts.parted;
        self.fingerprint = self.fingerprint.wrapping_add(counts.fingerprint);
    }

    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.faults.add(&other.faults);
        self.updates += other.updates;
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.parted += other.parted;
        self.fingerprint = self.fingerprint.wrapping_add(other.fingerprint);
    }
}

impl fmt::Display for SimulationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, faults, updates, messages, bytes, parted, .. } = self;
        write!(
            f,
            "{runs} runs, {parted} of them parted by trimming: {updates} updates in {messages} messages of \
             {bytes} bytes, {faults}"
        )
    }
}

impl<R: Replicated> fmt::Debug for Simulation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("seeds", &self.seeds)
            .field("steps", &self.plan.steps)
            .finish_non_exhaustive()
    }
}
