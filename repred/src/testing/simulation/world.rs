//! [`World`]: one run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    Broken, Guarantee, Plan,
    audited::lock,
    faults::{Faults, Folds, Lies, Mix},
    ledger::Ledger,
    link::{Flight, Link},
    node::{Node, seq},
    story::Story,
};
use crate::{
    encoding,
    id::ReplicaId,
    reduce::Replicated,
    session::{Direction, Now, SessionConfig, SessionError},
    stamp::Dot,
    testing::Chance,
    time::Time,
    version::VersionVector,
};

/// What may happen to a world, at one of its replicas.
type Action<W> = fn(&mut W, usize) -> Result<(), Broken>;

/// Replicas, links, what is on its way, and what goes wrong.
pub(crate) struct World<'p, R: Replicated> {
    plan: &'p Plan<R>,
    chance: Chance,
    mix: Mix,
    /// Some of what is said is not so.
    has_forgers: bool,
    ledger: Arc<Mutex<Ledger>>,
    nodes: Vec<Node<R>>,
    links: Vec<Link>,
    /// Who cannot hear whom: those in the first set not those outside, and the other way round too.
    partition: Option<(u64, bool)>,
    /// Microseconds since the run began.
    tick: u64,
    start: Instant,
    next_id: u128,
    /// First dots and lengths of edits.
    edits: Vec<(Dot, u64)>,
    /// What each author was told to be safe.
    acknowledged: BTreeMap<ReplicaId, u64>,
    /// A message that a liar says later.
    kept_back: Option<Vec<u8>>,
    /// Folding may have parted some for good.
    is_parted: bool,
    pub(crate) counts: Counts,
    pub(crate) story: Story,
}

/// What a run has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) faults: Faults,
    pub(crate) updates: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) parted: u64,
    /// What was said, as a number.
    pub(crate) fingerprint: u64,
}

/// Where the wall clock of all begins.
const EPOCH: u64 = 1_000_000_000_000;

/// More moves than any healing takes.
const MOVES: usize = 400_000;

