//! Descriptions of types that are wrong, early, or said twice.

use repred::error::ShapeDifference;

use super::*;

/// A victim that was told that the foe's types are not its own.
fn puzzled() -> Victim {
    let mut victim = Victim::new();
    let mut open = Open::new(FOE, wall(), &schema());
    open.fingerprint = 7;
    victim.hears(&open.encode()).unwrap();
    victim
}

#[track_caller]
fn assert_differs(text: &str, difference: ShapeDifference) {
    let mut victim = puzzled();
    let error = victim.hears(&wire::shape(0, text)).unwrap_err();
    assert_eq!(error, SessionError::Shape { difference, ours: 0, theirs: 0 });
    victim.assert_unhurt(Reason::Shape);
}

#[test]
fn a_peer_of_other_types_is_told_ours_and_which_differs_first() {
    let mut victim = puzzled();
    let told = victim.says();
    let text = String::from_utf8(told.last().unwrap()[9..].to_vec()).unwrap();
    assert_eq!(told.last().unwrap()[0], 12);
    assert!(text.starts_with("state Counter\nupdate i64\n"), "{text}");
    let other = "state Counter update i64 struct Counter { value: i64, origins: [u8], }";
    let [path, ours, theirs] = ["Counter.value", "i128", "i64"].map(String::from);
    assert_differs(other, ShapeDifference::Type { path, ours, theirs });
}

#[test]
fn a_peer_whose_types_turn_out_to_be_ours_is_talked_to() {
    let mut victim = puzzled();
    let ours = victim.says().pop().unwrap();
    victim.hears(&ours).unwrap();
    victim.hears(&wire::digest(&[], &[])).unwrap();
    assert!(victim.says().len() > 2);
}

#[test]
fn a_description_that_is_none_is_a_difference() {
    for text in ["", "state", "state Counter update i64", "nonsense {", "\u{0}"] {
        assert_differs(text, ShapeDifference::Unknown);
    }
}

#[test]
fn a_description_that_is_no_text_or_too_long_is_malformed() {
    for body in [vec![0; 7], vec![0xff; 20], [&[0; 8][..], &[b' '; (64 << 10) + 1]].concat()] {
        let mut victim = puzzled();
        let error = victim.hears(&[&[12], &body[..]].concat()).unwrap_err();
        assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn nothing_else_is_heard_before_the_description() {
    for message in [wire::digest(&[], &[]), wire::adopted(&[]), vec![3]] {
        let mut victim = puzzled();
        let error = victim.hears(&message).unwrap_err();
        assert!(matches!(error, SessionError::Unexpected { .. }), "{error}");
        victim.assert_unhurt(Reason::Malformed);
    }
}

#[test]
fn a_description_that_nobody_waits_for_is_refused() {
    // The first says nothing of its types, and the second has said it already.
    let mut silent = Victim::new();
    silent.hears(&open()).unwrap();
    let mut described = puzzled();
    let ours = described.says().pop().unwrap();
    described.hears(&ours).unwrap();
    for mut victim in [silent, described] {
        let error = victim.hears(&ours).unwrap_err();
        assert_eq!(error, SessionError::Unexpected { message: "shape" });
        victim.assert_unhurt(Reason::Malformed);
    }
}
