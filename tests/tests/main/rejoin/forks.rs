//! The way back from forks.

use super::*;

#[test]
fn a_copied_folder_and_its_original_have_each_update_once_after_the_way_back() {
    for (ours, theirs) in [(1, 1), (1, 3), (3, 1), (0, 2)] {
        let [mut a, mut b] = copied();
        for number in 0..theirs {
            edit!(a, 10 + number, |board| {
                board.log().insert(100 + number);
                board.total().add(1);
            });
        }
        for number in 0..ours {
            edit!(b, 10 + number, |board| {
                board.log().insert(200 + number);
                board.total().add(1);
            });
        }
        let mut hub = core(9);
        meet(&mut hub, &mut a);
        rejoin(&mut b, &mut hub, 8);
        meet(&mut a, &mut hub);
        let expected = (1..=5).chain(100..100 + theirs).chain(200..200 + ours);
        assert_eq!(log(&a), expected.collect::<Vec<_>>());
        assert_eq!(a.state().unwrap().total.value(), i128::from(5 + ours + theirs));
        assert_eq!(b.rejoined().unwrap().written_again, u64::from(2 * ours));
        edit!(b, 30, |board| board.log().insert(300));
        edit!(a, 30, |board| board.log().insert(301));
        meet(&mut b, &mut hub);
        meet(&mut a, &mut hub);
        meet(&mut a, &mut b);
    }
}

#[test]
fn a_restored_backup_that_has_written_under_its_old_id_is_joined() {
    let mut a = core(7);
    edit!(a, 1, |board| board.log().insert(1));
    let mut restored = copy(&mut a);
    let mut hub = core(9);
    for number in 2..=6 {
        edit!(a, number, |board| board.title().set(number));
    }
    edit!(a, 7, |board| board.log().insert(7));
    meet(&mut a, &mut hub);
    edit!(restored, 10, |board| board.log().insert(10));
    edit!(restored, 11, |board| board.title().set(11));
    rejoin(&mut restored, &mut hub, 8);
    assert_eq!(log(&hub), [1, 7, 10]);
    assert_eq!(*hub.state().unwrap().title.value(), 11);
}

#[test]
fn the_others_are_trimmed_and_send_a_snapshot() {
    let [mut a, mut b] = copied();
    edit!(a, 10, |board| board.log().insert(100));
    a.trim(&a.version()).unwrap();
    edit!(a, 11, |board| board.log().insert(101));
    edit!(b, 10, |board| {
        board.log().insert(200);
        board.tags().remove(&1)
    });
    rejoin(&mut b, &mut a, 8);
    assert_eq!(log(&a), [1, 2, 3, 4, 5, 100, 101, 200]);
    assert!(!a.state().unwrap().tags.contains(&1));
}

#[test]
fn whoever_holds_a_half_may_bring_it_back_and_it_comes_once() {
    // The author of the half, somebody who got it, and both in either order.
    for who in [&[1][..], &[2], &[1, 2], &[2, 1]] {
        let [mut a, b] = copied();
        let mut cores = [core(9), b, core(0xc)];
        for number in 0..3 {
            edit!(a, 10 + number, |board| board.log().insert(100 + number));
            edit!(cores[1], 10 + number, |board| {
                board.log().insert(200 + number);
                board.total().add(1);
                board.title().set(number);
                board.tags().insert(7)
            });
        }
        let [_, b, c] = &mut cores;
        meet(b, c);
        for &index in who {
            rejoin(&mut cores[index], &mut a, 0x80 + index as u128);
        }
        let expected = (1..=5).chain(100..103).chain(200..203);
        assert_eq!(log(&a), expected.collect::<Vec<_>>(), "{who:?}");
        assert_eq!(a.state().unwrap().total.value(), 8);
        assert_eq!(*a.state().unwrap().title.value(), 2);
    }
}

#[test]
fn replicas_that_have_both_trimmed_are_joined() {
    let mut cores: Vec<_> = (0xa..=0xd).map(core).collect();
    let [a, b, c, d] = &mut *cores else { panic!() };
    for (number, (left, right)) in [(1, (&mut *a, &mut *c)), (2, (&mut *b, &mut *d))] {
        edit!(right, number, |board| {
            board.log().insert(number);
            board.total().add(1);
        });
        meet(left, right);
        left.trim(&left.version()).unwrap();
    }
    edit!(b, 5, |board| {
        board.log().insert(20);
        board.total().add(1);
    });
    let errors = meet_at(b, a, None, now(6));
    assert!(matches!(errors[0], Some(SessionError::BothTrimmed { .. })), "{errors:?}");

    rejoin(b, a, 8);
    assert_eq!(log(a), [1, 20]);
    let dropped = &b.rejoined().unwrap().dropped;
    assert_eq!(dropped[..], [(Dot::new(0xd.into(), 1), 2)]);
    // Its author still has it.
    meet(d, b);
    meet(d, a);
    meet(d, c);
    assert_eq!(log(a), [1, 2, 20]);
    assert_eq!(a.state().unwrap().total.value(), 3);
}
