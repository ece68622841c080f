//! [`Pair`]: two cores and the conversation between them, one message at a time.

use std::{collections::VecDeque, time::Duration};

use repred::{
    Receipt, ReplicaId, Replicated, Time,
    error::SessionError,
    sans_io::{Core, Monotonic, Now, Sending, Session, SessionConfig},
};

/// More messages than any test takes.
const STEPS: usize = 100_000;

/// One of the two.
pub type Side = usize;
/// The first of the two.
pub const LEFT: Side = 0;
/// The second of the two.
pub const RIGHT: Side = 1;

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
    /// The conversation, from each side.
    pub sessions: Option<[Session; 2]>,
    /// What is on its way to each side.
    pub queues: [VecDeque<Vec<u8>>; 2],
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
            sessions: None,
            queues: Default::default(),
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
        let [config_a, config_b] = self.configs.clone();
        self.sessions = Some([Session::new(config_a, a, now), Session::new(config_b, b, now)]);
    }

    /// Cuts the conversation; what is on its way is lost.
    pub fn disconnect(&mut self) {
        self.sessions = None;
        self.queues = Default::default();
    }

    /// Lets one side say its next message.
    pub fn say(&mut self, side: Side) -> bool {
        let now = self.now();
        let Some(sessions) = &mut self.sessions else {
            return false;
        };
        let mut message = Vec::new();
        match sessions[side].poll_message(&mut self.cores[side], now, &mut message) {
            Ok(true) => {
                sessions[side].handle_sent(Sending::Done, now);
                self.said.push((side, message.clone()));
                self.queues[1 - side].push_back(message);
                true
            }
            Ok(false) => false,
            Err(error) => {
                self.errors[side].get_or_insert(error);
                true
            }
        }
    }

    /// Lets one side hear its next message.
    pub fn hear(&mut self, side: Side) -> bool {
        let Some(message) = self.queues[side].pop_front() else {
            return false;
        };
        self.hear_this(side, &message);
        true
    }

    /// Lets one side hear a message, whoever said it.
    pub fn hear_this(&mut self, side: Side, message: &[u8]) {
        let now = self.now();
        if let Some(sessions) = &mut self.sessions {
            let heard = sessions[side].handle_message(&mut self.cores[side], message, now);
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
