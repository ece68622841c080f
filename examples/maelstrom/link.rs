//! [`Link`]: a session over messages that may be lost, delayed, reordered or sent twice.
//!
//! A session wants its messages whole, in order and once. So they are numbered; what is not confirmed is
//! sent again, and what comes early or again is dropped (go-back-n). Both ends of a link are in the same
//! *epoch*, which begins with a new session at either: who starts anew, or whose session has failed, begins
//! a later one, and the other follows. What comes from an earlier epoch is nobody's business any more.

use std::{collections::VecDeque, time::Duration};

use repred::{
    Replicated,
    sans_io::{Core, Now, Session, SessionConfig, WriteProgress},
};
use serde::{Deserialize, Serialize};

/// What one node says to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Packet {
    pub(crate) epoch: u64,
    /// The number of the first of the messages.
    pub(crate) first: u64,
    /// How many of the receiver's messages have come.
    pub(crate) ack: u64,
    /// The session's messages, in hexadecimal digits.
    pub(crate) messages: Vec<String>,
}

/// How a link waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long something to say waits for more: it saves packets.
    pub(crate) flush: Duration,
    /// How long a confirmation waits for something to go with.
    pub(crate) ack: Duration,
    /// How long to wait for a confirmation before everything is sent again, until it is known how long
    /// one takes.
    pub(crate) again: Duration,
}

/// What is not confirmed is sent again after twice the time that it takes at best, and then half as often
/// each time, but never more often or less often than this.
const OFTEN: Duration = Duration::from_millis(60);
const SELDOM: Duration = Duration::from_millis(400);

/// One end of a link between two nodes.
#[derive(Debug)]
pub(crate) struct Link {
    pace: Pace,
    epoch: u64,
    session: Session,
    /// What was sent and is not confirmed, or was not sent yet.
    queue: VecDeque<Vec<u8>>,
    /// The number of the first of the queue.
    first: u64,
    /// How many of the queue were sent at least once.
    sent: usize,
    /// How many of the peer's messages have come.
    received: u64,
    /// When what is to be sent, confirmed or sent again is due.
    flush_at: Option<Duration>,
    ack_at: Option<Duration>,
    again_at: Option<Duration>,
    /// When a message was sent first whose confirmation is waited for, and its number.
    timed: Option<(Duration, u64)>,
    /// The shortest time that a confirmation took. Longer ones tell of what was lost as well.
    shortest: Option<Duration>,
    /// How often everything was sent again since the last one came.
    repeats: u32,
}

/// More than this at once makes packets large; the rest comes when it is confirmed.
const WINDOW: usize = 64;

impl Link {
    /// A link that has sent nothing. Its epoch must be later than any before: the time will do.
    pub(crate) fn new<R: Replicated>(pace: Pace, epoch: u64, core: &mut Core<R>, now: Now) -> Self {
        Self {
            pace,
            epoch,
            session: Session::new(config::<R>(), core, now),
            queue: VecDeque::new(),
            first: 0,
            sent: 0,
            received: 0,
            flush_at: None,
            ack_at: None,
            again_at: None,
            timed: None,
            shortest: None,
            repeats: 0,
        }
    }

