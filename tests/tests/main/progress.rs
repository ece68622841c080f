//! A peer behind a slow link is brought forward, however busy the state is.

use std::collections::BTreeMap;

use repred::{
    Register, Time,
    sans_io::{Core, Monotonic, Now, Session, SessionConfig},
};

type Map = BTreeMap<u32, Register<u32>>;

fn core(id: u128) -> Core<Map> {
    Core::new(id.into(), Map::new())
}

fn sessions(a: &mut Core<Map>, b: &mut Core<Map>, now: Now) -> [Session; 2] {
    let mut config = SessionConfig::for_state::<Map>();
    config.limits.message_bytes = 600;
    [Session::new(config.clone(), a, now), Session::new(config, b, now)]
}

/// Every key is overwritten several times while one message passes, so nearly all that is sent is superseded
/// by the time it arrives, and what superseded it is further off with every message.
#[test]
fn a_map_that_is_written_faster_than_a_link_drains_still_brings_its_peer_forward() {
    let now = Now { wall: Time::from_micros(1), monotonic: Monotonic::ZERO };
    let (mut busy, mut slow) = (core(1), core(2));
    let mut round = 0u32;
    let mut write = |busy: &mut Core<Map>, count: u32| {
        for _ in 0..count {
            round += 1;
            busy.update((round % 100, Box::new(round)), now.wall).unwrap();
        }
    };
    write(&mut busy, 1000);
    let [mut to_slow, mut to_busy] = sessions(&mut busy, &mut slow, now);
    let mut steps_since_progress = 0;
    let mut reached = Vec::new();
    for _ in 0..2000 {
        let mut message = Vec::new();
        if to_slow.poll_message(&mut busy, now, &mut message).unwrap() {
            to_busy.handle_message(&mut slow, &message, now).unwrap();
        }
        message.clear();
        if to_busy.poll_message(&mut slow, now, &mut message).unwrap() {
            to_slow.handle_message(&mut busy, &message, now).unwrap();
        }
        write(&mut busy, 300);
        let seq = slow.version().seq(1.into());
        if reached.last() == Some(&seq) {
            steps_since_progress += 1;
            // A hundred live entries and their skips are some twenty messages.
            assert!(steps_since_progress < 60, "stuck at {seq} of {}", busy.version());
        } else {
            reached.push(seq);
            steps_since_progress = 0;
        }
    }
    assert!(reached.len() > 30, "{} steps forward", reached.len());
    assert!(busy.history_len() < 250, "what is sent has to be let go: {}", busy.history_len());

    // When the writer rests, the peer gets there.
    for _ in 0..200 {
        let mut message = Vec::new();
        if to_slow.poll_message(&mut busy, now, &mut message).unwrap() {
            to_busy.handle_message(&mut slow, &message, now).unwrap();
        }
    }
    assert_eq!(slow.version(), busy.version());
    assert_eq!(slow.state().unwrap(), busy.state().unwrap());
}
