//! Peers that say nothing, or take nothing.

use super::*;

#[test]
fn a_peer_that_never_speaks_is_silent_after_the_timeout() {
    let mut victim = Victim::new();
    victim.says();
    let timeout = Duration::from_secs(20);
    let at = |secs| now_at(Duration::from_secs(secs));
    victim.to_foe.handle_timeout(at(19)).unwrap();
    let error = victim.to_foe.handle_timeout(at(20)).unwrap_err();
    assert_eq!(error, SessionError::Silent { timeout });
    victim.assert_unhurt(Reason::TimedOut);
}

#[test]
fn a_peer_that_never_sends_a_digest_times_out() {
    let mut victim = Victim::new();
    victim.hears(&open()).unwrap();
    for second in 1..20 {
        victim.now = now_at(Duration::from_secs(second));
        victim.hears(&wire::PING).unwrap();
    }
    let error = victim.to_foe.handle_timeout(now_at(Duration::from_secs(20)));
    assert!(matches!(error, Err(SessionError::Silent { .. })), "{error:?}");
    victim.assert_unhurt(Reason::TimedOut);
}

#[test]
fn a_peer_that_pings_is_alive_and_is_pinged() {
    let mut victim = Victim::new().met();
    victim.says();
    for second in 1..100 {
        victim.now = now_at(Duration::from_secs(second));
        victim.hears(&wire::PING).unwrap();
        victim.to_foe.handle_sent(WriteProgress::Complete, victim.now);
        victim.to_foe.handle_timeout(victim.now).unwrap();
        let due = victim.to_foe.poll_timeout().unwrap();
        assert!(due > victim.now.monotonic || second % 5 == 0);
        let said = victim.says();
        if second % 5 == 0 {
            assert_eq!(said, [wire::PING], "after {second} seconds");
        } else {
            assert!(said.is_empty(), "after {second} seconds");
        }
    }
    victim.to_foe.close();
    victim.assert_unhurt(Reason::Finished);
}

#[test]
fn a_peer_that_reads_nothing_is_stalled_after_the_timeout() {
    let mut victim = Victim::new().met();
    victim.to_foe.handle_sent(WriteProgress::Complete, victim.now);
    victim.core.update(1, victim.now.wall).unwrap();
    victim.says();
    // It speaks, but does not read.
    for second in 1..20 {
        victim.now = now_at(Duration::from_secs(second));
        victim.hears(&wire::PING).unwrap();
        victim.to_foe.handle_timeout(victim.now).unwrap();
    }
    let timeout = Duration::from_secs(20);
    let error = victim.to_foe.handle_timeout(now_at(timeout)).unwrap_err();
    assert_eq!(error, SessionError::Stalled { timeout });
}

#[test]
fn a_session_whose_messages_are_stuck_does_not_ask_to_be_called_at_once() {
    let mut victim = Victim::new().met();
    victim.to_foe.handle_sent(WriteProgress::Complete, victim.now);
    victim.says();
    victim.now = now_at(Duration::from_secs(7));
    victim.hears(&wire::PING).unwrap();
    victim.to_foe.handle_timeout(victim.now).unwrap();
    // The ping is overdue, but there is no room for it: asking at once would go round and round.
    let due = victim.to_foe.poll_timeout().unwrap();
    assert!(due > victim.now.monotonic);
}

/// Runs a connection to a raw end until it is over, and counts how often it was polled.
fn run_to_its_end(
    victim: &Replica<Counter>,
    io: Pipe,
    alongside: impl Future<Output = ()>,
) -> (SessionError, usize) {
    let mut polls = 0;
    let mut connection = Box::pin(victim.connect(io));
    let counted = futures::future::poll_fn(|cx| {
        polls += 1;
        connection.as_mut().poll(cx)
    });
    // What goes on alongside has no end of its own.
    let alongside = async {
        alongside.await;
        pending::<()>().await;
    };
    let ending = match block_on(select(counted, pin!(alongside))) {
        Either::Left((ending, _)) => ending,
        Either::Right(_) => unreachable!("it has no end"),
    };
    match ending {
        Err(ConnectionError::Session(error)) => (error, polls),
        other => panic!("{other:?}"),
    }
}

fn impatient() -> Replica<Counter> {
    Replica::builder(Counter::default())
        .clock(|| Time::from_ticks(wall()))
        .keep_alive(Duration::from_millis(20))
        .timeout(Duration::from_millis(200))
        .build()
}

#[test]
fn a_peer_that_never_reads_costs_bounded_memory_and_no_work() {
    let victim = impatient();
    for _ in 0..100_000 {
        victim.update(i64::MAX).unwrap();
    }
    let (ours, mut raw) = pipe(10);
    let write = async {
        // It opens and goes on living, so that it is not silent, but reads just enough to be met.
        let mut hello = wire::frame(&open());
        hello.extend(wire::frame(&wire::digest(&[], &[])));
        raw.write_all(&hello).await.unwrap();
        while raw.write_all(&wire::frame(&wire::PING)).await.is_ok() {
            pause().await;
        }
    };
    let (error, polls) = run_to_its_end(&victim, ours, write);
    assert!(matches!(error, SessionError::Stalled { .. }), "{error}");
    assert!(polls < 5_000, "{polls} polls are a busy loop");
}

/// Lets a few milliseconds pass without a timer of any executor.
async fn pause() {
    smol::Timer::after(Duration::from_millis(5)).await;
}

#[test]
fn a_peer_that_never_writes_is_silent() {
    let victim = impatient();
    let (ours, raw) = pipe(1 << 20);
    let (error, polls) = run_to_its_end(&victim, ours, async {});
    drop(raw);
    assert!(matches!(error, SessionError::Silent { .. }), "{error}");
    assert!(polls < 1_000, "{polls} polls are a busy loop");
}

#[test]
fn a_peer_that_sends_a_byte_at_a_time_is_silent() {
    let victim = impatient();
    let (ours, mut raw) = pipe(1 << 20);
    let drip = async {
        raw.write_all(&wire::frame(&open())).await.unwrap();
        let slow = wire::frame(&wire::digest(&[(FOE, 1); 1000], &[]));
        for byte in slow {
            if raw.write_all(&[byte]).await.is_err() {
                return;
            }
            pause().await;
        }
    };
    let (error, _) = run_to_its_end(&victim, ours, drip);
    assert!(matches!(error, SessionError::Silent { .. }), "{error}");
}