    /// Takes in a packet. `at` is the time since some beginning.
    pub(crate) fn handle_packet<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        packet: &Packet,
        now: Now,
        at: Duration,
    ) {
        if packet.epoch < self.epoch {
            // The sender does not know the new epoch yet: an ack has it.
            self.ack_at.get_or_insert(at);
            return;
        }
        if packet.epoch > self.epoch {
            self.begin(packet.epoch, core, now);
        }
        self.confirm(packet.ack, at);
        for (number, message) in (packet.first..).zip(&packet.messages) {
            if number == self.received {
                self.received += 1;
                let is_handled = unhex(message).is_some_and(|message| {
                    self.session.handle_message(core, &message, now).is_ok()
                });
                if !is_handled {
                    return self.begin(self.epoch + 1, core, now);
                }
            }
        }
        if !packet.messages.is_empty() {
            self.ack_at.get_or_insert(at + self.pace.ack);
        }
    }

    /// Asks the session what it has to say, and appends a packet if one is due.
    pub(crate) fn poll_packet<R: Replicated>(
        &mut self,
        core: &mut Core<R>,
        now: Now,
        at: Duration,
    ) -> Option<Packet> {
        if self.session.handle_timeout(now).is_err() {
            self.begin(self.epoch + 1, core, now);
        }
        self.fill(core, now);
        if self.sent < self.queue.len().min(WINDOW) {
            self.flush_at.get_or_insert(at + self.pace.flush);
        }
        let is_due = |time: Option<Duration>| time.is_some_and(|time| time <= at);
        let sends_again = is_due(self.again_at);
        if !(is_due(self.flush_at) || is_due(self.ack_at) || sends_again) {
            return None;
        }
        let skip = if sends_again { 0 } else { self.sent };
        let count = self.queue.len().min(WINDOW);
        let messages = self.queue.range(skip..count.max(skip)).map(|message| hex(message));
        let messages: Vec<_> = messages.collect();
        self.repeats = if sends_again { self.repeats + 1 } else { self.repeats };
        if sends_again {
            // An ack would not say which of the two packets it confirms.
            self.timed = None;
        } else if count > self.sent {
            self.timed.get_or_insert((at, self.first + count as u64));
        }
        self.sent = self.sent.max(count);
        (self.flush_at, self.ack_at) = (None, None);
        // What else is sent in the meantime does not delay it.
        if sends_again || self.sent > 0 && self.again_at.is_none() {
            self.again_at = Some(at + self.wait());
        }
        Some(Packet {
            epoch: self.epoch,
            first: self.first + skip as u64,
            ack: self.received,
            messages,
        })
    }

    /// When to ask again, if nothing happens before.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        [self.flush_at, self.ack_at, self.again_at].into_iter().flatten().min()
    }

    /// Moves what the session has to say into the queue.
    fn fill<R: Replicated>(&mut self, core: &mut Core<R>, now: Now) {
        while self.queue.len() < WINDOW {
            let mut message = Vec::new();
            match self.session.poll_message(core, now, &mut message) {
                Ok(true) => {
                    self.session.handle_sent(WriteProgress::Complete, now);
                    self.queue.push_back(message);
                }
                Ok(false) => return,
                Err(_) => return self.begin(self.epoch + 1, core, now),
            }
        }
    }

    fn confirm(&mut self, ack: u64, at: Duration) {
        let count = ack.saturating_sub(self.first).min(self.sent as u64);
        if count > 0 {
            self.queue.drain(..count as usize);
            self.first += count;
            self.sent -= count as usize;
            self.repeats = 0;
            if let Some((sent, _)) = self.timed.take_if(|(_, number)| *number <= ack) {
                let took = at.saturating_sub(sent);
                self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
            }
            self.again_at = (self.sent > 0).then_some(at + self.wait());
        }
    }

    /// How long to wait before everything is sent again.
    fn wait(&self) -> Duration {
        let patience = self.shortest.map_or(self.pace.again, |took| 2 * took + self.pace.ack);
        let patience = patience.max(OFTEN);
        patience.saturating_mul(1 << self.repeats.min(8)).min(patience.max(SELDOM))
    }

    /// A new session, and all that belongs to it.
    fn begin<R: Replicated>(&mut self, epoch: u64, core: &mut Core<R>, now: Now) {
        *self = Self::new(self.pace, epoch, core, now);
    }
}

