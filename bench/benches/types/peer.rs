//! [`Peer`]: one copy of a state in some library, and what two of them say to each other.

use std::{
    any::Any,
    time::{Duration, Instant},
};

use crate::workload::Op;

/// One copy of a state, in some library.
pub(crate) trait Peer {
    /// Writes one step: a transaction where the library has any.
    fn write(&mut self, step: &[Op]);

    /// Begins to talk with a peer that may have nothing. What was written before is said then, what is
    /// written later is said step by step.
    fn meet(&mut self);

    /// The next message for the other.
    fn say(&mut self) -> Option<Vec<u8>>;

    /// Takes in a message of the other.
    fn hear(&mut self, message: &[u8]);

    /// The number of elements, or the value where there is only one.
    fn value(&self) -> u64;

    /// What these operations come to without any history, where the library can tell it apart.
    fn state_alone(&self, ops: &[Op]) -> Option<Box<dyn Any>>;
}

/// Makes an empty copy with an id.
pub(crate) type Open = Box<dyn Fn(u64) -> Box<dyn Peer>>;

/// Who takes part: a library's type, and how many operations make a step.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) step: usize,
    pub(crate) open: Open,
}

impl Contender {
    /// An operation is a step.
    pub(crate) fn single(name: &str, open: Open) -> Self {
        Self { name: name.to_owned(), step: 1, open }
    }

    /// A hundred operations are a step.
    pub(crate) fn batched(name: &str, open: Open) -> Self {
        Self { name: format!("{name}, 100 at once"), step: 100, open }
    }

    /// Both, for a library's type, if it has one.
    #[cfg(feature = "others")]
    pub(crate) fn both<P: Peer + 'static>(
        name: Option<&str>,
        new: impl Fn(u64) -> P + Copy + 'static,
    ) -> Vec<Self> {
        let open = || -> Open { Box::new(move |id| Box::new(new(id))) };
        let both = |name| [Self::single(name, open()), Self::batched(name, open())];
        name.map(both).into_iter().flatten().collect()
    }
}

/// What one has heard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// How long taking it in took, without the making of the messages.
    pub(crate) took: Duration,
    /// Bytes of messages, and of their lengths as a byte stream carries them.
    pub(crate) bytes: usize,
}

/// Steps whose messages are made before any of them is taken in: clocks are slow to read.
const AHEAD: usize = 64;

/// Lets `there` take in all that `here` has, and counts the bytes both ways.
pub(crate) fn catch_up(here: &mut dyn Peer, there: &mut dyn Peer) -> Heard {
    let mut heard = Heard::default();
    here.meet();
    there.meet();
    loop {
        if let Some(message) = here.say() {
            let begun = Instant::now();
            there.hear(&message);
            heard.took += begun.elapsed();
            heard.bytes += framed(message.len());
        } else if let Some(message) = there.say() {
            here.hear(&message);
            heard.bytes += framed(message.len());
        } else {
            return heard;
        }
    }
}

/// Lets `there` take in step by step what is written here, and counts the bytes to there.
pub(crate) fn follow(here: &mut dyn Peer, there: &mut dyn Peer, ops: &[Op], step: usize) -> Heard {
    catch_up(here, there);
    let mut heard = Heard::default();
    for steps in ops.chunks(step * AHEAD) {
        let messages: Vec<_> = steps.chunks(step).flat_map(|step| written(here, step)).collect();
        let begun = Instant::now();
        messages.iter().for_each(|message| there.hear(message));
        heard.took += begun.elapsed();
        heard.bytes += messages.iter().map(|message| framed(message.len())).sum::<usize>();
        while let Some(message) = there.say() {
            here.hear(&message);
        }
    }
    heard
}

/// The messages that tell of a step.
fn written(peer: &mut dyn Peer, step: &[Op]) -> Vec<Vec<u8>> {
    peer.write(step);
    std::iter::from_fn(|| peer.say()).collect()
}

/// Bytes of a message with its length before it.
fn framed(length: usize) -> usize {
    let of_length = (usize::BITS - length.leading_zeros()).div_ceil(7).max(1);
    of_length as usize + length
}
