//! Two cores and two sessions in one thread, with messages carried by hand.

use std::time::{Duration, Instant};

use repred::{
    Replicated, Time,
    sans_io::{Core, Direction, Monotonic, Now, Session, SessionConfig},
};

/// What two sessions have sent to each other until both had nothing more to say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// How long that took, with the making of the sessions.
    pub took: Duration,
    /// Bytes of all messages, and of their lengths as a byte stream carries them.
    pub bytes: usize,
    /// How many messages that were.
    pub messages: usize,
}

/// Brings an empty core up to date: how long it took, and the bytes.
///
/// # Panics
///
/// If the two do not get along.
pub fn catch_up<R: Replicated>(full: &mut Core<R>, empty: &mut Core<R>) -> Traffic {
    let traffic = reconnect(full, empty);
    assert_eq!(full.version(), empty.version());
    traffic
}

/// Lets two cores meet, until both have nothing more to say.
///
/// # Panics
///
/// If they do not get along.
pub fn reconnect<R: Replicated>(a: &mut Core<R>, b: &mut Core<R>) -> Traffic {
    meet(a, b, Direction::Both)
}

/// The same, but only the second learns anything.
///
/// # Panics
///
/// If they do not get along.
pub fn feed<R: Replicated>(from: &mut Core<R>, to: &mut Core<R>) -> Traffic {
    meet(from, to, Direction::SendOnly)
}

fn meet<R: Replicated>(a: &mut Core<R>, b: &mut Core<R>, direction: Direction) -> Traffic {
    let begun = Instant::now();
    let latest = a.latest_time().max(b.latest_time());
    let now = Now { wall: latest.max(Time::from_micros(1)), monotonic: Monotonic::ZERO };
    let mut config = SessionConfig::for_state::<R>();
    let mut to_a = Session::new(config.clone(), b, now);
    config.direction = direction;
    let mut to_b = Session::new(config, a, now);
    let mut traffic = Traffic::default();
    let mut message = Vec::new();
    while carry(&mut to_b, a, &mut to_a, b, &mut message, now, &mut traffic)
        || carry(&mut to_a, b, &mut to_b, a, &mut message, now, &mut traffic)
    {}
    traffic.took = begun.elapsed();
    assert!(to_a.is_synced() && to_b.is_synced());
    traffic
}

fn carry<R: Replicated>(
    from: &mut Session,
    sender: &mut Core<R>,
    to: &mut Session,
    receiver: &mut Core<R>,
    message: &mut Vec<u8>,
    now: Now,
    traffic: &mut Traffic,
) -> bool {
    message.clear();
    let has_more = from.poll_message(sender, now, message).expect("everything can be sent");
    if has_more {
        traffic.bytes += message.len() + length_bytes(message.len());
        traffic.messages += 1;
        to.handle_message(receiver, message, now).expect("everything can be taken in");
    }
    has_more
}

/// Bytes of a varint.
fn length_bytes(length: usize) -> usize {
    (usize::BITS - length.leading_zeros()).div_ceil(7).max(1) as usize
}