/// Packets are lost and sent again, so sessions have patience; who is away for long gets a new session.
fn config<R: Replicated>() -> SessionConfig {
    let mut config = SessionConfig::for_state::<R>();
    config.keep_alive = Duration::from_secs(20);
    config.timeout = Duration::from_secs(60);
    config
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| Some(c.to_digit(16)? as u8)).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use repred::{Counter, Time, sans_io::Monotonic, testing::Chance};

    use super::*;

    const PACE: Pace = Pace {
        flush: Duration::from_millis(5),
        ack: Duration::from_millis(20),
        again: Duration::from_millis(300),
    };

    /// Two ends, and a network between them that does what it likes.
    struct Pair {
        at: Duration,
        cores: [Core<Counter>; 2],
        links: [Link; 2],
        /// On their way to each end, with the time of arrival.
        flights: Vec<(Duration, usize, Packet)>,
        chance: Chance,
        packets: usize,
        /// Of a hundred packets: how many are lost, and how many come twice.
        bad: [u64; 2],
    }

    impl Pair {
        fn new(seed: u64, bad: [u64; 2]) -> Self {
            let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
            let mut cores = [1_u128, 2].map(|id| Core::new(id.into(), Counter::default()));
            let links = cores.each_mut().map(|core| Link::new(PACE, 1, core, now));
            let (chance, flights, at) = (Chance::new(seed), Vec::new(), Duration::ZERO);
            Self { at, cores, links, flights, chance, packets: 0, bad }
        }

        fn now(&self) -> Now {
            let wall = Time::from_micros(1_000_000 + self.at.as_micros() as u64);
            Now { wall, monotonic: Monotonic::from_micros(self.at.as_micros() as u64) }
        }

        fn update(&mut self, end: usize) {
            let wall = self.now().wall;
            self.cores[end].update(1, wall).unwrap();
        }

        /// A millisecond goes by.
        fn tick(&mut self) {
            self.at += Duration::from_millis(1);
            let now = self.now();
            for end in 0..2 {
                if let Some(packet) =
                    self.links[end].poll_packet(&mut self.cores[end], now, self.at)
                {
                    self.packets += 1;
                    let copies = if self.chance.percent(self.bad[1]) { 2 } else { 1 };
                    for _ in 0..copies {
                        let delay = Duration::from_millis(self.chance.within(1..40));
                        if !self.chance.percent(self.bad[0]) {
                            self.flights.push((self.at + delay, 1 - end, packet.clone()));
                        }
                    }
                }
            }
            let at = self.at;
            let (here, rest) =
                std::mem::take(&mut self.flights).into_iter().partition(|flight| flight.0 <= at);
            self.flights = rest;
            let here: Vec<(Duration, usize, Packet)> = here;
            for (_, end, packet) in here {
                self.links[end].handle_packet(&mut self.cores[end], &packet, now, at);
            }
        }

        #[track_caller]
        fn assert_converges(&mut self) {
            for _ in 0..20_000 {
                self.tick();
                if self.cores[0].version() == self.cores[1].version() {
                    let [a, b] = self.cores.each_ref().map(|core| core.state().unwrap().value());
                    return assert_eq!(a, b);
                }
            }
            panic!("they do not come to the same: {:?}", self.links);
        }
    }

    #[test]
    fn two_ends_converge_over_a_network_that_loses_reorders_and_repeats() {
        for seed in 0..200 {
            let mut pair = Pair::new(seed, [20, 20]);
            for step in 0..300 {
                if step % 10 == 0 {
                    pair.update(step / 10 % 2);
                }
                pair.tick();
            }
            pair.assert_converges();
            assert_eq!(pair.cores[0].state().unwrap().value(), 30, "seed {seed}");
        }
    }

    #[test]
    fn an_end_that_restarts_makes_the_other_restart() {
        for seed in 0..100 {
            let mut pair = Pair::new(seed, [10, 10]);
            for step in 0..400 {
                if step % 20 == 0 {
                    pair.update(step / 20 % 2);
                }
                if step == 200 {
                    // A new process with what the old one had, at a later time.
                    let now = pair.now();
                    pair.links[0] = Link::new(PACE, 1000, &mut pair.cores[0], now);
                }
                pair.tick();
            }
            pair.assert_converges();
        }
    }

    #[test]
    fn updates_written_in_a_partition_arrive_soon_after_it_heals() {
        for seed in 0..400 {
            let mut pair = Pair::new(seed, [100, 0]);
            let mut converged = 0;
            for step in 0..6000 {
                match step {
                    100..3000 => pair.bad = [100, 0],
                    _ => pair.bad = [10, 0],
                }
                if step < 3000 && step % 20 == 0 {
                    pair.update(step / 20 % 2);
                }
                pair.tick();
                if step >= 3000 && pair.cores[0].version() == pair.cores[1].version() {
                    converged = step - 3000;
                    break;
                }
            }
            println!("{converged}");
            assert!(
                (1..2000).contains(&converged),
                "seed {seed}: {converged} ms, {:?}",
                pair.links
            );
        }
    }

    #[test]
    fn garbage_begins_a_new_epoch_and_changes_no_state() {
        let mut pair = Pair::new(1, [0, 0]);
        (0..200).for_each(|_| pair.tick());
        let (now, at) = (pair.now(), pair.at);
        let first = pair.links[0].received;
        for message in ["zz", "0", "ffff"] {
            let epoch = pair.links[0].epoch;
            let messages = vec![message.to_owned()];
            let first = if epoch == 1 { first } else { 0 };
            let packet = Packet { epoch, first, ack: 0, messages };
            pair.links[0].handle_packet(&mut pair.cores[0], &packet, now, at);
            assert_eq!(pair.links[0].epoch, epoch + 1);
        }
        pair.update(1);
        pair.assert_converges();
    }

    #[test]
    fn an_idle_link_sends_nothing() {
        let mut pair = Pair::new(1, [0, 0]);
        pair.update(0);
        (0..2000).for_each(|_| pair.tick());
        let packets = pair.packets;
        (0..5000).for_each(|_| pair.tick());
        assert_eq!(pair.packets, packets);
    }
}
