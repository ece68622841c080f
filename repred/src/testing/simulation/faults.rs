//! [`Faults`]: the faults of a run, counted.

use std::fmt;

use crate::testing::Chance;

/// How often each kind of fault occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// Links cut.
    pub cuts: u64,
    /// Messages lost with a link that was cut.
    pub lost: u64,
    /// Messages that were delayed. Not counted as faults.
    pub delays: u64,
    /// Partitions: some replicas could not reach others, in one direction or both.
    pub partitions: u64,
    /// Replicas that crashed.
    pub crashes: u64,
    /// Crashes after which the log was torn: its end was missing.
    pub torn: u64,
    /// Folders that were renamed while they were open, and put back later, or replaced by a copy.
    pub displaced: u64,
    /// Clocks set to another time.
    pub skews: u64,
    /// Histories trimmed.
    pub trims: u64,
    /// Messages that a liar repeated, changed or swapped.
    pub lies: u64,
    /// Programs of other types, or with another start, that called on a replica under its schema.
    pub strangers: u64,
}

impl Faults {
    /// Returns the number of all faults. Delays do not count.
    ///
    /// ```
    /// use repred::{Counter, testing::Simulation};
    ///
    /// let faults = Simulation::of(Counter::default).runs(10).run().unwrap().faults;
    /// assert!(faults.total() > faults.cuts);
    /// ```
    pub fn total(&self) -> u64 {
        let Self {
            cuts,
            lost,
            delays: _,
            partitions,
            crashes,
            torn,
            displaced,
            skews,
            trims,
            lies,
            strangers,
        } = self;
        cuts + lost + partitions + crashes + torn + displaced + skews + trims + lies + strangers
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.lost += other.lost;
        self.delays += other.delays;
        self.partitions += other.partitions;
        self.crashes += other.crashes;
        self.torn += other.torn;
        self.displaced += other.displaced;
        self.skews += other.skews;
        self.trims += other.trims;
        self.lies += other.lies;
        self.strangers += other.strangers;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cuts,
            lost,
            delays,
            partitions,
            crashes,
            torn,
            displaced,
            skews,
            trims,
            lies,
            strangers,
        } = self;
        write!(
            f,
            "{} faults ({cuts} cuts, {lost} messages lost, {partitions} partitions, {crashes} crashes, {torn} \
             torn logs, {displaced} folders displaced, {skews} clocks set, {trims} trims, {lies} lies, {strangers} strangers) and {delays} \
             delays",
            self.total()
        )
    }
}

/// A year, in microseconds.
const YEAR: u64 = 365 * 24 * 3_600_000_000;

/// When an update is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Before any peer receives it. A replica keeps its id over a crash.
    Strict,
    /// At some later time. After a crash a replica takes a new id.
    Weak,
}

/// What is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trims {
    Never,
    /// Only what all replicas have on their disks.
    Stable,
    /// Whatever one has seen: then some can no longer come together.
    Forced,
}

/// How a liar lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lies {
    /// It sends messages again and again, other than items. No replica is to notice.
    Repeats,
    /// It forges: truncates messages, swaps and repeats them, flips bits in them, and sends different messages to
    /// different peers. Only signatures would prevent that; yet no replica may panic, hang, or take two
    /// different states for the same.
    Forges,
}

/// Which faults occur in one run, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Mix {
    pub(crate) durability: Durability,
    pub(crate) trims: Trims,
    /// Bytes of messages and blocks, small enough that both matter.
    pub(crate) message_bytes: usize,
    pub(crate) block_bytes: usize,
    /// Messages wait up to so many microseconds.
    pub(crate) delay: u64,
    /// Clocks are set up to so many microseconds off, and then run fast or slow. Up to the limit of what is taken at
    /// once, or somewhat beyond it, updates come late; those that are a year ahead come at the end.
    pub(crate) skew: u64,
    /// A replica that lies, if there is one, and how.
    pub(crate) liar: Option<(usize, Lies)>,
    pub(crate) weights: Weights,
}

/// How often each thing happens, compared with the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    pub(crate) write: u64,
    pub(crate) edit: u64,
    pub(crate) connect: u64,
    pub(crate) cut: u64,
    pub(crate) partition: u64,
    pub(crate) heal: u64,
    pub(crate) crash: u64,
    pub(crate) restart: u64,
    pub(crate) skew: u64,
    pub(crate) trim: u64,
    pub(crate) sync: u64,
    pub(crate) wait: u64,
    pub(crate) stranger: u64,
    pub(crate) exchange: u64,
    pub(crate) displace: u64,
}

impl Mix {
    pub(crate) fn draw(replicas: usize, chance: &mut Chance) -> Self {
        let mut often = |rare: u64, frequent: u64| *chance.pick(&[rare, frequent, 0]);
        let weights = Weights {
            write: 14,
            edit: often(3, 8),
            connect: 12,
            cut: often(3, 12),
            partition: often(2, 6),
            heal: 5,
            crash: often(2, 7),
            restart: 10,
            skew: often(2, 6),
            trim: often(2, 6),
            sync: often(2, 6),
            wait: often(2, 1),
            stranger: often(1, 3),
            exchange: 50,
            displace: often(1, 4),
        };
        Self {
            durability: *chance.pick(&[Durability::Strict, Durability::Weak]),
            trims: *chance.pick(&[Trims::Never, Trims::Stable, Trims::Stable, Trims::Forced]),
            message_bytes: *chance.pick(&[1 << 16, 4000, 600]),
            block_bytes: *chance.pick(&[1 << 20, 20_000, 2000]),
            delay: *chance.pick(&[0, 1000, 50_000]),
            skew: *chance.pick(&[0, 1_000_000, 120_000_000, 400_000_000, YEAR]),
            liar: chance.percent(20).then(|| {
                let lies = *chance.pick(&[Lies::Repeats, Lies::Forges]);
                (chance.below(replicas as u64) as usize, lies)
            }),
            weights,
        }
    }
}
