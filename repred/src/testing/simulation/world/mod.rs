//! [`World`]: one run.

mod writing;
mod links;
mod messages;
mod nodes;
mod healing;
mod order;
mod strangers;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::{
    Broken, Plan,
    faults::{Faults, Lies, Mix, Trims},
    ledger::Ledger,
    link::Link,
    node::Node,
    trace::Trace,
};
use crate::{
    id::ReplicaId,
    stamp::Dot,
    testing::Chance,
    time::{Monotonic, Now, Time},
};

/// A step of a world, at one of its replicas.
type Action<W> = fn(&mut W, usize) -> Result<(), Broken>;

/// Replicas, links, what is on its way, and what goes wrong.
pub(crate) struct World<'p> {
    plan: &'p Plan,
    chance: Chance,
    mix: Mix,
    /// Whether some messages are forged.
    has_forgers: bool,
    ledger: Arc<Mutex<Ledger>>,
    nodes: Vec<Node>,
    links: Vec<Link>,
    /// Replicas of this set do not receive from those outside; if true, nor do those outside receive from them.
    partition: Option<(u64, bool)>,
    /// Microseconds since the run began.
    tick: u64,
    next_id: u128,
    /// First dots and lengths of edits.
    edits: Vec<(Dot, u64)>,
    /// The seq up to which each author was told that its updates are durable.
    acknowledged: BTreeMap<ReplicaId, u64>,
    /// A message that a liar sends later.
    kept_back: Option<Vec<u8>>,
    /// Trimming may have parted some for good.
    is_parted: bool,
    pub(crate) counts: Counts,
    pub(crate) trace: Trace,
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) faults: Faults,
    pub(crate) updates: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) parted: u64,
    /// A hash of all messages.
    pub(crate) fingerprint: u64,
}

/// Where the wall clock of all begins.
const EPOCH: u64 = 1_000_000_000_000;

impl<'p> World<'p> {
    pub(crate) fn new(plan: &'p Plan, mut chance: Chance, trace: Trace) -> Result<Self, Broken> {
        let count = chance.within(plan.replicas.clone()) as usize;
        let mut mix = Mix::draw(count, &mut chance);
        if plan.keeps_everything {
            mix.trims = Trims::Never;
        }
        let has_forgers = mix.liar.is_some_and(|(_, lies)| lies == Lies::Forges);
        // Only a run that failed has to be explained, and only if states can be compared as they print.
        let is_explained = trace.is_recording() && plan.equal.is_none();
        let ledger = Ledger::new(has_forgers, is_explained);
        let ledger = Arc::new(Mutex::new(ledger));
        let mut world = Self {
            plan,
            chance,
            mix,
            has_forgers,
            ledger,
            nodes: Vec::new(),
            links: Vec::new(),
            partition: None,
            tick: 0,
            next_id: 0xa,
            edits: Vec::new(),
            acknowledged: BTreeMap::new(),
            kept_back: None,
            is_parted: false,
            counts: Counts::default(),
            trace,
        };
        for _ in 0..count {
            let (id, now) = (world.new_id(), world.now(0));
            let core = plan.core(id, &world.ledger);
            world.nodes.push(Node::new(core, world.mix.durability, &plan.config, now)?);
        }
        world.trace.begin(count);
        Ok(world)
    }

    fn new_id(&mut self) -> ReplicaId {
        self.next_id += 1;
        ReplicaId::from(self.next_id - 1)
    }

    /// An id for a replica that restarts, which no flipped bit of another id makes.
    fn strange_id(&mut self) -> ReplicaId {
        let id = u128::from(self.new_id());
        // Odd, so that no two are the same.
        ReplicaId::from(id.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
    }

    fn now(&self, skew: i64) -> Now {
        let wall = (EPOCH + self.tick).saturating_add_signed(skew);
        Now { wall: Time::from_micros(wall), monotonic: Monotonic::from_micros(self.tick) }
    }

    fn now_of(&self, node: usize) -> Now {
        let Node { skew, drift, .. } = self.nodes[node];
        self.now(skew + drift * (self.tick / 1_000_000) as i64)
    }

    /// Takes decisions from another source from now on.
    pub(crate) fn decide_by(&mut self, chance: Chance) {
        self.chance = chance;
    }

    /// Returns the decisions since the last call.
    pub(crate) fn decided(&mut self) -> Vec<u64> {
        let made = self.chance.made().iter().map(|decision| decision.value).collect();
        self.chance.forget();
        made
    }

    /// One random step of the run.
    pub(crate) fn step(&mut self) -> Result<(), Broken> {
        self.tick += self.chance.pick(&[1, 0, 50, 1000]);
        let weights = self.mix.weights;
        let at = self.chance.below(self.nodes.len() as u64) as usize;
        let actions: [(u64, Action<Self>); 15] = [
            (weights.exchange, Self::exchange),
            (weights.write, Self::write),
            (weights.edit, Self::edit),
            (weights.connect, Self::connect_any),
            (weights.cut, Self::cut_any),
            (weights.partition, Self::part),
            (weights.heal, Self::unite),
            (weights.crash, Self::crash),
            (weights.restart, Self::restart),
            (weights.skew, Self::skew),
            (weights.trim, Self::trim),
            (weights.sync, Self::sync),
            (weights.wait, Self::wait),
            (weights.displace, Self::displace),
            (weights.stranger, Self::call),
        ];
        let sum = actions.iter().map(|(weight, _)| weight).sum();
        let mut left = self.chance.below(sum);
        for (weight, action) in actions {
            if left < weight {
                action(self, at)?;
                break;
            }
            left -= weight;
        }
        self.check_ledger()?;
        if self.chance.below(64) == 63 { self.check(at) } else { Ok(()) }
    }
}

impl Counts {
    fn note(&mut self, message: &[u8]) {
        self.fingerprint = message.iter().fold(self.fingerprint, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    }
}
