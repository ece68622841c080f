//! Updates a second in one process: written here, and taken in from a peer.

use std::{hint::black_box, time::Instant};

use repred::{Replica, Replicated, Stamp, Time, sans_io::Core};
use repred_bench::{Arena, Contest, Scale, Update, Workload, catch_up, last_writer, plain, rate};

fn main() {
    let scale = Scale::from_args();
    let workload = Workload::new(scale.pick(1_000_000, 20_000), scale.pick(100_000, 2_000));
    local(&workload, scale.rounds());
    remote(&workload, scale.rounds());
}

fn local(workload: &Workload, rounds: usize) {
    Contest::new("Local updates")
        .with("arena", || time(workload, &mut Arena::default(), Arena::update))
        .with("Core::update", || in_core(workload, plain()))
        .with("Replica::update", || in_replica(workload, Replica::new(plain())))
        .with("Replica::update, clock stands still", || {
            let still = || Time::from_micros(1);
            in_replica(workload, Replica::builder(plain()).clock(still).build())
        })
        .with("last writer wins, reducer alone", || reduced(workload, last_writer()))
        .with("last writer wins, core", || in_core(workload, last_writer()))
        .with("last writer wins, replica", || in_replica(workload, Replica::new(last_writer())))
        .run(rounds);
}

fn remote(workload: &Workload, rounds: usize) {
    let mut arena = Arena::default();
    workload.updates().for_each(|update| arena.update(update));
    let (mut kept, mut last) = (filled(workload, plain()), filled(workload, last_writer()));
    let live = last.history_len();
    println!("\nOf {} updates, last writer wins keeps {live}.", workload.len());
    Contest::new("Catching up from nothing, per update that is kept")
        .with("arena", || {
            let mut empty = Arena::default();
            let begun = Instant::now();
            empty.catch_up(&arena);
            let took = begun.elapsed();
            assert_eq!(empty.version(), arena.version());
            rate(workload.len(), took)
        })
        .with("arena, borrowed keys", || {
            let mut empty = Arena::default();
            let begun = Instant::now();
            empty.catch_up_borrowed(&arena);
            let took = begun.elapsed();
            assert_eq!(empty.version(), arena.version());
            rate(workload.len(), took)
        })
        .with("Session", || {
            let mut empty = Core::new(0xb.into(), plain());
            rate(workload.len(), catch_up(&mut kept, &mut empty).took)
        })
        .with("last writer wins, session", || {
            let mut empty = Core::new(0xb.into(), last_writer());
            rate(live, catch_up(&mut last, &mut empty).took)
        })
        .run(rounds);
}

/// What the reducer would take without anything around it.
fn reduced<R: Replicated<Update = Update>>(workload: &Workload, mut state: R) -> f64 {
    let mut seq = 0;
    time(workload, &mut state, |state, update| {
        seq += 1;
        let stamp = Stamp::new(Time::from_micros(seq), 0xa.into(), seq);
        black_box(state.reduce(update, stamp));
    })
}

fn in_core<R: Replicated<Update = Update>>(workload: &Workload, state: R) -> f64 {
    let mut core = Core::new(0xa.into(), state);
    let mut micros = 1_700_000_000_000_000;
    time(workload, &mut core, |core, update| {
        micros += 1;
        black_box(core.update(update, Time::from_micros(micros)).is_ok());
    })
}

fn in_replica<R: Replicated<Update = Update>>(workload: &Workload, mut replica: Replica<R>) -> f64 {
    time(workload, &mut replica, |replica, update| {
        black_box(replica.update(update).is_ok());
    })
}

fn filled<R: Replicated<Update = Update>>(workload: &Workload, state: R) -> Core<R> {
    let mut core = Core::new(0xa.into(), state);
    for (micros, update) in (1_700_000_000_000_000..).zip(workload.updates()) {
        core.update(update, Time::from_micros(micros)).expect("every update can be written");
    }
    core
}

fn time<T>(workload: &Workload, target: &mut T, mut update: impl FnMut(&mut T, Update)) -> f64 {
    let begun = Instant::now();
    for next in workload.updates() {
        update(target, next);
    }
    rate(workload.len(), begun.elapsed())
}
