//! Claims of a newer version of the program, which would explain what nobody can decode.

use super::*;

/// The open of somebody who may have updates of all versions there can be.
fn newest() -> Vec<u8> {
    let mut open = Open::new(FOE, wall(), &schema());
    open.schema_newest = u32::MAX;
    open.encode()
}

/// An update that no counter can decode.
const UNKNOWN: &[u8] = b"\xff\xff";

impl Victim {
    fn is_told_of_an_unknown_update(&mut self) {
        self.hears(&newest()).unwrap();
        self.hears(&wire::digest(&[], &[])).unwrap();
        let items = Items::new().run(Origin::New(0, FOE), 1, &[(wall(), UNKNOWN)]);
        self.hears(&items.encode()).unwrap();
    }
}

#[test]
fn a_claim_of_a_newer_schema_makes_nobody_hold_what_others_sent() {
    let mut victim = Victim::new();
    victim.is_told_of_an_unknown_update();
    assert_eq!(victim.core.deferred(), 1);
    assert_eq!(victim.core.deferred_origins(), [FOE.into()]);

    // A line of honest replicas behind it, who get it from each other.
    let third = Core::new(0xb.into(), Counter::default());
    let fourth = Core::new(0xc.into(), Counter::default());
    let mut honest = [victim.core, victim.friend, third, fourth];
    for core in &mut honest {
        core.update(1000, victim.now.wall).unwrap();
    }
    for _ in 0..2 {
        for (one, other) in [(0, 1), (1, 2), (2, 3), (3, 2), (2, 1), (1, 0)] {
            meet(&mut honest, one, other);
        }
    }
    for core in &honest {
        assert_eq!(core.state().unwrap().value(), 4120, "what the honest have written");
        assert_eq!((core.deferred(), core.version()), (1, honest[0].version()));
    }
    // And later, too.
    honest[3].update(5, victim.now.wall).unwrap();
    meet(&mut honest, 3, 0);
    assert_eq!(honest[0].state().unwrap().value(), 4125);
    // Whoever wants its history trimmed and its state compared again gives it up.
    assert!(honest[0].trim(&honest[0].version()).is_err());
    honest[0].let_go(FOE.into());
    assert_eq!(honest[0].deferred(), 0);
    honest[0].trim(&honest[0].version()).unwrap();
}

/// Lets two of some replicas meet until neither has anything that the other lacks.
#[track_caller]
fn meet(cores: &mut [Core<Counter>], one: usize, other: usize) {
    let spare = || Core::new(9.into(), Counter::default());
    let taken = [one, other].map(|at| std::mem::replace(&mut cores[at], spare()));
    let mut pair = Pair::of(taken);
    pair.connect();
    pair.run_until_quiet();
    assert_eq!(pair.errors, [None, None]);
    let [first, second] = pair.cores;
    (cores[one], cores[other]) = (first, second);
}

#[test]
fn a_claim_of_a_newer_schema_spreads_only_with_an_update_that_does_not_decode() {
    let mut victim = Victim::new();
    victim.hears(&newest()).unwrap();
    victim.hears(&wire::digest(&[], &[])).unwrap();
    let items = Items::new().run(Origin::New(0, FOE), 1, &[(wall(), ONE)]);
    victim.hears(&items.encode()).unwrap();
    victim.talk_to_friend();
    assert_eq!((victim.core.deferred(), victim.friend.state().unwrap().value()), (0, 121));
    // Others who say nothing of a newer schema are not believed for its sake.
    let config = SessionConfig::for_state::<Counter>();
    let mut other = Session::new(config, &mut victim.core, victim.now);
    let mut hears = |message: &[u8]| other.handle_message(&mut victim.core, message, victim.now);
    hears(&Open::new(0xd, wall(), &schema()).encode()).unwrap();
    hears(&wire::digest(&[], &[])).unwrap();
    let unknown = Items::new().run(Origin::New(0, 0xd), 1, &[(wall(), UNKNOWN)]);
    let error = hears(&unknown.encode()).unwrap_err();
    assert!(matches!(error, SessionError::Receive(ReceiveError::Decode { .. })), "{error}");
}

#[test]
fn an_edit_is_deferred_whole_and_nothing_else_of_its_block() {
    let mut victim = Victim::new();
    victim.hears(&newest()).unwrap();
    victim.hears(&wire::digest(&[], &[])).unwrap();
    let block = Items::new()
        .begin()
        .edit(Origin::New(0, FOE), 2, 2)
        .run(Origin::At(0), 1, &[(wall(), ONE), (wall() + 1, ONE), (wall() + 2, UNKNOWN)])
        .run(Origin::New(1, 0xd), 1, &[(wall(), ONE)])
        .commit();
    victim.hears(&block.encode()).unwrap();
    assert_eq!(victim.core.reduced(), version(&[(VICTIM, 1), (FRIEND, 1), (FOE, 1), (0xd, 1)]));
    assert_eq!(victim.core.state().unwrap().value(), 122);
}
