//! [`Pair`]: two cores and the conversation between them, one message at a time.

use std::time::Duration;

use repred::{
    Receipt, ReplicaId, Replicated, Time,
    error::SessionError,
    sans_io::{Core, Monotonic, Now, SessionConfig},
};

use crate::link::{LEFT, Link, RIGHT, Side};

/// More messages than any test takes.
const STEPS: usize = 100_000;

/// The time so long after some beginning, which is in 2023.
pub fn now_at(since: Duration) -> Now {
    Now {
        wall: Time::from_micros(1_700_000_000_000_000) + since,
        monotonic: Monotonic::from_micros(since.as_micros() as u64),
    }
}

/// Two cores, perhaps in conversation.
#[derive(Debug)]
pub struct Pair<R: Replicated> {
    /// The two copies.
    pub cores: [Core<R>; 2],
    /// The conversation, if there is one.
    pub link: Option<Link>,
    /// What was said so far in this conversation, and by whom.
    pub said: Vec<(Side, Vec<u8>)>,
    /// What went wrong, on each side.
    pub errors: [Option<SessionError>; 2],
    /// How each session is configured.
    pub configs: [SessionConfig; 2],
    since: Duration,
}

impl<R: Replicated> Pair<R> {
    /// Replicas `a` and `b`, each with the state that `state` makes.
    pub fn new(state: impl Fn() -> R) -> Self {
        Self::of([Core::new(0xa.into(), state()), Core::new(0xb.into(), state())])
    }

    /// These two.
    pub fn of(cores: [Core<R>; 2]) -> Self {
        Self {
            cores,
            link: None,
            said: Vec::new(),
            errors: [None, None],
            configs: [SessionConfig::for_state::<R>(), SessionConfig::for_state::<R>()],
            since: Duration::ZERO,
        }
    }

    /// The time now.
    pub fn now(&self) -> Now {
        now_at(self.since)
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        self.since += time;
    }

    /// Writes an update on one side.
    #[track_caller]
    pub fn update(&mut self, side: Side, update: R::Update) -> Receipt<R::Changes> {
        self.pass(Duration::from_micros(7));
        let wall = self.now().wall;
        let receipt = self.cores[side].update(update, wall);
        receipt.expect("the replica takes updates")
    }

    /// Begins a conversation.
    pub fn connect(&mut self) {
        self.disconnect();
        self.said.clear();
        self.errors = [None, None];
        let now = self.now();
        let [a, b] = &mut self.cores;
        self.link = Some(Link::new(self.configs.clone(), [a, b], now));
    }

    /// Cuts the conversation; what is on its way is lost.
    pub fn disconnect(&mut self) {
        self.link = None;
    }

    /// Lets one side say its next message.
    pub fn say(&mut self, side: Side) -> bool {
        let now = self.now();
        let Some(link) = &mut self.link else { return false };
        match link.say(side, &mut self.cores[side], now) {
            Ok(Some(message)) => self.said.push((side, message.to_vec())),
            Ok(None) => return false,
            Err(error) => drop(self.errors[side].get_or_insert(error)),
        }
        true
    }

    /// Lets one side hear its next message.
    pub fn hear(&mut self, side: Side) -> bool {
        let now = self.now();
        let Some(link) = &mut self.link else { return false };
        match link.hear(side, &mut self.cores[side], now) {
            Ok(heard) => return heard,
            Err(error) => drop(self.errors[side].get_or_insert(error)),
        }
        true
    }

    /// Lets one side hear a message, whoever said it.
    pub fn hear_this(&mut self, side: Side, message: &[u8]) {
        let now = self.now();
        if let Some(link) = &mut self.link {
            let heard = link.sessions[side].handle_message(&mut self.cores[side], message, now);
            if let Err(error) = heard {
                self.errors[side].get_or_insert(error);
            }
        }
    }

    /// One message is heard, or if there is none to hear, both say all they have to say.
    pub fn step(&mut self) -> bool {
        if self.hear(LEFT) || self.hear(RIGHT) {
            return true;
        }
        let mut said = false;
        for side in [LEFT, RIGHT] {
            // A limit, so that neither side can talk for ever.
            for _ in 0..STEPS {
                if !self.say(side) {
                    break;
                }
                said = true;
            }
        }
        said
    }

    /// Goes on until neither has anything to say.
    #[track_caller]
    pub fn run_until_quiet(&mut self) {
        for _ in 0..STEPS {
            if !self.step() {
                return;
            }
        }
        panic!("the conversation does not come to an end");
    }

    /// Fails unless both have seen the same and hold the same state.
    #[track_caller]
    pub fn assert_converged(&self) {
        let [a, b] = &self.cores;
        assert_eq!(self.errors, [None, None]);
        assert_eq!(a.version(), b.version());
        assert_eq!(a.state_digest(), b.state_digest());
    }

    /// The id of one side.
    pub fn id(&self, side: Side) -> ReplicaId {
        self.cores[side].id()
    }
}
