//! What a replica does when the other side errs or lies: a typed error, what was good is kept, all else
//! is as before, and its other conversations go on.

mod blocks;
mod entries;
mod format;
mod mutations;
mod newer;
mod openings;
mod port;
mod shapes;
mod silence;
mod snapshots;
mod streams;

use std::{
    collections::BTreeMap,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    AsyncRead, AsyncWriteExt,
    executor::block_on,
    future::{Either, pending, select},
};
use repred::{
    Counter, Dot, GrowSet, Pipe, Replica, Schema, Time, VersionVector,
    error::{AdoptError, ConnectionError, OrderError, ReceiveError, SessionError},
    pipe,
    sans_io::{ClockDifference, Core, Now, Reason, Role, Session, SessionConfig, WriteProgress},
};
use repred_tests::{
    Chance, Driven, Ending, LEFT, Network, Pair, RIGHT, now_at,
    wire::{self, Items, Open, Origin},
};

const VICTIM: u128 = 0xa;
const FRIEND: u128 = 0xf;
const FOE: u128 = 0xe;

/// A replica with a friend, with whom it converses all the time, and a foe.
struct Victim {
    core: Core<Counter>,
    friend: Core<Counter>,
    to_friend: Session,
    to_victim: Session,
    to_foe: Session,
    now: Now,
}

fn wall() -> u64 {
    now_at(Duration::ZERO).wall.as_ticks()
}

fn schema() -> Schema {
    SessionConfig::for_state::<Counter>().schema
}

fn open() -> Vec<u8> {
    Open::new(FOE, wall(), &schema()).encode()
}

fn version(seqs: &[(u128, u64)]) -> VersionVector {
    seqs.iter().map(|&(id, seq)| (id.into(), seq)).collect()
}

impl Victim {
    /// It has seen 100 from itself and 20 from its friend.
    fn new() -> Self {
        Self::configured(|_| {})
    }

    fn configured(configure: impl FnOnce(&mut SessionConfig)) -> Self {
        let now = now_at(Duration::ZERO);
        let mut core = Core::new(VICTIM.into(), Counter::default());
        let mut friend = Core::new(FRIEND.into(), Counter::default());
        let config = SessionConfig::for_state::<Counter>();
        let to_friend = Session::new(config.clone(), &mut core, now);
        let to_victim = Session::new(config.clone(), &mut friend, now);
        core.update(100, now.wall).unwrap();
        friend.update(20, now.wall).unwrap();
        let mut hostile_config = config;
        configure(&mut hostile_config);
        let to_foe = Session::new(hostile_config.clone(), &mut core, now);
        let mut victim = Self { core, friend, to_friend, to_victim, to_foe, now };
        victim.talk_to_friend();
        victim.to_foe = Session::new(hostile_config, &mut victim.core, now);
        victim
    }

    /// After the opening and the digest of a foe that has seen nothing.
    fn met(mut self) -> Self {
        self.hears(&open()).unwrap();
        self.hears(&wire::digest(&[], &[])).unwrap();
        self
    }

    fn hears(&mut self, message: &[u8]) -> Result<(), SessionError> {
        self.to_foe.handle_message(&mut self.core, message, self.now)
    }

    /// Lets time pass, without a word of the foe's.
    fn passes(&mut self, time: Duration) {
        self.now.wall = self.now.wall + time;
        self.now.monotonic = self.now.monotonic.checked_add(time).unwrap();
        self.says();
    }

    /// What the foe is told.
    fn says(&mut self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        loop {
            let mut message = Vec::new();
            match self.to_foe.poll_message(&mut self.core, self.now, &mut message) {
                Ok(true) => messages.push(message),
                _ => return messages,
            }
        }
    }

    fn talk_to_friend(&mut self) {
        for _ in 0..1000 {
            let mut message = Vec::new();
            let (core, friend, now) = (&mut self.core, &mut self.friend, self.now);
            if self.to_friend.poll_message(core, now, &mut message).unwrap() {
                self.to_victim.handle_message(friend, &message, now).unwrap();
            } else if self.to_victim.poll_message(friend, now, &mut message).unwrap() {
                self.to_friend.handle_message(core, &message, now).unwrap();
            } else {
                return;
            }
        }
        panic!("the conversation with the friend does not come to an end");
    }

    /// Fails unless the foe has left no trace but this of what it said, and was told the reason.
    #[track_caller]
    fn assert_kept(&mut self, seen: &[(u128, u64)], sum: i128, reason: Reason) {
        let told = self.says().pop();
        assert_eq!(told, Some(wire::bye(reason)), "what the foe is told");
        assert!(self.to_foe.is_closed());
        let before = [&[(VICTIM, 1), (FRIEND, 1)], seen].concat();
        assert_eq!(self.core.version(), version(&before));
        assert_eq!(self.core.state().unwrap().value(), 120 + sum);
        // Others notice nothing.
        self.friend.update(3, self.now.wall).unwrap();
        self.core.update(1000, self.now.wall).unwrap();
        self.talk_to_friend();
        assert_eq!(self.core.state().unwrap().value(), 1123 + sum);
        assert_eq!(self.friend.state().unwrap().value(), 1123 + sum);
        assert_eq!(self.friend.version(), self.core.version());
    }

    #[track_caller]
    fn assert_unhurt(&mut self, reason: Reason) {
        self.assert_kept(&[], 0, reason);
    }
}

/// Entries of the foe, counted from its first, worth 1, 2, 3, ..
fn entries(count: usize) -> Vec<(u64, Vec<u8>)> {
    (0..count).map(|i| (wall() + i as u64, wire::signed(i as i64 + 1))).collect()
}

fn borrowed(entries: &[(u64, Vec<u8>)]) -> Vec<(u64, &[u8])> {
    entries.iter().map(|(time, payload)| (*time, &**payload)).collect()
}

const ONE: &[u8] = &[2];
