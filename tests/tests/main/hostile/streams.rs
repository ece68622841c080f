//! Byte streams that carry anything else.

use super::{port::Port, *};

#[test]
fn an_http_request_is_told_apart_by_its_first_bytes() {
    for request in ["GET / HTTP/1.1\r\n\r\n", "POST /a"] {
        for padding in [0, 200, 5000] {
            let mut port = Port::new();
            port.send(format!("{request}{}", "x".repeat(padding)).as_bytes());
            let (error, _) = port.hang_up();
            let SessionError::NotRepred { start } = error else {
                panic!("{error}");
            };
            let expected = &request.as_bytes()[..4];
            assert_eq!(&start[..4], expected, "with {padding} bytes more");
            port.assert_unhurt();
        }
    }
}

#[test]
fn random_bytes_end_in_an_error() {
    let mut chance = Chance::new(1);
    for _ in 0..200 {
        let mut port = Port::new();
        let mut bytes: Vec<u8> =
            (0..chance.within(1..600)).map(|_| chance.number() as u8).collect();
        if chance.one_in(2) {
            // Past the door.
            let mut hello = wire::frame(&open());
            hello.extend(wire::frame(&wire::digest(&[], &[])));
            hello.extend(bytes);
            bytes = hello;
        }
        port.send(&bytes);
        port.raw = None;
        port.run();
        assert!(port.connection.result().is_some());
        assert_eq!(port.network[0].version().unwrap(), version(&[(VICTIM, 1)]));
        port.assert_unhurt();
    }
}

#[test]
fn a_message_that_announces_too_many_bytes_is_refused_before_they_come() {
    let mut port = Port::new();
    port.send(&wire::frame(&open()));
    let mut header = Vec::new();
    wire::number(&mut header, (2 << 20) + 1);
    port.send(&header);
    let (error, told) = port.hang_up();
    let (size, limit) = ((2 << 20) + 1, 2 << 20);
    assert_eq!(error, SessionError::MessageTooLarge { size, limit });
    assert!(told.ends_with(&wire::frame(&wire::bye(Reason::Malformed))));
    port.assert_unhurt();
}

#[test]
fn a_first_message_that_announces_too_many_bytes_is_not_repred() {
    let mut port = Port::new();
    port.send(&[0xff, 0xff, 0x7f]);
    let (error, _) = port.hang_up();
    let start = vec![0xff, 0xff, 0x7f];
    assert_eq!(error, SessionError::NotRepred { start });
    port.assert_unhurt();
}

#[test]
fn a_message_of_no_bytes_is_malformed() {
    let mut port = Port::new();
    port.send(&wire::frame(&open()));
    port.send(&[0]);
    let (error, _) = port.hang_up();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    port.assert_unhurt();
}

#[test]
fn a_length_that_is_not_a_number_is_malformed() {
    let mut port = Port::new();
    port.send(&wire::frame(&open()));
    port.send(&[0xff; 11]);
    let (error, _) = port.hang_up();
    assert!(matches!(error, SessionError::Malformed { .. }), "{error}");
    port.assert_unhurt();
}

#[test]
fn a_stream_that_ends_in_a_message_or_before_the_opening_has_failed() {
    for bytes in [vec![], vec![77], [wire::frame(&open()), vec![5, 1]].concat()] {
        let mut port = Port::new();
        port.send(&bytes);
        port.raw = None;
        port.run();
        let ending = port.connection.result();
        let Some(Err(ConnectionError::Io(error))) = ending else {
            panic!("{ending:?}");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        port.assert_unhurt();
    }
}

#[test]
fn a_restored_copy_that_meets_its_own_updates_takes_a_new_id() {
    let replica = |id: u128| Replica::builder(Counter::default()).id(id.into()).build();
    let mut network = Network::of([replica(0xa), replica(0xb)]);
    for _ in 0..3 {
        network.update(0, 5);
    }
    network.connect(0, 1);
    network.run_until_quiet();
    // The same id again, with nothing: a backup from before.
    let again = network.add(replica(0xa));
    let mut copy = Network::of([network[1].clone(), network[again].clone()]);
    let link = copy.connect(0, 1);
    copy.run_until_quiet();
    assert!(copy.endings(link).iter().all(Option::is_none), "{:?}", copy.endings(link));
    copy.update(1, 100);
    copy.run_until_quiet();
    network.run_until_quiet();
    network.assert_converged();
    assert_ne!(network[again].id().unwrap(), 0xa.into());
    assert_eq!(network[0].read(|votes| votes.value()), Ok(115));
}
