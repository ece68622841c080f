//! [`Simulation`]: replicas in a simulated network with faults.

mod faults;
mod guarantee;
mod ledger;
mod audited;
mod node;
mod stranger;
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

/// A deterministic simulation of replicas in a network with faults; it tests a reducer and everything below it.
///
/// Each run draws two to five replicas and its own mix of faults from its seed: links that are cut with
/// messages in flight, delays, partitions in one direction or both, clocks that jump, crashes with
/// and without a torn log, folders that are renamed while they are open or replaced by a copy, trimmed histories, a peer that lies,
/// programs of other types under the same schema. Then all faults end. Every replica must
/// have seen the same updates and hold the same state, which must be the fold of all updates. No acknowledged
/// update may be lost, none invented, none reduced twice or before its causes.
///
/// Time is virtual and every random decision comes from the seed, so a run can be repeated exactly. No thread
/// sleeps: some hundred runs take a second.
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
    /// A simulation of the reducer that `make` returns, in the state with which every replica begins.
    ///
    /// ```
    /// use repred::{GrowSet, testing::Simulation};
    ///
    /// Simulation::of(GrowSet::<u8>::default).runs(10).check();
    /// ```
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

    /// Makes updates with a closure, which gets the state that the author of the update sees. Without one, the
    /// simulation makes them up with [`Chance::sample`].
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// Simulation::of(Counter::default)
    ///     .update_with(|sum, chance| if sum.value() > 0 && chance.percent(30) { -1 } else { 1 })
    ///     .runs(10)
    ///     .check();
    /// ```
    pub fn update_with(
        mut self,
        update: impl Fn(&R, &mut Chance) -> R::Update + Send + Sync + 'static,
    ) -> Self {
        self.plan.updates = Box::new(move |state, chance| {
            Some(ErasedUpdate::new::<R>(update(state.get(), chance)))
        });
        self
    }

    /// Compares states with a closure instead of by their encodings.
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// Simulation::of(Counter::default).equal(|one, other| one.value() == other.value()).runs(10).check();
    /// ```
    pub fn equal(mut self, equal: impl Fn(&R, &R) -> bool + Send + Sync + 'static) -> Self {
        self.plan.equal = Some(Box::new(move |one, other| equal(one.get(), other.get())));
        self
    }

    /// Sets how many replicas a run has: a number of this range. Default `2..6`.
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// Simulation::of(Counter::default).replicas(3..4).runs(10).check();
    /// ```
    ///
    /// # Panics
    ///
    /// If there are fewer than two, or more than forty.
    pub fn replicas(mut self, count: Range<u64>) -> Self {
        assert!(count.start > 1 && count.end <= 41 && !count.is_empty(), "{count:?} replicas");
        self.plan.replicas = count;
        self
    }

    /// Sets how many steps a run has before all faults end. Default 400, of which some 50 are faults.
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// Simulation::of(Counter::default).steps(1000).runs(10).check();
    /// ```
    pub fn steps(mut self, count: usize) -> Self {
        self.plan.steps = count;
        self
    }

    /// Makes every replica [keep everything](crate::sans_io::Core::keep_everything). None trims its history then, and
    /// the order of updates that each reports is checked too. By default replicas forget superseded updates.
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

    /// Sets how many runs there are, with the seeds from 0 on. Default 50.
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// assert_eq!(Simulation::of(Counter::default).runs(10).run().unwrap().runs, 10);
    /// ```
    pub fn runs(mut self, count: u64) -> Self {
        self.seeds = 0..count;
        self
    }

    /// Sets the seeds of the runs. The environment variable `REPRED_SEEDS`, such as `5..9`, takes precedence.
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// let run = || Simulation::of(Counter::default).seeds(7..8).run().unwrap();
    /// assert_eq!(run().fingerprint, run().fingerprint);
    /// ```
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        self.seeds = seeds;
        self
    }

    /// Writes a picture of the failed run, as SVG, to this file if a run fails.
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// let path = std::env::temp_dir().join("run.svg");
    /// Simulation::of(Counter::default).draw(&path).runs(10).check();
    /// assert!(!path.exists(), "no run has failed");
    /// ```
    pub fn draw(mut self, svg: impl Into<PathBuf>) -> Self {
        self.svg = Some(svg.into());
        self
    }

    /// Runs all seeds, and prints a summary.
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// Simulation::of(Counter::default).runs(10).check();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics with a report if a run fails.
    #[track_caller]
    pub fn check(self) {
        match self.run() {
            Ok(report) => println!("{report}"),
            Err(failure) => panic!("\n{failure}"),
        }
    }

    /// Runs all seeds, on all cores of the machine, and returns a summary.
    ///
    /// ```
    /// use repred::{reducer, testing::{Guarantee, Simulation}};
    ///
    /// // The last to arrive wins, which is another one on each replica.
    /// let title = || reducer(0, |title: &mut u8, new| std::mem::replace(title, new) != new);
    /// let failure = Simulation::of(title).run().unwrap_err();
    /// assert!([Guarantee::Fold, Guarantee::Converges].contains(&failure.guarantee()));
    /// ```
    ///
    /// # Errors
    ///
    /// The failed run of the lowest seed, shrunk to few steps.
    ///
    /// # Panics
    ///
    /// Panics if `REPRED_SEEDS` is set to anything but a range such as `0..100`.
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

    /// Shrinks the failed run, and reports it.
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

/// Runs a closure of which a panic, of the reducer or of anything below it, fails the run.
fn guarded<T>(run: impl FnOnce() -> Result<T, Broken>) -> Result<T, Broken> {
    quietly(run)
        .unwrap_or_else(|panic| Err(Broken::new(Guarantee::Total, format!("panic: {panic}"))))
}

fn parse(text: &str) -> Option<Range<u64>> {
    let (from, to) = text.split_once("..")?;
    Some(from.parse().ok()?..to.parse().ok()?)
}

/// A summary of all runs. Its `Display` is a few lines.
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
    /// Runs in which trimming had made it impossible that all replicas get every update.
    pub parted: u64,
    /// A hash of all messages of all runs, by which two simulations can be compared.
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
