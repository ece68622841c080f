//! Connections that are cut anywhere, and pipes that hold hardly anything.

use repred::{Counter, Replica, pipe};
use repred_tests::{
    Driven, Network, Pair,
    io::{Counting, CutAfter},
};

const HERE: i128 = 55 + 66 + 77 + 88 + 1000;
const THERE: i128 = 550 + 2000;

/// Updates on both sides before, and edits among them.
fn prepare(pair: &mut Pair<Counter>) {
    for i in 1..=10 {
        pair.update(0, i);
        pair.update(1, 10 * i);
    }
    let wall = pair.now().wall;
    pair.cores[0].update_all([66, 77, 88], wall).unwrap();
}

/// A conversation that goes on after the catching up.
fn converse(pair: &mut Pair<Counter>, mut messages: usize) -> bool {
    let mut is_live = false;
    while messages > 0 {
        // One message at a time, so that the cut can be anywhere.
        if pair.hear(0) || pair.hear(1) || pair.say(0) || pair.say(1) {
            messages -= 1;
        } else if is_live {
            return true;
        } else {
            is_live = true;
            pair.update(0, 1000);
            pair.update(1, 2000);
        }
    }
    false
}

#[test]
fn a_conversation_cut_after_any_message_resumes_in_the_next() {
    let mut cuts = 0;
    loop {
        let mut pair = Pair::new(Counter::default);
        prepare(&mut pair);
        pair.connect();
        let is_over = converse(&mut pair, cuts);
        let has_lived = pair.cores[0].version().seq(pair.id(0)) > 13;
        let edit = pair.cores[1].version().seq(pair.id(0));
        assert!(!(11..13).contains(&edit), "the edit is split at {edit}");
        pair.connect();
        if !has_lived {
            pair.update(0, 1000);
            pair.update(1, 2000);
        }
        pair.run_until_quiet();
        pair.assert_converged();
        let value = pair.cores[1].state().unwrap().value();
        assert_eq!(value, HERE + THERE, "after {cuts} messages");
        if is_over {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 20, "{cuts} places to cut at are too few to mean anything");
}

#[test]
fn a_conversation_that_is_cut_again_and_again_makes_progress() {
    // Each time it gets as far as a few items, so that in the end all has come.
    let mut pair = Pair::new(Counter::default);
    for i in 0..50_000 {
        pair.update(0, i);
    }
    let mut rounds = 0;
    while pair.cores[0].version() != pair.cores[1].version() {
        pair.connect();
        converse(&mut pair, 12);
        rounds += 1;
        assert!(rounds < 1000, "no progress");
    }
    pair.connect();
    pair.run_until_quiet();
    pair.assert_converged();
}

fn two() -> Network<Counter> {
    let network = Network::new(2, |_| Counter::default());
    for i in 1..=10 {
        network.update(0, i);
        network.update(1, 10 * i);
    }
    network[0].update_all([66, 77, 88]).unwrap();
    network
}

fn assert_exact(network: &mut Network<Counter>, place: &str) {
    network.connect(0, 1);
    network.run_until_quiet();
    network.assert_converged();
    let value = network[1].read(|votes| votes.value()).unwrap();
    assert_eq!(value, HERE + THERE, "{place}");
}

#[test]
fn a_stream_cut_at_any_byte_resumes_in_the_next() {
    // How much each side has to say, when it is not cut.
    let mut network = two();
    let (mut left, mut right) = (None, None);
    network.connect_through(
        0,
        1,
        |io| {
            let (io, count) = Counting::new(io);
            left = Some(count);
            io
        },
        |io| {
            let (io, count) = Counting::new(io);
            right = Some(count);
            io
        },
    );
    network.run_until_quiet();
    network.update(0, 1000);
    network.update(1, 2000);
    network.run_until_quiet();
    let said = [left, right].map(|count| count.unwrap().load(std::sync::atomic::Ordering::Relaxed));
    for (side, said) in said.into_iter().enumerate() {
        assert!(said > 100);
        for cut in 0..=said as usize {
            let mut network = two();
            network.set_capacity(1 + cut % 7);
            let limit = |this: usize| if this == side { cut } else { usize::MAX };
            network.connect_through(
                0,
                1,
                |io| CutAfter::new(io, limit(0)),
                |io| CutAfter::new(io, limit(1)),
            );
            network.run_until_quiet();
            network.update(0, 1000);
            network.update(1, 2000);
            network.run_until_quiet();
            assert_exact(&mut network, &format!("cut by {side} after {cut} bytes"));
        }
    }
}

#[test]
fn dropping_a_connection_after_any_poll_leaves_both_replicas_sound() {
    for dropped in [0, 1] {
        let mut polls = 0;
        loop {
            let mut network = two();
            let (a, b) = pipe(5);
            let mut ends = [Driven::new(network[0].connect(a)), Driven::new(network[1].connect(b))];
            let (mut left, mut is_live) = (polls, false);
            let is_over = loop {
                if left == 0 {
                    break false;
                }
                let [a, b] = &mut ends;
                if a.step() | b.step() {
                    left -= 1;
                } else if is_live {
                    break true;
                } else {
                    is_live = true;
                    network.update(0, 1000);
                    network.update(1, 2000);
                }
            };
            ends[dropped].cut();
            let [a, b] = &mut ends;
            while a.step() | b.step() {}
            if !is_live {
                network.update(0, 1000);
                network.update(1, 2000);
            }
            assert_exact(&mut network, &format!("{dropped} dropped after {polls} polls"));
            if is_over {
                break;
            }
            polls += 1;
        }
        assert!(polls > 20, "{polls} polls are too few to mean anything");
    }
}

#[test]
fn ten_thousand_updates_each_way_pass_through_pipes_of_any_size() {
    for capacity in [1, 64 << 10] {
        let mut network = Network::new(2, |_| Counter::default());
        network.set_capacity(capacity);
        for i in 0..5000 {
            network.update(0, i);
            network.update(1, -3 * i);
        }
        network.connect(0, 1);
        network.step();
        for i in 5000..10_000 {
            network.update(0, i);
            network.update(1, -3 * i);
            if i % 10 == 0 {
                network.step();
            }
        }
        network.run_until_quiet();
        network.assert_converged();
        let sum: i128 = (0..10_000).sum();
        assert_eq!(network[0].read(|votes| votes.value()), Ok(-2 * sum));
    }
}

#[test]
fn several_connections_between_the_same_two_count_once() {
    let mut network = two();
    let first = network.connect(0, 1);
    network.connect(1, 0);
    network.connect(0, 1);
    for _ in 0..7 {
        network.step();
    }
    network.disconnect(first);
    network.update(0, 1000);
    network.update(1, 2000);
    network.run_until_quiet();
    assert_exact(&mut network, "over four connections");
}

#[test]
fn a_peer_that_restarts_empty_gets_everything_again() {
    let mut network = two();
    network.connect(0, 1);
    network.run_until_quiet();
    let third = network.add(Replica::new(Counter::default()));
    network.connect(1, third);
    network.update(third, 3000);
    network.run_until_quiet();
    network.assert_converged();
}
