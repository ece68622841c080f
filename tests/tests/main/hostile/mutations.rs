//! Valid conversations, with errors in them.

use super::{port::Port, *};

/// A conversation with everything in it, as what each side said.
fn conversation(pair: &mut Pair<Counter>) -> Vec<(usize, Vec<u8>)> {
    for i in 0..5 {
        pair.update(0, i + 1);
        pair.update(1, 100 * (i + 1));
    }
    let wall = pair.now().wall;
    pair.cores[0].update_all([7, 8, 9], wall).unwrap();
    pair.connect();
    pair.run_until_quiet();
    pair.update(0, 1000);
    pair.run_until_quiet();
    pair.said.clone()
}

/// What the right one has of the left one's, by the left one's seq.
fn prefixes() -> BTreeMap<u64, i128> {
    let values = [1, 2, 3, 4, 5, 7, 8, 9, 1000];
    let own = 1500;
    let mut sums = BTreeMap::from([(0, own)]);
    for (index, value) in values.iter().enumerate() {
        let before = sums[&(index as u64)];
        sums.insert(index as u64 + 1, before + value);
    }
    sums
}

#[test]
fn mutated_conversations_change_nothing_beyond_valid_prefixes() {
    let mut chance = Chance::new(2);
    let mut recorded = Pair::new(Counter::default);
    let said: Vec<_> = conversation(&mut recorded)
        .into_iter()
        .filter(|(side, _)| *side == 0)
        .map(|(_, message)| message)
        .collect();
    assert!(said.len() > 4);
    let prefixes = prefixes();
    let mut refused = 0;
    for case in 0..10_000 {
        let mut pair = Pair::new(Counter::default);
        for i in 0..5 {
            pair.update(0, i + 1);
            pair.update(1, 100 * (i + 1));
        }
        let wall = pair.now().wall;
        pair.cores[0].update_all([7, 8, 9], wall).unwrap();
        let mut messages = said.clone();
        let mut has_changed_bytes = false;
        for _ in 0..chance.within(1..3) {
            let at = chance.within(0..messages.len());
            match chance.within(0..5) {
                0 => {
                    let byte = chance.within(0..messages[at].len().max(1));
                    if let Some(byte) = messages[at].get_mut(byte) {
                        *byte ^= 1 << chance.within(0..8);
                        has_changed_bytes = true;
                    }
                }
                1 => {
                    let len = chance.within(0..messages[at].len().max(1));
                    messages[at].truncate(len);
                    has_changed_bytes = true;
                }
                2 => messages.insert(at, messages[at].clone()),
                3 => {
                    let other = chance.within(0..messages.len());
                    messages.swap(at, other);
                }
                _ => {
                    messages[at].push(chance.number() as u8);
                    has_changed_bytes = true;
                }
            }
        }
        pair.connect();
        for message in &messages {
            pair.hear_this(1, message);
            while pair.say(1) {}
        }
        refused += usize::from(pair.errors[1].is_some());
        let victim = &pair.cores[1];
        assert!(victim.state().is_ok(), "case {case}");
        if has_changed_bytes {
            // A flipped bit in a payload is a valid update; nobody can tell.
            continue;
        }
        let seq = victim.version().seq(0xa.into());
        let value = victim.state().unwrap().value();
        assert_eq!(value, prefixes[&seq], "case {case} at seq {seq}");
        assert!(!(6..8).contains(&seq), "case {case} splits an edit");
        pair.update(0, 1000);
        pair.connect();
        pair.run_until_quiet();
        pair.assert_converged();
    }
    assert!(refused > 4_000, "only {refused} were refused");
}

fn keeper(id: u128) -> Core<Counter> {
    let mut core = Core::new(id.into(), Counter::default());
    core.keep_everything();
    core
}

/// Two that keep everything, each of which has seen the other's in between.
fn keepers() -> Pair<Counter> {
    let mut pair = Pair::of([keeper(0xa), keeper(0xb)]);
    for amount in 1..5 {
        pair.update(LEFT, amount);
        pair.connect();
        pair.run_until_quiet();
        pair.update(RIGHT, 10 * amount);
        pair.connect();
        pair.run_until_quiet();
        let wall = pair.now().wall;
        pair.cores[LEFT].update_all([7, 8], wall).unwrap();
    }
    pair
}

/// What a third is told by the left one, with errors in it, still makes sense: of two updates at most one
/// was written with knowledge of the other, and a fourth can take in all of it.
#[test]
fn mutated_records_of_what_was_seen_make_no_contradiction() {
    let mut chance = Chance::new(4);
    let [left, _] = keepers().cores;
    let mut first = Pair::of([left, keeper(0xc)]);
    first.connect();
    first.run_until_quiet();
    let said = first.said.iter().filter(|(side, _)| *side == LEFT);
    let said: Vec<_> = said.map(|(_, message)| message.clone()).collect();
    let (mut refused, mut told) = (0, 0);
    for _ in 0..3_000 {
        let mut messages = said.clone();
        for _ in 0..chance.within(1..3) {
            // The opening, the digest and the end stay as they are.
            let at = chance.within(2..messages.len() - 1);
            let byte = chance.within(0..messages[at].len());
            match chance.within(0..3) {
                0 => messages[at][byte] ^= 1 << chance.within(0..8),
                1 => messages[at].insert(byte, chance.within(0..4) as u8),
                _ => drop(messages[at].remove(byte)),
            }
        }
        let mut pair = Pair::of([keeper(0xe), keeper(0xc)]);
        pair.connect();
        messages.iter().for_each(|message| pair.hear_this(RIGHT, message));
        refused += usize::from(pair.errors[RIGHT].is_some());
        let [_, victim] = pair.cores;
        let dots = victim.version();
        let dots = dots.iter().flat_map(|(id, last)| (1..=last.min(20)).map(move |seq| (id, seq)));
        let dots: Vec<_> = dots.map(|(id, seq)| Dot::new(id, seq)).collect();
        for &a in &dots {
            for &b in &dots {
                let orders = [victim.is_before(a, b), victim.is_before(b, a)];
                assert_ne!(orders, [Ok(true), Ok(true)], "{a} and {b}");
                told += usize::from(orders[0] == Ok(true));
            }
        }
        let mut pair = Pair::of([victim, keeper(0xd)]);
        pair.connect();
        pair.run_until_quiet();
        pair.assert_converged();
    }
    assert!(refused > 1000 && told > 1000, "{refused} were refused, {told} told");
}

#[test]
fn mutated_byte_streams_never_panic() {
    let mut chance = Chance::new(3);
    let mut recorded = Pair::new(Counter::default);
    let mut stream = Vec::new();
    for (side, message) in conversation(&mut recorded) {
        if side == 0 {
            stream.extend(wire::frame(&message));
        }
    }
    for _ in 0..500 {
        let mut bytes = stream.clone();
        for _ in 0..chance.within(1..4) {
            let at = chance.within(0..bytes.len());
            match chance.within(0..3) {
                0 => bytes[at] = chance.number() as u8,
                1 => bytes.truncate(at + 1),
                _ => bytes.insert(at, chance.number() as u8),
            }
        }
        let mut port = Port::new();
        port.send(&bytes);
        port.raw = None;
        port.run();
        assert!(port.connection.result().is_some());
        assert!(port.network[0].read(|_| ()).is_ok());
        port.network.run_until_quiet();
        port.network.assert_converged();
    }
}
