//! Programs of other types, or with another start, that call on a replica under its schema.

use super::World;
use crate::{
    core::Core,
    session::{Session, SessionError},
    testing::simulation::{
        Broken, Guarantee,
        stranger::{Strange, Stranger},
        trace::name,
    },
};

/// How many messages the two may exchange. They need four: an open each, and what their types are.
const MESSAGES: usize = 16;

impl World<'_> {
    /// A stranger calls on a replica: both are told why they do not fit, and nothing moves.
    pub(super) fn call(&mut self, at: usize) -> Result<(), Broken> {
        let strange = *self.chance.pick(&[Strange::State, Strange::Update, Strange::Start]);
        let (id, now) = (self.strange_id(), self.now_of(at));
        let Some(core) = &mut self.nodes[at].core else { return Ok(()) };
        let inner = (self.plan.make)();
        let mut stranger = Core::new(id, Stranger { inner, strange });
        let before = (core.log_position(), stranger.log_position());

        let config = &self.plan.config;
        let mut ours = Session::new(config.clone(), core, now);
        let mut theirs = Session::new(config.clone(), &mut stranger, now);
        let (mut errors, mut message) = ([None, None], Vec::new());
        for _ in 0..MESSAGES {
            message.clear();
            if ours.poll_message(core, now, &mut message) == Ok(true) {
                let result = theirs.handle_message(&mut stranger, &message, now);
                errors[1] = errors[1].take().or(result.err());
            } else if theirs.poll_message(&mut stranger, now, &mut message) == Ok(true) {
                let result = ours.handle_message(core, &message, now);
                errors[0] = errors[0].take().or(result.err());
            } else {
                break;
            }
        }
        self.counts.faults.strangers += 1;
        let is_told = errors.iter().all(|error| matches!(error, Some(SessionError::Shape { .. })));
        if is_told && before == (core.log_position(), stranger.log_position()) {
            self.trace.log(|| format!("{} refuses a stranger ({strange:?})", name(at)));
            return Ok(());
        }
        let what = format!("a stranger ({strange:?}) called on {}: {errors:?}", name(at));
        Err(Broken::new(Guarantee::Sessions, what))
    }
}