impl<'p, R: Replicated> World<'p, R> {
    pub(crate) fn new(plan: &'p Plan<R>, mut chance: Chance, story: Story) -> Result<Self, Broken> {
        let count = chance.within(plan.replicas.clone()) as usize;
        let mix = Mix::draw(count, &mut chance);
        let has_forgers = mix.liar.is_some_and(|(_, lies)| lies == Lies::Forges);
        let ledger = Ledger::new(has_forgers);
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
            start: plan.start,
            next_id: 0xa,
            edits: Vec::new(),
            acknowledged: BTreeMap::new(),
            kept_back: None,
            is_parted: false,
            counts: Counts::default(),
            story,
        };
        for _ in 0..count {
            let (id, now) = (world.new_id(), world.now(0));
            let node = Node::new(id, (plan.make)(), &world.ledger, now);
            world.nodes.push(node.map_err(Broken::session)?);
        }
        Ok(world)
    }

    fn new_id(&mut self) -> ReplicaId {
        self.next_id += 1;
        ReplicaId::from(self.next_id - 1)
    }

    fn now(&self, skew: i64) -> Now {
        let wall = (EPOCH + self.tick).saturating_add_signed(skew);
        Now {
            wall: Time::from_micros(wall),
            instant: self.start + Duration::from_micros(self.tick),
        }
    }

    fn now_of(&self, node: usize) -> Now {
        self.now(self.nodes[node].skew)
    }

    /// Makes decisions by these from now on.
    pub(crate) fn decide_by(&mut self, chance: Chance) {
        self.chance = chance;
    }

    /// What was decided since the last time this was asked.
    pub(crate) fn decided(&mut self) -> Vec<u64> {
        let made = self.chance.made().iter().map(|decision| decision.value).collect();
        self.chance.forget();
        made
    }

    // ---- one step ----

    /// Something happens.
    pub(crate) fn step(&mut self) -> Result<(), Broken> {
        self.tick += self.chance.pick(&[1, 0, 50, 1000]);
        let weights = self.mix.weights;
        let at = self.chance.below(self.nodes.len() as u64) as usize;
        let actions: [(u64, Action<Self>); 13] = [
            (weights.talk, Self::talk),
            (weights.write, Self::write),
            (weights.edit, Self::edit),
            (weights.connect, Self::connect_any),
            (weights.cut, Self::cut_any),
            (weights.partition, Self::part),
            (weights.heal, Self::unite),
            (weights.crash, Self::crash),
            (weights.restart, Self::restart),
            (weights.skew, Self::skew),
            (weights.fold, Self::fold),
            (weights.sync, Self::sync),
            (weights.wait, Self::wait),
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

    fn write(&mut self, at: usize) -> Result<(), Broken> {
        self.write_some(at, 1)
    }

    fn edit(&mut self, at: usize) -> Result<(), Broken> {
        let count = self.chance.within(2..5);
        self.write_some(at, count)
    }

    fn write_some(&mut self, at: usize, count: u64) -> Result<(), Broken> {
        let wall = self.now_of(at).wall;
        let version = self.nodes[at].version();
        let Self { plan, nodes, chance, ledger, .. } = self;
        let node = &mut nodes[at];
        let Some(core) = &mut node.core else { return Ok(()) };
        let state =
            core.state().map_err(|_| Broken::new(Guarantee::Total, "reduce has panicked"))?;
        let life = state.life;
        chance.has_seen(lock(ledger).recent(life));
        let updates: Vec<_> =
            (0..count).filter_map(|_| (plan.updates)(&state.inner, chance)).collect();
        lock(ledger).begin_writing();
        if core.needs_new_id() && self.has_forgers {
            // Somebody made up an update of ours.
            core.set_id(ReplicaId::from(self.next_id));
            (node.id, self.next_id) = (core.id(), self.next_id + 1);
        }
        let receipts = core.update_all(updates, wall).map_err(|error| {
            Broken::new(Guarantee::Identity, format!("{:?} cannot write: {error}", node.id))
        })?;
        let stamps: Vec<_> = receipts.iter().filter_map(|receipt| receipt.stamp()).collect();
        lock(ledger).end_writing(life, &stamps, &version);
        let Some(first) = stamps.first() else { return Ok(()) };
        node.is_dirty = true;
        self.counts.updates += stamps.len() as u64;
        if stamps.len() > 1 {
            self.edits.push((first.dot, stamps.len() as u64));
        }
        self.story.event(at, || format!("{:?}", stamps[stamps.len() - 1].dot));
        self.story.tell(|| {
            let dots: Vec<_> = stamps.iter().map(|stamp| format!("{stamp:?}")).collect();
            format!("{} writes {}", name(at), dots.join(", "))
        });
        Ok(())
    }

    // ---- links ----

    fn config(&mut self) -> SessionConfig {
        let mut config = SessionConfig::for_state::<R>();
        config.limits.message_bytes = self.mix.message_bytes;
        config.limits.block_bytes = self.mix.block_bytes;
        config.check_divergence = self.chance.percent(50).then_some(Duration::ZERO);
        config.direction = match self.chance.below(10) {
            8 => Direction::ReceiveOnly,
            9 => Direction::SendOnly,
            _ => Direction::Both,
        };
        config
    }

    fn connect_any(&mut self, at: usize) -> Result<(), Broken> {
        let count = self.nodes.len();
        let other = (at + 1 + self.chance.below(count as u64 - 1) as usize) % count;
        let is_linked =
            self.links.iter().any(|link| link.end_of(at).is_some() && link.end_of(other).is_some());
        if !is_linked {
            let configs = [self.config(), self.config()];
            self.connect([at, other], configs);
        }
        Ok(())
    }

    fn connect(&mut self, ends: [usize; 2], configs: [SessionConfig; 2]) {
        let now = ends.map(|end| self.now_of(end));
        let Ok([one, other]) = self.nodes.get_disjoint_mut(ends) else { return };
        let (Some(one), Some(other)) = (&mut one.core, &mut other.core) else { return };
        let link = Link::new(ends, configs, [one, other], now);
        self.links.push(link);
        self.block();
        self.story.tell(|| format!("{} and {} connect", name(ends[0]), name(ends[1])));
    }

    fn cut_any(&mut self, _at: usize) -> Result<(), Broken> {
        if !self.links.is_empty() {
            let link = self.chance.below(self.links.len() as u64) as usize;
            self.cut(link);
        }
        Ok(())
    }

    fn cut(&mut self, link: usize) {
        let link = self.remove(link);
        self.counts.faults.cuts += 1;
        self.counts.faults.lost += link.in_flight();
        let ends = link.ends.map(name);
        self.story.tell(|| {
            format!("{} and {} are cut, {} messages lost", ends[0], ends[1], link.in_flight())
        });
    }

    /// Takes a link away; what one end was told that the other has is not forgotten.
    fn remove(&mut self, link: usize) -> Link {
        let link = self.links.swap_remove(link);
        for end in 0..2 {
            let Some(core) = &self.nodes[link.ends[end]].core else { continue };
            let origins = core.entries().seqs();
            let claims: Vec<_> = origins.map(|(id, _)| (id, link.claimed(end, core, id))).collect();
            self.nodes[link.ends[1 - end]].promise(&claims);
        }
        link
    }

    fn part(&mut self, at: usize) -> Result<(), Broken> {
        let all = (1 << self.nodes.len()) - 1;
        let group = match self.chance.below(2) {
            0 => 1 << at,
            _ => self.chance.within(1..all),
        };
        self.partition = Some((group, self.chance.percent(50)));
        self.counts.faults.partitions += 1;
        self.story.tell(|| format!("a partition: {group:b}"));
        self.block();
        Ok(())
    }

    fn unite(&mut self, _at: usize) -> Result<(), Broken> {
        self.partition = None;
        self.block();
        Ok(())
    }

    /// Says of all links who cannot be heard.
    fn block(&mut self) {
        let partition = self.partition;
        for link in &mut self.links {
            link.is_blocked = [false; 2];
            let Some((group, is_one_way)) = partition else { continue };
            let is_in = link.ends.map(|end| group >> end & 1 == 1);
            for end in 0..2 {
                // What goes into the group does not arrive; what comes out of it only one way.
                let is_into = is_in[end] && !is_in[1 - end];
                let is_out = !is_in[end] && is_in[1 - end];
                link.is_blocked[end] = is_into || is_out && !is_one_way;
            }
        }
    }

    /// Some messages move on one link.
    fn talk(&mut self, _at: usize) -> Result<(), Broken> {
        if self.links.is_empty() {
            return Ok(());
        }
        let link = self.chance.below(self.links.len() as u64) as usize;
        for _ in 0..=self.chance.below(4) {
            let end = self.chance.below(2) as usize;
            if !self.say(link, end)? || !self.hear(link, 1 - end)? {
                break;
            }
        }
        Ok(())
    }

    /// One end says its next message, if it has one. False if that was the end of the link.
    fn say(&mut self, link: usize, end: usize) -> Result<bool, Broken> {
        let at = self.links[link].ends[end];
        if self.mix.durability.is_strict() {
            self.put_on_disk(at)?;
        }
        let now = self.now_of(at);
        let Some(core) = &mut self.nodes[at].core else { return Ok(true) };
        let message = match self.links[link].poll(end, core, now) {
            Ok(None) => return Ok(true),
            Ok(Some(message)) => message,
            Err(error) => return self.over(link, &error).map(|()| false),
        };
        self.counts.messages += 1;
        self.counts.bytes += message.len() as u64;
        self.counts.note(&message);
        for message in self.lie(at, message) {
            self.send(link, end, message);
        }
        Ok(true)
    }

    fn send(&mut self, link: usize, end: usize, message: Vec<u8>) {
        let delay = if self.mix.delay == 0 { 0 } else { self.chance.below(self.mix.delay) };
        self.counts.faults.delays += u64::from(delay > 0);
        let flight = &mut self.links[link].flights[1 - end];
        let last = flight.back().map_or(0, |last| last.due);
        flight.push_back(Flight { due: last.max(self.tick + delay), message });
    }

    /// What a liar makes of a message.
    fn lie(&mut self, at: usize, mut message: Vec<u8>) -> Vec<Vec<u8>> {
        let Some((_, lies)) = self.mix.liar.filter(|(liar, _)| *liar == at) else {
            return vec![message];
        };
        if !self.chance.percent(10) {
            return vec![message];
        }
        self.counts.faults.lies += 1;
        let place = self.chance.below(message.len() as u64 + 1) as usize;
        let told = match (lies, self.chance.below(4)) {
            (Lies::Repeats, times) => vec![message; 2 + 4 * times as usize],
            (Lies::Forges, 0) => {
                message.truncate(place);
                vec![message]
            }
            (Lies::Forges, 1) => match self.kept_back.replace(message) {
                Some(before) => vec![before],
                None => Vec::new(),
            },
            (Lies::Forges, _) => {
                if let Some(byte) = message.get_mut(place) {
                    *byte ^= 1 << self.chance.below(8);
                }
                vec![message]
            }
        };
        self.story.tell(|| format!("{} lies: {} messages instead of one", name(at), told.len()));
        told
    }

    /// One end hears the next message that has arrived. False if that was the end of the link.
    fn hear(&mut self, link: usize, end: usize) -> Result<bool, Broken> {
        let Link { flights, is_blocked, ends, .. } = &mut self.links[link];
        let (at, from) = (ends[end], ends[1 - end]);
        let Some(flight) = flights[end].front().filter(|_| !is_blocked[end]) else {
            return Ok(true);
        };
        if flight.due > self.tick {
            if self.chance.percent(50) {
                return Ok(true);
            }
            self.tick = flight.due;
        }
        let message = flights[end].pop_front().map(|flight| flight.message).unwrap_or_default();
        let now = self.now_of(at);
        let node = &mut self.nodes[at];
        let Some(core) = &mut node.core else { return Ok(true) };
        let before = (core.entries().end(), core.entries().era(), core.known_again());
        let heard = self.links[link].sessions[end].handle_message(core, &message, now);
        let has_known_again = core.known_again() > before.2;
        if (core.entries().end(), core.entries().era()) != (before.0, before.1) {
            node.is_dirty = true;
            self.story.arrow(from, at);
        }
        // Of two, neither has anything that the other lacks from anybody else. But after a snapshot was
        // adopted, what had been sent just before is sent again.
        let is_between_two = self.nodes.len() == 2 && !self.may_part() && self.mix.liar.is_none();
        if has_known_again && is_between_two {
            let story = format!("{} hears again what it knew", name(at));
            return Err(Broken::new(Guarantee::NoEcho, story));
        }
        match heard {
            Ok(()) => Ok(true),
            Err(error) => self.over(link, &error).map(|()| false),
        }
    }

    /// A session has failed: that must be for a reason.
    fn over(&mut self, link: usize, error: &SessionError) -> Result<(), Broken> {
        let ends = self.remove(link).ends;
        self.story.tell(|| format!("{} and {} part: {error}", name(ends[0]), name(ends[1])));
        let is_lied_to = self.mix.liar.is_some_and(|(liar, _)| ends.contains(&liar));
        let may = match error {
            // What was forged spreads.
            _ if self.has_forgers => true,
            SessionError::BothFolded { .. } | SessionError::Adopt(_) => {
                self.is_parted |= self.may_part();
                self.may_part()
            }
            SessionError::ClockDrift { .. } => self.mix.skew > 0,
            SessionError::Receive(crate::core::ReceiveError::TooFarAhead { .. }) => {
                self.mix.skew > 0
            }
            SessionError::Diverged { .. } => {
                return Err(Broken::new(Guarantee::Converges, error.to_string()));
            }
            SessionError::Silent { .. } | SessionError::Peer(_) => true,
            SessionError::TooLargeForPeer { .. }
            | SessionError::BlockTooLarge { .. }
            | SessionError::MessageTooLarge { .. } => {
                self.mix.message_bytes < 1 << 20 || is_lied_to
            }
            _ => is_lied_to,
        };
        if may {
            return Ok(());
        }
        let story = format!("{} and {}: {error}", name(ends[0]), name(ends[1]));
        Err(Broken::new(Guarantee::Sessions, story))
    }

    /// Whether two may have folded what the other has not seen. A block that is too large goes as a
    /// snapshot, and a log of a folded history begins with one: folds that nobody else has agreed to.
    fn may_part(&self) -> bool {
        self.mix.folds != Folds::Never || self.mix.block_bytes < 1 << 20
    }

    // ---- what goes wrong with a replica ----

    fn crash(&mut self, at: usize) -> Result<(), Broken> {
        if self.nodes[at].core.is_none() {
            return Ok(());
        }
        while let Some(link) = self.links.iter().position(|link| link.end_of(at).is_some()) {
            self.cut(link);
        }
        let Self { nodes, chance, .. } = self;
        let keep = |unsynced: usize| chance.below(unsynced as u64 + 1) as usize;
        let is_torn = nodes[at].crash(keep).map_err(Broken::session)?;
        self.counts.faults.crashes += 1;
        self.counts.faults.torn += u64::from(is_torn);
        self.story.event(at, || "crash".into());
        self.story.tell(|| format!("{} crashes", name(at)));
        Ok(())
    }

    fn restart(&mut self, at: usize) -> Result<(), Broken> {
        if self.nodes[at].core.is_some() {
            return Ok(());
        }
        let is_strict = self.mix.durability.is_strict();
        let id = if is_strict { self.nodes[at].id } else { self.new_id() };
        let now = self.now_of(at);
        let state = (self.plan.make)();
        self.nodes[at].restart(id, state, &self.ledger, now).map_err(Broken::session)?;
        self.story.event(at, || "restart".into());
        self.story.tell(|| format!("{} is back, as {id:?}", name(at)));
        if is_strict { self.resume(at) } else { Ok(()) }
    }

    /// Who keeps its id will write again what nobody has heard of.
    fn resume(&mut self, at: usize) -> Result<(), Broken> {
        if !self.has_forgers {
            self.check_restart(at)?;
        }
        let node = &self.nodes[at];
        let own = seq(&node.version(), node.id);
        lock(&self.ledger).forget_beyond(node.id, own);
        self.edits.retain(|(first, count)| first.origin != node.id || first.seq + count - 1 <= own);
        Ok(())
    }

    /// Who keeps its id must have kept all that anybody has heard of.
    fn check_restart(&self, at: usize) -> Result<(), Broken> {
        let node = &self.nodes[at];
        let version = node.version();
        let own = seq(&version, node.id);
        let lost = node.promised.iter().find(|(id, claimed)| *claimed > seq(&version, *id));
        if let Some((id, claimed)) = lost {
            let story = format!("{} had confirmed {id:?}.{claimed}, and lost it", name(at));
            return Err(Broken::new(Guarantee::NothingLost, story));
        }
        if self.acknowledged.get(&node.id).is_some_and(|seq| *seq > own) {
            let story = format!("{} has lost what its author was told to be safe", name(at));
            return Err(Broken::new(Guarantee::NothingLost, story));
        }
        let knows = |other: &Node<R>| seq(&other.version(), node.id) > own;
        if let Some(other) = self.nodes.iter().position(knows) {
            let story = format!("{} has lost what {} has heard of", name(at), name(other));
            return Err(Broken::new(Guarantee::Identity, story));
        }
        Ok(())
    }

    fn skew(&mut self, at: usize) -> Result<(), Broken> {
        if self.mix.skew > 0 {
            let skew = self.chance.below(2 * self.mix.skew) as i64 - self.mix.skew as i64;
            self.nodes[at].skew = skew;
            self.counts.faults.skews += 1;
            self.story.tell(|| format!("{}'s clock is {skew} µs ahead", name(at)));
        }
        Ok(())
    }

    fn fold(&mut self, at: usize) -> Result<(), Broken> {
        let Some(core) = &self.nodes[at].core else { return Ok(()) };
        let floor: VersionVector = match self.mix.folds {
            Folds::Never => return Ok(()),
            Folds::Forced => core.version(),
            Folds::Stable => {
                let least = |id| self.nodes.iter().map(|node| seq(&node.durable, id)).min();
                core.entries()
                    .seqs()
                    .map(|(id, own)| (id, least(id).unwrap_or(0).min(own)))
                    .collect()
            }
        };
        let Some(core) = &mut self.nodes[at].core else { return Ok(()) };
        core.fold(&floor).map_err(|error| Broken::new(Guarantee::Sessions, error.to_string()))?;
        self.counts.faults.folds += 1;
        self.story.tell(|| format!("{} folds {floor}", name(at)));
        Ok(())
    }

    fn sync(&mut self, at: usize) -> Result<(), Broken> {
        self.put_on_disk(at)
    }

    fn put_on_disk(&mut self, at: usize) -> Result<(), Broken> {
        let node = &mut self.nodes[at];
        if node.sync().map_err(Broken::session)? {
            // Its own updates are safe now, and their author is told.
            self.acknowledged.insert(node.id, seq(&node.durable, node.id));
        }
        Ok(())
    }

    /// Nothing happens for a while, and who has waited too long gives up.
    fn wait(&mut self, _at: usize) -> Result<(), Broken> {
        self.tick += self.chance.pick(&[1_000_000, 6_000_000, 30_000_000]);
        for link in (0..self.links.len()).rev() {
            for end in 0..2 {
                let now = self.now_of(self.links[link].ends[end]);
                if let Err(error) = self.links[link].sessions[end].handle_timeout(now) {
                    self.over(link, &error)?;
                    break;
                }
            }
        }
        Ok(())
    }

    // ---- the end, and what must hold ----

    /// Nothing goes wrong any more: everybody comes to have everything.
    pub(crate) fn heal(&mut self) -> Result<(), Broken> {
        self.links.clear();
        self.partition = None;
        // Whatever was written ahead of time has come.
        self.tick += 2 * self.mix.skew + 3_600_000_000;
        self.mix.liar = None;
        self.mix.delay = 0;
        for at in 0..self.nodes.len() {
            self.nodes[at].skew = 0;
            self.restart(at)?;
        }
        for at in 1..self.nodes.len() {
            let mut config = SessionConfig::for_state::<R>();
            config.check_divergence = Some(Duration::ZERO);
            self.connect([at - 1, at], [config.clone(), config]);
        }
        self.come_to_rest()?;
        for at in 0..self.nodes.len() {
            self.put_on_disk(at)?;
            self.check(at)?;
        }
        self.check_ledger()?;
        if self.has_forgers {
            return self.check_alarm();
        }
        if self.is_parted {
            self.counts.parted += 1;
            return Ok(());
        }
        self.check_end()
    }

    /// Two that have seen the same and still talk hold the same state: otherwise they had been warned.
    fn check_alarm(&self) -> Result<(), Broken> {
        for link in &self.links {
            let [one, other] = link.ends.map(|end| &self.nodes[end]);
            let (Some(one), Some(other)) = (&one.core, &other.core) else { continue };
            let is_same_version =
                sorted(one.entries().seqs().collect()) == sorted(other.entries().seqs().collect());
            if is_same_version && one.state_digest() != other.state_digest() {
                let ends = link.ends.map(name);
                let story = format!("{} and {} differ, and do not know", ends[0], ends[1]);
                return Err(Broken::new(Guarantee::Converges, story));
            }
        }
        Ok(())
    }

    fn come_to_rest(&mut self) -> Result<(), Broken> {
        for _ in 0..MOVES {
            let before = self.counts.messages;
            for link in (0..self.links.len()).rev() {
                for end in 0..2 {
                    if link < self.links.len() && self.say(link, end)? {
                        while link < self.links.len()
                            && !self.links[link].flights[1 - end].is_empty()
                        {
                            self.hear(link, 1 - end)?;
                        }
                    }
                }
            }
            if self.counts.messages == before && self.links.iter().all(Link::is_empty) {
                return Ok(());
            }
        }
        Err(Broken::new(Guarantee::Ends, "they go on talking for ever"))
    }

    fn check_end(&self) -> Result<(), Broken> {
        let versions: Vec<_> = self.nodes.iter().map(|node| sorted(node.version())).collect();
        if let Some(at) = versions.iter().position(|version| *version != versions[0]) {
            let story =
                format!("{} has {:?}, {} has {:?}", name(0), versions[0], name(at), versions[at]);
            return Err(Broken::new(Guarantee::Converges, story));
        }
        for (id, acknowledged) in &self.acknowledged {
            if seq(&versions[0], *id) < *acknowledged {
                let story = format!("{id:?}.{acknowledged} was said to be safe, and is gone");
                return Err(Broken::new(Guarantee::NothingLost, story));
            }
        }
        Ok(())
    }

    fn check_ledger(&self) -> Result<(), Broken> {
        let broken = lock(&self.ledger).broken.take();
        broken.map_or(Ok(()), |(guarantee, story)| Err(Broken::new(guarantee, story)))
    }

    /// A state is the fold of its version, which has all causes in it and splits no edit.
    fn check(&mut self, at: usize) -> Result<(), Broken> {
        if self.has_forgers {
            return Ok(());
        }
        let version = self.nodes[at].version();
        let Some(core) = &self.nodes[at].core else { return Ok(()) };
        let ledger = lock(&self.ledger);
        if !ledger.is_closed(&version) {
            let story = format!("{} has seen {version:?}, and not all its causes", name(at));
            return Err(Broken::new(Guarantee::Causal, story));
        }
        for (first, count) in &self.edits {
            let seen = seq(&version, first.origin);
            if seen >= first.seq && seen < first.seq + count - 1 {
                let story = format!("{} has seen a part of the edit at {first:?}", name(at));
                return Err(Broken::new(Guarantee::Atomic, story));
            }
        }
        let mut fold = (self.plan.make)();
        for (stamp, payload) in ledger.within(&version) {
            if let Ok(update) = encoding::decode(payload) {
                fold.reduce(update, stamp);
            }
        }
        let state =
            core.state().map_err(|_| Broken::new(Guarantee::Total, "reduce has panicked"))?;
        if self.plan.is_same(&state.inner, &fold) {
            return Ok(());
        }
        let [there, should] = [&state.inner, &fold].map(super::show);
        let story = format!("{} at {version:?}: {there}, and should be {should}", name(at));
        Err(Broken::new(Guarantee::Fold, story))
    }
}

impl Counts {
    fn note(&mut self, message: &[u8]) {
        self.fingerprint = message.iter().fold(self.fingerprint, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    }
}

/// What to call a replica, whatever its id is just now.
pub(crate) fn name(node: usize) -> String {
    format!("#{node}")
}

fn sorted(mut version: Vec<(ReplicaId, u64)>) -> Vec<(ReplicaId, u64)> {
    version.retain(|(_, seq)| *seq > 0);
    version.sort_unstable();
    version
}
